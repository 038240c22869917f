package cmd_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// Without a terminal the demo tells its story and ends in a comparison.
func TestTheDemoTellsItsStory(t *testing.T) {
	w := newWorld(t)
	out := w.run("punchlist", "demo", "--json")
	var last struct {
		Step, Detail string
		OK           bool
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines {
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if !last.OK {
			t.Errorf("step %s: %s", last.Step, last.Detail)
		}
	}
	if last.Step != "verify" || len(lines) < 10 {
		t.Errorf("%d steps, the last is %q", len(lines), last.Step)
	}
}

// The demo on the screen: offline, a note, kill -9, and back to what waits.
func TestTheDemoComesBack(t *testing.T) {
	w := newWorld(t)
	term := w.terminal(80, 24, "demo")
	term.sees("ONLINE", "T-10001", "DEMO")
	term.keys("C-n")
	term.sees("OFFLINE")
	term.keys("n")
	term.sees("Note")
	term.typed("Gate is locked, key at number 12")
	term.keys("Enter")
	term.sees("Saved on this laptop", "1 change waiting")
	w.kill9(term.pid())

	term = w.terminal(80, 24, "demo")
	term.sees("OFFLINE", "1 change waiting", "T-10001")
	term.keys("O")
	term.sees("Wrote a note on T-10001")
	term.keys("Escape")
	term.sees("OVERDUE")
	term.keys("C-n")
	term.sees("ONLINE", "all sent")
	term.keys("q")
}
