package localdb_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// crewsTasks is how many tasks the office gave.
const crewsTasks = 200

func crewsTask(n int) string { return fmt.Sprintf("0198aaaa-0000-7000-8000-%012x", n) }

// settledLaptop is a laptop with the crew's tasks and everything of its own: a
// change that waits, one that was sent, one that was undone, a conflict that was
// dismissed, a note half typed.
func settledLaptop(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Name: "laptop", Role: op.Technician, Crews: []string{"north"}, ServerURL: "https://x", ServerID: "s", ServerKey: "k", Token: "plk1_x"}))
	var page []wire.Change
	for n := range crewsTasks {
		page = append(page, change(state(crewsTask(n), int64(n+1), "title", fmt.Sprint("Task ", n), "description", "What is to be done there, in a few words, as the office writes it")))
	}
	f.told(crewsTasks, false, page...)
	c := wire.Conflict{ID: "c1", EntityType: op.Task, EntityID: crewsTask(7), Side: wire.SideOverrode, Field: "asset", Mine: "mine", Theirs: "theirs", Who: "dora", At: 6, MineAt: 7, Why: op.WhyLater}
	_, err := f.ApplyChanges(f.ctx, wire.Changes{Cursor: "2", User: "ann", Crews: []string{"north"}, Conflicts: []wire.Conflict{c}})
	f.must(err)
	f.must(f.ResolveConflict(f.ctx, "c1", false))
	f.must(f.EditTask(f.ctx, crewsTask(1), op.Fields{"asset": "sent"}))
	f.answered(crewsTasks)
	f.must(f.EditTask(f.ctx, crewsTask(2), op.Fields{"asset": "waits"}))
	f.must(f.EditTask(f.ctx, crewsTask(3), op.Fields{"asset": "undone"}))
	f.undo()
	f.must(f.SaveDraft(f.ctx, "note:"+crewsTask(4), map[string]string{"text": "half a sen"}))
	return f
}

// repair makes a new database in the place of a damaged one and opens it.
func (f *fixture) repair() localdb.Repaired {
	f.t.Helper()
	done, err := localdb.Repair(f.ctx, f.path, localdb.Options{Clock: func() op.Reading { return f.read }, NewID: f.id})
	f.must(err)
	f.open()
	return done
}

// own counts what is there of the five things that stand nowhere else.
func (f *fixture) own() (n int) {
	f.t.Helper()
	all, err := f.Conflicts(f.ctx, true)
	f.must(err)
	if len(all) == 1 && all[0].State == "resolved" {
		n++
	}
	if d, found, err := f.FindDraft(f.ctx, "note:"+crewsTask(4)); err == nil && found && d.Texts["text"] == "half a sen" {
		n++
	}
	if past, err := f.Past(f.ctx); err == nil && len(past.Ops) == 1 && len(past.Seen["north"]) > 0 {
		n++
	}
	return n
}

// TestF62RecordsOfADamagedFile: beside unsent work a repair brings what can be read
// of the records, so that they are there without a network, and what stands nowhere
// else. The server's word counts for the records all the same.
func TestF62RecordsOfADamagedFile(t *testing.T) {
	t.Parallel()
	f := settledLaptop(t)
	f.must(f.Close())
	whole, err := os.ReadFile(f.path)
	f.must(err)
	log, err := os.ReadFile(f.path + ".queue.log")
	f.must(err)
	rng := rand.New(rand.NewPCG(62, 62))
	tasks, own, trials := 0, 0, tries(6, 300)
	for i := range trials {
		g := *f
		g.path = filepath.Join(t.TempDir(), "x.db")
		damaged := append([]byte(nil), whole...)
		page := 1 + rng.IntN(len(whole)/4096-1) // without the first nothing can be read
		for at := page * 4096; at < (page+1)*4096; at++ {
			damaged[at] = byte(rng.IntN(256))
		}
		f.must(os.WriteFile(g.path, damaged, 0o600))
		f.must(os.WriteFile(g.path+".queue.log", log, 0o600))
		done := g.repair()
		if done.Changes != 1 || !done.Enrolled {
			t.Fatalf("damage %d: %+v", i, done)
		}
		held := 0
		for n := range crewsTasks {
			task, err := g.Task(g.ctx, crewsTask(n))
			if err != nil {
				continue
			}
			held++
			want := map[int]string{1: "sent", 2: "waits"}[n]
			if task.Title != fmt.Sprint("Task ", n) || task.Asset != want {
				t.Errorf("damage %d: task %d is %q with %q", i, n, task.Title, task.Asset)
			}
		}
		if held < done.Tasks {
			t.Errorf("damage %d: %d tasks are told of, %d are there", i, done.Tasks, held)
		}
		tasks, own = tasks+held, own+g.own()
		if faults, err := g.Health(g.ctx); err != nil || len(faults.Faults) > 0 {
			t.Errorf("damage %d: %v %v", i, faults.Faults, err)
		}
		// The server speaks of one alone: all else is gone there.
		g.told(crewsTasks+1, false, change(state(crewsTask(2), 3, "title", "Task 2")))
		if n, err := g.CountTasks(g.ctx, localdb.Filter{}); err != nil || n != 1 || g.field(crewsTask(2), "asset") != "waits" {
			t.Errorf("damage %d: %d tasks after the server's word, the asset is %v: %v", i, n, g.field(crewsTask(2), "asset"), err)
		}
		f.must(g.Close())
	}
	t.Logf("one page of %d spoilt, %d times: %d %% of the tasks and %d %% of what stands nowhere else was read", len(whole)/4096, trials, tasks*100/trials/crewsTasks, own*100/trials/3)
	if tasks < trials*crewsTasks*3/4 || own < trials*3*3/4 {
		t.Errorf("of %d tasks %d, of %d other things %d came back", trials*crewsTasks, tasks, trials*3, own)
	}
}

// TestRepairBringsBackNothingThatWasSettled: the log lost its end, and the damaged
// file can still be read in part: what it says of the queue is newer, and counts.
func TestRepairBringsBackNothingThatWasSettled(t *testing.T) {
	f := settledLaptop(t)
	f.add("Waits before")
	log, err := os.ReadFile(f.path + ".queue.log")
	f.must(err)
	f.add("Waits behind")
	f.undo()
	f.add("Waits behind it")
	rows := f.queue()
	f.answered(crewsTasks + 1)
	f.add("Waits still")
	want := queueOf(t, f.path)
	f.must(f.Close())
	f.must(os.WriteFile(f.path+".queue.log", log, 0o600))
	if done := f.repair(); done.Changes != 1 {
		t.Errorf("%+v; %d waited once", done, len(rows))
	}
	f.must(f.Close())
	if got := queueOf(t, f.path); got != want {
		t.Errorf("the queue is\n%s\nwant\n%s", got, want)
	}
}
