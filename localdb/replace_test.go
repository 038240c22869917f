package localdb_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// refusing is a server that refuses ops with an external_ref that is taken, and
// what belongs to a record that it does not hold.
func (f *fixture) refusing() func(op.Op) wire.Result {
	gone := map[string]bool{}
	next := f.applied(10)
	return func(o op.Op) wire.Result {
		if o.Fields.Text("external_ref") == "TAKEN" {
			gone[o.Entity] = o.Action == op.Insert
			return wire.Result{Outcome: op.Rejected, Code: op.CodeDuplicateRef, Field: "external_ref", Message: "TAKEN belongs to T-1 already"}
		}
		if gone[o.Entity] || gone[o.Fields.Text("task_id")] {
			return wire.Result{Outcome: op.Rejected, Code: op.CodeNotFound, Message: "not found"}
		}
		return next(o)
	}
}

func (f *fixture) counts() (pending, parked int) {
	f.t.Helper()
	s, err := f.Summary(f.ctx)
	f.must(err)
	return s.Pending, s.Parked
}

func (f *fixture) mustBeSent(id string, want op.Fields) {
	f.t.Helper()
	f.settle(f.refusing())
	if waiting, parked := f.counts(); waiting+parked != 0 {
		f.t.Errorf("%d wait, %d are refused", waiting, parked)
	}
	for name, v := range want {
		if got := f.field(id, name); got != v {
			f.t.Errorf("%s is %v; want %v", name, got, v)
		}
	}
}

func TestARefusedChangeIsPutRightAndGoesOutWithWhatDependsOnIt(t *testing.T) {
	f := newFixture(t)
	id := f.add("Check the pump", "external_ref", "TAKEN")
	f.settle(f.refusing())
	_, err := f.AddNote(f.ctx, id, "It leaks", "")
	f.must(err)
	refused := f.queue()[0]
	f.pass(time.Hour)
	var bad *op.Refusal
	if err := f.ReplaceOp(f.ctx, refused.Op.ID, op.Fields{"priority": "urgent"}); !errors.As(err, &bad) || bad.Field != "priority" {
		t.Errorf("a value that no server takes: %v", err)
	}
	if _, parked := f.counts(); parked != 1 {
		t.Error("a refused replacement sent it again")
	}
	f.must(f.ReplaceOp(f.ctx, refused.Op.ID, op.Fields{"external_ref": "WO-7"}))
	ops := f.batch()
	if len(ops) != 2 || ops[0].ID == refused.Op.ID || ops[0].Fields["external_ref"] != "WO-7" || ops[0].Fields["title"] != "Check the pump" || ops[1].Kind != op.Note {
		t.Fatalf("it goes out as %+v", ops)
	}
	if ops[0].Time() != start.Add(time.Hour).UnixMilli() {
		t.Errorf("its time is %v", time.UnixMilli(ops[0].Time()).UTC())
	}
	f.mustBeSent(id, op.Fields{"external_ref": "WO-7"})
}

func TestFieldsAreDroppedFromARefusedChange(t *testing.T) {
	f := newFixture(t)
	f.hear("c1", change(state(remote, 5, "external_ref", "OLD")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"external_ref": "TAKEN", "asset": "P-7"}))
	f.settle(f.refusing())
	id := f.queue()[0].Op.ID
	var e *localdb.Error
	if err := f.ReplaceOp(f.ctx, id, nil, "external_ref", "asset"); !errors.As(err, &e) || !strings.Contains(e.Hint, "discard") {
		t.Errorf("dropping all of it: %v", err)
	}
	f.must(f.ReplaceOp(f.ctx, id, nil, "external_ref"))
	if got := f.field(remote, "external_ref"); got != "OLD" {
		t.Errorf("the record says %v", got)
	}
	f.mustBeSent(remote, op.Fields{"external_ref": "OLD", "asset": "P-7"})
}

