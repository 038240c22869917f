package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// config writes the person's config.toml.
func (w *world) config(text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, "config", "punchlist"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.file("config/punchlist/config.toml", text)
}

// mouse sends what a terminal sends for a click of the left button, or with
// button 64 and 65 for the wheel. Cells are counted from 1.
func (term *terminal) mouse(button, x, y int) {
	term.w.t.Helper()
	term.typed(fmt.Sprintf("\x1b[<%d;%d;%dM\x1b[<%d;%d;%dm", button, x, y, button, x, y))
}

// row is the line of the screen, from 1, that holds a text.
func (term *terminal) row(text string) int {
	term.w.t.Helper()
	for i, l := range strings.Split(term.sees(text), "\n") {
		if strings.Contains(l, text) {
			return i + 1
		}
	}
	return 0
}

// The settings are obeyed: signs, views, keys, mouse; a fault in them stops nobody.
func TestTheScreenObeysTheSettings(t *testing.T) {
	w := newWorld(t)
	w.laptop("a", "add", "Inspect the boiler", "--priority", "high")
	w.laptop("a", "add", "Mend the fence, a very long way behind the last house of the village at the river")
	w.config("glyphs = \"ascii\"\n\n[[views]]\nname = \"hot\"\nfilter = \"priority:high\"\n\n[keys]\nstatus = [\"b\", \"f8\"]\n")
	term := w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the boiler", "b/f8 status")
	term.until("ASCII signs", func(s string) bool { return strings.Contains(s, "~") && !strings.Contains(s, "…") })
	term.keys("1")
	term.until("the view", func(s string) bool {
		return strings.Contains(s, "Tasks: hot") && !strings.Contains(s, "fence")
	})
	term.keys("F8")
	term.sees("en route")
	term.keys("Escape", "Escape")
	row := term.row("Mend the fence")
	term.mouse(0, 20, row)
	term.until("the row that was clicked on", func(s string) bool {
		return strings.HasPrefix(strings.Split(s, "\n")[row-1], "> ")
	})
	term.mouse(0, 20, row)
	term.sees("Task NEW-")
	term.keys("q", "q")

	w.config("glyphs = \"ascii\"\nmouse = maybe\n")
	term = w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the boiler", "Standard settings: config.toml line 2 has a fault", "s status")
	w.refused(1, []string{"config.toml:2: ", "this is no TOML"}, "punchlist", "config", "check")
}

// Long text goes to the person's editor on the same terminal, and the screen is
// there again as it was; an editor that the line took away loses nothing.
func TestAnEditorOnTheTerminal(t *testing.T) {
	w := newWorld(t)
	id := strings.TrimSpace(w.laptop("a", "add", "Inspect the boiler"))
	script := w.file("ed.sh", "echo EDITING; read line; echo \"$line\" >>\"$1\"\n")
	w.editor = "sh " + script
	term := w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the boiler")
	term.keys("E")
	term.until("the editor alone", func(s string) bool { return strings.Contains(s, "EDITING") && !strings.Contains(s, "Inspect") })
	term.typed("Bring the long ladder.")
	term.keys("Enter")
	term.sees("Edit NEW-", "> description", "Bring the long ladder.", "The text is taken over")
	term.keys("C-s")
	term.sees("changed", "Inspect the boiler")
	if got := w.laptop("a", "show", id, "--json"); !strings.Contains(got, "Bring the long ladder.") {
		t.Errorf("saved:\n%s", got)
	}

	w.editor = "sh " + w.file("ed2.sh", "echo \"Half a thought\" >>\"$1\"; echo EDITING; exec sleep 100\n")
	term = w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the boiler")
	term.keys("n")
	term.sees("Note on")
	term.keys("C-o")
	term.sees("EDITING")
	pid := term.pid()
	term.tmux("kill-server") // the line is gone, with the editor open
	w.until(20*time.Second, "the end of the program", func() bool { return syscall.Kill(pid, 0) != nil })
	term = w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the boiler")
	term.keys("n")
	term.sees("Half a thought", "never saved")
	term.keys("Enter")
	term.sees("Note added")
	if left, _ := filepath.Glob(filepath.Join(w.dir, "state", "punchlist", "editor", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Two sessions on one database: each sees what the other saves, and what one
// types is not the other's.
func TestTwoSessionsOnOneLaptop(t *testing.T) {
	w := newWorld(t)
	w.laptop("a", "add", "Inspect the boiler")
	one, two := w.terminal(80, 24, "--db", "a.db"), w.terminal(200, 50, "--db", "a.db")
	one.sees("Inspect the boiler")
	two.sees("Inspect the boiler")
	one.keys("n")
	one.sees("Note on")
	one.typed("From one")
	two.keys("n")
	two.sees("Note on")
	two.typed("From two")
	one.sees("From one")
	two.until("its own text", func(s string) bool { return strings.Contains(s, "From two") && !strings.Contains(s, "From one") })
	two.keys("Enter")
	two.sees("Note added")
	one.sees("From one", "2 changes saved")
	one.keys("Enter")
	one.sees("Note added", "2n")
	two.sees("From one", "2n")
	two.keys("s")
	two.sees("2 en route")
	two.keys("2")
	one.sees("NOW", "en route")
	one.keys("u")
	two.sees("status   pending", "LATER")
}

// Before leaving, and on the way: ready, a command by its name, work offline,
// the queue into a file, online again, undo of what was sent.
func TestReadyToLeaveAndBackAgain(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.laptop("a", "add", "Inspect the boiler", "--due", "tomorrow", "--assignee", "ann")
	w.laptop("a", "sync")
	term := w.terminal(80, 24, "--db", "a.db")
	term.sees("T-10001", "ONLINE")
	term.keys("R")
	term.sees("READY: all is here, and all is sent.", "1 tomorrow", "ann, technician, crew north")
	term.keys("Escape")
	term.sees("Inspect the boiler")
	term.typed(":work offline")
	term.sees("ctrl+n")
	term.keys("Enter")
	term.sees("WORKING OFFLINE", "Inspect the boiler")
	term.keys("s")
	term.sees("en route")
	term.typed("3s4")
	term.sees("why on hold?")
	term.keys("1")
	term.sees("on hold", "waiting")
	term.keys("R")
	term.sees("wait here; the office does not know of", "LOOK")
	term.keys("O")
	term.sees("Set T-10001 to on hold")
	term.keys("w")
	term.sees("File: ~/punchlist-unsent-")
	term.keys("Enter")
	term.sees("changes written to ~/punchlist-unsent-")
	if files, _ := filepath.Glob(filepath.Join(w.dir, "punchlist-unsent-*.json")); len(files) != 1 {
		t.Fatalf("files: %v", files)
	} else if got := w.laptop("a", "queue", "import", files[0], "--json"); !strings.Contains(got, "\"taken\": 0") {
		t.Errorf("imported again:\n%s", got)
	}
	term.keys("C-n")
	term.sees("Nothing waits to be sent", "ONLINE  all sent")
	term.keys("Escape", "Escape")
	term.sees("Inspect the boiler")
	term.keys("u")
	term.sees("Undone: Set T-10001 to on hold. The change back goes out like any other.")
	term.sees("in progress", "all sent")
	term.typed("?/undo")
	term.sees("undo the last action")
}
