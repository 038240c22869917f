package tui_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
	"example.com/punchlist/tui"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

// hostile are texts that break screens which measure in bytes or letters, or
// which trust what they are sent.
var hostile = []string{
	"", "plain", strings.Repeat("long ", 60), "暖房の点検、東棟の地下室にあるボイラーを調べること", "e\u0301\u0302\u0303 combining", "👩‍👩‍👧‍👦 family 🇨🇦 flag 👍🏽",
	"שלום עולם RTL مرحبا", "ไทย ภาษา ที่นี่", "\ttab\tand\nnewline\r\n", "\x1b[2J\x1b[31mred\x07\x1b]0;title\x07", "\u202eevil\u2066bidi\u2069", "\u200b\u200dzero\ufeffwidth", "\xff\xfe broken \xc3",
	"﷽﷽﷽", "Ｆｕｌｌｗｉｄｔｈ　ＴＥＸＴ", strings.Repeat("x", 200), "\u0085next\u2028line\u2029para", "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306",
}

// checkFrame: exactly h lines, none wider than w cells, nothing but colours and
// attributes that a terminal would obey.
func checkFrame(t interface{ Fatalf(string, ...any) }, frame string, w, h int) {
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines on a terminal of %dx%d:\n%s", len(lines), w, h, frame)
	}
	for i, l := range lines {
		if got := ansi.StringWidth(l); got > w {
			t.Fatalf("line %d is %d cells on a terminal of %dx%d: %q", i+1, got, w, h, l)
		}
		for _, r := range stripSGR(l) {
			if unicode.IsControl(r) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
				t.Fatalf("line %d holds U+%04X: %q", i+1, r, l)
			}
		}
	}
}

// stripSGR takes out colours and attributes, and nothing else.
func stripSGR(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexFunc(after, func(r rune) bool { return r != ';' && (r < '0' || r > '9') })
		if end < 0 || after[end] != 'm' {
			b.WriteString("\x1b[")
			s = after
			continue
		}
		s = after[end+1:]
	}
}

// hostileDay is a list of which every text is out to break the screen. The
// texts come the way a careless server would send them.
func (s *story) hostileDay() {
	s.enrol()
	site := s.record(op.Site, "", op.Fields{"code": hostile[3], "name": hostile[5], "access_notes": strings.Join(hostile, "\n"), "hazards": hostile[9]})
	s.hears(site)
	for i, text := range hostile {
		c := s.record(op.Task, "", op.Fields{"title": text + fmt.Sprint(i), "status": string(op.Statuses[i%len(op.Statuses)]), "site_id": site.EntityID, "description": strings.Join(hostile, "\n"),
			"assignee": text, "asset": hostile[(i+1)%len(hostile)], "contact_name": text, "priority": op.Priorities[i%4], "due_at": ms(morning) + int64(i)*7e6, "reason_text": text})
		s.hears(c,
			s.record(op.Item, "", op.Fields{"task_id": c.EntityID, "label": text + "?", "kind": op.ItemKinds[i%len(op.ItemKinds)], "section": text, "help": strings.Join(hostile, " "), "choices": strings.Join(hostile, "\n"), "unit": text, "max": 3.0}),
			s.record(op.Note, "", op.Fields{"task_id": c.EntityID, "body": strings.Join(hostile, "\n"), "author": text + "x", "at": ms(morning)}))
	}
}

