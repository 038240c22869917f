package localdb_test

import (
	"database/sql"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// counted is the truth line's numbers the slow way.
func (f *fixture) counted(raw *sql.DB) string {
	f.t.Helper()
	var tasks, pending, parked, pendingTasks, parkedTasks, oldest int64
	f.must(raw.QueryRow(`SELECT (SELECT count(*) FROM tasks WHERE deleted = 0), (SELECT count(*) FROM sync_queue WHERE state = 'pending'), (SELECT count(*) FROM sync_queue WHERE state = 'parked'),
		(SELECT count(DISTINCT task_id) FROM sync_queue WHERE state = 'pending'), (SELECT count(DISTINCT task_id) FROM sync_queue WHERE state = 'parked'),
		(SELECT coalesce(min(created_at), 0) FROM sync_queue WHERE state = 'pending')`).Scan(&tasks, &pending, &parked, &pendingTasks, &parkedTasks, &oldest))
	return fmt.Sprint(tasks, pending, parked, pendingTasks, parkedTasks, oldest)
}

// TestTheCountersAreTheTruth: whatever happens to queue and tasks, in whatever
// order, the numbers that are kept are the ones that counting gives.
func TestTheCountersAreTheTruth(t *testing.T) {
	f := newFixture(t)
	raw, err := sql.Open("sqlite3", f.path)
	f.must(err)
	defer raw.Close()
	version := int64(0)
	var ids []string
	answer := func(outcome op.Outcome) func(op.Op) wire.Result {
		return func(o op.Op) wire.Result {
			version++
			switch {
			case outcome == op.Rejected:
				return wire.Result{Outcome: op.Rejected, Code: op.CodeBadValue, Message: "no"}
			case outcome == op.Conflicted && o.Kind == op.Task:
				gone := state(o.Entity, version)
				gone[op.Deleted] = true
				return wire.Result{Outcome: op.Conflicted, Version: version, ServerState: gone}
			}
			return wire.Result{Outcome: op.Applied, Version: version, Stamp: o.Time()}
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		for range 10 {
			id := ""
			if len(ids) > 0 {
				id = rapid.SampledFrom(ids).Draw(rt, "task")
			}
			f.pass(1000)
			switch what := rapid.IntRange(0, 10).Draw(rt, "what"); {
			case what == 0 || id == "":
				ids = append(ids, f.add("A task"))
			case what == 1:
				_ = f.EditTask(f.ctx, id, op.Fields{"asset": fmt.Sprint(f.n)})
			case what == 2:
				_, _ = f.AddNote(f.ctx, id, "hello", "")
			case what == 3:
				_ = f.DeleteTask(f.ctx, id)
			case what == 4:
				f.settle(answer(rapid.SampledFrom([]op.Outcome{op.Applied, op.Applied, op.Rejected, op.Conflicted}).Draw(rt, "outcome")))
			case what == 5:
				_, err := f.RetryAll(f.ctx)
				f.must(err)
			case what == 6 && len(f.queue()) > 0:
				_ = f.DiscardOp(f.ctx, rapid.SampledFrom(f.queue()).Draw(rt, "op").Op.ID)
			case what == 7:
				_, _ = f.Undo(f.ctx)
			case what == 8:
				_, _ = f.Redo(f.ctx)
			case what == 9:
				version++
				f.hear("c", wire.Change{EntityType: op.Task, EntityID: id, Crew: "north", Version: version, By: "dora", Gone: rapid.Bool().Draw(rt, "gone"), ServerState: state(id, version)})
			case what == 10:
				_ = f.SetStatus(f.ctx, id, localdb.Step{To: op.InProgress})
			}
			s := f.summary()
			if got, want := fmt.Sprint(s.Tasks, s.Pending, s.Parked, s.PendingTasks, s.ParkedTasks, s.OldestPending), f.counted(raw); got != want {
				rt.Fatalf("the counters say %s, counting says %s", got, want)
			}
		}
	})
}
