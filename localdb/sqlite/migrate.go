package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// migrate brings the file to the newest schema in one transaction: a crash
// leaves the old one or the new one, never something between. PRAGMA
// user_version is the number of the last migration.
func (db *DB) migrate(ctx context.Context, o Options) error {
	files, err := migrationFiles(o.Migrations)
	if err != nil {
		return err
	}
	newest := files[len(files)-1].number
	var have, appID, tables int
	look := func(t *Tx) error {
		if err := t.Scan([]any{&have}, "PRAGMA user_version"); err != nil {
			return err
		}
		if err := t.Scan([]any{&appID}, "PRAGMA application_id"); err != nil {
			return err
		}
		return t.Scan([]any{&tables}, "SELECT count(*) FROM sqlite_schema")
	}
	if err := db.lookFirst(ctx, look); err != nil {
		return err
	}
	switch {
	case tables > 0 && appID != int(o.AppID):
		return fmt.Errorf("%s: %w", db.path, ErrForeign)
	case have > newest && !db.readOnly: // to look is safe: columns are added, never taken away
		return fmt.Errorf("%s: %w (its schema is %d, this program knows %d)", db.path, ErrNewer, have, newest)
	case have >= newest && db.readOnly, db.readOnly && o.AnySchema:
		return nil
	case have == newest:
		return db.keepWAL(ctx)
	case db.readOnly:
		return fmt.Errorf("%s: %w: its schema %d must be brought to %d first", db.path, ErrReadOnly, have, newest)
	}
	if err := db.wal(ctx); err != nil {
		return err
	}
	return db.Write(ctx, func(t *Tx) error {
		if err := look(t); err != nil { // another process may have done it while we waited
			return err
		}
		for _, f := range files {
			if f.number <= have {
				continue
			}
			if err := t.c.exec(f.sql); err != nil {
				return fmt.Errorf("migration %s: %w", f.name, err)
			}
		}
		if have >= newest {
			return nil
		}
		return t.c.exec(fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", o.AppID, newest))
	})
}

// keepWAL turns the write-ahead log on in a file that has all tables but not
// that: a copy which SQLite made.
func (db *DB) keepWAL(ctx context.Context) error {
	mode := ""
	err := db.Read(ctx, func(t *Tx) error { return t.Scan([]any{&mode}, "PRAGMA journal_mode") })
	if err != nil || mode == "wal" {
		return err
	}
	return errors.Join(db.wal(ctx), syncDir(db.dir))
}

// CopyTo writes the file as it is at one moment into another, which must be
// empty or not there. Others go on writing meanwhile. The copy is not synced.
func (db *DB) CopyTo(ctx context.Context, path string) error {
	w, err := db.takeWriter(ctx)
	if err != nil {
		return fold(db.path, err)
	}
	defer func() { db.writer <- w }()
	return fold(path, db.retry(ctx, func() error {
		_, err := w.c.ExecContext(ctx, "VACUUM INTO ?", path)
		return err
	}))
}

// wal turns the write-ahead log on; the file remembers it for ever.
func (db *DB) wal(ctx context.Context) error {
	w, err := db.takeWriter(ctx)
	if err != nil {
		return err
	}
	defer func() { db.writer <- w }()
	return db.retry(ctx, func() error { return w.exec("PRAGMA journal_mode=WAL") })
}

// lookFirst reads before anything is written: a database that is not ours must
// stay as it is, byte for byte.
func (db *DB) lookFirst(ctx context.Context, look func(*Tx) error) error {
	if db.readOnly {
		return db.Read(ctx, look)
	}
	w, err := db.takeWriter(ctx)
	if err != nil {
		return err
	}
	defer func() { db.writer <- w }()
	return db.retry(ctx, func() error { return look(&Tx{ctx: ctx, c: w}) })
}

type migration struct {
	number    int
	name, sql string
}

func migrationFiles(fsys fs.FS) ([]migration, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no migrations: %w", err)
	}
	var out []migration
	for _, name := range names {
		number, err := strconv.Atoi(strings.SplitN(path.Base(name), "_", 2)[0])
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name does not begin with a number", name)
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		out = append(out, migration{number, name, string(text)})
	}
	slices.SortFunc(out, func(a, b migration) int { return a.number - b.number })
	for i, m := range out {
		if m.number != i+1 { // a file that is past the number would never get what comes to stand there
			return nil, fmt.Errorf("migration %s: number %d is missing or stands twice", m.name, i+1)
		}
	}
	return out, nil
}
