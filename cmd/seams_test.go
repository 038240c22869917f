package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// seamWorld is a world whose programs a test can step into.
func seamWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	bin, err := buildSeams()
	if err != nil {
		t.Fatal(err)
	}
	w.bin = bin
	if err := os.Mkdir(filepath.Join(w.dir, "seams"), 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) seamEnv() []string {
	return []string{"PUNCHLIST_SEAMS=" + filepath.Join(w.dir, "seams")}
}

// A panic in the real program, wherever it is thrown: the terminal is restored,
// the fault is said with the next step, the exit code tells, what was saved is
// there, and what was being typed is offered again.
func TestAPanicAnywhere(t *testing.T) {
	for where, rouse := range map[string]func(s *session){
		"update":  func(s *session) { s.types("x") },
		"command": func(s *session) { s.types("x") },
		"view":    func(s *session) { s.types("x") },
		"engine":  func(s *session) { s.types("\x0e").sees("Working offline").types("\x0e") }, // its goroutine asks for the lock anew
	} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			w := seamWorld(t)
			w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
			w.serve()
			w.enrol("ann", "a")
			w.tasksOn("a")
			s := w.session(80, 24, w.seamEnv()).sees("Inspect the boiler", "ONLINE")
			s.types("nSaved one.\r").sees("Note added. Saved")
			s.types("nHalf a th").sees("Half a th")
			w.eventually("the draft", func() bool { return w.count("a.db", "SELECT count(*) FROM drafts WHERE texts LIKE '%Half a th%'") == 1 })
			w.file("seams/panic-"+where, "")
			s.began = time.Now()
			rouse(s)
			s.restored().tells("Try: ").code()
			t.Logf("the panic to the end: %v", s.forgive().ends(1)) // what is said at the end is said in lines
			if sent := s.sent(); !strings.Contains(sent, "panic: provoked in "+where) || !strings.Contains(sent, "what was saved is safe") || strings.Contains(sent, "goroutine ") {
				t.Errorf("it says %q", tail(sent))
			}
			log, err := os.ReadFile(filepath.Join(w.dir, "state", "punchlist", "punchlist.log"))
			if err != nil || !strings.Contains(string(log), "provoked in "+where) || !strings.Contains(string(log), "seams_on.go") {
				t.Errorf("the log says nothing of it: %v\n%s", err, log)
			}
			w.survives()
		})
	}
}

// A panic in a round, or in who is told of it, ends nothing: it is logged, and tried
// again.
func TestAPanicBesideTheScreen(t *testing.T) {
	for _, where := range []string{"round", "status"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			w := seamWorld(t)
			w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
			w.serve()
			w.enrol("ann", "a")
			w.tasksOn("a")
			s := w.session(80, 24, w.seamEnv()).sees("Inspect the boiler", "ONLINE", "all sent")
			w.file("seams/panic-"+where, "")
			s.types("nSaved one.\r").sees("Note added. Saved")
			w.eventually("the panic", func() bool { _, err := os.Stat(filepath.Join(w.dir, "seams", "panic-"+where)); return err != nil })
			s.types("S").sees("ONLINE", "all sent")
			s.types("q").restored().ends(0)
			log, err := os.ReadFile(filepath.Join(w.dir, "state", "punchlist", "punchlist.log"))
			if err != nil || !strings.Contains(string(log), "provoked in "+where) {
				t.Errorf("the log says nothing of it: %v\n%s", err, log)
			}
		})
	}
}

// The wall clock steps, far forward and far back, while the program runs: it goes
// on, what is saved stays saved in its order, undo undoes the last action, and the
// office hears of each change at the time at which it was made.
func TestTheClockSteps(t *testing.T) {
	t.Parallel()
	w := seamWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.tasksOn("a")
	w.laptop("a", "sync")
	w.killServer()
	began := time.Now().UnixMilli()
	s := w.session(80, 24, w.seamEnv()).sees("Inspect the boiler", "OFFLINE")
	for n, step := range []time.Duration{0, 50 * time.Hour, -100 * 24 * time.Hour, 3 * time.Minute, 0} {
		w.file("seams/clock", fmt.Sprint(step.Milliseconds()))
		s.types(fmt.Sprintf("nNote %d.\r", n)).sees("Note added.", fmt.Sprintf("%dn", n+1))
		s.types("\x1b[B").types("\x1b[A") // an arrow, and esc by itself below: spans of time are not touched
		s.types("?").sees("HERE").types("\x1b").sees("Mend the fence")
	}
	s.types("u").sees("Undone: Wrote a note", "4n")
	w.file("seams/clock", fmt.Sprint((30 * time.Hour).Milliseconds())) // and still so when it is sent
	w.serve()
	s.types("S").sees("ONLINE", "all sent")
	s.types("nNote 5.\r").sees("5n", "all sent")
	s.types("q").restored().ends(0)
	var shown struct {
		Notes []struct {
			Body string `json:"body"`
			At   int64  `json:"at"`
		} `json:"notes"`
	}
	w.laptop("b", "state")
	w.enrol("ann", "b")
	w.laptop("b", "sync")
	w.decode(w.laptop("b", "show", "T-10001", "--json"), &shown)
	var bodies []string
	for _, n := range shown.Notes {
		bodies = append(bodies, n.Body)
		if off := n.At - began; off < -10_000 || off > 300_000 {
			t.Errorf("%s is %v away from when it was written", n.Body, time.Duration(off)*time.Millisecond)
		}
	}
	if got := strings.Join(bodies, " "); got != "Note 0. Note 1. Note 2. Note 3. Note 5." {
		t.Errorf("the other laptop has: %s", got)
	}
}
