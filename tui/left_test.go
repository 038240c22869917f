package tui_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
	"example.com/punchlist/tui"
	tea "github.com/charmbracelet/bubbletea"
)

// TestTheListTellsOfWhatWasNeverSaved after a crash, until it is saved or thrown
// away, and one key goes on with it.
func TestTheListTellsOfWhatWasNeverSaved(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().seesNot("Never saved").keys("jj", "n", "Half a sentence").seesNot("Never saved").crash()
	s.online().sees("Never saved: your note on T-10423 (09:00). W goes on with it.")
	s.keys("j").sees("Never saved: your note on T-10423").keys("W").sees("Note on T-10423", "Half a sentence", "Here is what you typed").seesNot("Never saved")
	s.keys(", whole now", "enter").sees("Note added").keys("j").seesNot("Never saved")
	if got := s.task(ids["T-10423"]).Notes; len(got) != 2 || got[1].Fields.Text("body") != "Half a sentence, whole now" {
		t.Errorf("%v", got)
	}
	s.keys("W").sees("Nothing that you typed waits to be saved.")

	// Each kind of form, the newest first, and thrown away one after the other.
	s.keys("a", "A new thing").crash()
	s.now = s.now.Add(time.Minute)
	s.online().keys("jj", "e", "end", "!!").crash()
	s.online().sees("Never saved: your changes to T-10423 (09:01). W goes on with it. 1 text more.")
	s.keys("W").sees("Edit T-10423", "winter check!!").keys("esc", "y").sees("Never saved: your new task (09:00).").keys("W").sees("New task", "A new thing").keys("esc", "y", "j").seesNot("Never saved")

	s.keys("g", "jj", "c", "f", "F", " now").crash()
	s.online().sees("Never saved: your follow-up to T-10423").keys("W").sees("New task", "Follow-up:", " now").keys("esc", "y", "j").seesNot("Never saved")
}

// TestPlainTellsOfWhatWasNeverSaved too.
func TestPlainTellsOfWhatWasNeverSaved(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "n", "Half a sentence").crash()
	var out bytes.Buffer
	p := tui.NewPlain(t.Context(), s.calm(), tui.PlainOptions{In: strings.NewReader("go-on\n.\nW\n"), Out: &out})
	s.must(p.Run(t.Context()))
	for _, words := range []string{"Never saved: your note on T-10423", "You wrote this before and never saved it:\nHalf a sentence", "Note added to T-10423.", "Nothing that you typed waits"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("nothing says %q:\n%s", words, out.String())
		}
	}
	if got := s.task(ids["T-10423"]).Notes; len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestTwoClocks: who begins a task while another one's clock runs is told, at the
// key and on the bottom line, and stops that one with a key.
func TestTwoClocks(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jjj", "s", "3").seesNot("clock").sees("T-10425 work since 09:00")
	s.now = s.now.Add(5 * time.Minute)
	s.keys("j", "j", "s", "3")
	second := "T-10426"
	s.sees(second+" is in progress. The clock of T-10425 runs too: T stops it.", "2 clocks run: "+second+", T-10425")
	s.keys("T").sees("Your clock runs at "+second+" only.", second+" work since 09:05").seesNot("2 clocks")
	s.keys("T").sees("Your clock runs at " + second + " and at no other task.")
	s.keys("u").sees("2 clocks run")
	s.keys("g", "T").sees("no clock runs there")
	if got := s.task(ids["T-10425"]); got.Status != op.InProgress || got.Time[len(got.Time)-1].Fields.Int("ended_at") != 0 {
		t.Errorf("%s %v", got.Status, got.Time)
	}
}

// TestFailedStepsAreSpokenOf when their task is completed.
func TestFailedStepsAreSpokenOf(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jj", "c", "f", "j", "2", "enter", "esc")
	s.keys("s", "5").sees("T-10423 is completed. 3 steps stay without an answer, 1 failed. Saved")
}

// TestNoMoreIsPromisedThanIsKnown: that the server was there a moment ago is no
// word on the cable that was pulled since.
func TestNoMoreIsPromisedThanIsKnown(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("n", "One.", "enter").sees("Note added. Saved on this laptop.").seesNot("Going out", "Will go out")
	s.offlineFor(time.Minute).keys("n", "Two.", "enter").sees("Note added. Saved on this laptop. Will go out when there is a connection.")
}

// TestBeforeEnrolment there is nothing to try, and the line says what joins a server.
func TestBeforeEnrolment(t *testing.T) {
	s := newStory(t)
	s.open(80, 24).status(engine.Status{Reach: reach.NotEnrolled, Activity: engine.Waiting, NextTry: ms(s.now.Add(time.Minute))})
	s.keys("a", "First", "ctrl+s").sees("ON THIS LAPTOP  1 change saved, no server joined yet  punchlist enroll joins one").seesNot("next try")
}

// TestAnEmptyFollowUpIsLeftWithoutAQuestion; one with a word typed is not.
func TestAnEmptyFollowUpIsLeftWithoutAQuestion(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jj", "c", "f", "F").sees("Follow-up: Door closes by itself").keys("esc").seesNot("Leave without saving", "Follow-up: Door")
	s.keys("F", "!", "esc").sees("Leave without saving").keys("y").keys("F").seesNot("itself!")
}

// TestTheSmallMessageFits, whatever is left of the terminal.
func TestTheSmallMessageFits(t *testing.T) {
	s := newStory(t)
	s.open(80, 24)
	for _, size := range [][2]int{{20, 5}, {12, 6}, {39, 24}, {80, 3}} {
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		if words := strings.Join(strings.Fields(s.frame()), " "); !strings.Contains(words, "needs 40x12; this is "+fmt.Sprintf("%dx%d", size[0], size[1])+".") {
			t.Errorf("%v: %q", size, s.frame())
		}
	}
}

// TestAConflictOfMyOwn names the other laptop, and calls both sides by where they are.
func TestAConflictOfMyOwn(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.must(s.db.EditTask(s.ctx(), ids["T-10426"], op.Fields{"asset": "mine"}))
	s.settle(func(o op.Op) wire.Result {
		r := s.lost(o, op.Fields{"asset": "theirs"})
		r.Lost[0].Who, r.Lost[0].DeviceName = "anna", "the van"
		return r
	})
	s.open(80, 24).online().keys("X").sees("anna on the van changed it", "here         mine", "stands now   theirs")
}

// TestAConflictWhoseWinnerWasReplaced says what happened, and that m writes again.
func TestAConflictWhoseWinnerWasReplaced(t *testing.T) {
	for side, want := range map[string]string{wire.SideOverrode: "What you wrote had won", wire.SideLost: "What dora wrote had won"} {
		s := newStory(t)
		ids := s.day()
		s.must(s.db.EditTask(s.ctx(), ids["T-10426"], op.Fields{"asset": "high"}))
		s.settle(func(o op.Op) wire.Result {
			r := s.lost(o, op.Fields{"asset": "low"})
			r.Lost[0].Side = side
			r.ServerState["asset"] = "low again"
			return r
		})
		s.open(100, 24).online().keys("X").sees("replaced", want+"; by now something else stands", "stands now   low again", "m write mine again", "t leave it as it is").seesNot("The later change stands", "keep mine")
		s.keys("t").sees("It stays as it is now; u undoes that").seesNot("what you wrote stands")
		s.keys("u", "X", "m").sees("Yours it is")
		if got := s.task(ids["T-10426"]).Fields.Text("asset"); got != "high" {
			t.Errorf("the asset is %q", got)
		}
	}
}
