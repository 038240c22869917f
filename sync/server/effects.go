package server

import (
	"cmp"
	"slices"

	"example.com/punchlist/sync/op"
)

// effects gathers what the batch changed.
func (d *decision) effects() (Effects, error) {
	e := Effects{Conflicts: d.rows, Links: d.links, Entries: d.entries}
	for k := range d.touched {
		row, err := RowOf(d.recs[k])
		if err != nil {
			return e, err
		}
		row.At = d.now
		e.Rows = append(e.Rows, row)
	}
	for k, version := range d.gone {
		e.Rows = append(e.Rows, Row{Crew: k.crew, Kind: k.Kind, ID: k.ID, Version: version, Gone: true, Fields: "{}", Registers: "[]", At: d.now})
	}
	for _, id := range d.order {
		e.Outcomes = append(e.Outcomes, d.settled[id])
	}
	d.count(&e)
	for name, crew := range d.crews {
		if crew != d.loaded.Crews[name] {
			e.Crews = append(e.Crews, crew)
		}
	}
	slices.SortFunc(e.Crews, func(a, b Crew) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(e.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Crew, b.Crew), cmp.Compare(a.Version, b.Version))
	})
	return e, nil
}

// count brings the crews' digests up to what their records are now: what was
// there is taken out, what is there is put in.
func (d *decision) count(e *Effects) {
	leaves := map[Leaf]op.Digest{} // by crew and number
	add := func(k key, rec *op.Record, with func(op.Digest, op.Sum) op.Digest) {
		if rec == nil || rec.Deleted {
			return
		}
		at, sum := Leaf{Crew: k.crew, No: op.LeafOf(k.ID)}, rec.Sum()
		leaves[at] = with(leaves[at], sum)
		crew := d.crews[k.crew]
		crew.Digest = with(crew.Digest, sum)
		d.crews[k.crew] = crew
	}
	for k := range d.touched {
		add(k, d.found[k], op.Digest.Without)
		add(k, d.recs[k], op.Digest.With)
	}
	for k := range d.gone {
		add(k, d.found[k], op.Digest.Without)
	}
	for at, change := range leaves {
		if at.Digest = change; change != (op.Digest{}) {
			e.Leaves = append(e.Leaves, at)
		}
	}
	slices.SortFunc(e.Leaves, func(a, b Leaf) int { return cmp.Or(cmp.Compare(a.Crew, b.Crew), cmp.Compare(a.No, b.No)) })
}
