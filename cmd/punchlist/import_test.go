package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/cmd/cli"
)

// sampleImport is the mapping that testdata/SOURCE.md tells of.
func sampleImport(more ...string) []string {
	return append([]string{"import", "testdata/toronto-sample.csv",
		"--map", "title=Inspect {SITE ADDRESS}", "--map", "external_ref={RSN}-{YEAR EVALUATED}-{EVALUATION COMPLETED ON}",
		"--map", "type==inspection", "--map", "x.score=CURRENT BUILDING EVAL SCORE",
		"--map", "site.code=RSN", "--map", "site.name=SITE ADDRESS", "--map", "site.address=SITE ADDRESS", "--map", "site.city==Toronto",
		"--map", "site.lat=LATITUDE", "--map", "site.lon=LONGITUDE",
		"--map", "priority=CURRENT BUILDING EVAL SCORE", "--values", "priority:<50=high,<85=normal,*=low",
		"--items", "NUMBERING OF PROPERTY..TENANT SERVICE REQUEST LOG", "--item-values", "3=pass,2=pass,1=fail,0=fail,N/A=na"}, more...)
}

// typed runs punchlist on a database and returns what it printed and its exit code.
func typed(t *testing.T, db, stdin string, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	err := run(t.Context(), append(args, "--db", db), cli.Streams{In: strings.NewReader(stdin), Out: &o, Err: &e})
	code = cli.Tell(&e, "punchlist", err)
	return o.String(), e.String(), code
}

func wantRun(t *testing.T, what, got string, code, wantCode int, want ...string) {
	t.Helper()
	if code != wantCode {
		t.Errorf("%s: exit code %d, want %d: %s", what, code, wantCode, got)
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s: nothing says %q:\n%s", what, w, got)
		}
	}
}

func TestImportSample(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	out, errs, code := typed(t, db, "", sampleImport("--dry-run")...)
	wantRun(t, "dry run", out+errs, code, 0, "tasks            24 new", "sites            24 new", "checklist items  1,200 new", "Dry run: nothing was written.")
	out, _, _ = typed(t, db, "", "list", "--json")
	if strings.TrimSpace(out) != "[]" {
		t.Errorf("the dry run wrote %s", out)
	}
	out, errs, code = typed(t, db, "", sampleImport()...)
	wantRun(t, "import", out+errs, code, 0, "tasks            24 new")
	out, errs, code = typed(t, db, "", sampleImport()...)
	wantRun(t, "second import", out+errs, code, 0, "tasks            0 new, 0 changed, 24 unchanged")
	out, _, _ = typed(t, db, "", "list", "priority:high", "--json")
	if n := strings.Count(out, `"title"`); n != 5 {
		t.Errorf("%d urgent inspections, want 5", n)
	}
}

