package tui_test

import (
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/tui"
	tea "github.com/charmbracelet/bubbletea"
)

func TestUndoAndRedoSayWhat(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("u").sees("There is nothing to undo.").keys("ctrl+r").sees("There is nothing to redo.")
	s.keys("jj", "n", "Called.", "enter", "s", "4", "1").sees("T-10423 is on hold")
	s.keys("u").sees("Undone: Set T-10423 to on hold.", "> T-10423", "in progress")
	s.keys("u").sees("Undone: Wrote a note on T-10423.", "all sent")
	s.keys("u").sees("There is nothing to undo.")
	s.keys("ctrl+r").sees("Done again: Wrote a note on T-10423.").seesNot("The change back").keys("ctrl+r").sees("Done again: Set T-10423 to on hold.")
	if v := s.task(ids["T-10423"]); v.Status != op.OnHold || len(v.Notes) != 2 {
		t.Errorf("%s, %d notes", v.Status, len(v.Notes))
	}
}

func TestUndoOfWhatWasSentSaysThatItGoesOut(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "s", "4", "1")
	s.settle(s.applied)
	s.changed()
	s.sees("all sent").keys("u").sees("The change back goes out like any other", "waiting")
	if v := s.task(ids["T-10423"]); v.Status != op.InProgress || v.Fields["reason"] != nil {
		t.Errorf("%s, reason %v", v.Status, v.Fields["reason"])
	}
}

// TestUndoInAChecklist: the answer that was a slip, at once.
func TestUndoInAChecklist(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jj", "c", "f", "u").sees("Undone: Answered “Door closes by itself”", "0 of 5 answered", "> [    ] Door closes")
	s.keys("ctrl+r").sees("[fail] Door closes")
}

// TestUndoNeverTouchesAnothersWork and says why it did not.
func TestUndoNeverTouchesAnothersWork(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jjj", "e", "end", "!", "ctrl+s")
	s.settle(s.applied)
	s.hears(s.record(op.Task, ids["T-10425"], op.Fields{"title": "Dora's title", "status": "PENDING", "number": "T-10425"}))
	s.changed()
	s.keys("u").sees("cannot be undone: T-10425 was changed since")
	if got := s.task(ids["T-10425"]).Title; got != "Dora's title" {
		t.Errorf("the title is %q", got)
	}
}

// TestUndoAfterARestart: the history is in the file, not in the program.
func TestUndoAfterARestart(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("D", "y").seesNot("Replace washroom fan")
	s.open(80, 24).online().keys("u").sees("Undone: Deleted T-10398", "> T-10398")
}

// TestANoteThatWasSentStays, and undo says so in the one line that there is; the
// next undo is of what was done before it.
func TestANoteThatWasSentStays(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "s", "4", "1", "n", "Called.", "enter")
	s.settle(s.applied)
	s.changed()
	s.keys("u").sees("“Wrote a note on T-10423” cannot be undone: it went out and stays; add another")
	if n := len(s.task(ids["T-10423"]).Notes); n != 2 {
		t.Errorf("%d notes", n)
	}
	s.keys("u").sees("Undone: Set T-10423 to on hold.")
}

// TestWhatUndoOpensIsNoNews, also when the watcher of the file is quicker than the
// undo's own answer.
func TestWhatUndoOpensIsNoNews(t *testing.T) {
	s := newStory(t)
	conflicted(s)
	s.open(80, 24).online().keys("X", "m").sees("Yours it is")
	_, cmd := s.app.Update(keyOf("u"))
	answers := answersOf(cmd)
	s.changed()
	for _, msg := range answers {
		s.send(msg)
	}
	s.sees("Undone: ", "2 conflicts").seesNot("lost to a newer one")
}

// TestAnAnswerThatComesLateTellsNothingTwice: it was asked for before the undo, and
// comes after it.
func TestAnAnswerThatComesLateTellsNothingTwice(t *testing.T) {
	s := newStory(t)
	conflicted(s)
	s.open(80, 24).online().keys("X", "m").sees("1 conflict")
	_, asked := s.app.Update(tui.ChangedMsg{})
	s.keys("u").sees("Undone: ", "2 conflicts")
	for _, msg := range answersOf(asked) {
		s.send(msg)
	}
	s.sees("Undone: ", "2 conflicts").seesNot("lost to a newer one")
}

// answersOf does what a command does, and keeps what it says.
func answersOf(cmd tea.Cmd) (out []tea.Msg) {
	if cmd == nil {
		return nil
	}
	msg := cmd()
	batch, several := msg.(tea.BatchMsg)
	if !several {
		return []tea.Msg{msg}
	}
	for _, c := range batch {
		out = append(out, answersOf(c)...)
	}
	return out
}
