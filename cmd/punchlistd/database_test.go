package main

import (
	"os"
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
