package localdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"example.com/punchlist/localdb/sqlite"
)

// Backup writes the database as it is at one moment into a new file, while others
// go on writing: whole and checked, or not at all. The token stays out of it, as
// it is no part of the database: who holds the copy cannot sync as this laptop.
func (db *DB) Backup(ctx context.Context, path string) error {
	there := &Error{Message: fmt.Sprintf("there is a file %q already", path), Hint: "name a new file"}
	if _, err := os.Lstat(path); err == nil {
		return there
	}
	err := InPlace(path, NameNew, func(temp string) error {
		if err := db.sql.CopyTo(ctx, temp); err != nil {
			return err
		}
		_, err := checkCopy(ctx, temp)
		return err
	})
	if errors.Is(err, fs.ErrExist) { // it came meanwhile
		return there
	}
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

// Restored is what [PutBack] did.
type Restored struct {
	Aside []string // where the old files are now; none: there was no database
	Back  int      // unsent changes of the old database, in no file, that are in the queue again
	Left  int      // such changes that the log of a damaged one speaks of: [Repair] of Aside[0] saves them
}

// PutBack puts a copy that [DB.Backup] wrote in the place of the database at path,
// which nobody may have open and which is kept beside it. Unsent work of that one
// which is in no file comes along: somebody may have written after the caller
// looked for such. The server notices at the next contact. A copy of another
// laptop's is refused where this one is enrolled.
func PutBack(ctx context.Context, from, path string) (done Restored, err error) {
	if done.Aside, err = putBack(ctx, from, path); err != nil || len(done.Aside) == 0 {
		return done, err
	}
	// A file that is closed gives up the locks of its program, so this comes once
	// nobody finds the old one under its name any more.
	old := done.Aside[0]
	work, marks, err := unexported(ctx, old)
	if err == nil && len(marks) > 0 {
		done.Back, err = takeAll(ctx, path, work, marks)
	}
	switch log, e := readLog(logFile(old)); {
	case Spoilt(err, old):
		done.Left, err = log.unexported(), e
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	case err != nil:
		err = &Error{Message: fmt.Sprintf("restored, but what was written meanwhile did not come along: %s", err),
			Hint: "punchlist --db " + old + " queue export unsent.json, and then punchlist queue import unsent.json", Cause: err}
	}
	return done, err
}

// unexported is the unsent work of a database that is in no file, as a file of
// unsent work holds it, and what its queue says of each change, by op_id: whether
// a file of it was begun.
func unexported(ctx context.Context, path string) (work []byte, marks map[string]int, err error) {
	db, err := Open(ctx, path, Options{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	var text bytes.Buffer
	marks = map[string]int{}
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		for begun := range 2 {
			ids, err := collectAll(tx, "SELECT op_id FROM sync_queue WHERE exported = ?", begun)
			if err != nil {
				return err
			}
			for _, id := range ids {
				marks[id] = begun
			}
		}
		_, _, err := db.writeQueue(ctx, tx, &checkedLines{w: &text}, " WHERE q.exported < 2", nil)
		return err
	})
	return text.Bytes(), marks, errors.Join(err, db.Close())
}

// unexported counts the changes that are in no whole file of unsent work.
func (s logState) unexported() (n int) {
	for _, text := range s.queue {
		var row struct {
			Exported int `json:"exported"`
		}
		if json.Unmarshal(text, &row) != nil || row.Exported < 2 {
			n++
		}
	}
	return n
}

// takeAll takes such work into the queue of the database at path.
func takeAll(ctx context.Context, path string, work []byte, marks map[string]int) (n int, err error) {
	db, err := Open(ctx, path, Options{})
	if err != nil {
		return 0, err
	}
	done, err := db.takeQueue(ctx, work, marks, nil)
	return done.Taken, errors.Join(err, db.Close())
}

func putBack(ctx context.Context, from, path string) (aside []string, err error) {
	backup, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Message: fmt.Sprintf("there is no file %q", from), Hint: "name a file that punchlist backup wrote", Cause: err}
	}
	if err != nil {
		return nil, notWhole(from, err)
	}
	if now, err := os.Stat(path); err == nil && os.SameFile(backup, now) {
		return nil, notWhole(from, errors.New("it is the database itself"))
	}
	if log, err := os.Stat(from + "-wal"); err == nil && log.Size() > 0 {
		return nil, notWhole(from, errors.New("a part of it stands in its -wal beside it"))
	}
	copied, err := checkCopy(ctx, from)
	if err != nil {
		return nil, notWhole(from, err)
	}
	here, err := deviceAt(ctx, path)
	if err != nil {
		return nil, err
	}
	if copied.ID != here.ID && here.ID != "" {
		return nil, &Error{Message: fmt.Sprintf("%q is a copy of another laptop's database, or of before this one was enrolled", from), Hint: "put it back there; here: punchlist sync fetches what the server has"}
	}
	// Held until the new file has the name: who opened the old one meanwhile would
	// write a log beside it that belongs to neither.
	var held *os.File
	defer func() {
		if held != nil {
			held.Close()
		}
	}()
	err = InPlace(path, os.Rename, func(temp string) error {
		if err := CopyFile(from, temp); err != nil { // the disk may be full: all is as it was
			return err
		}
		alone, err := holdAlone(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		held = alone
		if aside, err = linkAside(path, ".before-"); err != nil {
			return fmt.Errorf("keep the old files: %w", err)
		}
		return removeLogs(path, logFile(path))
	})
	return aside, err
}

