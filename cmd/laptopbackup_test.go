package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A laptop's backup, made while other processes sync and write, and put back: the
// server notices, nothing is lost, nothing is there twice.
func TestALaptopIsBackedUpWhileItWorks(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.office("user", "add", "bob", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.enrol("bob", "b")
	first := w.add("a", "First")
	watch := w.command(t.Context(), "punchlist", "--db", "a.db", "sync", "--watch")
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for n := range 20 {
			if _, errs, code := w.try("punchlist", "--db", "a.db", "note", first, fmt.Sprint("while it is copied ", n)); code != 0 {
				t.Errorf("a note during a backup: %s", errs)
			}
		}
	}()
	for n := range 4 {
		file := fmt.Sprintf("a-%d.bak", n)
		w.laptop("a", "backup", file)
		if info, err := os.Stat(filepath.Join(w.dir, file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		if out := w.run("punchlist", "--db", file, "list"); !strings.Contains(out, "First") {
			t.Errorf("the copy lacks what was there:\n%s", out)
		}
	}
	<-written
	w.refused(1, []string{"there is a file", "Try: name a new file"}, "punchlist", "--db", "a.db", "backup", "a-0.bak")
	w.refused(1, []string{"there is no folder", "Try: "}, "punchlist", "--db", "a.db", "backup", "nowhere/a.bak")
	w.refused(1, []string{"another punchlist on this laptop", "Try: close the screen"}, "punchlist", "--db", "a.db", "restore", "a-3.bak")
	if err := watch.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = watch.Wait()
	w.sync("a")
	w.laptop("a", "backup", "monday.bak")
	w.add("a", "After the backup")
	w.refused(3, []string{"1 unsent change", "Try: punchlist sync"}, "punchlist", "--db", "a.db", "restore", "monday.bak")
	w.sync("a", "b")
	w.file("text.bak", "no database at all, but quite some text of a letter")
	w.laptop("b", "backup", "bobs.bak")
	for file, words := range map[string][]string{"text.bak": {"cannot be put back", "Try: "}, "none.bak": {"there is no file", "Try: "}, "a.db": {"is the database itself"}, "bobs.bak": {"another laptop's", "Try: "}} {
		w.refused(1, words, "punchlist", "--db", "a.db", "restore", file)
	}
	var told struct {
		Database, From string
		Aside          []string
	}
	w.decode(w.laptop("a", "restore", "monday.bak", "--json"), &told)
	if len(told.Aside) == 0 || told.From != "monday.bak" {
		t.Errorf("%+v", told)
	} else if out := w.run("punchlist", "--db", told.Aside[0], "list"); !strings.Contains(out, "After the backup") {
		t.Errorf("what was set aside is not whole:\n%s", out)
	}
	if out := w.laptop("a", "list"); strings.Contains(out, "After the backup") {
		t.Errorf("that is no backup:\n%s", out)
	}
	w.add("a", "After it was put back")
	w.sync("a", "b", "a")
	if got, want := w.same("a", "b"), []string{"After it was put back/<nil>", "After the backup/<nil>", "First/<nil>"}; !slices.Equal(got, want) {
		t.Errorf("in the end %q, want %q", got, want)
	}
	if notes := w.notesOf("b", first); len(notes) != 20 {
		t.Errorf("%d notes, want 20: %q", len(notes), notes)
	}
	w.laptop("a", "verify")
	w.laptop("new", "restore", "monday.bak") // a new disk
	if out := w.laptop("new", "list"); !strings.Contains(out, "First") {
		t.Errorf("on a new disk:\n%s", out)
	}
}

// The database is damaged when the backup is put back: what waited in it is told of,
// with the commands that bring it, and they do.
func TestABackupInThePlaceOfADamagedDatabase(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.add("a", "Sent")
	w.sync("a")
	w.laptop("a", "backup", "monday.bak")
	w.add("a", "Waits in the damaged one")
	w.file("a.db", strings.Repeat("noise ", 5000))
	_, said, code := w.try("punchlist", "--db", "a.db", "restore", "monday.bak")
	if code != 0 || !strings.Contains(said, "holds 1 unsent change") {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	for _, line := range strings.Split(said, "\n") {
		for _, command := range strings.Split(line, " && ") {
			if words := strings.Fields(command); len(words) > 1 && words[0] == "punchlist" && !strings.Contains(command, "sync fetches") {
				if words[1] != "--db" {
					words = slices.Insert(words, 1, "--db", "a.db")
				}
				w.run(words[0], words[1:]...)
			}
		}
	}
	w.sync("a")
	if got, want := w.same("a"), []string{"Sent/<nil>", "Waits in the damaged one/<nil>"}; !slices.Equal(got, want) {
		t.Errorf("in the end %q, want %q", got, want)
	}
}
