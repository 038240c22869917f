package tui_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
	tea "github.com/charmbracelet/bubbletea"
)

func (s *story) task(id string) localdb.TaskView {
	s.t.Helper()
	v, err := s.db.Task(s.ctx(), id)
	s.must(err)
	return v
}

func (s *story) summary() localdb.Summary {
	s.t.Helper()
	sum, err := s.db.Summary(s.ctx())
	s.must(err)
	return sum
}

func TestFirstTaskWithoutAServer(t *testing.T) {
	s := newStory(t).open(80, 24)
	s.status(engine.Status{Reach: reach.NotEnrolled}).sees("No tasks yet", "punchlist enroll", "ON THIS LAPTOP")
	s.keys("a", "Mend the gate", "ctrl+s")
	s.sees("> NEW-", "Mend the gate", "Task added. Saved on this laptop.", "1 change saved, no server joined yet")
	s.keys("ctrl+n").sees("joined no server yet")
	s.keys("S").sees("joined no server yet")
	if len(s.offline) != 0 || s.synced != 0 {
		t.Error("an engine that is not there was given orders")
	}
}

// TestCompleteAChecklist is the work of an hour: every kind of step, and the
// task completed at the end.
func TestCompleteAChecklist(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "c")
	s.keys("p", "d").sees("2 of 5 answered", "1 required left")
	s.keys("3", "enter").sees("outside 1 to 2.5 bar")
	s.keys("backspace", "1,8", "enter").sees("[pass] Pressure, cold: 1.8 bar")
	s.keys("2").sees("[done] Filter fitted: G4")
	s.keys("enter", "All well.", "enter").sees("All 5 steps are answered", "Complete T-10423")
	if got := s.task(ids["T-10423"]).Status; got != op.InProgress {
		t.Fatalf("the task is %s before anybody agreed", got)
	}
	s.keys("y").sees("completed")
	v := s.task(ids["T-10423"])
	if v.Status != op.Completed || v.StepsDone != 5 {
		t.Errorf("the task is %s with %d steps", v.Status, v.StepsDone)
	}
	if x, _ := v.Checklist[2].Fields.Real("value"); x != 1.8 {
		t.Errorf("the pressure is %v", v.Checklist[2].Fields["value"])
	}
}

func TestFailedStepOpensAFollowUp(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "c", "f").sees("F opens a follow-up")
	s.keys("F").sees("New task", "Follow-up: Door closes by itself")
	s.keys("ctrl+s", "esc").sees("Follow-up: Door")
	children := s.task(ids["T-10423"]).Children
	if len(children) != 1 || children[0].Title != "Follow-up: Door closes by itself" || children[0].SiteCode == "" {
		t.Errorf("follow-ups: %+v", children)
	}
}

func TestStepsAnsweredFailNeedTheirValue(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "c", "p", "d", "f").sees("Value:", "recorded as failed")
	s.keys("2", "enter").sees("[fail] Pressure, cold: 2 bar")
	if got := s.task(ids["T-10423"]).Checklist[2].Fields.Text("outcome"); got != "fail" {
		t.Errorf("the step is %q", got)
	}
	s.keys("k", "x").sees("1 required left")
}

func TestAddAStep(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("c", "a", "Take a photo", "enter").sees("[    ] Take a photo", "0 of 1 answered")
	if got := s.task(ids["T-10398"]).Steps; got != 1 {
		t.Errorf("%d steps", got)
	}
}

// TestFirstStepOfATask is typed where no step is yet, and alone it is called one.
func TestFirstStepOfATask(t *testing.T) {
	s := newStory(t)
	s.open(80, 24).online().keys("a", "Close up", "ctrl+s", "s", "3", "c").sees("This task has no checklist")
	s.keys("a", "Close the valve").sees("New step: Close the valve")
	s.keys("enter").sees("[    ] Close the valve")
	s.keys("p").sees("The only step is answered.")
}

func TestRequiredStepsHoldBackTheEnd(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "s", "5").sees("2 required steps have no answer yet")
	if got := s.task(ids["T-10423"]).Status; got != op.InProgress {
		t.Errorf("the task is %s", got)
	}
}

