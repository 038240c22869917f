package op_test

import (
	"testing"

	"example.com/punchlist/sync/op"
)

// benchTask is a task as it stands on the server.
func benchTask() *op.Record {
	o := op.Op{ID: "1", Kind: op.Task, Entity: "0193540b-5e00-7c11-9a3c-0c5b8e1f2a44", Action: op.Insert, Fields: op.Fields{
		"title": "Inspect 812 Broadview Ave", "status": "PENDING", "type": "inspection", "priority": "high", "contact_name": "Reception", "due_at": int64(1763800000000), op.UpdatedAt: int64(1763800000000)}}
	return op.Merge(&op.Record{Crew: "north"}, o, op.Author{Device: "d1", User: "ann"}, op.Moment{Now: 1763800000000, Version: 1}).Record
}

// BenchmarkHotMerge is the rule over one edit: of a value that its author saw, and
// of one that it did not.
func BenchmarkHotMerge(b *testing.B) {
	rec, by, at := benchTask(), op.Author{Device: "d2", User: "bob"}, op.Moment{Now: 1763800600000, Version: 2}
	for name, base := range map[string]int64{"seen": 1, "conflict": 0} {
		b.Run(name, func(b *testing.B) {
			o := op.Op{ID: "2", Kind: op.Task, Entity: rec.ID, Action: op.Update, Base: base, Fields: op.Fields{"status": "EN_ROUTE", "asset": "K-7", op.UpdatedAt: int64(1763800500000)}}
			b.ReportAllocs()
			for b.Loop() {
				if v := op.Merge(rec, o, by, at); v.Record == nil {
					b.Fatal(v)
				}
			}
		})
	}
}

// BenchmarkHotSum is what a changed record costs the digest.
func BenchmarkHotSum(b *testing.B) {
	rec := benchTask()
	b.ReportAllocs()
	for b.Loop() {
		rec.Sum()
	}
}
