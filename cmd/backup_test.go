package cmd_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBackupAndRestore: a copy while the server serves; put back, laptops notice
// and offer again what it lacks; nothing that was there before is deleted.
func TestBackupAndRestore(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.add("a", "Before the backup")
	w.sync("a")
	w.office("backup", "monday.db")
	if info, err := os.Stat(filepath.Join(w.dir, "monday.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v", info, err)
	}
	w.refused(1, []string{"there is a file", "Try: name a new one"}, "punchlistd", "--db", "server.db", "backup", "monday.db")
	w.add("a", "After the backup")
	w.sync("a")
	w.refused(1, []string{"another punchlistd serves the database", "Try: "}, "punchlistd", "--db", "server.db", "restore", "monday.db")
	w.killServer()
	before, err := os.ReadFile(filepath.Join(w.dir, "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	w.file("late.db", string(before))
	w.file("text.db", "no database at all, but quite some text of a letter")
	w.refused(1, []string{"the backup cannot be used", "Try: "}, "punchlistd", "--db", "server.db", "restore", "text.db")
	w.refused(1, []string{"the backup cannot be used", "belongs to another program"}, "punchlistd", "--db", "server.db", "restore", "a.db")
	w.refused(1, []string{"there is no file"}, "punchlistd", "--db", "server.db", "restore", "nowhere.db")
	w.refused(1, []string{"is the database itself", "Try: "}, "punchlistd", "--db", "server.db", "restore", "./server.db")
	w.file("late.db-wal", "what was committed last")
	w.refused(1, []string{"late.db-wal", "Try: ", "punchlistd backup NEW-FILE --db late.db"}, "punchlistd", "--db", "server.db", "restore", "late.db")
	// As on a full disk: the copy breaks off.
	short := w.command(t.Context(), "punchlistd", "--db", "server.db", "restore", "monday.db")
	short.Path, short.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -f 8 && exec "$0" "$@"`, short.Path}, short.Args[1:]...)
	if out, err := short.CombinedOutput(); err == nil {
		t.Errorf("a copy that broke off was taken:\n%s", out)
	}
	if after, err := os.ReadFile(filepath.Join(w.dir, "server.db")); err != nil || string(after) != string(before) {
		t.Errorf("a refused restore changed the database, %v", err)
	}
	var told struct{ Database, From, Aside string }
	w.decode(w.office("restore", "monday.db", "--json"), &told)
	if _, err := os.Stat(filepath.Join(w.dir, told.Aside)); err != nil || told.Database != "server.db" {
		t.Errorf("%+v, %v", told, err)
	}
	if out := w.run("punchlistd", "--db", told.Aside, "task", "list"); !strings.Contains(out, "After the backup") {
		t.Errorf("the old database is not whole:\n%s", out)
	}
	if out := w.office("task", "list"); strings.Contains(out, "After the backup") {
		t.Errorf("that is no backup:\n%s", out)
	}
	w.serve()
	w.sync("a")
	if codes := w.notices("a"); !slices.Contains(codes, "reset") {
		t.Errorf("the laptop tells %v", codes)
	}
	if out := w.office("task", "list"); !strings.Contains(out, "After the backup") {
		t.Errorf("the laptop did not offer its work again:\n%s", out)
	}
	if out := w.office("audit"); !strings.Contains(out, "restored") {
		t.Errorf("the audit does not tell of the restore:\n%s", out)
	}
	w.office("audit", "verify")
	for _, name := range []string{"backup", "restore"} {
		w.refused(1, []string{"PostgreSQL's own tools", map[string]string{"backup": "pg_dump --format=custom --file=x.dump", "restore": "pg_restore --clean"}[name], "postgres://ann@db.example/pl"},
			"punchlistd", "--db", "postgres://ann:geheim@db.example/pl", name, "x.dump")
		if _, errs, _ := w.try("punchlistd", "--db", "postgres://ann:geheim@db.example/pl", name, "x.dump"); strings.Contains(errs, "geheim") {
			t.Errorf("the password is printed: %s", errs)
		}
	}
}
