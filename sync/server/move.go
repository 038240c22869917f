package server

import (
	"slices"

	"example.com/punchlist/sync/op"
)

// admitMove refuses a move into a crew that already holds a record of the same
// id, be it the task's or that of something that hangs on it: ids are made on
// devices, and a crew's records are not overwritten by another crew's.
func (d *decision) admitMove(before, after *op.Record) *op.Refusal {
	for _, rec := range append(d.hanging(before), before) {
		ref := Ref{rec.Kind, rec.ID}
		if !slices.Contains(d.asked.Records, ref) {
			d.more.Records = append(d.more.Records, ref)
		}
		if d.recs[key{after.Crew, ref}] != nil {
			return refusal(op.CodeBadID, op.CrewField, "the crew %q already holds a %s with the id %s", after.Crew, op.Word(rec.Kind), rec.ID)
		}
	}
	return nil
}

// hanging lists what hangs on a task in its crew, in a fixed order.
func (d *decision) hanging(task *op.Record) []*op.Record {
	if task.Kind != op.Task {
		return nil
	}
	if _, asked := slices.BinarySearch(d.asked.Children, task.ID); !asked {
		d.more.Children = append(d.more.Children, task.ID)
	}
	var out []*op.Record
	for k, rec := range d.recs {
		if rec != nil && k.crew == task.Crew && parentOf(rec) == task.ID {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b *op.Record) int { return int(a.Version - b.Version) })
	return out
}

// move takes a record, and what hangs on it, to another crew. Each gets a
// version of its own in the new crew and leaves a row with Gone in the old one.
func (d *decision) move(before, after *op.Record) {
	d.leave(before, after)
	for _, rec := range d.hanging(before) {
		next := rec.Clone()
		next.Crew = after.Crew
		next.Version = d.next(before.Crew, after.Crew)
		d.leave(rec, next)
	}
}

func (d *decision) leave(before, after *op.Record) {
	d.take(before.Crew, after.Version)
	d.take(after.Crew, after.Version)
	from := keyOf(before)
	rec, touched := d.recs[from], d.touched[from]
	left, gone := d.gone[from]
	d.undoings = append(d.undoings, func() {
		d.recs[from] = rec
		if touched {
			d.touched[from] = true
		}
		delete(d.gone, from)
		if gone {
			d.gone[from] = left
		}
	})
	delete(d.recs, from)
	delete(d.touched, from)
	d.gone[from] = after.Version
	d.put(before, after)
}
