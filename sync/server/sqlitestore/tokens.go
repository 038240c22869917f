package sqlitestore

import (
	"context"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

// byHash finds a device by either of its hashes, each by an index of its own.
const byHash = `SELECT ` + deviceColumns + ` FROM devices WHERE id IN
	(SELECT id FROM devices WHERE token_hash IN (SELECT value FROM json_each(?1))
	UNION ALL SELECT id FROM devices WHERE next_hash <> '' AND next_hash IN (SELECT value FROM json_each(?1)))`

// ByToken finds a device and its user.
func (s *Store) ByToken(ctx context.Context, tokenHash string) (d server.Device, u server.User, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		if err := t.Scan(deviceFields(&d), byHash, list([]string{tokenHash})); err != nil {
			return err
		}
		u, err = user(t, d.User)
		return err
	})
	return d, u, err
}

// ByNewer finds the device of one of these tokens.
func (s *Store) ByNewer(ctx context.Context, tokenHashes []string) (d server.Device, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error { return t.Scan(deviceFields(&d), byHash, list(tokenHashes)) })
	return d, err
}

// Offer stores the hash of a device's next token.
func (s *Store) Offer(ctx context.Context, id, current, next string) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		_, err := t.Exec(`UPDATE devices SET next_hash = ? WHERE id = ? AND token_hash = ?`, next, id, current)
		return err
	})
}

// Renew makes a device's next token its token.
func (s *Store) Renew(ctx context.Context, id, next string, at int64, log ...server.Entry) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		res, err := t.Exec(`UPDATE devices SET token_hash = next_hash, next_hash = '', renewed_at = ? WHERE id = ? AND next_hash = ?`, at, id, next)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return logged(t, log)
	})
}

// Reused revokes a device because an older token of it was used.
func (s *Store) Reused(ctx context.Context, id string, at int64, log ...server.Entry) error {
	return s.write(ctx, func(t *sqlite.Tx) error {
		res, err := t.Exec(`UPDATE devices SET revoked_at = ?1, reused_at = ?1 WHERE id = ?2 AND revoked_at = 0`, at, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return logged(t, log)
	})
}
