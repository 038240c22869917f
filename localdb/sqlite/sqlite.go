// Package sqlite opens a SQLite file the one right way and runs its migrations.
// It knows no task: laptop and server both rest on it.
//
// What it promises: one writer at a time and a snapshot for every reader; a
// transaction that returned without error is on the disk (WAL with
// synchronous=FULL, and the folder synced when the file is new); files are
// readable by their owner only; waiting for another process is done here, ends
// with the context and never inside SQLite. What it does not: a write
// transaction is not interrupted once begun, so callers keep them short and
// never talk to a network in one.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"
)

// MinVersion is the oldest SQLite that is safe here: before it two processes
// on one WAL file could damage it (sqlite.org, "WAL-reset bug", mended in 3.51.3).
const MinVersion = 3051003

// readers is how many snapshots may be open at once.
const readers = 3

// lockWait is how long a write waits for another process before it gives up:
// longer than the largest import holds the file.
const lockWait = 3 * time.Minute

// closeWait bounds the wait for transactions that run while the file is closed.
const closeWait = 30 * time.Second

// Options say what file to open.
type Options struct {
	// Migrations holds NNNN_name.sql files, applied in the order of their
	// numbers, each once, all in one transaction.
	Migrations fs.FS
	// AppID is written into a new file and must stand in an existing one
	// (PRAGMA application_id), so that another program's database is refused.
	AppID int32
	// ReadOnly opens an existing file for looking; one of a newer program too.
	ReadOnly bool
	// AnySchema, with ReadOnly, opens one of an older program too, as it is.
	AnySchema bool
	// Ballast keeps a file of 4 MiB beside the database, to be let go when the disk
	// is nearly full: what is under way can end then.
	Ballast bool
	// Filesystem names the file system of a folder; nil: [Filesystem].
	Filesystem func(dir string) string
	// Connected is called outside of any transaction with each new connection that
	// writes, before its first transaction on the newest schema: for TEMP tables and triggers.
	Connected func(*Tx) error
	// Trace, where it is set, hears each statement and its values: for measuring.
	Trace func(query string, args []any)
	// Fault, where it is set, is asked before each statement of a caller's; an error
	// of its comes in the statement's place: for tests.
	Fault func(query string) error
	// Hear lets [DB.Watch] hear of writes from the kernel where it tells of them,
	// and look rarely. Such a wait is not one that a test's clock passes over.
	Hear bool
	// Before is called at the end of each write transaction, before it is committed.
	Before func(*Tx) error
}

// DB is an open file. It is safe for concurrent use.
type DB struct {
	path     string
	dir      string
	readOnly bool
	ballast  bool // to be kept
	pool     *sql.DB
	readPool *sql.DB
	file     os.FileInfo // what path named when it was opened
	// connected and before are those of the Options, once the schema is the newest.
	connected, before func(*Tx) error
	trace             func(query string, args []any)
	fault             func(query string) error
	hear              bool // see Options.Hear
	// writer holds the one writer connection while nobody writes, readers those
	// that nobody reads with; nil stands for one that is not open yet.
	writer, readers chan *conn
	loaded          bool // the ballast is there; the writer's

	closing context.Context
	close   context.CancelFunc
	wait    sync.WaitGroup

	recovered func() // see Recover

	mu        sync.Mutex // guards the two below
	listeners map[chan struct{}]bool
	looking   bool // one goroutine looks for all listeners
}

// conn is a pinned connection with its prepared statements.
type conn struct {
	c     *sql.Conn
	stmts map[string]*sql.Stmt
	// foundLog: the -wal was there before this connection. SQLite syncs the folder
	// for the one that made it, with its first sync, and for nobody else; if that
	// one never came so far, the file's name is not safe yet.
	foundLog bool
	greeted  bool // Options.Connected was called with it
}

// Open opens the file, makes it when it is missing (its folder too, mode 0700),
// and brings it to the newest schema. Errors: [ErrNotSQLite], [ErrForeign],
// [ErrNewer], [ErrLocked], [ErrReadOnly] (open it with ReadOnly then),
// [ErrUnsafe], [ErrNetwork], or the system's own.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if _, number, _ := sqlite3.Version(); number < MinVersion {
		return nil, fmt.Errorf("this program was built with SQLite %d; it needs %d or newer", number, MinVersion)
	}
	if err := checkPlace(path, o); err != nil {
		return nil, err
	}
	made, err := prepareFile(path, o.ReadOnly)
	if err != nil {
		return nil, err
	}
	db := &DB{path: path, dir: filepath.Dir(path), readOnly: o.ReadOnly, ballast: o.Ballast && !o.ReadOnly, writer: make(chan *conn, 1), readers: make(chan *conn, readers), listeners: map[chan struct{}]bool{}, trace: o.Trace, fault: o.Fault, hear: o.Hear}
	if db.file, err = os.Stat(path); err != nil {
		return nil, err
	}
	db.closing, db.close = context.WithCancel(context.Background())
	db.trim() // on a full disk the file could not even be opened
	if err := db.prepare(); err != nil {
		return nil, err
	}
	if err := db.migrate(ctx, o); err != nil {
		db.Close()
		return nil, fold(path, err)
	}
	db.connected, db.before = o.Connected, o.Before
	for _, dir := range made {
		if err := syncDir(dir); err != nil {
			db.Close()
			return nil, err
		}
	}
	return db, nil
}