// An edit on the screen reaches a new record that was refused; it would else
// wait behind it for ever.
func TestAnEditPutsARefusedNewRecordRight(t *testing.T) {
	f := newFixture(t)
	id := f.add("Check the pump", "external_ref", "TAKEN", "asset", "P-7")
	item, err := f.AddItem(f.ctx, id, op.Fields{"label": "Oil"})
	f.must(err)
	f.settle(f.refusing())
	f.must(f.EditTask(f.ctx, id, op.Fields{"external_ref": "WO-7", "asset": nil}))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.open()
	if ops := f.batch(); len(ops) != 2 || ops[0].Action != op.Insert || ops[0].Fields["asset"] != nil || ops[1].Entity != item {
		t.Errorf("it goes out as %+v", ops)
	}
	f.mustBeSent(id, op.Fields{"external_ref": "WO-7", "asset": nil, "title": "Check the pump"})
}

// What was written while the new record was on its way waits when it is refused:
// it comes behind the record that is put right, and covers nothing newer.
func TestPuttingRightIsNewerThanWhatWaits(t *testing.T) {
	for name, right := range map[string]func(f *fixture, id string){
		"an edit": func(f *fixture, id string) {
			f.must(f.EditTask(f.ctx, id, op.Fields{"external_ref": "WO-7", "asset": "new"}))
		},
		"the refused change": func(f *fixture, _ string) {
			f.must(f.ReplaceOp(f.ctx, f.queue()[0].Op.ID, op.Fields{"external_ref": "WO-7", "asset": "new"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			id := f.add("Check the pump", "external_ref", "TAKEN")
			f.freeze()
			f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "old", "priority": "low"}))
			f.settle(func(o op.Op) wire.Result {
				if o.Action == op.Insert {
					return wire.Result{Outcome: op.Rejected, Code: op.CodeDuplicateRef, Field: "external_ref", Message: "TAKEN belongs to T-1 already"}
				}
				return wire.Result{Outcome: op.Retry}
			})
			f.pass(time.Hour)
			right(f, id)
			want := op.Fields{"external_ref": "WO-7", "asset": "new", "priority": "low"}
			f.mustShow(id, want)
			f.mustBeSent(id, want)
		})
	}
}

// A part of what a later change says as a whole is not put right over it: the
// person mended the words of an old step, and did not mean to take it again.
func TestPuttingAPartRightTakesNoLaterStepBack(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "status", "IN_PROGRESS")))
	f.step(remote, localdb.Step{To: op.OnHold, Reason: "parts", ReasonText: "bad"})
	f.settle(reject(op.CodeBadValue))
	f.pass(time.Hour)
	f.step(remote, localdb.Step{To: op.InProgress}) // and a time entry begins
	refused, before := f.queue()[0].Op.ID, len(f.queue())
	for _, set := range []op.Fields{{"reason_text": "good"}, {"status": "ON_HOLD", "reason": "parts", "reason_text": "good"}} {
		var e *localdb.Error
		if err := f.ReplaceOp(f.ctx, refused, set); !errors.As(err, &e) || !strings.Contains(e.Message, "in progress") {
			t.Errorf("%v: %v", set, err)
		}
	}
	if got := f.field(remote, "status"); got != "IN_PROGRESS" || len(f.queue()) != before {
		t.Errorf("status %v, %d wait", got, len(f.queue()))
	}
}

func TestAChangeOnItsWayIsNotReplaced(t *testing.T) {
	f := newFixture(t)
	f.hear("c1", change(state(remote, 5)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "P-7"}))
	id := f.queue()[0].Op.ID
	f.must(f.ReplaceOp(f.ctx, id, op.Fields{"asset": "P-8"})) // it never left
	if ops := f.freeze(); len(ops) != 1 || ops[0].ID != id || ops[0].Fields["asset"] != "P-8" || f.field(remote, "asset") != "P-8" {
		t.Errorf("it goes out as %+v", ops)
	}
	var e *localdb.Error
	if err := f.ReplaceOp(f.ctx, id, op.Fields{"asset": "P-9"}); !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("while it is on its way: %v", err)
	}
	if err := f.ReplaceOp(f.ctx, "nobody", op.Fields{"asset": "P-9"}); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("no such op: %v", err)
	}
}
