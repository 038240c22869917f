package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// valid is a request of an endpoint that an enrolled device may make. An endpoint
// without one here fails the tests of authorisation: nobody has said yet who may
// ask it.
var valid = map[string]struct {
	open  bool // no token is needed
	query string
	body  func(r *storetest.Rig) any
}{
	"GET /healthz": {open: true},
	"GET /readyz":  {open: true},
	"GET /ping":    {open: true, query: "?nonce=abc"},
	"POST /enroll": {open: true, body: func(r *storetest.Rig) any {
		return wire.Enroll{Code: r.Code("ann"), DeviceName: "x", Nonce: "nonce-" + storetest.NewID()}
	}},
	"POST /sync":         {body: func(*storetest.Rig) any { return one(storetest.NewID(), storetest.NewID()) }},
	"POST /sync/batch":   {body: func(*storetest.Rig) any { return wire.Batch{Ops: []op.Op{one(storetest.NewID(), storetest.NewID())}} }},
	"GET /sync/changes":  {query: "?limit=10"},
	"POST /sync/history": {body: func(*storetest.Rig) any { return wire.Past{} }},
	"GET /sync/digest":   {query: "?crew=North"},
	"GET /sync/events":   {},
}

func one(id, task string) op.Op {
	return op.Op{ID: id, Kind: op.Task, Action: op.Insert, Entity: task, CreatedAt: 1, Schema: op.Schema,
		Fields: op.Fields{"title": "Boiler", "status": "PENDING", op.UpdatedAt: storetest.Start}}
}

// ask makes an endpoint's valid request with an Authorization header; of a stream
// only the head is read.
func ask(t *testing.T, r *storetest.Rig, endpoint, authorization string) (status int, code string, body []byte) {
	t.Helper()
	v, known := valid[endpoint]
	if !known {
		t.Fatalf("%s is new: say in this file who may ask it", endpoint)
	}
	method, path, _ := strings.Cut(endpoint, " ")
	var in io.Reader
	if v.body != nil {
		text, err := json.Marshal(v.body(r))
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.URL+path+v.query, in)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK && path == wire.PathEvents {
		return resp.StatusCode, "", nil
	}
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	var p wire.Problem
	_ = json.Unmarshal(body, &p) // an answer that is no problem has no code
	return resp.StatusCode, p.Code, body
}

