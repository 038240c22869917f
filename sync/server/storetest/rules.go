package storetest

import (
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func testInsert(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "south", "north")
	ann := r.Enrol("ann")
	first, second, item := NewID(), NewID(), NewID()
	other := ann.NewTask(second, "Pump")
	other.Fields["crew"] = "north"
	results := ann.Push(ann.NewTask(first, "Boiler"), ann.Op(op.Insert, op.Item, item, 0, op.Fields{"task_id": first, "label": "look"}), other)
	for i, want := range []string{"south", "south", "north"} {
		res := results[i]
		if res.Outcome != op.Applied || res.ServerState.Text("crew") != want || res.ServerState.Int("version") != res.Version || res.Version == 0 {
			t.Errorf("%d: %+v; want it applied in %s", i, res, want)
		}
	}
	for i, want := range map[int]string{0: "T-10001", 2: "T-10001"} { // numbers are unique in a crew
		if got := results[i].ServerState.Text("number"); got != want {
			t.Errorf("number %q; want %q", got, want)
		}
	}
	if res := ann.Must(ann.NewTask(NewID(), "Fan")); res.ServerState.Text("number") != "T-10002" {
		t.Errorf("the next number is %q", res.ServerState.Text("number"))
	}
	if got := ann.Pull(); len(got.Changes) != 4 || got.User != "ann" || !reflect.DeepEqual(got.Crews, []string{"south", "north"}) || got.Changes[0].By != "ann" {
		t.Errorf("pulled %+v", got)
	}
}

func testOnceOnly(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	ann, second := r.Enrol("ann"), r.Enrol("ann")
	id := NewID()
	insert := ann.NewTask(id, "Boiler")
	ann.Must(insert)
	mine := ann.Set(id, 1, op.Fields{"title": "Boiler room"})
	ann.Must(mine)
	ann.Must(ann.Set(id, 2, op.Fields{"priority": "high"}))
	refused := ann.Set(NewID(), 0, op.Fields{"title": "x"})
	ann.Push(refused)

	again := ann.Push(insert, mine, refused, insert)
	for i, want := range []wire.Result{
		{OpID: insert.ID, Outcome: op.Applied, Duplicate: true, Version: 1},
		{OpID: mine.ID, Outcome: op.Applied, Duplicate: true, Version: 2},
		{OpID: refused.ID, Outcome: op.Rejected, Duplicate: true, Code: op.CodeNotFound},
		{OpID: insert.ID, Outcome: op.Applied, Duplicate: true, Version: 1},
	} {
		got := again[i]
		if got.OpID != want.OpID || got.Outcome != want.Outcome || !got.Duplicate || got.Version != want.Version || got.Code != want.Code {
			t.Errorf("repeat %d: %+v; want %+v", i, got, want)
		}
	}
	// An answer that carried the state carries the state of now: devices adopt it.
	if again[0].ServerState.Text("title") != "Boiler room" || again[1].ServerState != nil {
		t.Errorf("states of repeats: %v, %v", again[0].ServerState, again[1].ServerState)
	}
	insert.Seq = 0
	if got := second.Push(insert)[0]; !got.Duplicate { // the same person's ops under a new identity
		t.Errorf("after a new enrolment: %+v", got)
	}
	if got := ann.Pull(); len(got.Changes) != 1 || got.Changes[0].Version != 3 {
		t.Errorf("after repeats: %+v", got.Changes)
	}
}

func testOnceOnlyTogether(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	task := NewID()
	ann.Must(ann.NewTask(task, "Boiler"))
	note := ann.Op(op.Insert, op.Note, NewID(), 0, op.Fields{"task_id": task, "body": "leaks", "author": "ann", "at": r.Now.Load()})
	var wait sync.WaitGroup
	results := make([]wire.Result, 12)
	for i := range results {
		wait.Go(func() {
			res, err := ann.TryPush(note)
			if err != nil {
				t.Error(err)
				return
			}
			results[i] = res[0]
		})
	}
	wait.Wait()
	first := 0
	for _, res := range results {
		if res.Outcome != op.Applied || res.Version != 2 {
			t.Errorf("%+v; want applied at version 2", res)
		}
		if !res.Duplicate {
			first++
		}
	}
	if first != 1 || len(ann.Pull().Changes) != 2 {
		t.Errorf("one op sent %d times at once took effect %d times", len(results), first)
	}
}

// pair is two devices that both know one task at version 1.
func (r *Rig) pair() (ann, bob *Device, task string) {
	r.User("ann", op.Technician, "north")
	r.User("bob", op.Dispatcher, "north")
	ann, bob, task = r.Enrol("ann"), r.Enrol("bob"), NewID()
	ann.Must(ann.NewTask(task, "Boiler"))
	ann.Pull()
	bob.Pull()
	r.Pass(time.Minute)
	return ann, bob, task
}

