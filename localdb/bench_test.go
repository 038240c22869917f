package localdb_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func benchDB(b *testing.B, tasks int) *localdb.DB {
	b.Helper()
	db, err := localdb.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), localdb.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	err = db.DoEach(b.Context(), func(yield func(localdb.Change) bool) {
		for i := range tasks {
			f := op.Fields{"title": fmt.Sprintf("Inspect number %d", i), "status": "PENDING", "due_at": at(0) + int64(i)*60_000}
			if !yield(localdb.Change{Kind: op.Task, Action: op.Insert, Fields: f}) {
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return db
}

// One edit of one task: the record, its op, and the flush that makes it durable.
func BenchmarkAction(b *testing.B) {
	db := benchDB(b, 1000)
	page, err := db.Tasks(b.Context(), localdb.Query{})
	if err != nil {
		b.Fatal(err)
	}
	id, n := page.Rows[0].ID, 0
	for b.Loop() {
		n++
		if err := db.EditTask(b.Context(), id, op.Fields{"asset": fmt.Sprint(n)}); err != nil {
			b.Fatal(err)
		}
	}
}

// timed does something while more says so, and returns how long the half and how
// long 95 of a hundred took at most.
func timed(b *testing.B, more func() bool, do func() error) (p50, p95 time.Duration) {
	b.Helper()
	var took []time.Duration
	for more() {
		began := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*95/100]
}

// alone is a query on the same file with nothing around it: no less could be done.
func alone(b *testing.B, db *localdb.DB, query string) func(args ...any) error {
	b.Helper()
	file, err := sql.Open("sqlite3", "file:"+db.Path()+"?mode=ro")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	stmt, err := file.Prepare(query)
	if err != nil {
		b.Skip(err) // a build without FTS5
	}
	return func(args ...any) error {
		rows, err := stmt.Query(args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	}
}

// times is for what is measured beside the benchmark's own loop.
func times(n int) func() bool {
	return func() bool { n--; return n >= 0 }
}

func micros(b *testing.B, d time.Duration, unit string) {
	b.ReportMetric(float64(d.Nanoseconds())/1000, unit)
}

// heardDB holds tasks as they are after a pull, with nothing waiting. They are
// written past the rules, all at once: a million by them takes minutes.
func heardDB(b *testing.B, tasks int) *localdb.DB {
	b.Helper()
	db := benchDB(b, 0)
	file, err := sql.Open("sqlite3", "file:"+db.Path()+"?_synchronous=OFF&_recursive_triggers=ON")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	_, err = file.ExecContext(b.Context(), `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
		INSERT INTO tasks (id, title, status, due_at, updated_at, crew, version, number)
		SELECT printf('01930000-0000-7000-8000-%012x', i), 'Inspect number ' || i, 'PENDING', ? + i * 60000, ?, 'north', i + 1, 'T-' || (10001 + i) FROM n`, tasks, at(0), at(0))
	if err != nil {
		b.Fatal(err)
	}
	return db
}

// The first page must cost the same at any size. Beside it, the probe of its index
// alone.
func BenchmarkFirstPage(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := heardDB(b, size)
			probe := alone(b, db, "SELECT id FROM tasks INDEXED BY tasks_waiting WHERE deleted = 0 AND status = 'PENDING' ORDER BY due_key, id LIMIT 51")
			p50, _ := timed(b, b.Loop, func() error {
				_, err := db.Tasks(b.Context(), localdb.Query{Now: start})
				return err
			})
			index, _ := timed(b, times(500), func() error { return probe() })
			micros(b, p50, "µs-p50")
			micros(b, index, "index-alone-µs-p50")
		})
	}
}

// The letters that a person types one after the other, each of them a search; the
// last word is one that nothing holds, the dearest where every task is looked at.
// Beside it, the probe of the index for searching alone, which begins with three.
func BenchmarkSearch(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := benchDB(b, size)
			if err := db.IndexSearch(b.Context()); err != nil {
				b.Fatal(err)
			}
			probe := alone(b, db, "SELECT rowid FROM task_search WHERE task_search MATCH ? LIMIT 51")
			var filters []localdb.Filter
			var letters []string
			for _, word := range []string{"inspect", "number", "number 77", "nowhere"} {
				for i := range word {
					f, err := localdb.ParseFilter(word[:i+1], start, "ann")
					if err != nil {
						b.Fatal(err)
					}
					filters = append(filters, f)
					if i >= 2 && !strings.Contains(word, " ") {
						letters = append(letters, trigrams(word[:i+1]))
					}
				}
			}
			n := 0
			p50, p95 := timed(b, b.Loop, func() error {
				n++
				_, err := db.Tasks(b.Context(), localdb.Query{Filter: filters[n%len(filters)], Now: start})
				return err
			})
			_, index := timed(b, times(500), func() error {
				n++
				return probe(letters[n%len(letters)])
			})
			micros(b, p50, "µs-p50")
			micros(b, p95, "µs-p95")
			micros(b, index, "index-alone-µs-p95")
		})
	}
}

// trigrams asks the index for what may hold a word.
func trigrams(word string) string {
	var all []string
	for i := 0; i+3 <= len(word); i++ {
		all = append(all, `"`+word[i:i+3]+`"`)
	}
	return strings.Join(all, " AND ")
}

