package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/server"
)

// byHash finds devices by either of their hashes, each by an index of its own.
const byHash = ` FROM devices AS d JOIN users AS u ON u.name = d.author LEFT JOIN reports AS p ON p.device = d.id WHERE d.id IN
	(SELECT id FROM devices WHERE token_hash = ANY($1) UNION ALL SELECT id FROM devices WHERE next_hash <> '' AND next_hash = ANY($1))`

// ByToken finds a device and its user.
func (s *Store) ByToken(ctx context.Context, tokenHash string) (d server.Device, u server.User, err error) {
	err = s.try(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, `SELECT `+deviceColumns+`, u.name, u.role, u.created_at, u.disabled_at, `+crewsOfUser+byHash, []string{tokenHash}).
			Scan(append(deviceFields(&d), &u.Name, &u.Role, &u.Created, &u.Disabled, &u.Crews)...)
	})
	return d, u, err
}

// ByNewer finds the device of one of these tokens.
func (s *Store) ByNewer(ctx context.Context, tokenHashes []string) (d server.Device, err error) {
	err = s.try(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, `SELECT `+deviceColumns+byHash, tokenHashes).Scan(deviceFields(&d)...)
	})
	return d, err
}

// Offer stores the hash of a device's next token.
func (s *Store) Offer(ctx context.Context, id, current, next string) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE devices SET next_hash = $3 WHERE id = $1 AND token_hash = $2`, id, current, next)
		return err
	})
}

// Renew makes a device's next token its token.
func (s *Store) Renew(ctx context.Context, id, next string, at int64, log ...server.Entry) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE devices SET token_hash = next_hash, next_hash = '', renewed_at = $3 WHERE id = $1 AND next_hash = $2`, id, next, at)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return logged(ctx, tx, log)
	})
}

// Reused revokes a device because an older token of it was used.
func (s *Store) Reused(ctx context.Context, id string, at int64, log ...server.Entry) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE devices SET revoked_at = $2, reused_at = $2 WHERE id = $1 AND revoked_at = 0`, id, at)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if err := logged(ctx, tx, log); err != nil {
			return err
		}
		return changedAccounts(ctx, tx)
	})
}
