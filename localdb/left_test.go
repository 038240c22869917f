package localdb_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func reject(code op.Code) func(op.Op) wire.Result {
	return func(op.Op) wire.Result { return wire.Result{Outcome: op.Rejected, Code: code, Message: "no"} }
}

// What a person writes after a refusal counts, on the screen and when the
// refused edit is sent again.
func TestARefusedEditNeverCoversANewerOne(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "title", "old")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "first try", "external_ref": "taken"}))
	f.settle(reject(op.CodeDuplicateRef))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "newest"}))
	f.settle(f.applied(5))
	if got := f.field(remote, "title"); got != "newest" {
		t.Errorf("the screen shows %v", got)
	}
	q := f.queue()
	if len(q) != 1 || q[0].Op.Fields["title"] != nil || q[0].Op.Fields["external_ref"] != "taken" {
		t.Fatalf("parked: %+v", q)
	}
	f.must(f.EditTask(f.ctx, remote, op.Fields{"external_ref": "free"}))
	f.must(f.RetryOp(f.ctx, q[0].Op.ID))
	for _, o := range f.batch() {
		if o.Fields["external_ref"] != "free" {
			t.Errorf("goes out: %v", o.Fields)
		}
	}
	if got := f.field(remote, "external_ref"); got != "free" {
		t.Errorf("the screen shows %v", got)
	}
}

// The half of an action whose other half waits behind a refused task waits too.
func TestAnActionIsNotTornApartByARefusal(t *testing.T) {
	f := newFixture(t)
	refused := f.add("Refused")
	f.settle(reject(op.CodeDuplicateRef))
	f.hear("1", change(state(remote, 5)))
	_, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: refused, Action: op.Update, Fields: op.Fields{"asset": "A"}},
		localdb.Change{Kind: op.Task, ID: remote, Action: op.Update, Fields: op.Fields{"asset": "A"}})
	f.must(err)
	if b := f.batch(); len(b) != 0 {
		t.Errorf("goes out alone: %+v", b)
	}
	if n, _ := f.PendingOps(f.ctx); n != 0 {
		t.Errorf("%d ops count as waiting to be sent", n)
	}
}

// What comes behind the half of an action that waits is another person's wish of
// another day: it goes out, and the half that waits no longer says anything that it
// says anew, on the screen or when it is sent at last.
func TestAWaitingEditNeverCoversANewerOne(t *testing.T) {
	f := newFixture(t)
	refused := f.add("Refused")
	f.settle(reject(op.CodeDuplicateRef))
	f.hear("1", change(state(remote, 5)))
	_, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: refused, Action: op.Update, Fields: op.Fields{"asset": "A"}},
		localdb.Change{Kind: op.Task, ID: remote, Action: op.Update, Fields: op.Fields{"asset": "A", "priority": "high"}})
	f.must(err)
	f.pass(time.Minute)
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "B"}))
	f.settle(f.applied(5))
	f.mustShow(remote, op.Fields{"asset": "B", "priority": "high"})
	f.must(f.EditTask(f.ctx, refused, op.Fields{"external_ref": "free"}))
	if _, err := f.RetryAll(f.ctx); err != nil {
		t.Fatal(err)
	}
	for _, o := range f.batch() {
		if o.Entity == remote && (o.Fields["asset"] != nil || o.Fields["priority"] != "high") {
			t.Errorf("goes out: %v", o.Fields)
		}
	}
	f.settle(f.applied(9))
	f.mustShow(remote, op.Fields{"asset": "B", "priority": "high"})
	if q := f.queue(); len(q) != 0 {
		t.Errorf("left: %+v", q)
	}
}

// An older change that the server could not look at, while it took a newer one of
// the same record, says no longer what the newer one says.
func TestAnEditThatWasOvertakenGivesWay(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "A", "priority": "high"}))
	first := f.freeze()[0].ID
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "B"}))
	applied := f.applied(5)
	f.settle(func(o op.Op) wire.Result {
		if o.ID == first {
			return wire.Result{Outcome: op.Retry, Message: "later"}
		}
		return applied(o)
	})
	f.mustShow(remote, op.Fields{"asset": "B", "priority": "high"})
	b := f.batch()
	if len(b) != 1 || b[0].Fields["asset"] != nil || b[0].Fields["priority"] != "high" {
		t.Fatalf("goes out: %+v", b)
	}
	f.settle(f.applied(9))
	f.mustShow(remote, op.Fields{"asset": "B", "priority": "high"})
}

