package cmd_test

import (
	"strings"
	"testing"
)

// TestUndoOnTheCommandLine takes back what another process did, before and
// after it was sent, and says why where it cannot.
func TestUndoOnTheCommandLine(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.refused(1, []string{"nothing to undo"}, "punchlist", "--db", "a.db", "undo")
	id := strings.TrimSpace(w.laptop("a", "add", "Inspect the pump", "--priority", "low"))
	w.laptop("a", "set", id, "priority=high")
	w.laptop("a", "undo")
	if got := w.tasks("a")[id]["priority"]; got != "low" {
		t.Errorf("undone before it was sent: %v", got)
	}
	w.laptop("a", "undo", "--redo")
	w.laptop("a", "sync")
	w.laptop("a", "undo")
	w.laptop("a", "sync")
	if got := w.office("task", "list", "--crew", "north", "--json"); !strings.Contains(got, `"low"`) {
		t.Errorf("the office still has:\n%s", got)
	}
	w.laptop("a", "status", id, "in_progress")
	w.laptop("a", "sync")
	w.office("task", "set", "T-10001", "status=CANCELLED", "reason=customer", "--crew", "north")
	w.laptop("a", "sync")
	w.refused(1, []string{"cannot be undone", "T-10001 was changed since"}, "punchlist", "--db", "a.db", "undo")
}
