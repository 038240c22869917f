package storetest

import (
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// testAdvance: a batch moves its device's cursor on where the device then knows
// all that happened, and only there.
func testAdvance(t *testing.T, r *Rig) {
	r.User("ann", op.Dispatcher, "north", "south")
	r.User("bob", op.Technician, "north")
	ann, bob := r.Enrol("ann"), r.Enrol("bob")
	send := func(d *Device, ops ...op.Op) *wire.Advance {
		t.Helper()
		res, a := d.TryBatch(wire.Self{}, ops...)
		if len(res.Results) != len(ops) {
			t.Fatalf("%d: %s", a.Status, a.Body)
		}
		return res.Cursor
	}
	ann.Pull()
	task, other, item := NewID(), NewID(), NewID()
	made := ann.NewTask(task, "Boiler")
	first := send(ann, made, ann.NewTask(other, "Pump"), ann.Op(op.Insert, op.Item, item, 0, op.Fields{"task_id": task, "label": "look"}), ann.Set(task, 1, op.Fields{"asset": "K-7"}))
	if first == nil || first.From != ann.Cursor {
		t.Fatalf("after a batch of which all took effect: %+v, the cursor was %s", first, ann.Cursor)
	}
	second := send(ann, ann.Set(other, 2, op.Fields{"asset": "K-8"}))
	if second == nil || second.From != first.To {
		t.Errorf("the batch behind it: %+v, want one from %s", second, first.To)
	}
	told := ann.Pull()
	if second != nil && ann.Cursor != second.To {
		t.Errorf("hearing all of it leads to %s, the answers led to %s", ann.Cursor, second.To)
	}
	if ann.Cursor = first.To; len(ann.Pull().Changes) != 1 || len(told.Changes) != 3 {
		t.Errorf("behind the first batch is told %+v", ann.Pull().Changes)
	}
	bob.Must(bob.Set(other, 5, op.Fields{"asset": "K-9"}))
	if c := send(ann, ann.Set(task, 4, op.Fields{"asset": "K-1"})); c == nil || c.From == second.To {
		t.Errorf("somebody else wrote meanwhile: %+v", c)
	}
	r.Pass(time.Minute)
	for what, o := range map[string]op.Op{
		"a repeat":     made,
		"a refused op": ann.Set(NewID(), 0, op.Fields{"asset": "K-1"}),
		"a conflict":   ann.Set(other, 5, op.Fields{"asset": "K-2"}),
		"a move":       ann.Set(task, 7, op.Fields{"crew": "south"}),
	} {
		if c := send(ann, o); c != nil {
			t.Errorf("%s: %+v", what, c)
		}
	}
	if c := send(ann); c != nil {
		t.Errorf("an empty batch: %+v", c)
	}
}
