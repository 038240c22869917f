package server_test

import (
	"errors"
	"slices"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
)

func TestOfficeEdits(t *testing.T) {
	r := newRig(t)
	r.User("vic", op.Viewer, "North")
	ann := r.Enrol("ann")
	office, err := r.Server.Office(t.Context(), "", "North")
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Server.AddTask(t.Context(), office, op.Fields{"title": "Boiler", "assignee": "ann"})
	if err != nil || e.Task.Fields.Text("number") != "T-10001" || e.Task.Fields.Text("status") != "PENDING" {
		t.Fatalf("%+v, %v", e.Task, err)
	}
	if got := ann.Pull(); len(got.Changes) != 1 || got.Changes[0].By != server.OfficeUser {
		t.Errorf("ann hears %+v", got.Changes)
	}
	item := ann.Op(op.Insert, op.Item, storetest.NewID(), 0, op.Fields{"task_id": e.Task.ID, "label": "look", "required": true})
	clock := ann.Op(op.Insert, op.TimeEntry, storetest.NewID(), 0, op.Fields{"task_id": e.Task.ID, "user": "ann", "kind": "work", "started_at": r.Now.Load()})
	ann.Must(ann.Set(e.Task.ID, 1, op.Fields{"status": "IN_PROGRESS", "started_at": r.Now.Load()}), item, clock)

	task := func() *op.Record {
		t.Helper()
		rec, err := r.Server.FindTask(t.Context(), []string{"North"}, "T-10001")
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	for _, c := range []struct {
		fields op.Fields
		code   op.Code
	}{
		{op.Fields{"status": "CLOSED"}, op.CodeBadStep},
		{op.Fields{"status": "DONE"}, op.CodeBadValue},
		{op.Fields{"status": "CANCELLED"}, op.CodeRequired},
		{op.Fields{"status": "CANCELLED", "reason": "no_access"}, op.CodeRequired},
		{op.Fields{"status": "COMPLETED"}, ""},
		{op.Fields{"status": "IN_PROGRESS"}, ""},
		{op.Fields{"title": ""}, op.CodeRequired},
		{op.Fields{"colour": "red"}, op.CodeUnknownField},
	} {
		_, err := r.Server.SetTask(t.Context(), office, task(), c.fields)
		var why *op.Refusal
		if err == nil || c.code != "" && (!errors.As(err, &why) || why.Code != c.code) {
			t.Errorf("%v: %v; want %s", c.fields, err, c.code)
		}
	}
	e, err = r.Server.SetTask(t.Context(), office, task(), op.Fields{"status": "CANCELLED", "reason": "customer"})
	if err != nil || e.Task.Fields.Text("reason") != "customer" || e.Task.Fields.Int("started_at") == 0 {
		t.Errorf("%+v, %v", e.Task, err)
	}
	hanging, err := r.Server.Hanging(t.Context(), e.Task)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(hanging, func(rec *op.Record) bool { return rec.Kind == op.TimeEntry }); i < 0 || hanging[i].Fields.Int("ended_at") == 0 {
		t.Errorf("the clock of a cancelled task runs on: %+v", hanging)
	}
	vic, err := r.Server.Office(t.Context(), "vic", "North")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Server.SetTask(t.Context(), vic, task(), op.Fields{"title": "x"}); err == nil {
		t.Error("a viewer edits")
	}
}

// TestOfficeMoves: the office may move a task to any crew, a person in whose
// name it acts only to that person's.
func TestOfficeMoves(t *testing.T) {
	r := newRig(t)
	r.User("sam", op.Technician, "South")
	by := func(name string) server.Author {
		t.Helper()
		a, err := r.Server.Office(t.Context(), name, "North")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	e, err := r.Server.AddTask(t.Context(), by(""), op.Fields{"title": "Boiler"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ who, crew string }{{"", "East"}, {"ann", "South"}} {
		if _, err := r.Server.SetTask(t.Context(), by(c.who), e.Task, op.Fields{"crew": c.crew}); err == nil {
			t.Errorf("%q moves a task to %s", c.who, c.crew)
		}
	}
	if e, err = r.Server.SetTask(t.Context(), by(""), e.Task, op.Fields{"crew": "South", "title": "Boiler 2"}); err != nil || e.Task.Crew != "South" || e.Task.Fields.Text("title") != "Boiler 2" {
		t.Errorf("%+v, %v", e.Task, err)
	}
	if _, err := r.Server.AddTask(t.Context(), by(""), op.Fields{"title": "Pump", "crew": "South"}); err == nil {
		t.Error("a task for two crews at once")
	}
}

// TestOfficeOverrides: an edit made on an old look that wins is told what it replaced.
func TestOfficeOverrides(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	id := storetest.NewID()
	ann.Must(ann.NewTask(id, "Boiler"))
	looked, err := r.Server.FindTask(t.Context(), []string{"North"}, id[:8])
	if err != nil {
		t.Fatal(err)
	}
	ann.Must(ann.Set(id, 1, op.Fields{"title": "by ann"}))
	r.Pass(1e9)
	office, err := r.Server.Office(t.Context(), "", "North")
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Server.SetTask(t.Context(), office, looked, op.Fields{"title": "by the office"})
	if err != nil || len(e.Overrode) != 1 || e.Overrode[0].Theirs != "by ann" || e.Overrode[0].Who != "ann" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestAdministratorsMistakes(t *testing.T) {
	r := newRig(t)
	r.User("sam", op.Technician, "South")
	office := func(by, crew string) error {
		_, err := r.Server.Office(t.Context(), by, crew)
		return err
	}
	add := func(u server.User) error {
		_, err := r.Server.AddUser(t.Context(), u)
		return err
	}
	find := func(ref string, crews ...string) error {
		_, err := r.Server.FindTask(t.Context(), crews, ref)
		return err
	}
	for name, err := range map[string]error{
		"no such crew":     office("", "East"),
		"no such user":     office("eve", "North"),
		"not in the crew":  office("sam", "North"),
		"twice":            add(server.User{Name: "ann", Role: op.Technician, Crews: []string{"North"}}),
		"the office":       add(server.User{Name: "office", Role: op.Technician, Crews: []string{"North"}}),
		"no name":          add(server.User{Role: op.Technician, Crews: []string{"North"}}),
		"a name in two":    add(server.User{Name: "a b", Role: op.Technician, Crews: []string{"North"}}),
		"a steering name":  add(server.User{Name: "a\x1b", Role: op.Technician, Crews: []string{"North"}}),
		"no role":          add(server.User{Name: "x", Crews: []string{"North"}}),
		"no crew":          add(server.User{Name: "x", Role: op.Viewer}),
		"a steering crew":  add(server.User{Name: "x", Role: op.Viewer, Crews: []string{"N\n"}}),
		"no such task":     find("T-1", "North"),
		"hardly a task id": find("0", "North"),
	} {
		var f *server.Fault
		if !errors.As(err, &f) || f.Message == "" || f.Hint() == "" {
			t.Errorf("%s: %v; want a sentence and the next step", name, err)
		}
	}
	if _, _, err := r.Server.Invite(t.Context(), "ann", "http://sync.example", 1e9); err == nil {
		t.Error("an invite to an address in the clear")
	}
	u, err := r.Server.User(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Server.SetUser(t.Context(), "ann", func(u *server.User) { u.Crews = []string{"South", "North", "East", "South", "North"} }); err != nil {
		t.Fatal(err)
	}
	if u, err = r.Server.User(t.Context(), "ann"); err != nil || !slices.Equal(u.Crews, []string{"South", "East", "North"}) {
		t.Errorf("crews %v, %v; the first one stays first, none is there twice", u.Crews, err)
	}
}

// TestApplyAll: a long list is all there or not at all.
func TestApplyAll(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	office, err := r.Server.Office(t.Context(), "", "North")
	if err != nil {
		t.Fatal(err)
	}
	list := func(bad bool) func(func(op.Op) bool) {
		return func(yield func(op.Op) bool) {
			parent := storetest.NewID()
			for i := range 1300 { // three portions; items name a task of the first
				o := ann.Op(op.Insert, op.Item, storetest.NewID(), 0, op.Fields{"task_id": parent, "label": "x"})
				if i == 0 {
					o = ann.NewTask(parent, "Boiler")
				}
				if bad && i == 1250 {
					delete(o.Fields, "label")
				}
				o.Seq = 0
				if !yield(o) {
					return
				}
			}
		}
	}
	var why *op.Refusal
	if err := r.Server.ApplyAll(t.Context(), office, list(true)); !errors.As(err, &why) || why.Code != op.CodeRequired {
		t.Errorf("a bad one among many: %v", err)
	}
	if got := ann.Pull(); len(got.Changes) != 0 {
		t.Errorf("%d of them stayed", len(got.Changes))
	}
	if err := r.Server.ApplyAll(t.Context(), office, list(false)); err != nil {
		t.Fatal(err)
	}
	if got := ann.Pull(); len(got.Changes) != 1300 {
		t.Errorf("%d of 1300 came", len(got.Changes))
	}
}
