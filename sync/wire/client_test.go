package wire_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serverID = "0193aaaa-0000-7000-8000-000000000001"

var (
	serverKey = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes: 0001"))
	publicKey = base64.RawURLEncoding.EncodeToString(serverKey.Public().(ed25519.PublicKey))
)

// envelope writes the headers of a true answer.
func envelope(w http.ResponseWriter, media string) {
	w.Header().Set(wire.HeaderProtocol, wire.Protocol)
	w.Header().Set(wire.HeaderServer, serverID)
	w.Header().Set(wire.HeaderTime, "1763800000000")
	w.Header().Set("Content-Type", media)
}

func answer(w http.ResponseWriter, v any) {
	envelope(w, "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code string) {
	envelope(w, "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Status: status, Code: code, Message: "no", Hint: "do otherwise"})
}

// honest is a server that does everything right and applies every op.
func honest(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case wire.PathPing:
		p := wire.Ping{Service: "punchlist", Protocol: 1, ServerID: serverID, Time: 1763800000000, Nonce: r.URL.Query().Get("nonce"), ServerKey: publicKey}
		p.Signature = base64.RawURLEncoding.EncodeToString(ed25519.Sign(serverKey, wire.PingText(p.Nonce, p.ServerID, p.Time)))
		answer(w, p)
	case wire.PathBatch:
		var out wire.Results
		for _, o := range readBatch(r).Ops {
			out.Results = append(out.Results, wire.Result{OpID: o.ID, Outcome: op.Applied, Version: 1})
		}
		answer(w, out)
	case wire.PathChanges:
		answer(w, wire.Changes{Cursor: "c2", Changes: []wire.Change{{EntityType: op.Task, EntityID: "t", Version: 2,
			ServerState: op.Fields{"title": "Lift \x1b[2J7\u202e"}}}})
	}
}

func readBatch(r *http.Request) (b wire.Batch) {
	if err := json.NewDecoder(unpacked(r)).Decode(&b); err != nil {
		panic(err)
	}
	return b
}

// unpacked is a request's body as it was before it was packed.
func unpacked(r *http.Request) io.Reader {
	if r.Header.Get("Content-Encoding") != "zstd" {
		return r.Body
	}
	z, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return bytes.NewReader(text)
}

// start serves h on loopback and returns a client enrolled with it.
func start(t *testing.T, h http.HandlerFunc) *wire.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return enrolled(t, wire.ClientOptions{BaseURL: s.URL})
}

func enrolled(t *testing.T, o wire.ClientOptions) *wire.Client {
	t.Helper()
	o.ServerID, o.ServerKey, o.Token, o.Version = serverID, publicKey, "plk1_SECRET", "1.0"
	c, err := wire.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Hangup)
	return c
}

func someOps(n int) []op.Op {
	ops := make([]op.Op, n)
	for i := range ops {
		ops[i] = op.Op{ID: "op" + strconv.Itoa(i), Seq: int64(i), Kind: op.Task, Entity: "t", Action: op.Update,
			Fields: op.Fields{"title": "Lift in hall " + strconv.Itoa(i)}}
	}
	return ops
}

// each runs the three requests of a round against a client.
func each(t *testing.T, c *wire.Client, check func(t *testing.T, err error)) {
	t.Helper()
	calls := map[string]func() error{
		"ping":    func() error { _, err := c.Ping(t.Context()); return err },
		"push":    func() error { _, err := c.Push(t.Context(), wire.Self{}, someOps(2)); return err },
		"changes": func() error { _, err := c.Changes(t.Context(), wire.Self{}, "c1", 10); return err },
	}
	for name, f := range calls {
		t.Run(name, func(t *testing.T) { check(t, f()) })
	}
}