// prepareFile makes a missing file with mode 0600: SQLite gives its -wal and
// -shm the mode of the file beside them, so no umask has to be changed. made
// lists the folders that have new entries; they are synced once the file is
// whole, or a power cut could take the file away with all that is in it. An
// empty file is as good as new: a start may have ended before the sync.
func prepareFile(path string, readOnly bool) (made []string, err error) {
	dir := filepath.Dir(path)
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return nil, fmt.Errorf("%s is a folder, not a database file", path)
		}
		if info.Size() == 0 {
			made = append(made, dir)
		}
		if !readOnly && !writable(path) {
			return nil, fmt.Errorf("%s: %w", path, ErrReadOnly)
		}
		return made, nil
	}
	if readOnly {
		_, err := os.Stat(path)
		return nil, err
	}
	for d := dir; ; d = filepath.Dir(d) {
		made = append(made, d)
		if _, err := os.Stat(d); err == nil || d == filepath.Dir(d) {
			break
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return made, nil // another process was quicker
	}
	if err != nil {
		return nil, err
	}
	return made, f.Close()
}

// writable tells whether a database can be written: its file, and the folder in
// which SQLite makes others beside it.
func writable(path string) bool {
	return unix.Access(path, unix.W_OK) == nil && unix.Access(filepath.Dir(path), unix.W_OK) == nil
}

// syncDir makes a folder's entries safe. It is a variable because a test has to
// see it, and to see what happens without it.
var syncDir = func(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// dsn carries every pragma, so that no connection of a pool can miss one.
// busy_timeout is 0: see Write.
func dsn(path string, readOnly bool) string {
	q := url.Values{}
	q.Set("_busy_timeout", "0")
	q.Set("_foreign_keys", "on")
	q.Set("_synchronous", "FULL")
	if readOnly {
		q.Set("mode", "ro")
		q.Set("_query_only", "on")
		if still(path) {
			q.Set("immutable", "1")
		}
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// still tells whether nobody can write a database now, and whether all of it is
// in its own file: on a medium that is only for reading, and on a full disk,
// SQLite cannot make what it needs beside the file, and does without when it is
// told so.
func still(path string) bool {
	log, err := os.Stat(path + "-wal")
	whole := err != nil || log.Size() == 0
	return whole && (!writable(path) || space(filepath.Dir(path)) < ballastNone)
}

// prepare makes the pools; connections are opened when first needed.
func (db *DB) prepare() error {
	var err error
	if db.pool, err = sql.Open("sqlite3", dsn(db.path, db.readOnly)); err != nil {
		return err
	}
	if db.readPool, err = sql.Open("sqlite3", dsn(db.path, true)); err != nil {
		return err
	}
	db.writer <- nil
	for range readers {
		db.readers <- nil
	}
	return nil
}

func pin(ctx context.Context, pool *sql.DB) (*conn, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{c: c, stmts: map[string]*sql.Stmt{}}, nil
}

func (c *conn) exec(query string, args ...any) error {
	_, err := c.c.ExecContext(context.Background(), query, args...)
	return err
}

func (c *conn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

const maxStmts = 200

// tidy keeps the memory bounded: queries made from filters are many. It is called
// between transactions only, while no rows are open.
func (c *conn) tidy() {
	if len(c.stmts) < maxStmts {
		return
	}
	for q, old := range c.stmts {
		old.Close()
		delete(c.stmts, q)
	}
}

func (c *conn) closeAll() {
	for _, s := range c.stmts {
		s.Close()
	}
	c.c.Close()
}

// Path is the file's path as it was given.
func (db *DB) Path() string { return db.path }

// ReadOnly tells whether writes are refused.
func (db *DB) ReadOnly() bool { return db.readOnly }

// Close waits for the transactions that run, stops the watchers and closes the
// file. Closing twice is harmless.
func (db *DB) Close() error {
	if db.closing.Err() != nil {
		return nil
	}
	db.close()
	db.wait.Wait()
	for range readers {
		release(db.readers)
	}
	release(db.writer)
	return errors.Join(db.readPool.Close(), db.pool.Close())
}

// release waits for a connection's transaction to end and closes it.
func release(from chan *conn) {
	timer := time.NewTimer(closeWait) // a caller that never returns must not hang the exit
	defer timer.Stop()
	select {
	case c := <-from:
		if c != nil {
			c.closeAll()
		}
	case <-timer.C:
	}
}
