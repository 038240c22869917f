package localdb_test

import (
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// BenchmarkHotNextBatch reads a batch of 200 from the front of a long queue, and
// behind one that is under way.
func BenchmarkHotNextBatch(b *testing.B) {
	db := benchDB(b, 10_000)
	first, err := db.NextBatch(b.Context(), 200, 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	for name, under := range map[string][]op.Op{"front": nil, "behind": first} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ops, err := db.NextBatch(b.Context(), 200, 1<<30, under...); err != nil || len(ops) != 200 {
					b.Fatal(len(ops), err)
				}
			}
		})
	}
}

// BenchmarkHotSettle takes the server's word on batches of 200 that took effect,
// made final before.
func BenchmarkHotSettle(b *testing.B) {
	const size = 200
	var db *localdb.DB
	version, left := int64(0), 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		if left < size {
			if db != nil {
				db.Close()
			}
			db, left, version = benchDB(b, 10*size), 10*size, 0
		}
		ops, err := db.NextBatch(b.Context(), size, 1<<30)
		if err == nil {
			ops, err = db.Freeze(b.Context(), ops)
		}
		if err != nil {
			b.Fatal(err)
		}
		results := make([]wire.Result, len(ops))
		for i, o := range ops {
			version++
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: version, Stamp: o.Time()}
		}
		left -= len(ops)
		b.StartTimer()
		if _, err := db.Settle(b.Context(), ops, results, wire.Seen{"north": {Version: version, Fingerprint: "f"}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHotFilter reads a filter as it is typed.
func BenchmarkHotFilter(b *testing.B) {
	now := time.UnixMilli(at(0))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := localdb.ParseFilter("status:open due:today priority:high +urgent assignee:me boiler winter", now, "ann"); err != nil {
			b.Fatal(err)
		}
	}
}
