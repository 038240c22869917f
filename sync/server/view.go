package server

import (
	"cmp"
	"maps"
	"slices"

	"example.com/punchlist/sync/op"
)

// View is what a store knows while it does a portion of a write: what it read
// for the steps, and over it what they decided so far. So each step sees what
// the ones before it wrote though nothing was written yet, and a portion is one
// look at the database and one change of it, however many steps it holds:
//
//	read what all need ──► decide, decide, … ──► write what changed
//
// It is not safe for concurrent use.
type View struct {
	crews    map[string]Crew
	rows     map[key]Row
	outcomes map[opKey]Outcome
	seqs     map[seqKey]string
	prints   map[Mark]string
	forgot   map[key]bool
	refs     map[key]string // the ref of each row as the database holds it, where that was read

	newCrews map[string]bool // those of crews and rows that changed
	newRows  map[key]bool
	leaves   map[Leaf]op.Digest // by crew and number: what is to be added
}

type opKey struct{ user, id string }

type seqKey struct {
	device string
	seq    int64
}

// NewView knows nothing yet.
func NewView() *View {
	return &View{crews: map[string]Crew{}, rows: map[key]Row{}, outcomes: map[opKey]Outcome{}, seqs: map[seqKey]string{},
		prints: map[Mark]string{}, forgot: map[key]bool{}, refs: map[key]string{},
		newCrews: map[string]bool{}, newRows: map[key]bool{}, leaves: map[Leaf]op.Digest{}}
}

func keyOfRow(r Row) key { return key{r.Crew, Ref{r.Kind, r.ID}} }

// With the methods that begin with Found a store tells what it read. What a step
// decided meanwhile stands over it.

// FoundCrew tells of a crew.
func (v *View) FoundCrew(c Crew) {
	if !v.newCrews[c.Name] {
		v.crews[c.Name] = c
	}
}

// FoundRow tells of a row.
func (v *View) FoundRow(r Row) {
	k := keyOfRow(r)
	v.refs[k] = r.Ref
	if !v.newRows[k] {
		v.rows[k] = r
	}
}

// FoundOutcome tells of the outcome of an op.
func (v *View) FoundOutcome(o Outcome) { v.outcomes[opKey{o.User, o.OpID}] = o }

// FoundSeq tells which op took a place in a device's queue.
func (v *View) FoundSeq(device string, seq int64, opID string) { v.seqs[seqKey{device, seq}] = opID }

// FoundPrint tells of a version's fingerprint.
func (v *View) FoundPrint(m Mark, print string) { v.prints[m] = print }

// FoundForgotten tells of a record that was let go of.
func (v *View) FoundForgotten(crew string, ref Ref) { v.forgot[key{crew, ref}] = true }

// Fingerprints are those that were found.
func (v *View) Fingerprints() map[Mark]string { return v.prints }

