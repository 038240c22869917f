package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

const month = 31 * 24 * time.Hour

// joint is a server that renews tokens, and ann's laptop.
type joint struct {
	*storetest.Rig
	path string // of the laptop's database
	way  *thief // how its requests travel
}

func newJoint(t *testing.T) *joint {
	store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "punchlistd.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	j := &joint{Rig: storetest.NewRigWith(t, store, server.Options{Tokens: server.TokenRules{Renew: month - time.Hour, Unused: 90 * 24 * time.Hour}}),
		path: filepath.Join(t.TempDir(), "punchlist.db"), way: &thief{}}
	j.User("ann", op.Technician, "North")
	j.joins(j.opens(j.path))
	return j
}

func (j *joint) opens(path string) *localdb.DB {
	j.T.Helper()
	db, err := localdb.Open(j.T.Context(), path, localdb.Options{})
	if err != nil {
		j.T.Fatal(err)
	}
	j.T.Cleanup(func() { db.Close() })
	return db
}

func (j *joint) joins(db *localdb.DB) {
	j.T.Helper()
	e, _ := j.Redeem(j.Code("ann"), storetest.NewID())
	err := db.Enrol(j.T.Context(), localdb.Device{ID: e.DeviceID, Token: e.Token, User: e.User, Role: e.Role, Crews: e.Crews, ServerURL: j.URL, ServerID: e.ServerID, ServerKey: e.ServerKey})
	if err != nil {
		j.T.Fatal(err)
	}
}

// program is the engine as the programs make it.
func (j *joint) program(db *localdb.DB) *engine.Engine {
	j.T.Helper()
	e, err := newEngine(db, syncOptions{transport: j.way}, nil, nil)
	if err != nil {
		j.T.Fatal(err)
	}
	return e
}

// round makes one round and tells how it ended.
func (j *joint) round(e *engine.Engine, want reach.State) error {
	j.T.Helper()
	r, err := e.Round(j.T.Context())
	if r.Reach != want {
		j.T.Fatalf("the round ended %s: %v; want %s", r.Reach, err, want)
	}
	return err
}

func (j *joint) tokens() []string {
	j.T.Helper()
	newest, err := os.ReadFile(j.path + ".token")
	if err != nil {
		j.T.Fatal(err)
	}
	older, err := os.ReadFile(j.path + ".token.older")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		j.T.Fatal(err)
	}
	tokens := slices.DeleteFunc(strings.Fields(string(older)), func(w string) bool { return !strings.HasPrefix(w, "plk1_") })
	return append(strings.Fields(string(newest)), tokens...)
}

// did counts what the audit says.
func (j *joint) did(what string) (n int) {
	j.T.Helper()
	entries, err := j.Store.Entries(j.T.Context(), "", 0, 1000)
	if err != nil {
		j.T.Fatal(err)
	}
	for _, e := range entries {
		if e.What == what {
			n++
		}
	}
	return n
}

func (j *joint) must(err error) {
	j.T.Helper()
	if err != nil {
		j.T.Fatal(err)
	}
}

// settled: the newest token of the file lets in, and nobody was locked out.
func (j *joint) settled(renewals int) {
	j.T.Helper()
	a := j.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges, Token: j.tokens()[0]})
	if a.Status != 200 || j.did(server.DidReuse) != 0 || j.did(server.DidRenew) != renewals {
		j.T.Errorf("status %d, %d alarms, %d renewals; want %d", a.Status, j.did(server.DidReuse), j.did(server.DidRenew), renewals)
	}
}

// thief takes answers away once the server has given them.
type thief struct {
	mu    sync.Mutex                              // guards both
	take  func(r *http.Request, body string) bool // nil: none
	there string                                  // "": where the requests say
}

