package exchange_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// warrior is a Taskwarrior of a test's own.
type warrior struct {
	t   *testing.T
	env []string
}

func newWarrior(t *testing.T) warrior {
	t.Helper()
	if _, err := exec.LookPath("task"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Taskwarrior is missing: .ci/install")
		}
		t.Skip("Taskwarrior is not installed")
	}
	dir := t.TempDir()
	rc := filepath.Join(dir, "rc")
	if err := os.WriteFile(rc, []byte("confirmation=off\nverbose=nothing\nrecurrence=off\nhooks=off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return warrior{t, append(os.Environ(), "HOME="+dir, "TASKRC="+rc, "TASKDATA="+filepath.Join(dir, "data"), "TZ=America/Toronto")}
}

func (w warrior) run(in string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command("task", args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = w.env, strings.NewReader(in), &out, &errs
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("task %v: %v\n%s%s", args, err, out.String(), errs.String())
	}
	return out.String()
}

func (w warrior) tasks() map[string]map[string]any {
	w.t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(w.run("", "export")), &list); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, task := range list {
		out[task["uuid"].(string)] = task
	}
	return out
}

func (d *desk) written(format string) string {
	d.t.Helper()
	var b bytes.Buffer
	if err := exchange.Write(&b, format, exchange.Stored(d.t.Context(), d.db, localdb.Filter{}, exchange.Deep(format))); err != nil {
		d.t.Fatal(err)
	}
	return b.String()
}

const foreignTask = `[{"id":1,"uuid":"5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c01","status":"pending","entry":"20261101T100000Z","modified":"20261102T100000Z",
"description":"Check the pump","due":"20261205T120000Z","scheduled":"20261204T120000Z","start":"20261103T080000Z","priority":"M","project":"Mill.Roof","tags":["wet","rush"],
"depends":["5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c02"],"estimate_code":"007","urgency":9.1,
"annotations":[{"entry":"20261102T100000Z","description":"Key at the gate"},{"entry":"20261102T110000Z","description":"Second"}]},
{"uuid":"5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c02","status":"completed","entry":"20261101T100000Z","end":"20261102T100000Z","description":"Order a seal"},
{"uuid":"5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c03","status":"deleted","entry":"20261101T100000Z","end":"20261102T100000Z","description":"Not needed"},
{"uuid":"5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c04","status":"recurring","recur":"weekly","due":"20261205T120000Z","entry":"20261101T100000Z","description":"Template"}]`

