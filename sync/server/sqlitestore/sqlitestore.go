// Package sqlitestore keeps the sync server's rows in one SQLite file: the
// embedded default store.
//
// It promises what server.Store asks for and storetest checks. One write
// transaction runs at a time, also between processes, so that locking a crew is
// having the file: the admin commands may work on the file of a running server.
// It is done when it is on the disk.
package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

//go:embed migrations/*.sql
var migrations embed.FS

// appID is the application_id of a server's file: "PLd" and the form's number.
const appID = 0x504C6401

// Store is an open file. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

var _ server.Store = (*Store)(nil)

// Open opens the file, makes it when it is missing, and brings it to the newest schema.
func Open(ctx context.Context, path string) (*Store, error) {
	return openWith(ctx, path, sqlite.Options{})
}

func openWith(ctx context.Context, path string, o sqlite.Options) (*Store, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	o.Migrations, o.AppID = dir, appID
	db, err := sqlite.Open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("open the server's database: %w", err)
	}
	s := &Store{db}
	if err := s.countOld(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("count what the server holds: %w", err), db.Close())
	}
	return s, nil
}

// ErrOlder says that an older program wrote the file, for errors.Is.
var ErrOlder = errors.New("an older program wrote it")

// OpenToRead opens a file for looking, also one that may not be written, or not by
// this account: what writes is refused with [sqlite.ErrReadOnly]. One of another
// program's schema is refused with [ErrOlder] or [sqlite.ErrNewer].
func OpenToRead(ctx context.Context, path string) (*Store, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: dir, AppID: appID, ReadOnly: true, AnySchema: true})
	if err != nil {
		return nil, fmt.Errorf("open the server's database for reading: %w", err)
	}
	var schema int
	err = db.Read(ctx, func(t *sqlite.Tx) error { return t.Scan([]any{&schema}, "PRAGMA user_version") })
	switch {
	case err != nil:
	case schema > Schema():
		err = fmt.Errorf("%s: %w (its schema is %d, this program knows %d)", path, sqlite.ErrNewer, schema, Schema())
	case schema == 0:
		err = fmt.Errorf("%s is empty: %w", path, fs.ErrNotExist)
	case schema < Schema():
		err = fmt.Errorf("%s: %w (its schema is %d, this program's %d)", path, ErrOlder, schema, Schema())
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{db}, nil
}

// Schema is the newest form of the file that this program knows.
func Schema() int {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0 // cannot be: they are a part of the program
	}
	return len(files)
}

// Close waits for what runs and closes the file. Closing twice is harmless.
func (s *Store) Close() error { return s.db.Close() }

// write and read run a transaction and fold its errors into the server's.
func (s *Store) write(ctx context.Context, fn func(*sqlite.Tx) error) error {
	return fold(s.db.Write(ctx, fn))
}

func (s *Store) read(ctx context.Context, fn func(*sqlite.Tx) error) error {
	return fold(s.db.Read(ctx, fn))
}

func fold(err error) error {
	switch {
	case errors.Is(err, sqlite.ErrFull):
		return fmt.Errorf("%w: %w", server.ErrFull, err)
	case errors.Is(err, sqlite.ErrLocked):
		return fmt.Errorf("%w: %w", server.ErrBusy, err)
	case errors.Is(err, sql.ErrNoRows):
		return server.ErrUnknown
	}
	return err
}

// list is a list as SQLite reads it, with json_each.
func list[T any](values []T) string {
	if len(values) == 0 {
		return "[]"
	}
	b, err := json.Marshal(values)
	if err != nil {
		return "[]" // cannot be: lists hold text and numbers
	}
	return string(b)
}

// each runs a query and scans its rows one by one.
func each(t *sqlite.Tx, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := t.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
