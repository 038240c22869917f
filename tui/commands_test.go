package tui_test

import (
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
	"example.com/punchlist/tui"
)

// TestThePaletteDoesWhatItsKeysDo: by name, on the screen below, and with the
// key beside it for the next time.
func TestThePaletteDoesWhatItsKeysDo(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online()
	s.keys("jj", ":", "note").sees("n          note").keys("enter").sees("Note on T-10423").keys("esc")
	s.keys(":", "confl", "enter").sees("No conflicts").keys("esc")
	s.keys(":", "discard").sees("(in the queue (O))").keys("enter").sees("discard works in the queue (O), with d.").keys("esc")
	s.keys(":", "due today", "enter").sees("Tasks: due today").keys("esc")
	s.keys(":", "zeppelin", "enter").sees("No command is called that").keys("esc")
	s.keys(":", "report").sees("That is done in a shell: punchlist report --help").keys("enter").sees("in a shell", "punchlist report").keys("esc")
	s.keys(":", "backspace").sees("enter open").seesNot("commands more")
	s.keys("jj", "c", ":", "fail", "enter").sees("1 failed")
}

// TestThePaletteKnowsEveryKey: what a screen's help offers has a name.
func TestThePaletteKnowsEveryKey(t *testing.T) {
	s := newStory(t)
	parked(s)
	s.open(200, 50).online()
	for _, way := range [][]string{{}, {"enter"}, {"c"}, {"O"}, {"X"}} {
		s.open(80, 200).online().keys("jj").keys(way...).keys("?")
		var keys []string
		for _, l := range strings.Split(s.frame(), "\n") {
			if l == "" {
				break
			}
			if f := strings.Fields(l); strings.HasPrefix(l, "  ") && !strings.HasPrefix(l, "   ") {
				keys = append(keys, f[0])
			}
		}
		s.keys("esc", ":")
		for range 60 {
			s.keys("down")
		}
		frames := ""
		for range 60 {
			frames += s.frame()
			s.keys("up")
		}
		for _, k := range keys {
			if k != "1-9" && !strings.Contains(frames, " "+k+" ") {
				t.Errorf("after %v the palette lacks the key %s", way, k)
			}
		}
	}
}

func TestHelpIsSearched(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online()
	s.keys("?", "/", "hold").sees("HERE", "next status").seesNot("EVERYWHERE", "mark all that")
	s.keys("enter").sees("esc all of it").keys("esc").sees("mark all that the list shows").keys("/", "zeppelin").sees("Nothing here speaks of zeppelin").keys("esc", "esc").sees("Tasks  7")
}

// TestReadyLooksAtEverything: each thing that is wrong is said with its cure.
func TestReadyLooksAtEverything(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.must(s.db.LearnOffset(s.ctx(), ms(s.now), s.read(), s.read()))
	s.open(80, 24).online().keys("R").sees("READY: all is here, and all is sent.", "3 today", "1 overdue", "12 GB free", "anna, technician, crew north")
	_, err := s.db.AddNote(s.ctx(), ids["T-10423"], "late", "")
	s.must(err)
	s.changed()
	s.sees("1 thing needs attention", "1 change waits here; the office does not know of it.", "It goes out with the next connection; O shows it")
	_, err = s.db.AddNote(s.ctx(), ids["T-10423"], "later", "")
	s.must(err)
	s.changed()
	s.sees("2 changes wait here; the office does not know of them.", "They go out with the next connection; O shows them")
	s.free = 10 << 20
	s.now = s.now.Add(13 * time.Hour)
	s.changed()
	s.sees("only 10 MB free", "13 h ago")
	s.status(engine.Status{Reach: reach.Unauthorised}).sees("LOOK  sign-in", "punchlist enroll")
	s.keys("enter").sees("does nothing here").keys("esc").sees("Tasks  7")
}

