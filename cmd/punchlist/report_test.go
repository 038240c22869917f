package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestReports(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "p.db")
	id, _, _ := typed(t, db, "", "add", "Check <the> pump", "--type", "repair")
	id = strings.TrimSpace(id)
	for _, args := range [][]string{{"status", id, "in_progress"}, {"note", id, "Key at the *gate*"}, {"add", "Due later", "--due", time.Now().Format("2006-01-02 ") + "23:50"}} {
		if _, errs, code := typed(t, db, "", args...); code != 0 {
			t.Fatal(errs)
		}
	}
	out, errs, code := typed(t, db, "", "report", id)
	wantRun(t, "Markdown", out+errs, code, 0, "# NEW-", "Check &lt;the&gt; pump", `Key at the \*gate\*`, "Not final: ", "running")
	path := filepath.Join(dir, "r.html")
	out, errs, code = typed(t, db, "", "report", id, "-o", path)
	wantRun(t, "HTML", out+errs, code, 0, "Written to "+path)
	if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), "<!doctype html>") {
		t.Errorf("%v, %.80q", err, b)
	}
	out, errs, code = typed(t, db, "", "report", "--day", "--format", "text")
	wantRun(t, "the day", out+errs, code, 0, "Worked on  1 task, 0 ended", "Check <the> pump", "work")
	out, errs, code = typed(t, db, "", "report", "--day", "yesterday")
	wantRun(t, "the day before", out+errs, code, 0, "Worked on: 0 tasks")
	for _, bad := range [][]string{{"report"}, {"report", id, "x"}, {"report", "--day", "soon"}, {"report", id, "--format", "pdf"}, {"report", "--day", "today", "x"}} {
		_, errs, code := typed(t, db, "", bad...)
		wantRun(t, strings.Join(bad, " "), errs, code, 2, "Try:")
	}
	_, errs, code = typed(t, db, "", "report", "T-99")
	wantRun(t, "no such task", errs, code, 1, "T-99")
}

// What was read stands in show whole, however long it is.
func TestShowTellsReadingsWhole(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	const tasks = `[{"title":"Boiler","external_ref":"B-1","checklist":[{"label":"Air at the gauge","kind":"number","unit":"micrograms/m³"},{"label":"Seal","kind":"pass_fail"}]}]`
	if _, errs, code := typed(t, db, tasks, "import", "-", "--format", "json"); code != 0 {
		t.Fatal(errs)
	}
	list, _, _ := typed(t, db, "", "list")
	task := regexp.MustCompile(`NEW-\w+`).FindString(list)
	for _, words := range [][]string{{"check", task, "1", "done", "--value", "2412,5"}, {"check", task, "2", "fail"}} {
		if _, errs, code := typed(t, db, "", words...); code != 0 {
			t.Fatal(errs)
		}
	}
	out, _, _ := typed(t, db, "", "show", task)
	if !strings.Contains(out, "done Air at the gauge: 2412.5 micrograms/m³\n") || !strings.Contains(out, "fail Seal\n") {
		t.Errorf("%s", out)
	}
}
