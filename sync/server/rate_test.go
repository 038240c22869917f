package server_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// refusals counts what the meter hears of.
type refusals struct {
	mu  sync.Mutex
	why map[string]int
}

func (r *refusals) Answered(string, int, time.Duration)    {}
func (r *refusals) Decided([]wire.Result, []time.Duration) {}
func (r *refusals) Gathered(int)                           {}
func (r *refusals) Reported(server.Report)                 {}
func (r *refusals) Refused(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.why[why]++
}

// bounded is a rig with the limits that a server has by itself.
func bounded(t *testing.T) (*storetest.Rig, *refusals) {
	return boundedOver(t, openStore(t, filepath.Join(t.TempDir(), "punchlistd.db")))
}

func boundedOver(t *testing.T, store server.Store) (*storetest.Rig, *refusals) {
	heard := &refusals{why: map[string]int{}}
	r := storetest.NewRigWith(t, store, server.Options{Limits: server.DefaultLimits, Meter: heard})
	r.User("ann", op.Technician, "North")
	return r, heard
}

// held answers who asks for changes only when it is let go.
type held struct {
	server.Store
	hold    atomic.Bool
	entered chan struct{}
	letGo   chan struct{}
}

func (h *held) Changes(ctx context.Context, q server.ChangesQuery) (server.Feed, error) {
	if h.hold.Load() {
		h.entered <- struct{}{}
		<-h.letGo
	}
	return h.Store.Changes(ctx, q)
}

// refused checks an answer that asks to come later, and tells when.
func refused(t *testing.T, a storetest.Answer) time.Duration {
	t.Helper()
	var p wire.Problem
	a.Into(&p)
	after, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if a.Status != http.StatusTooManyRequests || p.Code != wire.CodeTooMany || p.Message == "" || p.Hint == "" || err != nil || after < 1 || after > 60 {
		t.Fatalf("%d %s, Retry-After %q: %s", a.Status, p.Code, a.Header.Get("Retry-After"), a.Body)
	}
	return time.Duration(after) * time.Second
}

// TestF41DeviceRate: ten a second for long, forty at once; whoever comes too
// often is asked to wait, and another device is not.
func TestF41DeviceRate(t *testing.T) {
	r, heard := bounded(t)
	ann, bob := r.Enrol("ann"), r.Enrol("ann")
	ask := func(d *storetest.Device) storetest.Answer {
		return r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges, Token: d.Token})
	}
	for i := range 40 {
		if a := ask(ann); a.Status != 200 {
			t.Fatalf("request %d: %d", i+1, a.Status)
		}
	}
	wait := refused(t, ask(ann))
	refused(t, r.Do(storetest.Request{Method: http.MethodGet, Path: "/ping?nonce=n", Token: ann.Token}))
	if a := ask(bob); a.Status != 200 {
		t.Errorf("another device: %d", a.Status)
	}
	r.Pass(wait)
	for i := range 10 {
		if a := ask(ann); a.Status != 200 {
			t.Errorf("after the wait, request %d: %d", i+1, a.Status)
		}
	}
	refused(t, ask(ann))
	r.Pass(-time.Hour) // a clock that is put back locks nobody out for an hour
	refused(t, ask(ann))
	r.Pass(time.Second)
	if a := ask(ann); a.Status != 200 {
		t.Errorf("a second after the clock was put back: %d", a.Status)
	}
	if heard.why["device rate"] != 4 {
		t.Errorf("the meter heard %v", heard.why)
	}
}

// Two requests of a device run at once; streams and long polls are not counted.
func TestRequestsTogether(t *testing.T) {
	store := &held{Store: openStore(t, filepath.Join(t.TempDir(), "d.db")), entered: make(chan struct{}), letGo: make(chan struct{})}
	r, heard := boundedOver(t, store)
	ann := r.Enrol("ann")
	ctx, cancel := context.WithCancel(t.Context())
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	for range 2 { // streams that stay open
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+wire.PathEvents, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+ann.Token)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		defer res.Body.Close()
		if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(query string) storetest.Answer {
		a, err := r.Try(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges + query, Token: ann.Token})
		if err != nil {
			t.Error(err)
		}
		return a
	}
	store.hold.Store(true)
	for _, query := range []string{"?wait=1", "?wait=1", "", ""} { // more of them at once than may run
		open.Go(func() {
			if a := ask(query); a.Status != 200 {
				t.Errorf("%q: %d %s", query, a.Status, a.Body)
			}
		})
		<-store.entered
	}
	store.hold.Store(false)
	refused(t, ask(""))
	close(store.letGo)
	open.Wait()
	if a := ask(""); a.Status != 200 {
		t.Errorf("when both have ended: %d", a.Status)
	}
	if heard.why["device together"] != 1 || heard.why["device rate"] != 0 {
		t.Errorf("the meter heard %v", heard.why)
	}
}

