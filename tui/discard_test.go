package tui_test

import (
	"strings"
	"testing"
)

// TestDiscardSaysWhatElseGoes: without the task that was added its note and its
// status mean nothing.
func TestDiscardSaysWhatElseGoes(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jj", "n", "Called.", "enter", "a", "Mend the fence", "ctrl+s", "n", "Bring nails.", "enter", "n", "And wire.", "enter", "O", "j")
	s.sees("> 09:00", "Added NEW-").keys("d").sees("2 more that hang on it; the task NEW-", " goes.").keys("y")
	s.sees("Discarded 3 changes: NEW-", "is gone.", "Wrote a note on T-10423").seesNot("as it was before")
	s.keys("esc").seesNot("Mend the fence")
	// The first u tells that it is not the discard that goes back.
	s.keys("u").sees("A discard cannot be undone; u again")
	if n := s.summary().Pending; n != 1 {
		t.Errorf("%d changes wait", n)
	}
}

// TestDiscardOfOneChange names no other, and what is done after it is undone at once.
func TestDiscardOfOneChange(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jj", "n", "Called.", "enter", "a", "Mend the fence", "ctrl+s", "O", "d").sees("never sent and will be gone.").seesNot("more that")
	s.keys("y").sees("Discarded: T-10423 is as it was before.")
	s.keys("esc", "n", "New note", "enter", "u").sees("Undone: Wrote a note")
}

// TestTheCountIsWhatGoes: what the question says goes is what the store drops,
// whichever change it is asked of.
func TestTheCountIsWhatGoes(t *testing.T) {
	for i := range 8 {
		s := newStory(t)
		ids := s.day()
		s.open(80, 24).online().keys("jj", "s", "4", "1", "a", "Mend the fence", "ctrl+s", "n", "Nails.", "enter", "s", "3")
		s.must(s.db.DeleteTask(s.ctx(), ids["T-10431"]))
		queue, err := s.db.Queue(s.ctx(), 0, 0)
		s.must(err)
		if i >= len(queue) {
			if i < 6 {
				t.Errorf("only %d changes wait", i)
			}
			return
		}
		s.keys("O").keys(strings.Split(strings.Repeat("j", i), "")...)
		s.keys("d", "y")
		left, err := s.db.Queue(s.ctx(), 0, 0)
		s.must(err)
		said, n := s.line(-3), len(queue)-len(left)
		if n == 0 || strings.HasPrefix(said, "Discarded: ") != (n == 1) || n > 1 && !strings.HasPrefix(said, "Discarded "+string(rune('0'+n))+" changes: ") {
			t.Errorf("%s: %d went: %q", queue[i].Sentence, n, said)
		}
	}
}

// TestPlainDiscardSaysWhatElseGoes as the screen does.
func TestPlainDiscardSaysWhatElseGoes(t *testing.T) {
	s := newStory(t)
	s.day()
	out := s.plain("add Mend the fence", "note NEW-0010 Bring nails", "queue", "discard 1", "y", "undo", "quit")
	for _, want := range []string{"and 1 more that hangs on it; the task NEW-0010 goes.", "Discarded 2 changes: NEW-0010 is gone.", "A discard cannot be undone"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q was not said:\n%s", want, out)
		}
	}
}
