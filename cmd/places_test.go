package cmd_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// hold locks a laptop's database as another program does that writes into it,
// and returns what lets it go.
func (w *world) hold(laptop string) func() {
	w.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(w.dir, laptop+".db")+"?_busy_timeout=10000")
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := db.Conn(w.t.Context())
	if err == nil {
		_, err = c.ExecContext(w.t.Context(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		w.t.Fatal(err)
	}
	release := func() {
		_, _ = c.ExecContext(context.Background(), "ROLLBACK")
		_, _ = c.Close(), db.Close()
	}
	w.t.Cleanup(release)
	return release
}

// Another program holds the database: the screen moves and reads, says nothing
// of "saved", saves as soon as it can, and can be left at any time.
func TestTheDatabaseIsLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	s := w.session(80, 24, nil).sees("Inspect the boiler")
	release := w.hold("a")
	s.types("nWhile it is held.\r").sees("Not saved yet: another program holds the database.")
	if strings.Contains(s.text(), "Saved") {
		t.Fatalf("called saved while the database was locked:\n%s", s.text())
	}
	release()
	s.sees("Note added. Saved on this laptop.", "1n")

	release = w.hold("a")
	s.types("nNever saved.\r").types("\x03")
	s.sees("still being saved")
	s.types("\x03")
	t.Logf("ctrl+c twice to the end, locked: %v", s.restored().ends(0))

	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		s = w.session(80, 24, nil).sees("Inspect the boiler")
		s.types("nNever saved either.\r")
		s.signal(sig)
		took := s.restored().ends(s.code())
		t.Logf("%v to the end, locked: %v", sig, took)
	}
	release()
	if got := w.laptop("a", "show", strings.Fields(w.laptop("a", "list"))[1]); !strings.Contains(got, "While it is held.") || strings.Contains(got, "Never saved") {
		t.Error(got)
	}
}

// Locked for half a minute: what was entered waits, and is saved; a command in a
// shell waits as well.
func TestLockedForHalfAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	s := w.session(80, 24, nil).sees("Inspect the boiler")
	release := w.hold("a")
	s.types("nWhile it is held.\r").sees("Not saved yet: another program holds the database.")
	added := make(chan string, 1)
	go func() {
		out, errs, code := w.try("punchlist", "--db", "a.db", "add", "Added meanwhile")
		added <- fmt.Sprint(code, " ", out, errs)
	}()
	over := time.NewTimer(30 * time.Second)
	defer over.Stop()
	select {
	case said := <-added:
		t.Fatalf("the command did not wait: %s", said)
	case <-s.exited:
		t.Fatalf("the screen did not wait:\n%s", s.text())
	case <-over.C:
	}
	release()
	s.sees("Note added. Saved on this laptop.", "1n")
	if said := <-added; !strings.HasPrefix(said, "0 ") {
		t.Error(said)
	}
	s.sees("Added meanwhile").types("q").restored().ends(0)
}

// A screen that opens while another program holds the database for long waits,
// and opens when it is let go; it can be stopped meanwhile.
func TestOpenedWhileLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	release := w.hold("a")
	s := w.session(80, 24, nil).sees("Inspect the boiler") // a reader needs no lock
	release()
	s.types("q").restored().ends(0)
}

// The file may be read but not written: tasks are shown, edits are refused with
// the reason.
func TestF60TheDatabaseIsReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	w.laptop("a", "list") // closed cleanly: nothing is left in the -wal file
	for _, f := range []string{"a.db", "a.db-wal", "a.db-shm"} {
		if err := os.Chmod(filepath.Join(w.dir, f), 0o400); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	var as *syscall.Credential
	if os.Getuid() == 0 { // to whom modes mean nothing
		as = &syscall.Credential{Uid: 65534, Gid: 65534}
		w.openTo(65534)
		for _, f := range []string{"a.db", "a.db-wal", "a.db-shm"} { // whose they must be, or nothing is opened
			if err := os.Chown(filepath.Join(w.dir, f), 65534, 65534); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	} else if err := os.Chmod(w.dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(w.dir, 0o755) })
	s := w.sessionAs(as, 80, 24, nil)
	s.sees("Inspect the boiler")
	s.types("nOn the roof.\r").sees("nothing was saved").types("\x1b").sees("Leave without saving").types("y").sees("Mend the fence")
	if strings.Contains(s.text(), "Saved on this laptop") {
		t.Errorf("called saved:\n%s", s.text())
	}
	s.types("q").restored().ends(0)
	for _, f := range []string{"a.db"} {
		if info, err := os.Stat(filepath.Join(w.dir, f)); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
}

// openTo lets another user read and search the way to the world's folder.
func (w *world) openTo(int) {
	w.t.Helper()
	for dir := w.dir; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o055 != 0o055 && dir != os.TempDir() {
			if err := os.Chmod(dir, info.Mode().Perm()|0o055); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(w.bin, 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// The file is deleted or moved away under the program, or another is put in its
// place: nothing is called saved that goes into a file nobody will open again.
func TestTheDatabaseIsGone(t *testing.T) {
	for name, away := range map[string]func(path string) error{
		"moved":   func(path string) error { return os.Rename(path, path+".old") },
		"deleted": os.Remove,
		"replaced": func(path string) error {
			if err := os.Rename(path, path+".old"); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tasksOn("a")
			s := w.session(80, 24, nil).sees("Inspect the boiler")
			if err := away(filepath.Join(w.dir, "a.db")); err != nil {
				t.Fatal(err)
			}
			s.types("nInto nothing.\r").until("the reason", func(shown string) bool {
				return strings.Contains(shown, "Saved") || strings.Contains(shown, "moved or deleted")
			})
			if strings.Contains(s.text(), "Saved on this laptop") {
				t.Errorf("called saved:\n%s", s.text())
			}
			s.signal(syscall.SIGTERM)
			t.Logf("%s, to the end: %v", name, s.restored().ends(0))
		})
	}
}
