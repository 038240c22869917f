package server_test

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

func openStore(t testing.TB, path string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newRig is a server with the crew North and the technician ann.
func newRig(t testing.TB) *storetest.Rig {
	t.Helper()
	r := storetest.NewRig(t, openStore(t, filepath.Join(t.TempDir(), "punchlistd.db")))
	r.User("ann", op.Technician, "North")
	return r
}

func get(path string) storetest.Request { return storetest.Request{Method: http.MethodGet, Path: path} }

// TestEveryAnswerIsIdentified: whatever is asked, the answer says who gave it,
// and what is no success is a problem document.
func TestEveryAnswerIsIdentified(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	for _, c := range []struct {
		q      storetest.Request
		status int
		code   string
	}{
		{get("/healthz"), 200, ""},
		{get("/readyz"), 200, ""},
		{get("/ping?nonce=abc"), 200, ""},
		{get("/ping"), 400, wire.CodeBadRequest},
		{get("/ping?nonce=a%0Ab"), 400, wire.CodeBadRequest},
		{get("/ping?nonce=" + strings.Repeat("a", 65)), 400, wire.CodeBadRequest},
		{get("/"), 404, wire.CodeNoRoute},
		{get("/sync/none"), 404, wire.CodeNoRoute},
		{get("/%1b%5b2J"), 404, wire.CodeNoRoute},
		{storetest.Request{Method: http.MethodDelete, Path: "/ping"}, 405, wire.CodeBadRequest},
		{get("/enroll"), 405, wire.CodeBadRequest},
		{get("/sync/changes"), 401, wire.CodeUnauthorised},
		{storetest.Request{Method: http.MethodPost, Path: "/sync/batch", Body: "{}"}, 401, wire.CodeUnauthorised},
		{storetest.Request{Method: http.MethodPost, Path: "/sync", Token: "plk1_AAAA", Body: "{}"}, 401, wire.CodeUnauthorised},
		{storetest.Request{Method: http.MethodPost, Path: "/sync/batch", Token: ann.Token, Body: "not json"}, 400, wire.CodeBadRequest},
		{storetest.Request{Method: http.MethodPost, Path: "/sync/batch", Token: ann.Token, Body: `{"ops":7}`}, 400, wire.CodeBadRequest},
		{storetest.Request{Method: http.MethodGet, Path: "/sync/changes?since=nonsense", Token: ann.Token}, 400, wire.CodeBadCursor},
		{storetest.Request{Method: http.MethodGet, Path: "/sync/changes?since=eyJ2IjoyfQ", Token: ann.Token}, 400, wire.CodeBadCursor},
		{storetest.Request{Method: http.MethodGet, Path: "/sync/changes?limit=0", Token: ann.Token}, 400, wire.CodeBadRequest},
		{storetest.Request{Method: http.MethodGet, Path: "/sync/changes?limit=999999", Token: ann.Token}, 200, ""},
	} {
		a := r.Do(c.q)
		if a.Status != c.status {
			t.Errorf("%s %s: status %d %s; want %d", c.q.Method, c.q.Path, a.Status, a.Body, c.status)
		}
		if a.Header.Get(wire.HeaderProtocol) != "1" || a.Header.Get(wire.HeaderServer) != r.Server.ID() || a.Header.Get(wire.HeaderTime) != strconv.FormatInt(storetest.Start, 10) {
			t.Errorf("%s %s: headers %v", c.q.Method, c.q.Path, a.Header)
		}
		if c.code == "" {
			continue
		}
		var p wire.Problem
		a.Into(&p)
		if a.Header.Get("Content-Type") != "application/problem+json" || p.Code != c.code || p.Status != c.status || p.Message == "" || strings.ContainsRune(p.Message, 0x1b) {
			t.Errorf("%s %s: %+v as %s; want the code %s", c.q.Method, c.q.Path, p, a.Header.Get("Content-Type"), c.code)
		}
	}
	if a := r.Do(storetest.Request{Method: http.MethodDelete, Path: "/ping"}); a.Header.Get("Allow") != "GET" {
		t.Errorf("Allow: %q", a.Header.Get("Allow"))
	}
}

// TestServeDrains: a stop lets what runs finish and leaves nothing behind.
func TestServeDrains(t *testing.T) {
	r := newRig(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Server.Serve(ctx, ln) }()
	r.URL = "http://" + ln.Addr().String()
	if a := r.Do(get("/healthz")); a.Status != 200 || string(a.Body) != "ok\n" {
		t.Errorf("healthz: %d %q", a.Status, a.Body)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not stop")
	}
	if _, err := r.Try(get("/healthz")); err == nil {
		t.Error("it still answers")
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if err := r.Server.Serve(t.Context(), closed); err == nil {
		t.Error("serving on a closed listener is no error")
	}
}

// TestReadyzTellsOfTheStore: without its database the server is alive, not ready.
func TestReadyzTellsOfTheStore(t *testing.T) {
	r := newRig(t)
	if err := r.Store.(*sqlitestore.Store).Close(); err != nil {
		t.Fatal(err)
	}
	if a := r.Do(get("/readyz")); a.Status != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("readyz: %d %s", a.Status, a.Body)
	}
	if a := r.Do(get("/healthz")); a.Status != 200 {
		t.Errorf("healthz: %d", a.Status)
	}
}

// TestIdentityStays: a server that is started again is the same one.
func TestIdentityStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.db")
	first := storetest.NewRig(t, openStore(t, path)).Server
	second := storetest.NewRig(t, openStore(t, path)).Server
	if first.ID() != second.ID() || !first.Key().Equal(second.Key()) {
		t.Error("the identity changed")
	}
	if _, err := server.New(t.Context(), openStore(t, path), server.Options{}); err == nil {
		t.Error("a server without a clock")
	}
}

// TestTwoProcesses: the office edits the file of a running server, and devices
// hear of it; both give versions of one crew, and none is given twice.
func TestF51TwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.db")
	serving, admin := storetest.NewRig(t, openStore(t, path)), storetest.NewRig(t, openStore(t, path))
	admin.User("ann", op.Technician, "North") // made beside the running server
	ann := serving.Enrol("ann")
	const each = 15
	done := make(chan error, 1)
	go func() {
		by, err := admin.Server.Office(t.Context(), "", "North")
		for i := 0; i < each && err == nil; i++ {
			_, err = admin.Server.AddTask(t.Context(), by, op.Fields{"title": "from the office"})
		}
		done <- err
	}()
	for range each {
		ann.Must(ann.NewTask(storetest.NewID(), "from the field"))
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := ann.Pull().Changes
	versions, numbers := map[int64]bool{}, map[string]bool{}
	for _, c := range got {
		versions[c.Version], numbers[c.ServerState.Text("number")] = true, true
	}
	if len(got) != 2*each || len(versions) != 2*each || len(numbers) != 2*each {
		t.Errorf("%d tasks, %d versions, %d numbers; want %d of each", len(got), len(versions), len(numbers), 2*each)
	}
}
