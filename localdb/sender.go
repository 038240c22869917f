package localdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// spare is the sender's file, open without its lock since the last try, so that
// waiting for the lock closes nothing: others hear of closes, see [DB.SenderLeft].
type spare struct {
	mu   sync.Mutex // guards file
	file *os.File
}

// take is the file to try the lock on. One that was removed meanwhile is not the
// one that others lock.
func (s *spare) take(path string) (*os.File, error) {
	s.mu.Lock()
	f := s.file
	s.file = nil
	s.mu.Unlock()
	if f != nil {
		mine, err := f.Stat()
		theirs, err2 := os.Lstat(path)
		if err == nil && err2 == nil && os.SameFile(mine, theirs) {
			return f, nil
		}
		f.Close()
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
}

func (s *spare) keep(f *os.File) {
	s.mu.Lock()
	old := s.file
	s.file = f
	s.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

func (s *spare) close() { s.keep(nil) }

// TryLock makes the caller the one sender of this database, until release is
// called or the process ends, however it ends. ok is false while another
// process is the sender.
func (db *DB) TryLock() (release func(), ok bool, err error) {
	f, err := db.spare.take(db.senderFile())
	if err != nil {
		return nil, false, fmt.Errorf("sender lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		db.spare.keep(f)
		return nil, false, nil
	}
	if err != nil {
		f.Close()
		return nil, false, fmt.Errorf("sender lock: %w", err)
	}
	return func() { f.Close() }, true, nil
}

// SenderLeft tells that the sender may have ended, however it did: the kernel says
// that its file was closed, a moment before the lock is free. It says so too when
// another program only looked. nil where the kernel tells nothing: then the lock is
// to be tried now and then. It ends with ctx or the DB.
func (db *DB) SenderLeft(ctx context.Context) <-chan struct{} {
	f, err := db.spare.take(db.senderFile()) // it must be there to be listened at
	if err != nil {
		return nil
	}
	db.spare.keep(f)
	return db.sql.Closes(ctx, db.senderFile())
}

// SenderNote is what the program that sends says of itself, for other programs
// on the same database to show.
type SenderNote struct {
	Reach   string `json:"reach"`
	Detail  string `json:"detail,omitempty"`
	Why     string `json:"why,omitempty"`      // for what changes wait; "": they do not, or are being sent
	NextTry int64  `json:"next_try,omitempty"` // wall clock, ms; 0: not by itself
}

// TellSender leaves a note beside the database; only the sender may. It is not
// made durable: it means nothing once the sender has ended.
func (db *DB) TellSender(n SenderNote) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return os.WriteFile(db.senderFile(), text, 0o600)
}

// Sender tells whether some program is the sender now, and its last note.
func (db *DB) Sender() (n SenderNote, running bool, err error) {
	release, free, err := db.TryLock()
	if err != nil {
		return n, false, err
	}
	if free {
		release()
		return n, false, nil
	}
	text, err := os.ReadFile(db.senderFile())
	if err != nil {
		return n, true, err
	}
	if json.Unmarshal(text, &n) != nil {
		n = SenderNote{} // it is writing one this moment
	}
	return n, true, nil
}

func (db *DB) senderFile() string { return db.Path() + ".sender" }
