package localdb_test

import (
	"errors"
	"fmt"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

func TestManyTasksAreOneAction(t *testing.T) {
	f := newFixture(t)
	var ids []string
	for i := range 40 {
		ids = append(ids, f.add(fmt.Sprint("Task ", i)))
	}
	f.settle(f.applied(0))
	before := f.whole()
	f.must(f.SetStatuses(f.ctx, ids, localdb.Step{To: op.InProgress}))
	f.must(f.AddNotes(f.ctx, ids, "Storm.", ""))
	f.must(f.DeleteTasks(f.ctx, ids[:2]))
	groups := map[string]int{}
	rows, err := f.Queue(f.ctx, 0, 500)
	f.must(err)
	for _, r := range rows {
		groups[r.Op.Group]++
	}
	if len(groups) != 3 || groups[""] != 0 {
		t.Errorf("groups: %v", groups)
	}
	if u := f.undo(); u.What != "Deleted "+localdb.TempNumber(ids[0])+" and one other task" {
		t.Errorf("%+v", u)
	}
	f.undo()
	if u := f.undo(); u.What != "Set "+localdb.TempNumber(ids[0])+" to in progress and 39 other tasks" {
		t.Errorf("%+v", u)
	}
	if f.whole() != before || len(f.queue()) != 0 {
		t.Errorf("%d ops wait", len(f.queue()))
	}
}

// TestManyTasksOrNone: one that does not fit is named, and nothing happens.
func TestManyTasksOrNone(t *testing.T) {
	f := newFixture(t)
	a, b := f.add("A"), f.add("B")
	f.must(f.SetStatus(f.ctx, b, localdb.Step{To: op.InProgress}))
	n := len(f.queue())
	err := f.SetStatuses(f.ctx, []string{a, b}, localdb.Step{To: op.InProgress})
	refuses(t, err, "nothing was changed, because of "+localdb.TempNumber(b), "is IN_PROGRESS already")
	if len(f.queue()) != n || f.field(a, "status") != "PENDING" {
		t.Error("half of it was done")
	}
	f.must(f.DeleteTask(f.ctx, a))
	if err := f.AddNotes(f.ctx, []string{b, a}, "Hello", "note"); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("a deleted one: %v", err)
	}
	var many []string
	for i := range 200 {
		many = append(many, f.add(fmt.Sprint(i)))
	}
	err = f.SetStatuses(f.ctx, many, localdb.Step{To: op.InProgress})
	f.must(err) // 400 changes
	err = f.SetStatuses(f.ctx, many, localdb.Step{To: op.Completed})
	f.must(err)
	for i := range 60 {
		many = append(many, f.add(fmt.Sprint("more ", i)))
	}
	f.must(f.SetStatuses(f.ctx, many[:200], localdb.Step{To: op.InProgress}))
	err = f.SetStatuses(f.ctx, many[:200], localdb.Step{To: op.OnHold, Reason: "parts"})
	refuses(t, err, "200 tasks are too many for one action")
}