func TestTaskwarriorTasksComeInAndGoBack(t *testing.T) {
	w, d := newWarrior(t), newDesk(t)
	w.run(foreignTask, "import", "-")
	before := w.tasks()
	f := readText(t, w.run("", "export"), exchange.Options{}) // found out by its content
	if !slices.ContainsFunc(f.Notes, func(n string) bool { return strings.Contains(n, "1 template was of a recurring task") }) {
		t.Errorf("notes: %q", f.Notes)
	}
	wantTally(t, d.write(f, exchange.PlanOptions{}), op.Task, exchange.Tally{New: 3})
	v, err := d.db.Task(t.Context(), "5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c01")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"title": "Check the pump", "status": "IN_PROGRESS", "started_at": int64(1793692800000), "due_at": int64(1796472000000),
		"window_start": int64(1796385600000), "priority": "normal", "tag.wet": true, "x.project": "Mill.Roof", "x.estimate_code": "007", "x.urgency": nil} {
		if got := v.Fields[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if len(v.Notes) != 2 || v.Notes[0].Fields.Text("body") != "Key at the gate" {
		t.Errorf("notes: %v", v.Notes)
	}
	for id, want := range map[string]op.Status{"5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c02": op.Completed, "5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c03": op.Cancelled} {
		if other, err := d.db.Task(t.Context(), id); err != nil || other.Status != want {
			t.Errorf("%s is %s, %v", id, other.Status, err)
		}
	}
	out := d.written(exchange.Taskwarrior)
	w.run(out, "import", "-")
	after := w.tasks()
	for id, task := range before {
		for name, want := range task {
			if got := after[id][name]; name != "modified" && name != "urgency" && name != "id" && !sameJSON(got, want) {
				t.Errorf("%s: %s was %v, is %v", id, name, want, got)
			}
		}
	}
	wantNothing(t, d.take(w.run("", "export"), exchange.Options{}))
	fresh := newWarrior(t)
	fresh.run(out, "import", "-")
	if got := fresh.tasks()["5ad1ba7c-5a67-4cf0-9e19-6b3f9a3b1c01"]["estimate_code"]; got != "007" {
		t.Errorf("an attribute that Taskwarrior does not know came back as %v", got)
	}
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// rich is a laptop with everything that a task may hold, and text that bites.
func rich(t *testing.T) *desk {
	d := newDesk(t)
	d.take(`[{"id":"0199a000-0000-7000-8000-000000000001","title":"+Check: \"pump\" [x] (A) &open; x due:today","description":"long\n=1+1 \\ 'text'","status":"ON_HOLD","reason":"parts","reason_text":"a [seal]",
"priority":"emergency","type":"repair","external_ref":"WO-1","due_at":1763800000123,"window_start":1763700000000,"window_end":1763703600000,"estimate_minutes":30,"started_at":1763690000000,
"tags":["urgent","größe","a:b"],"x.cost":12.5,"x.count":7,"x.flag":true,"x.code":"007","x.with blank":"kept","x.status":"mine","contact_name":"=HYPERLINK(\"x\")",
"site":{"code":"M 1","name":"Mill, \"north\"; gate","lat":-53.25,"lon":7.5,"address":"1 Road","x.keys":"two"},
"checklist":[{"label":"Valve","outcome":"pass"}],
"notes":[{"body":"one\n<b>[two]</b> &open;","author":"ann","at":1763800000100,"kind":"safety"},{"body":"same second","author":"bob","at":1763800000200}]},
{"id":"0199a000-0000-7000-8000-000000000002","title":"x 2026-01-01 done","status":"COMPLETED","priority":"low","completed_at":1763800000000,"started_at":1763790000000,"completed_by":"ann"},
{"id":"0199a000-0000-7000-8000-000000000003","title":"Gone","status":"CANCELLED","reason":"customer"}]`, exchange.Options{})
	return d
}

func TestWhatLeavesForTaskwarriorComesBackWhole(t *testing.T) {
	w, d := newWarrior(t), rich(t)
	before := d.dump()
	w.run(d.written(exchange.Taskwarrior), "import", "-")
	back := w.run("", "export")
	wantNothing(t, d.take(back, exchange.Options{}))
	if after := d.dump(); after != before {
		t.Errorf("was\n%sis\n%s", before, after)
	}
	// On another laptop it makes the same tasks; only the checklist stayed behind.
	other := newDesk(t)
	other.take(back, exchange.Options{})
	var lines []string
	for _, line := range strings.Split(before, "\n") {
		if !strings.Contains(line, `"label":"Valve"`) {
			lines = append(lines, line)
		}
	}
	if got := other.dump(); got != strings.Join(lines, "\n") {
		t.Errorf("there it is\n%swant\n%s", got, strings.Join(lines, "\n"))
	}
	wantNothing(t, other.take(back, exchange.Options{}))
}

func TestOnlyWhatWasChangedInTaskwarriorChangesHere(t *testing.T) {
	w, d := newWarrior(t), rich(t)
	w.run(d.written(exchange.Taskwarrior), "import", "-")
	const one, done = "0199a000-0000-7000-8000-000000000001", "0199a000-0000-7000-8000-000000000002"
	if err := d.db.EditTask(t.Context(), one, op.Fields{"asset": "P-7", "priority": "low"}); err != nil { // meanwhile
		t.Fatal(err)
	}
	w.run("", "rc.uda.code.type=string", one, "modify", "description:New words", "due:2026-12-24T10:00:00Z", "+added", "code:008")
	w.run("", one, "annotate", "From the desk")
	w.run("", one, "start")
	w.run("", done, "modify", "priority:H")
	p := d.take(w.run("", "export"), exchange.Options{})
	v, err := d.db.Task(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"title": "New words", "due_at": int64(1798106400000), "tag.added": true, "tag.urgent": true, "asset": "P-7", "priority": "low", "status": "IN_PROGRESS",
		"x.code": "008", "x.cost": 12.5, "description": "long\n=1+1 \\ 'text'"} {
		if got := v.Fields[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if len(v.Notes) != 3 || v.Notes[2].Fields.Text("body") != "From the desk" || v.Notes[0].Fields.Text("author") != "ann" {
		t.Errorf("notes: %v", v.Notes)
	}
	if other, err := d.db.Task(t.Context(), done); err != nil || other.Priority != "high" || other.Status != op.Completed {
		t.Errorf("the other task: %v %v, %v", other.Priority, other.Status, err)
	}
	wantTally(t, p, op.Task, exchange.Tally{Changed: 2, Unchanged: 1})
	w.run("", one, "done")
	d.take(w.run("", "export"), exchange.Options{})
	if v, err := d.db.Task(t.Context(), one); err != nil || v.Status != op.Completed || v.Fields.Int("completed_at") == 0 {
		t.Errorf("done there: %v", err)
	}
}

func TestBadTaskwarriorTasks(t *testing.T) {
	for text, want := range map[string]string{
		`{"uuid":"x","description":"a","status":"pending","entry":"20261101T100000Z"}`:                                             `uuid: "x" is not a UUID`,
		`{"description":"a","status":"sleeping","entry":"20261101T100000Z"}`:                                                       `status: "sleeping" is none of`,
		`{"description":"a","status":"pending","entry":"20261101T100000Z","due":"soon"}`:                                           `due: "soon" is no time`,
		`{"description":"a","status":"pending","entry":"20261101T100000Z","priority":"X"}`:                                         `priority: "X" is none of`,
		`{"description":"","status":"pending","entry":"20261101T100000Z"}`:                                                         "has no description",
		`{"description":"a","status":"pending","entry":"20261101T100000Z","tags":"x"}`:                                             "tags: is not what Taskwarrior writes",
		`{"description":"a","status":"pending","entry":"20261101T100000Z","punchlist":"{"}`:                                        "punchlist: is not what Taskwarrior writes",
		`{"description":"a","status":"pending","entry":"20261101T100000Z","punchlist":"{\"fields\":{\"nonsense\":1}}"}`:            "punchlist: nonsense: a task has no such field",
		`{"description":"a","status":"pending","entry":"20261101T100000Z","annotations":[{"entry":"soon","description":"words"}]}`: `annotations: "soon" is no time`,
	} {
		f := readText(t, text, exchange.Options{Format: exchange.Taskwarrior})
		wantBad(t, f.Bad, want)
	}
}
