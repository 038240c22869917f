package storetest

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// chain reads a whole chain in small pages.
func chain(t testing.TB, s server.Store, crew string) (out []server.Entry) {
	t.Helper()
	for {
		after := int64(0)
		if len(out) > 0 {
			after = out[len(out)-1].No
		}
		page, err := s.Entries(t.Context(), crew, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if out = append(out, page...); len(page) < 3 {
			return out
		}
	}
}

// sealed checks that a chain has no gap and that each entry follows on the one before.
func sealed(t testing.TB, entries []server.Entry) {
	t.Helper()
	no, seal := int64(0), ""
	for _, e := range entries {
		if want := e.Follow(no, seal); want != e {
			t.Errorf("entry %d does not follow on %d: %+v", e.No, no, e)
		}
		no, seal = e.No, e.Seal
	}
}

func testLog(t *testing.T, s server.Store) {
	if got := chain(t, s, ""); len(got) != 0 {
		t.Fatalf("a new store has a log: %+v", got)
	}
	crew(t, s, "north")
	first := server.Entry{At: 5, What: server.DidAddUser, User: "office", Device: "d", Op: "o", Kind: op.Task, Entity: "ann", Detail: `{"a":1}`}
	for _, e := range []server.Entry{first, {At: 6, What: server.DidRestore, User: "office"}} {
		if err := s.Log(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	got := chain(t, s, "")
	if len(got) != 2 || got[0] != first.Follow(0, "") || got[1].Detail != "{}" {
		t.Errorf("logged %+v", got)
	}
	sealed(t, got)
	end, err := s.Setting(t.Context(), server.AuditEnd, "")
	if no, seal := server.ReadEnd(end); err != nil || no != 2 || seal != got[1].Seal {
		t.Errorf("the end is %q, %v", end, err)
	}
	did := func(name string) server.Entry { return server.Entry{What: name} }
	ann := server.User{Name: "ann", Role: op.Technician, Crews: []string{"north"}}
	if _, err := s.PutUser(t.Context(), ann, true, did("add")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutUser(t.Context(), ann, true, did("again")); err == nil {
		t.Error("made twice")
	}
	if err := s.AddInvite(t.Context(), server.Invite{CodeHash: "h", User: "ann", Expires: 1}, did("invite")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutCrew(t.Context(), "north", 1, did("there already")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutCrew(t.Context(), "east", 1, did("crew")); err != nil {
		t.Fatal(err)
	}
	got = chain(t, s, "")
	sealed(t, got)
	var what []string
	for _, e := range got[2:] {
		what = append(what, e.What)
	}
	if !slices.Equal(what, []string{"add", "invite", "crew"}) {
		t.Errorf("logged %q: what failed or changed nothing has no entry", what)
	}
}

// testLogTogether: many write at once, and the chain is one.
func testLogTogether(t *testing.T, s server.Store) {
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 3 {
				if err := s.Log(t.Context(), server.Entry{What: fmt.Sprint(i, j)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	got := chain(t, s, "")
	if len(got) != 24 {
		t.Errorf("%d of 24 entries", len(got))
	}
	sealed(t, got)
}

func testEntries(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	var entries []server.Entry
	no, seal := int64(0), ""
	for i := range 7 {
		e := server.Entry{Crew: "north", At: int64(i), What: "applied", User: "ann", Device: "d", Op: fmt.Sprint("op", i), Kind: op.Task, Entity: "t", Detail: `{"n":1}`}.Follow(no, seal)
		no, seal = e.No, e.Seal
		entries = append(entries, e)
	}
	head := server.Crew{Name: "north", Entries: no, Seal: seal}
	put(t, s, server.Effects{Crews: []server.Crew{head}, Entries: entries})
	if got := chain(t, s, "north"); !slices.Equal(got, entries) {
		t.Errorf("read back %+v", got)
	}
	if got := chain(t, s, "south"); len(got) != 0 {
		t.Errorf("another crew has %+v", got)
	}
	if got, err := s.Entries(t.Context(), "north", 2, 2); err != nil || !slices.Equal(got, entries[2:4]) {
		t.Errorf("a part: %+v, %v", got, err)
	}
	if l := load(t, s, server.Needs{Crews: []string{"north"}}); l.Crews["north"] != head {
		t.Errorf("the crew is %+v", l.Crews["north"])
	}
	// Two that took the same place: the second transaction fails whole.
	err := write(t, s, server.Needs{}, func(server.Needs, server.Loaded) (server.Effects, server.Needs, error) {
		return server.Effects{Entries: entries[6:], Links: []server.Link{{Mark: server.Mark{Crew: "south", Version: 1}, Fingerprint: "x"}}}, server.Needs{}, nil
	})
	if l := load(t, s, server.Needs{Marks: []server.Mark{{Crew: "south", Version: 1}}}); err == nil || len(l.Fingerprints) != 0 {
		t.Errorf("a place was taken twice, %v: %v", err, l.Fingerprints)
	}
}

// verified checks the whole audit and returns how many fingerprints it proved.
func (r *Rig) verified() int64 {
	r.T.Helper()
	v, err := r.Server.VerifyAudit(r.T.Context())
	if err != nil || len(v.Faults) > 0 {
		r.T.Errorf("the audit does not verify: %v, %v", v.Faults, err)
	}
	return v.Links
}

func whats(entries []server.Entry) (out []string) {
	for _, e := range entries {
		out = append(out, e.What)
	}
	return out
}

// testAuditOfOps: each op that was decided has one entry, whatever became of it;
// a repeat has none.
func testAuditOfOps(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	r.User("bob", op.Technician, "north")
	ann, bob := r.Enrol("ann"), r.Enrol("bob")
	task := NewID()
	ins := ann.Op(op.Insert, op.Task, task, 0, op.Fields{"title": "Boiler", "status": "PENDING"})
	ann.Push(ins)
	ann.Push(ins) // the answer was lost
	r.Pass(10_000_000_000)
	early, late := ann.Op(op.Update, op.Task, task, 0, op.Fields{"asset": "K-1"}), bob.Op(op.Update, op.Task, task, 0, op.Fields{"asset": "K-2"})
	early.Base, late.Base = 1, 1 // neither saw the other's
	late.Fields[op.UpdatedAt] = early.Fields.Int(op.UpdatedAt) + 5
	bob.Push(late)
	ann.Push(early)                                                                       // lost
	ann.Push(ann.Op(op.Update, op.Task, NewID(), 0, op.Fields{"asset": "\x1b[2Jx"}))      // refused
	ann.Push(ann.Op(op.Update, "strange\x1bkind", "x", 0, op.Fields{"na\x1b[2Jme": "v"})) // not even readable
	got := chain(t, r.Store, "north")
	sealed(t, got)
	if want := []string{"applied", "applied", "conflict", "rejected", "rejected"}; !slices.Equal(whats(got), want) {
		t.Fatalf("entries %q, want %q", whats(got), want)
	}
	if e := got[2]; e.User != "ann" || e.Device != ann.ID || e.Op != early.ID || e.Entity != task || e.Kind != op.Task || e.At != r.Now.Load() || !strings.Contains(e.Detail, `"asset"`) || strings.Contains(e.Detail, "K-1") {
		t.Errorf("the lost op is told as %+v: names, never values", e)
	}
	for _, e := range got {
		if strings.Contains(string(e.Kind)+e.Entity+e.Detail, "\x1b") || strings.Contains(e.Detail, `\u001b`) {
			t.Errorf("an entry holds a control character: %+v", e)
		}
	}
	if n := r.verified(); n != 3 {
		t.Errorf("%d fingerprints were proved, want those of 3 versions", n)
	}
}

// testAuditOfOffice: what the administration did is in the server's own chain.
func testAuditOfOffice(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	d := r.Enrol("ann")
	if err := r.Server.DisableUser(t.Context(), "ann", true); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Server.Revoke(t.Context(), d.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Server.Restored(t.Context(), "yesterday.db"); err != nil {
		t.Fatal(err)
	}
	got := chain(t, r.Store, "")
	want := []string{server.DidAddUser, server.DidInvite, server.DidEnrol, server.DidSetUser, server.DidRevoke, server.DidRestore}
	if !slices.Equal(whats(got), want) {
		t.Fatalf("entries %q, want %q", whats(got), want)
	}
	if e := got[2]; e.User != "ann" || e.Device != d.ID || e.Entity != d.ID {
		t.Errorf("the enrolment is %+v", e)
	}
	for _, e := range got {
		if strings.Contains(fmt.Sprint(e), d.Token) {
			t.Error("the audit holds a token")
		}
	}
	r.verified()
	var all []server.Entry
	for e, err := range r.Server.Audit(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if !reflect.DeepEqual(all, got) {
		t.Errorf("all of the audit is %+v", all)
	}
	for e := range r.Server.Audit(t.Context(), r.Now.Load()+1) {
		t.Errorf("since later there is %+v", e)
	}
	if a := r.Do(Request{Method: http.MethodGet, Path: wire.PathChanges, Token: d.Token}); a.Status != http.StatusUnauthorized {
		t.Errorf("the revoked device: %d", a.Status)
	}
}

// testAuditOfMoves: a move takes versions in two crews for one op. Both crews'
// fingerprints are proved from the one entry.
func testAuditOfMoves(t *testing.T, r *Rig) {
	r.User("dora", op.Dispatcher, "north", "south")
	dora := r.Enrol("dora")
	task, note := NewID(), NewID()
	dora.Push(dora.Op(op.Insert, op.Task, task, 0, op.Fields{"title": "Boiler", "status": "PENDING"}),
		dora.Op(op.Insert, op.Note, note, 0, op.Fields{"task_id": task, "body": "x", "author": "dora", "at": Start}))
	for range 3 {
		dora.Push(dora.Op(op.Insert, op.Task, NewID(), 0, op.Fields{"title": "Other", "status": "PENDING", "crew": "south"}))
	}
	move := dora.Op(op.Update, op.Task, task, 0, op.Fields{"crew": "south"})
	move.Base = 1
	dora.Push(move)
	dora.Push(dora.Op(op.Insert, op.Task, NewID(), 0, op.Fields{"title": "Last", "status": "PENDING"}))
	if n := r.verified(); n < 9 {
		t.Errorf("only %d fingerprints were proved", n)
	}
}