func TestDeliveryAsksWhoTookIt(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("j", "s", "3", "s", "5").sees("Who took the delivery?")
	s.keys("enter").sees("needs the name of who took it")
	s.keys("Mr Okafor", "enter").sees("T-10424 is completed")
	if v := s.task(ids["T-10424"]); v.Status != op.Completed || v.Fields.Text("recipient_name") != "Mr Okafor" {
		t.Errorf("the task is %s, taken by %q", v.Status, v.Fields.Text("recipient_name"))
	}
}

func TestReasonsInOwnWords(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "s", "4", "7").sees("The reason in your words").keys("enter").sees("Say in a few words")
	s.keys("Strike", "enter").sees("T-10423 is on hold")
	if v := s.task(ids["T-10423"]); v.Fields.Text("reason") != "other" || v.Fields.Text("reason_text") != "Strike" {
		t.Errorf("reason %q: %q", v.Fields.Text("reason"), v.Fields.Text("reason_text"))
	}
	s.keys("enter").sees("on hold: other  Strike")
}

func TestWhatNothingFollowsSaysSo(t *testing.T) {
	s := newStory(t)
	s.day()
	s.hears(s.record(op.Task, "", op.Fields{"title": "Old one", "status": "CLOSED", "number": "T-1"}))
	s.open(80, 24).online().keys("/", "old", "enter", "s").sees("T-1 is closed; from there nothing follows")
}

// A word that is typed whole in a field of choices means itself, and so do its
// first letters: no later letter jumps to a choice of its own.
func TestAWordTypedInAChoice(t *testing.T) {
	s := newStory(t)
	s.day()
	// letter by letter, as a person types
	spell := func(word string) {
		for _, r := range word {
			s.keys(string(r))
		}
	}
	form := func() *story { return s.keys("esc", "y").keys("a", "A title", "tab") }
	s.open(80, 24).online().keys("a", "A title", "tab")
	spell("delivery")
	s.sees("[delivery]").keys("tab")
	spell("emergency")
	s.sees("[emergency]")
	for _, c := range []struct{ typed, chosen string }{{"h", "[high]"}, {"Lo", "[low]"}, {"normal", "[normal]"}} {
		s.keys("backspace")
		spell(c.typed)
		s.sees(c.chosen)
	}
	s.keys("backspace")
	spell("hl") // none begins so: the letter changes nothing, and says so
	s.sees("[high]", `begins with "hl"`)
	spell("igh") // nor does it stand in the way of what follows
	s.sees("[high]").seesNot("begins with")
	for _, leave := range []string{"right", "left", "backspace"} {
		s.keys("backspace", "h", leave, "l").sees("[low]")
	}
	s.keys("backspace", "h", "shift+tab", "tab", "l").sees("[low]") // another field
	s.keys("backspace", "h", "esc", "n", "l").sees("[low]")         // the question whether to leave
	form().keys("r").sees("[repair]")
}

// TestEditWritesOnlyWhatChanged: a title's edit must not compete with the
// office's edit of the due time.
func TestEditWritesOnlyWhatChanged(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jjj", "e", "end", ", not 4", "tab", "right", "tab", "right", "tab", "tab", "tomorrow 14:00", "ctrl+s")
	s.sees("Not saved yet", "is no time")
	s.keys("ctrl+u", "tomorrow 14:00", "ctrl+s").sees("T-10425 changed.")
	q, err := s.db.Queue(s.ctx(), 0, 10)
	s.must(err)
	if len(q) != 1 {
		t.Fatalf("%d ops", len(q))
	}
	want := op.Fields{"title": "Fire doors, all floors, not 4", "type": "delivery", "priority": "low", "due_at": ms(morning.Add(29 * time.Hour))}
	for name, v := range q[0].Op.Fields {
		if name != op.UpdatedAt && !op.Equal(want[name], v) {
			t.Errorf("%s was written as %v", name, v)
		}
	}
	for name, v := range want {
		if !op.Equal(q[0].Op.Fields[name], v) {
			t.Errorf("%s is %v, want %v", name, q[0].Op.Fields[name], v)
		}
	}
	if v := s.task(ids["T-10425"]); v.WindowStart != ms(morning.Add(4*time.Hour)) {
		t.Error("the window changed, which nobody touched")
	}
}

