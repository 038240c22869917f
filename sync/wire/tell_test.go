package wire_test

import (
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func sides(kind op.Kind, register string, winner, loser op.Fields, why op.Why) op.Conflict {
	return op.Conflict{ID: "c", Kind: kind, Entity: "e", Register: register, Why: why,
		Winner: op.Side{Author: op.Author{Device: "B", User: "bob"}, Values: winner, Time: 20},
		Loser:  op.Side{Author: op.Author{Device: "A", User: "ann"}, Values: loser, Time: 10}}
}

// TestTellConflict: each side hears its own value as mine, the other's as
// theirs, and who the other is.
func TestTellConflict(t *testing.T) {
	c := sides(op.Task, "title", op.Fields{"title": "b"}, op.Fields{"title": "a"}, op.WhyLater)
	lost := wire.TellConflict(c, true)
	if lost.Side != wire.SideLost || lost.Mine != "a" || lost.Theirs != "b" || lost.Who != "bob" || lost.Device != "B" || lost.At != 20 || lost.MineAt != 10 {
		t.Errorf("to the loser: %+v", lost)
	}
	overrode := wire.TellConflict(c, false)
	if overrode.Side != wire.SideOverrode || overrode.Mine != "b" || overrode.Theirs != "a" || overrode.Who != "ann" || overrode.Device != "A" || overrode.At != 10 || overrode.MineAt != 20 {
		t.Errorf("to the winner: %+v", overrode)
	}
	if lost.ID != overrode.ID || lost.Field != "title" || lost.MineAll != nil || lost.TheirsAll != nil {
		t.Errorf("%+v\n%+v", lost, overrode)
	}
}

// TestTellConflictWhole: of a group, and where a record was deleted, both sides
// hear all of it.
func TestTellConflictWhole(t *testing.T) {
	group := wire.TellConflict(sides(op.Task, "window", op.Fields{"window_end": int64(9)}, op.Fields{"window_start": int64(1), "window_end": int64(2)}, op.WhyTie), true)
	if group.Field != "window_start" || group.Mine != int64(1) || group.Theirs != nil || group.MineAll.Int("window_end") != 2 || group.TheirsAll.Int("window_end") != 9 {
		t.Errorf("a group: %+v", group)
	}
	deleted := wire.TellConflict(sides(op.Task, "title", op.Fields{op.Deleted: true}, op.Fields{"title": "a"}, op.WhyDeleted), true)
	if deleted.Field != "title" || deleted.Mine != "a" || deleted.Theirs != nil || !deleted.TheirsAll.Bool(op.Deleted) || deleted.Why != op.WhyDeleted {
		t.Errorf("a deletion: %+v", deleted)
	}
	future := wire.TellConflict(sides(op.Task, "title", op.Fields{"title": "a"}, op.Fields{op.Deleted: true}, op.WhyFuture), true)
	if !future.MineAll.Bool(op.Deleted) || future.TheirsAll.Text("title") != "a" {
		t.Errorf("a deletion that lost: %+v; without the whole its author's side looks like an emptied field", future)
	}
	undone := wire.TellConflict(sides(op.Task, op.Deleted, op.Fields{op.Deleted: true}, op.Fields{op.Deleted: false}, op.WhyDeleted), false)
	if undone.Field != op.Deleted || undone.Mine != true || undone.Theirs != false {
		t.Errorf("a restore that was undone: %+v", undone)
	}
}

// TestPingText: what is signed differs when any part differs, also where one
// part ends and the next begins.
func TestPingText(t *testing.T) {
	seen := map[string]bool{}
	for _, nonce := range []string{"n", "n1", ""} {
		for _, id := range []string{"s", "1s", ""} {
			for _, ms := range []int64{1, 11, -1} {
				text := string(wire.PingText(nonce, id, ms))
				if seen[text] {
					t.Errorf("%q, %q and %d give bytes that others gave: %q", nonce, id, ms, text)
				}
				seen[text] = true
			}
		}
	}
}