func TestImportNamesBadRows(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	const text = "external_ref,title,due_at\nA,One,soon\nB,Two,2026-12-01\nC,,\n"
	out, errs, code := typed(t, db, text, "import", "-")
	wantRun(t, "import", errs, code, 1, `line 2, column 3 (due_at): due_at: "soon" is no time`, "line 4, column 2 (title): is empty",
		"punchlist: nothing was imported: 2 rows are bad", "Try: --skip-bad")
	if strings.Count(errs, "is no time") != 1 {
		t.Errorf("a bad row is named more than once:\n%s", errs)
	}
	if !strings.Contains(out, "3 rows: 2 bad") {
		t.Errorf("stdout: %s", out)
	}
	if _, errs, code := typed(t, db, text, "import", "-", "--dry-run"); code != 1 || !strings.Contains(errs, "Dry run") {
		t.Errorf("a dry run of it: %d %s", code, errs)
	}
	if out, _, _ := typed(t, db, "", "list", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("a bad file left %s", out)
	}
	out, _, code = typed(t, db, text, "import", "-", "--skip-bad", "--json")
	var said struct {
		Rows    int
		Bad     []struct{ Line, Column int }
		Records map[string]map[string]int
		Written bool
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != 0 {
		t.Fatalf("%v, exit code %d: %s", err, code, out)
	}
	if said.Rows != 3 || len(said.Bad) != 2 || said.Bad[0].Line != 2 || said.Records["task"]["new"] != 1 || !said.Written {
		t.Errorf("the report is %+v", said)
	}
}

// TestImportOfBadRowsAlone: where no row is good, --skip-bad leaves nothing to
// import, and that is said.
func TestImportOfBadRowsAlone(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	if _, errs, code := typed(t, db, "external_ref,title\nA,One\n", "import", "-"); code != 0 {
		t.Fatal(errs)
	}
	const text = "external_ref,title,due_at\nB,Two,soon\nC,,\n"
	for _, flags := range [][]string{nil, {"--dry-run"}} {
		_, errs, code := typed(t, db, text, append([]string{"import", "-", "--skip-bad"}, flags...)...)
		wantRun(t, "import", errs, code, 1, "line 2", "line 3", "punchlist: nothing was imported: all rows are bad (2)", "Try: mend the file")
	}
	if out, _, _ := typed(t, db, "", "list", "--json"); !strings.Contains(out, "PENDING") || strings.Contains(out, "CANCELLED") {
		t.Errorf("a bad file left %s", out)
	}
	if out, errs, code := typed(t, db, "external_ref,title\n", "import", "-", "--skip-bad"); code != 0 {
		t.Errorf("a file without rows: %d %s%s", code, out, errs)
	}
}

// TestDayOfWindow: a window that begins on a day begins when the day does.
func TestDayOfWindow(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	typed(t, db, "", "add", "Pump")
	out, _, _ := typed(t, db, "", "list", "--json")
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	_, errs, code := typed(t, db, "", "set", list[0]["id"].(string), "window_start=2026-12-01", "window_end=2026-12-01", "due=2026-12-01")
	wantRun(t, "set", errs, code, 0)
	out, _, _ = typed(t, db, "", "list", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	begin, end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.Local).UnixMilli(), time.Date(2026, 12, 1, 23, 59, 0, 0, time.Local).UnixMilli()
	if got := list[0]; got["window_start"] != float64(begin) || got["window_end"] != float64(end) || got["due_at"] != float64(end) {
		t.Errorf("%v, want %d to %d", got, begin, end)
	}
}

func TestImportRefusals(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "p.db")
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"import"}, 2, []string{"usage: punchlist import FILE", "Try: punchlist import tasks.csv --dry-run"}},
		{[]string{"import", "none.csv"}, 1, []string{`there is no file "none.csv"`, "Try: name a file"}},
		{[]string{"import", dir}, 1, []string{"is a folder", "Try:"}},
		{[]string{"import", "testdata/toronto-sample.csv"}, 1, []string{"nothing is mapped to title", `Try: --map "title=COLUMN"`}},
		{[]string{"import", "testdata/toronto-sample.csv", "--map", "title=SITE ADRESS"}, 1, []string{`no column "SITE ADRESS"`, `did you mean "SITE ADDRESS"?`}},
		{[]string{"import", "testdata/toronto-sample.csv", "--format", "ods"}, 1, []string{`cannot read the format "ods"`}},
		{[]string{"import", "x", "--mapp", "y"}, 2, []string{"unknown flag"}},
		{[]string{"export", "--format", "ods"}, 2, []string{`there is no format "ods"`}},
		{[]string{"export", "is:nonsense"}, 1, []string{"nonsense"}},
		{[]string{"export", "-o", filepath.Join(dir, "no", "x.csv")}, 1, []string{`there is no folder "` + filepath.Join(dir, "no") + `"`, "Try: make it first"}},
		{[]string{"export", "-o", dir}, 1, []string{`"` + dir + `" is a folder`, "Try: name a file in it, such as " + filepath.Join(dir, "tasks.csv")}},
		{[]string{"export", "-o", filepath.Join(db, "x.csv")}, 1, []string{`"` + db + `" is no folder`, "Try:"}},
		{[]string{"export", "-o", "/proc/x.csv"}, 1, []string{`you may not write "/proc/x.csv"`, "Try:"}},
	} {
		_, errs, code := typed(t, db, "", c.args...)
		wantRun(t, strings.Join(c.args, " "), errs, code, c.code, c.want...)
	}
}

