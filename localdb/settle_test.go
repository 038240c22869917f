package localdb_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// dump is all that a database holds, but for what is dated or named by chance.
func dump(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var out strings.Builder
	for _, table := range []string{"tasks", "checklist_items", "notes", "time_entries", "sites", "sync_queue", "sync_sent", "server_records", "heard", "conflicts", "counters", "leaves", "stale", "taken_back", "search_docs"} {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table+" ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			row, dest := make([]any, len(columns)), make([]any, len(columns))
			for i := range row {
				dest[i] = &row[i]
			}
			if err := rows.Scan(dest...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s %v\n", table, row)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// A batch of which all was simply applied leaves behind what the same answers
// leave one by one: a repeat is taken the long way.
func TestPlainResultsLeaveWhatTheLongWayLeaves(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		var ends [2]string
		for way := range ends {
			rnd, f := rand.New(rand.NewPCG(seed, 1)), newFixture(t)
			if way == 1 {
				f.path = filepath.Join(t.TempDir(), "long.db")
				f.open()
			}
			version := int64(0)
			f.hear("c0", change(state(remote, 1)), change(state(strings.Replace(remote, "1", "2", 1), 1)))
			version = 1
			for range 3 {
				f.somebodyWorks(rnd)
				version = f.applies(rnd, version, way == 1)
			}
			_, done, err := f.Compare(f.ctx, wire.Changes{Cursor: "c0"}, true)
			f.must(err)
			if !done {
				t.Fatal("not all was counted")
			}
			ends[way] = dump(t, f.path)
		}
		if ends[0] != ends[1] {
			a, b := strings.Split(ends[0], "\n"), strings.Split(ends[1], "\n")
			for i := range a {
				if i >= len(b) || a[i] != b[i] {
					t.Fatalf("seed %d: %s\none by one: %s", seed, a[i], b[min(i, len(b)-1)])
				}
			}
			t.Fatalf("seed %d: %d lines, one by one %d", seed, len(a), len(b))
		}
	}
}

// somebodyWorks makes new tasks with notes and steps, edits, deletes and brings back.
func (f *fixture) somebodyWorks(rnd *rand.Rand) {
	f.t.Helper()
	for range 12 {
		page, err := f.Tasks(f.ctx, localdb.Query{Now: start})
		f.must(err)
		id := ""
		if len(page.Rows) > 0 {
			id = page.Rows[rnd.IntN(len(page.Rows))].ID
		}
		switch n := rnd.IntN(7); {
		case n < 2 || id == "":
			f.add(fmt.Sprintf("Task %d", rnd.IntN(100)), "external_ref", fmt.Sprint("R", f.n), "x.size", int64(n))
		case n == 2:
			f.must(second(f.AddNote(f.ctx, id, "seen", "")))
		case n == 3:
			f.must(f.DeleteTasks(f.ctx, []string{id}))
		default:
			f.must(f.EditTask(f.ctx, id, op.Fields{"asset": fmt.Sprintf("K-%d", rnd.IntN(50)), "priority": op.Priorities[n%4]}))
		}
	}
}

// applies sends some of what waits, over and over until little is left, to a
// server that applies everything.
func (f *fixture) applies(rnd *rand.Rand, version int64, long bool) int64 {
	f.t.Helper()
	for {
		ops, err := f.NextBatch(f.ctx, 1+rnd.IntN(8), 1<<20)
		f.must(err)
		if ops, err = f.Freeze(f.ctx, ops); len(ops) < 2 {
			f.must(err)
			return version
		}
		results := make([]wire.Result, len(ops))
		for i, o := range ops {
			version++
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: version, Stamp: o.Time() + 5, Duplicate: long}
			if o.Action == op.Insert {
				s := o.Fields.Clone()
				s["id"], s["version"], s["deleted"], s["crew"], s["updated_at"] = o.Entity, version, false, "north", o.Time()+5
				if o.Kind == op.Task {
					s["number"] = fmt.Sprint("T-", version)
				}
				results[i].ServerState = s
			}
		}
		done, err := f.Settle(f.ctx, ops, results, nil)
		f.must(err)
		if done.Acked != len(ops) || done.Untold != 0 {
			f.t.Fatalf("%+v for %d ops", done, len(ops))
		}
	}
}

// Of what this laptop does not know it says so: else its cursor would step over it.
func TestWhatOnlyAPullCanTellIsCounted(t *testing.T) {
	f := newFixture(t)
	f.hear("c0", change(state(remote, 1)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "K-7"}))
	f.add("Pump")
	ops := f.batch()
	answers := func(edit wire.Result) []wire.Result {
		insert := wire.Result{OpID: ops[1].ID, Outcome: op.Applied, Version: 3, Stamp: ops[1].Time(), ServerState: state(ops[1].Entity, 3)}
		edit.OpID, edit.Outcome = ops[0].ID, op.Applied
		return []wire.Result{edit, insert}
	}
	// A newer server's word, which this program cannot keep.
	unfit := state(remote, 2)
	delete(unfit, "title")
	done, err := f.Settle(f.ctx, ops, answers(wire.Result{Version: 2, Stamp: ops[0].Time(), ServerState: unfit}), nil)
	f.must(err)
	if done.Acked != 2 || done.Untold != 1 {
		t.Errorf("a state that cannot be kept: %+v", done)
	}
	done, err = f.Settle(f.ctx, ops, answers(wire.Result{Version: 2}), nil)
	f.must(err)
	if done.Untold != 2 {
		t.Errorf("answers that came twice: %+v", done)
	}
}

func TestAdvanceStartsFromWhereItWas(t *testing.T) {
	f := newFixture(t)
	f.hear("c1")
	for _, step := range []struct{ from, to, want string }{{"c0", "c9", "c1"}, {"c1", "c2", "c2"}, {"c1", "c3", "c2"}} {
		f.must(f.Advance(f.ctx, step.from, step.to))
		if got, err := f.Cursor(f.ctx); got != step.want || err != nil {
			t.Errorf("from %s to %s: %s, %v; want %s", step.from, step.to, got, err, step.want)
		}
	}
	f.must(f.Anew(f.ctx, ""))
	before, err := f.Cursor(f.ctx)
	f.must(err)
	f.must(f.Advance(f.ctx, before, "c4"))
	if got, err := f.Cursor(f.ctx); got != before || err != nil {
		t.Errorf("while a base is being taken: %q, %v", got, err)
	}
}

// A repeat that says what came of an op, but not how the record stands, because it
// left the crew since, is no word on what others wrote: an edit made after it has
// not seen that.
func TestARepeatWithoutStateIsNoWordOnTheRecord(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "A"}))
	f.settle(func(op.Op) wire.Result {
		return wire.Result{Outcome: op.Applied, Duplicate: true, Version: 9, Stamp: start.UnixMilli(), By: "bob"}
	})
	if got := f.field(remote, "asset"); got != "A" {
		t.Errorf("the screen shows %v", got)
	}
	f.must(f.EditTask(f.ctx, remote, op.Fields{"contact_name": "Ms Bell"}))
	if b := f.batch(); len(b) != 1 || b[0].Base != 5 {
		t.Errorf("goes out: %+v", b)
	}
}
