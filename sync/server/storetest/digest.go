package storetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// digest asks for the digest of a crew, with more of a query behind it.
func (d *Device) digest(crew, more string) Answer {
	d.T.Helper()
	return d.Do(Request{Method: http.MethodGet, Path: wire.PathDigest + "?crew=" + url.QueryEscape(crew) + more, Token: d.Token})
}

// codeOf is the status and code of an answer.
func codeOf(a Answer) string {
	var p wire.Problem
	_ = json.Unmarshal(a.Body, &p)
	return fmt.Sprint(a.Status, " ", p.Code)
}

// testDigestTold: what a device computes from what it was told is what the
// server says; one leaf is told alone.
func testDigestTold(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north", "south")
	ann := r.Enrol("ann")
	ids := []string{endingIn(7), endingIn(7), endingIn(200)}
	for _, id := range ids {
		ann.Must(ann.NewTask(id, "Boiler"))
	}
	gone := ann.NewTask(endingIn(7), "Pump")
	ann.Must(gone, ann.Op(op.Delete, op.Task, gone.Entity, 9, op.Fields{}))
	first := ann.Page(2)
	if !first.More || first.Digest != nil {
		t.Errorf("a page that is not the last: %+v", first)
	}
	ann.Cursor = ""
	page := ann.Pull()
	var want op.Tally
	for _, c := range page.Changes {
		leaf := op.LeafOf(c.EntityID)
		want[leaf] = want[leaf].With(op.SumOf(c.EntityType, c.ServerState))
	}
	if page.Digest["north"].Digest != want.Total() || page.Digest["north"].Version != 5 || want.Total().Count != 3 || page.Digest["south"] != (wire.Stand{}) {
		t.Errorf("the last page says %+v; its records come to %+v", page.Digest, want.Total())
	}
	var d wire.Digest
	ann.digest("north", "").Into(&d)
	if d.Crew != "north" || d.Stand != page.Digest["north"] || len(d.Leaves) != op.Leaves {
		t.Fatalf("%+v", d)
	}
	for i, leaf := range want {
		if d.Leaves[i] != leaf.Sum {
			t.Errorf("leaf %d is %v, not %v", i, d.Leaves[i], leaf.Sum)
		}
	}
	var l wire.Leaf
	ann.digest("north", "&leaf=07").Into(&l)
	got := map[string]bool{}
	for _, c := range l.Records {
		got[c.EntityID] = c.ServerState.Text("title") == "Boiler" && c.Version > 0
	}
	if l.Version != 5 || l.Leaf != "07" || len(got) != 2 || !got[ids[0]] || !got[ids[1]] {
		t.Errorf("%+v", l)
	}
	for _, bad := range []string{"7", "007", "zz", "FF", "100"} {
		if a := ann.digest("north", "&leaf="+bad); a.Status != http.StatusBadRequest {
			t.Errorf("leaf %q: %s", bad, a.Body)
		}
	}
}

// testDigestApart: who is not in a crew cannot tell whether there is one.
func testDigestApart(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	r.User("sam", op.Technician, "west")
	ann, sam := r.Enrol("ann"), r.Enrol("sam")
	sam.Must(sam.NewTask(NewID(), "Pump"))
	for _, more := range []string{"", "&check=1", "&leaf=07", "&leaf=xx"} {
		there, none := ann.digest("west", more), ann.digest("east", more)
		if codeOf(there) != "404 no_such_crew" || string(there.Body) != string(none.Body) {
			t.Errorf("%q\na crew that is: %s\na crew that is not: %s", more, there.Body, none.Body)
		}
	}
	if a := ann.digest("", ""); codeOf(a) != "404 no_such_crew" {
		t.Errorf("no crew: %s", a.Body)
	}
	if a := r.Do(Request{Method: http.MethodGet, Path: wire.PathDigest + "?crew=north"}); a.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.Status)
	}
}

// deleteOne makes and deletes a task.
func (d *Device) deleteOne() string {
	d.T.Helper()
	id := NewID()
	d.Must(d.NewTask(id, "Pump"), d.Op(op.Delete, op.Task, id, 1<<40, op.Fields{}))
	return id
}

// dead counts the rows that are kept of deleted records and of such as left.
func (r *Rig) dead(crew string) int {
	r.T.Helper()
	feed, err := r.Store.Changes(r.T.Context(), server.ChangesQuery{Spans: []server.Span{{Crew: crew}}, Rows: 1 << 20, Conflicts: 1, All: true})
	if err != nil {
		r.T.Fatal(err)
	}
	n := 0
	for _, row := range feed.Rows {
		if !row.Counts() {
			n++
		}
	}
	return n
}

func (r *Rig) tend() {
	r.T.Helper()
	if err := r.Server.Tend(r.T.Context()); err != nil {
		r.T.Fatal(err)
	}
}

