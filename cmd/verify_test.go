package cmd_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// damage changes a database behind its program's back.
func (w *world) damage(file string, statements ...string) {
	w.t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(w.dir, file)+"?_busy_timeout=10000")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(w.t.Context(), s); err != nil {
			w.t.Fatalf("%s: %v", s, err)
		}
	}
}

func (w *world) count(file, query string) (n int) {
	w.t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(w.dir, file)+"?_busy_timeout=10000")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(w.t.Context(), query).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

type verdict struct {
	Equal         bool
	Local, Server string
	Differing     []struct {
		What string
		ID   string `json:"entity_id"`
	}
	Pending int
}

// verify is what punchlist verify says; its exit code says the same.
func (w *world) verify(name string) (v verdict) {
	w.t.Helper()
	out, errs, code := w.try("punchlist", "--db", name+".db", "verify", "--json")
	w.decode(out, &v)
	if (code == 0) != v.Equal || v.Equal != (v.Local == v.Server) || v.Equal != (len(v.Differing) == 0) {
		w.t.Errorf("verify on %s: exit %d\n%s%s", name, code, out, errs)
	}
	return v
}

func (v verdict) String() string {
	var out []string
	for _, d := range v.Differing {
		out = append(out, d.What)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestVerify: whatever is done to either file is found, named and put right, by
// the real programs.
func TestVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.enrol("ann", "b")
	one, two, three := w.add("a", "one"), w.add("a", "two"), w.add("a", "three")
	w.laptop("a", "note", one, "hangs on it")
	w.sync("a", "b")
	w.laptop("a", "set", two, "asset=mine")
	if v := w.verify("a"); !v.Equal || v.Pending != 1 {
		t.Fatalf("before any damage: %+v", v)
	}
	w.damage("a.db", "UPDATE tasks SET title = 'damaged' WHERE id = '"+one+"'", "DELETE FROM tasks WHERE id = '"+three+"'",
		"UPDATE server_records SET state = json_set(state, '$.title', 'damaged') WHERE entity_id = '"+two+"'",
		"INSERT INTO tasks (id, title, status, updated_at, crew, version) VALUES ('01930000-0000-7000-8000-0000000000e7', 'ghost', 'PENDING', 1, 'north', 2)")
	if v := w.verify("a"); v.String() != "different different extra missing" {
		t.Errorf("damage on the laptop: %s", v)
	}
	w.refused(1, []string{"differ in 4 records", "punchlist sync"}, "punchlist", "--db", "a.db", "verify")
	out, _, _ := w.try("punchlist", "--db", "a.db", "verify")
	for _, words := range []string{`title is "damaged" here, "one" there`, "missing on this laptop", "not on the server", "not compared: 1 change"} {
		if !strings.Contains(out, words) {
			t.Errorf("verify does not say %q:\n%s", words, out)
		}
	}
	w.sync("a")
	if v := w.verify("a"); !v.Equal || !slices.Equal(w.notices("a"), []string{"mended"}) {
		t.Errorf("after a sync: %s, told %v", v, w.notices("a"))
	}
	w.sync("b")
	if got := w.same("a", "b"); !slices.Equal(got, []string{"one/<nil>", "three/<nil>", "two/mine"}) {
		t.Errorf("in the end %v", got)
	}
	// The server's rows: a laptop takes what the server holds. Found by verify …
	w.damage("server.db", "UPDATE records SET fields = json_set(fields, '$.title', 'by hand') WHERE id = '"+one+"'", "DELETE FROM records WHERE id = '"+three+"'",
		`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers)
		 VALUES ('north', 'task', '01930000-0000-7000-8000-0000000000e7', 1000, 0, 0, '', '', '', '{"title":"by hand too","status":"PENDING"}', '[]')`)
	if v := w.verify("a"); v.String() != "different extra missing" {
		t.Errorf("damage on the server: %s", v)
	}
	w.sync("a", "b")
	if got := w.same("a", "b"); !slices.Equal(got, []string{"by hand too/<nil>", "by hand/<nil>", "two/mine"}) {
		t.Errorf("after damage on the server %v", got)
	}
	// … and without it, once the server was started anew.
	w.killServer()
	w.damage("server.db", "UPDATE records SET fields = json_set(fields, '$.title', 'again') WHERE id = '"+one+"'")
	w.refused(1, []string{"nothing was compared"}, "punchlist", "--db", "a.db", "verify")
	w.serve()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		w.sync("a", "b")
		if titles := w.same("a", "b"); slices.Contains(titles, "again/<nil>") {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the rounds did not find it: %v", titles)
		}
	}
	if a, b := w.verify("a"), w.verify("b"); !a.Equal || !b.Equal {
		t.Errorf("in the end %s and %s", a, b)
	}
}

// TestAwayForTooLong: a laptop comes back after the server forgot what was
// deleted meanwhile.
func TestAwayForTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.enrol("ann", "b")
	kept, deleted, edited := w.add("a", "kept"), w.add("a", "deleted"), w.add("a", "deleted, and edited meanwhile")
	w.sync("a", "b")
	w.laptop("b", "set", kept, "asset=from afar")
	w.laptop("b", "set", edited, "asset=too late")
	w.laptop("b", "note", edited, "too late")
	w.laptop("a", "undo") // what made them was sent, so this deletes them everywhere
	w.laptop("a", "undo")
	w.sync("a")
	w.killServer()
	w.damage("server.db", "UPDATE records SET at = 1")
	w.serve()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if w.count("server.db", "SELECT count(*) FROM records WHERE deleted") == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server forgets nothing")
		}
	}
	w.sync("b", "b")
	if got := w.notices("b"); !slices.Equal(got, []string{"away"}) {
		t.Errorf("told %v", got)
	}
	var queue []struct {
		State, Code string
		ID          string `json:"entity_id"`
	}
	w.decode(w.laptop("b", "queue", "--json"), &queue)
	if len(queue) != 2 || queue[0].State != "parked" || queue[0].ID != edited {
		t.Errorf("queue: %+v", queue)
	}
	if _, there := w.tasks("b")[deleted]; there {
		t.Error("the deleted task is held still")
	}
	if v := w.verify("b"); !v.Equal {
		t.Errorf("differs: %s", v)
	}
	w.sync("a")
	if got := w.tasks("a")[kept]["asset"]; got != "from afar" {
		t.Errorf("what waited for all that time came as %v", got)
	}
}