func TestFormShowsRefusalsAtTheField(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("a", "ctrl+s").sees("Not saved yet", "! a new task needs it")
	s.keys(strings.Repeat("x", 201), "ctrl+s").sees("! holds 201 characters; at most 200")
	s.keys("ctrl+u", "Fix it", "tab", "tab", "tab", "nowhere", "ctrl+s").sees("! no site is called that")
	s.keys("esc").sees("Leave without saving")
	s.keys("n").sees("New task").keys("esc", "y").sees("OVERDUE")
	if s.summary().Pending != 0 {
		t.Error("something was written")
	}
}

func TestSitesAreFoundAsOneTypes(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("a", "Look at the roof", "tab", "tab", "tab", "harb").sees("> BLD22  Harbour Square West")
	s.keys("tab", "tab", "10:00-11:30", "ctrl+s").sees("Task added")
	page, err := s.db.Tasks(s.ctx(), localdb.Query{Now: s.now})
	s.must(err)
	for _, r := range page.Rows {
		if r.Title == "Look at the roof" {
			if r.SiteCode != "BLD22" || r.WindowEnd != ms(morning.Add(150*time.Minute)) || r.Assignee != "anna" {
				t.Errorf("the task is %+v", r)
			}
			return
		}
	}
	t.Error("the task is not there")
}

func TestPasteIsTextNeverKeys(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online()
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("Dq"), Paste: true})
	s.sees("Pasted text goes into")
	s.keys("j", "n")
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("two\nlines \x1b[31mred\u202e"), Paste: true})
	s.keys("enter").sees("Note added")
	if got := s.task(ids["T-10424"]).Notes[0].Fields.Text("body"); got != "two\nlines [31mred" {
		t.Errorf("the note is %q", got)
	}
}

// TestKeysTypedAheadDoWhatTheySay: over a slow line keys arrive together, and
// before what they act on has been read.
func TestKeysTypedAheadDoWhatTheySay(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online()
	s.ahead("jj", "enter", "cpd", "qq", "jkn", "Typed ahead", "enter", "e", "end", "!", "ctrl+s")
	s.sees("T-10423 changed.")
	v := s.task(ids["T-10423"])
	if v.StepsDone != 2 || len(v.Notes) != 2 || v.Title != "Boiler inspection, winter check!" {
		t.Errorf("%d steps, %d notes, %q", v.StepsDone, len(v.Notes), v.Title)
	}
}

// TestEscAndALetterInOnePacket: a terminal cannot tell them from alt and the letter.
func TestEscAndALetterInOnePacket(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jj", "s").sees("5 completed")
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("n"), Alt: true})
	s.sees("Note on T-10423")
}

func TestQuitWaitsForASave(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online()
	s.ahead("j", "n", "The last word.", "enter", "ctrl+c")
	if !s.quit {
		t.Fatal("ctrl+c did not quit")
	}
	if got := s.task(ids["T-10424"]).Notes; len(got) != 1 {
		t.Error("the note that was entered is not there")
	}
}

func TestBackAndQuit(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("enter", "q").sees("OVERDUE")
	s.keys("esc").sees("q quits")
	if s.quit {
		t.Fatal("esc quit")
	}
	s.keys("z").sees("z does nothing here").keys("?", " ").sees("space does nothing here").keys("esc")
	if s.keys("q"); !s.quit {
		t.Error("q did not quit")
	}
}

func TestWorkOfflineAndOnlineAgain(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("ctrl+n").sees("WORKING OFFLINE")
	s.keys("S").sees("You work offline")
	s.keys("/", "fire", "ctrl+n").sees("Online again").sees("Search: fire")
	if fmt.Sprint(s.offline) != "[true false]" || s.synced != 0 {
		t.Errorf("orders: %v, %d rounds", s.offline, s.synced)
	}
	s.keys("esc", "S").sees("Asking the server now")
	if s.synced != 1 {
		t.Errorf("%d rounds", s.synced)
	}
}

