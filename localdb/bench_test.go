package localdb_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
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

// The first page must cost the same at any size.
func BenchmarkFirstPage(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := benchDB(b, size)
			for b.Loop() {
				if _, err := db.Tasks(b.Context(), localdb.Query{Now: start}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A word that nothing holds is the dearest: every task is looked at.
func BenchmarkSearch(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := benchDB(b, size)
			filter, err := localdb.ParseFilter("nowhere", start, "ann")
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := db.Tasks(b.Context(), localdb.Query{Filter: filter, Now: start}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What the truth line costs after each change.
func BenchmarkSummary(b *testing.B) {
	db := benchDB(b, 10_000)
	for b.Loop() {
		if _, err := db.Summary(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
