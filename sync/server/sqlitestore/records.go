package sqlitestore

import (
	"context"
	"database/sql"
	"iter"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

// Write does the steps in one transaction, portion by portion. BEGIN IMMEDIATE
// locks every crew at once, so there is no order of locks to keep.
func (s *Store) Write(ctx context.Context, steps iter.Seq[server.Step]) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		next, stop := iter.Pull(steps)
		defer stop()
		for {
			list := server.Portion(next)
			if len(list) == 0 {
				return nil
			}
			if err := do(t, list); err != nil {
				return err
			}
		}
	})
}

// do decides a portion and writes what follows.
func do(t *sqlite.Tx, list []server.Step) error {
	seen, w := server.NewView(), writer{t: t}
	if len(list) > 1 {
		w.start()
	}
	defer w.wait()
	err := seen.Decide(list, func(asked *server.Asked) error {
		if err := w.idle(); err != nil {
			return err
		}
		return load(t, asked, seen)
	}, func(e server.Effects) error {
		return w.put(job{effects: e, freed: seen.Freed(e.Rows)})
	})
	if err == nil {
		err = w.wait()
	}
	if err != nil {
		return err
	}
	return storeHeads(t, seen.Heads())
}

// Load reads what is needed from one snapshot.
func (s *Store) Load(ctx context.Context, needs server.Needs) (server.Loaded, error) {
	seen := server.NewView()
	err := s.read(ctx, func(t *sqlite.Tx) error { return load(t, server.Ask(needs), seen) })
	return seen.Loaded(needs), err
}

// load reads what is asked into the view. Each query takes a list and looks for
// what is in it one by one: CROSS JOIN keeps SQLite from turning that round.
func load(t *sqlite.Tx, asked *server.Asked, seen *server.View) error {
	for _, c := range asked.Crews {
		if err := loadCrew(t, c, seen); err != nil {
			return err
		}
	}
	for crew, versions := range asked.Marks {
		err := each(t, func(r *sql.Rows) error {
			m := server.Mark{Crew: crew}
			var print string
			err := r.Scan(&m.Version, &print)
			seen.FoundPrint(m, print)
			return err
		}, `SELECT c.version, c.fingerprint FROM json_each(?2) AS w CROSS JOIN chain AS c ON c.crew = ?1 AND c.version = w.value`, crew, list(versions))
		if err != nil {
			return err
		}
	}
	for user, ids := range asked.Outcomes {
		err := each(t, func(r *sql.Rows) error {
			var o server.Outcome
			err := r.Scan(&o.User, &o.OpID, &o.Device, &o.Seq, &o.Crew, &o.Version, &o.Kind, &o.Entity, &o.At, &o.Result, &o.State)
			seen.FoundOutcome(o)
			return err
		}, `SELECT o.user, o.op_id, o.device, o.seq, o.crew, o.version, o.kind, o.entity, o.at, o.result, o.state
			FROM json_each(?2) AS w CROSS JOIN outcomes AS o ON o.user = ?1 AND o.op_id = w.value`, user, list(ids))
		if err != nil {
			return err
		}
	}
	for of, seqs := range asked.Seqs {
		err := each(t, func(r *sql.Rows) error {
			var seq int64
			var id string
			err := r.Scan(&seq, &id)
			seen.FoundSeq(of.Device, seq, id)
			return err
		}, `SELECT o.seq, o.op_id FROM json_each(?2) AS w CROSS JOIN outcomes AS o ON o.device = ?1 AND o.seq = w.value WHERE o.seq > 0`, of.Device, list(seqs))
		if err != nil {
			return err
		}
	}
	return nil
}

const columns = `r.crew, r.kind, r.id, r.version, r.deleted, r.gone, r.task_id, r.ref, r.number, r.fields, r.registers, r.at`

func scanRow(rows *sql.Rows) (r server.Row, err error) {
	err = rows.Scan(&r.Crew, &r.Kind, &r.ID, &r.Version, &r.Deleted, &r.Gone, &r.TaskID, &r.Ref, &r.Number, &r.Fields, &r.Registers, &r.At)
	return r, err
}

func loadCrew(t *sqlite.Tx, asked server.AskedCrew, seen *server.View) error {
	err := each(t, func(r *sql.Rows) error {
		c, err := scanCrew(r)
		seen.FoundCrew(c)
		return err
	}, `SELECT `+crewColumns+` FROM crews WHERE name = ?`, asked.Name)
	if err != nil {
		return err
	}
	row := func(rows *sql.Rows) error {
		r, err := scanRow(rows)
		seen.FoundRow(r)
		return err
	}
	for kind, ids := range asked.Records {
		ids := list(ids)
		err := each(t, row, `SELECT `+columns+` FROM json_each(?3) AS w CROSS JOIN records AS r ON r.crew = ?1 AND r.kind = ?2 AND r.id = w.value WHERE NOT r.gone`, asked.Name, kind, ids)
		if err != nil {
			return err
		}
		err = each(t, func(rows *sql.Rows) error {
			ref := server.Ref{Kind: kind}
			err := rows.Scan(&ref.ID)
			seen.FoundForgotten(asked.Name, ref)
			return err
		}, `SELECT f.id FROM json_each(?3) AS w CROSS JOIN forgotten AS f ON f.crew = ?1 AND f.kind = ?2 AND f.id = w.value`, asked.Name, kind, ids)
		if err != nil {
			return err
		}
	}
	if len(asked.Children) > 0 {
		err := each(t, row, `SELECT `+columns+` FROM json_each(?2) AS w CROSS JOIN records AS r ON r.crew = ?1 AND r.task_id = w.value AND r.task_id <> '' WHERE NOT r.gone`,
			asked.Name, list(asked.Children))
		if err != nil {
			return err
		}
	}
	if len(asked.Refs) == 0 {
		return nil
	}
	return each(t, row, `SELECT `+columns+` FROM json_each(?2) AS w CROSS JOIN records AS r ON r.crew = ?1 AND r.ref = w.value AND r.ref <> '' WHERE NOT r.gone`,
		asked.Name, list(asked.Refs))
}

// storeHeads writes how crews and leaves stand after a portion.
func storeHeads(t *sqlite.Tx, e server.Effects) error {
	for _, c := range e.Crews {
		_, err := t.Exec(`UPDATE crews SET version = ?, number = ?, fingerprint = ?, entries = ?, seal = ?, count = ?, sum = ? WHERE name = ?`,
			c.Version, c.Number, c.Fingerprint, c.Entries, c.Seal, c.Digest.Count, c.Digest.Sum[:], c.Name)
		if err != nil {
			return err
		}
	}
	return addLeaves(t, e.Leaves)
}

// store writes what a step decided.
func store(t *sqlite.Tx, e server.Effects, freed []server.Row) error {
	for _, l := range e.Links {
		if _, err := t.Exec(`INSERT INTO chain (crew, version, fingerprint) VALUES (?, ?, ?)`, l.Crew, l.Version, l.Fingerprint); err != nil {
			return err
		}
	}
	if err := storeRows(t, e.Rows, freed); err != nil {
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
func storeRows(t *sqlite.Tx, rows, freed []server.Row) error {
	for _, r := range freed {
		_, err := t.Exec(`UPDATE records SET ref = '' WHERE crew = ? AND kind = ? AND id = ? AND ref <> ''`, r.Crew, r.Kind, r.ID)
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
