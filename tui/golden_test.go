package tui_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

// sizes are the two terminals that every frame is looked at in.
var sizes = []struct{ w, h int }{{80, 24}, {200, 50}}

// narrow is the smallest one that the screens can be used on.
var narrow = []struct{ w, h int }{{40, 12}}

// TestFrames shows every screen in its states. The files are for reading: what
// is wrong there is wrong on a technician's screen.
func TestFrames(t *testing.T) {
	frames := []struct {
		name  string
		begin func(*story) // before the screen opens
		then  func(*story)
	}{
		{"first-run", func(*story) {}, func(s *story) { s.status(engine.Status{Reach: reach.NotEnrolled}) }},
		{"empty-enrolled", func(s *story) { s.enrol() }, func(s *story) { s.online() }},
		{"tasks-online", monday, func(s *story) { s.online() }},
		{"picture", picture, func(s *story) {
			s.offlineFor(12*time.Minute).keys("jj", "n", "Nobody answers the bell.", "enter")
		}},
		{"tasks-offline", monday, func(s *story) {
			s.offlineFor(12*time.Minute).keys("j", "s", "3").keys("j", "n", "Nobody answers the bell.", "enter")
		}},
		{"tasks-working-offline", monday, func(s *story) { s.online().keys("ctrl+n") }},
		{"tasks-sending", monday, func(s *story) {
			s.online().keys("j", "n", "On site.", "enter")
			s.status(engine.Status{Reach: reach.Online, Activity: engine.Sending, Done: 4, Total: 11})
		}},
		{"tasks-portal", monday, func(s *story) {
			s.status(engine.Status{Reach: reach.Portal, Detail: "hotel-wifi.example answers instead of the server"})
		}},
		{"tasks-search", monday, func(s *story) { s.online().keys("/", "boiler") }},
		{"tasks-search-wrong", monday, func(s *story) { s.online().keys("/", "due:someday") }},
		{"tasks-search-nothing", monday, func(s *story) { s.online().keys("/", "zeppelin", "enter") }},
		{"status-sheet", monday, func(s *story) { s.online().keys("jj", "s") }},
		{"status-reason", monday, func(s *story) { s.online().keys("jj", "s", "4") }},
		{"delete", monday, func(s *story) { s.online().keys("jj", "D") }},
		{"note-kinds", monday, func(s *story) { s.online().keys("jj", "n", "Gas smell at the meter.", "tab") }},
		{"checklist-failed", monday, func(s *story) { s.online().keys("jj", "c", "f") }},
		{"follow-up", monday, func(s *story) { s.online().keys("jj", "c", "f", "F") }},
		{"checklist-done", monday, func(s *story) { s.online().keys("jj", "c", "p", "d", "2", "enter", "2", "n") }},
		{"tasks-server-down", monday, func(s *story) {
			s.status(engine.Status{Reach: reach.ServerDown, Detail: "the server answers with 503", Since: s.now.UnixMilli(), Activity: engine.Waiting, LastSync: s.now.UnixMilli(), NextTry: ms(s.now.Add(4 * time.Minute)), Sender: true})
		}},
		{"tasks-outdated", monday, func(s *story) {
			s.keys("jj", "n", "On site.", "enter")
			s.status(engine.Status{Reach: reach.Outdated, Detail: "install a newer punchlist", Since: s.now.UnixMilli(), Sender: true})
		}},
		{"tasks-settings-fault", func(s *story) {
			s.day()
			s.o.Notice = "Standard settings: config.toml line 8 has a fault. See: punchlist config check"
		}, func(s *story) { s.online() }},
		{"task", monday, func(s *story) { s.online().keys("jj", "enter") }},
		{"note", monday, func(s *story) { s.online().keys("jj", "n", "Called at the gate.", "ctrl+j", "Nobody there.") }},
		{"checklist", monday, func(s *story) { s.online().keys("jj", "c", "p", "d") }},
		{"checklist-limit", monday, func(s *story) { s.online().keys("jj", "c", "p", "d", "3", "enter") }},
		{"checklist-empty", monday, func(s *story) { s.online().keys("c") }},
		{"edit", monday, func(s *story) { s.online().keys("jj", "e") }},
		{"note-draft", monday, func(s *story) {
			s.online().keys("jj", "n", "The gate is locked; call").crash()
			s.now = s.now.Add(7 * time.Minute)
			s.online().keys("jj", "n")
		}},
		{"edit-refused", monday, func(s *story) {
			s.online().keys("jj", "e", "tab", "tab", "tab", "tab", "ctrl+u", "someday", "ctrl+s")
		}},
		{"add", monday, func(s *story) { s.online().keys("a", "Clean the roof drain", "tab", "tab", "tab", "bld") }},
		{"queue-empty", monday, func(s *story) { s.online().keys("O") }},
		{"queue-parked", parked, func(s *story) { s.online().keys("O") }},
		{"tasks-parked", parked, func(s *story) { s.online() }},
		{"queue-waiting", monday, func(s *story) {
			s.offlineFor(12*time.Minute).keys("jj", "n", "Called at the gate.", "enter", "s", "4", "4", "O")
		}},
		{"queue-tried", tried, func(s *story) {
			s.status(engine.Status{Reach: reach.ServerDown, Detail: "the server answers with 503", Since: s.now.UnixMilli(), Activity: engine.Waiting, NextTry: ms(s.now.Add(4 * time.Minute)), Sender: true}).keys("O")
		}},
		{"queue-mend", parked, func(s *story) { s.online().keys("O", "e") }},
		{"queue-export", parked, func(s *story) {
			s.o.Export = func(context.Context, string) (int, error) { return 2, nil }
			s.open(s.size()).online().keys("O", "w")
		}},
		{"queue-discard", parked, func(s *story) { s.online().keys("O", "d") }},
		{"ready", monday, func(s *story) {
			s.must(s.db.LearnOffset(s.ctx(), ms(s.now), s.read(), s.read()))
			s.online().changed()
			s.keys("R")
		}},
		{"ready-attention", parked, func(s *story) { s.free = 80 << 20; s.offlineFor(50 * time.Hour).keys("R") }},
		{"ready-sign-in", monday, func(s *story) { s.signIn().keys("R") }},
		{"ready-first-run", func(*story) {}, func(s *story) { s.status(engine.Status{Reach: reach.NotEnrolled}).keys("R") }},
		{"tasks-sign-in", monday, func(s *story) { s.keys("jj", "n", "On site.", "enter"); s.signIn() }},
		{"palette", monday, func(s *story) { s.online().keys(":") }},
		{"palette-filtered", monday, func(s *story) { s.online().keys(":", "un") }},
		{"palette-nothing", monday, func(s *story) { s.online().keys(":", "zeppelin") }},
		{"help-find", monday, func(s *story) { s.online().keys("?", "/", "undo") }},
		{"help-queue", parked, func(s *story) { s.online().keys("O", "?") }},
		{"conflicts-many", conflictMany, func(s *story) { s.online().keys("X", "j", " ", " ") }},
		{"conflicts-deleted", deletedTask, func(s *story) { s.online().keys("X") }},
		{"conflicts", conflicted, func(s *story) { s.online().keys("X") }},
		{"tasks-conflict", conflicted, func(s *story) { s.online() }},
		{"tasks-merged", merged, func(s *story) { s.online().later(); s.changed() }},
		{"task-merged", merged, func(s *story) { s.online().later(); s.changed(); s.keys("jj", "enter") }},
		{"conflicts-empty", monday, func(s *story) { s.online().keys("X") }},
		{"marked", monday, func(s *story) { s.online().keys("jjj", " ", " ") }},
		{"marked-status", monday, func(s *story) { s.online().keys("/", "status:pending", "enter", "V", "s") }},
		{"marked-delete", monday, func(s *story) { s.online().keys("V", "D") }},
		{"undone", monday, func(s *story) { s.online().keys("jj", "s", "4", "4", "u") }},
		{"undone-sent", monday, func(s *story) {
			s.online().keys("jj", "s", "4", "4")
			s.settle(s.applied)
			s.changed()
			s.keys("u")
		}},
		{"help", monday, func(s *story) { s.online().keys("?") }},
		{"tasks-ascii", asciiConflict, func(s *story) { s.offlineFor(3 * time.Hour) }},
		{"narrow-tasks", parked, func(s *story) { s.offlineFor(12 * time.Minute) }},
		{"narrow-task", parked, func(s *story) { s.offlineFor(12*time.Minute).keys("jj", "enter") }},
		{"narrow-first-run", func(*story) {}, func(s *story) { s.status(engine.Status{Reach: reach.NotEnrolled}) }},
		{"narrow-ready", parked, func(s *story) { s.free = 80 << 20; s.offlineFor(50 * time.Hour).keys("R") }},
		{"narrow-queue", parked, func(s *story) { s.offlineFor(12 * time.Minute).keys("O") }},
		{"narrow-conflicts", conflictMany, func(s *story) { s.offlineFor(12 * time.Minute).keys("X") }},
		{"narrow-palette", parked, func(s *story) { s.offlineFor(12*time.Minute).keys(":", "qu") }},
		{"narrow-help", parked, func(s *story) { s.offlineFor(12 * time.Minute).keys("?") }},
		{"narrow-edit", parked, func(s *story) { s.offlineFor(12*time.Minute).keys("jj", "e", "tab") }},
		{"narrow-search-wrong", parked, func(s *story) { s.offlineFor(12*time.Minute).keys("/", "due:someday", "enter") }},
		{"narrow-checklist", conflicted, func(s *story) { s.offlineFor(12*time.Minute).keys("jj", "c", "p", "d", "1") }},
	}
	for _, f := range frames {
		sizes := sizes
		if strings.HasPrefix(f.name, "narrow-") {
			sizes = narrow
		}
		for _, size := range sizes {
			name := fmt.Sprintf("%s-%dx%d", f.name, size.w, size.h)
			t.Run(name, func(t *testing.T) {
				s := newStory(t)
				f.begin(s)
				s.open(size.w, size.h)
				f.then(s)
				s.golden(name)
			})
		}
	}
}