// testHorizon: what every active device has heard of is forgotten, and not
// before. A device that was left behind is told so.
func testHorizon(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	r.User("bob", op.Technician, "north")
	ann, bob, never := r.Enrol("ann"), r.Enrol("bob"), r.Enrol("bob")
	kept := ann.NewTask(NewID(), "Boiler")
	ann.Must(kept)
	hear := func(d *Device) {
		t.Helper()
		for range 2 { // the second time it says how far it came
			d.Pull()
			r.Pass(time.Minute)
		}
	}
	hear(ann)
	hear(bob)
	ann.deleteOne()
	old := *bob
	hear(ann)
	if r.tend(); r.dead("north") != 1 {
		t.Error("forgotten before bob heard of it")
	}
	hear(bob)
	if r.tend(); r.dead("north") != 0 {
		t.Error("kept though all heard of it")
	}
	if a := old.Do(Request{Method: http.MethodGet, Path: wire.PathChanges + "?since=" + old.Cursor, Token: old.Token}); codeOf(a) != "410 too_far_behind" {
		t.Errorf("a device that heard too little: %s", a.Body)
	}
	if page := bob.Pull(); len(page.Changes) != 0 {
		t.Errorf("a device that heard enough: %+v", page)
	}
	if page := never.Pull(); len(page.Changes) != 1 || page.Changes[0].EntityID != kept.Entity {
		t.Errorf("a device that begins: %+v", page)
	}
	// Whoever is away for longer than 180 days holds up nobody, and neither does who may not come in.
	hear(never)
	ann.deleteOne()
	hear(ann)
	hear(bob)
	if r.tend(); r.dead("north") != 1 {
		t.Error("forgotten before the third device heard of it")
	}
	if err := r.Store.Revoke(t.Context(), never.ID, 1); err != nil {
		t.Fatal(err)
	}
	if r.tend(); r.dead("north") != 0 {
		t.Error("a revoked device kept it alive")
	}
	ann.deleteOne()
	hear(ann)
	r.Pass(179 * 24 * time.Hour)
	if r.tend(); r.dead("north") != 1 {
		t.Error("forgotten after 179 days without bob")
	}
	r.Pass(2 * 24 * time.Hour)
	if r.tend(); r.dead("north") != 0 {
		t.Error("kept for longer than 180 days")
	}
	if a := bob.Do(Request{Method: http.MethodGet, Path: wire.PathChanges + "?since=" + bob.Cursor, Token: bob.Token}); codeOf(a) != "410 too_far_behind" {
		t.Errorf("who was away for longer: %s", a.Body)
	}
	bob.Cursor = ""
	if page, a := bob.TryChanges(wire.Self{All: true}); a.Status != http.StatusOK || len(page.Changes) != 1 {
		t.Errorf("who begins anew: %s", a.Body)
	}
}

// testHorizonPages: a device that is still hearing everything from the start does
// not fall behind, wherever the horizon lies, and hears what is deleted meanwhile.
func testHorizonPages(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north", "south")
	ann, slow := r.Enrol("ann"), r.Enrol("ann")
	var tasks []string
	for range 6 {
		tasks = append(tasks, NewID())
		ann.Must(ann.NewTask(tasks[len(tasks)-1], "Boiler"))
	}
	far := ann.Op(op.Insert, op.Task, NewID(), 0, op.Fields{"title": "Fan", "status": "PENDING", "crew": "south"})
	ann.Must(far)
	for range 3 {
		ann.deleteOne()
	}
	held := map[string]bool{}
	take := func(page wire.Changes) {
		for _, c := range page.Changes {
			held[c.EntityID] = !c.Gone && !c.ServerState.Bool(op.Deleted)
		}
	}
	take(slow.Page(2))
	for range 2 {
		ann.Pull()
		r.Pass(time.Minute)
	}
	if r.tend(); r.dead("north") != 0 {
		t.Fatal("a device that never held them kept the deleted records alive")
	}
	ann.Must(ann.Op(op.Delete, op.Task, tasks[0], 1<<40, op.Fields{}), ann.Op(op.Delete, op.Task, tasks[5], 1<<40, op.Fields{}), ann.Op(op.Delete, op.Task, far.Entity, 1<<40, op.Fields{}))
	for range 2 {
		ann.Pull()
		r.Pass(time.Minute)
	}
	for more := true; more; {
		page := slow.Page(2)
		take(page)
		if more = page.More; more {
			r.Pass(time.Minute)
			r.tend() // it forgets nothing that the slow device has yet to hear
		}
	}
	for i, id := range tasks {
		if held[id] != (i != 0 && i != 5) {
			t.Errorf("task %d: held %v", i, held[id])
		}
	}
	if held[far.Entity] {
		t.Error("the task of the other crew is held still")
	}
}

// testForgetMoved: where a record left, the row that says so is forgotten too,
// and it may come back.
func testForgetMoved(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	r.User("dora", op.Dispatcher, "north", "south")
	ann, dora := r.Enrol("ann"), r.Enrol("dora")
	task := ann.NewTask(NewID(), "Boiler")
	ann.Must(task)
	old := *ann
	old.Pull()
	dora.Must(dora.Set(task.Entity, 9, op.Fields{"crew": "south"}))
	for _, d := range []*Device{ann, dora} {
		d.Pull()
		r.Pass(time.Minute)
		d.Pull()
	}
	if r.tend(); r.dead("north") != 0 || r.dead("south") != 0 {
		t.Errorf("%d and %d rows are kept", r.dead("north"), r.dead("south"))
	}
	if a := old.Do(Request{Method: http.MethodGet, Path: wire.PathChanges + "?since=" + old.Cursor, Token: old.Token}); codeOf(a) != "410 too_far_behind" {
		t.Errorf("who did not hear that it left: %s", a.Body)
	}
	dora.Must(dora.Set(task.Entity, 99, op.Fields{"crew": "north"}))
	if page := ann.Pull(); len(page.Changes) != 1 || page.Changes[0].Gone || page.Digest["north"].Count != 1 {
		t.Errorf("after it came back: %+v", page)
	}
	if res := ann.Push(ann.Set(task.Entity, 99, op.Fields{"title": "Boiler 2"})); describe(res) != "applied" {
		t.Errorf("an edit after it came back: %s", describe(res))
	}
}
