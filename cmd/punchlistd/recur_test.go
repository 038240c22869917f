package main

import (
	"strings"
	"testing"
	"time"
)

func TestRecurAndTemplateCommands(t *testing.T) {
	p := newProgram(t)
	p.ok("user", "add", "ann", "--crew", "north")
	p.in = "label,kind,required\nPressure,number,yes\n=Seal,pass_fail,\n"
	p.ok("template", "add", "inspection", "-")
	if code, _, errs := p.run("recur", "add", "boiler"); code != 2 || !strings.Contains(errs, "usage: punchlistd recur add NAME TITLE") || !strings.Contains(errs, "Try: punchlistd recur add boiler 'Inspect the boiler {date}' --crew north") {
		t.Errorf("too few words: %d\n%s", code, errs)
	}
	if out := p.ok("template", "list"); !strings.Contains(out, "inspection, all crews: 2 steps") || !strings.Contains(out, "  1 * Pressure") {
		t.Errorf("%s", out)
	}
	p.in = ""
	today := time.Now().Format(time.DateOnly)
	p.ok("recur", "add", "round", "Round of {date}", "--every", "day", "--window", "07:00-09:00", "--ahead", "2", "type=inspection", "assignee=ann", "external_ref=R-{date}")
	var planned, made []struct{ Rule, Crew, Date, Task string }
	p.json(&planned, "recur", "run", "--dry-run")
	p.json(&made, "recur", "run")
	if len(planned) != 3 || len(made) != 3 || made[0].Date != today && planned[0] != made[0] {
		t.Errorf("planned %+v, made %+v", planned, made)
	}
	if p.json(&made, "recur", "run"); len(made) != 0 {
		t.Errorf("made again: %+v", made)
	}
	if out := p.ok("recur", "list"); !strings.Contains(out, "north  round  every day from "+today+", due 09:00") {
		t.Errorf("%s", out)
	}
	p.in = "external_ref,title,type\nX,Imported,inspection\n"
	if out := p.ok("import", "-"); !strings.Contains(out, "checklist items  2 new") {
		t.Errorf("an import: %s", out)
	}
	p.in = ""
	p.ok("task", "add", "By hand", "type=inspection")
	out := p.ok("export", "--format", "ndjson")
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if strings.Count(line, `"label"`) != 2 || !strings.Contains(line, `"=Seal"`) {
			t.Errorf("no checklist: %s", line)
		}
	}
	p.ok("recur", "remove", "round")
	p.ok("template", "remove", "inspection")
	for _, bad := range []struct {
		code int
		args []string
		want string
	}{
		{1, []string{"template", "add", "dance", "none.csv"}, "the template cannot be read"},
		{1, []string{"template", "remove", "repair"}, "no such template"},
		{1, []string{"recur", "remove", "round"}, "no recurring work"},
		{1, []string{"recur", "add", "x", "T", "--every", "fortnight"}, "is no interval"},
		{1, []string{"recur", "add", "x", "T", "assignee=nobody"}, "nobody called"},
		{2, []string{"recur", "add", "x", "T", "--window", "7"}, "is not HH:MM-HH:MM"},
		{2, []string{"recur", "add", "x"}, "usage"},
	} {
		if code, _, errs := p.run(bad.args...); code != bad.code || !strings.Contains(errs, bad.want) || !strings.Contains(errs, "Try:") {
			t.Errorf("%v: %d %s", bad.args, code, errs)
		}
	}
}
