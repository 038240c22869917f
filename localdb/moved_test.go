package localdb_test

import (
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// A task that its person gives to another crew leaves the laptop once the server
// has it there, however much of the answer was lost on the way.
func TestATaskGivenAwayLeaves(t *testing.T) {
	for name, answer := range map[string]func(o op.Op, moved op.Fields) wire.Result{
		"answered": func(o op.Op, moved op.Fields) wire.Result {
			return wire.Result{Outcome: op.Applied, Version: 7, Stamp: o.Time(), ServerState: moved}
		},
		"answered bare": func(o op.Op, _ op.Fields) wire.Result {
			return wire.Result{Outcome: op.Applied, Version: 7, Stamp: o.Time()}
		},
		"answered again": func(o op.Op, _ op.Fields) wire.Result {
			return wire.Result{Outcome: op.Applied, Version: 7, Stamp: o.Time(), Duplicate: true}
		},
	} {
		for _, first := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				f := newFixture(t)
				f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Role: op.Dispatcher, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: "t"}))
				f.hear("1", change(state(remote, 5)))
				f.must(f.EditTask(f.ctx, remote, op.Fields{"crew": "south"}))
				gone := wire.Change{EntityType: op.Task, EntityID: remote, Crew: "north", Version: 7, Gone: true}
				if first {
					f.hear("2", gone)
				}
				f.settle(func(o op.Op) wire.Result { return answer(o, state(remote, 7, "crew", "south")) })
				if !first {
					f.hear("2", gone)
				}
				if f.has(remote) {
					t.Error("it is still here")
				}
			})
		}
	}
}

// Old data was put back, so the making of a record waits once more; it left the crew
// meanwhile. The server's answer of then does not bring it back.
func TestARepeatBringsNothingBackThatLeft(t *testing.T) {
	f := newFixture(t)
	id := f.add("Made before, moved since")
	item, err := f.AddItem(f.ctx, id, op.Fields{"label": "Oil"})
	f.must(err)
	f.hear("2", wire.Change{EntityType: op.Task, EntityID: id, Crew: "north", Version: 9, Gone: true},
		wire.Change{EntityType: op.Item, EntityID: item, Crew: "north", Version: 10, Gone: true})
	f.settle(func(o op.Op) wire.Result {
		return wire.Result{Outcome: op.Applied, Duplicate: true, Version: 5, Stamp: o.Time()}
	})
	if f.has(id) {
		t.Error("the task is back")
	}
	if _, err := f.Record(f.ctx, op.Item, item); err == nil {
		if r, _ := f.Record(f.ctx, op.Item, item); !r.Deleted {
			t.Error("the step is back")
		}
	}
	if n := len(f.queue()); n != 0 {
		t.Errorf("%d wait", n)
	}
}
