package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// The errors that callers tell apart with errors.Is.
var (
	ErrReadOnly  = errors.New("the database can only be read")
	ErrLocked    = errors.New("the database is locked by another program")
	ErrNewer     = errors.New("the database was written by a newer version of this program")
	ErrForeign   = errors.New("the database belongs to another program")
	ErrNotSQLite = errors.New("the file is not a SQLite database")
	ErrFull      = errors.New("the disk is full")
	ErrDamaged   = errors.New("the database file is damaged")
	ErrGone      = errors.New("the database file was moved or deleted while the program ran")
	ErrClosed    = errors.New("the database is closed")
	ErrUnsure    = errors.New("the disk did not confirm that it keeps this") // of a commit: it may be there all the same
)

func isBusy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked)
}

// fold turns the driver's errors into ours, in this one place. The file's path
// is added to those that speak of the file.
func fold(path string, err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT {
		e.Code = sqlite3.ErrFull
	}
	ours := map[sqlite3.ErrNo]error{
		sqlite3.ErrBusy: ErrLocked, sqlite3.ErrLocked: ErrLocked, sqlite3.ErrNotADB: ErrNotSQLite,
		sqlite3.ErrReadonly: ErrReadOnly, sqlite3.ErrFull: ErrFull, sqlite3.ErrPerm: fs.ErrPermission,
		sqlite3.ErrCantOpen: fs.ErrPermission, sqlite3.ErrCorrupt: ErrDamaged,
	}[e.Code]
	if ours == nil {
		return err
	}
	return fmt.Errorf("%s: %w (%v)", path, ours, err)
}

// IsUnique tells whether an error is a broken UNIQUE or PRIMARY KEY rule.
func IsUnique(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}

// IsConstraint tells whether an error is a broken rule of a table.
func IsConstraint(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrConstraint
}
