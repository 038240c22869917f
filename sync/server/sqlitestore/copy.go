package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"example.com/punchlist/localdb/sqlite"
)

// CopyTo writes the database as it is at one moment into a file that is empty or
// not there, while others go on writing.
func (s *Store) CopyTo(ctx context.Context, path string) error { return s.db.CopyTo(ctx, path) }

// Check looks at every page of a server's database without changing it: one that
// another program or a newer one wrote, or that is damaged, is an error.
func Check(ctx context.Context, path string) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: dir, AppID: appID, ReadOnly: true, AnySchema: true})
	if err != nil {
		return err
	}
	return errors.Join(checkPages(ctx, db), db.Close())
}

func checkPages(ctx context.Context, db *sqlite.DB) error {
	return db.Read(ctx, func(t *sqlite.Tx) error {
		var schema int
		if err := t.Scan([]any{&schema}, `PRAGMA user_version`); err != nil {
			return err
		}
		if schema > Schema() {
			return fmt.Errorf("%w (its schema is %d, this program knows %d)", sqlite.ErrNewer, schema, Schema())
		}
		var word string
		if err := t.Scan([]any{&word}, `PRAGMA integrity_check(1)`); err != nil || word == "ok" {
			return err
		}
		return fmt.Errorf("%w: %s", sqlite.ErrDamaged, word)
	})
}
