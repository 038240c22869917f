package sqlite

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// A full disk refuses deletes too, and the last line of a log. So a file of no
// use stands beside the database: when the disk is nearly full it is let go, and
// what is under way has room to end. Once there is space again it is made anew.
const (
	ballastTail = ".ballast"
	ballastSize = 4 << 20
	// ballastLow is the space left at which it is let go, ballastHigh that at
	// which it is made: far apart, so that it does not come and go.
	ballastLow  = 1 << 20
	ballastHigh = 16 << 20
	// ballastNone is less space than the smallest write takes.
	ballastNone = 64 << 10
)

// trim lets go of the ballast or makes it, as the space on the disk asks for. It
// is called before each write, costs one question to the kernel, and fails
// silently: a write finds out by itself that there is no space.
func (db *DB) trim() {
	if !db.ballast {
		return
	}
	name := db.path + ballastTail
	switch free := space(db.dir); {
	case free < ballastLow:
		db.drop()
	case free >= ballastHigh && !db.loaded:
		db.loaded = makeBallast(name) == nil
	}
}

// space is what is free on the disk of a folder, as far as the account may use it.
func space(dir string) uint64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return math.MaxUint64
	}
	return uint64(st.Bavail) * uint64(st.Bsize)
}

// drop lets go of the ballast.
func (db *DB) drop() {
	if err := os.Remove(db.path + ballastTail); err == nil || errors.Is(err, os.ErrNotExist) {
		db.loaded = false
	}
}

// makeBallast makes a file that really takes its space.
func makeBallast(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && info.Size() >= ballastSize {
		return f.Close()
	}
	if err = errors.Join(reserve(f, ballastSize), f.Close()); err != nil {
		_ = os.Remove(name)
	}
	return err
}
