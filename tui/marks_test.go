package tui_test

import (
	"testing"

	"example.com/punchlist/sync/op"
)

// TestMarkedTasksAreOneAction: a status for several, taken back in one step.
func TestMarkedTasksAreOneAction(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jjj", " ", " ").sees("Tasks  7, 2 marked", " *T-10425", " *T-10426", "s status of 2 tasks")
	s.keys("k", "k", "s").sees("2 tasks become:", "2 en route", "3 in progress").keys("3")
	s.sees("2 tasks are in progress; u undoes that.").seesNot("marked", " *T-")
	for _, n := range []string{"T-10425", "T-10426"} {
		if v := s.task(ids[n]); v.Status != op.InProgress || len(v.Time) != 1 {
			t.Errorf("%s is %s with %d time entries", n, v.Status, len(v.Time))
		}
	}
	s.keys("u").sees("Undone: Set T-10425 to in progress and one other task.", "all sent")
	if v := s.task(ids["T-10426"]); v.Status != op.Pending || len(v.Time) != 0 {
		t.Errorf("undone it is %s with %d time entries", v.Status, len(v.Time))
	}
	s.keys("ctrl+r").sees("Done again: Set T-10425")
	if v := s.task(ids["T-10426"]); v.Status != op.InProgress {
		t.Errorf("done again it is %s", v.Status)
	}
}

func TestMarkAllNotesAndDeletes(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("/", "BLD22", "enter", "V").sees("5 marked")
	s.keys("n").sees("Note on 5 tasks").keys("Site is closed.", "enter").sees("Note added to 5 tasks.").seesNot("marked")
	if n := len(s.task(ids["T-10390"]).Notes); n != 1 {
		t.Errorf("%d notes", n)
	}
	s.keys("V", "D").sees("Delete these 5 tasks?", "T-10423 Boiler inspection").keys("n").sees("5 marked")
	s.keys("D", "y").sees("5 tasks deleted.", "No task matches").keys("u").sees("and 4 other tasks", "T-10423")
	s.keys("V").sees("5 marked").keys("V").seesNot("marked").keys("V", "esc").seesNot("marked").sees("T-10423")
}

func TestMarksSayWhatTheyCannot(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("V", "s").sees("There is no status that all 7 marked tasks may take")
	s.keys("e").sees("works on one task at a time").keys("esc", "jj", " ").sees("1 marked")
	s.must(s.db.DeleteTask(s.ctx(), ids["T-10423"]))
	s.changed()
	s.keys("n", "Hello", "enter").sees("It is not here any more").keys("esc", "y").seesNot("marked")
	s.keys(" ", "s").seesNot("become").sees("T-10425")
}

// TestAMarkOfOneIsNotTheCursor: the action is for the marked task, wherever the
// cursor stands, and says which one it was.
func TestAMarkOfOneIsNotTheCursor(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys(" ", "jj", "n").sees("Note on T-10398").keys("Ordered.", "enter").seesNot("marked")
	if n := len(s.task(ids["T-10398"]).Notes); n != 1 {
		t.Errorf("%d notes", n)
	}
}
