package server

import (
	"maps"
	"slices"

	"example.com/punchlist/sync/op"
)

// Asked are the needs of several steps together, each thing once, in lists that a
// database takes whole. It is looked for by all that its key holds but one: such
// a query finds its rows by the key, however little a database knows of the table.
type Asked struct {
	Crews    []AskedCrew         // by name: the order in which they are locked
	Outcomes map[string][]string // op ids, by user
	Seqs     map[QueueOf][]int64 // places, by queue
	Marks    map[string][]int64  // versions, by crew
}

// AskedCrew is what is needed of one crew.
type AskedCrew struct {
	Name     string
	Records  map[op.Kind][]string // ids
	Children []string             // of these tasks
	Refs     []string
}

// QueueOf names a device's queue.
type QueueOf struct{ User, Device string }

// Ask puts needs together.
func Ask(asks ...Needs) *Asked {
	a := &Asked{Outcomes: map[string][]string{}, Seqs: map[QueueOf][]int64{}, Marks: map[string][]int64{}}
	crews := map[string]*crewNeeds{}
	marks := map[Mark]bool{}
	for _, n := range asks {
		for _, name := range n.Crews {
			if crews[name] == nil {
				crews[name] = &crewNeeds{map[Ref]bool{}, map[string]bool{}, map[string]bool{}}
			}
			crews[name].add(n)
		}
		a.Outcomes[n.User] = append(a.Outcomes[n.User], n.OpIDs...)
		if len(n.Seqs) > 0 {
			of := QueueOf{n.User, n.Device}
			a.Seqs[of] = append(a.Seqs[of], n.Seqs...)
		}
		for _, m := range n.Marks {
			marks[m] = true
		}
	}
	maps.DeleteFunc(a.Outcomes, func(_ string, ids []string) bool { return len(ids) == 0 })
	for m := range marks {
		a.Marks[m.Crew] = append(a.Marks[m.Crew], m.Version)
	}
	for _, name := range slices.Sorted(maps.Keys(crews)) {
		a.Crews = append(a.Crews, crews[name].asked(name))
	}
	return a
}

type crewNeeds struct {
	records     map[Ref]bool
	tasks, refs map[string]bool
}

func (c *crewNeeds) add(n Needs) {
	for _, ref := range n.Records {
		c.records[ref] = true
	}
	for _, id := range n.Children {
		c.tasks[id] = true
	}
	for _, ref := range n.Refs {
		c.refs[ref] = true
	}
}

func (c *crewNeeds) asked(name string) AskedCrew {
	out := AskedCrew{Name: name, Records: map[op.Kind][]string{}, Children: slices.Sorted(maps.Keys(c.tasks)), Refs: slices.Sorted(maps.Keys(c.refs))}
	for ref := range c.records {
		out.Records[ref.Kind] = append(out.Records[ref.Kind], ref.ID)
	}
	for _, ids := range out.Records {
		slices.Sort(ids)
	}
	return out
}
