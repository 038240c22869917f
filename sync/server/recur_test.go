package server_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
)

// rule is recurring work that is sound; a test changes it.
func rule(change func(*server.Rule)) server.Rule {
	r := server.Rule{Name: "boiler", Crew: "North", Every: "month", From: "2026-01-31", Due: "17:00", Start: "15:00", Ahead: 90, Zone: "Europe/Berlin",
		Task: op.Fields{"title": "Inspect the boiler {date}", "type": "inspection", "external_ref": "B-{date}"}}
	if change != nil {
		change(&r)
	}
	return r
}

func (r rig) recur() []string {
	r.T.Helper()
	made, err := r.Server.Recur(r.T.Context(), false)
	if err != nil {
		r.T.Fatal(err)
	}
	var dates []string
	for _, m := range made {
		dates = append(dates, m.Date)
	}
	return dates
}

type rig struct{ *storetest.Rig }

func newYear(t *testing.T) rig {
	r := rig{newRig(t)}
	r.Now.Store(time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC).UnixMilli())
	return r
}

func (r rig) tasks() map[string]*op.Record {
	out := map[string]*op.Record{}
	for rec, err := range r.Server.Tasks(r.T.Context(), []string{"North"}) {
		if err != nil {
			r.T.Fatal(err)
		}
		out[rec.Fields.Text("external_ref")] = rec
	}
	return out
}

