package localdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"example.com/punchlist/localdb/sqlite"
)

// Limits of drafts: of all texts of one, and of sessions at once.
const (
	maxDraft    = 256 << 10
	maxSessions = 100
)

// Draft is what was typed into a form and never saved.
type Draft struct {
	At    int64 // when it was last typed at, ms
	Texts map[string]string
}

// Left is a draft that nobody types at now, or this session's own.
type Left struct {
	Form   string // as it was saved under: add, note:TASK …
	At     int64  // ms
	TaskID string // the task that the form is about; "" where it is about none, or the task is gone
	Number string
}

// maxLeft bounds the drafts that are told.
const maxLeft = 20

// left lists what [DB.FindDraft] would give this session. As nearly always there
// is nothing, that costs one look at an empty table.
func (db *DB) left(tx *sqlite.Tx) ([]Left, error) {
	rows, err := tx.Query(`SELECT d.form, d.session, d.at, coalesce(t.id, ''), coalesce(t.number, '') FROM drafts d
		LEFT JOIN tasks t ON t.id = substr(d.form, instr(d.form, ':') + 1) AND t.deleted = 0 ORDER BY d.at DESC, d.form LIMIT ?`, maxLeft)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	own := db.session.own()
	var out []Left
	for rows.Next() {
		var l Left
		var of int
		if err := rows.Scan(&l.Form, &of, &l.At, &l.TaskID, &l.Number); err != nil {
			return nil, err
		}
		if of != own && inUse(db.Path(), of) {
			continue
		}
		if l.Number == "" && l.TaskID != "" {
			l.Number = TempNumber(l.TaskID)
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// SaveDraft keeps what is typed into a form by now, in place of what was kept
// before; without texts nothing is kept. Each session keeps its own.
func (db *DB) SaveDraft(ctx context.Context, form string, texts map[string]string) error {
	if len(texts) == 0 {
		return db.DropDraft(ctx, form)
	}
	body, err := json.Marshal(texts)
	if err != nil {
		return err
	}
	if len(body) > maxDraft {
		return &Error{Message: "the text is too long to be kept while it is not saved"}
	}
	session, err := db.session.claim(db.Path())
	if err != nil {
		return err
	}
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO drafts (form, session, at, texts) VALUES (?, ?, ?, ?) ON CONFLICT (form, session) DO UPDATE SET at = excluded.at, texts = excluded.texts",
			form, session, db.clock().Wall, string(body))
		return err
	})
}

// DropDraft forgets what this session kept of a form: it is saved, or thrown away.
func (db *DB) DropDraft(ctx context.Context, form string) error {
	session, err := db.session.claim(db.Path())
	if err != nil {
		return err
	}
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("DELETE FROM drafts WHERE form = ? AND session = ?", form, session)
		return err
	})
}

// FindDraft looks for what was typed into a form and lost: the newest draft of
// this session or of one that does not run any more, which then is this one's.
// What another session is typing right now is its own.
func (db *DB) FindDraft(ctx context.Context, form string) (Draft, bool, error) {
	var d Draft
	var there int
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		return tx.Scan([]any{&there}, "SELECT count(*) FROM drafts WHERE form = ?", form)
	})
	if err != nil || there == 0 { // as nearly always: nothing is locked, nothing written
		return d, false, err
	}
	session, err := db.session.claim(db.Path())
	if err != nil {
		return d, false, err
	}
	found := false
	err = db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		d, found, err = adoptDraft(tx, form, session, db.Path())
		return err
	})
	return d, found, err
}

func adoptDraft(tx *sqlite.Tx, form string, session int, path string) (Draft, bool, error) {
	rows, err := tx.Query("SELECT session, at, texts FROM drafts WHERE form = ? ORDER BY at DESC, session", form)
	if err != nil {
		return Draft{}, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var d Draft
		var of int
		var texts string
		if err := rows.Scan(&of, &d.At, &texts); err != nil {
			return d, false, err
		}
		if of != session && inUse(path, of) {
			continue
		}
		if err := json.Unmarshal([]byte(texts), &d.Texts); err != nil {
			return d, false, err
		}
		rows.Close()
		_, err := tx.Exec("UPDATE OR REPLACE drafts SET session = ? WHERE form = ? AND session = ?", session, form, of)
		return d, true, err
	}
	return Draft{}, false, rows.Err()
}

// session is the number that tells this program from others on the same file.
// The lock on its file ends with the process, however it ends.
type session struct {
	mu     sync.Mutex // guards all of it
	number int
	lock   *os.File
}

func sessionFile(path string, number int) string { return fmt.Sprintf("%s.session-%d", path, number) }

// claim is the session's number, the first free one when it has none yet.
func (s *session) claim(path string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.number != 0 {
		return s.number, nil
	}
	for n := 1; n <= maxSessions; n++ {
		f, err := os.OpenFile(sessionFile(path, n), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return 0, fmt.Errorf("session lock: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			s.number, s.lock = n, f
			return n, nil
		}
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return 0, fmt.Errorf("session lock: %w", err)
		}
	}
	return 0, &Error{Message: fmt.Sprintf("%d sessions use this database already", maxSessions), Hint: "close some of them"}
}

// inUse tells whether the session of a number still runs. When that cannot be
// told it does: a draft must not be taken from under somebody's hands.
func inUse(path string, number int) bool {
	f, err := os.OpenFile(sessionFile(path, number), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err != nil {
		return true
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

// own is the number if there is one yet, else 0.
func (s *session) own() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.number
}

// end gives the number back.
func (s *session) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return nil
	}
	err := s.lock.Close()
	s.number, s.lock = 0, nil
	return err
}