// RoundTrip carries a request.
func (w *thief) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.there != "" {
		r = r.Clone(r.Context())
		r.URL.Host = w.there
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || w.take == nil {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil && w.take(r, string(body)) {
		return nil, errors.New("lost")
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp, err
}

func (w *thief) takes(f func(r *http.Request, body string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take = f
}

// moves brings another server to the address.
func (w *thief) moves(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.there = host
}

// A laptop gets a new token each month without anybody's doing, and keeps the
// ones before it.
func TestRenewal(t *testing.T) {
	j := newJoint(t)
	db := j.opens(j.path)
	e := j.program(db)
	first := j.tokens()
	for n := range 5 {
		j.Pass(month)
		j.round(e, reach.Online)
		j.round(e, reach.Online)
		j.settled(n + 1)
	}
	if got := j.tokens(); len(got) != 3 || got[0] == got[1] || got[1] == got[2] || slices.Contains(got, first[0]) {
		t.Errorf("%d tokens are kept", len(got))
	}
	if info, err := os.Stat(j.path + ".token"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestF76RenewalLost (I36): any one answer is lost, or any number of them.
func TestF76RenewalLost(t *testing.T) {
	for name, take := range map[string]func(j *joint, r *http.Request, body string) bool{
		"the offer": func(_ *joint, _ *http.Request, body string) bool { return strings.Contains(body, `"next":`) },
		"the first use of the new": func(j *joint, r *http.Request, _ string) bool {
			return j.did(server.DidRenew) == 1 && r.URL.Path == wire.PathPing
		},
		"all but the pings":           func(_ *joint, r *http.Request, _ string) bool { return r.URL.Path != wire.PathPing },
		"whatever the new token gets": func(j *joint, r *http.Request, _ string) bool { return j.did(server.DidRenew) == 1 },
	} {
		t.Run(name, func(t *testing.T) {
			j := newJoint(t)
			e := j.program(j.opens(j.path))
			j.Pass(month)
			lost := 0
			j.way.takes(func(r *http.Request, body string) bool {
				if lost < 5 && take(j, r, body) {
					lost++
					return true
				}
				return false
			})
			for range 8 {
				_, _ = e.Round(t.Context())
			}
			if lost != 5 {
				t.Errorf("%d answers were lost; want 5", lost)
			}
			j.round(e, reach.Online)
			j.round(e, reach.Online)
			j.settled(1)
		})
	}
}

// TestF76RenewalKilled: the program ends at each step of a renewal and another
// one goes on with what lies on the disk.
func TestF76RenewalKilled(t *testing.T) {
	j := newJoint(t)
	offered := func() string {
		e := j.program(j.opens(j.path))
		j.Pass(month)
		j.round(e, reach.Online)
		return j.tokens()[0]
	}
	before := j.tokens()
	// before the new token was on the disk: half of it under another name, or nothing
	newest := offered()
	if err := os.WriteFile(j.path+".token", []byte(before[0]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(j.path), ".punchlist-123"), []byte(newest[:9]), 0o600); err != nil {
		t.Fatal(err)
	}
	j.round(j.program(j.opens(j.path)), reach.Online)
	if got := j.tokens(); len(got) != 2 || got[0] != newest || got[1] != before[0] {
		t.Fatalf("offered again, %d tokens are kept", len(got))
	}
	// once it was on the disk, before its use
	if n := j.did(server.DidRenew); n != 0 {
		t.Fatalf("%d renewals", n)
	}
	j.round(j.program(j.opens(j.path)), reach.Online)
	j.settled(1)
	// after its use, before its answer
	newest = offered()
	j.way.takes(func(*http.Request, string) bool { return true })
	if _, err := j.program(j.opens(j.path)).Round(t.Context()); err == nil {
		t.Fatal("no answer was lost")
	}
	j.way.takes(nil)
	j.round(j.program(j.opens(j.path)), reach.Online)
	j.settled(2)
	if j.tokens()[0] != newest {
		t.Error("another token than the one that was used")
	}
}

// Two programs on one database: the screen holds a token in its memory while
// the one that sends renews it. It looks at the file before it speaks.
func TestRenewalOfTwo(t *testing.T) {
	j := newJoint(t)
	one, two := j.opens(j.path), j.opens(j.path)
	sender, screen := newRemotes(one, j.way), newRemotes(two, j.way)
	e := j.program(one)
	for n := range 3 {
		held, err := screen.now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j.Pass(month)
		j.round(e, reach.Online)
		j.round(e, reach.Online)                          // the token in use is a new one now
		if _, err := held.Ping(t.Context()); err != nil { // a request that it had begun
			t.Fatal(err)
		}
		if err := screen.ping(t.Context()); err != nil {
			t.Errorf("the screen: %v", err)
		}
		if err := sender.ping(t.Context()); err != nil {
			t.Errorf("the sender: %v", err)
		}
		j.settled(n + 1)
	}
	// Both send at once, where one took the other's place under way.
	j.Pass(month)
	var both sync.WaitGroup
	for _, db := range []*localdb.DB{one, two, one, two} {
		e := j.program(db)
		both.Go(func() {
			for range 5 {
				_, _ = e.Round(context.WithoutCancel(t.Context()))
			}
		})
	}
	both.Wait()
	j.round(e, reach.Online)
	j.settled(4)
}

// A laptop's data is copied, both copies go on, and the server finds out when
// the older token comes. Neither gets in, both keep their work, and both may
// join again.
func TestRenewalOfACopy(t *testing.T) {
	j := newJoint(t)
	db := j.opens(j.path)
	j.round(j.program(db), reach.Online)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	for _, end := range []string{"", "-wal", ".token"} {
		text, err := os.ReadFile(j.path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+end, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mine, theirs := j.opens(j.path), j.opens(copied)
	j.Pass(month)
	j.round(j.program(mine), reach.Online)
	j.round(j.program(mine), reach.Online)
	if err := j.round(j.program(theirs), reach.Unauthorised); !strings.Contains(err.Error(), "not on this copy") {
		t.Errorf("the copy, at once: %v", err)
	}
	j.settled(1)
	j.Pass(3 * time.Hour)
	for _, db := range []*localdb.DB{theirs, mine} {
		if _, err := db.AddTask(t.Context(), op.Fields{"title": "Kept", "status": "PENDING"}); err != nil {
			t.Fatal(err)
		}
		if err := j.round(j.program(db), reach.Unauthorised); !strings.Contains(err.Error(), "may have been copied") {
			t.Errorf("%v", err)
		}
		if n, err := db.PendingOps(t.Context()); n != 1 || err != nil {
			t.Errorf("%d wait, %v", n, err)
		}
	}
	if n := j.did(server.DidReuse); n != 1 {
		t.Errorf("%d alarms", n)
	}
	for _, db := range []*localdb.DB{theirs, mine} {
		j.joins(db)
		j.round(j.program(db), reach.Online)
		if n, err := db.PendingOps(t.Context()); n != 0 || err != nil {
			t.Errorf("%d wait after joining again, %v", n, err)
		}
	}
}

// The server is put back to a time before the newest token, or before its offer:
// the one before still lets in.
func TestRenewalAndARestoredServer(t *testing.T) {
	j := newJoint(t)
	e := j.program(j.opens(j.path))
	j.round(e, reach.Online)
	backup := filepath.Join(t.TempDir(), "backup.db")
	if err := j.Store.(*sqlitestore.Store).CopyTo(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(backup, 0o600); err != nil {
		t.Fatal(err)
	}
	j.Pass(month)
	j.round(e, reach.Online)
	j.round(e, reach.Online)
	j.settled(1)
	old, err := sqlitestore.Open(t.Context(), backup)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { old.Close() })
	there := storetest.NewRigWith(t, old, server.Options{Tokens: server.TokenRules{Renew: month - time.Hour}})
	there.Now.Store(j.Now.Load())
	j.way.moves(strings.TrimPrefix(there.URL, "http://"))
	if err := newRemotes(j.opens(j.path), j.way).ping(t.Context()); err != nil {
		t.Errorf("punchlist state: %v", err)
	}
	j.round(e, reach.Online) // with the old one; the newest is offered again
	j.round(e, reach.Online)
	j.Store = old
	j.Rig.URL = there.URL
	j.settled(1)
}

// TestI37LongPollOverARenewal: a long poll that began with a token goes on when the next
// one comes into use; the server knows what it is. It ends when there is news, and within
// a moment when the device is revoked or its crews change, whatever it then hears: that
// it came with the older token is no alarm.
func TestI37LongPollOverARenewal(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(j *joint, device string)
		status    int
		code      string
	}{
		"news": {func(j *joint, _ string) {
			by, err := j.Server.Office(j.T.Context(), "", "North")
			j.must(err)
			_, err = j.Server.AddTask(j.T.Context(), by, op.Fields{"title": "From the office"})
			j.must(err)
		}, http.StatusOK, ""},
		"revoked": {func(j *joint, device string) { j.must(j.Server.Revoke(j.T.Context(), device)) }, http.StatusUnauthorized, wire.CodeRevoked},
		"other crew": {func(j *joint, _ string) {
			_, err := j.Server.SetUser(j.T.Context(), "ann", func(u *server.User) { u.Crews = []string{"South"} })
			j.must(err)
		}, http.StatusUnauthorized, wire.CodeReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJoint(t)
			db := j.opens(j.path)
			e := j.program(db)
			j.round(e, reach.Online)
			dev, err := db.Device(t.Context())
			j.must(err)
			j.Pass(month)
			cursor, err := db.Cursor(t.Context())
			j.must(err)
			old := j.tokens()[0]
			answers := make(chan storetest.Answer, 1)
			go func() {
				answers <- j.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges + "?wait=25&since=" + url.QueryEscape(cursor), Token: old})
			}()
			for seen := int64(0); seen < j.Now.Load(); { // the poll is authenticated
				devices, err := j.Store.Devices(t.Context())
				j.must(err)
				seen = devices[0].Seen
			}
			j.round(e, reach.Online) // offered, and kept
			j.round(e, reach.Online) // shown
			j.settled(1)
			select {
			case a := <-answers:
				t.Fatalf("it ended when the new token came into use: %d %s", a.Status, a.Body)
			default:
			}
			c.meanwhile(j, dev.ID)
			select {
			case a := <-answers:
				if a.Status != c.status || !strings.Contains(string(a.Body), c.code) {
					t.Errorf("it hears %d %s", a.Status, a.Body)
				}
			case <-time.After(15 * time.Second): // it would end by itself after 25
				t.Fatal("it goes on")
			}
			if n := j.did(server.DidReuse); n != 0 {
				t.Errorf("%d alarms", n)
			}
		})
	}
}

// A season in a drawer: the work stays, and goes out after joining again.
func TestUnusedForASeason(t *testing.T) {
	j := newJoint(t)
	db := j.opens(j.path)
	e := j.program(db)
	j.round(e, reach.Online)
	if _, err := db.AddTask(t.Context(), op.Fields{"title": "Kept", "status": "PENDING"}); err != nil {
		t.Fatal(err)
	}
	for range 46 {
		j.Pass(48 * time.Hour)
		if err := j.Server.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.round(e, reach.Unauthorised); !strings.Contains(err.Error(), "has to join again") {
		t.Errorf("%v", err)
	}
	j.joins(db)
	j.round(e, reach.Online)
	if n, err := db.PendingOps(t.Context()); n != 0 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
}
