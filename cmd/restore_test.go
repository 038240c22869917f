package cmd_test

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // to copy a file as it stands, while a program has it open
)

// backup copies a database, of a running program too, into a file of its own.
func (w *world) backup(from, to string) {
	w.t.Helper()
	to = filepath.Join(w.dir, to)
	if err := os.RemoveAll(to); err != nil {
		w.t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", filepath.Join(w.dir, from))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(w.t.Context(), "VACUUM INTO ?", to); err != nil {
		w.t.Fatal(err)
	}
}

// restore puts a copy back in the place of a database.
func (w *world) restore(from, to string) {
	w.t.Helper()
	for _, tail := range []string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(filepath.Join(w.dir, to+tail)); err != nil {
			w.t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(w.dir, from))
	if err != nil {
		w.t.Fatal(err)
	}
	w.file(to, string(text))
}

// add makes a task on a laptop and returns its id.
func (w *world) add(name, title string) string {
	w.t.Helper()
	return strings.TrimSpace(w.laptop(name, "add", title))
}

// notices are the codes of what a laptop tells its person.
func (w *world) notices(name string) (codes []string) {
	w.t.Helper()
	var s struct {
		Notices []struct{ Code, Message string }
	}
	w.decode(w.laptop(name, "state", "--json"), &s)
	for _, n := range s.Notices {
		codes = append(codes, n.Code)
		if n.Message == "" {
			w.t.Errorf("%s: the notice %s says nothing", name, n.Code)
		}
	}
	return codes
}

func (w *world) sync(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.laptop(name, "sync")
	}
}

// same checks that all laptops hold the same tasks with nothing waiting, and
// returns the titles.
func (w *world) same(names ...string) []string {
	w.t.Helper()
	first := w.tasks(names[0])
	for _, name := range names {
		tasks := w.tasks(name)
		for id := range maps.All(first) {
			if !reflect.DeepEqual(first[id], tasks[id]) && !conflictOnly(first[id], tasks[id]) {
				w.t.Errorf("task %s is\n%v on %s and\n%v on %s", id, first[id], names[0], tasks[id], name)
			}
		}
		if len(tasks) != len(first) {
			w.t.Errorf("%s holds %d tasks, %s %d", names[0], len(first), name, len(tasks))
		}
		if n := w.pending(name); n != 0 {
			w.t.Errorf("%d changes wait on %s:\n%s", n, name, w.laptop(name, "queue"))
		}
	}
	var titles []string
	for _, task := range first {
		titles = append(titles, fmt.Sprint(task["title"], "/", task["asset"]))
	}
	slices.Sort(titles)
	return titles
}

// notesOf are the texts of a task's notes on a laptop.
func (w *world) notesOf(name, task string) (out []string) {
	w.t.Helper()
	var v struct{ Notes []map[string]any }
	w.decode(w.laptop(name, "show", task, "--json"), &v)
	for _, n := range v.Notes {
		out = append(out, fmt.Sprint(n["body"]))
	}
	slices.Sort(out)
	return out
}