// A deletion that waits does not delete again what was brought back since.
func TestAWaitingDeletionNeverCoversAReturn(t *testing.T) {
	f := newFixture(t)
	refused := f.add("Refused")
	f.settle(reject(op.CodeDuplicateRef))
	f.hear("1", change(state(remote, 5)))
	_, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: refused, Action: op.Delete},
		localdb.Change{Kind: op.Task, ID: remote, Action: op.Delete})
	f.must(err)
	f.pass(time.Minute)
	_, err = f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: remote, Action: op.Update, Fields: op.Fields{op.Deleted: false}})
	f.must(err)
	if b := f.batch(); len(b) != 1 || b[0].Fields[op.Deleted] != false {
		t.Fatalf("goes out: %+v", b)
	}
	f.settle(f.applied(5))
	if !f.has(remote) {
		t.Error("what was brought back is gone")
	}
	if _, err := f.RetryAll(f.ctx); err != nil {
		t.Fatal(err)
	}
	for _, o := range f.batch() {
		if o.Entity == remote {
			t.Errorf("goes out: %+v", o)
		}
	}
}

// A deletion that is sent again does not go behind the return that came after it.
func TestARetriedDeletionNeverCoversAReturn(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5)))
	f.must(f.DeleteTask(f.ctx, remote))
	f.settle(reject(op.CodeForbidden))
	f.pass(time.Minute)
	_, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: remote, Action: op.Update, Fields: op.Fields{op.Deleted: false}})
	f.must(err)
	if _, err := f.RetryAll(f.ctx); err != nil {
		t.Fatal(err)
	}
	if !f.has(remote) {
		t.Error("what was brought back is gone")
	}
	for _, o := range f.batch() {
		if o.Action == op.Delete {
			t.Errorf("goes out: %+v", o)
		}
	}
}

// What hangs on a record that an action makes waits as long as the action does,
// and what hangs on that in turn.
func TestWhatHangsOnAWaitingActionWaits(t *testing.T) {
	f := newFixture(t)
	refused := f.add("Refused")
	f.settle(reject(op.CodeDuplicateRef))
	f.hear("1", change(state(remote, 5)))
	follow, step := f.id(), f.id()
	_, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: refused, Action: op.Update, Fields: op.Fields{"asset": "A"}},
		localdb.Change{Kind: op.Task, ID: follow, Action: op.Insert, Fields: op.Fields{"title": "Follow up", "crew": "north", "status": "PENDING"}})
	f.must(err)
	f.must(f.EditTask(f.ctx, follow, op.Fields{"asset": "B"}))
	_, err = f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: remote, Action: op.Update, Fields: op.Fields{"asset": "C"}},
		localdb.Change{Kind: op.Item, ID: step, Action: op.Insert, Fields: op.Fields{"task_id": follow, "label": "Look", "kind": "check", "position": int64(1)}})
	f.must(err)
	f.must(f.EditTask(f.ctx, remote, op.Fields{"priority": "high"}))
	b := f.batch()
	if len(b) != 1 || b[0].Fields["priority"] != "high" {
		t.Errorf("goes out: %+v", b)
	}
	if n, _ := f.PendingOps(f.ctx); n != 1 {
		t.Errorf("%d ops count as waiting to be sent, want 1", n)
	}
	root := f.queue()[0].Op.ID
	for _, row := range f.queue()[1:] {
		if want := row.Op.Fields["priority"] == nil; want != (row.Behind == root) {
			t.Errorf("%s: behind %q", row.Sentence, row.Behind)
		}
	}
}

