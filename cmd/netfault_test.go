package cmd_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/wire"
)

// afield is a laptop with its engine at work, and its server, with a line between
// them that a test spoils.
type afield struct {
	t      *testing.T
	srv    *server.Server
	server string // where it really listens
	line   *faultLine
	db     *localdb.DB
	client *wire.Client
	engine *engine.Engine
}

// officeAt starts a server; over TLS of its own making when secure.
func officeAt(t *testing.T, listen string, secure bool) (srv *server.Server, addr string) {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	srv, err = server.New(t.Context(), store, server.Options{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.AddUser(t.Context(), server.User{Name: "ann", Role: op.Technician, Crews: []string{"north"}}); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		t.Skipf("this machine has no %s: %v", listen, err)
	}
	addr = ln.Addr().String()
	if secure {
		conf, err := srv.TLS(func() []string { return []string{"sync.example.test"} })
		if err != nil {
			t.Fatal(err)
		}
		ln = tls.NewListener(ln, conf)
	}
	serving, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(serving, ln) }()
	t.Cleanup(func() { stop(); <-served; store.Close() })
	return srv, addr
}

// outside puts a laptop behind a line to a plain server.
func outside(t *testing.T, listen string) *afield {
	t.Helper()
	a := &afield{t: t}
	a.srv, a.server = officeAt(t, "127.0.0.1:0", false)
	a.line = newFaultLine(t, a.server, listen)
	a.enrol()
	a.run(func(o *wire.ClientOptions) { o.BaseURL = "http://" + a.line.addr })
	return a
}

// enrol joins the laptop to the server by the shortest way: straight.
func (a *afield) enrol() {
	a.t.Helper()
	db, err := localdb.Open(a.t.Context(), filepath.Join(a.t.TempDir(), "laptop.db"), localdb.Options{})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { db.Close() })
	a.db = db
	plain := a.server
	if a.line == nil { // over TLS: the enrolment alone goes another way
		_, plain = a.plain()
	}
	join(a.t, a.srv, db, "http://"+plain).Hangup()
}

// plain serves the same server without TLS too.
func (a *afield) plain() (net.Listener, string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	hs := &http.Server{Handler: a.srv.Handler()}
	go hs.Serve(ln)
	a.t.Cleanup(func() { hs.Close() })
	return ln, ln.Addr().String()
}