// A fresh laptop: pages of a thousand records, each page one transaction.
func BenchmarkFirstSync(b *testing.B) {
	const size = 20_000
	var pages []wire.Changes
	for i := range size {
		if i%1000 == 0 {
			pages = append(pages, wire.Changes{Cursor: fmt.Sprint(i), User: "ann", Role: op.Technician, Crews: []string{"north"}})
		}
		id := fmt.Sprintf("01940000-0000-7000-8000-%012x", i)
		p := &pages[len(pages)-1]
		p.Changes = append(p.Changes, change(state(id, int64(i+1), "number", fmt.Sprint("T-", i), "due_at", at(0), "asset", "A")))
	}
	for b.Loop() {
		b.StopTimer()
		db := benchDB(b, 0)
		b.StartTimer()
		for _, p := range pages {
			if _, err := db.ApplyChanges(b.Context(), p); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// A batch goes out: read, made final, and settled once the server said of each op
// that it was applied; new tasks, and edits of tasks that it knew.
func BenchmarkSend(b *testing.B) {
	const size = 500
	for _, what := range []string{"new", "edits"} {
		b.Run(what, func(b *testing.B) {
			version, sent := int64(0), 0
			for b.Loop() {
				b.StopTimer()
				db := benchDB(b, 4*size)
				sent += 4 * size
				if what == "edits" {
					version = benchSend(b, db, version, size)
					sent -= 3 * size
					page, err := db.Tasks(b.Context(), localdb.Query{Limit: size})
					if err != nil {
						b.Fatal(err)
					}
					err = db.DoEach(b.Context(), func(yield func(localdb.Change) bool) {
						for _, row := range page.Rows {
							if !yield(localdb.Change{Kind: op.Task, ID: row.ID, Action: op.Update, Fields: op.Fields{"asset": "K-7"}}) {
								return
							}
						}
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				version = benchSend(b, db, version, size)
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(sent), "µs/change")
		})
	}
}

// benchSend sends all that waits to a server that applies everything.
func benchSend(b *testing.B, db *localdb.DB, version int64, size int) int64 {
	b.Helper()
	for {
		ops, err := db.NextBatch(b.Context(), size, 1<<30)
		if err == nil {
			ops, err = db.Freeze(b.Context(), ops)
		}
		if err != nil {
			b.Fatal(err)
		}
		if len(ops) == 0 {
			return version
		}
		results := make([]wire.Result, len(ops))
		for i, o := range ops {
			version++
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: version, Stamp: o.Time()}
			if o.Action == op.Insert {
				results[i].ServerState = state(o.Entity, version, "number", fmt.Sprint("T-", version), "title", o.Fields["title"], "due_at", o.Fields["due_at"])
			}
		}
		if _, err := db.Settle(b.Context(), ops, results, wire.Seen{"north": {Version: version, Fingerprint: "f"}}); err != nil {
			b.Fatal(err)
		}
	}
}

// What the truth line costs after each change, with much on the laptop and
// much of it unsent.
func BenchmarkSummary(b *testing.B) {
	for _, size := range []struct{ tasks, ops int }{{1_000, 1_000}, {100_000, 300_000}} {
		b.Run(fmt.Sprintf("%d tasks %d queued", size.tasks, size.ops), func(b *testing.B) {
			db := benchDB(b, size.tasks)
			page, err := db.Tasks(b.Context(), localdb.Query{Limit: 500})
			if err != nil {
				b.Fatal(err)
			}
			err = db.DoEach(b.Context(), func(yield func(localdb.Change) bool) {
				for i := range size.ops - size.tasks {
					id := page.Rows[i%len(page.Rows)].ID
					if !yield(localdb.Change{Kind: op.Note, Action: op.Insert, Fields: op.Fields{"task_id": id, "body": fmt.Sprint(i), "author": "ann", "at": at(0)}}) {
						return
					}
				}
			})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := db.Summary(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What each round counts: it must cost the same at any length of the queue.
func BenchmarkPendingOps(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := benchDB(b, size)
			for b.Loop() {
				if n, err := db.PendingOps(b.Context()); err != nil || n != size {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkDrain is the laptop's side of sending: what waits is read, made final
// and settled, per op, in the batches in which it goes.
func BenchmarkDrain(b *testing.B) {
	db := benchDB(b, 0)
	ctx := b.Context()
	if err := db.Enrol(ctx, localdb.Device{ID: uuid.NewString(), User: "ann", Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: "t"}); err != nil {
		b.Fatal(err)
	}
	read := op.SystemClock()
	if err := db.LearnOffset(ctx, read.Wall, read, read); err != nil {
		b.Fatal(err)
	}
	err := db.DoEach(ctx, func(yield func(localdb.Change) bool) {
		for i := range b.N {
			if !yield(localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": fmt.Sprintf("Inspect the boiler, unit %d", i), "status": "PENDING", "asset": "A-17", "assignee": "ann"}}) {
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for done := 0; done < b.N; {
		ops, err := db.NextBatch(ctx, 200, 64<<10)
		if err == nil {
			ops, err = db.Freeze(ctx, ops)
		}
		if err != nil {
			b.Fatal(err)
		}
		results := make([]wire.Result, len(ops))
		for i, o := range ops {
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: int64(done + i + 1), Stamp: o.Time()}
		}
		if _, err := db.Settle(ctx, ops, results, wire.Seen{"north": {Version: int64(done + len(ops)), Fingerprint: "f"}}); err != nil {
			b.Fatal(err)
		}
		done += len(ops)
	}
}
