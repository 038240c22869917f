package localdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// A laptop that has heard all up to a version holds, beneath its unsent work,
// what the server holds at that version. Both count what that comes to, leaf by
// leaf, and compare:
//
//	records, server_records ──trigger──► stale ──count──► leaves ══ server's
//	                                                         │ differs
//	                         Mend, that leaf alone ◄─────┘

// countRows is how many records are counted at a time, so that after a long pull
// no round takes long for it. The rest stays stale for the next one.
const countRows = 8000

// lookEvery is how often, ms, one more leaf that is not stale is counted anew:
// triggers see what is written, not what decays. All are read in a few hours.
const lookEvery = 60_000

// Compare holds what this laptop was told against what the last page of a pull
// says that the crews come to. It returns the crews that differ; done is false
// where there was too much to count for now, which whole rules out.
func (db *DB) Compare(ctx context.Context, page wire.Changes, whole bool) (differ []string, done bool, err error) {
	if err := db.count(ctx, whole); err != nil {
		return nil, false, err
	}
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		differ, done = nil, false
		var stale, rebasing bool
		var cursor string
		if err := tx.Scan([]any{&stale, &rebasing, &cursor}, "SELECT EXISTS (SELECT 1 FROM stale), rebasing, cursor FROM device"); err != nil {
			return err
		}
		if stale || rebasing || cursor != page.Cursor {
			return nil
		}
		done = true
		totals := map[string]op.Digest{}
		err := eachLeaf(tx, func(crew, _ string, d op.Digest) { totals[crew] = totals[crew].Plus(d) }, "SELECT crew, leaf, count, sum FROM leaves")
		for _, crew := range slices.Sorted(maps.Keys(page.Digest)) {
			if totals[crew] != page.Digest[crew].Digest {
				differ = append(differ, crew)
			}
		}
		return err
	})
	if err == nil && done && len(differ) == 0 {
		err = db.lookOnce(ctx)
	}
	return differ, done, err
}

// Differing lists the leaves of a crew that are not what the server says.
func (db *DB) Differing(ctx context.Context, d wire.Digest) (out []string, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		mine, err := leavesOf(tx, d.Crew)
		out = differing(mine, d)
		return err
	})
	return out, err
}

func leavesOf(tx *sqlite.Tx, crew string) (map[string]op.Digest, error) {
	out := map[string]op.Digest{}
	return out, eachLeaf(tx, func(_, leaf string, d op.Digest) { out[leaf] = d }, "SELECT crew, leaf, count, sum FROM leaves WHERE crew = ?", crew)
}

// differing compares leaves with the server's; one that no server has, of an id
// that is no UUID, differs too.
func differing(mine map[string]op.Digest, d wire.Digest) (out []string) {
	left := maps.Clone(mine)
	for i, sum := range d.Leaves {
		leaf := op.LeafName(uint8(i))
		if mine[leaf].Sum != sum {
			out = append(out, leaf)
		}
		delete(left, leaf)
	}
	return append(out, slices.Sorted(maps.Keys(left))...)
}

func eachLeaf(tx *sqlite.Tx, do func(crew, leaf string, d op.Digest), query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var crew, leaf string
		var d op.Digest
		var sum []byte
		if err := rows.Scan(&crew, &leaf, &d.Count, &sum); err != nil {
			return err
		}
		copy(d.Sum[:], sum)
		do(crew, leaf, d)
	}
	return rows.Err()
}

// count counts stale leaves again: all of them, or as many as hold countRows. No
// transaction takes more than those: whoever saves something meanwhile does not
// wait for the whole database.
func (db *DB) count(ctx context.Context, all bool) error {
	for {
		var stale []string
		err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
			stale, err = collectAll(tx, "SELECT leaf FROM stale ORDER BY leaf")
			return err
		})
		if err != nil || len(stale) == 0 {
			return err
		}
		if err := db.countSome(ctx, stale); err != nil || !all {
			return err
		}
	}
}

func (db *DB) countSome(ctx context.Context, stale []string) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		rows := int64(0)
		for _, leaf := range stale {
			if rows >= countRows {
				return nil
			}
			n, err := recount(tx, leaf)
			if err != nil {
				return fmt.Errorf("count leaf %s: %w", leaf, err)
			}
			rows += n
		}
		return nil
	})
}

// recount brings one leaf of every crew to what its records come to.
func recount(tx *sqlite.Tx, leaf string) (rows int64, err error) {
	if err := mendViews(tx, leaf); err != nil {
		return 0, err
	}
	now, err := tally(tx, leaf)
	if err != nil {
		return 0, err
	}
	for _, statement := range []string{"DELETE FROM leaves WHERE leaf = ?", "DELETE FROM stale WHERE leaf = ?"} {
		if _, err := tx.Exec(statement, leaf); err != nil {
			return 0, err
		}
	}
	for crew, d := range now {
		if _, err := tx.Exec("INSERT INTO leaves (crew, leaf, count, sum) VALUES (?, ?, ?, ?)", crew, leaf, d.Count, d.Sum[:]); err != nil {
			return 0, err
		}
		rows += d.Count
	}
	return rows, nil
}