// TestEveryFrameFits walks at random through the screens of a hostile list, at
// any size. The database is opened once; what a walk writes stays for the next.
func TestEveryFrameFits(t *testing.T) {
	s := newStory(t)
	s.hostileDay()
	s.o.Export = func(context.Context, string) (int, error) { return 0, errors.New(hostile[9]) }
	pool := []string{"j", "k", "G", "g", "enter", "esc", "s", "1", "2", "n", "a", "e", "c", "p", "f", "d", "m", "x", "O", "X", "?", "/", "D", "tab", "down", "up", "right",
		"ctrl+s", "ctrl+j", "ctrl+d", "ctrl+u", "end", "home", "ctrl+n", "F", "S", "u", " ", "V", "ctrl+r", "R", ":", "y", "A", "w", "E", "ctrl+o", "8", "t", "r"}
	rapid.Check(t, func(rt *rapid.T) {
		s.o.ASCII, s.o.NoColor = rapid.Bool().Draw(rt, "ascii"), rapid.Bool().Draw(rt, "nocolor")
		s.o.Banner = rapid.SampledFrom(hostile).Draw(rt, "banner")
		w, h := rapid.IntRange(1, 300).Draw(rt, "w"), rapid.IntRange(1, 100).Draw(rt, "h")
		s.open(w, h)
		for range rapid.IntRange(1, 12).Draw(rt, "keys") {
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				w, h = rapid.IntRange(1, 300).Draw(rt, "w"), rapid.IntRange(1, 100).Draw(rt, "h")
				s.send(tea.WindowSizeMsg{Width: w, Height: h})
			case 1:
				s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(rapid.SampledFrom(hostile).Draw(rt, "paste")), Paste: true})
			case 3:
				s.mouse(rapid.SampledFrom([]tea.MouseButton{tea.MouseButtonLeft, tea.MouseButtonLeft, tea.MouseButtonWheelDown, tea.MouseButtonWheelUp}).Draw(rt, "button"), rapid.IntRange(0, w).Draw(rt, "x"), rapid.IntRange(0, h).Draw(rt, "y"))
			case 2:
				s.status(engine.Status{Reach: reach.Portal, Detail: rapid.SampledFrom(hostile).Draw(rt, "detail")})
			default:
				s.keys(rapid.SampledFrom(pool).Draw(rt, "key"))
			}
			checkFrame(rt, s.app.View(), w, h)
		}
	})
}

// TestEveryScreenFitsEverySize: each screen there is, of a hostile list with
// conflicts and refused changes, at widths and heights from 1 to beyond anybody's.
func TestEveryScreenFitsEverySize(t *testing.T) {
	s := newStory(t)
	s.hostileDay()
	s.troubles()
	s.o.Export = func(context.Context, string) (int, error) { return 0, nil }
	widths, heights := []int{39, 40, 41, 119, 120, 121, 299, 300}, []int{2, 3, 11, 12, 13, 99, 100}
	for w := 1; w < 300; w += 41 {
		widths = append(widths, w)
	}
	for h := 1; h < 100; h += 29 {
		heights = append(heights, h)
	}
	ways := map[string][]string{
		"tasks": {}, "marked": {"V"}, "search": {"/", "long"}, "bad search": {"/", "due:" + hostile[3]}, "nothing found": {"/", "zeppelin", "enter"}, "status": {"s"}, "reason": {"G", "s", "3"},
		"delete": {"D"}, "task": {"enter"}, "note": {"n", hostile[3]}, "edit": {"e"}, "description": {"e", "up"}, "site": {"e", "tab", "tab", "tab"}, "add": {"a"}, "checklist": {"c"}, "comment": {"c", "m"},
		"queue": {"O"}, "mend": {"O", "G", "e"}, "discard": {"O", "d"}, "export": {"O", "w"}, "conflicts": {"X"}, "a conflict": {"X", "tab"}, "marked conflicts": {"X", "V"},
		"ready": {"R"}, "help": {"?"}, "help of queue": {"O", "?"}, "found help": {"?", "/", "undo"}, "palette": {":"}, "filtered palette": {":", "un"}, "no command": {":", "zeppelin"},
	}
	for name, keys := range ways {
		for _, ascii := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", ascii ", ascii), func(t *testing.T) {
				s.t, s.o.ASCII = t, ascii
				s.open(80, 24).keys(keys...)
				for _, w := range widths {
					for _, h := range heights {
						s.app.Update(tea.WindowSizeMsg{Width: w, Height: h}) // what it would read in addition changes nothing here
						checkFrame(t, s.app.View(), w, h)
					}
				}
			})
		}
	}
}

// troubles are a refused change and a conflict, in the words of a careless server.
func (s *story) troubles() {
	page, err := s.db.Tasks(s.ctx(), localdb.Query{Now: s.now})
	s.must(err)
	for i, r := range page.Rows[:8] {
		s.must(s.db.EditTask(s.ctx(), r.ID, op.Fields{"external_ref": fmt.Sprint("R", i), "asset": "暖房の点検"}))
	}
	i := 0
	s.settle(func(o op.Op) wire.Result {
		if i++; i%2 == 0 {
			return s.lost(o, op.Fields{"asset": hostile[i%len(hostile)]})
		}
		return wire.Result{Outcome: op.Rejected, Code: op.CodeDuplicateRef, Field: "external_ref", Message: strings.Join(hostile, " ")}
	})
	for _, r := range page.Rows[:3] {
		_, err := s.db.AddNote(s.ctx(), r.ID, op.Clean(strings.Join(hostile, " "), true), "note")
		s.must(err)
	}
}