func testConflictToldToBoth(t *testing.T, r *Rig) {
	ann, bob, task := r.pair()
	early := ann.Set(task, 1, op.Fields{"title": "by ann"})
	r.Pass(time.Minute)
	bob.Must(bob.Set(task, 1, op.Fields{"title": "by bob"}))
	res := ann.Push(early)[0]
	if res.Outcome != op.Conflicted || res.ServerState.Text("title") != "by bob" || len(res.Lost) != 1 || len(res.Overrode) != 0 {
		t.Fatalf("the earlier edit: %+v; want a conflict with bob's state", res)
	}
	if l := res.Lost[0]; l.Mine != "by ann" || l.Theirs != "by bob" || l.Who != "bob" || l.Side != wire.SideLost || l.Field != "title" {
		t.Errorf("told as %+v", l)
	}
	if got := bob.Pull(); len(got.Conflicts) != 1 || got.Conflicts[0].Side != wire.SideOverrode || got.Conflicts[0].Mine != "by bob" || got.Conflicts[0].ID != res.Lost[0].ID {
		t.Errorf("the winner hears %+v", got.Conflicts)
	}
	if got := ann.Pull(); len(got.Conflicts) != 1 || got.Conflicts[0].Side != wire.SideLost || len(got.Changes) != 1 {
		t.Errorf("the loser hears %+v", got)
	}
	if got := ann.Pull(); len(got.Conflicts)+len(got.Changes) != 0 {
		t.Errorf("heard twice: %+v", got)
	}
	r.Pass(time.Minute)
	late := ann.Set(task, 1, op.Fields{"title": "ann again"}) // unseen, but later: it wins, and both are told
	res = ann.Push(late)[0]
	if res.Outcome != op.Applied || len(res.Overrode) != 1 || res.Overrode[0].Theirs != "by bob" || res.ServerState == nil {
		t.Errorf("the later edit: %+v", res)
	}
	if got := bob.Pull(); len(got.Conflicts) != 1 || got.Conflicts[0].Side != wire.SideLost || len(got.Changes) != 1 {
		t.Errorf("the overridden one hears %+v", got)
	}
}

// testOtherLaptop: to a person with two laptops his own name says nothing; he
// hears at which of them something was done, and nobody else does.
func testOtherLaptop(t *testing.T, r *Rig) {
	ann, bob, task := r.pair()
	var e wire.Enrolled
	r.Do(Request{Method: http.MethodPost, Path: wire.PathEnroll, Body: wire.Enroll{Code: r.Code("ann"), DeviceName: "Ann's van", Nonce: "nonce-" + uuid.NewString()}}).Into(&e)
	van := &Device{Rig: r, ID: e.DeviceID, User: "ann", Token: e.Token}
	lost := ann.Set(task, 1, op.Fields{"title": "at the desk"})
	r.Pass(time.Minute)
	van.Must(van.Set(task, 1, op.Fields{"title": "in the van"}))
	if got := ann.Push(lost)[0].Lost; len(got) != 1 || got[0].DeviceName != "Ann's van" || got[0].Who != "ann" {
		t.Errorf("in the answer: %+v", got)
	}
	got := ann.Pull()
	if len(got.Conflicts) != 1 || got.Conflicts[0].DeviceName != "Ann's van" || len(got.Changes) != 1 || got.Changes[0].ByDevice != "Ann's van" {
		t.Errorf("ann pulls %+v", got)
	}
	if got := van.Pull(); len(got.Conflicts) != 1 || got.Conflicts[0].DeviceName == "" || len(got.Changes) != 1 || got.Changes[0].ByDevice != "" {
		t.Errorf("the van pulls %+v", got)
	}
	if got := bob.Pull(); len(got.Conflicts) != 0 || len(got.Changes) != 1 || got.Changes[0].By != "ann" || got.Changes[0].ByDevice != "" {
		t.Errorf("bob pulls %+v", got)
	}
}

func testMergedFields(t *testing.T, r *Rig) {
	ann, bob, task := r.pair()
	mine := ann.Set(task, 1, op.Fields{"title": "by ann", "asset": "B-7"})
	r.Pass(time.Minute)
	bob.Must(bob.Set(task, 1, op.Fields{"title": "by bob"}))
	res := ann.Push(mine)[0]
	if res.Outcome != op.Merged || res.ServerState.Text("title") != "by bob" || res.ServerState.Text("asset") != "B-7" || len(res.Lost) != 1 {
		t.Errorf("two edits of different fields: %+v", res)
	}
	got := bob.Pull()
	if len(got.Changes) != 1 || got.Changes[0].ServerState.Text("asset") != "B-7" || got.Changes[0].By != "ann" {
		t.Errorf("bob hears %+v", got.Changes)
	}
}

