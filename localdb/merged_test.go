package localdb_test

import (
	"fmt"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func (f *fixture) summary() localdb.Summary {
	f.t.Helper()
	s, err := f.Summary(f.ctx)
	f.must(err)
	return s
}

func (f *fixture) merges() []localdb.Merge {
	f.t.Helper()
	m, err := f.Merges(f.ctx, "", 10)
	f.must(err)
	if s := f.summary(); s.Merges != len(m) {
		f.t.Errorf("the summary counts %d merges, the list %d", s.Merges, len(m))
	}
	return m
}

func (f *fixture) badge(id string) localdb.Badge {
	f.t.Helper()
	v, err := f.Task(f.ctx, id)
	f.must(err)
	return v.Sync
}

const merging = "01930000-0000-7000-8000-00000000aa01"

// TestAMergeIsToldOnce whichever came first, the answer to my change or the news
// of the other one.
func TestAMergeIsToldOnce(t *testing.T) {
	theirs := state(merging, 6, "asset", "A", "priority", "high")
	both := state(merging, 7, "asset", "mine", "priority", "high")
	for name, come := range map[string]func(*fixture){
		"the answer first": func(f *fixture) {
			f.settle(func(op.Op) wire.Result {
				return wire.Result{Outcome: op.Applied, Version: 7, ServerState: both, By: "dora"}
			})
			f.hear("2", change(both))
		},
		"the news first": func(f *fixture) {
			f.hear("2", change(theirs))
			if len(f.merges()) != 0 {
				f.t.Error("told before the server took my change")
			}
			f.settle(func(op.Op) wire.Result { return wire.Result{Outcome: op.Applied, Version: 7, Stamp: 9} })
			f.hear("3", change(both))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.hear("1", change(state(merging, 5, "asset", "A", "priority", "low")))
			f.must(f.EditTask(f.ctx, merging, op.Fields{"asset": "mine"}))
			come(f)
			m := f.merges()
			if len(m) != 1 || m[0].Who != "dora" || fmt.Sprint(m[0].Fields) != "[priority]" || m[0].TaskID != merging {
				t.Fatalf("%+v", m)
			}
			if f.badge(merging) != localdb.BadgeMerged || f.field(merging, "priority") != "high" || f.field(merging, "asset") != "mine" {
				t.Errorf("badge %s, %v %v", f.badge(merging), f.field(merging, "priority"), f.field(merging, "asset"))
			}
			if own, _ := f.Merges(f.ctx, merging, 10); len(own) != 1 {
				t.Errorf("of the task itself: %+v", own)
			}
			f.must(f.MergesSeen(f.ctx, merging))
			if len(f.merges()) != 0 || f.badge(merging) != localdb.BadgeSent {
				t.Errorf("seen, and still %+v", f.merges())
			}
			events, err := f.History(f.ctx, merging, 0)
			f.must(err)
			for _, e := range events {
				if e.Who == "dora" && e.What != "Changed priority of "+localdb.TempNumber(merging) {
					t.Errorf("the history says %q of dora", e.What)
				}
			}
		})
	}
}

// TestNoMergeWithoutTwo: what did not meet, or met in one field, is none.
func TestNoMergeWithoutTwo(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(merging, 5, "asset", "A")))
	f.hear("2", change(state(merging, 6, "asset", "B")))
	f.must(f.EditTask(f.ctx, merging, op.Fields{"asset": "mine"}))
	f.settle(f.applied(6))
	f.must(f.EditTask(f.ctx, merging, op.Fields{"asset": "mine too"}))
	f.hear("3", change(state(merging, 9, "asset", "theirs")))
	f.settle(func(op.Op) wire.Result {
		return wire.Result{Outcome: op.Conflicted, Version: 9, ServerState: state(merging, 9, "asset", "theirs")}
	})
	f.must(f.DeleteTask(f.ctx, merging))
	f.hear("4", change(state(merging, 10, "asset", "theirs", "priority", "low")))
	f.settle(f.applied(10))
	if m := f.merges(); len(m) != 0 {
		t.Errorf("%+v", m)
	}
}