// TestLooks shows how screens look on each kind of ground, without colours and
// in ASCII: every attribute as {words} before the text that it is for.
func TestLooks(t *testing.T) {
	looks := map[string]func(*tui.Options){
		"any":     func(*tui.Options) {},
		"dark":    func(o *tui.Options) { o.Ground = tui.DarkGround },
		"light":   func(o *tui.Options) { o.Ground = tui.LightGround },
		"nocolor": func(o *tui.Options) { o.NoColor = true },
		"ascii":   func(o *tui.Options) { o.ASCII, o.NoColor = true, true },
	}
	type drawn struct{ begin, then func(*story) }
	screens := map[string]drawn{
		"tasks":     {parked, func(s *story) { s.offlineFor(12 * time.Minute) }},
		"search":    {parked, func(s *story) { s.online().keys("/", "due:someday") }},
		"first-run": {func(*story) {}, func(s *story) { s.status(engine.Status{Reach: reach.NotEnrolled}) }},
		"task":      {parked, func(s *story) { s.online().keys("jj", "enter") }},
		"checklist": {parked, func(s *story) { s.online().keys("jj", "c", "f") }},
		"status":    {parked, func(s *story) { s.online().keys("jj", "s", "4") }},
		"note":      {parked, func(s *story) { s.online().keys("jj", "n", "Gas at the meter: 焼津", "tab") }},
		"edit":      {parked, func(s *story) { s.online().keys("jj", "e", "tab", "tab", "tab", "tab", "someday", "ctrl+s") }},
		"question":  {parked, func(s *story) { s.online().keys("jj", "D") }},
		"queue":     {parked, func(s *story) { s.offlineFor(12 * time.Minute).keys("O") }},
		"mend":      {parked, func(s *story) { s.online().keys("O", "e") }},
		"export":    {parked, func(s *story) { s.o.Export = noExport; s.open(s.w, s.h).online().keys("O", "w") }},
		"conflicts": {conflicted, func(s *story) { s.online().keys("X", " ") }},
		"ready":     {parked, func(s *story) { s.free = 80 << 20; s.online().keys("R") }},
		"help":      {parked, func(s *story) { s.online().keys("?") }},
		"palette":   {parked, func(s *story) { s.online().keys(":", "que") }},
	}
	for look, set := range looks {
		for screen, of := range screens {
			for _, size := range sizes {
				name := fmt.Sprintf("look-%s-%s-%dx%d", screen, look, size.w, size.h)
				t.Run(name, func(t *testing.T) {
					s := newStory(t)
					of.begin(s)
					set(&s.o)
					s.open(size.w, size.h)
					of.then(s)
					s.goldenText(name, spelled(s.app.View())+"\n")
				})
			}
		}
	}
}

