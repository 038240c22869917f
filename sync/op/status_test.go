package op_test

import (
	"slices"
	"strings"
	"testing"

	"example.com/punchlist/sync/op"
)

// modelTable is the table of the model, word for word.
const modelTable = `
| PENDING | EN_ROUTE, IN_PROGRESS | CANCELLED |
| EN_ROUTE | IN_PROGRESS, PENDING (turned back), INCOMPLETE | CANCELLED |
| IN_PROGRESS | ON_HOLD, COMPLETED, INCOMPLETE | CANCELLED |
| ON_HOLD | IN_PROGRESS, EN_ROUTE, INCOMPLETE | CANCELLED |
| COMPLETED | IN_PROGRESS (reopened, until closed) | CLOSED |
| INCOMPLETE | – | PENDING (sent out again), CLOSED |
| CANCELLED, CLOSED | – | – (further work is a new task with parent_id) |
`

// statuses finds the statuses that a cell names.
func statuses(cell string) []op.Status {
	var out []op.Status
	for _, word := range strings.FieldsFunc(cell, func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') }) {
		if slices.Contains(op.Statuses, op.Status(word)) {
			out = append(out, op.Status(word))
		}
	}
	return out
}

func TestStatusTable(t *testing.T) {
	rows := 0
	for line := range strings.Lines(strings.TrimSpace(modelTable)) {
		cells := strings.Split(line, "|")
		technician := statuses(cells[2])
		dispatcher := slices.Concat(technician, statuses(cells[3]))
		for _, from := range statuses(cells[1]) {
			rows++
			for _, to := range op.Statuses {
				for role, allowed := range map[op.Role][]op.Status{op.Technician: technician, op.Dispatcher: dispatcher, op.Viewer: nil} {
					want := slices.Contains(allowed, to)
					if got := op.CheckStep(from, to, role); (got == nil) != want {
						t.Errorf("%s from %s to %s: %v", role, from, to, got)
					}
					if got := slices.Contains(op.NextStatuses(from, role), to); got != want {
						t.Errorf("NextStatuses(%s, %s) holds %s: %v", from, role, to, got)
					}
				}
			}
		}
	}
	if rows != len(op.Statuses) {
		t.Errorf("the table speaks of %d statuses, there are %d", rows, len(op.Statuses))
	}
}

func TestCheckStepSaysWhatIsPossible(t *testing.T) {
	r := op.CheckStep(op.Pending, op.Completed, op.Technician)
	if r == nil || r.Code != op.CodeBadStep || r.Field != "status" || !strings.Contains(r.Message, "EN_ROUTE, IN_PROGRESS") {
		t.Errorf("%v", r)
	}
	if r := op.CheckStep(op.Closed, op.Pending, op.Dispatcher); r == nil || !strings.Contains(r.Message, "nothing follows") {
		t.Errorf("%v", r)
	}
	if r := op.CheckStep(op.Pending, "DONE", op.Technician); r == nil || r.Code != op.CodeBadValue || !strings.Contains(r.Message, "COMPLETED") {
		t.Errorf("%v", r)
	}
}

func TestReasons(t *testing.T) {
	want := map[op.Status]string{
		op.OnHold:     "parts access permit weather safety customer other",
		op.Incomplete: "no_access recipient_absent refused wrong_address damaged missing_parts unsafe weather asset_not_found other",
	}
	for _, s := range op.Statuses {
		got := op.Reasons(s)
		if needs := s == op.OnHold || s == op.Incomplete || s == op.Cancelled; needs != (got != nil) {
			t.Errorf("%s: reasons %v", s, got)
		}
		if want[s] != "" && strings.Join(got, " ") != want[s] {
			t.Errorf("%s: reasons %v", s, got)
		}
		for _, reason := range got {
			if r := op.CheckFields(op.Task, op.Update, op.Fields{"reason": reason}); r != nil {
				t.Errorf("the reason %s is refused: %v", reason, r)
			}
		}
	}
	for s, want := range map[op.Status]bool{op.Pending: false, op.EnRoute: false, op.InProgress: false, op.OnHold: false,
		op.Completed: true, op.Incomplete: true, op.Cancelled: true, op.Closed: true} {
		if s.Ended() != want {
			t.Errorf("%s.Ended() = %v", s, s.Ended())
		}
	}
}