func TestATrueAnswerIsBelieved(t *testing.T) {
	c := start(t, honest)
	each(t, c, func(t *testing.T, err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
	pong, err := c.Ping(t.Context())
	if err != nil || pong.Time != 1763800000000 || pong.After.Boot < pong.Before.Boot || pong.Before.Wall == 0 {
		t.Fatalf("ping: %+v, %v", pong, err)
	}
	results, err := c.Push(t.Context(), wire.Self{}, someOps(300))
	if err != nil || len(results.Results) != 300 || results.Results[299].OpID != "op299" {
		t.Fatalf("push: %d results, %v", len(results.Results), err)
	}
	page, err := c.Changes(t.Context(), wire.Self{}, "", 10)
	if err != nil || page.Cursor != "c2" {
		t.Fatalf("changes: %+v, %v", page, err)
	}
	if title := page.Changes[0].ServerState.Text("title"); title != "Lift [2J7" {
		t.Errorf("a title that steers the terminal came through as %q", title)
	}
}

func TestI32NothingOfAStrangerIsBelieved(t *testing.T) {
	var followed atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		followed.Store(true)
		honest(w, r)
	}))
	defer elsewhere.Close()
	with := func(change func(h http.Header)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			honest(rec, r)
			change(rec.Header())
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			_, _ = w.Write(rec.Body.Bytes())
		}
	}
	text := func(media, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { envelope(w, media); _, _ = io.WriteString(w, body) }
	}
	cases := map[string]http.HandlerFunc{
		"F04 portal page with 200": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>Welcome to the hotel</html>")
		},
		"F05 redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.String(), http.StatusTemporaryRedirect)
		},
		"F06 JSON of a stranger": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"results":[{"op_id":"op0","outcome":"applied"},{"op_id":"op1","outcome":"applied"}],"cursor":"x"}`)
		},
		"F07 another server's id":  with(func(h http.Header) { h.Set(wire.HeaderServer, "0193aaaa-0000-7000-8000-00000000ffff") }),
		"no server id":             with(func(h http.Header) { h.Del(wire.HeaderServer) }),
		"no protocol":              with(func(h http.Header) { h.Del(wire.HeaderProtocol) }),
		"protocol 2":               with(func(h http.Header) { h.Set(wire.HeaderProtocol, "2") }),
		"no time":                  with(func(h http.Header) { h.Del(wire.HeaderTime) }),
		"F10 wrong content type":   with(func(h http.Header) { h.Set("Content-Type", "text/plain") }),
		"F08 empty body":           text("application/json", ""),
		"F09 JSON cut short":       text("application/json", `{"results":[{"op_id":"op0","outcome":"appl`),
		"an empty object":          text("application/json", `{}`),
		"null":                     text("application/json", `null`),
		"something behind":         text("application/json", `{"cursor":"c"} {"cursor":"d"}`),
		"401 of a stranger":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"401 without a problem":    func(w http.ResponseWriter, _ *http.Request) { envelope(w, "application/json"); w.WriteHeader(401) },
		"502 of a gateway":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"204":                      func(w http.ResponseWriter, _ *http.Request) { envelope(w, "application/json"); w.WriteHeader(204) },
		"packing nobody asked for": with(func(h http.Header) { h.Set("Content-Encoding", "br") }),
	}
	for name, h := range cases {
		t.Run(name, func(t *testing.T) {
			each(t, start(t, h), func(t *testing.T, err error) {
				var stranger *wire.NotOurServer
				if !errors.As(err, &stranger) {
					t.Fatalf("want NotOurServer, got %T: %v", err, err)
				}
				if stranger.Host == "" || stranger.Hint() == "" || strings.Contains(err.Error(), "SECRET") {
					t.Errorf("a poor error: %v (try: %s)", err, stranger.Hint())
				}
			})
		})
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

func TestARedirectNamesTheHostItPointsTo(t *testing.T) {
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://hotel-wifi.example/login", http.StatusFound)
	})
	_, err := c.Ping(t.Context())
	var stranger *wire.NotOurServer
	if !errors.As(err, &stranger) || stranger.Host != "hotel-wifi.example" {
		t.Fatalf("got %v", err)
	}
}

func TestAPingThatIsNotSignedAfreshIsNoPing(t *testing.T) {
	forge := func(change func(p *wire.Ping)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			honest(rec, r)
			var p wire.Ping
			_ = json.Unmarshal(rec.Body.Bytes(), &p)
			change(&p)
			answer(w, p)
		}
	}
	for name, change := range map[string]func(p *wire.Ping){
		"other time":   func(p *wire.Ping) { p.Time++ },
		"other nonce":  func(p *wire.Ping) { p.Nonce = "replayed" },
		"no signature": func(p *wire.Ping) { p.Signature = "" },
		"other server": func(p *wire.Ping) { p.ServerID = "x" },
		"other key": func(p *wire.Ping) {
			other := ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes: 0002"))
			p.Signature = base64.RawURLEncoding.EncodeToString(ed25519.Sign(other, wire.PingText(p.Nonce, p.ServerID, p.Time)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := start(t, forge(change)).Ping(t.Context())
			var stranger *wire.NotOurServer
			if !errors.As(err, &stranger) {
				t.Fatalf("want NotOurServer, got %v", err)
			}
		})
	}
}

func TestF34ResultsMustMatchTheOpsOneToOne(t *testing.T) {
	for name, change := range map[string]func(r []wire.Result) []wire.Result{
		"one too few":     func(r []wire.Result) []wire.Result { return r[:1] },
		"one too many":    func(r []wire.Result) []wire.Result { return append(r, wire.Result{OpID: "op9", Outcome: op.Applied}) },
		"other order":     func(r []wire.Result) []wire.Result { r[0], r[1] = r[1], r[0]; return r },
		"unknown outcome": func(r []wire.Result) []wire.Result { r[1].Outcome = "fine"; return r },
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, func(w http.ResponseWriter, _ *http.Request) {
				answer(w, wire.Results{Results: change([]wire.Result{{OpID: "op0", Outcome: op.Applied}, {OpID: "op1", Outcome: op.Applied}})})
			})
			results, err := c.Push(t.Context(), wire.Self{}, someOps(2))
			var stranger *wire.NotOurServer
			if !errors.As(err, &stranger) || results.Results != nil {
				t.Fatalf("want NotOurServer and nothing, got %v, %v", results, err)
			}
		})
	}
}

