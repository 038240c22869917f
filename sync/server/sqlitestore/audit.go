package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

// Log appends entries to the server's own chain.
func (s *Store) Log(ctx context.Context, entries ...server.Entry) error {
	return s.write(ctx, func(t *sqlite.Tx) error { return logged(t, entries) })
}

// logged appends to the server's own chain, whose end is a setting.
func logged(t *sqlite.Tx, entries []server.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var text string
	err := t.Scan([]any{&text}, `SELECT value FROM settings WHERE name = ?`, server.AuditEnd)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	no, seal := server.ReadEnd(text)
	sealed := make([]server.Entry, 0, len(entries))
	for _, e := range entries {
		e = e.Follow(no, seal)
		no, seal = e.No, e.Seal
		sealed = append(sealed, e)
	}
	if err := storeEntries(t, sealed); err != nil {
		return err
	}
	_, err = t.Exec(`INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, server.AuditEnd, server.WriteEnd(no, seal))
	return err
}

func storeEntries(t *sqlite.Tx, entries []server.Entry) error {
	for _, e := range entries {
		_, err := t.Exec(`INSERT INTO audit (crew, no, at, what, user, device, op, kind, entity, detail, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.Crew, e.No, e.At, e.What, e.User, e.Device, e.Op, e.Kind, e.Entity, e.Detail, e.Seal)
		if err != nil {
			return err
		}
	}
	return nil
}

// Entries reads a part of a chain.
func (s *Store) Entries(ctx context.Context, crew string, after int64, limit int) (out []server.Entry, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		return each(t, func(r *sql.Rows) error {
			var e server.Entry
			err := r.Scan(&e.Crew, &e.No, &e.At, &e.What, &e.User, &e.Device, &e.Op, &e.Kind, &e.Entity, &e.Detail, &e.Seal)
			out = append(out, e)
			return err
		}, `SELECT crew, no, at, what, user, device, op, kind, entity, detail, seal FROM audit WHERE crew = ? AND no > ? ORDER BY no LIMIT ?`, crew, after, limit)
	})
	return out, err
}