// TestI41AuthorisationMatrix (G15): every endpoint × every principal, from the
// handler's own list.
func TestI41AuthorisationMatrix(t *testing.T) {
	r := newRig(t)
	r.User("eve", op.Technician, "South")
	r.User("vic", op.Viewer, "North")
	r.User("dis", op.Dispatcher, "North")
	r.User("gone", op.Technician, "North")
	ann, second, eve, vic, dis, gone, revoked := r.Enrol("ann"), r.Enrol("ann"), r.Enrol("eve"), r.Enrol("vic"), r.Enrol("dis"), r.Enrol("gone"), r.Enrol("ann")
	if err := r.Store.Revoke(t.Context(), revoked.ID, r.Now.Load()); err != nil {
		t.Fatal(err)
	}
	if err := r.Server.DisableUser(t.Context(), "gone", true); err != nil {
		t.Fatal(err)
	}
	typo := ann.Token[:len(ann.Token)-1] + string(rune('A'+(ann.Token[len(ann.Token)-1]-'A'+1)%26))
	const in, out, unknown = "in", wire.CodeRevoked, wire.CodeUnauthorised
	principals := []struct{ name, authorization, want string }{
		{"nobody", "", unknown},
		{"garbage", "Bearer garbage", unknown},
		{"another scheme", "Basic " + ann.Token, unknown},
		{"no scheme", ann.Token, unknown},
		{"empty", "Bearer ", unknown},
		{"a token with a typo", "Bearer " + typo, unknown},
		{"half a token", "Bearer " + ann.Token[:20], unknown},
		{"two tokens", "Bearer " + ann.Token + " " + ann.Token, unknown},
		{"a token of nobody", "Bearer plk1_" + strings.Repeat("A", 52), unknown},
		{"a device id", "Bearer " + ann.ID, unknown},
		{"an enrolment code", "Bearer " + r.Code("ann"), unknown},
		{"the server's id", "Bearer " + r.Server.ID(), unknown},
		{"SQL", "Bearer ' OR 1=1 --", unknown},
		{"a revoked device", "Bearer " + revoked.Token, out},
		{"a disabled user", "Bearer " + gone.Token, out},
		{"the technician", "Bearer " + ann.Token, in},
		{"another device of hers", "Bearer " + second.Token, in},
		{"the dispatcher", "Bearer " + dis.Token, in},
		{"the viewer", "Bearer " + vic.Token, in},
		{"another crew's", "Bearer " + eve.Token, in},
	}
	cells := 0
	for _, endpoint := range r.Server.Endpoints() {
		for _, p := range principals {
			wantStatus, wantCode := http.StatusOK, ""
			switch {
			case valid[endpoint].open:
			case p.want != in:
				wantStatus, wantCode = http.StatusUnauthorized, p.want
			case p.name == "another crew's" && endpoint == "GET /sync/digest":
				wantStatus, wantCode = http.StatusNotFound, wire.CodeNoCrew
			case p.name == "the viewer" && endpoint == "POST /sync":
				wantStatus, wantCode = http.StatusUnprocessableEntity, string(op.CodeForbidden)
			}
			status, code, body := ask(t, r, endpoint, p.authorization)
			if status != wantStatus || code != wantCode {
				t.Errorf("%s by %s: %d %s, want %d %s: %.200s", endpoint, p.name, status, code, wantStatus, wantCode, body)
			}
			if p.name == "the viewer" && endpoint == "POST /sync/batch" && !bytes.Contains(body, []byte(`"outcome":"rejected"`)) {
				t.Errorf("a viewer's change: %s", body)
			}
			cells++
		}
	}
	if want := len(valid) * len(principals); cells != want {
		t.Errorf("%d cells, want %d: an endpoint is gone, or stands twice", cells, want)
	}
}

// TestI37RevokedDeviceIsOutAtOnce: at its next request, and on a stream that is open.
func TestI37RevokedDeviceIsOutAtOnce(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+wire.PathEvents, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+ann.Token)
	stream, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || stream.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", stream, err)
	}
	defer stream.Body.Close()
	if err := r.Store.Revoke(t.Context(), ann.ID, r.Now.Load()); err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range r.Server.Endpoints() {
		if status, code, _ := ask(t, r, endpoint, "Bearer "+ann.Token); !valid[endpoint].open && (status != 401 || code != wire.CodeRevoked) {
			t.Errorf("F36 %s: %d %s", endpoint, status, code)
		}
	}
	if _, err := io.Copy(io.Discard, stream.Body); err != nil { // its end, or the test's own deadline
		t.Logf("the stream ended with %v", err)
	}
}

// twin is one of two worlds: with another crew at work beside, or without.
type twin struct {
	*storetest.Rig
	chance *chances
	south  bool
	script bytes.Buffer // every answer that North got
}

// chances are two streams of chance: what another crew does takes nothing of North's.
type chances struct {
	mu    sync.Mutex // guards both
	of    [2]*mrand.ChaCha8
	which int
}

func (c *chances) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[c.which].Read(p)
}

func (c *chances) take(which int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.which = which
}

// TestI40F89CrewsAreIsolated (G15): what North is told is the same, byte for byte,
// whether South exists or not: its users, its records under ids that North tries
// too, its conflicts, its revocations.
func TestI40F89CrewsAreIsolated(t *testing.T) {
	alone, beside := newTwin(t, false), newTwin(t, true)
	for _, w := range []*twin{alone, beside} {
		w.play()
	}
	a, b := strings.Split(alone.script.String(), "\n\n"), strings.Split(beside.script.String(), "\n\n")
	if len(a) != len(b) || len(a) < 40 {
		t.Errorf("%d and %d answers", len(a), len(b))
	}
	t.Logf("%d answers, %d of them 200", len(a), strings.Count(alone.script.String(), "\n200 "))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("without South:\n%s\nwith South:\n%s", a[i], b[i])
		}
	}
}

