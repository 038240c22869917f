package cmd_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Journeys through a working day on a real terminal, beside those in
// tmux_test.go, screens_test.go and demo_test.go. Keys come several at a time, as
// from somebody who knows them by heart or types ahead over a slow line.

// crewWith is ann's laptop a, with tasks from the office on it.
func (w *world) crewWith(titles ...string) {
	w.t.Helper()
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	for _, title := range titles {
		w.office("task", "add", title, "--crew", "north")
	}
	w.laptop("a", "sync")
}

// officeHas waits until the office's list holds a text.
func (w *world) officeHas(text string) {
	w.t.Helper()
	w.eventually("the office has "+text, func() bool {
		return strings.Contains(w.office("task", "list", "--crew", "north", "--json"), text)
	})
}

// What failed becomes a task of its own, at the same place, and the office has
// both; a step answered by mistake is taken back on the way.
func TestAFailedStepLeavesATask(t *testing.T) {
	w := newWorld(t)
	w.crewWith()
	w.file("lift.csv", "title,external_ref,Car,Doors,Bell\nInspect the lift,L-1,o,o,o\n")
	w.office("import", "lift.csv", "--crew", "north", "--item", "Car", "--item", "Doors", "--item", "Bell", "--item-values", "o=open")
	w.laptop("a", "sync")
	term := w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the lift", "ONLINE")
	term.keys("s", "3", "c")
	term.sees("Checklist T-10001", "> [    ] Car")
	term.keys("p", "f", "u") // Doors failed: no, that was the wrong key
	term.sees("Undone: Answered", "1 of 3 answered")
	term.sees("> [    ] Doors") // back at the step that was taken back
	term.keys("f", "F")
	term.sees("New task", "Follow-up: Doors")
	term.keys("C-s")
	term.sees("Task added.", "[fail] Doors", "> [    ] Bell")
	term.keys("p", "y")
	term.sees("T-10001 is completed.")
	term.keys("Escape")
	term.sees("Follow-up: Doors", "DONE", "3/3", "all sent")
	w.officeHas("Follow-up: Doors")
	var tasks []map[string]any
	w.decode(w.office("task", "list", "--crew", "north", "--json"), &tasks)
	origin := ""
	for _, task := range tasks {
		if task["title"] == "Inspect the lift" {
			origin = task["id"].(string)
		}
	}
	for _, task := range tasks {
		if task["title"] == "Follow-up: Doors" && task["parent_id"] != origin || task["id"] == origin && task["status"] != "COMPLETED" {
			t.Errorf("the office has %v", task)
		}
	}
}

// A morning's conflicts settled at once, taken back as one step, and settled the
// other way: in the end laptop and office hold the same.
func TestConflictsSettledAtOnceAndTakenBack(t *testing.T) {
	w := newWorld(t)
	w.crewWith("Inspect the boiler", "Mend the fence", "Test the bell")
	w.killServer()
	for n := 1; n <= 3; n++ {
		w.laptop("a", "set", fmt.Sprint("T-1000", n), "asset=mine")
		w.office("task", "set", fmt.Sprint("T-1000", n), "asset=theirs", "--crew", "north")
	}
	w.serve()
	term := w.terminal(80, 24, "--db", "a.db")
	term.sees("3 conflicts (press X)", "≠")
	term.keys("X", "V", "m")
	term.sees("Yours in all 3; u undoes that.", "No conflicts to look at", "all sent")
	w.officeHas("mine")
	term.keys("u")
	term.sees("Undone: Settled 3 conflicts", "> lost     asset", "mine", "theirs")
	term.keys("Space", "t") // one alone, then the others
	term.sees("Theirs stays", "2 conflicts")
	term.keys("V", "t")
	term.sees("Theirs in all 2", "No conflicts to look at", "all sent")
	term.keys("Escape")
	term.until("no sign of a conflict", func(s string) bool { return strings.Contains(s, "Mend the fence") && !strings.Contains(s, "≠") })
	if got := w.laptop("a", "list", "--json"); strings.Contains(got, `"mine"`) || strings.Count(got, `"theirs"`) != 3 {
		t.Errorf("the laptop has:\n%s", got)
	}
	w.laptop("a", "verify")
}