// deviceAt is who a database says it is; nobody where there is none.
// Of a damaged one its log says it.
func deviceAt(ctx context.Context, path string) (Device, error) {
	db, err := Open(ctx, path, Options{ReadOnly: true})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Device{}, nil
	case Spoilt(err, path):
		return deviceInLog(path)
	case err != nil:
		return Device{}, err
	}
	dev, err := db.Device(ctx)
	return dev, errors.Join(err, db.Close())
}

// Spoilt tells whether [Open] failed because a laptop's database is damaged. One
// whose first page is noise is no database any more; its log says what it was.
func Spoilt(err error, path string) bool {
	_, log := os.Lstat(logFile(path))
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotSQLite) && log == nil
}

// deviceInLog is who the second copy of unsent work says that a damaged database
// is. With another laptop's data in its place its token would send that one's work.
func deviceInLog(path string) (dev Device, err error) {
	log, err := readLog(logFile(path))
	if err == nil && log.device != nil {
		var row struct {
			ID string `json:"device_id"`
		}
		err = json.Unmarshal(log.device, &row)
		dev.ID = row.ID
	}
	if _, enrolled := os.Lstat(path + ".token"); enrolled != nil {
		return dev, nil
	}
	if err != nil || dev.ID == "" {
		return dev, &Error{Message: fmt.Sprintf("%q is damaged, and nothing says any more which laptop's it was", path), Hint: "punchlist doctor --repair saves what waits in it; then put the backup back"}
	}
	return dev, nil
}

// checkCopy looks at every page of a copy, and tells whose it is.
func checkCopy(ctx context.Context, path string) (Device, error) {
	db, err := Open(ctx, path, Options{ReadOnly: true})
	if err != nil {
		return Device{}, err
	}
	dev, err := db.Device(ctx)
	h, fault := db.Health(ctx)
	switch {
	case errors.Join(err, fault) != nil:
	case h.Schema > h.Knows:
		err = fmt.Errorf("%w (its schema is %d, this program knows %d)", ErrNewer, h.Schema, h.Knows)
	case len(h.Faults) > 0:
		err = fmt.Errorf("%w: %s", ErrDamaged, strings.Join(h.Faults, "; "))
	}
	return dev, errors.Join(err, fault, db.Close())
}

func notWhole(from string, why error) error {
	return &Error{Message: fmt.Sprintf("%q cannot be put back: %s", from, why), Hint: "name a file that punchlist backup wrote; the database was left as it is", Cause: why}
}
