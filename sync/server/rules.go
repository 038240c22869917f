package server

import (
	"encoding/json"
	"fmt"
	"slices"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// firstNumber is the number before the first task's: T-10001.
const firstNumber = 10_000

// maxRecordFields bounds a record, which grows by tags and customers' fields.
const maxRecordFields = 500

// one decides an op that was not decided before.
func (d *decision) one(in *incoming) wire.Result {
	o := &in.Op
	if d.by.Role == op.Viewer {
		return d.refused(o, refusal(op.CodeForbidden, "", "%s may read only; ask the office for another role", d.by.User))
	}
	rec, why, wait := d.target(o)
	switch {
	case wait != "":
		d.notMade(o, wait)
		return wire.Result{OpID: o.ID, Outcome: op.Retry, Message: "waits for a record that was refused: " + wait}
	case why != nil:
		return d.refused(o, why)
	}
	return d.merge(in, rec)
}

func refusal(code op.Code, field, format string, args ...any) *op.Refusal {
	return &op.Refusal{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

func (d *decision) refused(o *op.Op, r *op.Refusal) wire.Result {
	d.notMade(o, r.Message)
	return rejected(*o, r)
}

// target finds the record that an op is about, or says where a new one goes. It
// answers the same whether a record that the author may not see exists or not.
// wait is why the op must wait, if it must.
func (d *decision) target(o *op.Op) (rec *op.Record, why *op.Refusal, wait string) {
	ref := Ref{o.Kind, o.Entity}
	if rec = d.find(ref); rec != nil {
		if wait, unmade := d.unmade[ref]; unmade && rec.Deleted && !restores(o) {
			return nil, nil, wait // made on the record that is not back
		}
		return rec, d.checkUpdate(o, rec), ""
	}
	if o.Action == op.Insert && d.loaded.Forgotten[ref] {
		return nil, refusal(op.CodeNotFound, "", "this %s was deleted", op.Word(o.Kind)), ""
	}
	if o.Action == op.Insert {
		return d.fresh(o)
	}
	if wait, unmade := d.unmade[ref]; unmade {
		return nil, nil, wait
	}
	return nil, refusal(op.CodeNotFound, "", "there is no such %s in your crews", op.Word(o.Kind)), ""
}

// find looks for a record in the author's crews, in their order.
func (d *decision) find(ref Ref) *op.Record {
	for _, crew := range d.by.Crews {
		if rec := d.recs[key{crew, ref}]; rec != nil {
			return rec
		}
	}
	return nil
}

// fresh is an empty record in the crew where a new one belongs: its task's, or
// the one that it names, or the author's first.
func (d *decision) fresh(o *op.Op) (*op.Record, *op.Refusal, string) {
	rec := &op.Record{Kind: o.Kind, ID: o.Entity}
	if field := op.ParentField(o.Kind); field != "" {
		parent := Ref{op.Task, o.Fields.Text(field)}
		if task := d.find(parent); task != nil {
			rec.Crew = task.Crew
			return rec, nil, ""
		}
		if wait, unmade := d.unmade[parent]; unmade {
			return nil, nil, wait
		}
		return nil, refusal(op.CodeNotFound, field, "there is no such task in your crews"), ""
	}
	rec.Crew = o.Fields.Text(op.CrewField)
	if rec.Crew == "" && len(d.by.Crews) > 0 {
		rec.Crew = d.by.Crews[0]
	}
	if !d.holds(rec.Crew) {
		return nil, refusal(op.CodeForbidden, op.CrewField, "%s is not in the crew %q", d.by.User, rec.Crew), ""
	}
	return rec, nil, ""
}

// holds tells whether the author is in a crew, and the crew is one.
func (d *decision) holds(crew string) bool {
	_, there := d.crews[crew]
	return there && slices.Contains(d.by.Crews, crew)
}

// checkUpdate refuses what would take a record out of the author's reach or
// tear it from its task. An INSERT of a record that exists does neither.
func (d *decision) checkUpdate(o *op.Op, rec *op.Record) *op.Refusal {
	if o.Action == op.Delete {
		return nil
	}
	if field := op.ParentField(o.Kind); field != "" {
		task := o.Fields.Text(field)
		if task != "" && d.recs[key{rec.Crew, Ref{op.Task, task}}] == nil {
			return refusal(op.CodeNotFound, field, "there is no such task in the crew %q", rec.Crew)
		}
	}
	crew, named := o.Fields[op.CrewField]
	if !named || o.Action == op.Insert {
		return nil
	}
	if name, _ := crew.(string); name == "" {
		return refusal(op.CodeRequired, op.CrewField, "cannot be emptied: a %s belongs to a crew", op.Word(o.Kind))
	} else if !d.holds(name) {
		return refusal(op.CodeForbidden, op.CrewField, "%s is not in the crew %q", d.by.User, name)
	}
	return nil
}

// merge applies an op to its record by the merge rule and keeps what follows.
func (d *decision) merge(in *incoming, rec *op.Record) wire.Result {
	o := &in.Op
	crews := []string{rec.Crew}
	if to := o.Fields.Text(op.CrewField); rec.Exists() && o.Action == op.Update && to != "" && to != rec.Crew {
		crews = append(crews, to)
	}
	version := d.next(crews...)
	v := op.Merge(rec, *o, op.Author{Device: d.by.Device, User: d.by.User}, op.Moment{Now: d.now, Version: version})
	after := rec
	if v.Record != nil {
		if why := d.admit(rec, v.Record); why != nil {
			return d.refused(o, why)
		}
		after = v.Record
	}
	d.event = event{in, v.Outcome, v.Stamp}
	if v.Record != nil || len(v.Conflicts) > 0 {
		d.take(rec.Crew, version)
	}
	d.told(rec.Crew, version, v.Conflicts)
	if v.Record != nil {
		d.keep(rec, after, v.Stamp)
	}
	r := wire.Result{OpID: o.ID, Outcome: v.Outcome, Version: after.Version, Stamp: v.Stamp}
	for _, c := range v.Conflicts {
		if c.Loser.Device == d.by.Device {
			r.Lost = append(r.Lost, wire.TellConflict(c, true))
		} else {
			r.Overrode = append(r.Overrode, wire.TellConflict(c, false))
		}
	}
	if v.Outcome != op.Applied || v.Unseen || o.Action == op.Insert || after.Crew != rec.Crew {
		r.ServerState = after.State()
	}
	if v.Unseen {
		r.By = unseenBy(rec, o.Base, d.by.Device)
	}
	return r
}

// unseenBy is the user who wrote the newest of the registers that an op's author
// had not seen.
func unseenBy(rec *op.Record, base int64, device string) string {
	var newest op.Register
	for _, reg := range rec.Registers {
		if reg.Device != device && reg.Version > max(base, newest.Version) {
			newest = reg
		}
	}
	return newest.User
}

// next is a version that is newer than all that the crews gave. A record that
// moves takes one newer than both crews': so the versions of its registers stay
// comparable with what devices saw of it in either.
func (d *decision) next(crews ...string) int64 {
	var v int64
	for _, name := range crews {
		v = max(v, d.crews[name].Version)
	}
	return v + 1
}

// take makes a version the newest of its crew, and the op that takes it a part
// of the crew's history.
func (d *decision) take(crew string, version int64) {
	before, n := d.crews[crew], len(d.links)
	if version <= before.Version {
		return
	}
	d.undoings = append(d.undoings, func() { d.crews[crew], d.links = before, d.links[:n] })
	link := d.link(before, version)
	after := before
	after.Version, after.Fingerprint = version, link.Fingerprint
	d.crews[crew], d.links = after, append(d.links, link)
}

// number takes the next task number of a crew.
func (d *decision) number(crew string) string {
	before := d.crews[crew]
	d.undoings = append(d.undoings, func() { d.crews[crew] = before })
	after := before
	after.Number = max(before.Number, firstNumber) + 1
	d.crews[crew] = after
	return fmt.Sprintf("T-%d", after.Number)
}

// told keeps conflicts for both sides to hear of at their next pull.
func (d *decision) told(crew string, version int64, conflicts []op.Conflict) {
	if len(conflicts) == 0 {
		return
	}
	n := len(d.rows)
	d.undoings = append(d.undoings, func() { d.rows = d.rows[:n] })
	for _, c := range conflicts {
		body, err := json.Marshal(c)
		if err != nil {
			continue // cannot be: a conflict holds scalars
		}
		d.rows = append(d.rows, ConflictRow{Crew: crew, Version: version, ID: c.ID, Winner: c.Winner.Device, Loser: c.Loser.Device, Body: string(body)})
	}
}

// admit refuses a record that may not come to be, after all that the merge
// decided. Nothing was kept yet.
func (d *decision) admit(before, after *op.Record) *op.Refusal {
	if len(after.Fields) > maxRecordFields {
		return refusal(op.CodeTooLarge, "", "the %s would hold %d fields; at most %d", op.Word(after.Kind), len(after.Fields), maxRecordFields)
	}
	moved := before.Exists() && before.Crew != after.Crew
	if ref := refOf(after); ref != "" && (moved || ref != refOf(before)) {
		if owner := d.owner(after.Crew, ref); owner != "" && owner != after.ID {
			return refusal(op.CodeDuplicateRef, refField, "%q already belongs to another task of the crew %q", ref, after.Crew)
		}
	}
	if moved {
		return d.admitMove(before, after)
	}
	return nil
}

// owner is the task of a crew that holds an external_ref; "" when it is free.
func (d *decision) owner(crew, ref string) string {
	if _, asked := slices.BinarySearch(d.asked.Refs, ref); !asked {
		d.more.Refs = append(d.more.Refs, ref)
	}
	return d.refs[crewRef{crew, ref}]
}

// keep makes a merged record the one that later ops see.
func (d *decision) keep(before, after *op.Record, stamp int64) {
	moved := before.Exists() && before.Crew != after.Crew
	if after.Kind == op.Task && (moved || !before.Exists()) {
		after.Fields[op.Number] = d.number(after.Crew) // unique in a crew, so a task that moves gets a new one
		after.Registers[op.Number] = op.Register{Time: stamp, Device: d.by.Device, User: d.by.User, Version: after.Version}
	}
	if moved {
		d.move(before, after)
		return
	}
	d.put(before, after)
}

// put replaces a record by its successor in the same crew.
func (d *decision) put(before, after *op.Record) {
	k := keyOf(after)
	old, touched := d.recs[k], d.touched[k]
	left, gone := d.gone[k]
	d.undoings = append(d.undoings, func() {
		d.recs[k] = old
		d.touched[k] = touched
		if !touched {
			delete(d.touched, k)
		}
		if gone {
			d.gone[k] = left
		}
	})
	d.recs[k] = after
	d.touched[k] = true
	delete(d.gone, k)
	d.setRef(crewRef{before.Crew, refOf(before)}, "")
	d.setRef(crewRef{after.Crew, refOf(after)}, after.ID)
}

func (d *decision) setRef(at crewRef, owner string) {
	if at.ref == "" {
		return
	}
	old := d.refs[at]
	d.undoings = append(d.undoings, func() { d.refs[at] = old })
	d.refs[at] = owner
}

func keyOf(rec *op.Record) key { return key{rec.Crew, Ref{rec.Kind, rec.ID}} }
