package localdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// undo and redo take one step and return the sentence.
func (f *fixture) undo() localdb.Undone {
	f.t.Helper()
	u, err := f.Undo(f.ctx)
	f.must(err)
	return u
}

func (f *fixture) redo() localdb.Undone {
	f.t.Helper()
	u, err := f.Redo(f.ctx)
	f.must(err)
	return u
}

// refuses expects an error that says all the words.
func refuses(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("error %v; want one that says %q", err, w)
		}
	}
}

// whole is all that the person sees, to be compared.
func (f *fixture) whole() string {
	f.t.Helper()
	var out []string
	for _, kind := range op.Kinds {
		ids, err := f.IDs(f.ctx, kind)
		f.must(err)
		recs, err := f.Records(f.ctx, kind, ids)
		f.must(err)
		for _, id := range ids {
			r := recs[id]
			delete(r.Fields, op.UpdatedAt) // when it was last touched is not what was undone
			text, err := json.Marshal(r.Fields)
			f.must(err)
			out = append(out, string(kind)+" "+id+" "+string(text))
		}
	}
	return strings.Join(out, "\n")
}

func TestUndoBeforeItWasSentLeavesNothing(t *testing.T) {
	f := newFixture(t)
	id := f.add("Pump")
	before := f.whole()
	f.must(f.SetStatus(f.ctx, id, localdb.Step{To: op.InProgress}))
	after := f.whole()
	if len(f.queue()) != 3 {
		t.Fatalf("%d ops wait", len(f.queue()))
	}
	u := f.undo()
	if u.What != "Set "+localdb.TempNumber(id)+" to in progress" || u.TaskID != id || u.Queued {
		t.Errorf("%+v", u)
	}
	if got := f.whole(); got != before || len(f.queue()) != 1 {
		t.Errorf("%d ops wait, and the laptop holds\n%s\nnot\n%s", len(f.queue()), got, before)
	}
	if f.redo(); f.whole() != after || len(f.queue()) != 3 {
		t.Errorf("done again it is\n%s\nnot\n%s", f.whole(), after)
	}
	f.undo()
	if u := f.undo(); u.What != "Added "+localdb.TempNumber(id)+" “Pump”" || f.whole() != "" || len(f.queue()) != 0 {
		t.Errorf("%+v, and there is still\n%s", u, f.whole())
	}
	_, err := f.Undo(f.ctx)
	refuses(t, err, "nothing to undo")
}

func TestUndoAfterItWasSentIsAChangeBack(t *testing.T) {
	f := newFixture(t)
	id := f.add("Pump", "priority", "low")
	f.must(f.EditTask(f.ctx, id, op.Fields{"priority": "high", "asset": "B-1"}))
	f.settle(f.applied(0))
	if u := f.undo(); !u.Queued || u.Left != "" {
		t.Errorf("%+v", u)
	}
	if f.field(id, "priority") != "low" || f.field(id, "asset") != nil || len(f.queue()) != 1 {
		t.Errorf("priority %v, asset %v, %d ops", f.field(id, "priority"), f.field(id, "asset"), len(f.queue()))
	}
	if f.redo(); f.field(id, "asset") != "B-1" || len(f.queue()) != 0 {
		t.Errorf("asset %v, %d ops: a change back that was not sent is taken back", f.field(id, "asset"), len(f.queue()))
	}
	f.undo()
	f.settle(f.applied(10))
	if f.redo(); f.field(id, "asset") != "B-1" || len(f.queue()) != 1 {
		t.Errorf("asset %v, %d ops", f.field(id, "asset"), len(f.queue()))
	}
	f.undo()
	f.undo()
	if _, err := f.Task(f.ctx, id); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("the task that was added is still there: %v", err)
	}
	f.settle(f.applied(20))
	if f.redo(); f.field(id, "priority") != "low" {
		t.Error("the task did not come back")
	}
}

// TestUndoActsOnlyWhereTheValueIsStillMine: what somebody else wrote since stands.
func TestUndoActsOnlyWhereTheValueIsStillMine(t *testing.T) {
	f := newFixture(t)
	id := f.add("Pump", "priority", "low")
	f.settle(f.applied(0))
	f.must(f.EditTask(f.ctx, id, op.Fields{"priority": "high", "asset": "B-1"}))
	f.settle(f.applied(1))
	f.hear("c1", change(state(id, 3, "title", "Pump", "priority", "emergency", "asset", "B-1")))
	f.undo()
	if f.field(id, "priority") != "emergency" || f.field(id, "asset") != nil {
		t.Errorf("priority %v, asset %v", f.field(id, "priority"), f.field(id, "asset"))
	}
	_, err := f.Undo(f.ctx)
	refuses(t, err, "Added", "cannot be undone", "was changed since")
	if _, err := f.Undo(f.ctx); err == nil || !strings.Contains(err.Error(), "nothing to undo") {
		t.Errorf("what cannot be undone stays in the way: %v", err)
	}
}

