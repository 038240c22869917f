package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// endingIn is an id that belongs to a leaf.
func endingIn(leaf uint8) string {
	id := NewID()
	return id[:len(id)-2] + op.LeafName(leaf)
}

// testLeaves: what a write adds to leaves is there afterwards, in its own crew.
func testLeaves(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	one, two := op.SumOf(op.Task, op.Fields{"id": "1"}), op.SumOf(op.Task, op.Fields{"id": "2"})
	total := op.Digest{}.With(one).With(two)
	put(t, s, server.Effects{Crews: []server.Crew{{Name: "north", Version: 2, Digest: total}},
		Leaves: []server.Leaf{{Crew: "north", No: 7, Digest: op.Digest{}.With(one)}, {Crew: "north", No: 255, Digest: op.Digest{}.With(two)}}})
	put(t, s, server.Effects{Leaves: []server.Leaf{{Crew: "north", No: 7, Digest: op.Digest{}.Without(one).With(two)}, {Crew: "south", No: 0, Digest: op.Digest{}.With(one)}}})
	c, tally, err := s.Leaves(t.Context(), "north")
	want := op.Tally{7: op.Digest{}.With(two), 255: op.Digest{}.With(two)}
	if err != nil || tally != want || c.Version != 2 || c.Digest != total {
		t.Errorf("%+v, leaves %v, %v", c, tally.Differing(&want), err)
	}
	if _, tally, _ := s.Leaves(t.Context(), "south"); tally != (op.Tally{0: op.Digest{}.With(one)}) {
		t.Error("another crew's leaves are wrong")
	}
	if _, _, err := s.Leaves(t.Context(), "west"); !errors.Is(err, server.ErrUnknown) {
		t.Errorf("leaves of no crew: %v", err)
	}
	stop := errors.New("stop")
	err = write(t, s, server.Needs{Crews: []string{"north"}}, func(server.Needs, server.Loaded) (server.Effects, server.Needs, error) {
		return server.Effects{Leaves: []server.Leaf{{Crew: "north", No: 7, Digest: op.Digest{}.With(one)}}}, server.Needs{}, nil
	}, func(server.Needs, server.Loaded) (server.Effects, server.Needs, error) {
		return server.Effects{}, server.Needs{}, stop
	})
	if _, tally, _ := s.Leaves(t.Context(), "north"); !errors.Is(err, stop) || tally != want {
		t.Errorf("a write that failed changed leaves %v, %v", tally.Differing(&want), err)
	}
}

// counted are rows of which some count: two in leaf 7 of north, one in leaf 8.
func counted() []server.Row {
	rows := []server.Row{row("north", endingIn(7), 1), row("north", endingIn(7), 2), row("north", endingIn(7), 3), row("north", endingIn(7), 4), row("north", endingIn(8), 5), row("south", endingIn(7), 1)}
	rows[1].Kind, rows[1].TaskID = op.Note, rows[0].ID
	rows[2].Deleted, rows[3].Gone = true, true
	return rows
}

func testLeaf(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	rows := counted()
	put(t, s, server.Effects{Crews: []server.Crew{{Name: "north", Version: 5}}, Rows: rows})
	c, got, err := s.Leaf(t.Context(), "north", 7, 9)
	if want := []server.Row{rows[1], rows[0]}; err != nil || c.Version != 5 || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v, %v; want %v", c, got, err, want)
	}
	if _, got, err := s.Leaf(t.Context(), "north", 7, 1); err != nil || len(got) != 1 {
		t.Errorf("at most one: %v, %v", got, err)
	}
	if _, got, err := s.Leaf(t.Context(), "north", 9, 9); err != nil || len(got) != 0 {
		t.Errorf("an empty leaf: %v, %v", got, err)
	}
	if _, _, err := s.Leaf(t.Context(), "west", 7, 9); !errors.Is(err, server.ErrUnknown) {
		t.Errorf("a leaf of no crew: %v", err)
	}
}