func newTwin(t *testing.T, south bool) *twin {
	t.Helper()
	w := &twin{Rig: &storetest.Rig{T: t}, south: south, chance: &chances{}}
	w.chance.of = [2]*mrand.ChaCha8{mrand.NewChaCha8([32]byte{1}), mrand.NewChaCha8([32]byte{2})}
	w.Now.Store(storetest.Start)
	w.Store = openStore(t, filepath.Join(t.TempDir(), "d.db"))
	srv, err := server.New(t.Context(), w.Store, server.Options{Now: w.Time, Rand: w.chance})
	if err != nil {
		t.Fatal(err)
	}
	w.Server = srv
	hs := httptest.NewServer(srv.Handler())
	t.Cleanup(hs.Close)
	w.URL = hs.URL
	return w
}

// told notes an answer that North got.
func (w *twin) told(q storetest.Request) storetest.Answer {
	w.T.Helper()
	a := w.Do(q)
	a.Header.Del("Date")
	fmt.Fprintf(&w.script, "%s %s\n%d %v\n%s\n\n", q.Method, q.Path, a.Status, a.Header, bytes.ReplaceAll(a.Body, []byte("\n\n"), []byte("\n")))
	return a
}

// beside lets South act, in the one world in which it is.
func (w *twin) beside(f func()) {
	if !w.south {
		return
	}
	w.chance.take(1)
	defer w.chance.take(0)
	f()
}

func fixedID(n int) string { return fmt.Sprintf("0198dddd-0000-7000-8000-%012d", n) }

func (w *twin) play() {
	w.User("ann", op.Technician, "North")
	var eve *storetest.Device
	w.beside(func() {
		w.User("eve", op.Dispatcher, "South")
		eve = w.Enrol("eve")
		for i := range 5 {
			eve.Must(one(fixedID(500+i), fixedID(i)))
		}
	})
	enrolled := w.told(storetest.Request{Method: http.MethodPost, Path: wire.PathEnroll, Body: wire.Enroll{Code: w.Code("ann"), DeviceName: "van", Nonce: "nonce-0123456789"}})
	var e wire.Enrolled
	enrolled.Into(&e)
	cursor := ""
	post := func(path string, body any) {
		w.told(storetest.Request{Method: http.MethodPost, Path: path, Token: e.Token, Body: body})
	}
	get := func(path string) storetest.Answer {
		return w.told(storetest.Request{Method: http.MethodGet, Path: path, Token: e.Token})
	}
	for round := range 4 {
		w.beside(func() {
			eve.Must(one(fixedID(600+round), fixedID(20+round)))
			eve.Must(eve.Set(fixedID(20+round), 0, op.Fields{"title": "South's", op.UpdatedAt: storetest.Start}))
		})
		// F89: South uses these very ids.
		post(wire.PathBatch, wire.Batch{Ops: []op.Op{one(fixedID(700+round), fixedID(20+round)), one(fixedID(600+round), fixedID(40+round))}})
		post(wire.PathSync, one(fixedID(720+round), fixedID(60+round)))
		for _, id := range []string{fixedID(0), fixedID(20 + round), fixedID(99)} {
			post(wire.PathSync, op.Op{ID: fixedID(740 + 10*round + int(id[len(id)-1]-'0')), Kind: op.Task, Action: op.Update, Entity: id, CreatedAt: 1, Schema: op.Schema,
				Fields: op.Fields{"title": "tried", op.UpdatedAt: storetest.Start + int64(round)}})
		}
		w.beside(func() { eve.Must(one(fixedID(800+round), fixedID(80+round))) })
		page := get(wire.PathChanges + "?limit=3&since=" + cursor)
		var c wire.Changes
		page.Into(&c)
		cursor = c.Cursor
		get(wire.PathDigest + "?crew=North")
		get(wire.PathDigest + "?crew=South")
		get(wire.PathDigest + "?crew=North&leaf=00")
		post(wire.PathHistory, wire.Past{Ops: []string{fixedID(700), fixedID(600), fixedID(500)}})
		w.told(storetest.Request{Method: http.MethodGet, Path: wire.PathPing + "?nonce=n", Token: e.Token})
		w.told(storetest.Request{Method: http.MethodGet, Path: wire.PathReady})
		w.told(storetest.Request{Method: http.MethodGet, Path: wire.PathHealth})
	}
	w.beside(func() {
		if err := w.Store.Revoke(w.T.Context(), eve.ID, w.Now.Load()); err != nil {
			w.T.Fatal(err)
		}
	})
	get(wire.PathChanges)
}

