package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Author is who stands behind a request: a device and its user, as the server
// knows them, never as the request says.
type Author struct {
	Device string
	Past   []string // identities that the device had before: see [Author.as]
	User   string
	Role   op.Role
	Crews  []string // the first is where new records go

	renewal *renewal // nil: the device's token stays as it is
}

// incoming is one op as it arrived.
type incoming struct {
	op.Op
	raw     string      // its id as the device wrote it
	content string      // see [contentOf]
	refusal *op.Refusal // wrong whatever the server holds
	later   bool        // made by a newer program: not wrong, but not understood yet
	derived bool        // the plain form: its id was made from what it says
	fresh   bool        // made here and now, so that it can never come again
}

// decision is the protocol's rules over one batch. It works on what a store
// loaded and touches nothing else, so that a store may ask for it again.
//
//	loaded rows ──► recs ──op──► recs' ──op──► recs'' ──► effects
//	                  └── undo back to here when a group is refused
type decision struct {
	by     Author
	now    int64
	asked  Needs
	loaded Loaded

	crews    map[string]Crew
	found    map[key]*op.Record // as they were loaded
	recs     map[key]*op.Record // as they stand after the ops so far
	refs     map[crewRef]string // who holds an external_ref
	touched  map[key]bool
	gone     map[key]int64 // the version at which a record left a crew
	settled  map[string]Outcome
	order    []string // op ids of settled, as they came
	rows     []ConflictRow
	links    []Link
	notes    map[string][]linkNote // by op id: from what its links were made
	entries  []Entry
	event    event          // what takes versions just now
	unmade   map[Ref]string // records whose INSERT or return was refused here, and why
	more     Needs
	undoings []func()
}

type key struct {
	crew string
	Ref
}

type crewRef struct{ crew, ref string }

// plan names what a batch has to see, as far as that can be told beforehand.
func plan(by Author, ops []incoming) Needs {
	n := Needs{Crews: slices.Sorted(slices.Values(by.Crews)), User: by.User, Device: by.Device}
	for i := range ops {
		o := &ops[i]
		if o.ID != "" && !o.fresh {
			n.OpIDs = append(n.OpIDs, o.ID)
		}
		if o.Seq > 0 {
			n.Seqs = append(n.Seqs, o.Seq)
		}
		if o.refusal != nil {
			continue
		}
		n.Records = append(n.Records, Ref{o.Kind, o.Entity})
		if task := o.Fields.Text(op.ParentField(o.Kind)); task != "" {
			n.Records = append(n.Records, Ref{op.Task, task})
		}
		if _, moves := o.Fields[op.CrewField]; moves && o.Kind == op.Task && o.Action == op.Update {
			n.Children = append(n.Children, o.Entity)
		}
		if ref := o.Fields.Text(refField); ref != "" && o.Kind == op.Task {
			n.Refs = append(n.Refs, ref)
		}
	}
	n.compact()
	return n
}

