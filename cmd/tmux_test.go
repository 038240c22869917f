package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// terminal is a tmux with the screen in it: a real terminal that can be asked
// what it shows.
type terminal struct {
	w      *world
	socket string
}

func (w *world) terminal(cols, rows int, args ...string) *terminal {
	w.t.Helper()
	return w.terminalWith(cols, rows, filepath.Join(w.bin, "punchlist")+" "+strings.Join(args, " "))
}

// terminalWith is a tmux with any command in it.
func (w *world) terminalWith(cols, rows int, command string) *terminal {
	w.t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") != "" {
			w.t.Fatal("tmux is missing")
		}
		w.t.Skip("tmux is missing")
	}
	w.terminals++ // each has a tmux server of its own: the last one may be ending still
	term := &terminal{w: w, socket: filepath.Join(w.dir, fmt.Sprint("tmux", w.terminals))}
	line := fmt.Sprintf("env -u NO_COLOR LANG=C.UTF-8 LC_ALL=C.UTF-8 EDITOR='%s' %s", w.editor, command)
	term.tmux("-f", "/dev/null", "new-session", "-d", "-s", "s", "-x", fmt.Sprint(cols), "-y", fmt.Sprint(rows), line)
	w.t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.w.t.Helper()
	cmd := term.w.command(term.w.t.Context(), "", "")
	cmd.Path, _ = exec.LookPath("tmux")
	cmd.Args = append([]string{"tmux", "-S", term.socket}, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		term.w.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// keys types; names are tmux's (Enter, Escape, C-n), the rest is letters.
func (term *terminal) keys(keys ...string) {
	term.w.t.Helper()
	term.tmux(append([]string{"send-keys", "-t", "s"}, keys...)...)
}

// typed types a text, letter by letter in one go.
func (term *terminal) typed(text string) {
	term.w.t.Helper()
	term.tmux("send-keys", "-t", "s", "-l", text)
}

func (term *terminal) screen() string { return term.tmux("capture-pane", "-p", "-t", "s") }

// pid is the process on the terminal.
func (term *terminal) pid() int {
	term.w.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(term.tmux("display-message", "-p", "-t", "s", "#{pane_pid}")))
	if err != nil {
		term.w.t.Fatal(err)
	}
	return n
}

func (w *world) kill9(pid int) {
	w.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
}

// sees waits until the screen shows all the texts.
func (term *terminal) sees(texts ...string) string {
	term.w.t.Helper()
	return term.until(fmt.Sprintf("%q", texts), func(s string) bool {
		for _, text := range texts {
			if !strings.Contains(s, text) {
				return false
			}
		}
		return true
	})
}

func (term *terminal) until(what string, ok func(string) bool) string {
	term.w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for {
		s := term.screen()
		if ok(s) {
			term.clean(s)
			return s
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			term.w.t.Fatalf("the screen never showed %s:\n%s", what, s)
		}
	}
}

// clean: nothing but printable text, no line wider than the terminal.
func (term *terminal) clean(s string) {
	term.w.t.Helper()
	for _, r := range s {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\uFFFD' {
			term.w.t.Errorf("the screen holds U+%04X:\n%s", r, s)
			return
		}
	}
}

// One working day at 80×24: add, edit, a checklist, a queue, a conflict.
func TestADayOnTheScreen(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	id := strings.TrimSpace(w.laptop("a", "add", "Inspect the boiler", "--priority", "high", "--due", "tomorrow"))
	w.file("lift.csv", "title,external_ref,Car,Doors,Bell\nInspect the lift,L-1,o,o,o\n")
	w.laptop("a", "import", "lift.csv", "--item", "Car", "--item", "Doors", "--item", "Bell", "--item-values", "o=open")
	w.laptop("a", "sync")
	w.killServer()

	term := w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the boiler", "high", "T-10001")
	term.sees("OFFLINE")

	// Add a task: title, then save.
	term.keys("a")
	term.sees("New task")
	term.typed("Mend the valve")
	term.keys("C-s")
	term.sees("Mend the valve", "NEW-", "Saved on this laptop")

	// Closing the terminal in the middle of a form loses nothing that was saved.
	term.keys("a")
	term.sees("New task")
	term.typed("Half a thou")
	term.tmux("kill-server")
	if n := len(w.tasks("a")); n != 3 {
		t.Fatalf("%d tasks after the terminal was closed, want 3", n)
	}
	term = w.terminal(80, 24, "--db", "a.db")
	term.sees("Mend the valve", "Inspect the boiler")

	// A checklist from the first step to the completed task.
	term.keys("/")
	term.typed("lift")
	term.keys("Enter")
	term.until("the lift alone", func(s string) bool { return strings.Contains(s, "Inspect the lift") && !strings.Contains(s, "boiler") })
	term.keys("s")
	term.sees("in progress")
	term.keys("3")
	term.sees("NOW")
	term.keys("c")
	term.sees("Car", "Doors", "Bell")
	term.keys("p", "f", "n")
	term.sees("3 of 3 answered, 1 failed", "Complete T-10002")
	term.keys("y")
	term.sees("DONE", "3/3")
	term.keys("Escape")
	term.sees("Inspect the boiler")

	// The queue says what waits, in sentences.
	term.keys("O")
	term.sees("Mend the valve", "Added")
	term.keys("Escape")
	term.sees("Inspect the boiler")

	// Edit the first task while the office does the same: a conflict, told and taken back.
	w.laptop("a", "set", id, "asset=B-1")
	w.office("task", "set", "T-10001", "asset=B-2", "--crew", "north") // before the laptop can send: else the office has seen it
	w.serve()
	term.sees("ONLINE", "1 conflict")
	term.keys("X")
	term.sees("B-1", "B-2")
	term.keys("m")
	term.until("no conflict", func(s string) bool { return !strings.Contains(s, "B-2") })
	term.keys("Escape")
	term.sees("all sent")
	if got := w.office("task", "list", "--crew", "north", "--json"); !strings.Contains(got, "B-1") {
		t.Errorf("the office has:\n%s", got)
	}

	term.keys("q")
	w.killServer()
}