// The server is put back to an older backup. In one story it is found out at
// once, in the other only after a third laptop made it grow past its old end.
func TestF46F47ServerRestored(t *testing.T) {
	for name, grown := range map[string]bool{"found at once": false, "grown past its old end": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
			w.office("user", "add", "bob", "--crew", "north", "--role", "technician")
			w.office("user", "add", "cleo", "--crew", "north", "--role", "technician")
			w.serve()
			for _, n := range []string{"ann", "bob", "cleo"} {
				w.enrol(n, n[:1])
			}
			kept := w.add("a", "kept")
			w.laptop("a", "note", kept, "before the backup")
			w.sync("a", "b", "c")
			w.backup("server.db", "server.bak")

			mine := w.add("a", "made by ann")
			w.laptop("a", "note", mine, "one")
			w.laptop("a", "set", kept, "asset=K-1")
			w.sync("a", "b")
			theirs := w.add("b", "made by bob")
			w.laptop("b", "note", kept, "by bob")
			w.laptop("b", "set", mine, "asset=K-2")
			w.office("task", "add", "made by the office", "--crew", "north")
			w.sync("b", "a")
			waiting := w.add("a", "not sent yet")
			w.laptop("a", "note", theirs, "ann on bob's task")
			w.sync("a")
			w.laptop("a", "note", kept, "not sent yet")
			deleted := w.tasks("a")
			if len(deleted) != 5 {
				t.Fatalf("%d tasks before the restore: %v", len(deleted), deleted)
			}

			w.killServer()
			w.restore("server.bak", "server.db")
			w.serve()
			if grown {
				for i := range 30 {
					w.add("c", fmt.Sprint("made by cleo ", i))
				}
				w.sync("c")
			}
			// Ann comes first: what she wrote on bob's task waits for him.
			w.sync("a")
			if got := w.notices("a"); !slices.Equal(got, []string{"reset"}) {
				t.Errorf("ann is told %v", got)
			}
			w.sync("b", "a", "c", "b", "a")
			titles := w.same("a", "b", "c")
			want := []string{"kept/K-1", "made by ann/K-2", "made by bob/<nil>", "not sent yet/<nil>"}
			if grown {
				for i := range 30 {
					want = append(want, fmt.Sprint("made by cleo ", i, "/<nil>"))
				}
				slices.Sort(want)
			}
			if !slices.Equal(titles, want) {
				t.Errorf("in the end:\n%q, want\n%q", titles, want)
			}
			for task, want := range map[string][]string{kept: {"before the backup", "by bob", "not sent yet"}, mine: {"one"}, theirs: {"ann on bob's task"}, waiting: nil} {
				for _, name := range []string{"a", "b", "c"} {
					if got := w.notesOf(name, task); !slices.Equal(got, want) {
						t.Errorf("notes of %s on %s: %q, want %q", task, name, got, want)
					}
				}
			}
			w.laptop("a", "state", "--read")
			if got := w.notices("a"); len(got) != 0 {
				t.Errorf("read, and still told: %v", got)
			}
			if got := w.notices("c"); len(got) != 0 {
				t.Errorf("cleo was told of nothing that is lost, and is alarmed: %v", got)
			}
		})
	}
}

