package storetest

import (
	"errors"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

func testTokens(t *testing.T, s server.Store) {
	invite(t, s, "hash")
	err := s.Redeem(t.Context(), "hash", func(in server.Invite, u server.User) (server.Invite, server.Device, []server.Entry, error) {
		in.Used = 1
		return in, server.Device{ID: "d", User: u.Name, Name: "laptop", TokenHash: "first", Created: 4}, nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	known := func(hash string, want server.Device) {
		t.Helper()
		d, u, err := s.ByToken(t.Context(), hash)
		if want.ID == "" {
			if !errors.Is(err, server.ErrUnknown) {
				t.Errorf("by %s: %+v, %v; want nobody", hash, d, err)
			}
			return
		}
		if err != nil || !reflect.DeepEqual(d, want) || u.Name != "ann" {
			t.Errorf("by %s: %+v, %+v, %v; want %+v", hash, d, u, err, want)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := server.Device{ID: "d", User: "ann", Name: "laptop", TokenHash: "first", Created: 4}
	known("first", d)
	known("", server.Device{}) // no next token is nobody's
	do(s.Offer(t.Context(), "d", "other", "x"))
	known("x", server.Device{}) // the token is not current any more
	do(s.Offer(t.Context(), "d", "first", "second"))
	d.NextHash = "second"
	known("first", d)
	known("second", d)
	do(s.Renew(t.Context(), "d", "third", 5, server.Entry{What: server.DidRenew}))
	known("second", d)
	var wait sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs { // a token's first use may be several requests at once
		wait.Go(func() {
			errs[i] = s.Renew(t.Context(), "d", "second", 6, server.Entry{What: server.DidRenew})
		})
	}
	wait.Wait()
	do(errors.Join(errs...))
	d.TokenHash, d.NextHash, d.Renewed = "second", "", 6
	known("first", server.Device{})
	known("second", d)
	if got, err := s.ByNewer(t.Context(), []string{"zero", "second", "third"}); err != nil || got.ID != "d" || got.TokenHash != "second" {
		t.Errorf("by newer: %+v, %v", got, err)
	}
	if _, err := s.ByNewer(t.Context(), []string{"", "first"}); !errors.Is(err, server.ErrUnknown) {
		t.Errorf("by tokens of nobody: %v", err)
	}
	for _, at := range []int64{7, 8} {
		do(s.Reused(t.Context(), "d", at, server.Entry{What: server.DidReuse}))
	}
	d.Revoked, d.Reused = 7, 7
	known("second", d)
	var did []string
	for _, e := range chain(t, s, "") {
		did = append(did, e.What)
	}
	if !reflect.DeepEqual(did, []string{server.DidRenew, server.DidReuse}) {
		t.Errorf("logged: %q", did)
	}
}

// monthly are the rules of the tests below: those that a server has by itself.
var monthly = server.Options{Tokens: server.TokenRules{Renew: 30 * 24 * time.Hour, Unused: 90 * 24 * time.Hour}}

const day = 24 * time.Hour

// use asks for changes with a token.
func use(r *Rig, token string) (status int, code, next string) {
	r.T.Helper()
	a := r.Do(Request{Method: http.MethodGet, Path: wire.PathChanges, Token: token})
	var said struct {
		Code string
		Next string
	}
	a.Into(&said)
	return a.Status, said.Code, said.Next
}

func expect(r *Rig, token string, wantStatus int, wantCode string) (next string) {
	r.T.Helper()
	status, code, next := use(r, token)
	if status != wantStatus || code != wantCode {
		r.T.Errorf("status %d %s; want %d %s", status, code, wantStatus, wantCode)
	}
	return next
}

func auth(r *Rig, token, want string) {
	r.T.Helper()
	var p wire.Ping
	r.Do(Request{Method: http.MethodGet, Path: "/ping?nonce=n", Token: token}).Into(&p)
	if p.Auth != want {
		r.T.Errorf("a ping says %q; want %q", p.Auth, want)
	}
}

// did counts the entries of the server's own chain, and verifies all.
func did(r *Rig, what string) (n int) {
	r.T.Helper()
	for _, e := range chain(r.T, r.Store, "") {
		if e.What == what {
			n++
		}
	}
	if v, err := r.Server.VerifyAudit(r.T.Context()); err != nil || len(v.Faults) > 0 {
		r.T.Errorf("the audit: %+v, %v", v, err)
	}
	return n
}

// testRenewal (I36, F76): the next token is offered again and again until it is
// used; until then the one before is good, and then it is not.
func testRenewal(t *testing.T, s server.Store) {
	r := NewRigWith(t, s, monthly)
	r.User("ann", op.Technician, "North")
	first := r.Enrol("ann").Token
	r.Pass(29 * day)
	if next := expect(r, first, 200, ""); next != "" {
		t.Errorf("after 29 days: %q", next)
	}
	r.Pass(2 * day)
	next := expect(r, first, 200, "")
	for range 3 { // all these answers are lost
		if again := expect(r, first, 200, ""); next == "" || again != next || next == first {
			t.Fatalf("offered %q, then %q", next, again)
		}
		r.Pass(day)
	}
	auth(r, first, wire.AuthOK)
	if n := did(r, server.DidRenew); n != 0 {
		t.Errorf("renewed %d times before the next token was used", n)
	}
	auth(r, next, wire.AuthOK) // a ping is a use like any
	if n := expect(r, next, 200, ""); n != "" {
		t.Errorf("a fresh token is to be replaced by %q", n)
	}
	expect(r, first, 401, wire.CodeReplaced) // sent before, and late
	auth(r, first, wire.AuthReplaced)
	r.Pass(time.Hour)
	expect(r, first, 401, wire.CodeReplaced)
	expect(r, next, 200, "")
	r.Pass(31 * day)
	third := expect(r, next, 200, "")
	if third == "" || third == first || third == next {
		t.Errorf("a month later: %q", third)
	}
	expect(r, third, 200, "")
	if n := did(r, server.DidRenew); n != 2 {
		t.Errorf("%d renewals are logged; want 2", n)
	}
	if n := did(r, server.DidReuse); n != 0 {
		t.Errorf("%d alarms", n)
	}
}

// testReuse: a copy goes on with the token of its time. From then on neither
// comes in; both may enrol again.
func testReuse(t *testing.T, s server.Store) {
	for name, renewals := range map[string]int{"the one before": 1, "an older one": 3} {
		r := NewRigWith(t, s, monthly)
		r.User(name[4:7], op.Technician, "North")
		before := did(r, server.DidReuse)
		first := r.Enrol(name[4:7]).Token
		token := first
		for range renewals {
			r.Pass(31 * day)
			token = expect(r, token, 200, "")
			expect(r, token, 200, "")
		}
		if renewals == 1 {
			r.Pass(3 * time.Hour)
		}
		expect(r, first, 401, wire.CodeRevoked)
		auth(r, first, wire.AuthReused)
		expect(r, token, 401, wire.CodeRevoked)
		auth(r, token, wire.AuthReused)
		expect(r, r.Enrol(name[4:7]).Token, 200, "")
		if n := did(r, server.DidReuse) - before; n != 1 {
			t.Errorf("%s: %d alarms are logged; want 1", name, n)
		}
	}
}

// lives lets time pass in which the server is there, as its tending shows.
func (r *Rig) lives(days int) {
	r.T.Helper()
	for ; days > 0; days -= 2 {
		r.Pass(time.Duration(min(days, 2)) * day)
		if err := r.Server.Tend(r.T.Context()); err != nil {
			r.T.Fatal(err)
		}
	}
}

// testUnused: a token that nobody used for a season is no good; the device may
// enrol again and goes on with the work it holds.
func testUnused(t *testing.T, s server.Store) {
	r := NewRigWith(t, s, monthly)
	r.User("ann", op.Technician, "North")
	d := r.Enrol("ann")
	for range 2 {
		r.lives(80)
		expect(r, d.Token, 200, "") // it takes no notice of what it is offered, as an older program does
	}
	task := d.NewTask(NewID(), "Boiler")
	r.Pass(365 * day) // the server itself was off, or its clock leapt
	expect(r, d.Token, 200, "")
	r.lives(91)
	expect(r, d.Token, 401, wire.CodeUnused)
	auth(r, d.Token, wire.AuthUnused)
	again := r.Enrol("ann")
	again.Must(task)
	if n := did(r, server.DidReuse); n != 0 {
		t.Errorf("%d alarms", n)
	}
}