func (n *Needs) compact() {
	for _, list := range []*[]string{&n.OpIDs, &n.Children, &n.Refs} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	slices.Sort(n.Seqs)
	n.Seqs = slices.Compact(n.Seqs)
	slices.SortFunc(n.Records, func(a, b Ref) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	n.Records = slices.Compact(n.Records)
}

// Add is the sum of two needs of the same author.
func (n Needs) Add(m Needs) Needs {
	n.Records = slices.Concat(n.Records, m.Records)
	n.Children = slices.Concat(n.Children, m.Children)
	n.Refs = slices.Concat(n.Refs, m.Refs)
	n.compact()
	return n
}

// Empty tells whether nothing is needed.
func (n Needs) Empty() bool { return len(n.Records)+len(n.Children)+len(n.Refs) == 0 }

// decide says what becomes of each op, in order, and what is to be written.
// With a non-empty Needs both are void: load that too and ask again.
func decide(by Author, now int64, ops []incoming, asked Needs, loaded Loaded) ([]wire.Result, Effects, Needs, error) {
	d := &decision{by: by, now: now, asked: asked, loaded: loaded, crews: maps.Clone(loaded.Crews),
		recs: map[key]*op.Record{}, refs: map[crewRef]string{}, touched: map[key]bool{}, gone: map[key]int64{},
		settled: map[string]Outcome{}, notes: map[string][]linkNote{}, unmade: map[Ref]string{}}
	for _, row := range loaded.Rows {
		rec, err := row.Record()
		if err != nil {
			return nil, Effects{}, Needs{}, err
		}
		d.recs[key{row.Crew, Ref{row.Kind, row.ID}}] = rec
		if row.Ref != "" && row.Kind == op.Task {
			d.refs[crewRef{row.Crew, row.Ref}] = row.ID
		}
	}
	d.found = maps.Clone(d.recs)
	results := make([]wire.Result, 0, len(ops))
	forked := d.forked(ops)
	for len(ops) > 0 {
		unit := ops[:unitLength(ops)]
		results = append(results, d.unit(unit, forked)...)
		ops = ops[len(unit):]
	}
	effects, err := d.effects()
	return results, effects, d.more, err
}

// unitLength counts the ops at the head of a batch that belong together.
func unitLength(ops []incoming) int {
	n := 1
	for ops[0].Group != "" && n < len(ops) && ops[n].Group == ops[0].Group {
		n++
	}
	return n
}

// forked tells whether a place in the device's queue was taken by another op:
// its database was copied or put back. Then nothing new of the batch is applied,
// or the ops of two machines would mix under one name.
func (d *decision) forked(ops []incoming) bool {
	taken := maps.Clone(d.loaded.Seqs)
	if taken == nil {
		taken = map[int64]string{}
	}
	for i := range ops {
		o := &ops[i]
		if o.Seq <= 0 || o.ID == "" {
			continue
		}
		if id, ok := taken[o.Seq]; ok && id != o.ID {
			return true
		}
		taken[o.Seq] = o.ID
	}
	return false
}

// unit decides ops that stand or fall together.
func (d *decision) unit(unit []incoming, forked bool) []wire.Result {
	d.undoings = nil
	results := make([]wire.Result, len(unit))
	worst := -1 // the op at fault
	for i := range unit {
		results[i] = d.answer(&unit[i], forked)
		if o := results[i].Outcome; o == op.Rejected && (worst < 0 || results[worst].Outcome == op.Retry) || o == op.Retry && worst < 0 {
			worst = i
		}
	}
	if worst >= 0 {
		d.undo()
		for i := range unit {
			d.notMade(&unit[i].Op, results[worst].Message)
			if i != worst && !results[i].Duplicate {
				results[i] = together(unit[i].Op, results[worst])
			}
		}
	}
	for i := range unit {
		d.settle(&unit[i], &results[i])
	}
	return results
}

// together is the answer to an op whose group failed for another op's fault.
func together(o op.Op, fault wire.Result) wire.Result {
	if fault.Outcome == op.Retry || fault.Code == op.CodeForked {
		return wire.Result{OpID: o.ID, Outcome: fault.Outcome, Code: fault.Code, Message: fault.Message}
	}
	return rejected(o, &op.Refusal{Code: op.CodeGroup, Message: fmt.Sprintf("belongs to one action with change %s, which was refused: %s", fault.OpID, fault.Message)})
}

func rejected(o op.Op, r *op.Refusal) wire.Result {
	return wire.Result{OpID: o.ID, Outcome: op.Rejected, Code: r.Code, Field: r.Field, Message: r.Message}
}

// answer is the stored word on an op, or a fresh one.
func (d *decision) answer(in *incoming, forked bool) wire.Result {
	if stored, ok := d.stored(in.ID); ok {
		return d.repeat(stored)
	}
	switch {
	case forked:
		return rejected(in.Op, &op.Refusal{Code: op.CodeForked, Message: "another change already took this place in the device's queue: its data was copied or restored"})
	case in.refusal != nil && in.later:
		return wire.Result{OpID: in.ID, Outcome: op.Retry, Message: "was made by a newer program than the server's; it waits until the server is upgraded"}
	case in.refusal != nil:
		d.notMade(&in.Op, in.refusal.Message)
		return rejected(in.Op, in.refusal)
	}
	return d.one(in)
}

func (d *decision) stored(opID string) (Outcome, bool) {
	if o, ok := d.settled[opID]; ok {
		return o, true
	}
	o, ok := d.loaded.Outcomes[opID]
	return o, ok
}

// repeat gives the first answer again; state is as it is now, because a device
// adopts it.
func (d *decision) repeat(o Outcome) wire.Result {
	var r wire.Result
	if err := json.Unmarshal([]byte(o.Result), &r); err != nil {
		r = wire.Result{OpID: o.OpID, Outcome: op.Applied, Version: o.Version} // a damaged row still proves that the op was settled
	}
	r.OpID, r.Duplicate = o.OpID, true
	if rec := d.find(Ref{o.Kind, o.Entity}); rec != nil && o.State {
		r.ServerState = rec.State()
	}
	return r
}

// settle enters what became of an op into the audit, and keeps the answer for
// its repeats. A forked op is not settled:
// it comes again under a new device. Neither is a refused op whose id was made
// from what it says: it has no other way of being tried again. Nor a fresh one.
func (d *decision) settle(in *incoming, r *wire.Result) {
	if _, twice := d.settled[in.ID]; twice || r.Duplicate || r.Outcome == op.Retry {
		return
	}
	crew := ""
	if rec := d.find(Ref{in.Kind, in.Entity}); rec != nil {
		crew = rec.Crew
	}
	d.enter(in, r.Code, r.Outcome, r.Stamp, crew)
	if in.fresh || in.ID == "" || r.Code == op.CodeForked || in.derived && r.Outcome == op.Rejected {
		return
	}
	o := Outcome{User: d.by.User, OpID: in.ID, Device: d.by.Device, Seq: max(in.Seq, 0), Version: r.Version, Kind: in.Kind,
		Entity: in.Entity, Crew: crew, At: d.now, Result: stored(*r), State: r.ServerState != nil}
	d.settled[in.ID] = o
	d.order = append(d.order, in.ID)
}

// stored is a result as it is kept: its id is the row's key, and the record's
// state is told as it is when it is asked for.
func stored(r wire.Result) string {
	if says := len(r.By) + len(r.Lost) + len(r.Overrode) + len(r.Code) + len(r.Field) + len(r.Message); says == 0 && r.Outcome == op.Applied && !r.Duplicate {
		return PlainResult(r.Version, r.Stamp)
	}
	r.OpID, r.ServerState = "", nil
	text, err := json.Marshal(r)
	if err != nil {
		return "{}" // cannot be: a result holds scalars
	}
	return string(text)
}

// PlainResult is the stored result of an op that took full effect, as most do.
func PlainResult(version, stamp int64) string {
	b := make([]byte, 0, 96)
	b = append(b, `{"op_id":"","outcome":"applied","duplicate":false`...)
	if version != 0 {
		b = strconv.AppendInt(append(b, `,"version":`...), version, 10)
	}
	if stamp != 0 {
		b = strconv.AppendInt(append(b, `,"stamp":`...), stamp, 10)
	}
	return string(append(b, '}'))
}

// notMade remembers that a record does not exist, or is deleted still, because
// the op that would have made it or brought it back was refused.
func (d *decision) notMade(o *op.Op, why string) {
	rec := d.find(Ref{o.Kind, o.Entity})
	if o.Action == op.Insert && rec == nil || restores(o) && rec != nil && rec.Deleted {
		d.unmade[Ref{o.Kind, o.Entity}] = why
	}
}

func restores(o *op.Op) bool { return o.Action == op.Update && o.Fields[op.Deleted] == false }

func (d *decision) undo() {
	for _, back := range slices.Backward(d.undoings) {
		back()
	}
	d.undoings = nil
}
