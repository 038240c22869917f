package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// recountPage is how many rows are counted in one round trip: however many a crew
// has, no statement takes long.
var recountPage = 5000

// Recount brings the leaves of a crew to what its rows come to. It looks first,
// page by page in one snapshot and without a lock; then each leaf that is wrong is
// counted anew under the crew's lock, in a transaction of its own.
func (s *Store) Recount(ctx context.Context, crew string) (changed bool, err error) {
	wrong, err := s.miscounted(ctx, crew)
	for _, leaf := range wrong {
		if err != nil {
			break
		}
		var did bool
		did, err = s.recountLeaf(ctx, crew, leaf)
		changed = changed || did
	}
	return changed, err
}

// miscounted lists the leaves that are not what their rows come to; one that is,
// where only the crew's total is wrong.
func (s *Store) miscounted(ctx context.Context, crew string) (wrong []uint8, err error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fold(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it only read
	var h head
	var kept, real op.Tally
	b := &pgx.Batch{}
	h.queue(b.Queue, crew, ``)
	queueKept(b.Queue, crew, &kept)
	if err := sendIn(ctx, tx, b); err != nil {
		return nil, err
	}
	if err := h.known(); err != nil {
		return nil, err
	}
	for kind, id, n := "", "", recountPage; n == recountPage; {
		n = 0
		b := &pgx.Batch{}
		b.Queue(`SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND (r.kind, r.id) > ($2, $3) ORDER BY r.kind, r.id LIMIT $4`, crew, kind, id, recountPage).
			Query(each(func(rows pgx.Rows) error {
				row, err := scanRow(rows)
				if err != nil {
					return err
				}
				kind, id, n = string(row.Kind), row.ID, n+1
				if row.Deleted || row.Gone {
					return nil
				}
				return server.Count(&real, row)
			}))
		if err := sendIn(ctx, tx, b); err != nil {
			return nil, err
		}
	}
	for leaf := range kept {
		if kept[leaf] != real[leaf] {
			wrong = append(wrong, uint8(leaf))
		}
	}
	if len(wrong) == 0 && h.crew.Digest != real.Total() {
		wrong = []uint8{0}
	}
	return wrong, nil
}

// sendIn is one round trip within a transaction.
func sendIn(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	return fold(tx.SendBatch(ctx, b).Close())
}

// recountLeaf counts one leaf under the crew's lock, and puts it and the crew's
// total right.
func (s *Store) recountLeaf(ctx context.Context, crew string, leaf uint8) (changed bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		changed = false
		var h head
		var kept, real op.Tally
		b := &pgx.Batch{}
		h.queue(b.Queue, crew, ` FOR UPDATE`)
		queueKept(b.Queue, crew, &kept)
		b.Queue(`SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND right(r.id, 2) = $2 AND NOT (r.deleted OR r.gone)`, crew, op.LeafName(leaf)).
			Query(each(func(rows pgx.Rows) error {
				row, err := scanRow(rows)
				if err != nil {
					return err
				}
				return server.Count(&real, row)
			}))
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		if err := h.known(); err != nil {
			return err
		}
		wrong := kept[leaf] != real[leaf]
		kept[leaf] = real[leaf]
		total := kept.Total()
		if changed = wrong || h.crew.Digest != total; !changed {
			return nil
		}
		w := words(real[leaf].Sum)
		_, err := tx.Exec(ctx, `INSERT INTO leaves (crew, leaf, count, sum0, sum1, sum2, sum3) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (crew, leaf) DO UPDATE SET count = excluded.count, sum0 = excluded.sum0, sum1 = excluded.sum1, sum2 = excluded.sum2, sum3 = excluded.sum3`,
			crew, int64(leaf), real[leaf].Count, w[0], w[1], w[2], w[3])
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE crews SET count = $2, sum = $3 WHERE name = $1`, crew, total.Count, total.Sum[:])
		return err
	})
	return changed && err == nil, err
}
