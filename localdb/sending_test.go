package localdb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

func (f *fixture) freeze() []op.Op {
	f.t.Helper()
	ops, err := f.Freeze(f.ctx, f.batch())
	f.must(err)
	return ops
}

func TestEditsThatALaterOneReplacesAreNotSent(t *testing.T) {
	f := newFixture(t)
	f.hear("c1", change(state(remote, 5, "title", "First")))
	other := f.add("Another") // between the edits of the record
	for i := range 100 {
		f.must(f.EditTask(f.ctx, remote, op.Fields{"title": fmt.Sprintf("Edit %d", i)}))
		f.pass(time.Second)
		if i == 50 {
			f.must(f.EditTask(f.ctx, other, op.Fields{"asset": "P-7"}))
		}
	}
	ops := f.freeze()
	if len(ops) != 3 || len(f.queue()) != 3 {
		t.Fatalf("%d ops go out, %d wait; want 3", len(ops), len(f.queue()))
	}
	last := ops[2]
	if last.Entity != remote || last.Fields["title"] != "Edit 99" || last.Prev["title"] != "First" || last.Base != 5 || last.Time() != start.Add(99*time.Second).UnixMilli() {
		t.Errorf("the one that goes out is %+v", last)
	}
	if got := f.field(remote, "title"); got != "Edit 99" {
		t.Errorf("the record says %v", got)
	}
	history, err := f.History(f.ctx, remote, 200)
	f.must(err)
	if len(history) != 100 || history[99].Who != history[0].Who || !strings.Contains(history[99].What, "title") {
		t.Errorf("the history has %d lines, the oldest %+v", len(history), history[len(history)-1])
	}
	f.settle(f.applied(5))
	if _, err := f.Undo(f.ctx); err != nil || f.field(remote, "title") != "Edit 98" {
		t.Errorf("undo after sending: %v, title %v", err, f.field(remote, "title"))
	}
}

// What the left out edit emptied stays empty, whatever goes out before.
func TestASquashKeepsWhatWasEmptied(t *testing.T) {
	f := newFixture(t)
	f.hear("c1", change(state(remote, 5, "status", "PENDING")))
	f.step(remote, localdb.Step{To: op.InProgress}) // and a time entry begins
	f.step(remote, localdb.Step{To: op.Completed})  // and it ends: that is one action
	f.change(remote, op.Fields{"status": "IN_PROGRESS", "completed_at": nil, "completed_by": nil})
	f.change(remote, op.Fields{"status": "CANCELLED", "reason": "not_needed"})
	ops := f.freeze()
	if len(ops) != 5 {
		t.Fatalf("%d ops go out, want 5: %+v", len(ops), ops)
	}
	last := ops[4]
	if v, said := last.Fields["completed_at"]; !said || v != nil || last.Fields["status"] != "CANCELLED" {
		t.Errorf("the last one says %v", last.Fields)
	}
	f.settle(f.applied(5))
	if got := f.field(remote, "completed_at"); got != nil {
		t.Errorf("completed at %v, as the screen shows it", got)
	}
}

func TestWhatMustNotBeSquashed(t *testing.T) {
	other := op.Fields{"asset": "P-7"}
	for name, edits := range map[string]func(f *fixture){
		"another register": func(f *fixture) {
			f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "A"}))
			f.must(f.EditTask(f.ctx, remote, other))
		},
		"fewer registers": func(f *fixture) {
			f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "A", "asset": "P-7"}))
			f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "B"}))
		},
		"another one between": func(f *fixture) {
			f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "A"}))
			f.must(f.EditTask(f.ctx, remote, other))
			f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "B"}))
		},
		"one in flight": func(f *fixture) {
			f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "A"}))
			f.freeze() // its answer is lost
			f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "B"}))
		},
		"an action of several changes": func(f *fixture) {
			f.step(remote, localdb.Step{To: op.InProgress})
			f.step(remote, localdb.Step{To: op.OnHold, Reason: "parts"})
		},
		"a deletion and its taking back": func(f *fixture) {
			f.must(f.DeleteTask(f.ctx, remote))
			_, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: remote, Action: op.Update, Fields: op.Fields{op.Deleted: false}})
			f.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.hear("c1", change(state(remote, 5)))
			edits(f)
			before := f.batch()
			after := f.freeze()
			if len(before) != len(after) {
				t.Errorf("%d of %d ops go out", len(after), len(before))
			}
			for i := range after {
				if after[i].ID != before[i].ID || after[i].Base != before[i].Base {
					t.Errorf("op %d changed: %+v", i, after[i])
				}
			}
		})
	}
}

// An op is what it was when it was sent first: after a crash, after later edits,
// and it is not taken back as if it had never left.
func TestWhatWasSentNeverChanges(t *testing.T) {
	f := newFixture(t)
	f.hear("c1", change(state(remote, 5)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "A"}))
	sent := f.freeze()
	f.must(f.Close())
	f.open() // the program was killed before the answer
	f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "B"}))
	again := f.freeze()
	if len(again) != 2 || fmt.Sprint(again[0]) != fmt.Sprint(sent[0]) {
		t.Errorf("sent\n%+v\nand then\n%+v", sent, again)
	}
	u, err := f.Undo(f.ctx)
	if err != nil || !u.Queued {
		t.Errorf("undo of a change that may be with the server: %+v, %v; want a change back", u, err)
	}
}

// What the person takes back between the look into the queue and the sending
// does not leave.
func TestFreezeLeavesOutWhatWasTakenBack(t *testing.T) {
	f := newFixture(t)
	f.hear("c1", change(state(remote, 5)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"title": "A"}))
	ops := f.batch()
	if u, err := f.Undo(f.ctx); err != nil || u.Queued {
		t.Fatalf("undo: %+v, %v", u, err)
	}
	if left, err := f.Freeze(f.ctx, ops); err != nil || len(left) != 0 {
		t.Errorf("%d ops leave, %v", len(left), err)
	}
}
