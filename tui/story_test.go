package tui_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
	"example.com/punchlist/tui"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden frames anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// morning is when each story begins: a Monday, nine o'clock, UTC.
var morning = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

const crew = "north"

// story is a laptop, its screen and a person at the keys. The database is a
// real one; the clock moves when the story says so.
type story struct {
	t    *testing.T
	db   *localdb.DB
	app  *tui.App
	now  time.Time
	n    int // ids given
	v    int64
	o    tui.Options
	quit bool
	w, h int

	free    int64  // bytes on the disk
	copied  string // into the clipboard, last
	synced  int
	later   func() // what the server does once the screen is open
	offline []bool // what the switch was set to, in order

	plainBegins func(*tui.Plain) // before a plain session runs
}

func newStory(t *testing.T) *story {
	t.Helper()
	t.Setenv("USER", "me") // who has joined no server is called as the account is
	s := &story{t: t, now: morning}
	db, err := localdb.Open(t.Context(), filepath.Join(t.TempDir(), "punchlist.db"), localdb.Options{Clock: s.read, NewID: s.id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s.db, s.free = db, 12<<30
	s.o = tui.Options{DB: db, Now: func() time.Time { return s.now }, Settle: time.Nanosecond, Draft: time.Nanosecond, Slow: time.Nanosecond, Free: func() (int64, error) { return s.free, nil },
		Sync: func() { s.synced++ }, Offline: func(on bool) { s.offline = append(s.offline, on) }}
	return s
}

func (s *story) read() op.Reading {
	return op.Reading{Wall: s.now.UnixMilli(), Boot: s.now.Sub(morning).Milliseconds() + 1e9, BootID: "boot"}
}

func (s *story) id() string {
	s.n++
	return fmt.Sprintf("01930000-0000-7000-8000-%012x", s.n)
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// open starts the screen on a terminal of that size.
func (s *story) open(w, h int) *story {
	s.app = tui.New(s.t.Context(), s.o)
	s.run(s.app.Init())
	s.w, s.h = w, h
	s.send(tea.WindowSizeMsg{Width: w, Height: h})
	return s
}

// size is the terminal's.
func (s *story) size() (w, h int) { return s.w, s.h }

// run does what a command does, and all that follows from it.
func (s *story) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			s.run(c)
		}
	case tea.QuitMsg:
		s.quit = true
	default:
		s.send(msg)
	}
}

func (s *story) send(msg tea.Msg) {
	if fmt.Sprintf("%T", msg) == "terminal.copyMsg" { // the terminal layer keeps it to itself
		s.copied = fmt.Sprint(msg)
	}
	_, cmd := s.app.Update(msg)
	s.run(cmd)
}

var named = map[string]tea.KeyType{
	"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab, "shift+tab": tea.KeyShiftTab, "up": tea.KeyUp, "down": tea.KeyDown,
	"left": tea.KeyLeft, "right": tea.KeyRight, "backspace": tea.KeyBackspace, "ctrl+s": tea.KeyCtrlS, "ctrl+n": tea.KeyCtrlN,
	"ctrl+c": tea.KeyCtrlC, "ctrl+z": tea.KeyCtrlZ, "space": tea.KeySpace, "ctrl+r": tea.KeyCtrlR, "ctrl+j": tea.KeyCtrlJ, "ctrl+u": tea.KeyCtrlU, "ctrl+o": tea.KeyCtrlO, "ctrl+t": tea.KeyCtrlT, "f8": tea.KeyF8, "pgup": tea.KeyPgUp, "ctrl+d": tea.KeyCtrlD, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd,
}

