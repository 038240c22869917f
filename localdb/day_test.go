package localdb_test

import (
	"slices"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

func TestTheTasksOfADay(t *testing.T) {
	f := enrolled(t, "d1", "ann", "s1")
	from := start.Add(-12 * time.Hour)
	day := func(user string, days int) []string {
		at := from.AddDate(0, 0, days)
		ids, err := f.DayTasks(f.ctx, user, at.UnixMilli(), at.AddDate(0, 0, 1).UnixMilli())
		f.must(err)
		return ids
	}
	worked, noted, due, theirs := f.add("Worked"), f.add("Noted"), f.add("Due", "assignee", "ann", "due_at", start.Add(time.Hour).UnixMilli()), f.add("Theirs", "assignee", "bob", "due_at", start.UnixMilli())
	f.add("Nothing")
	gone := f.add("Gone", "assignee", "ann", "due_at", start.UnixMilli())
	f.must(f.DeleteTask(f.ctx, gone))
	f.must(f.SetStatus(f.ctx, worked, localdb.Step{To: op.InProgress}))
	f.pass(time.Minute)
	_, err := f.AddNote(f.ctx, noted, "It leaks", "")
	f.must(err)
	if got, want := day("ann", 0), []string{worked, noted, due}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := day("ann", 1); !slices.Equal(got, []string{worked}) { // its clock still runs
		t.Errorf("the day after: %v", got)
	}
	if got := day("ann", -1); len(got) != 0 {
		t.Errorf("the day before: %v", got)
	}
	if got := day("bob", 0); !slices.Equal(got, []string{theirs}) {
		t.Errorf("another's day: %v", got)
	}
}