// Discarding the first of two steps takes the second along: it ends a time entry
// that would not be there.
func TestDiscardTakesWhatCannotStandAlone(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5)))
	f.must(f.SetStatus(f.ctx, remote, localdb.Step{To: op.EnRoute}))
	f.must(f.SetStatus(f.ctx, remote, localdb.Step{To: op.InProgress}))
	f.must(f.DiscardOp(f.ctx, f.queue()[0].Op.ID))
	if n := len(f.queue()); n != 0 {
		t.Errorf("%d changes left", n)
	}
	if got := f.field(remote, "status"); got != "PENDING" {
		t.Errorf("status %v", got)
	}
}

// A repeat whose record has left the crews is answered without its state.
func TestAConflictWithoutStateHoldsUpNothing(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "mine"}))
	f.add("Another")
	f.settle(func(o op.Op) wire.Result {
		if o.Entity == remote {
			return wire.Result{Outcome: op.Conflicted, Duplicate: true, Version: 6}
		}
		return wire.Result{Outcome: op.Applied, Version: 7}
	})
	if n := len(f.queue()); n != 0 {
		t.Errorf("%d changes left", n)
	}
	if got := f.field(remote, "asset"); got != "A" {
		t.Errorf("asset %v", got)
	}
}

func TestGoneWithUnsentWork(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "mine"}))
	f.hear("2", wire.Change{EntityType: op.Task, EntityID: remote, Crew: "north", Version: 9, Gone: true})
	if _, err := f.Task(f.ctx, remote); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("the task still shows: %v", err)
	}
	f.settle(reject(op.CodeNotFound))
	q := f.queue()
	if len(q) != 1 || q[0].TaskTitle == "" {
		t.Fatalf("the unsent change is gone, or nameless: %+v", q)
	}
	f.must(f.DiscardOp(f.ctx, q[0].Op.ID))
	if _, err := f.Task(f.ctx, remote); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("the task came back: %v", err)
	}
}

func TestLeavingACrewTakesItsRecordsAway(t *testing.T) {
	f := newFixture(t)
	other := "01940000-0000-7000-8000-000000000002"
	f.hear("1", change(state(remote, 5)), change(state(other, 6)))
	f.must(f.EditTask(f.ctx, other, op.Fields{"asset": "unsent"}))
	_, err := f.ApplyChanges(f.ctx, wire.Changes{Cursor: "2", User: "ann", Role: op.Technician, Crews: []string{"south"}})
	f.must(err)
	ids, err := f.IDs(f.ctx, op.Task)
	f.must(err)
	if !slices.Equal(ids, []string{other}) {
		t.Errorf("left on the laptop: %v, want the one with unsent work", ids)
	}
}

// What a newer server tells holds up nothing.
func TestOddRecordsHoldUpNothing(t *testing.T) {
	f := newFixture(t)
	odd := "01940000-0000-7000-8000-000000000002"
	f.hear("2", change(state(odd, 5, "status", "DREAMING")), change(state(remote, 6, "priority", "whenever", "estimate_minutes", 1.5)),
		wire.Change{EntityType: "drawing", EntityID: odd, ServerState: op.Fields{"id": odd}})
	if got := f.field(remote, "priority"); got != "whenever" {
		t.Errorf("priority %v", got)
	}
	if got := f.field(remote, "estimate_minutes"); got != 1.5 {
		t.Errorf("estimate %v", got)
	}
	if c, _ := f.Cursor(f.ctx); c != "2" {
		t.Errorf("cursor %q", c)
	}
	notes, err := f.Notices(f.ctx)
	f.must(err)
	if len(notes) != 1 || notes[0].Code != localdb.NoticeNewer {
		t.Errorf("nobody is told: %+v", notes)
	}
	_, err = f.ApplyChanges(f.ctx, wire.Changes{Cursor: "3", Conflicts: []wire.Conflict{{ID: "c", EntityType: "drawing", EntityID: odd, Side: wire.SideLost}, {ID: "d", EntityType: op.Task, EntityID: remote, Side: "odd"}}})
	f.must(err)
}

// A clock that is years ahead must not throw away what is to be kept for 30 days.
func TestAWrongClockForgetsNothing(t *testing.T) {
	f := newFixture(t)
	id := f.add("Kept")
	f.settle(f.applied(0))
	f.read.Wall += 5 * 365 * 24 * 3600 * 1000
	f.add("Another")
	f.settle(f.applied(1))
	if events, _ := f.History(f.ctx, id, 0); len(events) != 1 {
		t.Errorf("history holds %d events", len(events))
	}
}

