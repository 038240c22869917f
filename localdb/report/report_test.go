package report_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/localdb/report"
	"example.com/punchlist/sync/op"
)

// noon is a Friday in Berlin, the day after the clocks went back being Monday.
var noon = time.Date(2026, 11, 27, 11, 0, 0, 0, time.UTC).UnixMilli()

func scene(t *testing.T) report.Scene {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	return report.Scene{Zone: zone, Now: noon}
}

const minute = 60_000

// evil is text that wants to be more than text, in every way that a sink knows.
const evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> [x](http://evil) ![i](http://evil) `c` **b** | \x1b[31mred\u202e &lt; www.evil.com a@b.c"

func hostile() exchange.Task {
	rec := func(fields op.Fields) exchange.Record { return exchange.Record{ID: "r", Fields: fields} }
	site := rec(op.Fields{"code": evil, "name": evil, "address": "1 Road", "hazards": "Dog\nin the yard"})
	return exchange.Task{ID: "0199a000-0000-7000-8000-00000000004f", Fields: op.Fields{"title": evil, "status": "COMPLETED", "type": "repair", "priority": "high", "description": "# head\n\n- list\n1. one\n" + evil,
		"completed_by": "ann", "completed_at": noon - minute, "started_at": noon - 120*minute, "contact_name": evil, "recipient_name": "</td></table>", "number": "T-7", "crew": "north"},
		Site: &site,
		Checklist: []exchange.Record{
			rec(op.Fields{"label": "Valve", "section": "Roof", "outcome": "pass", "value": 3.5, "unit": "bar", "done_by": "ann", "done_at": noon - 10*minute}),
			rec(op.Fields{"label": evil, "outcome": "fail", "comment": evil, "required": true}),
			rec(op.Fields{"label": "Paint"}),
		},
		Notes: []exchange.Record{rec(op.Fields{"author": "ann", "at": noon - 60*minute, "body": evil + "\nsecond", "kind": "safety"})},
		Time: []exchange.Record{
			rec(op.Fields{"user": "ann", "kind": "travel", "started_at": noon - 150*minute, "ended_at": noon - 120*minute}),
			rec(op.Fields{"user": "ann", "kind": "work", "started_at": noon - 120*minute, "ended_at": noon - 20*minute}),
			rec(op.Fields{"user": "bob", "kind": "work", "started_at": noon - 30*minute}),
		}}
}

func set(t *testing.T, write func(w *bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTaskReportSaysWhatWasDone(t *testing.T) {
	sheet := report.OfTask(hostile(), 3, scene(t))
	text := set(t, func(b *bytes.Buffer) error { return report.Text(b, sheet) })
	for _, want := range []string{"T-7 ", "3 of its changes", "completed", "2026-11-27 11:59, ann", "Steps         3", "Passed        1", "Failed        1", "Not answered  1", "passed: 3.5 bar", "FAILED", "a@b.c second",
		"safety: ", "ann, work    1 h 40 min", "bob, work    30 min", "running", "Made on 2026-11-27 12:00"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.ContainsAny(text, "\x1b\u202e") {
		t.Error("a terminal would be steered")
	}
	empty := report.OfTask(exchange.Task{ID: "0199a000-0000-7000-8000-00000000004f", Fields: op.Fields{"title": "Bare", "status": "PENDING"}}, 0, scene(t))
	if len(empty.Sections) != 0 || len(empty.Lines) != 0 || empty.Title != "NEW-004F Bare" {
		t.Errorf("%+v", empty)
	}
}

func TestHTMLHoldsNobodysTags(t *testing.T) {
	page := set(t, func(b *bytes.Buffer) error { return report.HTML(b, report.OfTask(hostile(), 1, scene(t))) })
	for _, tag := range regexp.MustCompile(`<[a-zA-Z!/][^>]*>`).FindAllString(page, -1) {
		name := strings.ToLower(strings.Trim(regexp.MustCompile(`^</?[a-zA-Z!]+`).FindString(tag), "</"))
		if !strings.Contains(" !doctype html head meta title style body h h1 h2 p section dl dt dd table thead tbody tr th td footer svg text rect ", " "+name+" ") {
			t.Errorf("the tag %q", tag)
		}
	}
	for _, bad := range []string{"http://evil\"", "<img", "href=", "\x1b", "\u202e", "<script"} {
		if strings.Contains(page, bad) {
			t.Errorf("it holds %q", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;", "Content-Security-Policy", `<tr class="fail">`, "<title>T-7 "} {
		if !strings.Contains(page, want) {
			t.Errorf("it does not hold %q", want)
		}
	}
}

// A real browser shows the page: what is written is on it, and nothing ran.
func TestABrowserShowsTheReport(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil || testing.Short() {
		t.Skip("no chromium here")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "r.html")
	page := set(t, func(b *bytes.Buffer) error { return report.HTML(b, report.OfTask(hostile(), 0, scene(t))) })
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+dir, "--dump-dom", "file://"+path)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v", err)
	}
	dom := string(out)
	if !strings.Contains(dom, "<title>T-7 ") || strings.Contains(dom, "<script") || strings.Contains(dom, "<img") || !strings.Contains(dom, "Not answered") {
		t.Errorf("the browser made of it\n%s", dom)
	}
}

func TestMarkdownHoldsNobodysMarks(t *testing.T) {
	text := set(t, func(b *bytes.Buffer) error { return report.Markdown(b, report.OfTask(hostile(), 1, scene(t))) })
	for _, bad := range []string{"<script", "<img", "[x](", "![i]", "`c`", "**b**", "http://evil", "www.evil", "a@b", "\n# head", "\n- list", "\n1. one", "\x1b", "\u202e"} {
		if strings.Contains(text, bad) {
			t.Errorf("it holds %q", bad)
		}
	}
	for _, want := range []string{"# T-7 ", `\- list`, `1\. one`, `\# head`, "| 1 | Valve | passed: 3.5 bar | ann | 2026-11-27 11:50 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not hold %q:\n%s", want, text)
		}
	}
	// A table keeps its columns whatever the cells hold.
	rapid.Check(t, func(rt *rapid.T) {
		cell := rapid.String().Draw(rt, "cell")
		var b bytes.Buffer
		err := report.Markdown(&b, report.Sheet{Title: cell, Sections: []report.Section{{Title: cell, Text: cell, Table: &report.Table{Head: []string{"A", "B"}, Rows: []report.Row{{Cells: []string{cell, "end"}}}}}}})
		if err != nil {
			rt.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		row := lines[len(lines)-4]
		bare := strings.NewReplacer(`\\`, "", `\|`, "").Replace(row)
		if strings.Count(bare, "|") != 3 || !strings.HasSuffix(row, "| end |") {
			rt.Fatalf("%q makes the row %q", cell, row)
		}
	})
}

func TestDayReport(t *testing.T) {
	s := scene(t)
	from := time.Date(2026, 11, 27, 0, 0, 0, 0, s.Zone).UnixMilli()
	due := exchange.Task{ID: "0199a000-0000-7000-8000-000000000002", Fields: op.Fields{"title": "Still to do", "status": "PENDING", "due_at": noon + 60*minute}}
	over := exchange.Task{ID: "0199a000-0000-7000-8000-000000000003", Fields: op.Fields{"title": "Over midnight", "status": "IN_PROGRESS"},
		Time: []exchange.Record{{Fields: op.Fields{"user": "ann", "kind": "work", "started_at": from - 30*minute, "ended_at": from + 15*minute}}}}
	text := set(t, func(b *bytes.Buffer) error {
		return report.Text(b, report.OfDay([]exchange.Task{hostile(), due, over}, "ann", from, from+24*60*minute, s))
	})
	for _, want := range []string{"ann, Friday 27 November 2026", "Worked on  2 tasks, 1 ended", "Work       1 h 55 min", "Travel     30 min", "00:00  00:15  work", "Due and not begun", "Still to do", "not begun  2026-11-27 13:00"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "bob") {
		t.Errorf("another's time:\n%s", text)
	}
}

func TestOfficeReport(t *testing.T) {
	s := scene(t)
	o := report.OfOffice(3, s)
	add := func(crew, status string, more op.Fields) {
		f := op.Fields{"title": "A task", "status": status, "crew": crew, "number": "T-1"}
		for k, v := range more {
			f[k] = v
		}
		o.Add(exchange.Task{ID: "0199a000-0000-7000-8000-000000000002", Fields: f})
	}
	const day = 24 * 60 * minute
	add("north", "PENDING", op.Fields{"due_at": noon - 3*day})
	add("north", "IN_PROGRESS", op.Fields{"due_at": noon - 1, "assignee": "ann"})
	add("south", "PENDING", op.Fields{"due_at": noon + 1, "assignee": "bob"})
	add("south", "COMPLETED", op.Fields{"completed_at": noon - day})
	add("south", "CLOSED", op.Fields{"completed_at": noon - 9*day})
	for range 200 {
		add("west", "PENDING", op.Fields{"due_at": noon - 2*day})
	}
	o.Add(hostile())
	sheet := o.Sheet()
	text := set(t, func(b *bytes.Buffer) error { return report.Text(b, sheet) })
	for _, want := range []string{"Tasks               206", "Open                203", "Overdue             202", "Ended in this time  2", "north  2     2        1      1         1", "south  1     0        0      0         1",
		"in progress", "Thu 26 Nov  ##############################  1", "north  ann  1 h 40 min  30 min", "repair  ##############################  2 h 10 min (1)", "the worst 25 of 202", "T-1   A task  north         3"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	page := set(t, func(b *bytes.Buffer) error { return report.HTML(b, sheet) })
	if !strings.Contains(page, "<svg") || !strings.Contains(page, `class="pass"`) {
		t.Error("no plot")
	}
	if nothing := report.OfOffice(1, s).Sheet(); len(nothing.Sections) != 0 {
		t.Errorf("an office without tasks tells %+v", nothing.Sections)
	}
}