func TestRefusalsOfOurServerAreTyped(t *testing.T) {
	cases := []struct {
		status int
		code   string
		header [2]string
		wait   time.Duration
	}{
		{401, wire.CodeUnauthorised, [2]string{}, 0},
		{403, wire.CodeRevoked, [2]string{}, 0},
		{400, wire.CodeBadCursor, [2]string{}, 0},
		{410, wire.CodeBadCursor, [2]string{}, 0},
		{413, wire.CodeTooLarge, [2]string{}, 0},
		{426, wire.CodeUpgrade, [2]string{}, 0},
		{429, wire.CodeTooMany, [2]string{"Retry-After", "7"}, 7 * time.Second},
		{429, wire.CodeTooMany, [2]string{"Retry-After", "soon"}, 0},
		{503, wire.CodeBusy, [2]string{"Retry-After", "-7"}, 0},
		{503, wire.CodeBusy, [2]string{"Retry-After", "Sat, 22 Nov 2025 10:02:00 GMT"}, 2 * time.Minute},
		{500, wire.CodeInternal, [2]string{}, 0},
	}
	for _, tc := range cases {
		t.Run(strconv.Itoa(tc.status)+" "+tc.header[1], func(t *testing.T) {
			c := start(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", "Sat, 22 Nov 2025 10:00:00 GMT")
				if tc.header[0] != "" {
					w.Header().Set(tc.header[0], tc.header[1])
				}
				refuse(w, tc.status, tc.code)
			})
			_, err := c.Push(t.Context(), wire.Self{}, someOps(1))
			var se *wire.ServerError
			if !errors.As(err, &se) {
				t.Fatalf("want ServerError, got %T: %v", err, err)
			}
			if se.Status() != tc.status || se.Problem.Code != tc.code || se.RetryAfter != tc.wait || se.Hint() != "do otherwise" {
				t.Errorf("got %d %s, wait %v", se.Status(), se.Problem.Code, se.RetryAfter)
			}
		})
	}
}

