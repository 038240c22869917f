package cmd_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// finishes waits until the program on the terminal has ended, and returns all that it
// wrote there.
func (s *session) finishes() string {
	s.w.t.Helper()
	<-s.exited
	s.until("its last line", func(string) bool { return strings.HasSuffix(s.sent(), "\n") })
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.w.t.Errorf("%q: exit %d\n%s", s.cmd.Args, code, s.sent())
	}
	return s.sent()
}

// Work that takes more than a second tells on a terminal how far it is, in a line
// that is gone afterwards; where there is no terminal it says nothing of the kind.
func TestLongWorkTellsHowFarItIs(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	b.WriteString("title,external_ref\n")
	for n := range 12000 {
		fmt.Fprintf(&b, "Task %d,R-%d\n", n, n)
	}
	w.file("jobs.csv", b.String())
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.enrol("ann", "b")
	tells := func(what string, argv ...string) {
		t.Helper()
		out := w.session(120, 24, nil, argv...).finishes()
		before, after, told := strings.Cut(out, "\r"+what)
		if !told || !strings.Contains(after, "\r"+strings.Repeat(" ", len(what))) || strings.Contains(before, "\n") {
			t.Errorf("%q tells no %q that is gone afterwards:\n%.400q", argv, what, out)
		}
	}
	tells("importing: ", "punchlist", "--db", "a.db", "import", "jobs.csv")
	tells("Sending: ", "punchlist", "--db", "a.db", "sync")
	tells("Receiving: ", "punchlist", "--db", "b.db", "sync")
	for _, args := range [][]string{{"verify"}, {"export", "-o", "all.json"}, {"sync"}, {"backup", "b.bak"}} {
		if _, errs, code := w.try("punchlist", append(args, "--db", "b.db")...); code != 0 || strings.Contains(errs, "\r") || strings.Count(errs, "\n") > 1 {
			t.Errorf("without a terminal %q says, exit %d:\n%q", args, code, errs)
		}
	}
	if err := w.server.Process.Signal(syscall.SIGSTOP); err != nil { // it lets itself be waited for
		t.Fatal(err)
	}
	s := w.session(120, 24, nil, "punchlist", "--db", "b.db", "verify")
	s.sees("comparing: ")
	if err := w.server.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if out := s.finishes(); !strings.Contains(out, "crew north: equal, 12000 records") {
		t.Errorf("%q", out)
	}
}
