package cmd_test

import (
	"crypto/sha256"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

// TestUnsentWorkTravelsInAFile: a laptop that cannot reach the server gives its
// work to another one; both send it, and it takes effect once.
func TestUnsentWorkTravelsInAFile(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.office("user", "add", "bob", "--crew", "north", "--role", "technician")
	w.serve()
	w.office("task", "add", "Check the pump", "--crew", "north")
	w.enrol("ann", "a")
	w.laptop("a", "sync")
	w.enrol("ann", "b") // has heard nothing of the server yet
	w.enrol("bob", "c")
	w.laptop("a", "set", "T-10001", "priority=high")
	w.laptop("a", "note", "T-10001", "Key is at the gate")
	w.laptop("a", "status", "T-10001", "in_progress")
	fresh := strings.TrimSpace(w.laptop("a", "add", "Order a seal"))
	waiting := w.pending("a")

	w.laptop("a", "queue", "export", "work.json")
	w.refused(1, []string{"a file", "already", "name a new file"}, "punchlist", "--db", "a.db", "queue", "export", "work.json")
	w.refused(1, []string{"there is no folder"}, "punchlist", "--db", "a.db", "queue", "export", "none/work.json")
	w.refused(1, []string{"the work of ann", "laptop of ann"}, "punchlist", "--db", "c.db", "queue", "import", "work.json")
	w.refused(1, []string{"has not joined", "punchlist enroll"}, "punchlist", "--db", "new.db", "queue", "import", "work.json")
	w.refused(1, []string{"there is no file"}, "punchlist", "--db", "b.db", "queue", "import", "none.json")
	whole, err := os.ReadFile(filepath.Join(w.dir, "work.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.file("cut.json", string(whole[:len(whole)-100]))
	w.refused(1, []string{"line 6", "nothing was taken"}, "punchlist", "--db", "b.db", "queue", "import", "cut.json")

	var taken struct{ Taken, Waiting, Sent int }
	w.decode(w.laptop("b", "queue", "import", "work.json", "--json"), &taken)
	if taken.Taken != waiting || w.pending("b") != waiting {
		t.Errorf("%d waited, %+v, and b has %d", waiting, taken, w.pending("b"))
	}
	w.laptop("b", "sync")
	w.laptop("a", "sync")
	w.laptop("b", "sync")
	if w.pending("a")+w.pending("b") != 0 {
		t.Error("something still waits")
	}
	for _, name := range []string{"a", "b"} {
		tasks := w.tasks(name)
		if len(tasks) != 2 || tasks[fresh]["title"] != "Order a seal" {
			t.Errorf("%s has %v", name, tasks)
		}
		var show struct {
			Priority, Status string
			Notes, Time      []any
		}
		w.decode(w.laptop(name, "show", "T-10001", "--json"), &show)
		if show.Priority != "high" || show.Status != "IN_PROGRESS" || len(show.Notes) != 1 || len(show.Time) != 1 {
			t.Errorf("%s: %+v", name, show)
		}
		if out := w.laptop(name, "conflicts"); out != "" {
			t.Errorf("%s has conflicts:\n%s", name, out)
		}
	}
	w.decode(w.laptop("a", "queue", "import", "work.json", "--json"), &taken)
	if taken.Taken != 0 || taken.Sent != waiting {
		t.Errorf("a second import on the laptop that sent it: %+v", taken)
	}
}

// An older program still saves the work out of a newer program's database.
func TestUnsentWorkLeavesANewerDatabase(t *testing.T) {
	w := newWorld(t)
	w.laptop("a", "add", "Check the pump")
	path := filepath.Join(w.dir, "a.db")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 9999; PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	sum := func() [32]byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(b)
	}
	before := sum()
	if !strings.Contains(w.laptop("a", "list"), "Check the pump") {
		t.Error("what a newer program wrote cannot be looked at")
	}
	w.refused(1, []string{"newer version", "Try: install the newest"}, "punchlist", "--db", "a.db", "add", "Another")
	w.laptop("a", "queue", "export", "work.json")
	if sum() != before {
		t.Error("the database is not what it was")
	}
	if w.laptop("b", "queue", "import", "work.json"); w.pending("b") != 1 {
		t.Error("the work did not arrive")
	}
}