// A laptop's data is copied with all it holds, and both copies are used.
func TestF79LaptopCopied(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.office("user", "add", "bob", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.enrol("bob", "b")
	task := w.add("a", "shared")
	w.sync("a", "b")
	w.add("a", "waits in both copies")
	w.laptop("a", "note", task, "waits in both copies too")
	w.copyLaptop("a", "copy")
	for _, name := range []string{"a", "copy"} {
		for i := range 3 {
			w.add(name, fmt.Sprint("made on ", name, " ", i))
		}
		w.laptop(name, "note", task, "from "+name)
	}
	w.laptop("a", "set", task, "asset=one")
	w.laptop("copy", "set", task, "asset=two")
	w.sync("a", "copy", "a", "b", "copy")
	titles := w.same("a", "copy", "b")
	want := []string{"made on a 0/<nil>", "made on a 1/<nil>", "made on a 2/<nil>", "made on copy 0/<nil>", "made on copy 1/<nil>", "made on copy 2/<nil>", "shared/two", "waits in both copies/<nil>"}
	if !slices.Equal(titles, want) {
		t.Errorf("in the end:\n%q, want\n%q", titles, want)
	}
	if got, want := w.notesOf("b", task), []string{"from a", "from copy", "waits in both copies too"}; !slices.Equal(got, want) {
		t.Errorf("notes: %q, want %q", got, want)
	}
	if a, c := w.notices("a"), w.notices("copy"); len(a) != 0 || !slices.Equal(c, []string{"forked"}) {
		t.Errorf("ann is told %v, and on the copy %v", a, c)
	}
	var conflicts []map[string]any
	w.decode(w.laptop("copy", "conflicts", "--json"), &conflicts)
	if len(conflicts) != 1 || conflicts[0]["mine"] != "two" || conflicts[0]["theirs"] != "one" {
		t.Errorf("one copy wrote over the other, which it had not seen: %v", conflicts)
	}
}

// A laptop is put back to an older copy of its data and goes on.
func TestF80LaptopRestored(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	task := w.add("a", "old")
	w.sync("a")
	w.laptop("a", "note", task, "waited when the copy was made")
	w.copyLaptop("a", "old")
	w.add("a", "after the copy")
	w.laptop("a", "set", task, "asset=K-1")
	w.sync("a")
	w.copyLaptop("old", "a")
	w.add("a", "after it was put back")
	w.laptop("a", "note", task, "after it was put back")
	w.sync("a")
	if got, want := w.same("a"), []string{"after it was put back/<nil>", "after the copy/<nil>", "old/K-1"}; !slices.Equal(got, want) {
		t.Errorf("in the end: %q, want %q", got, want)
	}
	if got, want := w.notesOf("a", task), []string{"after it was put back", "waited when the copy was made"}; !slices.Equal(got, want) {
		t.Errorf("notes: %q, want %q", got, want)
	}
	if got := w.notices("a"); !slices.Equal(got, []string{"forked"}) {
		t.Errorf("ann is told %v", got)
	}
}

// copyLaptop copies a laptop's data, its token too.
func (w *world) copyLaptop(from, to string) {
	w.t.Helper()
	w.backup(from+".db", "copy.bak")
	w.restore("copy.bak", to+".db")
	token, err := os.ReadFile(filepath.Join(w.dir, from+".db.token"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.file(to+".db.token", string(token))
}

// The laptops are killed again and again while they begin anew with a restored
// server, and one of them joined only after the backup, so that the server does
// not know it any more.
func TestServerRestoredThroughKills(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.office("user", "add", "bob", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	var rows []string
	for i := range 800 {
		rows = append(rows, fmt.Sprintf("task %04d,R%04d", i, i))
	}
	list := w.file("tasks.csv", "title,external_ref\n"+strings.Join(rows, "\n")+"\n")
	w.office("import", list, "--crew", "north")
	w.sync("a")
	w.backup("server.db", "server.bak")
	w.enrol("bob", "b")
	var want []string
	for _, name := range []string{"a", "b"} {
		w.sync(name)
		for i := range 8 {
			title := fmt.Sprint("made on ", name, " ", i)
			id := w.add(name, title)
			w.laptop(name, "note", id, "a note")
			want = append(want, title+"/<nil>")
		}
		w.sync(name)
	}
	w.sync("a")
	w.killServer()
	w.restore("server.bak", "server.db")
	w.serve()
	w.refused(1, []string{"sign-in"}, "punchlist", "--db", "b.db", "sync")
	w.enrol("bob", "b")
	for round := range 8 {
		for _, name := range []string{"a", "b"} {
			cmd := w.command(t.Context(), "punchlist", "--db", name+".db", "sync", "--watch")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.NewTimer(time.Duration(30+40*round) * time.Millisecond) // the moment of the kill; nothing is expected to be done by then
			<-timer.C
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	w.sync("a", "b", "a")
	var made []string
	for _, title := range w.same("a", "b") {
		if strings.HasPrefix(title, "made") {
			made = append(made, title)
		}
	}
	slices.Sort(want)
	if !slices.Equal(made, want) {
		t.Errorf("in the end %q, want %q", made, want)
	}
	for id, task := range w.tasks("a") {
		if strings.HasPrefix(fmt.Sprint(task["title"]), "made") {
			if got := w.notesOf("b", id); !slices.Equal(got, []string{"a note"}) {
				t.Errorf("notes of %v: %q", task["title"], got)
			}
		}
	}
	for _, name := range []string{"a", "b"} {
		if got := w.notices(name); !slices.Equal(got, []string{"reset"}) {
			t.Errorf("%s is told %v", name, got)
		}
	}
}