// testRecount: the leaves become what the rows come to.
func testRecount(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	rows := counted()
	wrong := server.Leaf{Crew: "north", No: 100, Digest: op.Digest{}.With(op.Sum{1})}
	put(t, s, server.Effects{Crews: []server.Crew{{Name: "north", Version: 5, Number: 3, Fingerprint: "f"}}, Rows: rows, Leaves: []server.Leaf{wrong}})
	var want op.Tally
	for _, r := range rows[:5] {
		if err := server.Count(&want, r); err != nil {
			t.Fatal(err)
		}
	}
	for i, changes := range []bool{true, false} {
		changed, err := s.Recount(t.Context(), "north")
		c, tally, e := s.Leaves(t.Context(), "north")
		if err != nil || e != nil || changed != changes || tally != want || c != (server.Crew{Name: "north", Version: 5, Number: 3, Fingerprint: "f", Digest: want.Total()}) {
			t.Errorf("time %d: changed %v, %+v, leaves %v, %v %v", i, changed, c, tally.Differing(&want), err, e)
		}
	}
	if c, tally, _ := s.Leaves(t.Context(), "south"); tally != (op.Tally{}) || c.Digest != (op.Digest{}) {
		t.Error("another crew was counted too")
	}
	if want[7].Count != 2 || want[8].Count != 1 || want.Total().Count != 3 {
		t.Errorf("counted %+v", want.Total())
	}
	if _, err := s.Recount(t.Context(), "west"); !errors.Is(err, server.ErrUnknown) {
		t.Errorf("counting no crew: %v", err)
	}
}

// testForget: deleted records and such as left go, the lowest versions first;
// the deleted ones are remembered.
func testForget(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	var rows []server.Row
	for v := int64(1); v <= 8; v++ {
		r := row("north", fmt.Sprint("n", v), v)
		r.Deleted, r.Gone, r.At = v == 1 || v == 4 || v == 6 || v == 7, v == 2 || v == 8, v*100
		rows = append(rows, r)
	}
	other := row("south", "n1", 1)
	other.Deleted = true
	put(t, s, server.Effects{Crews: []server.Crew{{Name: "north", Version: 8}, {Name: "south", Version: 1}}, Rows: append(rows, other)})
	left := func() string {
		feed, err := s.Changes(t.Context(), server.ChangesQuery{Spans: []server.Span{{Crew: "north"}}, Rows: 99, Conflicts: 9, All: true})
		if err != nil {
			t.Fatal(err)
		}
		out := fmt.Sprint(feed.Crews["north"].Horizon, ":")
		for _, r := range feed.Rows {
			out += " " + r.ID
		}
		return out
	}
	for _, step := range []struct {
		f    server.Forget
		n    int
		left string
	}{
		{server.Forget{Passed: 0, Limit: 9}, 0, "0: n1 n2 n3 n4 n5 n6 n7 n8"},
		{server.Forget{Passed: 4, Limit: 2}, 2, "2: n3 n4 n5 n6 n7 n8"},
		{server.Forget{Passed: 4, Limit: 2}, 1, "4: n3 n5 n6 n7 n8"},
		{server.Forget{Passed: 5, Before: 700, Limit: 9}, 1, "6: n3 n5 n7 n8"},
		{server.Forget{Passed: 2, Limit: 9}, 0, "6: n3 n5 n7 n8"},
	} {
		step.f.Crew = "north"
		n, err := s.Forget(t.Context(), step.f)
		if got := left(); err != nil || n != step.n || got != step.left {
			t.Errorf("%+v: %d, %v, left %q; want %d and %q", step.f, n, err, got, step.n, step.left)
		}
	}
	var refs []server.Ref
	for _, r := range rows {
		refs = append(refs, server.Ref{Kind: op.Task, ID: r.ID})
	}
	want := map[server.Ref]bool{refs[0]: true, refs[3]: true, refs[5]: true}
	if l := load(t, s, server.Needs{Crews: []string{"north", "south"}, Records: append(refs, server.Ref{Kind: op.Note, ID: "n1"})}); !reflect.DeepEqual(l.Forgotten, want) || l.Crews["north"].Horizon != 6 {
		t.Errorf("remembered as forgotten: %v, %+v", l.Forgotten, l.Crews["north"])
	}
	if l := load(t, s, server.Needs{Crews: []string{"south"}, Records: refs}); len(l.Forgotten) != 0 || len(l.Rows) != 1 {
		t.Errorf("another crew: %v, %v", l.Forgotten, l.Rows)
	}
	put(t, s, server.Effects{Crews: []server.Crew{{Name: "north", Version: 9}}})
	if got := left(); got != "6: n3 n5 n7 n8" {
		t.Errorf("after a write: %q", got)
	}
}