func testRefusals(t *testing.T, r *Rig) {
	ann, bob, task := r.pair()
	r.User("eve", op.Viewer, "north")
	eve := r.Enrol("eve")
	insert := func(fields op.Fields) op.Op { return ann.Op(op.Insert, op.Task, NewID(), 0, fields) }
	for _, c := range []struct {
		op    op.Op
		code  op.Code
		field string
	}{
		{ann.Set(NewID(), 0, op.Fields{"title": "x"}), op.CodeNotFound, ""},
		{ann.Op(op.Delete, op.Site, NewID(), 0, op.Fields{}), op.CodeNotFound, ""},
		{ann.Op(op.Insert, op.Item, NewID(), 0, op.Fields{"task_id": NewID(), "label": "x"}), op.CodeNotFound, "task_id"},
		{insert(op.Fields{"title": "x", "status": "PENDING", "crew": "south"}), op.CodeForbidden, "crew"},
		{ann.Set(task, 1, op.Fields{"crew": "south"}), op.CodeForbidden, "crew"},
		{ann.Set(task, 1, op.Fields{"crew": nil}), op.CodeRequired, "crew"},
		{insert(op.Fields{"status": "PENDING"}), op.CodeRequired, "title"},
		{insert(op.Fields{"title": "x", "status": "DONE"}), op.CodeBadValue, "status"},
		{insert(op.Fields{"title": "a\x1b[2J", "status": "PENDING"}), op.CodeBadText, "title"},
		{insert(op.Fields{"title": strings.Repeat("x", 300), "status": "PENDING"}), op.CodeTooLong, "title"},
		{insert(op.Fields{"title": "x", "status": "PENDING", "number": "T-1"}), op.CodeDerived, "number"},
		{ann.Set(task, 1, op.Fields{"colour": "red"}), op.CodeUnknownField, "colour"},
		{ann.Op("PATCH", op.Task, task, 1, op.Fields{}), op.CodeUnknownAction, "action"},
		{ann.Op(op.Update, "lorry", task, 1, op.Fields{}), op.CodeUnknownKind, "entity_type"},
	} {
		if got := ann.Push(c.op)[0]; got.Outcome != op.Rejected || got.Code != c.code || got.Field != c.field || got.Message == "" {
			t.Errorf("%s %s %v: %+v; want %s of %q", c.op.Action, c.op.Kind, c.op.Fields, got, c.code, c.field)
		}
	}
	if got := eve.Push(eve.Set(task, 1, op.Fields{"title": "x"}), eve.NewTask(NewID(), "y")); describe(got) != "rejected/forbidden rejected/forbidden" {
		t.Errorf("a viewer's edits: %s", describe(got))
	}
	bad := ann.Set(task, 1, op.Fields{"title": "fine"})
	bad.ID = "7"
	if got := ann.Push(bad)[0]; got.Outcome != op.Rejected || got.Code != op.CodeBadID || got.OpID != "7" {
		t.Errorf("an op id that is none: %+v", got)
	}
	newer := ann.Set(task, 1, op.Fields{"colour": "red"})
	newer.Schema = op.Schema + 1
	if got := ann.Push(newer)[0]; got.Outcome != op.Retry {
		t.Errorf("an op of a newer program: %+v; want retry", got)
	}
	if got := bob.Pull(); len(got.Changes)+len(got.Conflicts) != 0 {
		t.Errorf("refused ops changed something: %+v", got)
	}
}

func testExternalRef(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north", "south")
	ann := r.Enrol("ann")
	withRef := func(crew string) op.Op {
		return ann.Op(op.Insert, op.Task, NewID(), 0, op.Fields{"title": "x", "status": "PENDING", "external_ref": "R1", "crew": crew})
	}
	first, clash, elsewhere := withRef("north"), withRef("north"), withRef("south")
	if got := describe(ann.Push(first, clash, elsewhere)); got != "applied rejected/duplicate_ref/external_ref applied" {
		t.Errorf("the same ref thrice: %s", got)
	}
	// Freed by a deletion or an edit it may be used again, in the same batch too.
	heir, third := withRef("north"), withRef("north")
	if got := describe(ann.Push(ann.Op(op.Delete, op.Task, first.Entity, 1, op.Fields{}), heir)); got != "applied applied" {
		t.Errorf("a ref freed by a deletion: %s", got)
	}
	if got := describe(ann.Push(ann.Set(heir.Entity, 9, op.Fields{"external_ref": nil}), third)); got != "applied applied" {
		t.Errorf("a ref freed by an edit: %s", got)
	}
	restore := ann.Set(first.Entity, 9, op.Fields{"deleted": false})
	after := ann.Set(first.Entity, 9, op.Fields{"title": "on the task that came back"})
	if got := describe(ann.Push(restore, after)); got != "rejected/duplicate_ref/external_ref retry" {
		t.Errorf("a deleted task that comes back with a ref in use, and an edit of it: %s", got)
	}
	move := ann.Set(elsewhere.Entity, 9, op.Fields{"crew": "north"})
	if got := describe(ann.Push(move)); got != "rejected/duplicate_ref/external_ref" {
		t.Errorf("a task that moves to where its ref is in use: %s", got)
	}
}

