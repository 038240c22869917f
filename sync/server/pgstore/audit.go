package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// Log appends entries to the server's own chain.
func (s *Store) Log(ctx context.Context, entries ...server.Entry) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error { return logged(ctx, tx, entries) })
}

// logged appends to the server's own chain, whose end is a setting: its row is
// what servers that log at once wait for.
func logged(ctx context.Context, tx pgx.Tx, entries []server.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	text, err := lockSetting(ctx, tx, server.AuditEnd)
	if err != nil {
		return err
	}
	no, seal := server.ReadEnd(text)
	sealed := make([]server.Entry, 0, len(entries))
	for _, e := range entries {
		e = e.Follow(no, seal)
		no, seal = e.No, e.Seal
		sealed = append(sealed, e)
	}
	sql, args := insertEntries(sealed)
	if _, err := tx.Exec(ctx, sql, args...); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE settings SET value = $2 WHERE name = $1`, server.AuditEnd, server.WriteEnd(no, seal))
	return err
}

func insertEntries(list []server.Entry) (sql string, args []any) {
	n := len(list)
	crews, nos, ats, whats := make([]string, n), make([]int64, n), make([]int64, n), make([]string, n)
	users, devices, ops, kinds := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	entities, details, seals := make([]string, n), make([]string, n), make([]string, n)
	for i, e := range list {
		crews[i], nos[i], ats[i], whats[i], users[i], devices[i] = e.Crew, e.No, e.At, e.What, e.User, e.Device
		ops[i], kinds[i], entities[i], details[i], seals[i] = e.Op, string(e.Kind), e.Entity, e.Detail, e.Seal
	}
	return `INSERT INTO audit (crew, no, at, what, author, device, op, kind, entity, detail, seal)
		SELECT crew, no, at, what, author, device, op, kind, entity, detail, seal
		FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
			AS w (crew, no, at, what, author, device, op, kind, entity, detail, seal)`,
		[]any{crews, nos, ats, whats, users, devices, ops, kinds, entities, details, seals}
}

func (t *transaction) storeEntries(list []server.Entry) {
	if len(list) > 0 {
		sql, args := insertEntries(list)
		t.queue(sql, args...)
	}
}

// Entries reads a part of a chain.
func (s *Store) Entries(ctx context.Context, crew string, after int64, limit int) (out []server.Entry, err error) {
	err = s.query(ctx, func(rows pgx.Rows) error {
		var e server.Entry
		var kind string
		err := rows.Scan(&e.Crew, &e.No, &e.At, &e.What, &e.User, &e.Device, &e.Op, &kind, &e.Entity, &e.Detail, &e.Seal)
		e.Kind = op.Kind(kind)
		out = append(out, e)
		return err
	}, `SELECT crew, no, at, what, author, device, op, kind, entity, detail, seal FROM audit WHERE crew = $1 AND no > $2 ORDER BY no LIMIT $3`, crew, after, limit)
	return out, err
}
