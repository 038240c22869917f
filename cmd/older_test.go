package cmd_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
)

// buildOlder makes the programs of the version before: the commit before the last
// one that gave the laptop's file a new form. It needs the history and the modules of then.
func buildOlder(t *testing.T) string {
	t.Helper()
	if os.Getenv("TORTURE") == "" {
		t.Skip("it builds an earlier version: make torture (files of each schema so far are opened by every test run)")
	}
	git := func(args ...string) []byte {
		out, err := exec.Command("git", append([]string{"-C", ".."}, args...)...).Output()
		if err != nil {
			t.Skipf("the history is not at hand: git %s: %v", args[0], err)
		}
		return out
	}
	// A commit at which two migrations had one number, as happens when two people's
	// work meets, was no version of anything: it opens no file.
	now, before := localdb.Schema(), ""
	for _, changed := range strings.Fields(string(git("log", "-20", "--format=%H", "--", "localdb/migrations"))) {
		files := strings.Fields(string(git("ls-tree", "--name-only", changed+"^", "localdb/migrations/")))
		numbers := map[string]bool{}
		for _, f := range files {
			numbers[filepath.Base(f)[:4]] = true
		}
		if len(files) < now && len(numbers) == len(files) {
			before = changed + "^"
			break
		}
	}
	if before == "" {
		t.Skip("the history is not at hand")
	}
	dir := t.TempDir()
	unpack := exec.Command("tar", "-x", "-C", dir)
	unpack.Stdin = bytes.NewReader(git("archive", before))
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpack the version before: %v: %s", err, out)
	}
	bin := filepath.Join(dir, "bin")
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", "sqlite_fts5", "-o", bin+"/", "./cmd/punchlist", "./cmd/punchlistd")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("the version before cannot be built here: %v\n%s", err, out)
	}
	return bin
}

// TestTheVersionBefore (G17): laptops of this version and of the one before work
// together over a server of either, with conflicts among them, and come to the
// same. A file of this version is left as it is by the one before, which still
// gives out what waits in it; a file of the one before is taken over with all that
// was in it.
func TestTheVersionBefore(t *testing.T) {
	older := buildOlder(t)
	for _, name := range []string{"the server is newer", "the server is older"} {
		t.Run(name, func(t *testing.T) {
			now := newWorld(t)
			before := *now
			before.bin = older
			office := now
			if name == "the server is older" {
				office = &before
			}
			office.office("user", "add", "ann", "--crew", "north", "--role", "technician")
			office.serve()
			t.Cleanup(office.killServer)
			laptops := map[string]*world{"new1": now, "old1": &before, "new2": now, "old2": &before}
			names := []string{"new1", "old1", "new2", "old2"}
			for _, n := range names {
				laptops[n].laptop(n, "enroll", office.inviteFor("ann", "--url", "http://"+office.address))
			}
			shared := strings.TrimSpace(now.laptop("new1", "add", "Everybody's"))
			rounds := func(times int) {
				for range times {
					for _, n := range names {
						laptops[n].laptop(n, "sync")
					}
				}
			}
			rounds(2)
			for i := range 3 {
				for _, n := range names {
					l := laptops[n]
					id := strings.TrimSpace(l.laptop(n, "add", fmt.Sprint(n, " ", i), "--priority", "high"))
					l.laptop(n, "note", id, "seen by "+n)
					l.laptop(n, "status", id, "in_progress")
					l.laptop(n, "set", shared, "contact_name="+n+fmt.Sprint(i))
				}
				rounds(1)
			}
			rounds(3)
			want := now.tasks("new1")
			if len(want) != 13 {
				t.Errorf("%d tasks", len(want))
			}
			for _, n := range names {
				if got := laptops[n].pending(n); got != 0 {
					t.Errorf("%s: %d changes wait", n, got)
				}
				for id, task := range laptops[n].tasks(n) {
					for _, field := range []string{"title", "status", "number", "contact_name", "priority"} {
						if want[id][field] != task[field] {
							t.Errorf("%s: %s of %s is %v, on new1 %v", n, field, id, task[field], want[id][field])
						}
					}
				}
			}
			if out := now.laptop("new1", "conflicts"); !strings.Contains(out, "contact") {
				t.Errorf("no conflict was told: %s", out)
			}
			if office == now {
				now.laptop("new2", "verify")
			}
			office.office("audit", "verify")
			now.overAndBack(&before)
		})
	}
}

// overAndBack opens each version's file with the other.
func (w *world) overAndBack(before *world) {
	w.t.Helper()
	w.add("new1", "Waits")
	before.laptop("old1", "add", "Waits too")
	path := filepath.Join(w.dir, "new1.db")
	was, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	before.refused(1, []string{"newer version", "install the newest"}, "punchlist", "--db", "new1.db", "add", "Not here")
	before.laptop("new1", "queue", "export", "waits.json")
	if is, err := os.ReadFile(path); err != nil || !bytes.Equal(was, is) {
		w.t.Errorf("the version before changed a newer file: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(w.dir, "waits.json")); err != nil || !strings.Contains(string(text), "Waits") {
		w.t.Errorf("what waits was not given out: %v", err)
	}
	w.laptop("old1", "sync")
	if n := w.pending("old1"); n != 0 {
		w.t.Errorf("taken over by the newer program, %d changes wait", n)
	}
}