func TestRecurringWorkIsMadeOnceADate(t *testing.T) {
	r := newYear(t)
	if err := r.Server.SetTemplate(t.Context(), server.Template{Type: "inspection", Items: []op.Fields{{"label": "Look", "required": true}, {"label": "Listen"}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Server.AddRule(t.Context(), rule(nil)); err != nil {
		t.Fatal(err)
	}
	if planned, err := r.Server.Recur(t.Context(), true); err != nil || len(planned) != 3 || len(r.tasks()) != 0 {
		t.Fatalf("a dry run: %+v, %v, %d tasks", planned, err, len(r.tasks()))
	}
	// The last day of shorter months, and the 31st again after them.
	if got := r.recur(); !slices.Equal(got, []string{"2026-01-31", "2026-02-28", "2026-03-31"}) {
		t.Errorf("made for %v", got)
	}
	if got := r.recur(); len(got) != 0 {
		t.Errorf("made again for %v", got)
	}
	tasks := r.tasks()
	for ref, due := range map[string]string{"B-2026-02-28": "2026-02-28T16:00:00Z", "B-2026-03-31": "2026-03-31T15:00:00Z"} { // the clocks change between
		f := tasks[ref].Fields
		if got := time.UnixMilli(f.Int("due_at")).UTC().Format(time.RFC3339); got != due || f.Int("window_end") != f.Int("due_at") || f.Int("window_end")-f.Int("window_start") != 2*3600*1000 {
			t.Errorf("%s is due %s: %v", ref, got, f)
		}
		if f.Text("title") != "Inspect the boiler "+strings.TrimPrefix(ref, "B-") || f.Text("number") == "" || f.Text("status") != "PENDING" {
			t.Errorf("%v", f)
		}
		hanging, err := r.Server.Hanging(t.Context(), tasks[ref])
		if err != nil || len(hanging) != 2 {
			t.Errorf("%s has %d steps, %v", ref, len(hanging), err)
		}
	}
	// What was deleted stays deleted.
	ann := r.Enrol("ann")
	gone := tasks["B-2026-02-28"]
	ann.Must(ann.Op(op.Delete, op.Task, gone.ID, gone.Version, nil))
	if got := r.recur(); len(got) != 0 || len(r.tasks()) != 2 {
		t.Errorf("a deleted task came back: %v", got)
	}
	// Removed work makes nothing more and takes nothing away.
	if err := r.Server.RemoveRule(t.Context(), "North", "boiler"); err != nil {
		t.Fatal(err)
	}
	r.Pass(60 * 24 * time.Hour)
	if got := r.recur(); len(got) != 0 || len(r.tasks()) != 2 {
		t.Errorf("after its end: %v, %d tasks", got, len(r.tasks()))
	}
	// Added again under its name it goes on, and makes none twice.
	if err := r.Server.AddRule(t.Context(), rule(nil)); err != nil {
		t.Fatal(err)
	}
	if got := r.recur(); !slices.Equal(got, []string{"2026-04-30", "2026-05-31"}) {
		t.Errorf("added again: %v", got)
	}
}

func TestSeveralServersMakeRecurringWorkOnce(t *testing.T) {
	r := newYear(t)
	if err := r.Server.AddRule(t.Context(), rule(func(r *server.Rule) { r.Every = "day" })); err != nil {
		t.Fatal(err)
	}
	r.Pass(30 * 24 * time.Hour)
	var wg sync.WaitGroup
	for range 4 {
		other, err := server.New(t.Context(), r.Store, server.Options{Now: r.Time, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if _, err := other.Recur(t.Context(), false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(r.tasks()); n != 91 {
		t.Errorf("%d tasks, want one for each of 91 days", n)
	}
	for rec := range r.Server.Tasks(t.Context(), []string{"North"}) {
		if rec.Version == 0 || rec.Fields.Text("number") == "" {
			t.Errorf("%+v", rec)
		}
	}
	// A server with a database of its own makes the very same tasks.
	apart := newYear(t)
	apart.Now.Store(r.Now.Load())
	if err := apart.Server.AddRule(t.Context(), rule(func(r *server.Rule) { r.Every = "day" })); err != nil {
		t.Fatal(err)
	}
	apart.recur()
	for ref, rec := range r.tasks() {
		if there := apart.tasks()[ref]; there == nil || there.ID != rec.ID {
			t.Fatalf("%s is %s here and %v there", ref, rec.ID, there)
		}
	}
}

func TestAServerThatStoodStillCatchesUp(t *testing.T) {
	r := newYear(t)
	if err := r.Server.AddRule(t.Context(), rule(func(r *server.Rule) {
		r.Every, r.From, r.Until, r.Ahead = "2 weeks", "2025-01-06", "2026-06-01", 3 // long before it was added
	})); err != nil {
		t.Fatal(err)
	}
	if got := r.recur(); len(got) != 0 {
		t.Errorf("made for dates before it was added: %v", got)
	}
	r.Pass(100 * 24 * time.Hour) // 11 April
	if got := r.recur(); !slices.Equal(got, []string{"2026-03-16", "2026-03-30", "2026-04-13"}) {
		t.Errorf("made for %v", got)
	}
	r.Pass(365 * 24 * time.Hour)
	if got := r.recur(); len(got) != 0 {
		t.Errorf("made behind its end: %v", got)
	}
}

// One rule that can make nothing keeps no other from it.
func TestABadRuleIsAlone(t *testing.T) {
	r := newYear(t)
	office, err := r.Server.Office(t.Context(), "", "North")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Server.AddTask(t.Context(), office, op.Fields{"title": "Holds it", "external_ref": "TAKEN"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := r.Server.AddRule(t.Context(), rule(func(r *server.Rule) {
			r.Name, r.Ahead, r.Task["external_ref"] = name, 40, map[string]any{"a": "TAKEN", "b": "FREE"}[name]
		})); err != nil {
			t.Fatal(err)
		}
	}
	made, err := r.Server.Recur(t.Context(), false)
	var why *op.Refusal
	if len(made) != 1 || made[0].Rule != "b" || !errors.As(err, &why) || why.Code != op.CodeDuplicateRef || !strings.Contains(err.Error(), "recurring work a of North") {
		t.Errorf("%+v, %v", made, err)
	}
}

// What was refused is made as soon as it can be: only what was applied is done.
func TestARefusedDateIsMadeLater(t *testing.T) {
	r := newYear(t)
	office, err := r.Server.Office(t.Context(), "", "North")
	if err != nil {
		t.Fatal(err)
	}
	holder, err := r.Server.AddTask(t.Context(), office, op.Fields{"title": "Holds it", "external_ref": "B-2026-01-31"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Server.SetTemplate(t.Context(), server.Template{Type: "inspection", Items: []op.Fields{{"label": "Look"}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Server.AddRule(t.Context(), rule(func(r *server.Rule) { r.Ahead = 40 })); err != nil {
		t.Fatal(err)
	}
	entries := func() (n int) {
		for _, err := range r.Server.Audit(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	told := entries()
	for range 2 { // the reason each time, and nothing stays of it: a server asks every quarter of an hour
		made, err := r.Server.Recur(t.Context(), false)
		var why *op.Refusal
		if len(made) != 0 || !errors.As(err, &why) || why.Code != op.CodeDuplicateRef || entries() != told {
			t.Fatalf("%+v, %v, %d new entries", made, err, entries()-told)
		}
	}
	if planned, err := r.Server.Recur(t.Context(), true); err != nil || len(planned) != 1 {
		t.Errorf("a dry run: %+v, %v", planned, err)
	}
	if _, err := r.Server.SetTask(t.Context(), office, holder.Task, op.Fields{"external_ref": "ELSE"}); err != nil {
		t.Fatal(err)
	}
	if got := r.recur(); !slices.Equal(got, []string{"2026-01-31"}) {
		t.Fatalf("the way is free: %v", got)
	}
	made := r.tasks()["B-2026-01-31"]
	if steps, err := r.Server.Hanging(t.Context(), made); err != nil || len(steps) != 1 {
		t.Errorf("%d steps, %v", len(steps), err)
	}
	ann := r.Enrol("ann")
	ann.Must(ann.Op(op.Delete, op.Task, made.ID, made.Version, nil))
	if got := r.recur(); len(got) != 0 {
		t.Errorf("made again for %v", got)
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	r := newYear(t)
	for name, change := range map[string]func(*server.Rule){
		"no name": func(r *server.Rule) { r.Name = "" }, "no crew": func(r *server.Rule) { r.Crew = "West" }, "no interval": func(r *server.Rule) { r.Every = "fortnight" },
		"none at all": func(r *server.Rule) { r.Every = "0 days" }, "backwards": func(r *server.Rule) { r.Every = "-1 day" }, "no zone": func(r *server.Rule) { r.Zone = "Berlin" }, "no date": func(r *server.Rule) { r.From = "31.1.2026" },
		"ends first": func(r *server.Rule) { r.Until = "2025-01-01" }, "no time": func(r *server.Rule) { r.Due = "5pm" }, "window backwards": func(r *server.Rule) { r.Start = "18:00" },
		"too far": func(r *server.Rule) { r.Ahead = 91 }, "no title": func(r *server.Rule) { delete(r.Task, "title") }, "a status": func(r *server.Rule) { r.Task["status"] = "CLOSED" },
		"a bad field": func(r *server.Rule) { r.Task["priority"] = "urgent" }, "its own due": func(r *server.Rule) { r.Task["due_at"] = int64(1) },
	} {
		if err := r.Server.AddRule(t.Context(), rule(change)); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	if err := r.Server.AddRule(t.Context(), rule(nil)); err != nil {
		t.Fatal(err)
	}
	if err := r.Server.AddRule(t.Context(), rule(nil)); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("the same name twice: %v", err)
	}
	if err := r.Server.RemoveRule(t.Context(), "North", "none"); err == nil {
		t.Error("what is not there was removed")
	}
}

func TestTemplates(t *testing.T) {
	r := newRig(t)
	r.User("sue", op.Technician, "South")
	set := func(crew, taskType string, labels ...string) error {
		var items []op.Fields
		for _, l := range labels {
			items = append(items, op.Fields{"label": l, "kind": "check", "outcome": "pass", "done_by": "ann"})
		}
		return r.Server.SetTemplate(t.Context(), server.Template{Type: taskType, Crew: crew, Items: items})
	}
	steps := func(crew, taskType string) (out []string) {
		t.Helper()
		by, err := r.Server.Office(t.Context(), "", crew)
		if err != nil {
			t.Fatal(err)
		}
		fields := op.Fields{"title": "A task"}
		if taskType != "" {
			fields["type"] = taskType
		}
		e, err := r.Server.AddTask(t.Context(), by, fields)
		if err != nil {
			t.Fatal(err)
		}
		hanging, err := r.Server.Hanging(t.Context(), e.Task)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(hanging, func(a, b *op.Record) int { return int(a.Fields.Int("position") - b.Fields.Int("position")) })
		for _, rec := range hanging {
			if rec.Fields["outcome"] != nil || rec.Fields["done_by"] != nil {
				t.Errorf("a new step is answered: %v", rec.Fields)
			}
			out = append(out, rec.Fields.Text("label"))
		}
		return out
	}
	for _, err := range []error{set("", "inspection", "Look", "Listen"), set("South", "inspection", "Smell"), set("", "repair", "Mend")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		crew, taskType string
		want           []string
	}{{"North", "inspection", []string{"Look", "Listen"}}, {"South", "inspection", []string{"Smell"}}, {"South", "repair", []string{"Mend"}}, {"North", "delivery", nil}, {"North", "", nil}} {
		if got := steps(c.crew, c.taskType); !slices.Equal(got, c.want) {
			t.Errorf("%s in %s has %v, want %v", c.taskType, c.crew, got, c.want)
		}
	}
	if err := set("South", "inspection"); err != nil { // taken away: that of all crews counts
		t.Fatal(err)
	}
	if got := steps("South", "inspection"); !slices.Equal(got, []string{"Look", "Listen"}) {
		t.Errorf("%v", got)
	}
	if list, err := r.Server.Templates(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	for name, err := range map[string]error{"no type": set("", "dance", "x"), "no crew": set("West", "repair", "x"), "no label": set("", "repair", ""), "too many": set("", "repair", make([]string, 401)...)} {
		if err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	var told []string
	for e, err := range r.Server.Audit(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, e.What)
	}
	if !slices.Contains(told, server.DidTemplate) {
		t.Errorf("the audit tells %v", told)
	}
}

// A serving server makes recurring work without being asked.
func TestServingMakesRecurringWork(t *testing.T) {
	r := newYear(t)
	if err := r.Server.AddRule(t.Context(), rule(nil)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	news := r.Store.Watch(ctx)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Server.Serve(ctx, ln) }()
	for len(r.tasks()) != 3 {
		<-news // the test's own deadline is the bound
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
