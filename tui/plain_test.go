package tui_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
	"example.com/punchlist/tui"
	"github.com/charmbracelet/x/ansi"
)

// plain runs a session on these lines and returns what was printed, with the
// lines in between.
func (s *story) plain(lines ...string) string {
	s.t.Helper()
	var out bytes.Buffer
	in, feed := io.Pipe()
	p := tui.NewPlain(s.t.Context(), s.calm(), tui.PlainOptions{In: in, Out: promptWriter{&out, func() {
		if len(lines) == 0 {
			feed.Close()
			return
		}
		line := lines[0]
		lines = lines[1:]
		out.WriteString(line + "\n")
		go io.WriteString(feed, line+"\n")
	}}, Prompt: true, Patience: time.Minute})
	if s.plainBegins != nil {
		s.plainBegins(p)
	}
	if err := p.Run(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	feed.Close()
	return out.String()
}

// promptWriter notices when a line is wanted.
type promptWriter struct {
	io.Writer
	wanted func()
}

func (w promptWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if string(p) == "> " {
		w.wanted()
	}
	return n, err
}

// TestPlainTranscripts are sessions to read: what a screen reader would say.
func TestPlainTranscripts(t *testing.T) {
	for _, c := range []struct {
		name  string
		begin func(*story)
		lines []string
	}{
		{"first-run", func(*story) {}, []string{"help", "add Check the pump", "list", "1", "sync", "offline", "undo", "redo", "quit"}},
		{"day", monday, []string{
			"list", "view", "view 3", "/boiler", "find zeppelin", "find due:someday", "list all", "5", "back", "open T-10423", "status", "4", "4", "status", "", "undo",
			"note Key is at the gate", "note", "First line", "second line", ".", "", "state", "quit"}},
		{"checklist", monday, []string{
			"open 3", "c", "pass", "done", "pass", "1.8", "answer 3 9", "n", "fail 3 9", "pass 1 after oiling", "4", "d 4 G4", "answer 5 all well", "n", "comment 1 squeaks", "clear 2", "step Lock the door", "step", "fail 6", "F",
			"", "", "", "", "", "", "", "", "", "", "", "99", "steps", "back", "back", "back", "quit"}},
		{"edit", monday, []string{
			"edit 4 due tomorrow 14:00", "edit 4 due someday", "edit 4 site bld", "edit 4 site nowhere", "edit 4 colour red", "edit 4 priority high", "edit T-10431", "Lift phone test", "", "emerg", "yz",
			"", "someday", "-", "dora", ".", "add", "", ".", "Clean the roof drain", ".", "add", "drop", "delete 1", "n", "delete 1", "y", "undo", "status 1,4", "2", "note 1,3-4 Gate closed", "delete 4-5", "y", "undo", "edit 77", "delete", "open T-99999", "quit"}},
		{"queue", parked, []string{"queue", "2", "retry 1", "r 2", "discard 2", "maybe", "discard 2", "y", "retry 9", "back", "O", "quit"}},
		{"queue-edit", parked, []string{"queue", "edit 2", "help", "back", "edit 2", "Waiting for the key since nine.", "e 1", "help", "WO-8", "2", "export ~/unsent.json", "export", "back", "w", "", "retry-all", "edit 9", "quit"}},
		{"questions", monday, []string{
			"delete 1", "help", "back", "status 3", "help", "5", "status 3", "4", "?", "other", "back", "status 3", "4", "other", "help", "Strike", "note 3", "help", "Half a thought", "back", "note 3", "drop", "note 3", "\\back", "\\help", ".safety",
			"edit 4", "help", "Half a title", "back", "edit 4", "drop", "add", "\\quit", ".", "checklist 2", "back", "checklist 3", "d 3", "help", "back", "d 3 9", "help", "n", "back", "delete 1", "quit"}},
		{"conflicts", conflicted, []string{"conflicts", "1", "theirs 1", "theirs 1", "mine 2", "X", "undo", "X", "theirs 1", "quit"}},
		{"conflicts-several", conflictMany, []string{"conflicts", "mine 1,9", "mine 1,2-3", "undo", "X", "theirs all", "undo", "quit"}},
		{"numbers", monday, []string{
			"open 3", "note 5 meant for five", "y", "note 5 bolts are missing", "n", "note 4 nothing", "", "note 12 bolts", "note 4", "Lines for four", ".", "edit 5 contact Zed", "status 6", "", "clock 6", "check 1", "back", "delete 5", "n", "delete 9", "edit contact Ann", "4", "quit"}},
		{"wrong", monday, []string{"frobnicate", "report", "mine 1", "17", "open", "open 99", "note", "status 3", "nonsense", "", "D", "pass 1", "view nine", "more", "/", "status 1,3-9", "edit 1,3 due today", "QUIT"}},
		{"ends-in-a-note", monday, []string{"note 3", "The gate is locked; call"}},
		{"ends-in-a-form", monday, []string{"add", "Mend the fence"}},
		{"ends-in-a-question", monday, []string{"delete 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(t)
			c.begin(s)
			s.o.Offline = func(bool) {}
			s.o.Export = func(context.Context, string) (int, error) { return 2, nil }
			s.plainBegins = func(p *tui.Plain) {
				s.o.Sync = func() {}
				p.Status(engine.Status{Reach: reach.Offline, Since: s.now.UnixMilli(), Activity: engine.Waiting, Sender: true, NextTry: s.now.Add(5 * time.Minute).UnixMilli()})
			}
			if c.name == "first-run" {
				s.plainBegins = func(p *tui.Plain) { p.Status(engine.Status{Reach: reach.NotEnrolled}) }
			}
			s.transcript("plain-"+c.name, s.plain(c.lines...))
		})
	}
}

// transcript compares a session with testdata/NAME.golden and looks at it as a
// dumb terminal would.
func (s *story) transcript(name, got string) {
	s.t.Helper()
	for i, r := range got {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			s.t.Fatalf("%U at byte %d", r, i)
		}
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		s.must(os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	s.must(err)
	if got != string(want) {
		s.t.Errorf("%s differs (go test ./tui -update writes it anew):\n%s", path, got)
	}
}

// What was begun when the input ended is offered again, here and on the screen.
func TestPlainKeepsWhatWasBegun(t *testing.T) {
	s := newStory(t)
	monday(s)
	s.plain("note 3", "The gate is locked; call")
	if got := s.plain("note 3", "Mr Okafor", ".", "1", "quit"); !strings.Contains(got, "never saved it:\nThe gate is locked; call\n") || !strings.Contains(got, "Note added to T-10423.") {
		t.Error(got)
	}
	v, err := s.db.Task(t.Context(), s.find("T-10423"))
	s.must(err)
	if n := v.Notes[len(v.Notes)-1].Fields.Text("body"); n != "The gate is locked; call\nMr Okafor" {
		t.Errorf("the note is %q", n)
	}
	s.plain("add", "Mend the fence", "repair")
	s.open(80, 24).keys("a").sees("Mend the fence", "repair")
}

func (s *story) find(number string) string {
	s.t.Helper()
	id, err := s.db.FindTask(s.ctx(), number)
	s.must(err)
	return id
}

// sync waits for the round, and tells what came of it.
func TestPlainSyncWaits(t *testing.T) {
	s := newStory(t)
	monday(s)
	online := engine.Status{Reach: reach.Online, Since: s.now.UnixMilli(), Activity: engine.Idle, Sender: true, LastSync: s.now.UnixMilli() - 60_000}
	var session *tui.Plain
	s.o.Sync = func() {
		if session == nil {
			return
		}
		go func() {
			s.settle(s.applied)
			s.must(s.db.RoundDone(s.t.Context()))
			done := online
			done.LastSync, done.Asked = s.now.UnixMilli(), s.now.UnixMilli()
			session.Status(done)
		}()
	}
	s.plainBegins = func(p *tui.Plain) { session = p; p.Status(online) }
	got := s.plain("note 3 On site.", "sync", "quit")
	if !strings.Contains(got, "1 task, 1 change waiting") || !strings.HasSuffix(strings.TrimSpace(got[:strings.LastIndex(got, "> quit")]), "ONLINE  all sent 09:00") {
		t.Error(got)
	}
}

// sync waits for its own round, whatever the engine says before it: one that has
// only just begun knows nothing of the server yet, and is not said to be offline.
func TestPlainSyncWaitsForItsOwnRound(t *testing.T) {
	s := newStory(t)
	monday(s)
	starting := engine.Status{Reach: reach.Offline, Looking: true, Activity: engine.Idle}
	early := engine.Status{Reach: reach.Online, Activity: engine.Idle, Sender: true, LastSync: s.now.UnixMilli()} // of a round before
	var session *tui.Plain
	s.o.Sync = func() {
		session.Status(starting)
		waits := starting
		waits.Why = "another punchlist on this laptop sends"
		for _, st := range []engine.Status{waits, early} {
			session.Status(st)
		}
		go func() {
			s.settle(s.applied)
			s.must(s.db.RoundDone(s.t.Context()))
			done := early
			done.Asked = s.now.UnixMilli()
			session.Status(done)
		}()
	}
	s.plainBegins = func(p *tui.Plain) { session = p; p.Status(starting) }
	got := s.plain("note 3 On site.", "sync", "quit")
	if strings.Contains(got, "OFFLINE") || !strings.Contains(got, "LOOKING FOR THE SERVER") {
		t.Errorf("before it ever asked: %s", got)
	}
	if !strings.HasSuffix(strings.TrimSpace(got[:strings.LastIndex(got, "> quit")]), "ONLINE  all sent 09:00") {
		t.Error(got)
	}
}

// What a colleague does meanwhile is heard with the next line.
func TestPlainHearsOfOthers(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.must(s.db.EditTask(s.ctx(), ids["T-10426"], op.Fields{"asset": "H-1"}))
	wanted := 0
	var out bytes.Buffer
	in, feed := io.Pipe()
	p := tui.NewPlain(t.Context(), s.calm(), tui.PlainOptions{In: in, Out: promptWriter{&out, func() {
		if wanted++; wanted > 1 {
			feed.Close()
			return
		}
		s.settle(func(o op.Op) wire.Result { return s.lost(o, op.Fields{"asset": "H-2"}) })
		go io.WriteString(feed, "\n")
	}}, Prompt: true})
	s.must(p.Run(t.Context()))
	if !strings.Contains(out.String(), "1 change lost to a newer one: press X.") {
		t.Error(out.String())
	}
}

// The output is gone (a pipe whose reader went): the session ends and says so.
func TestPlainEndsWithItsOutput(t *testing.T) {
	s := newStory(t)
	monday(s)
	gone := errors.New("broken pipe")
	p := tui.NewPlain(t.Context(), s.calm(), tui.PlainOptions{In: strings.NewReader("list\nlist\n"), Out: writerFunc(func([]byte) (int, error) { return 0, gone })})
	if err := p.Run(t.Context()); !errors.Is(err, gone) {
		t.Errorf("Run: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Told to stop while it waits for a line, it stops, and keeps what was begun.
func TestPlainStops(t *testing.T) {
	s := newStory(t)
	monday(s)
	ctx, cancel := context.WithCancel(t.Context())
	in, feed := io.Pipe()
	defer feed.Close()
	wanted := 0
	p := tui.NewPlain(ctx, s.calm(), tui.PlainOptions{In: in, Out: promptWriter{io.Discard, func() {
		switch wanted++; wanted {
		case 1:
			go io.WriteString(feed, "note 3\n")
		case 2:
			go io.WriteString(feed, "Half a th\n")
		case 3:
			cancel()
		}
	}}, Prompt: true})
	s.must(p.Run(ctx))
	if d, found, err := s.db.FindDraft(t.Context(), "note:"+s.find("T-10423")); err != nil || !found || d.Texts["body"] != "Half a th" {
		t.Errorf("the draft is %v, %v, %v", d, found, err)
	}
}

// A line without end is refused, not kept in memory, and the next one counts.
func TestPlainRefusesEndlessLines(t *testing.T) {
	s := newStory(t)
	monday(s)
	var out bytes.Buffer
	in := io.MultiReader(strings.NewReader("note 3 "), io.LimitReader(readerFunc(func(b []byte) (int, error) {
		return copy(b, bytes.Repeat([]byte{'x'}, len(b))), nil
	}), 10<<20), strings.NewReader("\nnote 3 short\n"))
	s.must(tui.NewPlain(t.Context(), s.calm(), tui.PlainOptions{In: in, Out: &out}).Run(t.Context()))
	if got := out.String(); !strings.Contains(got, "a line can hold 65536 characters") || !strings.Contains(got, "Note added to T-10423.") {
		t.Error(got)
	}
	v, err := s.db.Task(t.Context(), s.find("T-10423"))
	s.must(err)
	if len(v.Notes) != 2 {
		t.Errorf("%d notes, want 2", len(v.Notes))
	}
}

// calm are the options of a session that nothing slow is noticed in.
func (s *story) calm() tui.Options {
	o := s.o
	o.Slow = time.Hour
	return o
}

// On a terminal lines end between words; into a pipe they are as long as they are.
func TestPlainBreaksBetweenWords(t *testing.T) {
	s := newStory(t)
	monday(s)
	var out bytes.Buffer
	p := tui.NewPlain(t.Context(), s.calm(), tui.PlainOptions{In: strings.NewReader("help\nopen T-10423\nfind due:someday\nedit 4 window someday\n"), Out: &out, Width: func() int { return 40 }})
	s.must(p.Run(t.Context()))
	for line := range strings.Lines(out.String()) {
		if w := ansi.StringWidth(strings.TrimRight(line, "\n")); w > 40 {
			t.Errorf("%d cells: %q", w, line)
		}
	}
	words := strings.Join(strings.Fields(out.String()), " ")
	for _, whole := range []string{"T-10423 Boiler inspection, winter check", "or a day like 1.12.2026 or 2026-12-01, with < <= >", "08:00-10:00"} {
		if !strings.Contains(words, whole) {
			t.Errorf("%q is torn:\n%s", whole, out.String())
		}
	}
}

// Tasks that come in after an empty list was read out are spoken of, once.
func TestPlainSpeaksOfTheFirstTasks(t *testing.T) {
	s := newStory(t)
	wanted := 0
	var out bytes.Buffer
	in, feed := io.Pipe()
	p := tui.NewPlain(t.Context(), s.calm(), tui.PlainOptions{In: in, Out: promptWriter{&out, func() {
		if wanted++; wanted == 1 {
			s.day()
		}
		if wanted > 3 {
			feed.Close()
			return
		}
		go io.WriteString(feed, []string{"\n", "\n", "list\n"}[wanted-1])
	}}, Prompt: true})
	s.must(p.Run(t.Context()))
	if strings.Count(out.String(), `7 tasks are here now; "list" reads them out.`) != 1 || !strings.Contains(out.String(), "1  T-10398") {
		t.Error(out.String())
	}
}

// TestPlainAsksOfTheTaskAsItIs, not as it was when the list was read out.
func TestPlainAsksOfTheTaskAsItIs(t *testing.T) {
	s := newStory(t)
	monday(s)
	out := s.plain("list", "status 5", "3", "status 5", "back", "status 4,5", "back", "delete 5", "y", "status 5", "quit")
	_, again, _ := strings.Cut(out, "T-10426 is in progress. Saved")
	for _, want := range []string{"東棟 is in progress.", "4 on hold", "T-10426: It is not here any more"} {
		if !strings.Contains(again, want) {
			t.Errorf("%q was not said:\n%s", want, out)
		}
	}
	if strings.Contains(again, "is pending") || strings.Contains(again, "en route") {
		t.Error(out)
	}
}
