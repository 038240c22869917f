package localdb_test

import (
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// TestAConflictSaysWhetherItsWinnerStillStands: whoever won may have lost since.
func TestAConflictSaysWhetherItsWinnerStillStands(t *testing.T) {
	gone := op.Fields{op.Deleted: true}
	for name, tt := range map[string]struct {
		side         string
		mine, theirs op.Fields
		now          op.Fields
		want         bool
	}{
		"mine won and stands":             {wire.SideOverrode, op.Fields{"asset": "m"}, op.Fields{"asset": "t"}, state(remote, 9, "asset", "m"), true},
		"mine won, theirs stands by now":  {wire.SideOverrode, op.Fields{"asset": "m"}, op.Fields{"asset": "t"}, state(remote, 9, "asset", "t"), false},
		"mine won, a third stands by now": {wire.SideOverrode, op.Fields{"asset": "m"}, op.Fields{"asset": "t"}, state(remote, 9), false},
		"mine won, the task is gone":      {wire.SideOverrode, op.Fields{"asset": "m"}, op.Fields{"asset": "t"}, state(remote, 9, op.Deleted, true), false},
		"theirs won and stands":           {wire.SideLost, op.Fields{"asset": "m"}, op.Fields{"asset": "t"}, state(remote, 9, "asset", "t"), true},
		"theirs won, mine stands by now":  {wire.SideLost, op.Fields{"asset": "m"}, op.Fields{"asset": "t"}, state(remote, 9, "asset", "m"), false},
		"they deleted it":                 {wire.SideLost, op.Fields{"asset": "m"}, gone, state(remote, 9, op.Deleted, true), true},
		"they deleted it, it is back":     {wire.SideLost, op.Fields{"asset": "m"}, gone, state(remote, 9), false},
		"I deleted it":                    {wire.SideOverrode, gone, op.Fields{"asset": "t"}, state(remote, 9, op.Deleted, true), true},
		"I deleted it, it is back":        {wire.SideOverrode, gone, op.Fields{"asset": "t"}, state(remote, 9), false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.hear("1", change(state(remote, 5)))
			c := wire.Conflict{ID: "c1", EntityType: op.Task, EntityID: remote, Side: tt.side, Field: "asset", Mine: tt.mine["asset"], Theirs: tt.theirs["asset"], MineAll: tt.mine, TheirsAll: tt.theirs, Who: "dora", At: 7, MineAt: 6, Why: op.WhyLater}
			_, err := f.ApplyChanges(f.ctx, wire.Changes{Cursor: "2", User: "ann", Conflicts: []wire.Conflict{c}, Changes: []wire.Change{change(tt.now)}})
			f.must(err)
			list, err := f.Conflicts(f.ctx, false)
			f.must(err)
			if len(list) != 1 || list[0].Holds() != tt.want {
				t.Errorf("Holds is not %v of %+v", tt.want, list)
			}
		})
	}
}

// TestWhatMyOtherLaptopDid is history like what others did, and told apart from
// what was done here.
func TestWhatMyOtherLaptopDid(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: "d1", User: "ann", Role: op.Technician, Crews: []string{"north"}}))
	f.hear("1", change(state(remote, 5)))
	mine := change(state(remote, 6, "asset", "van"))
	mine.By, mine.ByDevice = "ann", "the van"
	own := change(state(remote, 7, "asset", "van", "priority", "high")) // what was done here comes back
	own.By = "ann"
	f.hear("2", mine)
	f.hear("3", own)
	events, err := f.History(f.ctx, remote, 0)
	f.must(err)
	if len(events) != 1 || events[0].Who != "ann" || events[0].Laptop != "the van" || !strings.Contains(events[0].What, "asset") {
		t.Errorf("history: %+v", events)
	}
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "desk"}))
	f.settle(func(o op.Op) wire.Result {
		return wire.Result{Outcome: op.Applied, Version: 9, By: "ann", ServerState: state(remote, 9, "asset", "desk", "priority", "low")}
	})
	if m := f.merges(); len(m) != 1 || localdb.Whose(m[0].Who, m[0].Laptop) != "ann on another laptop" {
		t.Errorf("merged with %+v", m)
	}
}