// A change that the server refuses is told, mended where it waits, and goes out;
// what came after it went out long before.
func TestARefusedChangeIsMended(t *testing.T) {
	w := newWorld(t)
	w.crewWith("Inspect the boiler", "Mend the fence")
	w.killServer()
	term := w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the boiler", "OFFLINE")
	w.laptop("a", "set", "T-10001", "ref=WO-7")
	w.office("task", "set", "T-10002", "external_ref=WO-7", "--crew", "north")
	term.typed("/boiler")
	term.keys("Enter", "n")
	term.sees("Note on T-10001")
	term.typed("Called at the gate.")
	term.keys("Enter")
	term.sees("Note added.", "2 changes waiting")
	w.serve()
	term.sees("The server refused 1 change: press O to see why.", "1 task needs you (press O)", "!")
	term.keys("O", "e")
	term.sees("Edit the change: Changed external ref of T-10001", "> external ref", "! ", "WO-7")
	term.keys("C-u", "W", "O", "-", "8", "C-s")
	term.sees("Nothing waits to be sent.", "ONLINE  all sent")
	w.officeHas("WO-8")
	term.keys("Escape", "Escape")
	term.until("no sign of a refusal", func(s string) bool {
		return strings.Contains(s, "Mend the fence") && strings.Contains(s, "1n") && !strings.Contains(s, "needs you")
	})
	w.laptop("a", "verify")
}

// While thousands of tasks come in, the search finds as one types, and a view
// from the settings is one key.
func TestSearchWhileItSyncs(t *testing.T) {
	w := newWorld(t)
	w.crewWith()
	var csv strings.Builder
	csv.WriteString("title,external_ref,priority\n")
	for n := range 5000 {
		fmt.Fprintf(&csv, "Inspect meter %d,M-%d,%s\n", n, n, []string{"normal", "high"}[n%1000/999])
	}
	w.office("import", w.file("meters.csv", csv.String()), "--crew", "north")
	w.config("[[views]]\nname = \"hot\"\nfilter = \"priority:high status:open\"\n")
	term := w.terminal(80, 24, "--db", "a.db")
	term.sees("Tasks")
	term.typed("/meter 4711")
	term.sees("Search: meter 4711", "Inspect meter 4711") // as soon as it is here, without another key
	term.keys("Enter", "n")
	term.sees("Note on T-")
	term.typed("Read: 23")
	term.keys("Enter", "Escape", "1")
	term.sees("Tasks: hot", "Inspect meter 999 ", "Inspect meter 4999", "all sent")
	term.until("the view alone", func(s string) bool { return strings.Count(s, "Inspect meter") == 5 })
	term.keys("Escape", "/", "m", "e", "t", "e", "r", "Space", "4", "7", "1", "1", "Enter")
	term.sees("Inspect meter 4711", "1n")
	w.laptop("a", "verify")
}

// To the shell and back in the middle of a sentence, the session lost in the next,
// and the sentence is there when the screen is opened again.
func TestAwayAndBackInTheMiddleOfASentence(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not here")
	}
	w := newWorld(t)
	w.laptop("a", "add", "Inspect the boiler")
	term := w.terminalWith(80, 24, bash+" --norc --noprofile -i")
	term.typed("PS1='$((6*7))> '; APP=" + filepath.Join(w.bin, "punchlist") + "\n")
	term.sees("42>")
	term.typed("clear; $APP --db a.db\n")
	term.sees("Inspect the boiler", "ON THIS LAPTOP")
	term.typed("nHalf a thou")
	term.sees("Half a thou")
	term.keys("C-z")
	term.sees("Stopped", "42>")
	term.typed("$APP --db a.db add 'Mend the fence'\n") // the screen in the background hears of it
	term.sees("Saved on this laptop as NEW-")
	term.typed("fg\n")
	term.sees("Half a thou", "Note on NEW-")
	term.typed("ght")
	term.keys("C-j")
	term.typed("and a half")
	term.sees("Half a thought", "and a half")
	pid := term.pid()
	term.tmux("kill-server")
	w.until(20*time.Second, "the end of the shell", func() bool { return syscall.Kill(pid, 0) != nil })

	term = w.terminal(80, 24, "--db", "a.db")
	term.sees("Inspect the boiler", "Mend the fence")
	term.keys("n")
	term.sees("Half a thought", "and a half", "never saved")
	term.keys("Enter")
	term.sees("Note added.", "1n")
}
