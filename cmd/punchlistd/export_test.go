package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The office's export holds all that the crew wrote, and imports elsewhere.
func TestExportOfACrew(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.ok("user", "add", "bob", "--crew", "south")
	p.in = `[{"title":"Pump","external_ref":"A","site":{"code":"M1","name":"Mill","lat":53,"lon":7},"checklist":[{"label":"Valve"},{"label":"Seal"}],
		"notes":[{"body":"Key at the gate","author":"ann","at":1763800000000}],"time":[{"user":"ann","kind":"work","started_at":1763800000000,"ended_at":1763803600000}]},
		{"title":"Done","external_ref":"B","status":"CLOSED"}]`
	p.ok("import", "-", "--crew", "north")
	p.ok("task", "add", "Elsewhere", "--crew", "south")
	p.in = ""
	file := filepath.Join(t.TempDir(), "north.json")
	p.ok("export", "--crew", "north", "-o", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tasks []map[string]any
	if err := json.Unmarshal(b, &tasks); err != nil || len(tasks) != 2 {
		t.Fatalf("%v in %s", err, b)
	}
	for _, word := range []string{`"Valve"`, `"Key at the gate"`, `"ended_at":1763803600000`, `"Mill"`, `"number":"T-10001"`} {
		if !strings.Contains(string(b), word) {
			t.Errorf("no %s in\n%s", word, b)
		}
	}
	if out := p.ok("export", "--open", "--format", "geojson"); strings.Count(out, `"Feature"`) != 2 || !strings.Contains(out, "[7,53]") || strings.Contains(out, "Done") {
		t.Errorf("open tasks of all crews:\n%s", out)
	}
	other := newProgram(t)
	other.ok("user", "add", "ann", "--crew", "north")
	other.ok("import", file, "--crew", "north")
	again := filepath.Join(t.TempDir(), "again.json")
	other.ok("export", "-o", again)
	for _, word := range []string{`"Valve"`, `"Key at the gate"`, `"ended_at":1763803600000`, `"Mill"`} {
		if c, err := os.ReadFile(again); err != nil || !strings.Contains(string(c), word) {
			t.Errorf("%v, no %s in\n%s", err, word, c)
		}
	}
	if code, _, errs := p.run("export", "--crew", "west"); code != 1 || !strings.Contains(errs, "no crew") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestPruneOfACrew(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.in = "external_ref,title\nA,One\nB,Two\n"
	p.ok("import", "-")
	p.in = "external_ref,title\nA,One\n"
	if out := p.ok("import", "-", "--prune", "--yes"); !strings.Contains(out, "  B  T-1000") {
		t.Errorf("%s", out)
	}
	if out := p.ok("task", "list"); strings.Count(out, "CANCELLED") != 1 {
		t.Errorf("%s", out)
	}
}

func TestOfficeReport(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.ok("user", "add", "bob", "--crew", "south")
	p.ok("task", "add", "Late <b>", "--crew", "north", "due_at=2026-01-01")
	p.ok("task", "add", "Elsewhere", "--crew", "south")
	out := p.ok("report")
	for _, want := range []string{"Tasks               2", "Overdue             1", "north  1     1", "south  1     0", "not begun  ##############################  2", "Late <b>"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := p.ok("report", "--crew", "south", "--format", "html"); strings.Contains(out, "Late") || !strings.Contains(out, "<svg") {
		t.Errorf("one crew as HTML:\n%s", out)
	}
	for _, bad := range [][]string{{"report", "--days", "0"}, {"report", "--format", "pdf"}, {"report", "x"}} {
		if code, _, errs := p.run(bad...); code != 2 || !strings.Contains(errs, "Try:") {
			t.Errorf("%v: %d %s", bad, code, errs)
		}
	}
}
