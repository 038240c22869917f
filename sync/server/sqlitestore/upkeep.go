package sqlitestore

import (
	"context"
	"database/sql"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// Leaves reads how a crew stands, and its leaves as they are kept.
func (s *Store) Leaves(ctx context.Context, crew string) (c server.Crew, tally op.Tally, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		if c, err = head(t, crew); err != nil {
			return err
		}
		tally, err = kept(t, crew)
		return err
	})
	return c, tally, err
}

// head reads one crew; sql.ErrNoRows when there is none.
func head(t *sqlite.Tx, name string) (c server.Crew, err error) {
	var sum []byte
	err = t.Scan(append(crewFields(&c), &sum), `SELECT `+crewColumns+` FROM crews WHERE name = ?`, name)
	copy(c.Digest.Sum[:], sum)
	return c, err
}

func kept(t *sqlite.Tx, crew string) (tally op.Tally, err error) {
	err = each(t, func(r *sql.Rows) error {
		var leaf uint8
		var d op.Digest
		var sum []byte
		err := r.Scan(&leaf, &d.Count, &sum)
		copy(d.Sum[:], sum)
		tally[leaf] = d
		return err
	}, `SELECT leaf, count, sum FROM leaves WHERE crew = ?`, crew)
	return tally, err
}

// Leaf reads the rows of one leaf that count.
func (s *Store) Leaf(ctx context.Context, crew string, leaf uint8, limit int) (c server.Crew, out []server.Row, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		if c, err = head(t, crew); err != nil {
			return err
		}
		return each(t, func(r *sql.Rows) error {
			row, err := scanRow(r)
			out = append(out, row)
			return err
		}, `SELECT `+columns+` FROM records AS r WHERE r.crew = ? AND substr(r.id, -2) = ? AND NOT (r.deleted OR r.gone) ORDER BY r.kind, r.id LIMIT ?`,
			crew, op.LeafName(leaf), limit)
	})
	return c, out, err
}

// addLeaves lays changes over the leaves of crews.
func addLeaves(t *sqlite.Tx, changes []server.Leaf) error {
	for _, l := range changes {
		d, sum := op.Digest{}, []byte{}
		err := each(t, func(r *sql.Rows) error { return r.Scan(&d.Count, &sum) }, `SELECT count, sum FROM leaves WHERE crew = ? AND leaf = ?`, l.Crew, l.No)
		if err != nil {
			return err
		}
		copy(d.Sum[:], sum)
		if err := putLeaf(t, l.Crew, l.No, d.Plus(l.Digest)); err != nil {
			return err
		}
	}
	return nil
}

func putLeaf(t *sqlite.Tx, crew string, leaf uint8, d op.Digest) error {
	_, err := t.Exec(`INSERT INTO leaves (crew, leaf, count, sum) VALUES (?, ?, ?, ?)
		ON CONFLICT (crew, leaf) DO UPDATE SET count = excluded.count, sum = excluded.sum`, crew, leaf, d.Count, d.Sum[:])
	return err
}

// Recount brings the leaves of a crew to what its rows come to.
func (s *Store) Recount(ctx context.Context, crew string) (changed bool, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		_, changed, err = miscounted(t, crew)
		return err
	})
	if err != nil || !changed {
		return false, err
	}
	err = s.write(ctx, func(t *sqlite.Tx) (err error) {
		changed, err = recount(t, crew)
		return err
	})
	return changed, err
}

// miscounted counts the rows of a crew and tells whether they come to something
// else than what is kept.
func miscounted(t *sqlite.Tx, crew string) (tally op.Tally, differs bool, err error) {
	c, err := head(t, crew)
	if err != nil {
		return tally, false, err
	}
	err = each(t, func(r *sql.Rows) error {
		row, err := scanRow(r)
		if err != nil {
			return err
		}
		return server.Count(&tally, row)
	}, `SELECT `+columns+` FROM records AS r WHERE r.crew = ? AND NOT (r.deleted OR r.gone)`, crew)
	if err != nil {
		return tally, false, err
	}
	old, err := kept(t, crew)
	return tally, old != tally || c.Digest != tally.Total(), err
}

func recount(t *sqlite.Tx, crew string) (bool, error) {
	tally, changed, err := miscounted(t, crew)
	if err != nil || !changed {
		return false, err
	}
	for leaf, d := range tally {
		if err := putLeaf(t, crew, uint8(leaf), d); err != nil {
			return false, err
		}
	}
	total := tally.Total()
	_, err = t.Exec(`UPDATE crews SET count = ?, sum = ? WHERE name = ?`, total.Count, total.Sum[:], crew)
	return true, err
}

// countOld counts the crews of a file from before there were digests.
func (s *Store) countOld(ctx context.Context) error {
	var old bool
	err := s.read(ctx, func(t *sqlite.Tx) error {
		return t.Scan([]any{&old}, `SELECT EXISTS (SELECT 1 FROM crews WHERE sum IS NULL)`)
	})
	if err != nil || !old {
		return err
	}
	return s.write(ctx, func(t *sqlite.Tx) error {
		var crews []string
		err := each(t, func(r *sql.Rows) error {
			var name string
			err := r.Scan(&name)
			crews = append(crews, name)
			return err
		}, `SELECT name FROM crews WHERE sum IS NULL ORDER BY name`)
		if err != nil {
			return err
		}
		for _, name := range crews {
			if _, err := t.Exec(`UPDATE crews SET sum = zeroblob(32) WHERE name = ?`, name); err != nil {
				return err
			}
			if _, err := recount(t, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Forget drops rows of deleted records, and of such as left.
func (s *Store) Forget(ctx context.Context, f server.Forget) (n int, err error) {
	err = s.write(ctx, func(t *sqlite.Tx) error {
		var upto int64
		const some = `SELECT crew, kind, id, version, deleted FROM records WHERE crew = ?1 AND (deleted OR gone) AND (version <= ?2 OR at < ?3) ORDER BY version LIMIT ?4`
		args := []any{f.Crew, f.Passed, f.Before, f.Limit}
		if err := t.Scan([]any{&n, &upto}, `SELECT count(*), coalesce(max(version), 0) FROM (`+some+`)`, args...); err != nil || n == 0 {
			return err
		}
		for _, statement := range []string{
			`INSERT INTO forgotten (crew, kind, id) SELECT crew, kind, id FROM (` + some + `) WHERE deleted ON CONFLICT DO NOTHING`,
			`DELETE FROM records WHERE (crew, kind, id) IN (SELECT crew, kind, id FROM (` + some + `))`,
		} {
			if _, err := t.Exec(statement, args...); err != nil {
				return err
			}
		}
		_, err := t.Exec(`UPDATE crews SET horizon = max(horizon, ?) WHERE name = ?`, upto, f.Crew)
		return err
	})
	return n, err
}