// mendViews makes the rows of a leaf that have unsent changes what they are made
// of again, where they are not: nothing but this laptop can know.
func mendViews(tx *sqlite.Tx, leaf string) error {
	rows, err := tx.Query("SELECT entity_type, entity_id FROM server_records WHERE substr(entity_id, -2) = ? AND "+hasUnsent+"entity_id)", leaf)
	if err != nil {
		return err
	}
	defer rows.Close()
	var refs []recordRef
	for rows.Next() {
		var ref recordRef
		if err := rows.Scan(&ref.kind, &ref.id); err != nil {
			return err
		}
		refs = append(refs, ref)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, ref := range refs {
		if right, err := viewIsRight(tx, ref); err != nil || right {
			if err != nil {
				return err
			}
			continue
		}
		if err := rebuild(tx, ref.kind, ref.id); err != nil {
			return err
		}
	}
	return nil
}

func viewIsRight(tx *sqlite.Tx, ref recordRef) (bool, error) {
	made, err := serverRecord(tx, ref.kind, ref.id)
	if err != nil {
		return false, err
	}
	if _, _, err := replay(tx, &made); err != nil {
		return false, err
	}
	row, err := loadRecord(tx, ref.kind, ref.id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return op.SumOf(ref.kind, stateOf(row)) == op.SumOf(ref.kind, stateOf(made)), err
}

// tally is what a leaf comes to, by crew.
func tally(tx *sqlite.Tx, leaf string) (map[string]op.Digest, error) {
	out := map[string]op.Digest{}
	return out, told(tx, leaf, func(r Record) { out[r.Crew] = out[r.Crew].With(op.SumOf(r.Kind, stateOf(r))) })
}

// hasUnsent tells whether a record of a kind has changes in the queue: then the
// server's word on it stands in server_records.
const hasUnsent = "EXISTS (SELECT 1 FROM sync_queue q WHERE q.entity_id = "

// told visits the records of a leaf as the server told them, those that it holds.
func told(tx *sqlite.Tx, leaf string, visit func(Record)) error {
	for _, kind := range op.Kinds {
		recs, err := loadRecords(tx, kind, "AS r WHERE substr(id, -2) = ? AND version > 0 AND deleted = 0"+
			" AND NOT ("+hasUnsent+"r.id) AND EXISTS (SELECT 1 FROM server_records s WHERE s.entity_type = ? AND s.entity_id = r.id))", leaf, kind)
		if err != nil {
			return err
		}
		for _, r := range recs {
			visit(r)
		}
	}
	rows, err := tx.Query("SELECT entity_type, state FROM server_records WHERE substr(entity_id, -2) = ? AND "+hasUnsent+"entity_id)", leaf)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind op.Kind
		var text string
		if err := rows.Scan(&kind, &text); err != nil {
			return err
		}
		state, err := op.ParseFields(text)
		if err != nil {
			return err
		}
		if r := readState(kind, state); r.Version > 0 && !r.Deleted {
			visit(r)
		}
	}
	return rows.Err()
}

// lookOnce counts one more leaf, now and then, and makes it stale where that
// comes to something else than what is kept.
func (db *DB) lookOnce(ctx context.Context) error {
	now := db.clock().Boot
	last := db.looked.Load()
	if last != 0 && now-last < lookEvery && now >= last || !db.looked.CompareAndSwap(last, max(now, 1)) {
		return nil
	}
	decayed, err := db.decayed(ctx, op.LeafName(uint8(db.look.Add(1))))
	if err != nil || len(decayed) == 0 {
		return err
	}
	return db.makeStale(ctx, decayed)
}

// decayed lists those leaves that are not what is kept of them, though nothing
// was written.
func (db *DB) decayed(ctx context.Context, leaves ...string) (out []string, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		out = nil
		for _, leaf := range leaves {
			kept := map[string]op.Digest{}
			if err := eachLeaf(tx, func(crew, _ string, d op.Digest) { kept[crew] = d }, "SELECT crew, leaf, count, sum FROM leaves WHERE leaf = ?", leaf); err != nil {
				return err
			}
			now, err := tally(tx, leaf)
			if err != nil {
				return err
			}
			if !maps.Equal(kept, now) {
				out = append(out, leaf)
			}
		}
		return nil
	})
	return out, err
}

func (db *DB) makeStale(ctx context.Context, leaves []string) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		for _, leaf := range leaves {
			if _, err := tx.Exec("INSERT INTO stale (leaf) VALUES (?) ON CONFLICT DO NOTHING", leaf); err != nil {
				return err
			}
		}
		return nil
	})
}

// CountAnew counts every leaf, whatever is kept of it: for a person who wants to
// be sure of what is on the disk.
func (db *DB) CountAnew(ctx context.Context) error {
	var known []string
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		known, err = collectAll(tx, "SELECT DISTINCT leaf FROM leaves")
		return err
	})
	if err != nil {
		return err
	}
	for i := range op.Leaves {
		known = append(known, op.LeafName(uint8(i)))
	}
	slices.Sort(known)
	decayed, err := db.decayed(ctx, slices.Compact(known)...)
	if err != nil || len(decayed) == 0 {
		return err
	}
	return db.makeStale(ctx, decayed)
}

// Digests is what this laptop was told of each crew, as it was counted last.
func (db *DB) Digests(ctx context.Context) (out map[string]op.Digest, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		out = map[string]op.Digest{}
		return eachLeaf(tx, func(crew, _ string, d op.Digest) { out[crew] = out[crew].Plus(d) }, "SELECT crew, leaf, count, sum FROM leaves")
	})
	return out, err
}
