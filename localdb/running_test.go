package localdb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// clocks says which clocks run: "work at a, travel at b", the newest first.
func (f *fixture) clocks(names map[string]string) string {
	f.t.Helper()
	sum, err := f.Summary(f.ctx)
	f.must(err)
	again, err := f.Running(f.ctx)
	f.must(err)
	if fmt.Sprint(again) != fmt.Sprint(sum.Running) {
		f.t.Errorf("running %v, in the summary %v", again, sum.Running)
	}
	var out []string
	for _, r := range again {
		out = append(out, r.Kind+" at "+names[r.TaskID])
	}
	return strings.Join(out, ", ")
}

// TestClockHere: each task has a clock, and starting one stops no other, until
// its person says that this is the one.
func TestClockHere(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	names := map[string]string{a: "a", b: "b", c: "c"}
	f.must(f.SetStatus(f.ctx, a, localdb.Step{To: op.InProgress}))
	f.pass(time.Minute)
	f.must(f.SetStatus(f.ctx, b, localdb.Step{To: op.EnRoute}))
	if got := f.clocks(names); got != "travel at b, work at a" {
		t.Fatalf("both run: %s", got)
	}
	f.pass(time.Minute)
	f.must(f.ClockHere(f.ctx, b))
	if got := f.clocks(names); got != "travel at b" {
		t.Errorf("after the clock is at b: %s", got)
	}
	view, err := f.Task(f.ctx, a)
	f.must(err)
	if e := view.Time[0].Fields; e.Int("ended_at")-e.Int("started_at") != 2*60_000 || view.Status != op.InProgress {
		t.Errorf("a, which goes on: %s %v", view.Status, e)
	}

	// It comes back to a, as one step.
	f.pass(time.Minute)
	f.must(f.ClockHere(f.ctx, a))
	if got := f.clocks(names); got != "work at a" {
		t.Errorf("back at a: %s", got)
	}
	before := len(f.queue())
	f.must(f.ClockHere(f.ctx, a))
	if got := len(f.queue()); got != before {
		t.Errorf("nothing to do, and %d ops more", got-before)
	}
	if _, err := f.Undo(f.ctx); err != nil {
		t.Fatal(err)
	}
	if got := f.clocks(names); got != "travel at b" {
		t.Errorf("undone: %s", got)
	}
	if err := f.ClockHere(f.ctx, c); err == nil || !strings.Contains(err.Error(), "PENDING") {
		t.Errorf("a clock of a task that has not begun: %v", err)
	}
}

// TestOthersClocks: what a colleague's clock counts is his own.
func TestOthersClocks(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: "d1", User: "ann", Role: op.Technician, Crews: []string{"north"}}))
	f.hear("1", change(state(remote, 5, "status", "IN_PROGRESS")))
	entry := change(state("01940000-0000-7000-8000-0000000000e1", 6, "task_id", remote, "user", "bob", "kind", "work", "started_at", start.UnixMilli()))
	entry.EntityType = op.TimeEntry
	delete(entry.ServerState, "title")
	delete(entry.ServerState, "status")
	f.hear("2", entry)
	if got := f.clocks(nil); got != "" {
		t.Errorf("bob's clock is told as ann's: %s", got)
	}
	f.must(f.ClockHere(f.ctx, remote))
	view, err := f.Task(f.ctx, remote)
	f.must(err)
	if len(view.Time) != 2 || view.Time[0].Fields.Int("ended_at") != 0 {
		t.Errorf("both work there: %v", view.Time)
	}
}

// TestManyClocks: a summary names the newest and counts all; none of them is
// left running when there is to be one only.
func TestManyClocks(t *testing.T) {
	f := newFixture(t)
	const n = 25
	var last string
	for range n {
		last = f.add("a job")
		f.must(f.SetStatus(f.ctx, last, localdb.Step{To: op.InProgress}))
	}
	sum, err := f.Summary(f.ctx)
	f.must(err)
	all, err := f.Running(f.ctx)
	f.must(err)
	if sum.Clocks != n || len(all) != n || len(sum.Running) >= n {
		t.Errorf("%d clocks counted, %d named, %d listed", sum.Clocks, len(sum.Running), len(all))
	}
	f.must(f.ClockHere(f.ctx, last))
	if all, err = f.Running(f.ctx); err != nil || len(all) != 1 || all[0].TaskID != last {
		t.Errorf("%d run on: %v", len(all), err)
	}
	if sum, _ = f.Summary(f.ctx); sum.Clocks != 1 {
		t.Errorf("%d counted", sum.Clocks)
	}
}