// TestAFilterThatMakesNoSenseStaysExplained, also after enter.
func TestAFilterThatMakesNoSenseStaysExplained(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online()
	s.keys("/", "colour:red", "enter").sees("nothing called \"colour\"", "Correct it, or esc shows all", "Search: colour:red")
	for range len("colour:red") {
		s.keys("backspace")
	}
	s.keys("boiler", "enter").sees("Tasks matching: boiler").seesNot("makes no sense")
	s.keys("/", "colour:red", "esc").sees("Tasks  7").seesNot("makes no sense")
}

// TestConflictsAreSettledTogether: marked ones by one key, and u takes all back.
func TestConflictsAreSettledTogether(t *testing.T) {
	s := newStory(t)
	conflictMany(s)
	s.open(80, 24).online().keys("X", "V").sees("for all 13").keys("m").sees("Yours in all 13", "No conflicts", "13 changes waiting")
	s.keys("u").sees("Undone: Settled 13 conflicts.", "13 conflicts (press X)", "all sent")
	s.keys("ctrl+r").sees("Done again", "No conflicts").keys("u")
	s.keys("g", " ", " ", "t").sees("Theirs in all 2", "11 conflicts")
	s.keys(" ", "esc").seesNot("for all").keys("esc").sees("Tasks  7")
}

// TestMineBringsADeletedTaskBack on the screen, and u takes it away again.
func TestMineBringsADeletedTaskBack(t *testing.T) {
	s := newStory(t)
	deletedTask(s)
	s.open(80, 24).online().keys("X").sees("stands now   deleted", "m bring it back")
	s.keys("enter").sees("This task is deleted; m brings it back.")
	s.keys("m").sees("T-10425 is back with what you wrote").keys("esc").sees("T-10425")
	s.keys("u").seesNot("T-10425  BLD22").sees("1 conflict")
	s.keys("X", "t").sees("T-10425 stays deleted", "No conflicts")
}

// TestALongConflictLeavesTheListInSight, and tab shows all of it.
func TestALongConflictLeavesTheListInSight(t *testing.T) {
	s := newStory(t)
	conflictMany(s)
	s.open(80, 16).online().keys("X")
	rows := 0
	for _, l := range strings.Split(s.frame(), "\n") {
		if strings.Contains(l, "lost ") {
			rows++
		}
	}
	if rows < 6 {
		t.Errorf("%d rows:\n%s", rows, s.frame())
	}
	s.sees("tab shows all of it").keys("tab").sees("reason text").keys("jjjjjjjjjj").sees("Mr Okafor").keys("G").keys("esc").sees("lost ")
}

// TestARefusedChangeIsMended: the field that was refused stands first, with the reason.
func TestARefusedChangeIsMended(t *testing.T) {
	s := newStory(t)
	parked(s)
	s.open(80, 24).online().keys("O", "e").sees("> external ref WO-7", "! WO-7 belongs to T-10377 already.")
	s.keys("ctrl+s").sees("Nothing is different")
	s.keys("8", "esc").sees("Leave without saving what you typed?").keys("n")
	s.keys("ctrl+s").sees("Changed; it goes out again.", "waiting  Changed external ref")
	var got any
	s.settle(func(o op.Op) wire.Result {
		if o.Fields["external_ref"] != nil {
			got = o.Fields["external_ref"]
		}
		return s.applied(o)
	})
	if got != "WO-78" {
		t.Errorf("sent: %v", got)
	}
}

// TestTheQueueSaysWhatCannotBeDone on a change that waits, and on one with nothing typed.
func TestTheQueueSaysWhatCannotBeDone(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jj", "s", "4", "4", "O", "r").sees("This change waits already").keys("A").sees("No change was refused")
	s.keys("G", "e").sees("Nothing in this change is typed").keys("D").sees("does nothing here")
	s.keys("d").sees("Discard this change to T-10423", "never sent").keys("y").sees("T-10423 is as it was before", "Nothing waits")
	if v, err := s.db.FindTask(s.ctx(), "T-10423"); err == nil {
		task, err := s.db.Task(s.ctx(), v)
		s.must(err)
		if task.Status != op.InProgress {
			t.Errorf("it is %s", task.Status)
		}
	}
}