// TestTheSwitchIsThePersons: whatever the engine says of it, the second press
// goes online again. In the demo it is a cable that is pulled, and the engine
// finds out by itself.
func TestTheSwitchIsThePersons(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("ctrl+n")
	s.online().sees("WORKING OFFLINE")
	s.status(engine.Status{Reach: reach.Offline}).sees("OFFLINE")
	s.keys("ctrl+n").online().sees("ONLINE")
	s.keys("ctrl+n").status(engine.Status{Reach: reach.Paused}).sees("WORKING OFFLINE")
	s.keys("ctrl+n").seesNot("WORKING OFFLINE")
	if fmt.Sprint(s.offline) != "[true false true false]" {
		t.Errorf("orders: %v", s.offline)
	}
}

// TestAllSentIsReadFromTheQueue: the words stand only while the table is empty,
// whatever the engine says.
func TestAllSentIsReadFromTheQueue(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().sees("ONLINE  all sent 09:00")
	_, err := s.db.AddNote(s.ctx(), ids["T-10423"], "From another window.", "note")
	s.must(err)
	s.changed()
	s.online().seesNot("all sent").sees("1 task, 1 change waiting")
	s.settle(s.applied)
	s.changed()
	s.sees("all sent")
}

// TestAConflictIsToldOnWhateverScreen and settled both ways.
func TestAConflictIsToldOnWhateverScreen(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jjj", "e", "!", "ctrl+s", "jj", "a", "Half a ti")
	s.settle(func(o op.Op) wire.Result { return s.lost(o, op.Fields{"title": "Fire doors, ground floor"}) })
	s.changed()
	s.sees("1 change lost to a newer one: press X", "1 conflict (press X)")
	s.keys("t", "l").sees("1 change lost to a newer one", "Half a titl")
	s.keys("esc", "y", "X").sees("I wrote      Fire doors, all floors!", "stands now   Fire doors, ground floor", "dora changed it 08:55")
	s.seesNot("lost to a newer one")
	s.keys("t").sees("Theirs stays; u undoes that", "No conflicts").seesNot("(press X)")
	s.keys("u").sees("I wrote", "1 conflict (press X)")
	s.keys("m").sees("Yours it is")
	if got := s.task(ids["T-10425"]).Title; got != "Fire doors, all floors!" {
		t.Errorf("the title is %q", got)
	}
	if s.summary().Pending != 1 || s.summary().Conflicts != 0 {
		t.Errorf("%+v", s.summary())
	}
	s.keys("u").sees("Undone: Changed title of T-10425", "1 conflict (press X)").seesNot("lost to a newer one")
	if got := s.task(ids["T-10425"]).Title; got != "Fire doors, ground floor" {
		t.Errorf("undone, the title is %q", got)
	}
}

func TestARefusalIsToldAndSettled(t *testing.T) {
	s := newStory(t)
	parked(s)
	s.open(80, 24).online().sees("1 task needs you (press O)").seesNot("all sent")
	s.keys("O").sees("WO-7 belongs to T-10377")
	s.keys("j", "r").sees("sent by itself")
	s.keys("k", "r").sees("It will be sent again.").seesNot("needs you")
	s.keys("j", "d").sees("Discard this change to T-10425 Fire doors, all floors?")
	s.keys("n").sees("external ref").keys("d", "y").sees("Discarded").seesNot("external ref of")
	s.keys("enter", "G").sees("Waiting for the key.")
	if got := s.summary(); got.Pending != 1 || got.Parked != 0 {
		t.Errorf("%+v", got)
	}
}

func TestSearchNarrowsAndIsLeft(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("/", "filters", "enter").sees("> T-10424").seesNot("T-10423")
	s.keys("a", "Something else", "ctrl+s").sees("It is not in this search")
	s.keys("esc").sees("T-10423", "Something else")
	s.keys("/", "status:sleeping").sees(`"sleeping" is no status`)
	s.keys("esc").sees("OVERDUE")
	s.ahead("/", "boiler", "enter", "n", "Found it", "enter")
	s.sees("Note added", "> T-10423")
}

func TestDeleteAsksAndNames(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("D").sees("Delete T-10398 Replace washroom fan?")
	s.keys("enter").sees("Please answer y or n")
	s.keys("esc").sees("T-10398").keys("D", "y").sees("T-10398 deleted").seesNot("Replace washroom fan")
	if _, err := s.db.Task(s.ctx(), ids["T-10398"]); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("the task is still there: %v", err)
	}
}