func TestUndoOfNotesStepsAndDeletions(t *testing.T) {
	f := newFixture(t)
	id := f.add("Pump")
	item, err := f.AddItem(f.ctx, id, op.Fields{"label": "Seal", "kind": "pass_fail"})
	f.must(err)
	f.must(f.AnswerItem(f.ctx, item, localdb.Answer{Outcome: "pass"}))
	_, err = f.AddNote(f.ctx, id, "Dripping", "")
	f.must(err)
	f.undo()
	if v, err := f.Task(f.ctx, id); err != nil || len(v.Notes) != 0 || v.StepsDone != 1 {
		t.Errorf("%d notes, %d steps done: %v", len(v.Notes), v.StepsDone, err)
	}
	f.redo()
	f.settle(f.applied(0))
	_, err = f.Undo(f.ctx)
	refuses(t, err, "it went out and stays")
	if u := f.undo(); u.What != "Answered “Seal” of "+localdb.TempNumber(id)+": pass" {
		t.Errorf("%+v", u)
	}
	if v, _ := f.Task(f.ctx, id); v.StepsDone != 0 || v.Checklist[0].Fields["done_by"] != nil {
		t.Errorf("the answer is still there: %v", v.Checklist[0].Fields)
	}
	f.must(f.DeleteTask(f.ctx, id))
	f.settle(f.applied(10))
	if f.undo(); f.field(id, "title") != "Pump" {
		t.Error("the task is not back")
	}
	if _, err := f.Task(f.ctx, id); err != nil {
		t.Error(err)
	}
}

func TestTheHistoryOfActionsOutlivesTheProgram(t *testing.T) {
	f := newFixture(t)
	id := f.add("Pump")
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "B-1"}))
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "B-2"}))
	f.undo()
	f.must(f.Close())
	f.open()
	if f.undo(); f.field(id, "asset") != nil {
		t.Errorf("asset %v", f.field(id, "asset"))
	}
	f.redo()
	f.redo()
	if f.field(id, "asset") != "B-2" {
		t.Errorf("asset %v", f.field(id, "asset"))
	}
	f.undo()
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "B-3"}))
	_, err := f.Redo(f.ctx)
	refuses(t, err, "nothing to redo")
}

func TestUndoOpensAConflictAgain(t *testing.T) {
	f := newFixture(t)
	id := f.add("Pump")
	f.settle(f.applied(0))
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "mine"}))
	lost := wire.Conflict{ID: "01930000-0000-7000-8000-00000000c001", EntityType: op.Task, EntityID: id, Side: wire.SideLost, Field: "asset", Mine: "mine", Theirs: "theirs", Who: "dora", Why: op.WhyLater}
	f.settle(func(op.Op) wire.Result {
		return wire.Result{Outcome: op.Conflicted, Version: 2, ServerState: state(id, 2, "title", "Pump", "asset", "theirs"), Lost: []wire.Conflict{lost}}
	})
	for _, mine := range []bool{false, true} {
		f.must(f.ResolveConflict(f.ctx, lost.ID, mine))
		if s, _ := f.Summary(f.ctx); s.Conflicts != 0 {
			t.Fatal("the conflict is not settled")
		}
		u := f.undo()
		if s, _ := f.Summary(f.ctx); s.Conflicts != 1 || f.field(id, "asset") != "theirs" || u.TaskID != id {
			t.Errorf("mine %v: %d conflicts, asset %v, %+v", mine, s.Conflicts, f.field(id, "asset"), u)
		}
		f.redo()
		if s, _ := f.Summary(f.ctx); s.Conflicts != 0 {
			t.Error("it was not settled again")
		}
		f.undo()
	}
}

