package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoAddress: what was meant as an address and is none makes no file of that
// name, and nobody's password is shown.
func TestNoAddress(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, db := range []string{
		"postgress://ann:s3cret@db/punchlist", "mysql://ann:s3cret@db/punchlist", "POSTGRES//ann://s3cret@db",
		"host=db password=s3cret dbname=punchlist", "dbname = punchlist password=s3cret",
	} {
		for _, args := range [][]string{{"serve"}, {"state"}, {"user", "add", "bob", "--crew", "north"}, {"backup", "s.db"}, {"restore", "s.db"}} {
			p := &program{T: t, db: db}
			code, out, errs := p.run(args...)
			if code != 2 || !strings.Contains(errs, "neither a file nor an address") || !strings.Contains(errs, "postgres://USER@HOST") || strings.Contains(out+errs, "s3cret") {
				t.Errorf("%q on %q: exit %d\n%s%s", args, db, code, out, errs)
			}
		}
	}
	if list, err := os.ReadDir("."); err != nil || len(list) != 0 {
		t.Errorf("made %v, %v", list, err)
	}
}

// TestWhoReadsWritesNothing: a database that is not there is not made, an older one
// is not changed under the server that has it open, and a newer one is refused.
func TestWhoReadsWritesNothing(t *testing.T) {
	reads := [][]string{{"state"}, {"audit"}, {"audit", "verify"}, {"user", "list"}, {"device", "list"}, {"task", "list"}, {"export"}}
	p := newProgram(t)
	none := &program{T: t, db: filepath.Join(t.TempDir(), "typo.db")}
	empty := &program{T: t, db: filepath.Join(t.TempDir(), "empty.db")}
	if err := os.WriteFile(empty.db, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range reads {
		for _, p := range []*program{none, empty} {
			if code, out, errs := p.run(args...); code != 1 || out != "" || !strings.Contains(errs, "there is no database \""+p.db+"\"") || !strings.Contains(errs, "Try: ") {
				t.Errorf("%q without a database: exit %d\n%s%s", args, code, out, errs)
			}
		}
	}
	if list, err := os.ReadDir(filepath.Dir(none.db)); err != nil || len(list) != 0 {
		t.Errorf("made %v, %v", list, err)
	}
	p.office()
	is := p.schema(0)
	for _, args := range reads {
		p.ok(args...)
	}
	release, err := database(p.db).lockServing()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for schema, says := range map[int]string{is - 1: "an older punchlistd serves the database", is + 1: "a newer version"} {
		p.schema(schema)
		whole, err := os.ReadFile(p.db)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range reads {
			if code, out, errs := p.run(args...); code != 1 || out != "" || !strings.Contains(errs, says) || !strings.Contains(errs, "Try: ") {
				t.Errorf("%q of the schema %d: exit %d\n%s%s", args, schema, code, out, errs)
			}
		}
		if after, err := os.ReadFile(p.db); err != nil || !bytes.Equal(after, whole) {
			t.Errorf("the file of the schema %d was written to, %v", schema, err)
		}
	}
}

// schema sets the schema that a file says that it has, and returns what it said; 0 sets none.
func (p *program) schema(to int) (was int) {
	p.Helper()
	raw, err := sql.Open("sqlite3", p.db)
	if err != nil {
		p.Fatal(err)
	}
	defer raw.Close()
	if err := raw.QueryRow("PRAGMA user_version").Scan(&was); err != nil {
		p.Fatal(err)
	}
	if to > 0 {
		if _, err := raw.Exec(fmt.Sprintf("PRAGMA user_version = %d; PRAGMA wal_checkpoint(TRUNCATE)", to)); err != nil {
			p.Fatal(err)
		}
	}
	return was
}

// TestTheDiskOfAFile: only of a file it is said whether its disk is full.
func TestTheDiskOfAFile(t *testing.T) {
	p := newProgram(t)
	p.office()
	var state map[string]any
	if p.json(&state, "state"); state["disk_full"] != false {
		t.Errorf("%v", state)
	}
	text, err := json.Marshal(stateJSON{DiskFull: database("postgres://ann@db/punchlist").full()})
	if err != nil || strings.Contains(string(text), "disk_full") {
		t.Errorf("of PostgreSQL: %s, %v", text, err)
	}
}