func TestAViewerIsToldWhy(t *testing.T) {
	s := newStory(t)
	s.day()
	_, err := s.db.ApplyChanges(s.ctx(), wire.Changes{Cursor: "x", Crews: []string{crew}, User: "vera", Role: op.Viewer})
	s.must(err)
	s.open(80, 24).online()
	for _, k := range []string{"s", "D", "a", "e"} {
		s.keys(k).sees("You may look at this crew's tasks but not change them")
	}
	s.keys("n", "Hello", "enter").sees("You may look").keys("esc", "y", "jj", "c", "p").sees("You may look")
}

// TestAnothersEditsAppear while the place is kept.
func TestAnothersEditsAppear(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(200, 50).online().keys("jj")
	s.must(s.db.DeleteTask(s.ctx(), ids["T-10398"]))
	s.must(s.db.EditTask(s.ctx(), ids["T-10423"], op.Fields{"asset": "B-3"}))
	s.changed()
	s.sees("> T-10423", "asset    B-3").seesNot("T-10398")
	s.keys("enter")
	s.must(s.db.DeleteTask(s.ctx(), ids["T-10423"]))
	s.changed()
	s.sees("not here any more").keys("s").sees("This task is gone")
}

func TestTheWidePaneFollowsTheCursor(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(200, 50).online().keys("jj").sees("B-2 Viessmann", "HAZARDS  Asbestos").keys("j").seesNot("B-2 Viessmann")
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.sees("> T-10425").seesNot("HAZARDS")
}

func TestViewsNarrowTheList(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("4").sees("Tasks: urgent, open", "T-10423").seesNot("T-10425")
	s.keys("1").sees("T-10425", "Tasks  7")
	s.keys("5").sees("No task matches is:pending.").keys("esc").sees("T-10425")
	s.keys("9").sees("There is no view 9")
	s.keys("?", "j").sees("refused or in conflict")
}

// TestATaskThatEndedIsNotReopenedByOneKey, though one status only follows.
func TestATaskThatEndedIsNotReopenedByOneKey(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("G", "s").sees("T-10390 Hallway lights, floor 3 is completed.", "3 in progress  (reopen)")
	if got := s.task(ids["T-10390"]).Status; got != op.Completed {
		t.Fatalf("it is %s", got)
	}
	s.keys("esc", "s", "3").sees("T-10390 is in progress.")
}

// TestTheAnswerOfTheServerIsTold once it is known, where the person still waits.
func TestTheAnswerOfTheServerIsTold(t *testing.T) {
	for want, st := range map[string]engine.Status{
		"The server answered.":                                 {Reach: reach.Online},
		"The server answered, but work waits: it says 429":     {Reach: reach.Online, Why: "it says 429"},
		"The server gave no answer: connection refused":        {Reach: reach.Offline, Detail: "connection refused"},
		"The server does not work now: it says 500":            {Reach: reach.ServerDown, Detail: "it says 500"},
		"It was not the server that answered: hotel.example":   {Reach: reach.Portal, Detail: "hotel.example"},
		"The server refused: this device's token is not valid": {Reach: reach.Unauthorised, Detail: "this device's token is not valid"},
		"The server refused.":                                  {Reach: reach.Outdated},
		"The server was not asked.":                            {Reach: reach.Paused},
	} {
		s := newStory(t)
		s.day()
		s.open(80, 24).online().keys("S").sees("Asking the server now.")
		early := st
		if st.Reach != reach.Paused {
			s.status(early).sees("Asking the server now.") // of a round that was under way
		}
		st.Asked = ms(s.now)
		s.status(st).seesNot("Asking the server now.").sees(want)
		s.keys("j").seesNot(want).status(st).seesNot(want)
	}
}

// TestAltWithCtrlHDeletesAWord, as alt with backspace does: it is that key where
// backspace is ctrl+h.
func TestAltWithCtrlHDeletesAWord(t *testing.T) {
	s := newStory(t)
	s.day()
	for _, form := range []string{"n", "/"} {
		s.open(80, 24).online().keys(form, "boiler zebra")
		s.send(tea.KeyMsg{Type: tea.KeyCtrlH, Alt: true})
		s.keys("x").sees("boiler x").seesNot("zebra")
		s.keys("esc", "y")
	}
}
