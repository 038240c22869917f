package localdb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// all is every row of a database, but for what counts statements and not work.
func all(t *testing.T, raw *sql.DB) string {
	t.Helper()
	column := func(query string, args ...any) (out []string) {
		rows, err := raw.Query(query, args...)
		if err != nil {
			t.Fatalf("%v in %s", err, query)
		}
		defer rows.Close()
		for rows.Next() {
			var s sql.NullString
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			out = append(out, s.String)
		}
		return out
	}
	var out []string
	for _, table := range column("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'search_%' ORDER BY name") {
		columns := column("SELECT 'quote(' || name || ')' FROM pragma_table_info(?)", table)
		out = append(out, table)
		out = append(out, column("SELECT "+strings.Join(columns, " || ',' || ")+" FROM "+table+" ORDER BY 1")...)
	}
	return strings.Join(out, "\n")
}

var errGone = errors.New("the disk is gone")

// faulty is a laptop on which one statement fails.
type faulty struct {
	*localdb.DB
	f     *fixture
	task  string // the office's, with everything on it
	other string
	mine  string // not sent yet
	left  int    // statements until the fault; 0: none comes
	hit   string // the statement that failed
	dir   string
	raw   *sql.DB
}

func (y *faulty) fault(query string) error {
	if y.left--; y.left != 0 {
		return nil
	}
	y.hit = query
	return errGone
}

// workedLaptop is one on which everything was done once: it holds each kind of
// record, changes that wait, were sent, refused and undone, a conflict, a draft.
func workedLaptop(t *testing.T) (f *fixture, o *office, task, other, mine string) {
	f = newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Name: "laptop", Role: op.Technician, Crews: []string{"north"}, ServerURL: "https://x", ServerID: "s", ServerKey: "k", Token: "t0"}))
	o, task = f.everyKind()
	other = f.id()
	f.told(20, false, change(state(other, 9, "asset", "A")))
	_, err := f.ApplyChanges(f.ctx, wire.Changes{Cursor: "c9", User: "ann", Crews: []string{"north"}, Role: op.Technician, Conflicts: []wire.Conflict{
		{ID: "c1", EntityType: op.Task, EntityID: other, Side: wire.SideLost, Field: "asset", Mine: "mine", Theirs: "A", Who: "dora", At: 6, MineAt: 7, Why: op.WhyLater},
		{ID: "c2", EntityType: op.Task, EntityID: task, Side: wire.SideOverrode, Field: "description", Mine: "m", Theirs: "t", Who: "dora", At: 6, MineAt: 7, Why: op.WhyLater}}})
	f.must(err)
	f.must(f.ResolveConflict(f.ctx, "c2", false))
	f.must(f.EditTask(f.ctx, other, op.Fields{"contact_name": "Ann"}))
	f.answered(20)
	refused := f.add("Refused")
	_, err = f.AddNote(f.ctx, refused, "behind it", "")
	f.must(err)
	f.settle(func(x op.Op) wire.Result {
		if x.Entity == refused {
			return wire.Result{Outcome: op.Rejected, Code: op.CodeBadValue, Field: "title", Message: "no"}
		}
		return wire.Result{Outcome: op.Retry}
	})
	mine = f.add("Mine", "priority", "high")
	f.must(f.EditTask(f.ctx, task, op.Fields{"title": "waits"}))
	f.must(f.EditTask(f.ctx, task, op.Fields{"asset": "undone"}))
	f.undo()
	f.must(f.SaveDraft(f.ctx, "add", map[string]string{"title": "half"}))
	return f, o, task, other, mine
}

