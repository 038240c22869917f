package storetest

import (
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
)

// Visits are what one device has to send, for benchmarks. Ten ops are a visit: a
// task, four steps of a checklist, their answers, and a note. Their ids are of
// the kind that devices make, in the order of time.
type Visits struct {
	First int64 // the place in its queue behind which they begin
	ops   []op.Op
}

// Take takes the next ops.
func (v *Visits) Take(n int, now time.Time) []op.Op {
	for len(v.ops) < n {
		v.visit(now.UnixMilli())
	}
	out := v.ops[:n:n]
	v.ops = v.ops[n:]
	return out
}

func (v *Visits) visit(now int64) {
	add := func(action op.Action, kind op.Kind, id string, fields op.Fields) {
		v.First++
		fields[op.UpdatedAt] = now
		v.ops = append(v.ops, op.Op{ID: newV7(), Seq: v.First, Kind: kind, Entity: id, Action: action, Fields: fields, CreatedAt: now, Schema: op.Schema})
	}
	task := newV7()
	add(op.Insert, op.Task, task, op.Fields{"title": "Inspect 812 Broadview Ave", "status": "PENDING", "type": "inspection", "priority": "high", "contact_name": "Reception", "due_at": now})
	for i := range 4 {
		item := newV7()
		add(op.Insert, op.Item, item, op.Fields{"task_id": task, "label": "Common areas, lighting", "position": int64(i), "kind": "pass_fail", "required": true})
		add(op.Update, op.Item, item, op.Fields{"outcome": "pass", "value": nil, "done_by": "ann", "done_at": now})
	}
	add(op.Insert, op.Note, newV7(), op.Fields{"task_id": task, "body": "Elevator 2 was out of order; the superintendent has the key.", "author": "ann", "at": now, "kind": "note"})
}

func newV7() string { return uuid.Must(uuid.NewV7()).String() }