func TestExportAndBack(t *testing.T) {
	dir := t.TempDir()
	from := filepath.Join(dir, "from.db")
	if _, errs, code := typed(t, from, "", sampleImport()...); code != 0 {
		t.Fatal(errs)
	}
	for _, file := range []string{"all.json", "all.csv", "all.ndjson"} {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, errs, code := typed(t, from, "", "export", "-o", path)
		wantRun(t, file, errs, code, 0, "Exported 24 tasks to "+path)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
		to := filepath.Join(dir, file+".db")
		out, errs, code := typed(t, to, "", "import", path)
		wantRun(t, "import "+file, out+errs, code, 0, "tasks            24 new", "sites            24 new")
		out, _, _ = typed(t, from, "", "import", path)
		wantRun(t, "import back", out, 0, 0, "tasks            0 new, 0 changed, 24 unchanged")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".punchlist-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	out, _, code := typed(t, from, "", "export", "priority:high")
	if n := strings.Count(out, "\n"); code != 0 || n != 6 {
		t.Errorf("%d lines for the header and 5 urgent tasks", n)
	}
}

// What is no file is written to, not replaced.
func TestExportIntoAPipe(t *testing.T) {
	dir := t.TempDir()
	db, pipe := filepath.Join(dir, "p.db"), filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	got := make(chan string)
	go func() {
		b, _ := os.ReadFile(pipe)
		got <- string(b)
	}()
	_, errs, code := typed(t, db, "", "export", "-o", pipe)
	wantRun(t, "export", errs, code, 0, "Exported 0 tasks")
	if text := <-got; !strings.HasPrefix(text, "id,") {
		t.Errorf("the pipe carried %q", text)
	}
}

// A source that lost rows cancels nothing without --yes where nobody can be asked.
func TestPruneAsks(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	if _, errs, code := typed(t, db, "external_ref,title\nA,One\nB,Two\n", "import", "-"); code != 0 {
		t.Fatal(errs)
	}
	const shrunk = "external_ref,title\nA,Other\n"
	out, errs, code := typed(t, db, shrunk, "import", "-", "--prune", "--dry-run")
	wantRun(t, "dry run", out+errs, code, 0, "does not speak of them any more: 1 task", "B", "Two", "nothing was written")
	_, errs, code = typed(t, db, shrunk, "import", "-", "--prune")
	wantRun(t, "without --yes", errs, code, 1, "it would cancel 1 task", "--yes cancels")
	if out, _, _ := typed(t, db, "", "list", "--json"); strings.Contains(out, "CANCELLED") || strings.Contains(out, "Other") {
		t.Errorf("it was written:\n%s", out)
	}
	out, errs, code = typed(t, db, shrunk, "import", "-", "--prune", "--yes")
	wantRun(t, "with --yes", out+errs, code, 0, "1 changed", "1 task")
	if out, _, _ := typed(t, db, "", "list", "status:CANCELLED", "--json"); !strings.Contains(out, "CANCELLED") {
		t.Errorf("nothing was cancelled:\n%s", out)
	}
}

func TestExportFormats(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "p.db")
	if _, errs, code := typed(t, db, "", sampleImport()...); code != 0 {
		t.Fatal(errs)
	}
	for file, want := range map[string]string{"a.ics": "BEGIN:VTODO", "a.geojson": `"FeatureCollection"`, "todo.txt": " @", "a.ndjson": `{"`, "a.csv": "id,"} {
		path := filepath.Join(dir, file)
		_, errs, code := typed(t, db, "", "export", "-o", path)
		wantRun(t, file, errs, code, 0, "Exported 24 tasks")
		if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, no %q in %.80q", file, err, want, b)
		}
	}
	if out, _, code := typed(t, db, "", "export", "--format", "taskwarrior"); code != 0 || strings.Count(out, `"uuid"`) != 24 {
		t.Errorf("%d: %.200s", code, out)
	}
}