// each is what a laptop does, by name. What takes several transactions may have
// done the first of them when the second fails.
func (y *faulty) each(o *office) map[string]func(ctx context.Context) error {
	parked := func(ctx context.Context) string {
		rows, err := y.Queue(ctx, 0, 0)
		if err != nil {
			return ""
		}
		for _, r := range rows {
			if r.State == localdb.BadgeParked {
				return r.Op.ID
			}
		}
		return ""
	}
	refusedOp := parked(y.f.ctx)
	batch, err := y.NextBatch(y.f.ctx, 100, 1<<20)
	y.f.must(err)
	results := make([]wire.Result, len(batch))
	for i, b := range batch {
		results[i] = wire.Result{OpID: b.ID, Outcome: op.Applied, Version: int64(100 + i)}
	}
	var ids []string
	for _, b := range batch {
		ids = append(ids, b.ID)
	}
	page := wire.Changes{Cursor: "c50", User: "ann", Role: op.Technician, Crews: []string{"north", "south"}, Seen: mark(60), Changes: []wire.Change{
		change(state(y.other, 51, "asset", "theirs", "contact_name", "Bob")), change(state(y.task, 52, "title", "theirs too")),
		{EntityType: op.Task, EntityID: "0198aaaa-0000-7000-8000-0000000000ff", Crew: "north", Version: 53, Gone: true}},
		Conflicts: []wire.Conflict{{ID: "c3", EntityType: op.Task, EntityID: y.other, Side: wire.SideLost, Field: "asset", Mine: "x", Theirs: "y", Who: "bob", At: 9, MineAt: 8, Why: op.WhyLater}}}
	filter := func(text string) localdb.Filter {
		f, err := localdb.ParseFilter(text, start, "ann")
		y.f.must(err)
		return f
	}
	did := func(_ any, err error) error { return err }
	return map[string]func(ctx context.Context) error{
		"AddTask":       func(ctx context.Context) error { return did(y.AddTask(ctx, op.Fields{"title": "New"})) },
		"EditTask":      func(ctx context.Context) error { return y.EditTask(ctx, y.task, op.Fields{"asset": "B", "title": "t"}) },
		"EditTask mine": func(ctx context.Context) error { return y.EditTask(ctx, y.mine, op.Fields{"asset": "B"}) },
		"DeleteTasks":   func(ctx context.Context) error { return y.DeleteTasks(ctx, []string{y.task, y.mine}) },
		"AddNotes":      func(ctx context.Context) error { return y.AddNotes(ctx, []string{y.task, y.other}, "wet", "") },
		"AddItem":       func(ctx context.Context) error { return did(y.AddItem(ctx, y.task, op.Fields{"label": "Step"})) },
		"SetStatuses": func(ctx context.Context) error {
			return y.SetStatuses(ctx, []string{y.task, y.other}, localdb.Step{To: op.InProgress})
		},
		"Undo":      func(ctx context.Context) error { return did(y.Undo(ctx)) },
		"Redo":      func(ctx context.Context) error { return did(y.Redo(ctx)) },
		"NextBatch": func(ctx context.Context) error { return did(y.NextBatch(ctx, 100, 1<<20)) },
		"Freeze":    func(ctx context.Context) error { return did(y.Freeze(ctx, batch)) },
		"MarkTried": func(ctx context.Context) error { return y.MarkTried(ctx, ids, "no answer") },
		"Settle":    func(ctx context.Context) error { return did(y.Settle(ctx, batch, results, mark(90))) },
		"Settle refused": func(ctx context.Context) error {
			no := append([]wire.Result(nil), results...)
			for i := range no {
				no[i] = wire.Result{OpID: no[i].OpID, Outcome: op.Rejected, Code: op.CodeBadValue, Message: "no"}
			}
			return did(y.Settle(ctx, batch, no, nil))
		},
		"ApplyChanges": func(ctx context.Context) error { return did(y.ApplyChanges(ctx, page)) },
		"Reset": func(ctx context.Context) error {
			return y.Reset(ctx, wire.Common{Common: map[string]int64{"north": 5}})
		},
		"Anew":      func(ctx context.Context) error { return y.Anew(ctx, localdb.NoticeAway) },
		"RoundDone": func(ctx context.Context) error { return y.RoundDone(ctx) },
		"LearnOffset": func(ctx context.Context) error {
			r := y.f.read
			r.Boot += 5
			return y.LearnOffset(ctx, r.Wall+3000, y.f.read, r)
		},
		"Mend":             func(ctx context.Context) error { return did(y.Mend(ctx, o.leaf(y.other[len(y.other)-2:]))) },
		"Explain":          func(ctx context.Context) error { return did(y.Explain(ctx, o.leaf(y.task[len(y.task)-2:]))) },
		"Differing":        func(ctx context.Context) error { return did(y.Differing(ctx, o.digest())) },
		"CountAnew":        func(ctx context.Context) error { return y.CountAnew(ctx) },
		"NoteDiffers":      func(ctx context.Context) error { return y.NoteDiffers(ctx, true) },
		"ResolveConflicts": func(ctx context.Context) error { return y.ResolveConflicts(ctx, []string{"c1"}, true) },
		"ReopenConflict":   func(ctx context.Context) error { return y.ReopenConflict(ctx, "c2") },
		"RetryOp":          func(ctx context.Context) error { return y.RetryOp(ctx, refusedOp) },
		"RetryAll":         func(ctx context.Context) error { return did(y.RetryAll(ctx)) },
		"DiscardOp":        func(ctx context.Context) error { return y.DiscardOp(ctx, refusedOp) },
		"ReplaceOp":        func(ctx context.Context) error { return y.ReplaceOp(ctx, refusedOp, op.Fields{"title": "Right"}) },
		"Dependents":       func(ctx context.Context) error { return did(y.Dependents(ctx, refusedOp)) },
		"ImportQueue": func(ctx context.Context) error {
			return did(y.ImportQueue(ctx, filepath.Join(y.dir, "others.json"), nil))
		},
		"Enrol": func(ctx context.Context) error {
			return y.Enrol(ctx, localdb.Device{ID: "0198aaaa-0000-7000-8000-0000000000dd", User: "ann", Role: op.Technician, Crews: []string{"north"}, ServerURL: "https://y", ServerID: "s2", Token: "n0"})
		},
		"ReadNotices": func(ctx context.Context) error { return y.ReadNotices(ctx) },
		"SaveDraft":   func(ctx context.Context) error { return y.SaveDraft(ctx, "edit", map[string]string{"title": "x"}) },
		"FindDraft":   func(ctx context.Context) error { _, _, err := y.FindDraft(ctx, "add"); return err },
		"MergesSeen":  func(ctx context.Context) error { return y.MergesSeen(ctx, y.task) },
		"IndexSearch": func(ctx context.Context) error { return y.IndexSearch(ctx) },
		"Tasks": func(ctx context.Context) error {
			return did(y.Tasks(ctx, localdb.Query{Filter: filter("status:open -tag:none due:<2027-01-01 pump"), Now: start}))
		},
		"CountTasks": func(ctx context.Context) error { return did(y.CountTasks(ctx, filter("is:pending"))) },
		"Task":       func(ctx context.Context) error { return did(y.Task(ctx, y.task)) },
		"FindTask":   func(ctx context.Context) error { return did(y.FindTask(ctx, "T-10001")) },
		"History":    func(ctx context.Context) error { return did(y.History(ctx, y.task, 50)) },
		"Conflicts":  func(ctx context.Context) error { return did(y.Conflicts(ctx, true)) },
		"Merges":     func(ctx context.Context) error { return did(y.Merges(ctx, y.task, 50)) },
		"Queue":      func(ctx context.Context) error { return did(y.Queue(ctx, 0, 100)) },
		"Summary":    func(ctx context.Context) error { return did(y.Summary(ctx)) },
		"DayTasks":   func(ctx context.Context) error { return did(y.DayTasks(ctx, "ann", 0, start.UnixMilli()*2)) },
		"Sites":      func(ctx context.Context) error { return did(y.Sites(ctx, "mill", 10)) },
		"Running":    func(ctx context.Context) error { return did(y.Running(ctx)) },
		"StepsLeft":  func(ctx context.Context) error { _, _, err := y.StepsLeft(ctx, []string{y.task}); return err },
		"Notices":    func(ctx context.Context) error { return did(y.Notices(ctx)) },
		"Self":       func(ctx context.Context) error { return did(y.Self(ctx)) },
		"Past":       func(ctx context.Context) error { return did(y.Past(ctx)) },
		"Health":     func(ctx context.Context) error { return did(y.Health(ctx)) },
		"RefIDs":     func(ctx context.Context) error { return did(y.RefIDs(ctx, op.Task, "external_ref", []string{"a"})) },
		"Records":    func(ctx context.Context) error { return did(y.Records(ctx, op.Task, []string{y.task})) },
		"ItemsOf":    func(ctx context.Context) error { return did(y.ItemsOf(ctx, y.task)) },
	}
}