func TestNothingIsDrawnBeforeTheSizeIsKnown(t *testing.T) {
	s := newStory(t)
	s.app = tui.New(t.Context(), s.o)
	if got := s.app.View(); got != "" {
		t.Errorf("the first frame is %q", got)
	}
}

func TestTooSmallSaysSo(t *testing.T) {
	s := newStory(t).open(39, 11)
	if got := s.line(0); got != "Punchlist needs 40x12; this is 39x11." {
		t.Errorf("it says %q", got)
	}
	s.send(tea.WindowSizeMsg{Width: 40, Height: 12})
	s.sees("No tasks yet")
}

// TestNoColorKeepsTheSelectionInSight: in text, and reversed.
func TestNoColorKeepsTheSelectionInSight(t *testing.T) {
	s := newStory(t)
	s.day()
	s.o.NoColor = true
	s.open(80, 24)
	frame := s.app.View()
	if !strings.Contains(frame, "> \x1b[7mT-10398") {
		t.Errorf("no mark:\n%q", frame)
	}
	for _, colour := range []string{"\x1b[3", "\x1b[9", ";3", ";9"} {
		if strings.Contains(frame, colour) {
			t.Errorf("a colour in %q", frame)
		}
	}
	if c := s.app.Cursor(); c.X != 2 || c.Y != 2 || c.Visible {
		t.Errorf("the cursor stands at %+v", c)
	}
	if s.keys("n", "Ab").app.View(); !s.app.Cursor().Visible || s.app.Cursor().X != 2 {
		t.Errorf("the cursor stands at %+v while one types", s.app.Cursor())
	}
}

// TestWhatIsTypedIsASCIIToo on a terminal that shows no more, in every kind of field:
// the text itself stays as it is.
func TestWhatIsTypedIsASCIIToo(t *testing.T) {
	s := newStory(t)
	s.day()
	s.o.ASCII = true
	s.open(80, 24).online()
	const text = "Müller 焼津 👩‍👩‍👧 é"
	for _, to := range [][]string{{"/"}, {"n"}, {"a"}, {"?", "/"}, {":"}, {"jj", "e"}} {
		s.keys(to...).keys(text)
		checkFrame(t, s.app.View(), 80, 24)
		for _, r := range s.frame() {
			if r >= 0x80 {
				t.Fatalf("%v shows %q:\n%s", to, r, s.frame())
			}
		}
		s.keys("esc").keys("y", "esc", "esc")
		s.open(80, 24).online()
	}
	s.keys("n", text, "enter")
	notes := s.task(s.find("T-10398")).Notes
	if got := notes[len(notes)-1].Fields.Text("body"); got != "Müller 焼津 👩‍👩‍👧 é" {
		t.Errorf("the note is %q", got)
	}
}

// TestNothingIsDoneBlind: where only the size is told, no key, paste or click does
// anything but leave, and a form that was open stands there again.
func TestNothingIsDoneBlind(t *testing.T) {
	small, large := tea.WindowSizeMsg{Width: 20, Height: 5}, tea.WindowSizeMsg{Width: 80, Height: 24}
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online()
	s.send(small)
	before := s.summary()
	for _, keys := range [][]string{{"n", "Blind", "enter"}, {"D", "y"}, {"g", "s", "3", "5"}, {"a", "Blind", "ctrl+s"}, {"T"}, {"ctrl+n"}, {"S"}, {"u"}} {
		s.keys(keys...)
	}
	s.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q"), Paste: true})
	s.mouse(tea.MouseButtonLeft, 2, 3)
	if after := s.summary(); after.Pending != before.Pending || after.Tasks != before.Tasks || s.synced != 0 || len(s.offline) != 0 || s.quit {
		t.Errorf("done blind: %+v, rounds %d, switched %v, left %v", after, s.synced, s.offline, s.quit)
	}
	s.send(large)
	s.sees("Tasks", "> T-10398").keys("jj", "n", "Half a thought").send(small)
	s.keys("enter", "esc", "y", "x").send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("pasted"), Paste: true})
	s.send(large)
	s.sees("Half a thought").seesNot("Half a thoughtx", "pasted")
	if got := s.task(ids["T-10423"]).Notes; len(got) != 1 {
		t.Errorf("notes: %v", got)
	}
	s.send(small)
	if _, cmd := s.app.Update(keyOf("ctrl+z")); cmd == nil {
		t.Error("ctrl+z does nothing")
	}
	if s.keys("q"); !s.quit {
		t.Error("q did not quit")
	}
	s.quit = false
	s.open(20, 5)
	if s.keys("ctrl+c"); !s.quit {
		t.Error("ctrl+c did not quit")
	}
}