// run starts the engine with a client of those options.
func (a *afield) run(how func(*wire.ClientOptions)) {
	a.t.Helper()
	d, err := a.db.Device(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	o := wire.ClientOptions{ServerID: d.ServerID, ServerKey: d.ServerKey, Token: d.Token}
	how(&o)
	if a.client, err = wire.NewClient(o); err != nil {
		a.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	a.engine, err = engine.New(engine.Options{Local: a.db, Pending: a.db.PendingOps, Learn: a.db.LearnOffset, Lock: a.db.TryLock, Rand: mrand.Float64,
		Wake: a.db.Changed(ctx), Remote: func(context.Context) (engine.Remote, error) { return a.client, nil }})
	if err != nil {
		a.t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- a.engine.Run(ctx) }()
	a.t.Cleanup(func() { end(); <-ran; a.client.Hangup() })
}

func (a *afield) add(title string) string {
	a.t.Helper()
	began := time.Now()
	id, err := a.db.AddTask(a.t.Context(), op.Fields{"title": title})
	if err != nil {
		a.t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		a.t.Errorf("an action took %v while the network was bad", took)
	}
	return id
}

func (a *afield) pending() int {
	a.t.Helper()
	n, err := a.db.PendingOps(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// until waits for a condition. The bound is for a machine that is very busy.
func (a *afield) until(what string, done func(engine.Status) bool) engine.Status {
	a.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		s := a.engine.Status()
		if done(s) {
			return s
		}
		if time.Since(began) > 3*time.Minute {
			a.t.Fatalf("%s: not after 3 minutes: %d wait, %+v", what, a.pending(), s)
		}
	}
}

func (a *afield) settled(when string) {
	a.t.Helper()
	a.until(when, func(s engine.Status) bool { return a.pending() == 0 && s.Reach == reach.Online })
}

// titles is what the server holds, asked by a straight way.
func (a *afield) titles() (out []string) {
	a.t.Helper()
	for r, err := range a.srv.Tasks(a.t.Context(), []string{"north"}) {
		if err != nil {
			a.t.Fatal(err)
		}
		out = append(out, r.Fields.Text("title"))
	}
	return out
}

// holdsOnce tells whether the server holds a task of that title exactly once.
func (a *afield) holdsOnce(title string) {
	a.t.Helper()
	n := 0
	for _, t := range a.titles() {
		if t == title {
			n++
		}
	}
	if n != 1 {
		a.t.Errorf("the server holds %q %d times", title, n)
	}
}

// ride is the story of every fault: all is well; the line is spoilt; what the
// person does meanwhile is kept, the reason is said; the line is mended, and all
// goes out once, by itself.
func (a *afield) ride(spoil, mend func(), state reach.State, words ...string) {
	a.t.Helper()
	a.add("before")
	a.settled("while all is well")
	spoil()
	began := time.Now()
	a.add("meanwhile")
	s := a.until("the fault is noticed", func(s engine.Status) bool {
		return s.Reach != reach.Online && s.Reach != reach.Offline || s.Reach == state && s.Detail != ""
	})
	said := s.Detail + " " + s.Why
	if s.Reach != state {
		a.t.Errorf("the state is %q, want %q: %s", s.Reach, state, said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			a.t.Errorf("nothing says %q: %s", w, said)
		}
	}
	if a.pending() != 1 {
		a.t.Errorf("%d changes wait, want 1: one was acknowledged by nobody", a.pending())
	}
	if page, err := a.db.Tasks(a.t.Context(), localdb.Query{}); err != nil || len(page.Rows) != 2 {
		a.t.Errorf("the screen has %d tasks: %v", len(page.Rows), err)
	}
	if n, most := a.line.conns.Load(), int64(6+2*time.Since(began)/time.Second); n > most {
		a.t.Errorf("%d connections in %v", n, time.Since(began))
	}
	mend()
	a.settled("after the line is mended")
	a.holdsOnce("meanwhile")
}

const (
	portalPage = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 27\r\n\r\n<html>Please sign in</html>"
	stranger   = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{\"results\":[],\"cursor\":\"\"}"
)

// envelope is an answer with the protocol's headers.
func envelope(id, kind string, length int, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nPunchlist-Protocol: 1\r\nPunchlist-Server: %s\r\nPunchlist-Time: 1793000000000\r\nContent-Length: %d\r\n\r\n%s", kind, id, length, body)
}

// TestNetworkFaults (I29–I33): each way in which a line is bad, over real sockets.
func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	const other = "0198cccc-0000-7000-8000-000000000001"
	for name, f := range map[string]struct {
		way     func(a *afield) way
		state   reach.State
		words   string
		slow    bool // it takes the protocol's own deadlines to be noticed
		torture bool // a minute or more of them; package wire tests the same by a false clock
	}{
		"F04Captive200Html": {state: reach.Portal, words: "answers instead of the server", way: func(*afield) way { return says(portalPage) }},
		"F05CaptiveRedirect": {state: reach.Portal, words: "sends us elsewhere", way: func(*afield) way {
			return says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n")
		}},
		"F06StrangersJson": {state: reach.Portal, words: "answers instead of the server", way: func(*afield) way { return says(stranger) }},
		"F07WrongServerId": {state: reach.Portal, words: "another", way: func(*afield) way { return says(envelope(other, "application/json", 2, "{}")) }},
		"F08Empty200":      {state: reach.Portal, words: "answers instead of the server", way: func(*afield) way { return says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }},
		"F09TruncatedBody": {state: reach.Offline, words: "cut", way: func(a *afield) way {
			return says(strings.Replace(envelope(a.srv.ID(), "application/json", 500, `{"results":[`), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
		}},
		"F10WrongContentType":   {state: reach.Portal, words: "answers instead of the server", way: func(a *afield) way { return says(envelope(a.srv.ID(), "text/html", 2, "{}")) }},
		"F11AnswerLost":         {state: reach.Offline, words: "cut", way: func(*afield) way { return lost }},
		"F21ResetInHeader":      {state: reach.Offline, words: "broke off", way: func(*afield) way { return downTo(90) }},
		"F21ResetInBody":        {state: reach.Offline, words: "cut", way: func(*afield) way { return downTo(400) }},
		"F21ResetAtOnce":        {state: reach.Offline, words: "cut", way: func(*afield) way { return reset }},
		"F18CutInRequest":       {state: reach.Offline, words: "cut", way: func(*afield) way { return upTo(60) }},
		"F17HalfOpen":           {state: reach.Offline, words: "no answer within 15s", slow: true, way: func(*afield) way { return silent }},
		"F18HalfOpenMidRequest": {state: reach.Offline, words: "no answer within 15s", slow: true, way: func(*afield) way { return stuck }},
		"F19DripUp":             {state: reach.Portal, words: "400", slow: true, way: func(*afield) way { return drips(true, false) }}, // net/http itself gives up a header that takes too long,
		"F20DripDown":           {state: reach.Offline, words: "within", torture: true, way: func(*afield) way { return drips(false, true) }},
	} {
		t.Run(name, func(t *testing.T) {
			if f.slow && testing.Short() {
				t.Skip("it waits out a deadline of the protocol")
			}
			if f.torture && os.Getenv("TORTURE") == "" {
				t.Skip("it takes minutes: make torture")
			}
			t.Parallel()
			a := outside(t, "127.0.0.1:0")
			a.ride(func() { a.line.set(f.way(a)) }, func() { a.line.set(pass) }, f.state, f.words)
		})
	}
}

func TestF01Refused(t *testing.T) {
	t.Parallel()
	a := outside(t, "127.0.0.1:0")
	a.ride(func() { a.line.shut(); a.line.set(reset) }, func() { a.line.set(pass); a.line.listen(a.line.addr) }, reach.Offline, "refused the connection")
}

func TestF16BlackHole(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits out a deadline of the protocol")
	}
	t.Parallel()
	a := &afield{t: t}
	a.srv, a.server = officeAt(t, "127.0.0.1:0", false)
	a.line = newFaultLine(t, a.server, "127.0.0.1:0")
	a.enrol()
	hole := blackHole(t)
	var to atomic.Value // a string
	transport := wire.NewTransport(wire.TransportOptions{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, to.Load().(string))
	}})
	to.Store(a.line.addr)
	a.run(func(o *wire.ClientOptions) { o.BaseURL, o.Transport = "http://"+a.line.addr, transport })
	a.ride(func() { a.line.shut(); a.line.set(reset); to.Store(hole) }, func() { to.Store(a.line.addr); a.line.set(pass); a.line.listen(a.line.addr) }, reach.Offline, "does not answer in time")
}

// TestF12RequestTwiceAtOnce: the network brings each request two times, at the same
// moment: it takes effect once.
func TestF12RequestTwiceAtOnce(t *testing.T) {
	t.Parallel()
	a := outside(t, "127.0.0.1:0")
	a.line.set(twice)
	for i := range 5 {
		a.add(fmt.Sprint("task ", i))
		a.settled("each request twice")
	}
	if got := a.titles(); len(got) != 5 {
		t.Errorf("the server holds %q", got)
	}
}

// TestF13F14F15LateAgainAndReordered: requests whose sender gave them up arrive
// later, newest first and then at once: nothing takes effect twice, and an older
// edit does not cover a newer one.
func TestF13F14F15LateAgainAndReordered(t *testing.T) {
	t.Parallel()
	a := outside(t, "127.0.0.1:0")
	id := a.add("first")
	a.settled("at first")
	a.line.set(keep)
	for i, title := range []string{"second", "third"} {
		if err := a.db.EditTask(t.Context(), id, op.Fields{"title": title}); err != nil {
			t.Fatal(err)
		}
		a.engine.Kick()
		a.until("a request is taken", func(engine.Status) bool {
			a.line.mu.Lock()
			defer a.line.mu.Unlock()
			return len(a.line.taken) > i
		})
	}
	a.line.mu.Lock()
	again := append([][]byte{}, a.line.taken...)
	a.line.mu.Unlock()
	if a.line.deliver(false) == 0 {
		t.Fatal("no request was taken")
	}
	a.line.set(pass)
	a.settled("the line is mended")
	a.line.mu.Lock()
	a.line.taken = again
	a.line.mu.Unlock()
	a.line.deliver(true)
	if got := a.titles(); len(got) != 1 || got[0] != "third" {
		t.Errorf("the server holds %q", got)
	}
	if open, err := a.db.Conflicts(t.Context(), false); err != nil || len(open) > 0 {
		t.Errorf("conflicts with oneself: %+v %v", open, err)
	}
}

// TestF23IPv6OnlyAndF24IPv4Only: a server on one family only, under a name or an
// address of that one.
func TestF23IPv6OnlyAndF24IPv4Only(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]struct{ listen, host string }{
		"F23IPv6Only":        {"[::1]:0", "[::1]"},
		"F24IPv4Only":        {"127.0.0.1:0", "127.0.0.1"},
		"F24IPv4OnlyByAName": {"127.0.0.1:0", "localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &afield{t: t}
			a.srv, a.server = officeAt(t, f.listen, false)
			a.line = newFaultLine(t, a.server, f.listen)
			a.enrol()
			_, port, _ := net.SplitHostPort(a.line.addr)
			a.run(func(o *wire.ClientOptions) { o.BaseURL = "http://" + f.host + ":" + port })
			a.ride(func() { a.line.shut(); a.line.set(reset) }, func() { a.line.set(pass); a.line.listen(a.line.addr) }, reach.Offline, "refused the connection")
		})
	}
}

