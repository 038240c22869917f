package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of a database that this program must leave as it is.
var (
	ErrForeign = errors.New("the database belongs to another program")
	ErrNewer   = errors.New("the database was written by a newer version of this program")
)

// migrate brings the database to the newest schema in one transaction. Servers
// that start at once wait for each other at the row that names the schema, so
// each migration runs once.
func (s *Store) migrate(ctx context.Context) error {
	list, err := migrationList()
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		err := s.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
			if err := migrateOn(ctx, c.Conn(), list); err != nil {
				return err
			}
			return mayWork(ctx, c.Conn(), list)
		})
		switch code := codeOf(err); {
		case code != codeUnique && code != codeTableExists && code != codeTypeExists && code != codeSerialization && code != codeDeadlock || n == tries:
			return err
		}
		timer := time.NewTimer(20 * time.Millisecond) // another server made the first table just now
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func migrateOn(ctx context.Context, c *pgx.Conn, list []string) error {
	have, err := schemaOf(ctx, c)
	if err != nil || have == len(list) {
		return err
	}
	if have < 0 {
		_, err := c.Exec(ctx, `CREATE TABLE IF NOT EXISTS punchlist_schema (one boolean PRIMARY KEY CHECK (one), version bigint NOT NULL);
			INSERT INTO punchlist_schema (one, version) VALUES (true, 0) ON CONFLICT (one) DO NOTHING`)
		if err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT version FROM punchlist_schema WHERE one FOR UPDATE`).Scan(&have); err != nil {
			return err
		}
		if have > len(list) {
			return newerError(have, len(list))
		}
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil { // a large database takes its time
			return err
		}
		for ; have < len(list); have++ {
			if _, err := tx.Exec(ctx, list[have]); err != nil {
				return fmt.Errorf("migration %d: %w", have+1, err)
			}
		}
		_, err := tx.Exec(ctx, `UPDATE punchlist_schema SET version = $1 WHERE one`, have)
		return err
	})
}

// schemaOf looks before anything is written: what is not ours stays as it is.
// −1 stands for a database without tables.
func schemaOf(ctx context.Context, c *pgx.Conn) (int, error) {
	known := 0
	list, err := migrationList()
	if err != nil {
		return 0, err
	}
	err = c.QueryRow(ctx, `SELECT version FROM punchlist_schema WHERE one`).Scan(&known)
	switch code := codeOf(err); {
	case err == nil && known > len(list):
		return 0, newerError(known, len(list))
	case err == nil:
		return known, nil
	case errors.Is(err, pgx.ErrNoRows):
		return -1, nil // another server is just making it
	case code == codeNoColumn:
		return 0, foreignError(c)
	case code != codeNoTable:
		return 0, err
	}
	var tables int
	if err := c.QueryRow(ctx, `SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name <> 'punchlist_schema'`).Scan(&tables); err != nil {
		return 0, err
	}
	if tables > 0 {
		// It may be ours and this role may not see its rows, or another server's
		// first moments: look once more before saying so.
		if err := c.QueryRow(ctx, `SELECT version FROM punchlist_schema WHERE one`).Scan(&known); err == nil {
			return known, nil
		}
		return 0, foreignError(c)
	}
	return -1, nil
}

func newerError(have, known int) error {
	return fmt.Errorf("%w (its schema is %d, this program knows %d)", ErrNewer, have, known)
}

func foreignError(c *pgx.Conn) error {
	return fmt.Errorf("%s: %w", c.Config().Database, ErrForeign)
}

// migrationList are the migrations by number, from 1 on without a gap.
func migrationList() ([]string, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []string
	for i, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s: number %d is missing or stands twice", name, i+1)
		}
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return nil, err
		}
		out = append(out, string(text))
	}
	return out, nil
}
