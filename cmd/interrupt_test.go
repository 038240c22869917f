package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// interrupt starts a program, sends it what ctrl+c sends as soon as it is in the
// middle of its work, and returns its exit code.
func (w *world) interrupt(midst func() bool, name string, args ...string) (code int, said string) {
	w.t.Helper()
	cmd := w.command(context.WithoutCancel(w.t.Context()), name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for sent := false; ; {
		select {
		case <-ended:
			return cmd.ProcessState.ExitCode(), errs.String()
		case <-look.C:
			if !sent && midst() {
				sent = cmd.Process.Signal(syscall.SIGINT) == nil
			}
		}
	}
}

// Ctrl+C in the middle of long work leaves nothing half done: all of it or nothing
// is in the database, a file is whole or as it was, and nothing is left behind.
func TestCtrlCLeavesNothingHalfDone(t *testing.T) {
	w := newWorld(t)
	const rows = 6000
	var b strings.Builder
	b.WriteString("title,external_ref,description\n")
	for n := range rows {
		fmt.Fprintf(&b, "Task %d,R-%d,%s\n", n, n, strings.Repeat("words ", 20))
	}
	w.file("jobs.csv", b.String())
	w.office("user", "add", "ann", "--crew", "north")
	w.laptop("a", "list")
	temps := func() []string {
		found, err := filepath.Glob(filepath.Join(w.dir, ".punchlist*-*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	begun := func() bool { return len(temps()) > 0 }
	grown := func(db string) func() bool { // the log holds a part of the import
		return func() bool {
			info, err := os.Stat(filepath.Join(w.dir, db+"-wal"))
			return err == nil && info.Size() > 1<<20
		}
	}
	cut := 0
	for _, c := range []struct {
		program, db string
		args        []string
	}{{"punchlist", "a.db", []string{"import", "jobs.csv"}}, {"punchlistd", "server.db", []string{"import", "jobs.csv", "--crew", "north"}}} {
		code, said := w.interrupt(grown(c.db), c.program, append(c.args, "--db", c.db)...)
		list := map[string][]string{"punchlist": {"list", "--json", "--db", c.db}, "punchlistd": {"task", "list", "--json", "--db", c.db}}[c.program]
		var tasks []map[string]any
		w.decode(w.run(c.program, list...), &tasks)
		if want := map[bool]int{true: rows, false: 0}[code == 0]; len(tasks) != want {
			t.Errorf("%s import ended with %d and left %d of %d tasks:\n%s", c.program, code, len(tasks), rows, said)
		}
		if code != 0 {
			cut++
			w.run(c.program, append(c.args, "--db", c.db)...) // and all of it the next time
		}
	}
	for _, c := range []struct {
		program, file string
		fresh         bool // the file must not be there before
		args          []string
	}{
		{"punchlist", "all.ndjson", false, []string{"export", "--db", "a.db", "-o", "all.ndjson"}},
		{"punchlist", "all.ics", false, []string{"export", "--db", "a.db", "-o", "all.ics"}},
		{"punchlist", "day.html", false, []string{"report", "--day", "--db", "a.db", "-o", "day.html"}},
		{"punchlist", "a.bak", true, []string{"backup", "a.bak", "--db", "a.db"}},
		{"punchlist", "unsent.json", true, []string{"queue", "export", "unsent.json", "--db", "a.db"}},
		{"punchlistd", "crew.csv", false, []string{"export", "--db", "server.db", "-o", "crew.csv"}},
		{"punchlistd", "office.html", false, []string{"report", "--db", "server.db", "-o", "office.html"}},
		{"punchlistd", "server.bak", true, []string{"backup", "server.bak", "--db", "server.db"}},
	} {
		if !c.fresh {
			w.file(c.file, "the old one")
		}
		code, said := w.interrupt(begun, c.program, c.args...)
		text, err := os.ReadFile(filepath.Join(w.dir, c.file))
		switch {
		case code == 0 && (err != nil || len(text) < 100):
			t.Errorf("%q is done, and the file holds %.100q, %v", c.args, text, err)
		case code != 0 && c.fresh && !os.IsNotExist(err):
			t.Errorf("%q was cut short, and there is %s, %d bytes", c.args, c.file, len(text))
		case code != 0 && !c.fresh && string(text) != "the old one":
			t.Errorf("%q was cut short, and the old file is gone: %.100q, %v", c.args, text, err)
		}
		if left := temps(); len(left) > 0 {
			t.Errorf("%q left %q behind", c.args, left)
		}
		if code != 0 {
			cut++
			if strings.Contains(said, "panic") || !strings.Contains(said, c.program+": ") {
				t.Errorf("%q says:\n%s", c.args, said)
			}
		}
	}
	if cut < 3 {
		t.Errorf("only %d of 10 were cut short: that is no test", cut)
	}
	w.laptop("a", "doctor")
}