// TestI42SecretsStaySecret (G15): tokens and codes stand nowhere but where they
// were given: not in the log, the database, an answer to anybody else.
func TestI42SecretsStaySecret(t *testing.T) {
	dir := t.TempDir()
	var logged bytes.Buffer
	var mu sync.Mutex
	store := openStore(t, filepath.Join(dir, "d.db"))
	r := &storetest.Rig{T: t, Store: store}
	r.Now.Store(storetest.Start)
	srv, err := server.New(t.Context(), store, server.Options{Now: r.Time, Rand: rand.Reader, Log: slog.New(slog.NewJSONHandler(&lockedWriter{w: &logged, mu: &mu}, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	r.Server = srv
	hs := httptest.NewServer(srv.Handler())
	defer hs.Close()
	r.URL = hs.URL
	r.User("ann", op.Technician, "North")
	code := r.Code("ann")
	got, status := r.Redeem(code, "nonce-0123456789")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	secrets := map[string]string{"the token": got.Token, "the code": code, "the code without dashes": strings.ReplaceAll(code, "-", "")}
	var answers bytes.Buffer
	for _, endpoint := range srv.Endpoints() {
		if endpoint == "POST /enroll" {
			continue // its answer is where a token is given
		}
		for _, authorization := range []string{"Bearer " + got.Token, "Bearer " + code, "Basic " + got.Token} {
			_, _, body := ask(t, r, endpoint, authorization)
			answers.Write(body)
		}
	}
	for _, q := range []storetest.Request{
		{Method: http.MethodPost, Path: wire.PathEnroll, Body: wire.Enroll{Code: code, DeviceName: "thief", Nonce: "nonce-9876543210"}},
		{Method: http.MethodPost, Path: wire.PathBatch, Token: got.Token, Body: "not json " + "x"},
		{Method: http.MethodGet, Path: wire.PathChanges + "?since=" + got.Token[:8], Token: got.Token},
	} {
		answers.Write(r.Do(q).Body)
	}
	hs.Close()
	files := map[string][]byte{"the log": logged.Bytes(), "the answers": answers.Bytes()}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for where, text := range files {
		for what, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s stands in %s", what, where)
			}
		}
	}
	if len(files) < 3 || answers.Len() == 0 {
		t.Errorf("looked at %d places only", len(files))
	}
}

type lockedWriter struct {
	w  io.Writer
	mu *sync.Mutex // guards w
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// TestF88EditOfAnUnknownTask: refused for good, in words, and nothing else with it.
func TestF88EditOfAnUnknownTask(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	results := ann.Push(ann.Set(fixedID(1), 0, op.Fields{"title": "x", op.UpdatedAt: storetest.Start}), ann.NewTask(fixedID(2), "y"))
	if len(results) != 2 || results[0].Outcome != op.Rejected || results[0].Code != op.CodeNotFound || results[0].Message == "" || results[1].Outcome != op.Applied {
		t.Errorf("%+v", results)
	}
}