// TestUndoneOnItsWay: the op was on the wire when the person undid it.
func TestUndoneOnItsWay(t *testing.T) {
	for name, answer := range map[string]func(*fixture, []op.Op){
		"the server took it": func(f *fixture, ops []op.Op) {
			_, err := f.Settle(f.ctx, ops, []wire.Result{{OpID: ops[0].ID, Outcome: op.Applied, Version: 2, Stamp: ops[0].Time()}}, nil)
			f.must(err)
		},
		"the answer was lost": func(f *fixture, ops []op.Op) { f.must(f.MarkTried(f.ctx, []string{ops[0].ID}, "timed out")) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			id := f.add("Pump")
			f.settle(f.applied(0))
			f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "B-1"}))
			ops := f.batch()
			f.undo()
			if len(f.queue()) != 0 {
				t.Fatal("it still waits")
			}
			answer(f, ops)
			last := f.batch()
			if len(last) == 0 || f.field(id, "asset") != nil {
				t.Fatalf("%d ops wait, asset %v: the server would keep what was undone", len(last), f.field(id, "asset"))
			}
			back := last[len(last)-1]
			if v, there := back.Fields["asset"]; !there || v != nil {
				t.Errorf("the change back is %v", back.Fields)
			}
			if len(last) == 2 && (last[0].ID != ops[0].ID || last[0].Seq != ops[0].Seq) {
				t.Errorf("sent again under another id: %v, was %v", last[0], ops[0])
			}
			f.settle(f.applied(2))
			if f.field(id, "asset") != nil {
				t.Errorf("asset %v", f.field(id, "asset"))
			}
		})
	}
}

// Redone before the answer came: one op, once.
func TestUndoneAndRedoneOnItsWay(t *testing.T) {
	f := newFixture(t)
	id := f.add("Pump")
	ops := f.batch()
	f.undo()
	f.redo()
	_, err := f.Settle(f.ctx, ops, []wire.Result{{OpID: ops[0].ID, Outcome: op.Applied, Version: 1, Stamp: ops[0].Time(), ServerState: state(id, 1, "title", "Pump")}}, nil)
	f.must(err)
	if len(f.queue()) != 0 || f.field(id, "title") != "Pump" {
		t.Errorf("%d ops wait", len(f.queue()))
	}
}

func TestUndoOfARefusedChangeDropsIt(t *testing.T) {
	f := newFixture(t)
	id := f.add("Pump")
	f.settle(f.applied(0))
	f.must(f.EditTask(f.ctx, id, op.Fields{"external_ref": "WO-7"}))
	f.settle(func(op.Op) wire.Result {
		return wire.Result{Outcome: op.Rejected, Code: op.CodeDuplicateRef, Message: "taken"}
	})
	if f.undo(); len(f.queue()) != 0 || f.field(id, "external_ref") != nil {
		t.Errorf("%d ops, ref %v", len(f.queue()), f.field(id, "external_ref"))
	}
}

// TestUndoAllIsTheBeginning: whatever was done, and sent or not in between,
// undoing all of it leads back, and redoing all of it forth again.
func TestUndoAllIsTheBeginning(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(t)
		id := f.add("Pump", "type", "inspection")
		item, err := f.AddItem(f.ctx, id, op.Fields{"label": "Seal"})
		f.must(err)
		f.settle(f.applied(0))
		begin, version := f.whole(), int64(10)
		seen := []string{begin}
		for i := range rapid.IntRange(1, 12).Draw(rt, "actions") {
			var err error
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				err = f.EditTask(f.ctx, id, op.Fields{"asset": fmt.Sprint("A-", i), "window_start": int64(1e12) + int64(i), "window_end": int64(2e12)})
			case 1:
				v, _ := f.Task(f.ctx, id)
				next := op.NextStatuses(v.Status, op.Technician)
				if len(next) > 0 && op.Reasons(next[0]) == nil {
					err = f.SetStatus(f.ctx, id, localdb.Step{To: next[0]})
				}
			case 2:
				err = f.AnswerItem(f.ctx, item, localdb.Answer{Outcome: rapid.SampledFrom([]string{"pass", "fail", ""}).Draw(rt, "outcome")})
			case 3:
				_, err = f.AddItem(f.ctx, id, op.Fields{"label": fmt.Sprint("Step ", i)})
			case 4:
				err = f.EditTask(f.ctx, id, op.Fields{"asset": nil, "priority": "high"})
			case 5:
				f.settle(func(o op.Op) wire.Result {
					version++
					return wire.Result{Outcome: op.Applied, Version: version, Stamp: o.Time()}
				})
			}
			f.must(err)
			if w := f.whole(); w != seen[len(seen)-1] {
				seen = append(seen, w)
			}
		}
		for i := len(seen) - 2; i >= 0; i-- {
			f.undo()
			if got := f.whole(); got != seen[i] {
				rt.Fatalf("step %d undone is\n%s\nnot\n%s", i+1, got, seen[i])
			}
			if rapid.Bool().Draw(rt, "sent") {
				f.settle(func(o op.Op) wire.Result {
					version++
					return wire.Result{Outcome: op.Applied, Version: version, Stamp: o.Time()}
				})
			}
		}
		for i := 1; i < len(seen); i++ {
			if f.redo(); f.whole() != seen[i] {
				rt.Fatalf("step %d done again is\n%s\nnot\n%s", i, f.whole(), seen[i])
			}
		}
		f.must(f.Close())
	})
}