// Two steps of one's own that both lost are one conflict: the last one's. "Mine"
// must not bring back what its author had replaced himself.
func TestOneConflictForEachRegister(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5)))
	lost := func(id, mine string, at int64) wire.Conflict {
		return wire.Conflict{ID: id, EntityType: op.Task, EntityID: remote, Side: wire.SideLost, Field: "asset", Mine: mine, Theirs: "office", Who: "dora", At: 9, MineAt: at, Why: op.WhyLater}
	}
	_, err := f.ApplyChanges(f.ctx, wire.Changes{Cursor: "2", User: "ann", Changes: []wire.Change{change(state(remote, 6, "asset", "office"))},
		Conflicts: []wire.Conflict{lost("second", "last", 8), lost("first", "before", 7)}})
	f.must(err)
	list, err := f.Conflicts(f.ctx, false)
	f.must(err)
	if len(list) != 1 || list[0].Mine != "last" || list[0].Stands["asset"] != "office" {
		t.Fatalf("open: %+v", list)
	}
	if all, _ := f.Conflicts(f.ctx, true); len(all) != 2 || all[1].Resolution != "newer" {
		t.Errorf("all: %+v", all)
	}
	f.hear("3", change(state(remote, 7, "asset", "later still")))
	if list, _ = f.Conflicts(f.ctx, false); list[0].Stands["asset"] != "later still" {
		t.Errorf("stands now: %v", list[0].Stands)
	}
}

// What waits behind a refusal may be half of an action: sent again it goes with
// the other half, and covers nothing that the person did since.
func TestARetryKeepsWhatWaitsWhole(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "status", "PENDING")))
	f.step(remote, localdb.Step{To: op.InProgress}) // and a time entry begins
	f.settle(reject(op.CodeNotFound))
	f.step(remote, localdb.Step{To: op.OnHold, Reason: "parts"}) // and it ends
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "A"}))
	f.step(remote, localdb.Step{To: op.InProgress})
	refused := f.queue()[0].Op.ID
	f.must(f.RetryOp(f.ctx, refused))
	if got := f.field(remote, "status"); got != "IN_PROGRESS" {
		t.Errorf("the screen shows %v", got)
	}
	ended := map[string]bool{}
	last := ""
	status := ""
	for _, o := range f.batch() {
		if o.Group != last && ended[o.Group] {
			t.Errorf("the action %s goes out in two parts", o.Group)
		}
		if last = o.Group; last != "" {
			ended[last] = true
		}
		if s := o.Fields.Text("status"); s != "" {
			status = s
		}
	}
	if status != "IN_PROGRESS" {
		t.Errorf("the server is told %s last", status)
	}
	f.settle(f.applied(10))
	if waiting, parked := f.counts(); waiting+parked != 0 {
		t.Errorf("%d wait, %d are refused", waiting, parked)
	}
	if got := f.field(remote, "status"); got != "IN_PROGRESS" {
		t.Errorf("afterwards the screen shows %v", got)
	}
}

// What is said to go with a discarded change is what goes.
func TestDependentsAreWhatADiscardDrops(t *testing.T) {
	f := newFixture(t)
	f.add("Stays")
	id := f.add("Goes")
	_, err := f.AddNote(f.ctx, id, "hangs on it", "")
	f.must(err)
	f.step(id, localdb.Step{To: op.InProgress})
	all := f.queue()
	goes, err := f.Dependents(f.ctx, all[1].Op.ID)
	f.must(err)
	f.must(f.DiscardOp(f.ctx, all[1].Op.ID))
	if left := f.queue(); len(goes) != 4 || len(left) != len(all)-len(goes) || goes[0].TaskNumber == "" || goes[0].Op.ID != all[1].Op.ID {
		t.Errorf("of %d changes %d were to go, and %d are left", len(all), len(goes), len(left))
	}
}

func (f *fixture) mustShow(id string, want op.Fields) {
	f.t.Helper()
	for name, v := range want {
		if got := f.field(id, name); got != v {
			f.t.Errorf("the screen shows %s %v, want %v", name, got, v)
		}
	}
}
