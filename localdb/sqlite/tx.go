package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Tx is one transaction. It must not be kept beyond the function it was given to.
type Tx struct {
	ctx   context.Context
	c     *conn
	trace func(query string, args []any)
	fault func(query string) error
}

// stmt prepares a statement, once per connection.
func (t *Tx) stmt(query string, args []any) (*sql.Stmt, error) {
	if t.trace != nil {
		t.trace(query, args)
	}
	if t.fault != nil {
		if err := t.fault(query); err != nil {
			return nil, err
		}
	}
	s, err := t.c.stmt(t.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%w in %q", err, query)
	}
	return s, nil
}

// Exec runs one statement; it is prepared once per connection.
func (t *Tx) Exec(query string, args ...any) (sql.Result, error) {
	s, err := t.stmt(query, args)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(t.ctx, args...)
}

// Query runs one query; the caller closes the rows before its next statement
// that writes.
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	s, err := t.stmt(query, args)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(t.ctx, args...)
}

// Scan reads the one row of a query into dest; [sql.ErrNoRows] when there is none.
func (t *Tx) Scan(dest []any, query string, args ...any) error {
	rows, err := t.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), sql.ErrNoRows)
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

// Write runs fn in one write transaction and commits when it returns nil;
// otherwise nothing of it stays. It waits its turn behind other writers of this
// process and, up to three minutes, of others ([ErrLocked] after that): SQLite's
// own wait sleeps in C, where neither a context nor a test's clock reaches it.
// Once begun the transaction is not interrupted by ctx. After [ErrUnsure] only a
// look can tell whether something of it stays.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) (err error) {
	if db.readOnly {
		return ErrReadOnly
	}
	w, err := db.takeWriter(ctx)
	if err != nil {
		return fold(db.path, err)
	}
	defer func() {
		if errors.Is(err, ErrFull) {
			db.drop()
		}
		db.writer <- w
	}()
	w.tidy()
	db.trim()
	if err := db.greet(w); err != nil {
		return fold(db.path, err)
	}
	if err := db.retry(ctx, func() error { return run(w, "BEGIN IMMEDIATE") }); err != nil {
		return fold(db.path, err)
	}
	done := false
	defer func() {
		if !done { // fn failed or panicked
			_ = run(w, "ROLLBACK")
		}
	}()
	t := &Tx{context.WithoutCancel(ctx), w, db.trace, db.fault}
	if err := fn(t); err != nil {
		return fold(db.path, err)
	}
	if db.before != nil {
		if err := db.before(t); err != nil {
			return fold(db.path, err)
		}
	}
	// A file that nobody can open again must not be written to and called safe.
	if now, err := os.Stat(db.path); err != nil || !os.SameFile(now, db.file) {
		return fmt.Errorf("%s: %w", db.path, ErrGone)
	}
	if err := db.commit(w); err != nil {
		// After a failed write nothing that the connection believes of the file
		// can be trusted any more: the next one reads it anew.
		_ = run(w, "ROLLBACK")
		_ = w.c.Raw(func(any) error { return driver.ErrBadConn }) // not back to the pool
		w.closeAll()
		w, done = nil, true
		return fmt.Errorf("%w: commit: %w", ErrUnsure, fold(db.path, err))
	}
	done = true
	db.notify()
	return nil
}

// greet introduces a new connection that writes to the user of the file.
func (db *DB) greet(w *conn) error {
	if w.greeted || db.connected == nil {
		return nil
	}
	err := db.retry(context.Background(), func() error { return db.connected(&Tx{context.Background(), w, db.trace, db.fault}) })
	w.greeted = err == nil
	return err
}

// commit returns when the transaction is on the disk.
func (db *DB) commit(w *conn) error {
	if err := run(w, "COMMIT"); err != nil || !w.foundLog {
		return err
	}
	if err := syncDir(filepath.Dir(db.path)); err != nil {
		return err
	}
	w.foundLog = false
	return nil
}

func run(c *conn, statement string) error {
	s, err := c.stmt(context.Background(), statement)
	if err != nil {
		return err
	}
	_, err = s.Exec()
	return err
}

func (db *DB) takeWriter(ctx context.Context) (*conn, error) { return db.take(ctx, db.writer, db.pool) }

// take waits for a connection to be free and opens it if it is not open yet.
func (db *DB) take(ctx context.Context, from chan *conn, pool *sql.DB) (*conn, error) {
	if db.closing.Err() != nil {
		return nil, ErrClosed
	}
	select {
	case c := <-from:
		if c != nil {
			return c, nil
		}
		_, missing := os.Stat(db.path + "-wal")
		// Opening reads the file, which another process may be recovering.
		err := db.retry(ctx, func() (err error) {
			c, err = pin(ctx, pool)
			return err
		})
		if err != nil {
			from <- nil
			return nil, err
		}
		c.foundLog = missing == nil
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-db.closing.Done():
		return nil, ErrClosed
	}
}

// Read runs fn on a snapshot: what others commit meanwhile is not seen. It is
// interrupted when ctx ends.
func (db *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	r, err := db.take(ctx, db.readers, db.readPool)
	if err != nil {
		return fold(db.path, err)
	}
	defer func() { db.readers <- r }()
	r.tidy()
	if err := db.retry(ctx, func() error { return run(r, "BEGIN") }); err != nil {
		return fold(db.path, err)
	}
	defer func() { _ = run(r, "ROLLBACK") }()
	// The snapshot begins with the first read, which may find the file being
	// recovered by another process: that one is waited for too.
	// Scan, not run: a SELECT that is not read to its end would keep the snapshot
	// open beyond the ROLLBACK, and this connection would never see news again.
	t, first := &Tx{ctx: ctx, c: r, fault: db.fault}, 0
	if err := db.retry(ctx, func() error { return t.Scan([]any{&first}, "SELECT EXISTS (SELECT 1 FROM sqlite_schema)") }); err != nil {
		return fold(db.path, err)
	}
	if err := fn(t); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fold(db.path, err)
	}
	return nil
}

// retry waits out another process's lock: 1 ms at first, then longer, up to
// [lockWait] in all.
func (db *DB) retry(ctx context.Context, try func() error) error {
	pause, waited := time.Millisecond, time.Duration(0)
	for {
		err := try()
		if err == nil || !isBusy(err) || waited >= lockWait {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		waited += pause
		pause = min(2*pause, 50*time.Millisecond)
	}
}
