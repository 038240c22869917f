package pgstore

import (
	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// view is what a portion of a write knows: what it read, and over it what its
// steps decided so far. So each step sees what the ones before it wrote, though
// nothing was sent yet.
type view struct {
	crews    map[string]server.Crew
	rows     map[rowKey]server.Row
	outcomes map[opKey]server.Outcome
	seqs     map[placeKey]string
	prints   map[server.Mark]string
	forgot   map[rowKey]bool
	refs     map[rowKey]string // the ref of each row as the database holds it, where it was read
	changed  changes
}

type rowKey struct {
	crew string
	kind op.Kind
	id   string
}

type (
	opKey   struct{ user, id string }
	leafKey struct {
		crew string
		no   uint8
	}
	placeKey struct {
		device string
		seq    int64
	}
)

// changes are what is to be written: of a row or crew the last state only.
type changes struct {
	crews     map[string]bool
	rows      map[rowKey]bool
	outcomes  []server.Outcome
	conflicts []server.ConflictRow
	links     []server.Link
	entries   []server.Entry
	leaves    map[leafKey]op.Digest
}

func newView() *view {
	return &view{crews: map[string]server.Crew{}, rows: map[rowKey]server.Row{}, outcomes: map[opKey]server.Outcome{}, seqs: map[placeKey]string{},
		prints: map[server.Mark]string{}, forgot: map[rowKey]bool{}, refs: map[rowKey]string{},
		changed: changes{crews: map[string]bool{}, rows: map[rowKey]bool{}, leaves: map[leafKey]op.Digest{}}}
}

func keyOf(r server.Row) rowKey { return rowKey{r.Crew, r.Kind, r.ID} }

func (v *view) addCrew(rows pgx.Rows) error {
	c, err := scanCrew(rows)
	if !v.changed.crews[c.Name] {
		v.crews[c.Name] = c
	}
	return err
}

// asked notes what is read now: a row that is not found holds no ref.
func (v *view) asked(q *queryFor) {
	for _, crew := range q.crews {
		for kind, ids := range q.records {
			for _, id := range ids {
				if k := (rowKey{crew, kind, id}); v.refs[k] == "" {
					v.refs[k] = ""
				}
			}
		}
	}
}

// loader takes what was read; what a step decided meanwhile stands over it.
func (v *view) loader() loader {
	return loader{
		row: func(rows pgx.Rows) error {
			r, err := scanRow(rows)
			k := keyOf(r)
			v.refs[k] = r.Ref
			if !v.changed.rows[k] {
				v.rows[k] = r
			}
			return err
		},
		outcome: func(rows pgx.Rows) error {
			o, err := scanOutcome(rows)
			v.outcomes[opKey{o.User, o.OpID}] = o
			return err
		},
		seq: func(rows pgx.Rows) error {
			var device, id []byte
			var seq int64
			err := rows.Scan(&device, &seq, &id)
			v.seqs[placeKey{unpackID(device), seq}] = unpackID(id)
			return err
		},
		mark: func(rows pgx.Rows) error {
			var m server.Mark
			var print []byte
			err := rows.Scan(&m.Crew, &m.Version, &print)
			v.prints[m] = unpackPrint(print)
			return err
		},
		forgotten: func(rows pgx.Rows) error {
			var k rowKey
			err := rows.Scan(&k.crew, &k.kind, &k.id)
			v.forgot[k] = true
			return err
		},
	}
}

// of is what one step asked for.
func (v *view) of(n server.Needs) server.Loaded {
	l := server.Loaded{Crews: map[string]server.Crew{}, Outcomes: map[string]server.Outcome{}, Seqs: map[int64]string{},
		Fingerprints: map[server.Mark]string{}, Forgotten: map[server.Ref]bool{}}
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
		if id, ok := v.seqs[placeKey{n.Device, seq}]; ok {
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
			if v.forgot[rowKey{crew, ref.Kind, ref.ID}] {
				l.Forgotten[ref] = true
			}
		}
	}
	l.Rows = v.rowsOf(n)
	return l
}

func (v *view) rowsOf(n server.Needs) (out []server.Row) {
	taken := map[rowKey]bool{}
	take := func(k rowKey, r server.Row) {
		if !taken[k] && !r.Gone {
			taken[k] = true
			out = append(out, r)
		}
	}
	for _, crew := range n.Crews {
		for _, ref := range n.Records {
			k := rowKey{crew, ref.Kind, ref.ID}
			if r, ok := v.rows[k]; ok {
				take(k, r)
			}
		}
	}
	if len(n.Children)+len(n.Refs) == 0 {
		return out
	}
	crews, tasks, refs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	add(crews, n.Crews)
	add(tasks, n.Children)
	add(refs, n.Refs)
	for k, r := range v.rows {
		if crews[r.Crew] && (r.TaskID != "" && tasks[r.TaskID] || r.Ref != "" && refs[r.Ref]) {
			take(k, r)
		}
	}
	return out
}

// apply puts a step's effects over what is known.
func (v *view) apply(e server.Effects) {
	for _, c := range e.Crews {
		v.crews[c.Name] = c
		v.changed.crews[c.Name] = true
	}
	for _, r := range e.Rows {
		k := keyOf(r)
		v.rows[k] = r
		v.changed.rows[k] = true
	}
	for _, o := range e.Outcomes {
		v.outcomes[opKey{o.User, o.OpID}] = o
		if o.Seq > 0 {
			v.seqs[placeKey{o.Device, o.Seq}] = o.OpID
		}
	}
	for _, l := range e.Links {
		v.prints[l.Mark] = l.Fingerprint
	}
	for _, l := range e.Leaves {
		k := leafKey{l.Crew, l.No}
		v.changed.leaves[k] = v.changed.leaves[k].Plus(l.Digest)
	}
	v.changed.outcomes = append(v.changed.outcomes, e.Outcomes...)
	v.changed.conflicts = append(v.changed.conflicts, e.Conflicts...)
	v.changed.links = append(v.changed.links, e.Links...)
	v.changed.entries = append(v.changed.entries, e.Entries...)
}