// TestF56F58EveryStatementFails (I2, I3): whichever statement of whatever a laptop
// does fails, it says so, and nothing of it is there: neither a record without its
// change in the queue nor the other way round. The same again succeeds.
func TestF56F58EveryStatementFails(t *testing.T) {
	t.Parallel()
	f, o, task, other, mine := workedLaptop(t)
	f.must(f.Close())
	others := newFixture(t)
	others.must(others.Enrol(f.ctx, localdb.Device{ID: others.id(), User: "ann", Name: "other", Role: op.Technician, Crews: []string{"north"}, ServerURL: "https://x", ServerID: "s", ServerKey: "k", Token: "o0"}))
	others.n = 5000
	others.add("From the other laptop")
	exported := others.export()
	// Of these a part may be done: each is several transactions, and the first is told.
	steps := map[string]bool{"ReplaceOp": true, "RetryAll": true, "FindDraft": true, "IndexSearch": true, "CountAnew": true, "Differing": true}
	opened := func() *faulty {
		y := &faulty{f: f, task: task, other: other, mine: mine, dir: memory(t)}
		path := filepath.Join(y.dir, "x.db")
		copyDay(t, f.path, path)
		text, err := os.ReadFile(exported)
		f.must(err)
		f.must(os.WriteFile(filepath.Join(y.dir, "others.json"), text, 0o600))
		y.DB, err = localdb.Open(t.Context(), path, localdb.Options{Clock: func() op.Reading { return f.read }, NewID: f.id, Fault: y.fault})
		f.must(err)
		t.Cleanup(func() { y.Close() })
		y.raw, err = sql.Open("sqlite3", "file:"+path+"?mode=rw")
		f.must(err)
		y.raw.SetMaxOpenConns(1)
		t.Cleanup(func() { y.raw.Close() })
		y.f = &fixture{DB: y.DB, t: t, ctx: t.Context(), path: path, read: f.read, n: f.n}
		return y
	}
	first := opened()
	names := sortedNames(first.each(o))
	const seed = 56
	rng, step := rand.New(rand.NewPCG(seed, 1)), 3
	if tries(0, 10) == 10 {
		step = 1 // each of them
	}
	statements, tolerated, ids := 0, 0, f.n
	for _, name := range names {
		y := opened()
		do := y.each(o)[name]
		before := all(t, y.raw)
		whole := func() string { // what there is when nothing fails
			y := opened()
			defer y.Close()
			do := y.each(o)[name]
			f.n = ids
			if err := do(t.Context()); err != nil {
				t.Errorf("%s: without a fault: %v", name, err)
			}
			return all(t, y.raw)
		}()
		for n := 1; ; n += 1 + rng.IntN(2*step-1) {
			y.left, y.hit, f.n = n, "", ids
			err := do(t.Context())
			y.left = 0
			if y.hit == "" {
				if err != nil {
					t.Errorf("%s: without a fault: %v", name, err)
				}
				break
			}
			statements++
			after := all(t, y.raw)
			switch {
			case err == nil:
				if tolerated++; after != whole {
					t.Errorf("%s: statement %d failed (%.300s), nobody was told, and it is not as it would be else: %s", name, n, y.hit, firstDifference(whole, after))
				}
			case !errors.Is(err, errGone):
				t.Errorf("%s: statement %d failed (%.80s), and the error is %v", name, n, y.hit, err)
			case after != before && !steps[name]:
				t.Errorf("%s: statement %d failed (%.80s), and something of it is there: %s", name, n, y.hit, firstDifference(before, after))
			}
			if after != before { // each begins where the one without a fault did
				y.Close()
				y = opened()
				do = y.each(o)[name]
			}
		}
		if got, err := y.Health(t.Context()); err != nil || len(got.Faults) > 0 {
			t.Errorf("%s: %v, %v", name, got.Faults, err)
		}
		y.Close()
	}
	t.Logf("%d actions and looks, %d statements failed one by one; %d of them are none of the work itself", len(names), statements, tolerated)
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func firstDifference(a, b string) string {
	was, is := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			return fmt.Sprintf("%.200s is now %.200s", was[i], is[i])
		}
	}
	return fmt.Sprintf("%d rows are now %d", len(was), len(is))
}
