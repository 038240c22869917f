package cmd_test

import (
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
