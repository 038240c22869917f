package server_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// listen opens a device's stream and hands out its lines; the channel is closed
// when the stream ends.
func listen(t *testing.T, d *storetest.Device) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+wire.PathEvents, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.Token)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != wire.EventType || resp.Header.Get(wire.HeaderServer) == "" {
		t.Fatalf("stream begins with %d %v", resp.StatusCode, resp.Header)
	}
	lines, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			if scan.Text() != "" {
				lines <- scan.Text()
			}
		}
	}()
	t.Cleanup(func() { cancel(); resp.Body.Close(); <-done })
	return lines
}

// expect waits for a line; within says how long, more than ten times what it takes.
func expect(t *testing.T, lines <-chan string, want string, within time.Duration) {
	t.Helper()
	late := time.After(within)
	for {
		select {
		case line, open := <-lines:
			if line == want || want == "" && !open {
				return
			}
			if !open {
				t.Fatalf("the stream ended; want %q", want)
			}
		case <-late:
			t.Fatalf("no %q within %v", want, within)
		}
	}
}

func data(crew string, version int64) string {
	return fmt.Sprintf(`data: {"crew":%q,"version":%d}`, crew, version)
}

func TestEventsPoke(t *testing.T) {
	path := filepath.Join(t.TempDir(), "punchlistd.db")
	r := storetest.NewRig(t, openStore(t, path))
	r.User("ann", op.Technician, "North")
	r.User("bob", op.Technician, "North", "South")
	r.User("eve", op.Technician, "West")
	ann, bob, eve := r.Enrol("ann"), r.Enrol("bob"), r.Enrol("eve")
	first := bob.Must(bob.NewTask(storetest.NewID(), "Before the stream"))
	lines := listen(t, ann)
	expect(t, lines, ":", time.Second)
	expect(t, lines, "event: poke", 2*time.Second)
	expect(t, lines, data("North", first.Version), 2*time.Second) // committed before the stream was opened
	eve.Must(eve.NewTask(storetest.NewID(), "Nothing to ann"))
	south := bob.NewTask(storetest.NewID(), "Nor this")
	south.Fields[op.CrewField] = "South"
	bob.Must(south)
	second := bob.Must(bob.NewTask(storetest.NewID(), "New"))
	if got := <-lines; got != "event: poke" {
		t.Errorf("next line %q", got)
	}
	expect(t, lines, data("North", second.Version), 2*time.Second)

	t.Run("another process commits", func(t *testing.T) {
		other, err := server.New(t.Context(), openStore(t, path), server.Options{Now: r.Time, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		by, err := other.Office(t.Context(), "office", "North")
		if err != nil {
			t.Fatal(err)
		}
		edited, err := other.AddTask(t.Context(), by, op.Fields{"title": "From the office"})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, lines, data("North", edited.Task.Version), 2*time.Second)
	})
}

func TestEventsCutOff(t *testing.T) {
	for name, cut := range map[string]func(r *storetest.Rig, d *storetest.Device) error{
		"revoked": func(r *storetest.Rig, d *storetest.Device) error { return r.Store.Revoke(t.Context(), d.ID, 1) },
		"disabled": func(r *storetest.Rig, _ *storetest.Device) error {
			return r.Server.DisableUser(t.Context(), "ann", true)
		},
		"another crew": func(r *storetest.Rig, _ *storetest.Device) error {
			_, err := r.Server.SetUser(t.Context(), "ann", func(u *server.User) { u.Crews = []string{"South"} })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.User("bob", op.Technician, "North")
			ann, bob := listen(t, r.Enrol("ann")), listen(t, r.Enrol("bob"))
			expect(t, ann, ":", time.Second)
			device, err := r.Store.Devices(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := cut(r, &storetest.Device{ID: device[0].ID}); err != nil {
				t.Fatal(err)
			}
			expect(t, ann, "", time.Second) // ends
			select {
			case _, open := <-bob:
				if !open {
					t.Error("the other's stream ended too")
				}
			default:
			}
		})
	}
}

func TestEventsManyOfOneDevice(t *testing.T) {
	d := newRig(t).Enrol("ann")
	oldest := listen(t, d)
	for range 4 {
		expect(t, listen(t, d), ":", time.Second)
	}
	expect(t, oldest, "", 2*time.Second)
}

func TestEventsEndWhenTheServerStops(t *testing.T) {
	r := newRig(t)
	d := r.Enrol("ann")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- r.Server.Serve(ctx, ln) }()
	d.URL = "http://" + ln.Addr().String()
	lines := listen(t, d)
	expect(t, lines, ":", time.Second)
	cancel()
	expect(t, lines, "", 2*time.Second)
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * time.Second): // the drain would allow three
		t.Error("a stream holds the server up")
	}
}

func TestLongPoll(t *testing.T) {
	r := newRig(t)
	r.User("bob", op.Technician, "North")
	ann, bob := r.Enrol("ann"), r.Enrol("bob")
	ann.Pull()
	type answer struct {
		a   storetest.Answer
		err error
	}
	ask := func(wait string) <-chan answer {
		c := make(chan answer, 1)
		go func() {
			a, err := r.Try(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges + "?since=" + ann.Cursor + "&wait=" + wait, Token: ann.Token})
			c <- answer{a, err}
		}()
		return c
	}
	got := <-ask("1")
	var page wire.Changes
	if got.a.Into(&page); got.err != nil || got.a.Status != 200 || len(page.Changes) != 0 || page.Cursor != ann.Cursor {
		t.Errorf("nothing new: %d %+v %v", got.a.Status, page, got.err)
	}
	waiting := ask("20")
	select {
	case <-waiting:
		t.Error("it did not wait")
	case <-time.After(100 * time.Millisecond):
	}
	bob.Must(bob.NewTask(storetest.NewID(), "New"))
	if got = <-waiting; got.err != nil || got.a.Status != 200 {
		t.Fatalf("%d %v", got.a.Status, got.err)
	}
	if got.a.Into(&page); len(page.Changes) != 1 {
		t.Errorf("got %+v", page)
	}
	ann.Cursor = page.Cursor
	waiting = ask("20")
	time.AfterFunc(50*time.Millisecond, func() { _ = r.Store.Revoke(context.Background(), ann.ID, 1) })
	if got = <-waiting; got.err != nil || got.a.Status != http.StatusUnauthorized {
		t.Errorf("revoked while waiting: %d %v", got.a.Status, got.err)
	}
	for text, status := range map[string]int{"x": 400, "-1": 400} {
		if a := r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges + "?wait=" + text, Token: bob.Token}); a.Status != status {
			t.Errorf("wait=%s: %d", text, a.Status)
		}
	}
}

// TestP18ManyStreams: what a stream costs in memory, and that many of them, none
// of which reads, let a writer go on. The figures are in `go test -v`.
func TestP18ManyStreams(t *testing.T) {
	const streams = 400
	r := newRig(t)
	r.User("bob", op.Technician, "North")
	bob := r.Enrol("bob")
	write := func() time.Duration {
		began := time.Now()
		for range 50 {
			bob.Must(bob.NewTask(storetest.NewID(), "New"))
		}
		return time.Since(began)
	}
	write()
	alone := write()
	before := inUse()
	for range streams {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		token := r.Enrol("ann").Token
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", wire.PathEvents, token); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
	}
	each := (inUse() - before) / streams
	with := write()
	t.Logf("%d streams: %d bytes each, both ends; 50 writes take %v, without streams %v", streams, each, with.Round(time.Millisecond), alone.Round(time.Millisecond))
	if each > 64<<10 {
		t.Errorf("a stream costs %d bytes", each)
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
