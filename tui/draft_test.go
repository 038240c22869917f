package tui_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/tui"
	tea "github.com/charmbracelet/bubbletea"
)

// crash ends the program between two keys, without a word, and starts it again.
func (s *story) crash() *story {
	s.t.Helper()
	s.must(s.db.Close())
	db, err := localdb.Open(s.ctx(), s.db.Path(), localdb.Options{Clock: s.read, NewID: s.id})
	s.must(err)
	s.t.Cleanup(func() { db.Close() })
	s.db, s.o.DB = db, db
	lines := strings.Split(s.app.View(), "\n")
	w := 80
	if len(lines) > 24 {
		w = 200
	}
	return s.open(w, len(lines))
}

func TestWhatWasTypedOutlivesACrash(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online().keys("jj", "n", "Half a sentence", "tab").crash()
	s.online().keys("n").seesNot("Half a sentence").keys("esc", "jj", "n").sees("Half a sentence", "[safety]", "Here is what you typed at 09:00")
	s.keys(", whole now", "enter").sees("Note added").keys("n").seesNot("Half a sentence")
	if got := s.task(ids["T-10423"]).Notes; len(got) != 2 || got[1].Fields.Text("body") != "Half a sentence, whole now" {
		t.Errorf("%v", got)
	}

	s.keys("esc", "e", "end", "!!", "tab", "tab", "tab", "ctrl+u", "yz", "tab", "tab", "tab", "tab", "tab", "tab", "tab", "First line", "ctrl+j", "second").crash()
	s.online().keys("jj", "e").sees("winter check!!", "YZ-7", "Here is what you typed")
	s.keys("ctrl+s").sees("T-10423 changed.")
	v := s.task(ids["T-10423"])
	if v.SiteCode != "YZ-7" || !strings.HasSuffix(v.Title, "!!") || !strings.Contains(v.Fields.Text("description"), "First line\nsecond") {
		t.Errorf("%q at %s: %q", v.Title, v.SiteCode, v.Fields.Text("description"))
	}
	s.keys("e").seesNot("Here is what you typed")

	s.keys("esc", "a", "A new thing", "tab", "right", "tab", "right").crash()
	s.online().keys("a").sees("A new thing").keys("esc", "y", "a").seesNot("A new thing")
}

// TestLeavingKeepsTheDraft however soon after the last key.
func TestLeavingKeepsTheDraft(t *testing.T) {
	for name, leave := range map[string]func(*story){
		"ctrl+c":  func(s *story) { s.keys("ctrl+c") },
		"hang-up": func(s *story) { s.run(s.app.Leave(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.day()
			s.o.Draft = time.Hour
			s.open(80, 24).online()
			_, cmd := s.app.Update(keyOf("a"))
			s.run(cmd)
			_, _ = s.app.Update(keyOf("Half a thou")) // its draft is due in an hour
			leave(s)
			s.o.Draft = time.Nanosecond
			s.open(80, 24).online().keys("a").sees("Half a thou", "esc throws it away")
		})
	}
}

// TestDraftsDoNotCollide: two sessions at the same form, each with its own text.
func TestDraftsDoNotCollide(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("a", "From the first")
	other := &story{t: t, now: s.now, n: 1 << 20, v: s.v}
	db, err := localdb.Open(s.ctx(), s.db.Path(), localdb.Options{Clock: other.read, NewID: other.id})
	s.must(err)
	t.Cleanup(func() { db.Close() })
	other.db, other.o = db, tui.Options{DB: db, Now: func() time.Time { return other.now }, Settle: time.Nanosecond, Draft: time.Nanosecond}
	other.open(80, 24).online().keys("a").seesNot("From the first").keys("From the second")
	s.keys(", still").sees("From the first, still").keys("ctrl+s").sees("Task added")
	other.changed()
	other.sees("From the second").keys("esc", "n").sees("From the second")
	other.keys("ctrl+s").sees("From the second", "From the first, still")
}

// TestASavedFormLeavesNoDraft, whatever order the writes run in.
func TestASavedFormLeavesNoDraft(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("a")
	_, typed := s.app.Update(keyOf("Mend the gate"))
	_, save := s.app.Update(tea.KeyMsg{Type: tea.KeyCtrlS})
	s.run(save)
	s.run(typed) // the tick comes when the form is closed already
	s.keys("a").seesNot("Mend the gate")
	if files, _ := filepath.Glob(s.db.Path() + ".session-*"); len(files) != 1 {
		t.Errorf("lock files: %v", files)
	}
}