func keyOf(k string) tea.KeyMsg {
	if t, ok := named[k]; ok {
		return tea.KeyMsg{Type: t}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
}

// keys presses keys: names as Bubble Tea has them, anything else letter by
// letter in one packet.
func (s *story) keys(keys ...string) *story {
	for _, k := range keys {
		s.send(keyOf(k))
	}
	return s
}

// ahead presses keys without waiting for what they do, as over a slow line:
// their commands run only after the last one.
func (s *story) ahead(keys ...string) {
	var cmds []tea.Cmd
	for _, k := range keys {
		_, cmd := s.app.Update(keyOf(k))
		cmds = append(cmds, cmd)
	}
	for _, c := range cmds {
		s.run(c)
	}
}

func (s *story) status(st engine.Status) *story {
	s.send(tui.StatusMsg(st))
	return s
}

func (s *story) online() *story {
	return s.status(engine.Status{Reach: reach.Online, Since: s.now.UnixMilli(), Activity: engine.Idle, LastSync: s.now.UnixMilli(), Sender: true})
}

func (s *story) offlineFor(d time.Duration) *story {
	s.status(engine.Status{Reach: reach.Offline, Since: s.now.UnixMilli(), Activity: engine.Waiting, LastSync: s.now.UnixMilli(), Sender: true})
	s.now = s.now.Add(d)
	s.send(tui.MinuteMsg{})
	return s
}

// changed is what the watcher of the database says.
func (s *story) changed() { s.send(tui.ChangedMsg{}) }

// frame is what the terminal shows, without colours.
func (s *story) frame() string { return ansi.Strip(s.app.View()) }

func (s *story) line(n int) string {
	lines := strings.Split(s.frame(), "\n")
	return lines[(n+len(lines))%len(lines)]
}

func (s *story) sees(words ...string) *story {
	s.t.Helper()
	f := s.frame()
	for _, w := range words {
		if !strings.Contains(f, w) {
			s.t.Fatalf("%q is not on the screen:\n%s", w, f)
		}
	}
	return s
}

func (s *story) seesNot(words ...string) *story {
	s.t.Helper()
	f := s.frame()
	for _, w := range words {
		if strings.Contains(f, w) {
			s.t.Fatalf("%q is on the screen:\n%s", w, f)
		}
	}
	return s
}

// golden compares the frame with testdata/NAME.golden.
func (s *story) golden(name string) {
	s.t.Helper()
	s.goldenText(name, s.frame()+"\n")
}

func (s *story) goldenText(name, got string) {
	s.t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		s.must(os.MkdirAll("testdata", 0o755))
		s.must(os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	s.must(err)
	if got != string(want) {
		s.t.Errorf("%s differs (go test ./tui -update writes it anew):\n%s", path, got)
	}
}

// enrol joins a server, as a technician called anna.
func (s *story) enrol() {
	s.must(s.db.Enrol(s.t.Context(), localdb.Device{ID: "01930000-0000-7000-9000-000000000001", User: "anna", Name: "laptop 7", Role: op.Technician, Crews: []string{crew},
		ServerURL: "http://127.0.0.1:7777", ServerID: "01930000-0000-7000-9000-000000000002", Token: "t", EnrolledAt: s.now.UnixMilli()}))
}

// hears applies records as a pull from the server brings them.
func (s *story) hears(changes ...wire.Change) {
	s.t.Helper()
	_, err := s.db.ApplyChanges(s.t.Context(), wire.Changes{Changes: changes, Cursor: fmt.Sprint(s.v), Crews: []string{crew}, User: "anna", Role: op.Technician})
	s.must(err)
}

// record is one as the server tells it.
func (s *story) record(kind op.Kind, id string, fields op.Fields) wire.Change {
	s.v++
	if id == "" {
		id = s.id()
	}
	f := fields.Clone()
	f["id"], f["version"], f["updated_at"], f["deleted"], f["crew"] = id, s.v, s.now.UnixMilli()-s.v, false, crew
	return wire.Change{EntityType: kind, EntityID: id, Crew: crew, Version: s.v, By: "dora", ServerState: f}
}

func ms(t time.Time) int64 { return t.UnixMilli() }

// day is a crew's ordinary Monday: the ids of its tasks by number.
func (s *story) day() map[string]string {
	s.t.Helper()
	s.enrol()
	ids := map[string]string{}
	site := s.record(op.Site, "", op.Fields{"code": "BLD22", "name": "Harbour Square West", "address": "33 Harbour Sq", "postal_code": "M5J 2G2", "city": "Toronto",
		"access_notes": "Key at the concierge. Ring twice; the bell is slow.", "hazards": "Asbestos in the boiler room.", "contact_name": "Mr Okafor", "contact_phone": "416-555-0199"})
	yaizu := s.record(op.Site, "", op.Fields{"code": "YZ-7", "name": "焼津市 消防本部"})
	changes := []wire.Change{site, yaizu}
	task := func(number, title string, f op.Fields) string {
		f["number"], f["title"] = number, title
		if f["status"] == nil {
			f["status"] = "PENDING"
		}
		c := s.record(op.Task, "", f)
		changes, ids[number] = append(changes, c), c.EntityID
		return c.EntityID
	}
	at := func(days, hour, minute int) int64 {
		return ms(time.Date(2026, 11, 23+days, hour, minute, 0, 0, time.UTC))
	}
	task("T-10398", "Replace washroom fan", op.Fields{"type": "repair", "priority": "high", "site_id": site.EntityID, "due_at": at(-3, 23, 59), "assignee": "anna"})
	boiler := task("T-10423", "Boiler inspection, winter check", op.Fields{"type": "inspection", "priority": "emergency", "site_id": site.EntityID, "status": "IN_PROGRESS",
		"due_at": at(0, 17, 0), "assignee": "anna", "asset": "B-2 Viessmann", "contact_name": "Mr Okafor", "description": "Yearly inspection.\nBring the long ladder and a torch.", "started_at": at(0, 8, 30)})
	task("T-10424", "Deliver filters G4 (12 pcs)", op.Fields{"type": "delivery", "priority": "normal", "site_id": site.EntityID, "status": "EN_ROUTE", "due_at": at(0, 12, 0), "assignee": "anna"})
	task("T-10425", "Fire doors, all floors", op.Fields{"type": "inspection", "priority": "normal", "site_id": site.EntityID, "window_start": at(0, 13, 0), "window_end": at(0, 15, 0), "due_at": at(0, 15, 0), "assignee": "anna"})
	task("T-10426", "暖房の点検 東棟", op.Fields{"type": "maintenance", "priority": "low", "site_id": yaizu.EntityID, "due_at": at(1, 23, 59)})
	task("T-10431", "Elevator phone test", op.Fields{"type": "inspection", "priority": "low", "due_at": at(9, 23, 59)})
	task("T-10390", "Hallway lights, floor 3", op.Fields{"type": "repair", "priority": "normal", "site_id": site.EntityID, "status": "COMPLETED", "completed_by": "anna", "completed_at": at(-1, 16, 0)})
	item := func(pos int64, section, label string, f op.Fields) {
		f["task_id"], f["label"], f["position"], f["section"] = boiler, label, pos, section
		changes = append(changes, s.record(op.Item, "", f))
	}
	item(1, "Room", "Door closes by itself", op.Fields{"kind": "pass_fail", "required": true})
	item(2, "Room", "Room is clear", op.Fields{"kind": "check"})
	item(3, "Boiler", "Pressure, cold", op.Fields{"kind": "number", "required": true, "min": 1.0, "max": 2.5, "unit": "bar", "help": "Read at the gauge, burner off."})
	item(4, "Boiler", "Filter fitted", op.Fields{"kind": "choice", "choices": "G3\nG4\nF7"})
	item(5, "Boiler", "Remarks", op.Fields{"kind": "text"})
	changes = append(changes, s.record(op.Note, "", op.Fields{"task_id": boiler, "body": "Gate code changed, call first.", "author": "bob", "at": at(-1, 15, 10), "kind": "safety"}))
	s.hears(changes...)
	s.must(s.db.RoundDone(s.t.Context()))
	return ids
}

// settle answers all that waits, as the server would.
func (s *story) settle(answer func(op.Op) wire.Result) {
	s.t.Helper()
	ops, err := s.db.NextBatch(s.t.Context(), 500, 1<<20)
	s.must(err)
	var results []wire.Result
	for _, o := range ops {
		r := answer(o)
		r.OpID = o.ID
		results = append(results, r)
	}
	_, err = s.db.Settle(s.t.Context(), ops, results, nil)
	s.must(err)
}

func (s *story) applied(op.Op) wire.Result {
	s.v++
	return wire.Result{Outcome: op.Applied, Version: s.v, Stamp: s.now.UnixMilli()}
}

func (s *story) ctx() context.Context { return s.t.Context() }
