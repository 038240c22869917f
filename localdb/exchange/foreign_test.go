package exchange_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	ics "github.com/arran4/golang-ical"
	"pgregory.net/rapid"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// calendarOf reads a calendar with another's parser.
func calendarOf(t *testing.T, text string) *ics.Calendar {
	t.Helper()
	for i, line := range strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") || !utf8.ValidString(line) {
			t.Errorf("line %d: %d octets: %q", i+1, len(line), line)
		}
	}
	c, err := ics.ParseCalendar(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return c
}

func TestCalendar(t *testing.T) {
	d := rich(t)
	long := strings.Repeat("größe, 点検; ", 12)
	d.take(fmt.Sprintf(`[{"id":"0199a000-0000-7000-8000-000000000004","title":"Later","description":%q,"window_start":1763900000000,"estimate_minutes":90,"priority":"high"}]`, long+"\nBEGIN:VEVENT\nSUMMARY:evil"), exchange.Options{})
	c := calendarOf(t, d.written(exchange.ICalendar))
	todos, events := map[string]*ics.VTodo{}, map[string]*ics.VEvent{}
	for _, e := range c.Components {
		switch e := e.(type) {
		case *ics.VTodo:
			todos[e.Id()] = e
		case *ics.VEvent:
			events[e.Id()] = e
		default:
			t.Errorf("a %T", e)
		}
	}
	if len(todos) != 4 || len(events) != 2 {
		t.Fatalf("%d to-dos, %d events", len(todos), len(events))
	}
	one := todos["0199a000-0000-7000-8000-000000000001@punchlist"]
	for property, want := range map[ics.ComponentProperty]string{
		ics.ComponentPropertySummary: `+Check: "pump" [x] (A) &open; x due:today`, ics.ComponentPropertyStatus: "IN-PROCESS", ics.ComponentPropertyPriority: "1",
		ics.ComponentPropertyLocation: `Mill, "north"; gate, 1 Road`, ics.ComponentPropertyGeo: "-53.250000;7.500000",
		ics.ComponentPropertyDescription: "long\n=1+1 \\ 'text'\nContact: =HYPERLINK(\"x\")",
	} {
		if got := textOf(one.GetProperty(property)); got != want {
			t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	if due, err := one.GetDueAt(); err != nil || due.Unix() != 1763800000 {
		t.Errorf("due %v, %v", due, err)
	}
	if got := textOf(todos["0199a000-0000-7000-8000-000000000004@punchlist"].GetProperty(ics.ComponentPropertyDescription)); got != long+"\nBEGIN:VEVENT\nSUMMARY:evil" {
		t.Errorf("the long text came back as %q", got)
	}
	e := events["0199a000-0000-7000-8000-000000000001-appointment@punchlist"]
	start, err := e.GetStartAt()
	end, err2 := e.GetEndAt()
	if err != nil || err2 != nil || start.UnixMilli() != 1763700000000 || end.Sub(start) != time.Hour {
		t.Errorf("the appointment is %v to %v, %v %v", start, end, err, err2)
	}
	if got := textOf(events["0199a000-0000-7000-8000-000000000004-appointment@punchlist"].GetProperty("DURATION")); got != "PT90M" {
		t.Errorf("it lasts %q", got)
	}
	if got := textOf(todos["0199a000-0000-7000-8000-000000000003@punchlist"].GetProperty(ics.ComponentPropertyStatus)); got != "CANCELLED" {
		t.Errorf("the cancelled one is %q", got)
	}
}

func textOf(p *ics.IANAProperty) string {
	if p == nil {
		return ""
	}
	return p.Value
}

// Whatever people write, the calendar holds one to-do with that title.
func TestCalendarsHoldAnyTitle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		title := rapid.StringN(1, 200, 600).Draw(rt, "title")
		task := exchange.Task{ID: "0199a000-0000-7000-8000-000000000001", Fields: op.Fields{"title": title, "status": "PENDING", op.UpdatedAt: int64(1)}}
		var b strings.Builder
		tasks := func(yield func(exchange.Task, error) bool) { yield(task, nil) }
		if err := exchange.WriteICS(&b, tasks); err != nil {
			rt.Fatal(err)
		}
		for _, line := range strings.Split(b.String(), "\r\n") {
			if len(line) > 75 {
				rt.Fatalf("%d octets: %q", len(line), line)
			}
		}
		c, err := ics.ParseCalendar(strings.NewReader(b.String()))
		if err != nil || len(c.Todos()) != 1 {
			rt.Fatalf("%v: %q", err, b.String())
		}
		if got, want := textOf(c.Todos()[0].GetProperty(ics.ComponentPropertySummary)), op.Clean(title, true); got != want {
			rt.Fatalf("%q came back as %q", want, got)
		}
		var todo strings.Builder
		if err := exchange.WriteTodoTxt(&todo, tasks); err != nil {
			rt.Fatal(err)
		}
		if line := strings.TrimSuffix(todo.String(), "\n"); strings.ContainsAny(line, "\n\r") || !regexp.MustCompile(`^\d{4}-\d\d-\d\d `).MatchString(line) {
			rt.Fatalf("todo.txt: %q", line)
		}
	})
}

