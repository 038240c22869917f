// Package localdb is the technician's records on disk: what the screen and the
// commands read and write, with the queue of changes that wait to be sent.
//
// What it promises: an action that returned without error is on the disk, its
// records and their rows in sync_queue in one transaction, never one without
// the other; nobody waits for a network here; what a person sees is the server's
// state with the unsent changes on top, so that hearing from the server never
// hides unsent work. Several processes may use one file at once. Its limits: an
// action holds at most 500 changes ([DB.DoEach] has no such limit); a page of
// the list at most 500 rows; settled changes are kept for 30 days.
//
// The file is meant to be opened with sqlite3 and understood: the tables carry
// the words of sync/README.md, and migrations/ says what each column means.
package localdb

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// appID marks the file as ours (PRAGMA application_id): "pnch".
const appID = 0x706e6368

// watchEvery is how soon a change of another process is noticed where the kernel
// does not tell of it.
const watchEvery = 400 * time.Millisecond

// Errors to be told apart with errors.Is. [Open] returns all but the first, with
// the file's path and a hint.
var (
	ErrNotFound  = errors.New("not found")
	ErrReadOnly  = sqlite.ErrReadOnly
	ErrLocked    = sqlite.ErrLocked
	ErrNewer     = sqlite.ErrNewer
	ErrNotSQLite = sqlite.ErrNotSQLite
	ErrFull      = sqlite.ErrFull
	ErrDamaged   = sqlite.ErrDamaged
	ErrUnsafe    = sqlite.ErrUnsafe
	ErrNetwork   = sqlite.ErrNetwork
)

// Error is one that a person can cure: what is wrong and the next step.
type Error struct {
	Message string
	Hint    string
	Cause   error // for errors.Is; may be nil
}

// Error is the message alone; the hint is printed on a line of its own.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// DB is an open database. It is safe for concurrent use.
type DB struct {
	sql   *sqlite.DB
	clock op.Clock
	newID func() string

	log     queueLog // the second copy of unsent work
	session session  // whose drafts are whose
	tokens  tokens   // those that the server does not know
	spare   spare    // of the sender's file

	look   atomic.Uint32 // the leaf that was counted anew last …
	looked atomic.Int64  // … and when, boot clock, ms
}

// Open opens the laptop's database, makes it when it is missing and brings it
// to the newest schema.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	db := &DB{clock: o.Clock, newID: o.NewID, log: queueLog{path: logFile(path)}}
	if db.clock == nil {
		db.clock = op.SystemClock
	}
	if db.newID == nil {
		db.newID = newUUID
	}
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	db.sql, err = sqlite.Open(ctx, path, sqlite.Options{Migrations: sub, AppID: appID, ReadOnly: o.ReadOnly, Trace: o.Trace, Fault: o.Fault, Ballast: o.Ballast, Hear: true, Connected: db.log.connected, Before: db.log.before})
	if err != nil {
		hint := Cure(err, path)
		if hint == "" {
			hint = "name another file with --db"
		}
		return nil, &Error{Message: fmt.Sprintf("open database: %v", err), Hint: hint, Cause: err}
	}
	return db, nil
}

func newUUID() string { return uuid.Must(uuid.NewV7()).String() }

// Cure is the next step for what can go wrong with a database file at any
// moment; "" for an error of another kind.
func Cure(err error, path string) string {
	var place *sqlite.PlaceError
	switch {
	case errors.As(err, &place):
		return place.Cure
	case errors.Is(err, sqlite.ErrNewer):
		return "install the newest punchlist; your data is untouched"
	case errors.Is(err, sqlite.ErrNotSQLite), errors.Is(err, sqlite.ErrForeign):
		return "name another file with --db; this one was left as it is"
	case errors.Is(err, sqlite.ErrLocked):
		return "close the program that holds it (fuser " + path + " names it) and try again"
	case errors.Is(err, sqlite.ErrReadOnly), errors.Is(err, fs.ErrPermission):
		return "check who owns " + path + " and its folder, or name another file with --db"
	case errors.Is(err, sqlite.ErrGone):
		return "start punchlist again; what was saved before is in the file that was moved"
	case errors.Is(err, sqlite.ErrFull):
		return "free some space and try again; what was saved before is safe"
	case errors.Is(err, sqlite.ErrDamaged):
		return "keep a copy of " + path + " and of the -wal file beside it, then ask for help before you go on"
	}
	return ""
}

// Close waits for what runs and closes the file.
func (db *DB) Close() error {
	db.spare.close()
	return errors.Join(db.sql.Close(), db.session.end())
}

// ReadOnly tells whether the database is open for looking only.
func (db *DB) ReadOnly() bool { return db.sql.ReadOnly() }

// Path is the file's path as it was given.
func (db *DB) Path() string { return db.sql.Path() }

// Changed signals after every commit, of this process at once, of another one
// within half a second. Signals are coalesced; the channel is closed
// when ctx ends or the database is closed.
func (db *DB) Changed(ctx context.Context) <-chan struct{} { return db.sql.Watch(ctx, watchEvery) }

// Recover sets what the goroutines behind [DB.Changed] and [DB.SenderLeft] defer. It
// is to be called before they are.
func (db *DB) Recover(f func()) { db.sql.Recover(f) }
