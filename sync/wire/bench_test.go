package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// BenchmarkHotBatch is a batch of 200 ops as JSON: written as the laptop sends it,
// and read as the server takes it.
func BenchmarkHotBatch(b *testing.B) {
	var batch wire.Batch
	for i := range 200 {
		batch.Ops = append(batch.Ops, op.Op{ID: uuid.NewString(), Seq: int64(i), Kind: op.Task, Entity: uuid.NewString(), Action: op.Insert, CreatedAt: 1763800000000, Schema: op.Schema,
			Fields: op.Fields{"title": "Inspect 812 Broadview Ave", "status": "PENDING", "type": "inspection", "priority": "high", "due_at": int64(1763800000000), op.UpdatedAt: int64(1763800000000)}})
	}
	text, err := json.Marshal(batch)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(batch); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			var read wire.Batch
			if err := json.Unmarshal(text, &read); err != nil || len(read.Ops) != 200 {
				b.Fatal(err)
			}
		}
	})
}
