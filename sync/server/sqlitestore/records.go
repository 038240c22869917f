package sqlitestore

import (
	"context"
	"database/sql"
	"iter"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// Write does the steps in one transaction. BEGIN IMMEDIATE locks every crew at
// once, so there is no order of locks to keep.
func (s *Store) Write(ctx context.Context, steps iter.Seq[server.Step]) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		for step := range steps {
			if err := do(t, step); err != nil {
				return err
			}
		}
		return nil
	})
}

func do(t *sqlite.Tx, step server.Step) error {
	needs := step.Needs
	for {
		loaded, err := load(t, needs)
		if err != nil {
			return err
		}
		effects, more, err := step.Decide(needs, loaded)
		if err != nil {
			return err
		}
		if more.Empty() {
			return store(t, effects)
		}
		needs = needs.Add(more)
	}
}

// Load reads what is needed from one snapshot.
func (s *Store) Load(ctx context.Context, needs server.Needs) (loaded server.Loaded, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		loaded, err = load(t, needs)
		return err
	})
	return loaded, err
}

func load(t *sqlite.Tx, n server.Needs) (server.Loaded, error) {
	l := server.Loaded{Crews: map[string]server.Crew{}, Outcomes: map[string]server.Outcome{}, Seqs: map[int64]string{}, Forgotten: map[server.Ref]bool{}}
	crews := list(n.Crews)
	err := each(t, func(r *sql.Rows) error {
		c, err := scanCrew(r)
		l.Crews[c.Name] = c
		return err
	}, `SELECT `+crewColumns+` FROM crews WHERE name IN (SELECT value FROM json_each(?))`, crews)
	if err != nil {
		return l, err
	}
	if l.Fingerprints, err = fingerprints(t, n.Marks); err != nil {
		return l, err
	}
	if err := loadOutcomes(t, n, &l); err != nil {
		return l, err
	}
	return l, loadRows(t, n, crews, &l)
}

func loadOutcomes(t *sqlite.Tx, n server.Needs, l *server.Loaded) error {
	if len(n.OpIDs) > 0 {
		err := each(t, func(r *sql.Rows) error {
			var o server.Outcome
			err := r.Scan(&o.User, &o.OpID, &o.Device, &o.Seq, &o.Crew, &o.Version, &o.Kind, &o.Entity, &o.At, &o.Result, &o.State)
			l.Outcomes[o.OpID] = o
			return err
		}, `SELECT user, op_id, device, seq, crew, version, kind, entity, at, result, state FROM outcomes
			WHERE user = ? AND op_id IN (SELECT value FROM json_each(?))`, n.User, list(n.OpIDs))
		if err != nil {
			return err
		}
	}
	if len(n.Seqs) == 0 {
		return nil
	}
	return each(t, func(r *sql.Rows) error {
		var seq int64
		var id string
		err := r.Scan(&seq, &id)
		l.Seqs[seq] = id
		return err
	}, `SELECT seq, op_id FROM outcomes WHERE device = ? AND seq > 0 AND seq IN (SELECT value FROM json_each(?))`, n.Device, list(n.Seqs))
}

const columns = `r.crew, r.kind, r.id, r.version, r.deleted, r.gone, r.task_id, r.ref, r.number, r.fields, r.registers, r.at`

func scanRow(rows *sql.Rows) (r server.Row, err error) {
	err = rows.Scan(&r.Crew, &r.Kind, &r.ID, &r.Version, &r.Deleted, &r.Gone, &r.TaskID, &r.Ref, &r.Number, &r.Fields, &r.Registers, &r.At)
	return r, err
}