// Whoever is not known is counted by address, and costs those no room who are.
func TestAddressRate(t *testing.T) {
	r, heard := bounded(t)
	ann := r.Enrol("ann")
	r.Pass(time.Minute)
	for i := range 200 {
		paths := []string{"/ping?nonce=n", "/nothing", wire.PathChanges, wire.PathReady}
		token := ""
		if i%4 == 2 {
			token = "plk1_" + strings.Repeat("A", 58) // well formed or not
		}
		if a := r.Do(storetest.Request{Method: http.MethodGet, Path: paths[i%4], Token: token}); a.Status == http.StatusTooManyRequests {
			t.Fatalf("request %d: %d", i+1, a.Status)
		}
	}
	for _, path := range []string{"/ping?nonce=n", "/nothing", wire.PathChanges, wire.PathReady} {
		refused(t, r.Do(storetest.Request{Method: http.MethodGet, Path: path}))
	}
	refused(t, r.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathEnroll, Body: wire.Enroll{Code: r.Code("ann")}}))
	if a := r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathHealth}); a.Status != 200 {
		t.Errorf("health: %d", a.Status)
	}
	ann.Must(ann.NewTask(storetest.NewID(), "Boiler"))
	if heard.why["address rate"] != 5 {
		t.Errorf("the meter heard %v", heard.why)
	}
	r.Pass(time.Second)
	if a := r.Do(storetest.Request{Method: http.MethodGet, Path: "/ping?nonce=n"}); a.Status != 200 {
		t.Errorf("a second later: %d", a.Status)
	}
}

// After twenty guesses in an hour the open invites are no good; those that are
// made then are.
func TestGuessedCodes(t *testing.T) {
	r, _ := bounded(t)
	code := r.Code("ann")
	guess := func() int {
		r.Pass(13 * time.Second) // from one address no more than five a minute
		_, status := r.Redeem("BCDF-GHJK-LMNP", "n")
		return status
	}
	for range 19 {
		if s := guess(); s != http.StatusForbidden {
			t.Fatal(s)
		}
	}
	r.Pass(time.Minute)
	if _, status := r.Redeem(code, "n"); status != 200 {
		t.Errorf("after nineteen: %d", status)
	}
	code = r.Code("ann")
	if s := guess(); s != http.StatusForbidden {
		t.Fatal(s)
	}
	r.Pass(time.Minute)
	if _, status := r.Redeem(code, "n"); status != http.StatusForbidden {
		t.Errorf("an invite from before the twentieth: %d", status)
	}
	r.Pass(time.Minute)
	if _, status := r.Redeem(r.Code("ann"), "n"); status != 200 {
		t.Errorf("one from after it: %d", status)
	}
	closed := 0
	for e, err := range r.Server.Audit(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.What == server.DidClose {
			closed++
		}
	}
	if closed != 1 {
		t.Errorf("%d entries tell of it; want 1", closed)
	}
}

// TestLimitListener: one more than the limit waits until another has gone.
func TestLimitListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limited := server.LimitListener(ln, 2)
	came := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := limited.Accept()
			if err != nil {
				ended <- err
				return
			}
			came <- c
		}
	}()
	var conns [3]net.Conn
	for i := range conns {
		if conns[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
	}
	first, second := <-came, <-came
	select {
	case <-came:
		t.Fatal("a third came in")
	case <-time.After(50 * time.Millisecond):
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	_ = first.Close() // twice makes no more room than once
	third := <-came
	if err := limited.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("no error after the end")
	}
	second.Close()
	third.Close()
}

// TestQueryThatIsNone: what cannot be read is no "not given": a device whose
// cursor was mangled must not be told everything from the start.
func TestQueryThatIsNone(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	for _, query := range []string{"since=%%%", "since=a;b", "limit=1&since=%zz", "%=1"} {
		a := r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges + "?" + query, Token: ann.Token})
		var p wire.Problem
		a.Into(&p)
		if a.Status != 400 || p.Code != wire.CodeBadRequest {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
}

// TestUpgrade: another protocol is answered 426, whatever is asked, and says
// which side is to be renewed.
func TestUpgrade(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	for protocol, want := range map[string]string{"0": "too old", "": "", "1": "", "2": "newer", "10": "newer", "x": "newer"} {
		for _, path := range []string{"/ping?nonce=n", wire.PathChanges} {
			a := r.Do(storetest.Request{Method: http.MethodGet, Path: path, Token: ann.Token, Header: map[string]string{wire.HeaderProtocol: protocol}})
			var p wire.Problem
			a.Into(&p)
			if want == "" && a.Status != 200 || want != "" && (a.Status != http.StatusUpgradeRequired || p.Code != wire.CodeUpgrade || !strings.Contains(p.Message, want)) {
				t.Errorf("protocol %q at %s: %d %s", protocol, path, a.Status, a.Body)
			}
			if a.Header.Get(wire.HeaderProtocol) != wire.Protocol || a.Header.Get(wire.HeaderServer) == "" {
				t.Error("the answer does not say whose it is")
			}
		}
	}
}

// A device that does not come in any more is an address like another: it may not
// ask without end, and does not make the server write for each time it asks.
func TestWhoIsOutMayNotAskWithoutEnd(t *testing.T) {
	r, _ := bounded(t)
	ann := r.Enrol("ann")
	if err := r.Store.Revoke(t.Context(), ann.ID, r.Now.Load()); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		switch a := r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges, Token: ann.Token}); {
		case a.Status == http.StatusTooManyRequests && n >= 100:
			return
		case a.Status != http.StatusUnauthorized || n > 1000:
			t.Fatalf("request %d is answered %d", n, a.Status)
		}
	}
}