func testGroup(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	group := func(ops ...op.Op) []op.Op {
		g := uuid.NewString()
		for i := range ops {
			ops[i].Group = g
		}
		return ops
	}
	task, item := NewID(), NewID()
	good := group(ann.NewTask(task, "Boiler"), ann.Op(op.Insert, op.Item, item, 0, op.Fields{"task_id": task, "label": "look"}))
	doomed := NewID()
	bad := group(ann.NewTask(doomed, "Pump"), ann.Set(task, 1, op.Fields{"title": "changed"}), ann.Op(op.Insert, op.Item, NewID(), 0, op.Fields{"task_id": doomed}))
	after := ann.Set(doomed, 0, op.Fields{"title": "x"})
	last := ann.NewTask(NewID(), "Fan")
	results := ann.Push(append(append(good, bad...), after, last)...)
	if got := describe(results); got != "applied applied rejected/group rejected/group rejected/required/label retry applied" {
		t.Errorf("outcomes: %s", got)
	}
	if !strings.Contains(results[2].Message, bad[2].ID) {
		t.Errorf("%q does not name the op at fault", results[2].Message)
	}
	if n := results[6].ServerState.Text("number"); n != "T-10002" {
		t.Errorf("the next number is %s: a refused group used one up", n)
	}
	got := ann.Pull()
	if len(got.Changes) != 3 || got.Changes[0].ServerState.Text("title") != "Boiler" {
		t.Errorf("half of a group stayed: %+v", got.Changes)
	}
	for i, res := range ann.Push(bad...) {
		if res.Outcome != op.Rejected || !res.Duplicate || res.Code != results[2+i].Code {
			t.Errorf("repeat of a refused group: %+v", res)
		}
	}
}

func testDependents(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	task := NewID()
	item := ann.Op(op.Insert, op.Item, NewID(), 0, op.Fields{"task_id": task, "label": "look"})
	answer := ann.Op(op.Update, op.Item, item.Entity, 0, op.Fields{"outcome": "done"})
	results := ann.Push(ann.NewTask(task, ""), item, answer, ann.NewTask(NewID(), "Fan"))
	if got := describe(results); got != "rejected/required/title retry retry applied" {
		t.Errorf("outcomes: %s; what depends on a refused record waits, the rest goes on", got)
	}
	if got := describe(ann.Push(ann.NewTask(task, "Boiler"), item, answer)); got != "applied applied applied" {
		t.Errorf("once it is mended: %s", got)
	}
}

func testForked(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	first := ann.NewTask(NewID(), "Boiler")
	ann.Must(first)
	copied, next := ann.NewTask(NewID(), "Pump"), ann.NewTask(NewID(), "Fan")
	copied.Seq = first.Seq
	if got := describe(ann.Push(copied, first, next)); got != "rejected/forked applied rejected/forked" {
		t.Errorf("outcomes: %s; want nothing new of the batch applied", got)
	}
	again := r.Enrol("ann") // under a new identity they are welcome
	copied.Seq, next.Seq = 1, 2
	if got := describe(again.Push(copied, next)); got != "applied applied" {
		t.Errorf("under a new identity: %s", got)
	}
}

func testDeleteAgainstEdit(t *testing.T, r *Rig) {
	ann, bob, task := r.pair()
	edit := ann.Set(task, 1, op.Fields{"title": "by ann"})
	bob.Must(bob.Op(op.Delete, op.Task, task, 1, op.Fields{}))
	r.Pass(time.Minute)
	res := ann.Push(edit)[0]
	if res.Outcome != op.Conflicted || !res.ServerState.Bool("deleted") || len(res.Lost) != 1 || res.Lost[0].Why != op.WhyDeleted {
		t.Errorf("an edit of a deleted task: %+v", res)
	}
	got := ann.Pull()
	if len(got.Changes) != 1 || !got.Changes[0].ServerState.Bool("deleted") {
		t.Errorf("ann hears %+v", got.Changes)
	}
	if fresh := r.Enrol("ann").Pull(); len(fresh.Changes) != 0 {
		t.Errorf("a new device is told of what was deleted: %+v", fresh.Changes)
	}
	note := ann.Op(op.Insert, op.Note, NewID(), 0, op.Fields{"task_id": task, "body": "leaks", "author": "ann", "at": r.Now.Load()})
	ann.Must(note) // facts are always kept
}