func noExport(context.Context, string) (int, error) { return 0, nil }

// sgrWords are the attributes that a frame may have.
var sgrWords = map[string]string{"": "", "0": "", "1": "bold", "7": "reverse", "31": "red", "32": "green", "34": "blue", "35": "magenta", "36": "cyan",
	"91": "bright red", "92": "bright green", "93": "bright yellow", "96": "bright cyan"}

// spelled writes a frame's attributes out.
func spelled(frame string) string {
	return sgr.ReplaceAllStringFunc(frame, func(seq string) string {
		var words []string
		for _, code := range strings.Split(seq[2:len(seq)-1], ";") {
			word, known := sgrWords[code]
			if !known {
				word = "?" + code
			}
			if word != "" {
				words = append(words, word)
			}
		}
		return "{" + strings.Join(words, " ") + "}"
	})
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

func monday(s *story) { s.day() }

// parked is a Monday on which the server refused one change and has not seen another.
func parked(s *story) {
	ids := s.day()
	s.must(s.db.EditTask(s.ctx(), ids["T-10425"], op.Fields{"external_ref": "WO-7"}))
	s.settle(func(op.Op) wire.Result {
		return wire.Result{Outcome: op.Rejected, Code: op.CodeDuplicateRef, Field: "external_ref", Message: "WO-7 belongs to T-10377 already."}
	})
	_, err := s.db.AddNote(s.ctx(), ids["T-10423"], "Waiting for the key.", "note")
	s.must(err)
}

// picture is a Monday of which something of all kinds is told: merged, in conflict,
// refused; what waits comes with the keys.
func picture(s *story) {
	ids := s.day()
	s.must(s.db.EditTask(s.ctx(), ids["T-10426"], op.Fields{"external_ref": "WO-7"}))
	s.settle(func(op.Op) wire.Result {
		return wire.Result{Outcome: op.Rejected, Code: op.CodeDuplicateRef, Field: "external_ref", Message: "WO-7 belongs to T-10377 already."}
	})
	s.must(s.db.EditTask(s.ctx(), ids["T-10425"], op.Fields{"title": "Fire doors, floors 1 to 9"}))
	s.settle(func(o op.Op) wire.Result { return s.lost(o, op.Fields{"title": "Fire doors, floors 1 to 6"}) })
	s.must(s.db.EditTask(s.ctx(), ids["T-10398"], op.Fields{"asset": "Fan 3"}))
	s.settle(func(o op.Op) wire.Result {
		if o.Entity != ids["T-10398"] {
			return wire.Result{Outcome: op.Rejected, Code: op.CodeDuplicateRef, Field: "external_ref", Message: "WO-7 belongs to T-10377 already."}
		}
		s.v++
		rec, err := s.db.Record(s.ctx(), op.Task, o.Entity)
		s.must(err)
		state := rec.Fields.Clone()
		state["id"], state["version"], state["updated_at"], state["deleted"], state["crew"], state["priority"] = o.Entity, s.v, ms(s.now), false, crew, "low"
		return wire.Result{Outcome: op.Applied, Version: s.v, ServerState: state, By: "dora"}
	})
}

// The picture in the README is a frame of these, without its empty lines.
func TestThePictureInTheReadme(t *testing.T) {
	frame, err := os.ReadFile(filepath.Join("testdata", "picture-80x24.golden"))
	if err != nil {
		t.Fatal(err)
	}
	want := "```\n" + regexp.MustCompile(`\n{3,}`).ReplaceAllString(string(frame), "\n\n") + "```\n"
	path := filepath.Join("..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	picture := regexp.MustCompile("(?s)```\\n.*?```\\n")
	if got := picture.FindString(string(text)); got == want {
		return
	}
	if *update {
		at := picture.FindStringIndex(string(text))
		if err := os.WriteFile(path, []byte(string(text[:at[0]])+want+string(text[at[1]:])), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the README shows another picture than %s (go test ./tui -update puts it in)", want)
}

// tried is a Monday with a note that the server did not answer for.
func tried(s *story) {
	_, err := s.db.AddNote(s.ctx(), s.day()["T-10423"], "Waiting for the key.", "note")
	s.must(err)
	ops, err := s.db.NextBatch(s.ctx(), 500, 1<<20)
	s.must(err)
	for range 3 {
		s.must(s.db.MarkTried(s.ctx(), []string{ops[0].ID}, "the server answers with 503"))
	}
}

// signIn is a server that does not know this laptop any more.
func (s *story) signIn() *story {
	return s.status(engine.Status{Reach: reach.Unauthorised, Since: s.now.UnixMilli(), Activity: engine.Idle, LastSync: s.now.UnixMilli(), Sender: true})
}

// conflictMany is a Monday on which Dora was later in nearly everything, once in a
// status with all that hangs on it.
func conflictMany(s *story) {
	ids := s.day()
	s.must(s.db.SetStatus(s.ctx(), ids["T-10424"], localdb.Step{To: op.Incomplete, Reason: "other", ReasonText: "The gate was locked and nobody answered the phone at the number on the door."}))
	s.settle(func(o op.Op) wire.Result {
		if o.Kind != op.Task {
			return s.applied(o)
		}
		r := s.lost(o, op.Fields{"status": "COMPLETED"})
		r.Lost[0].MineAll = op.Fields{"status": "INCOMPLETE", "reason": "other", "reason_text": o.Fields["reason_text"]}
		r.Lost[0].TheirsAll = op.Fields{"status": "COMPLETED", "recipient_name": "Mr Okafor", "completed_by": "bob", "completed_at": ms(morning)}
		for _, name := range []string{"recipient_name", "completed_by", "completed_at"} {
			r.ServerState[name] = r.Lost[0].TheirsAll[name]
		}
		r.ServerState["reason"], r.ServerState["reason_text"] = nil, nil
		return r
	})
	for i, number := range []string{"T-10398", "T-10423", "T-10425", "T-10426", "T-10431", "T-10390"} {
		for _, field := range []string{"asset", "contact_name"} {
			s.must(s.db.EditTask(s.ctx(), ids[number], op.Fields{field: fmt.Sprint("mine ", i)}))
			s.settle(func(o op.Op) wire.Result { return s.lost(o, op.Fields{field: fmt.Sprint("theirs ", i)}) })
		}
	}
}

// deletedTask is a Monday on which Dora deleted what anna worked on.
func deletedTask(s *story) {
	ids := s.day()
	s.must(s.db.EditTask(s.ctx(), ids["T-10425"], op.Fields{"asset": "Stair B"}))
	rec, err := s.db.Record(s.ctx(), op.Task, ids["T-10425"])
	s.must(err)
	s.settle(func(o op.Op) wire.Result {
		s.v++
		gone := rec.Fields.Clone()
		gone["id"], gone["version"], gone["updated_at"], gone["deleted"], gone["crew"] = o.Entity, s.v, ms(s.now), true, crew
		return wire.Result{Outcome: op.Conflicted, Version: s.v, ServerState: gone,
			Lost: []wire.Conflict{{ID: s.id(), EntityType: o.Kind, EntityID: o.Entity, Side: wire.SideLost, Field: "asset", Mine: "Stair B", MineAll: op.Fields{"asset": "Stair B"}, TheirsAll: op.Fields{op.Deleted: true},
				Who: "dora", At: ms(s.now.Add(-5 * time.Minute)), MineAt: ms(s.now.Add(-20 * time.Minute)), Why: op.WhyDeleted}}}
	})
}

// conflicted is a Monday on which Dora at the office was later, once on a due
// time and once on a status.
func conflicted(s *story) {
	ids := s.day()
	s.must(s.db.EditTask(s.ctx(), ids["T-10425"], op.Fields{"title": "Fire doors, floors 1 to 9"}))
	s.settle(func(o op.Op) wire.Result { return s.lost(o, op.Fields{"title": "Fire doors, floors 1 to 6 only"}) })
	s.must(s.db.EditTask(s.ctx(), ids["T-10426"], op.Fields{"due_at": ms(morning.Add(30 * time.Hour))}))
	s.settle(func(o op.Op) wire.Result { return s.lost(o, op.Fields{"due_at": ms(morning.Add(50 * time.Hour))}) })
}

// merged is a Monday on which Dora changed the priority while anna wrote the
// asset: told while the screen is open.
func merged(s *story) {
	ids := s.day()
	s.must(s.db.EditTask(s.ctx(), ids["T-10423"], op.Fields{"asset": "B-3"}))
	s.later = func() {
		rec, err := s.db.Record(s.ctx(), op.Task, ids["T-10423"])
		s.must(err)
		s.settle(func(o op.Op) wire.Result {
			s.v++
			state := rec.Fields.Clone()
			state["id"], state["version"], state["updated_at"], state["deleted"], state["crew"], state["priority"] = o.Entity, s.v, ms(s.now), false, crew, "high"
			return wire.Result{Outcome: op.Applied, Version: s.v, ServerState: state, By: "dora"}
		})
	}
}

func asciiConflict(s *story) {
	conflicted(s)
	s.o.ASCII = true
}

// lost is the server's word that Dora's values stand.
func (s *story) lost(o op.Op, theirs op.Fields) wire.Result {
	s.v++
	var lost []wire.Conflict
	for name, v := range theirs {
		lost = append(lost, wire.Conflict{ID: s.id(), EntityType: o.Kind, EntityID: o.Entity, Side: wire.SideLost, Field: name, Mine: o.Fields[name], Theirs: v,
			Who: "dora", At: ms(s.now.Add(-5 * time.Minute)), MineAt: ms(s.now.Add(-20 * time.Minute)), Why: op.WhyLater})
	}
	rec, err := s.db.Record(s.ctx(), o.Kind, o.Entity)
	s.must(err)
	state := rec.Fields.Clone()
	for name, v := range theirs {
		state[name] = v
	}
	state["id"], state["version"], state["updated_at"], state["deleted"], state["crew"] = o.Entity, s.v, ms(s.now), false, crew
	return wire.Result{Outcome: op.Conflicted, Version: s.v, ServerState: state, Lost: lost}
}