// testDigestOfOps: whatever ops do to records, the leaves are what the rows
// come to.
func testDigestOfOps(t *testing.T, r *Rig) {
	ann, bob, task := r.pair()
	r.User("dora", op.Dispatcher, "north", "south")
	dora := r.Enrol("dora")
	same := func(what string) {
		t.Helper()
		for _, crew := range []string{"north", "south"} {
			before, _, _ := r.Store.Leaves(t.Context(), crew)
			changed, err := r.Store.Recount(t.Context(), crew)
			if err != nil || changed {
				after, _, _ := r.Store.Leaves(t.Context(), crew)
				t.Errorf("after %s the leaves of %s were wrong: %+v, now %+v, %v", what, crew, before.Digest, after.Digest, err)
			}
		}
	}
	same("an insert")
	item := ann.Op(op.Insert, op.Item, NewID(), 0, op.Fields{"task_id": task, "label": "Filter"})
	ann.Must(item, ann.Op(op.Insert, op.Note, NewID(), 0, op.Fields{"task_id": task, "body": "wet", "author": "ann", "at": Start}))
	same("children")
	ann.Must(ann.Set(task, 1, op.Fields{"title": "one"}), ann.Set(task, 1, op.Fields{"title": "two", "asset": "K-7"}), ann.Set(task, 1, op.Fields{"asset": nil}))
	same("three updates in one batch")
	bob.Push(bob.Set(task, 1, op.Fields{"title": "three"}))
	same("a conflict")
	g := NewID()
	good, bad := ann.Set(task, 9, op.Fields{"title": "four"}), ann.NewTask(NewID(), "")
	good.Group, bad.Group = g, g
	ann.Push(good, bad)
	same("a refused group")
	dora.Must(dora.Set(task, 9, op.Fields{"crew": "south"}))
	same("a move with what hangs on it")
	if c, _, _ := r.Store.Leaves(t.Context(), "south"); c.Digest.Count != 3 {
		t.Errorf("three records moved, %d count", c.Digest.Count)
	}
	dora.Must(dora.Set(task, 99, op.Fields{"crew": "north"}), dora.Op(op.Delete, op.Item, item.Entity, 99, op.Fields{}))
	same("a move back and a deletion")
	dora.Must(dora.Op(op.Delete, op.Task, task, 99, op.Fields{}), dora.Set(task, 99, op.Fields{"deleted": false}), dora.NewTask(NewID(), "Fan"))
	same("a return")
	if c, _, _ := r.Store.Leaves(t.Context(), "north"); c.Digest.Count != 3 {
		t.Errorf("a task, its note and another task; %d count", c.Digest.Count)
	}
}

// testForgotten: a record that was deleted and forgotten comes back by no op,
// and the op that made it is known for ever.
func testForgotten(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	made := ann.NewTask(NewID(), "Boiler")
	ann.Must(made)
	ann.Must(ann.Op(op.Delete, op.Task, made.Entity, 1, op.Fields{}))
	if n, err := r.Store.Forget(t.Context(), server.Forget{Crew: "north", Passed: 2, Limit: 9}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	again := ann.NewTask(made.Entity, "Boiler")
	note := ann.Op(op.Insert, op.Note, NewID(), 0, op.Fields{"task_id": made.Entity, "body": "wet", "author": "ann", "at": Start})
	if got := describe(ann.Push(again)); got != "rejected/not_found" {
		t.Errorf("another insert: %s", got)
	}
	res := ann.Push(made, ann.Set(made.Entity, 2, op.Fields{"title": "x"}), ann.Set(made.Entity, 2, op.Fields{"deleted": false}), ann.Op(op.Delete, op.Task, made.Entity, 2, op.Fields{}), note)
	if got := describe(res); got != "applied rejected/not_found rejected/not_found rejected/not_found rejected/not_found/task_id" || !res[0].Duplicate {
		t.Errorf("%s, %+v", got, res[0])
	}
	if c, _, err := r.Store.Leaves(t.Context(), "north"); err != nil || c.Digest.Count != 0 || c.Version != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}