func TestRefusedChangesAreAllTriedAgain(t *testing.T) {
	s := newStory(t)
	parked(s)
	s.open(80, 24).online().keys("O", "A").sees("1 refused change will be sent again.").seesNot("refused  ")
	rows, err := s.db.Queue(s.ctx(), 0, 10)
	s.must(err)
	for _, r := range rows {
		if r.State != localdb.BadgePending {
			t.Errorf("%s is %s", r.Sentence, r.State)
		}
	}
}

// TestOtherKeysForCommands: the settings' keys work, are shown, and the old ones do not.
func TestOtherKeysForCommands(t *testing.T) {
	s := newStory(t)
	s.day()
	s.o.Keys = map[string][]string{"status": {"f8", "b"}, "delete": {}, "queue": {"Z"}, "offline": {"w"}, "suspend": {"space"}, "mark": {"x"}}
	if faults := tui.CheckKeys(s.o.Keys); len(faults) > 0 {
		t.Fatal(faults)
	}
	s.open(80, 24).online().sees("f8/b status").keys("jj", "s").sees("s does nothing here").keys("f8").sees("4 on hold").keys("esc", "b").sees("4 on hold").keys("esc")
	s.keys("D").sees("D does nothing here").keys(":", "delete", "enter").sees("delete has no key").keys("esc")
	s.keys("?").sees("f8/b").seesNot("delete").keys("ctrl+d", "ctrl+d").sees("Z  ").keys("esc", "Z").sees("Nothing waits").keys("esc")
	s.keys("n", "w was", " ", "typed").sees("w was typed").keys("enter").sees("Note added").keys("w").sees("WORKING OFFLINE")
	if s.offline[0] != true {
		t.Error("it does not work offline")
	}
}

// TestStandardKeysDoNotCollide: the rule that settings are held to holds for them.
func TestStandardKeysDoNotCollide(t *testing.T) {
	all := map[string][]string{}
	for _, c := range tui.Commands(nil) {
		all[c.Name] = c.Keys
	}
	for _, f := range tui.CheckKeys(all) {
		t.Error(f)
	}
}

// TestANoticeStandsAtTheStart until a key is pressed.
func TestANoticeStandsAtTheStart(t *testing.T) {
	s := newStory(t)
	s.o.Notice = "Standard settings: config.toml line 8 has a fault."
	s.open(80, 24).sees("config.toml line 8 has a fault").keys("?").seesNot("config.toml line 8")
}

// TestWhatIsCopied goes to the terminal's clipboard, whole and clean.
func TestWhatIsCopied(t *testing.T) {
	s := newStory(t)
	parked(s)
	s.open(80, 24).online().keys("jj", "y").sees("Copied T-10423")
	if want := "{T-10423  Boiler inspection, winter check  BLD22}"; s.copied != want {
		t.Errorf("copied %q", s.copied)
	}
	s.keys("enter", "y").sees("Copied T-10423")
	if !strings.Contains(s.copied, "33 Harbour Sq M5J 2G2 Toronto") {
		t.Errorf("copied %q", s.copied)
	}
	s.keys("esc", " ", " ", "y").sees("Copied 2 tasks").keys("esc", "O", "y").sees("Copied this change")
	if !strings.Contains(s.copied, "WO-7 belongs to T-10377 already") || strings.Contains(s.copied, "\x1b") {
		t.Errorf("copied %q", s.copied)
	}
	s.keys("esc", "R", "y").sees("Copied all of this")
	s.keys("esc", "X", "y").sees("There is nothing to copy here.").keys("?", "y").sees("There is nothing to copy here.")
}