// farAway puts a laptop before a server with TLS and a name, through DNS of the
// test's own and, with proxied, a proxy.
func farAway(t *testing.T, proxied bool) (*afield, *nameServer) {
	t.Helper()
	a := &afield{t: t}
	a.srv, a.server = officeAt(t, "127.0.0.1:0", true)
	a.enrol()
	a.line = newFaultLine(t, a.server, "127.0.0.1:0")
	names := newNameServer(t)
	_, port, _ := net.SplitHostPort(a.line.addr)
	a.run(func(o *wire.ClientOptions) {
		o.BaseURL = "https://sync.example.test:" + port
		transport := wire.NewTransport(wire.TransportOptions{Dial: names.dialer(), Trust: wire.TrustIn(o.BaseURL, o.ServerKey)})
		if proxied {
			transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: a.line.addr})
		}
		o.Transport = transport
	})
	return a, names
}

func TestF02NameUnknown(t *testing.T) {
	t.Parallel()
	a, names := farAway(t, false)
	a.ride(func() { names.mode.Store("unknown"); a.line.set(reset) }, func() { names.mode.Store(""); a.line.set(pass) }, reach.Offline, "does not resolve")
}

func TestF03NameServerSilent(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits out a deadline of the protocol")
	}
	t.Parallel()
	a, names := farAway(t, false)
	a.ride(func() { names.mode.Store("silent"); a.line.set(reset) }, func() { names.mode.Store(""); a.line.set(pass) }, reach.Offline, "gets no answer")
}

func TestF25ProxyWantsASignIn(t *testing.T) {
	t.Parallel()
	a, _ := farAway(t, true)
	a.line.set(asProxy(""))
	a.ride(func() {
		a.line.set(asProxy("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"))
	}, func() { a.line.set(asProxy("")) }, reach.Offline, "the proxy", "sign-in")
}

func TestF26ProxyRefusesConnect(t *testing.T) {
	t.Parallel()
	a, _ := farAway(t, true)
	a.line.set(asProxy(""))
	a.ride(func() { a.line.set(asProxy("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) }, func() { a.line.set(asProxy("")) }, reach.Offline, "the proxy", "403")
}

// TestF27BufferingProxy: answers come late and whole, a stream never: all is sent
// and heard all the same.
func TestF27BufferingProxy(t *testing.T) {
	t.Parallel()
	a := outside(t, "127.0.0.1:0")
	a.line.set(holds(700 * time.Millisecond))
	a.add("through it")
	a.settled("behind a buffering proxy")
	a.holdsOnce("through it")
}