func TestF09ABodyCutByTheNetworkIsACut(t *testing.T) {
	c := start(t, func(w http.ResponseWriter, _ *http.Request) {
		envelope(w, "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"results":[`)
	})
	_, err := c.Push(t.Context(), wire.Self{}, someOps(1))
	var lost *wire.Unreachable
	if !errors.As(err, &lost) || !lost.Sent || !strings.Contains(lost.Error(), "was cut") {
		t.Fatalf("want a cut after sending, got %#v", err)
	}
}

func TestF90AnAnswerLargerThanTheLimitIsNotRead(t *testing.T) {
	zeros := func(w io.Writer) {
		chunk := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"plain": func(w http.ResponseWriter, _ *http.Request) { envelope(w, "application/json"); zeros(w) },
		"gzip": func(w http.ResponseWriter, _ *http.Request) {
			envelope(w, "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			zeros(z)
		},
		"zstd": func(w http.ResponseWriter, _ *http.Request) {
			envelope(w, "application/json")
			w.Header().Set("Content-Encoding", "zstd")
			z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
			defer z.Close()
			zeros(z)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := start(t, h).Changes(t.Context(), wire.Self{}, "", 10)
			var stranger *wire.NotOurServer
			if !errors.As(err, &stranger) {
				t.Fatalf("want NotOurServer, got %v", err)
			}
		})
	}
}

func TestBodiesArePackedBothWays(t *testing.T) {
	for _, packing := range []string{"gzip", "zstd"} {
		t.Run(packing, func(t *testing.T) {
			var small, large atomic.Value
			c := start(t, func(w http.ResponseWriter, r *http.Request) {
				ops := readBatch(r).Ops
				if len(ops) > 1 {
					large.Store(r.Header.Get("Content-Encoding"))
				} else {
					small.Store(r.Header.Get("Content-Encoding"))
				}
				rec := httptest.NewRecorder()
				out := wire.Results{}
				for _, o := range ops {
					out.Results = append(out.Results, wire.Result{OpID: o.ID, Outcome: op.Applied})
				}
				answer(rec, out)
				envelope(w, "application/json")
				w.Header().Set("Content-Encoding", packing)
				pack(w, packing, rec.Body.Bytes())
			})
			for _, n := range []int{1, 100} {
				results, err := c.Push(t.Context(), wire.Self{}, someOps(n))
				if err != nil || len(results.Results) != n {
					t.Fatalf("%d ops: %d results, %v", n, len(results.Results), err)
				}
			}
			if small.Load() != "" || large.Load() != "zstd" {
				t.Errorf("one op went as %q, a hundred as %q", small.Load(), large.Load())
			}
		})
	}
}

func pack(w io.Writer, packing string, b []byte) {
	var z io.WriteCloser = gzip.NewWriter(w)
	if packing == "zstd" {
		z, _ = zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	_, _ = z.Write(b)
	_ = z.Close()
}

func TestTheDeviceReportsOnItself(t *testing.T) {
	got := make(chan http.Header, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		honest(w, r)
	}))
	defer s.Close()
	c := enrolled(t, wire.ClientOptions{BaseURL: s.URL, Report: func(context.Context) wire.Report {
		return wire.Report{Pending: 11, Offset: -250, OffsetKnown: true}
	}})
	if _, err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := <-got
	for name, want := range map[string]string{wire.HeaderPending: "11", wire.HeaderOffset: "-250",
		wire.HeaderClient: "1.0", "Authorization": "Bearer plk1_SECRET"} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	stranger, err := wire.NewClient(wire.ClientOptions{BaseURL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Hangup()
	if _, err := stranger.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h = <-got; h.Get("Authorization") != "" || h.Get(wire.HeaderPending) != "" {
		t.Errorf("a client without a token sent %v", h)
	}
}

func TestAConnectionThatDiedWhileIdleIsReplacedSilently(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(honest))
	defer s.Close()
	c := enrolled(t, wire.ClientOptions{BaseURL: s.URL})
	for range 5 {
		if _, err := c.Push(t.Context(), wire.Self{}, someOps(1)); err != nil {
			t.Fatal(err)
		}
		s.CloseClientConnections()
	}
}

func TestTheCallersOwnEndIsNoNetworkError(t *testing.T) {
	arrived := make(chan struct{})
	c := start(t, func(_ http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := c.Changes(ctx, wire.Self{}, "", 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("want context.Canceled, got %v", err)
	}
}
