package cmd_test

import (
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// disk mounts a small disk of its own at a folder of the world.
func (w *world) disk(name string, size string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		w.t.Skip("this account may not mount: ", err)
	}
	w.t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill writes a file until the disk is full.
func (w *world) fill(path string) {
	w.t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err = f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		w.t.Fatal(err)
	}
}

// TestI6F59FullDisk: reading goes on; what is called saved is saved, out of the
// ballast at first, and then it is refused with the reason; with space again all
// works without more ado.
func TestI6F59FullDisk(t *testing.T) {
	w := newWorld(t)
	dir := w.disk("disk", "32m")
	db, hog := filepath.Join(dir, "a.db"), filepath.Join(dir, "hog")
	run := func(args ...string) string { return w.run("punchlist", append([]string{"--db", db}, args...)...) }
	saved := 1
	run("add", "before")
	if info, err := os.Stat(db + ".ballast"); err != nil || info.Size() != 4<<20 {
		t.Fatalf("there is no ballast: %v", err)
	}
	w.fill(hog)
	run("add", "from the ballast") // the one that was under way when the disk ran full
	saved++
	if _, err := os.Stat(db + ".ballast"); err == nil {
		t.Error("the ballast was not let go")
	}
	w.fill(hog)
	refused := false
	for range 60 { // what room there is inside the file is used up first
		_, errs, code := w.try("punchlist", "--db", db, "add", strings.Repeat("long title ", 18), "--description", strings.Repeat("x", 12000))
		if code == 0 {
			saved++
			continue
		}
		if refused = true; code != 1 || !strings.Contains(errs, "the disk is full") || !strings.Contains(errs, "Try: free some space") {
			t.Errorf("exit %d: %s", code, errs)
		}
		break
	}
	if !refused {
		t.Error("a full disk took sixty tasks")
	}
	count := func() int { return strings.Count(run("list"), "\n") }
	if n := count(); n != saved {
		t.Errorf("%d tasks were called saved, %d are there", saved, n)
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	run("add", "after")
	if n := count(); n != saved+1 {
		t.Errorf("%d tasks, want %d", n, saved+1)
	}
	if _, err := os.Stat(db + ".ballast"); err != nil {
		t.Errorf("the ballast did not come back: %v", err)
	}
}

// TestI7F60ReadOnlyMedium: tasks are shown, edits are refused with the reason,
// nothing is written.
func TestI7F60ReadOnlyMedium(t *testing.T) {
	w := newWorld(t)
	dir := w.disk("disk", "32m")
	db := filepath.Join(dir, "a.db")
	w.run("punchlist", "--db", db, "add", "Pump")
	if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skip("this account may not mount: ", err)
	}
	if out := w.run("punchlist", "--db", db, "list"); !strings.Contains(out, "Pump") {
		t.Error(out)
	}
	w.refused(1, []string{"Nothing can be changed here now", "can only be read", "Try: "}, "punchlist", "--db", db, "add", "Valve")
	w.run("punchlist", "--db", db, "queue", "export", "unsent")
	if text, err := os.ReadFile(filepath.Join(w.dir, "unsent")); err != nil || !strings.Contains(string(text), "Pump") {
		t.Errorf("%v: %s", err, text)
	}
}

// TestI11F72NewerSchema: an older program shows what a newer one wrote, gives
// unsent work out, and leaves the file as it is, byte for byte.
func TestI11F72NewerSchema(t *testing.T) {
	w := newWorld(t)
	w.add("a", "Pump")
	db := filepath.Join(w.dir, "a.db")
	raw, err := sql.Open("sqlite3", db)
	if err != nil {
		t.Fatal(err)
	}
	_, err = raw.ExecContext(t.Context(), "ALTER TABLE tasks ADD COLUMN fresh TEXT; PRAGMA user_version = 9999")
	if err = errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	if out := w.laptop("a", "list"); !strings.Contains(out, "Pump") {
		t.Error(out)
	}
	w.refused(1, []string{"written by a newer version", "install the newest punchlist"}, "punchlist", "--db", "a.db", "add", "Valve")
	w.laptop("a", "queue", "export", "unsent")
	if out := w.laptop("a", "export"); !strings.Contains(out, "Pump") {
		t.Error(out)
	}
	if after, err := os.ReadFile(db); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed, %v", err)
	}
}

// TestI42NobodyElseReadsWhatIsWritten: whatever the umask says.
func TestI42NobodyElseReadsWhatIsWritten(t *testing.T) {
	w := newWorld(t)
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.add("a", "Pump")
	w.laptop("a", "sync")
	w.laptop("a", "export", "-o", "out.csv")
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == w.dir {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(w.dir, "a.db.token"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.refused(1, []string{"a.db.token may be used by others", "Try: chmod 600"}, "punchlist", "--db", "a.db", "sync")
	if out := w.laptop("a", "list"); !strings.Contains(out, "Pump") {
		t.Error("local work stands still because of the token: " + out)
	}
}
