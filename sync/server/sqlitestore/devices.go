package sqlitestore

import (
	"context"
	"database/sql"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

// AddInvite stores an invite.
func (s *Store) AddInvite(ctx context.Context, i server.Invite, log ...server.Entry) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		_, err := t.Exec(`INSERT INTO invites (code_hash, user, expires_at) VALUES (?, ?, ?)`, i.CodeHash, i.User, i.Expires)
		if err != nil {
			return err
		}
		return logged(t, log)
	})
}

// CloseInvites makes the open invites expire.
func (s *Store) CloseInvites(ctx context.Context, at int64, log ...server.Entry) (closed int, err error) {
	err = s.write(ctx, func(t *sqlite.Tx) error {
		res, err := t.Exec(`UPDATE invites SET expires_at = ?1 WHERE used_at = 0 AND expires_at > ?1`, at)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if closed = int(n); err != nil || n == 0 {
			return err
		}
		return logged(t, log)
	})
	return closed, err
}

// Redeem turns an invite into a device, in one transaction.
func (s *Store) Redeem(ctx context.Context, codeHash string, decide func(server.Invite, server.User) (server.Invite, server.Device, []server.Entry, error)) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		var i server.Invite
		err := t.Scan([]any{&i.CodeHash, &i.User, &i.Expires, &i.Used, &i.Nonce, &i.Device},
			`SELECT code_hash, user, expires_at, used_at, nonce, device FROM invites WHERE code_hash = ?`, codeHash)
		if err != nil {
			return err
		}
		u, err := user(t, i.User)
		if err != nil {
			return err
		}
		i, d, log, err := decide(i, u)
		if err != nil {
			return err
		}
		_, err = t.Exec(`UPDATE invites SET used_at = ?, nonce = ?, device = ? WHERE code_hash = ?`, i.Used, i.Nonce, i.Device, codeHash)
		if err != nil {
			return err
		}
		_, err = t.Exec(`INSERT INTO devices (id, user, name, token_hash, created_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, token_hash = excluded.token_hash, next_hash = ''`, d.ID, d.User, d.Name, d.TokenHash, d.Created)
		if err != nil {
			return err
		}
		return logged(t, log)
	})
}

const deviceColumns = `id, user, name, token_hash, next_hash, created_at, renewed_at, revoked_at, reused_at, last_seen, pending, clock_offset_ms, client, cursor`

func deviceFields(d *server.Device) []any {
	return []any{&d.ID, &d.User, &d.Name, &d.TokenHash, &d.NextHash, &d.Created, &d.Renewed, &d.Revoked, &d.Reused, &d.Seen, &d.Pending, &d.Offset, &d.Client, &d.Cursor}
}

// Touch stores what a device reported.
func (s *Store) Touch(ctx context.Context, id string, r server.Report) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		_, err := t.Exec(`UPDATE devices SET last_seen = ?1, pending = ?2, clock_offset_ms = coalesce(?3, clock_offset_ms), client = ?4,
			cursor = CASE ?5 WHEN '' THEN cursor ELSE ?5 END WHERE id = ?6`, r.Seen, r.Pending, r.Offset, r.Client, r.Cursor, id)
		return err
	})
}

// Devices lists all devices.
func (s *Store) Devices(ctx context.Context) (out []server.Device, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		return each(t, func(r *sql.Rows) error {
			var d server.Device
			err := r.Scan(deviceFields(&d)...)
			out = append(out, d)
			return err
		}, `SELECT `+deviceColumns+` FROM devices ORDER BY user, name, id`)
	})
	return out, err
}

// Revoke marks a device as revoked.
func (s *Store) Revoke(ctx context.Context, id string, at int64, log ...server.Entry) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		var before int64
		if err := t.Scan([]any{&before}, `SELECT revoked_at FROM devices WHERE id = ?`, id); err != nil || before != 0 {
			return err
		}
		if _, err := t.Exec(`UPDATE devices SET revoked_at = ? WHERE id = ?`, at, id); err != nil {
			return err
		}
		return logged(t, log)
	})
}