// Decide decides steps one after the other. Load reads into the view what they
// ask for: for all of them at once, and again where one finds that it needs more.
// Decided is told what each step writes beside crews and leaves ([View.Heads]).
func (v *View) Decide(steps []Step, load func(*Asked) error, decided func(Effects) error) error {
	asks := make([]Needs, len(steps))
	for i, step := range steps {
		asks[i] = step.Needs
	}
	if err := v.load(load, asks...); err != nil {
		return err
	}
	for _, step := range steps {
		effects, err := v.decide(step, load)
		if err != nil {
			return err
		}
		v.apply(effects)
		if err := decided(effects); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) decide(step Step, load func(*Asked) error) (Effects, error) {
	needs := step.Needs
	for {
		effects, more, err := step.Decide(needs, v.Loaded(needs))
		if err != nil || more.Empty() {
			return effects, err
		}
		needs = needs.Add(more)
		if err := v.load(load, needs); err != nil {
			return effects, err
		}
	}
}

// load also notes what was read: a row that was not found holds no ref.
func (v *View) load(load func(*Asked) error, asks ...Needs) error {
	asked := Ask(asks...)
	if err := load(asked); err != nil {
		return err
	}
	for _, crew := range asked.Crews {
		for kind, ids := range crew.Records {
			for _, id := range ids {
				if k := (key{crew.Name, Ref{kind, id}}); v.refs[k] == "" {
					v.refs[k] = ""
				}
			}
		}
	}
	return nil
}

// Loaded is what one step asked for.
func (v *View) Loaded(n Needs) Loaded {
	l := Loaded{Crews: map[string]Crew{}, Outcomes: map[string]Outcome{}, Seqs: map[int64]string{},
		Fingerprints: map[Mark]string{}, Forgotten: map[Ref]bool{}}
	for _, name := range n.Crews {
		if c, ok := v.crews[name]; ok {
			l.Crews[name] = c
		}
	}
	for _, id := range n.OpIDs {
		if o, ok := v.outcomes[opKey{n.User, id}]; ok {
			l.Outcomes[id] = o
		}
	}
	for _, seq := range n.Seqs {
		if id, ok := v.seqs[seqKey{n.Device, seq}]; ok {
			l.Seqs[seq] = id
		}
	}
	for _, m := range n.Marks {
		if print, ok := v.prints[m]; ok {
			l.Fingerprints[m] = print
		}
	}
	for _, crew := range n.Crews {
		for _, ref := range n.Records {
			if v.forgot[key{crew, ref}] {
				l.Forgotten[ref] = true
			}
		}
	}
	l.Rows = v.rowsOf(n)
	return l
}

func (v *View) rowsOf(n Needs) (out []Row) {
	taken := map[key]bool{}
	take := func(k key, r Row) {
		if !taken[k] && !r.Gone {
			taken[k] = true
			out = append(out, r)
		}
	}
	for _, crew := range n.Crews {
		for _, ref := range n.Records {
			k := key{crew, ref}
			if r, ok := v.rows[k]; ok {
				take(k, r)
			}
		}
	}
	if len(n.Children)+len(n.Refs) == 0 {
		return out
	}
	crews, tasks, refs := setOf(n.Crews), setOf(n.Children), setOf(n.Refs)
	for k, r := range v.rows {
		if crews[r.Crew] && (r.TaskID != "" && tasks[r.TaskID] || r.Ref != "" && refs[r.Ref]) {
			take(k, r)
		}
	}
	return out
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return set
}

// apply puts a step's effects over what is known.
func (v *View) apply(e Effects) {
	for _, c := range e.Crews {
		v.crews[c.Name], v.newCrews[c.Name] = c, true
	}
	for _, r := range e.Rows {
		k := keyOfRow(r)
		v.rows[k], v.newRows[k] = r, true
	}
	for _, o := range e.Outcomes {
		v.outcomes[opKey{o.User, o.OpID}] = o
		if o.Seq > 0 {
			v.seqs[seqKey{o.Device, o.Seq}] = o.OpID
		}
	}
	for _, l := range e.Links {
		v.prints[l.Mark] = l.Fingerprint
	}
	for _, l := range e.Leaves {
		at := Leaf{Crew: l.Crew, No: l.No}
		v.leaves[at] = v.leaves[at].Plus(l.Digest)
	}
}

// Heads are the crews and leaves as all steps leave them, each once: crews by
// name, leaves by crew and number.
func (v *View) Heads() (e Effects) {
	for _, name := range slices.Sorted(maps.Keys(v.newCrews)) {
		e.Crews = append(e.Crews, v.crews[name])
	}
	for at, change := range v.leaves {
		if at.Digest = change; change != (op.Digest{}) {
			e.Leaves = append(e.Leaves, at)
		}
	}
	slices.SortFunc(e.Leaves, func(a, b Leaf) int { return cmp.Or(cmp.Compare(a.Crew, b.Crew), cmp.Compare(a.No, b.No)) })
	return e
}

// Rows are those that steps changed as all of them leave them, each once, by crew
// and version.
func (v *View) Rows() (out []Row) {
	for k := range v.newRows {
		out = append(out, v.rows[k])
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Crew, b.Crew), cmp.Compare(a.Version, b.Version)) })
	return out
}

// Freed are those of rows about to be written whose tasks may hold, in the
// database, a ref that they give up: it must be let go of there before another
// task takes it, which may be one of the same rows.
func (v *View) Freed(rows []Row) (out []Row) {
	for _, r := range rows {
		k := keyOfRow(r)
		if ref, known := v.refs[k]; r.Kind == op.Task && (!known || ref != "" && ref != r.Ref) {
			out = append(out, r)
		}
		v.refs[k] = r.Ref
	}
	return out
}

// maxSteps and maxOps bound a portion, so that what it holds fits in memory.
const (
	maxSteps = 256
	maxOps   = 4000
)

// Portion takes the next steps that are decided together; none is the end.
func Portion(next func() (Step, bool)) (list []Step) {
	for ops := 0; len(list) < maxSteps && ops < maxOps; {
		step, ok := next()
		if !ok {
			break
		}
		list = append(list, step)
		ops += len(step.Needs.OpIDs) + len(step.Needs.Records)
	}
	return list
}
