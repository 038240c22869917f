package pgstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/server"
)

// AddInvite stores an invite.
func (s *Store) AddInvite(ctx context.Context, i server.Invite, log ...server.Entry) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO invites (code_hash, author, expires_at) VALUES ($1, $2, $3)`, i.CodeHash, i.User, i.Expires)
		if err != nil {
			return err
		}
		return logged(ctx, tx, log)
	})
}

// CloseInvites makes the open invites expire.
func (s *Store) CloseInvites(ctx context.Context, at int64, log ...server.Entry) (closed int, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE invites SET expires_at = $1 WHERE used_at = 0 AND expires_at > $1`, at)
		if closed = int(tag.RowsAffected()); err != nil || closed == 0 {
			return err
		}
		return logged(ctx, tx, log)
	})
	return closed, err
}

// Redeem turns an invite into a device, in one transaction that locks the invite.
func (s *Store) Redeem(ctx context.Context, codeHash string, decide func(server.Invite, server.User) (server.Invite, server.Device, []server.Entry, error)) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var i server.Invite
		err := tx.QueryRow(ctx, `SELECT code_hash, author, expires_at, used_at, nonce, device FROM invites WHERE code_hash = $1 FOR UPDATE`, codeHash).
			Scan(&i.CodeHash, &i.User, &i.Expires, &i.Used, &i.Nonce, &i.Device)
		if err != nil {
			return err
		}
		u, err := userOf(ctx, tx, i.User)
		if err != nil {
			return err
		}
		i, d, log, err := decide(i, u)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE invites SET used_at = $2, nonce = $3, device = $4 WHERE code_hash = $1`, codeHash, i.Used, i.Nonce, i.Device); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO devices (id, author, name, token_hash, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, token_hash = excluded.token_hash, next_hash = ''`, d.ID, d.User, d.Name, d.TokenHash, d.Created)
		if err != nil {
			return err
		}
		return logged(ctx, tx, log)
	})
}

const deviceColumns = `d.id, d.author, d.name, d.token_hash, d.next_hash, d.created_at, d.renewed_at, d.revoked_at, d.reused_at,
	coalesce(p.last_seen, 0), coalesce(p.pending, 0), p.clock_offset_ms, coalesce(p.client, ''), coalesce(p.cursor, '')`

func deviceFields(d *server.Device) []any {
	return []any{&d.ID, &d.User, &d.Name, &d.TokenHash, &d.NextHash, &d.Created, &d.Renewed, &d.Revoked, &d.Reused, &d.Seen, &d.Pending, &d.Offset, &d.Client, &d.Cursor}
}

// Touch stores what a device reported. Nobody waits for the news of it.
func (s *Store) Touch(ctx context.Context, id string, r server.Report) error {
	return s.try(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `INSERT INTO reports (device, last_seen, pending, clock_offset_ms, client, cursor) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (device) DO UPDATE SET last_seen = excluded.last_seen, pending = excluded.pending,
			clock_offset_ms = coalesce(excluded.clock_offset_ms, reports.clock_offset_ms), client = excluded.client,
			cursor = CASE excluded.cursor WHEN '' THEN reports.cursor ELSE excluded.cursor END`, id, r.Seen, r.Pending, r.Offset, r.Client, r.Cursor)
		return err
	})
}

// Devices lists all devices.
func (s *Store) Devices(ctx context.Context) (out []server.Device, err error) {
	err = s.query(ctx, func(rows pgx.Rows) error {
		var d server.Device
		err := rows.Scan(deviceFields(&d)...)
		out = append(out, d)
		return err
	}, `SELECT `+deviceColumns+` FROM devices AS d LEFT JOIN reports AS p ON p.device = d.id`)
	slices.SortFunc(out, func(a, b server.Device) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

// Revoke marks a device as revoked.
func (s *Store) Revoke(ctx context.Context, id string, at int64, log ...server.Entry) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var before int64
		if err := tx.QueryRow(ctx, `SELECT revoked_at FROM devices WHERE id = $1 FOR UPDATE`, id).Scan(&before); err != nil || before != 0 {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE devices SET revoked_at = $2 WHERE id = $1`, id, at); err != nil {
			return err
		}
		if err := logged(ctx, tx, log); err != nil {
			return err
		}
		return changedAccounts(ctx, tx)
	})
}
