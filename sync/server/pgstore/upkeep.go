package pgstore

import (
	"context"
	"encoding/binary"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// words are a sum as four numbers, as leaves keep it.
func words(s op.Sum) (w [4]int64) {
	for i := range w {
		w[i] = int64(binary.BigEndian.Uint64(s[8*i:]))
	}
	return w
}

func sumOf(w [4]int64) (s op.Sum) {
	for i, x := range w {
		binary.BigEndian.PutUint64(s[8*i:], uint64(x))
	}
	return s
}

// storeLeaves lays changes over the leaves: the database adds and lays over by
// itself, so that nothing has to be read before.
func (t *transaction) storeLeaves(changes []server.Leaf) {
	if len(changes) == 0 {
		return
	}
	var crews []string
	var nos, counts []int64
	var sums [4][]int64
	for _, l := range changes {
		crews, nos, counts = append(crews, l.Crew), append(nos, int64(l.No)), append(counts, l.Count)
		for i, w := range words(l.Sum) {
			sums[i] = append(sums[i], w)
		}
	}
	t.queue(`INSERT INTO leaves (crew, leaf, count, sum0, sum1, sum2, sum3) SELECT crew, leaf, count, sum0, sum1, sum2, sum3
		FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) AS w (crew, leaf, count, sum0, sum1, sum2, sum3)
		ON CONFLICT (crew, leaf) DO UPDATE SET count = leaves.count + excluded.count, sum0 = leaves.sum0 # excluded.sum0,
		sum1 = leaves.sum1 # excluded.sum1, sum2 = leaves.sum2 # excluded.sum2, sum3 = leaves.sum3 # excluded.sum3`,
		crews, nos, counts, sums[0], sums[1], sums[2], sums[3])
}

// Leaves reads how a crew stands, and its leaves as they are kept.
func (s *Store) Leaves(ctx context.Context, crew string) (server.Crew, op.Tally, error) {
	r := newReads()
	var h head
	var tally op.Tally
	h.queue(r.Queue, crew, ``)
	queueKept(r.Queue, crew, &tally)
	if err := s.read(ctx, r); err != nil {
		return server.Crew{}, op.Tally{}, err
	}
	return h.crew, tally, h.known()
}

// head is one crew, if it is there.
type head struct {
	crew  server.Crew
	there bool
}

type queuer func(string, ...any) *pgx.QueuedQuery

func (h *head) queue(queue queuer, crew, lock string) {
	queue(`SELECT `+crewColumns+` FROM crews WHERE name = $1`+lock, crew).Query(each(func(rows pgx.Rows) (err error) {
		h.there = true
		h.crew, err = scanCrew(rows)
		return err
	}))
}

func (h *head) known() error {
	if !h.there {
		return server.ErrUnknown
	}
	return nil
}

func queueKept(queue queuer, crew string, tally *op.Tally) {
	queue(`SELECT leaf, count, sum0, sum1, sum2, sum3 FROM leaves WHERE crew = $1`, crew).Query(each(func(rows pgx.Rows) error {
		var leaf uint8
		var count int64
		var w [4]int64
		err := rows.Scan(&leaf, &count, &w[0], &w[1], &w[2], &w[3])
		tally[leaf] = op.Digest{Count: count, Sum: sumOf(w)}
		return err
	}))
}

// Leaf reads the rows of one leaf that count.
func (s *Store) Leaf(ctx context.Context, crew string, leaf uint8, limit int) (server.Crew, []server.Row, error) {
	r := newReads()
	var h head
	var out []server.Row
	h.queue(r.Queue, crew, ``)
	r.Queue(`SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND right(r.id, 2) = $2 AND NOT (r.deleted OR r.gone) ORDER BY r.kind, r.id LIMIT $3`,
		crew, op.LeafName(leaf), limit).Query(each(func(rows pgx.Rows) error {
		row, err := scanRow(rows)
		out = append(out, row)
		return err
	}))
	if err := s.read(ctx, r); err != nil {
		return server.Crew{}, nil, err
	}
	return h.crew, out, h.known()
}

// Forget drops rows of deleted records, and of such as left. The crew is locked
// as by a write: an INSERT of such a record is before it or after it.
func (s *Store) Forget(ctx context.Context, f server.Forget) (n int, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		n = 0
		var kinds, ids []string
		var upto int64
		if _, err := tx.Exec(ctx, `SELECT name FROM crews WHERE name = $1 FOR UPDATE`, f.Crew); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT kind, id, version FROM records WHERE crew = $1 AND (deleted OR gone) AND (version <= $2 OR at < $3) ORDER BY version LIMIT $4`,
			f.Crew, f.Passed, f.Before, f.Limit)
		if err != nil {
			return err
		}
		err = each(func(rows pgx.Rows) error {
			var kind, id string
			err := rows.Scan(&kind, &id, &upto)
			kinds, ids = append(kinds, kind), append(ids, id)
			return err
		})(rows)
		if err != nil || len(ids) == 0 {
			return err
		}
		n = len(ids)
		_, err = tx.Exec(ctx, `INSERT INTO forgotten (crew, kind, id) SELECT r.crew, r.kind, r.id FROM unnest($2::text[], $3::text[]) AS w (kind, id)
			JOIN records AS r ON r.crew = $1 AND r.kind = w.kind AND r.id = w.id WHERE r.deleted ON CONFLICT (crew, kind, id) DO NOTHING`, f.Crew, kinds, ids)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM records AS r USING unnest($2::text[], $3::text[]) AS w (kind, id) WHERE r.crew = $1 AND r.kind = w.kind AND r.id = w.id`, f.Crew, kinds, ids)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE crews SET horizon = greatest(horizon, $2) WHERE name = $1`, f.Crew, upto)
		return err
	})
	return n, err
}