func TestGeoJSON(t *testing.T) {
	d := rich(t)
	var c struct {
		Type     string
		CRS      any `json:"crs"`
		Features []struct {
			Type, ID string
			Geometry *struct {
				Type        string
				Coordinates []float64
			}
			Properties map[string]any
		}
	}
	if err := json.Unmarshal([]byte(d.written(exchange.GeoJSON)), &c); err != nil {
		t.Fatal(err)
	}
	if c.Type != "FeatureCollection" || c.CRS != nil || len(c.Features) != 3 {
		t.Fatalf("%+v", c)
	}
	for _, f := range c.Features {
		switch {
		case f.Type != "Feature" || f.Properties["title"] == nil:
			t.Errorf("%+v", f)
		case f.ID != "0199a000-0000-7000-8000-000000000001":
			if f.Geometry != nil {
				t.Errorf("%s without a site lies at %v", f.ID, f.Geometry)
			}
		case f.Geometry == nil || f.Geometry.Type != "Point" || fmt.Sprint(f.Geometry.Coordinates) != "[7.5 -53.25]":
			t.Errorf("longitude first: %+v", f.Geometry)
		case f.Properties["site_code"] != "M 1" || f.Properties["x.cost"] != 12.5 || f.Properties["lat"] != nil:
			t.Errorf("properties %v", f.Properties)
		}
	}
	if got := newDesk(t).written(exchange.GeoJSON); !json.Valid([]byte(got)) || !strings.Contains(got, `"features":[`) {
		t.Errorf("no tasks: %q", got)
	}
}

func TestTodoTxt(t *testing.T) {
	const want = `(A) 2025-10-01 + Check: "pump" [x] (A) &open; x due: today @M_1 @a:b @größe @urgent due:2025-11-22 status:ON_HOLD id:0199a000-0000-7000-8000-000000000001
x 2026-11-27 2025-10-01 Gone status:CANCELLED`
	got := rich(t).written(exchange.TodoTxt)
	for _, line := range strings.Split(want, "\n") {
		_, words, _ := strings.Cut(line, "2025-10-01 ")
		if !strings.Contains(got, words) {
			t.Errorf("%q is not in\n%s", words, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 3 {
		t.Errorf("%d lines", n)
	}
	if !regexp.MustCompile(`(?m)^x 2025-11-22 \d{4}-\d\d-\d\d x 2026-01-01 done .*pri:D status:COMPLETED`).MatchString(got) {
		t.Errorf("a done task:\n%s", got)
	}
}

func TestUnknownMembersAreKept(t *testing.T) {
	d := newDesk(t)
	const text = `{"title":"Pump","external_ref":"A","vendor":"Acme","cost":12.5,"nested":{"b": [1, 2]},"site":{"code":"M1","name":"Mill","floor":"3"}}`
	f := readText(t, text, exchange.Options{})
	if len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "x.cost, x.floor, x.nested, x.vendor") {
		t.Errorf("notes: %q", f.Notes)
	}
	d.write(f, exchange.PlanOptions{})
	a := d.task("A")
	if a.Fields["x.vendor"] != "Acme" || a.Fields["x.cost"] != 12.5 || a.Fields["x.nested"] != `{"b":[1,2]}` || a.Site.Fields["x.floor"] != "3" {
		t.Errorf("%v, %v", a.Fields, a.Site.Fields)
	}
	wantNothing(t, d.take(text, exchange.Options{}))
	other := newDesk(t)
	out := d.written(exchange.NDJSON)
	if strings.Count(out, "\n") != 1 {
		t.Errorf("%q is not one object a line", out)
	}
	other.take(out, exchange.Options{})
	if other.dump() != d.dump() {
		t.Errorf("it came back as\n%swas\n%s", other.dump(), d.dump())
	}
}
