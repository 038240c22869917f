package cmd_test

import (
	"regexp"
	"strings"
	"testing"
)

// One change is told as one, and settling a conflict says what stands.
func TestCommandsSayWhatTheyDid(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	says := func(want string, args ...string) {
		t.Helper()
		out, errs, code := w.try("punchlist", append([]string{"--db", "a.db"}, args...)...)
		if code != 0 || !strings.Contains(out+errs, want) {
			t.Errorf("%v: exit %d, nothing says %q:\n%s%s", args, code, want, out, errs)
		}
	}
	id := strings.TrimSpace(w.laptop("a", "add", "Check the pump"))
	says("1 change of 1 task", "state")
	says("Sent 1 change, ", "sync")
	for _, c := range []struct{ side, want string }{
		{"theirs", `"Pump 2", which office wrote, stays`},
		{"mine", `yours, "Pump 1", is written again`},
	} {
		w.laptop("a", "set", id, "title=Pump 1")
		w.office("task", "set", id, "title=Pump 2")
		says("1 change met somebody else's", "sync")
		var list []struct{ ID string }
		w.decode(w.laptop("a", "conflicts", "--json"), &list)
		if len(list) != 1 {
			t.Fatalf("%d conflicts", len(list))
		}
		says(c.want, "conflicts", "resolve", list[0].ID, c.side)
	}
	says("Sent 1 change, ", "sync")
	w.killServer()
	w.laptop("a", "note", id, "Key is at the gate")
	w.refused(1, []string{"sync (1 change waits, safe on this laptop)"}, "punchlist", "--db", "a.db", "sync")
	for line := range strings.Lines(w.laptop("a", "state")) {
		if strings.Contains(line, "1 changes") {
			t.Error(line)
		}
	}
}

// Fields and statuses by the names that people have for them; what a new task
// waits for, and the steps that a completed one leaves, are said as they are.
func TestNaturalNames(t *testing.T) {
	w := newWorld(t)
	id, said, code := w.try("punchlist", "--db", "a.db", "add", "Check the pump", "for=me", "window=tomorrow 08:00-10:00")
	if id = strings.TrimSpace(id); code != 0 || !strings.Contains(said, "joined no server yet") || strings.Contains(said, "connection") {
		t.Fatalf("%d %s", code, said)
	}
	w.laptop("a", "set", id, "due=2031-05-01 09:30", "contact=Ms Bell", "phone=1", "ref=WO-1", "Estimate=30")
	task := w.tasks("a")[id]
	for name, want := range map[string]any{"contact_name": "Ms Bell", "contact_phone": "1", "external_ref": "WO-1", "estimate_minutes": 30.0} {
		if task[name] != want {
			t.Errorf("%s is %v, want %v", name, task[name], want)
		}
	}
	if task["due_at"] == nil || task["assignee"] == nil || task["window_end"] == nil {
		t.Errorf("%v", task)
	}
	w.laptop("a", "set", id, "due=", "window=")
	if task := w.tasks("a")[id]; task["due_at"] != nil || task["window_start"] != nil {
		t.Errorf("%v", task)
	}
	w.file("lift.csv", "title,external_ref,Car,Doors\nInspect the lift,L-1,o,o\n")
	w.laptop("a", "import", "lift.csv", "--item", "Car", "--item", "Doors", "--item-values", "o=open")
	if got := w.laptop("a", "list", "wo-1"); !strings.Contains(got, "Check the pump  (ref WO-1)") {
		t.Errorf("a search does not say why: %s", got)
	}
	w.laptop("a", "status", "L-1", "start")
	w.laptop("a", "check", "L-1", "1", "done")
	w.refused(1, []string{`"other" needs a few words`, "Try: punchlist status L-1 hold --reason other"}, "punchlist", "--db", "a.db", "status", "L-1", "hold", "--reason", "other")
	if _, said, code := w.try("punchlist", "--db", "a.db", "status", "L-1", "done"); code != 0 || !strings.Contains(said, "COMPLETED. 1 step of its checklist stays without an answer.") {
		t.Errorf("%d %s", code, said)
	}
}

// A conflict tells times as times, and who was later within one minute.
func TestConflictsTellWhoWasLater(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north")
	w.serve()
	w.enrol("ann", "a")
	w.office("task", "add", "Inspect the boiler", "--crew", "north")
	w.laptop("a", "sync")
	w.laptop("a", "set", "T-10001", "due=2031-05-01 09:30")
	w.office("task", "set", "T-10001", "due=2031-06-01 10:30", "--crew", "north")
	if got := w.office("task", "list", "--crew", "north"); !strings.Contains(got, "due 2031-06-01 10:30") {
		t.Errorf("the office's list does not say when: %s", got)
	}
	w.laptop("a", "sync")
	got := w.laptop("a", "conflicts")
	if !strings.Contains(got, "you wrote 2031-05-01 09:30 (") || !strings.Contains(got, "; 2031-06-01 10:30 that ") {
		t.Error(got)
	}
	mine, theirs := regexp.MustCompile(`09:30 \((.*?)\)`).FindStringSubmatch(got), regexp.MustCompile(`wrote \(([^)]*)\) won`).FindStringSubmatch(got)
	if mine == nil || theirs == nil || mine[1] >= theirs[1] {
		t.Errorf("who was later? %v %v", mine, theirs)
	}
}