// loadRows: CROSS JOIN keeps SQLite from turning the joins round, so that each
// wanted record is one look into an index.
func loadRows(t *sqlite.Tx, n server.Needs, crews string, l *server.Loaded) error {
	seen := map[[3]string]bool{}
	add := func(rows *sql.Rows) error {
		r, err := scanRow(rows)
		if k := [3]string{r.Crew, string(r.Kind), r.ID}; !seen[k] {
			seen[k] = true
			l.Rows = append(l.Rows, r)
		}
		return err
	}
	if len(n.Records) > 0 {
		pairs := make([][2]string, len(n.Records))
		for i, ref := range n.Records {
			pairs[i] = [2]string{string(ref.Kind), ref.ID}
		}
		err := each(t, add, `SELECT `+columns+` FROM json_each(?) AS w CROSS JOIN json_each(?) AS c
			CROSS JOIN records AS r ON r.crew = c.value AND r.kind = w.value ->> 0 AND r.id = w.value ->> 1 WHERE NOT r.gone`, list(pairs), crews)
		if err != nil {
			return err
		}
		err = each(t, func(rows *sql.Rows) error {
			var ref server.Ref
			err := rows.Scan(&ref.Kind, &ref.ID)
			l.Forgotten[ref] = true
			return err
		}, `SELECT f.kind, f.id FROM json_each(?) AS w CROSS JOIN json_each(?) AS c
			CROSS JOIN forgotten AS f ON f.crew = c.value AND f.kind = w.value ->> 0 AND f.id = w.value ->> 1`, list(pairs), crews)
		if err != nil {
			return err
		}
	}
	if len(n.Children) > 0 {
		err := each(t, add, `SELECT `+columns+` FROM json_each(?) AS w CROSS JOIN json_each(?) AS c
			CROSS JOIN records AS r ON r.crew = c.value AND r.task_id = w.value AND r.task_id <> '' WHERE NOT r.gone`, list(n.Children), crews)
		if err != nil {
			return err
		}
	}
	if len(n.Refs) == 0 {
		return nil
	}
	return each(t, add, `SELECT `+columns+` FROM json_each(?) AS w CROSS JOIN json_each(?) AS c
		CROSS JOIN records AS r ON r.crew = c.value AND r.ref = w.value AND r.ref <> '' WHERE NOT r.gone`, list(n.Refs), crews)
}

func store(t *sqlite.Tx, e server.Effects) error {
	for _, c := range e.Crews {
		_, err := t.Exec(`UPDATE crews SET version = ?, number = ?, fingerprint = ?, entries = ?, seal = ?, count = ?, sum = ? WHERE name = ?`,
			c.Version, c.Number, c.Fingerprint, c.Entries, c.Seal, c.Digest.Count, c.Digest.Sum[:], c.Name)
		if err != nil {
			return err
		}
	}
	if err := addLeaves(t, e.Leaves); err != nil {
		return err
	}
	for _, l := range e.Links {
		if _, err := t.Exec(`INSERT INTO chain (crew, version, fingerprint) VALUES (?, ?, ?)`, l.Crew, l.Version, l.Fingerprint); err != nil {
			return err
		}
	}
	if err := storeRows(t, e.Rows); err != nil {
		return err
	}
	for _, o := range e.Outcomes {
		_, err := t.Exec(`INSERT INTO outcomes (user, op_id, device, seq, crew, version, kind, entity, at, result, state)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			o.User, o.OpID, o.Device, o.Seq, o.Crew, o.Version, o.Kind, o.Entity, o.At, o.Result, o.State)
		if err != nil {
			return err
		}
	}
	if err := storeEntries(t, e.Entries); err != nil {
		return err
	}
	for _, c := range e.Conflicts {
		_, err := t.Exec(`INSERT INTO conflicts (crew, version, id, winner, loser, body) VALUES (?, ?, ?, ?, ?, ?)`,
			c.Crew, c.Version, c.ID, c.Winner, c.Loser, c.Body)
		if err != nil {
			return err
		}
	}
	return nil
}

// storeRows first lets go of what is unique and changes hands: a ref may pass
// from one task to another in the same batch.
func storeRows(t *sqlite.Tx, rows []server.Row) error {
	for _, r := range rows {
		if r.Kind != op.Task {
			continue
		}
		_, err := t.Exec(`UPDATE records SET ref = '' WHERE crew = ? AND kind = ? AND id = ? AND ref <> '' AND ref <> ?`, r.Crew, r.Kind, r.ID, r.Ref)
		if err != nil {
			return err
		}
	}
	for _, r := range rows {
		_, err := t.Exec(`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (crew, kind, id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted, gone = excluded.gone,
			task_id = excluded.task_id, ref = excluded.ref, number = excluded.number, fields = excluded.fields, registers = excluded.registers, at = excluded.at`,
			r.Crew, r.Kind, r.ID, r.Version, r.Deleted, r.Gone, r.TaskID, r.Ref, r.Number, r.Fields, r.Registers, r.At)
		if err != nil {
			return err
		}
	}
	return nil
}
