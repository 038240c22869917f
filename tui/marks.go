package tui

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// marks are the tasks that the next action is for, by id. They stay while the
// list is narrowed to something else; the head line counts them.
type marks map[string]localdb.TaskRow

// maxMarks bounds them: an action holds no more changes.
const maxMarks = 500

// markedMsg holds all the tasks that the list's filter shows, up to maxMarks.
type markedMsg struct {
	page localdb.Page
	err  error
}

// sign puts a mark into the second cell of a task's line.
func (m marks) sign(id, line string) string {
	if _, on := m[id]; !on {
		return line
	}
	return line[:1] + "*" + line[2:]
}

// refresh takes over what the list has read anew.
func (m marks) refresh(rows []localdb.TaskRow) {
	for _, r := range rows {
		if _, on := m[r.ID]; on {
			m[r.ID] = r
		}
	}
}

// rows are the marked tasks in the order of their numbers.
func (m marks) rows() []localdb.TaskRow {
	return slices.SortedFunc(maps.Values(m), func(a, b localdb.TaskRow) int {
		return strings.Compare(a.Number+a.ID, b.Number+b.ID)
	})
}

// loadAll reads what a filter shows, as far as it can be marked.
func (a *App) loadAll(f localdb.Filter) tea.Cmd {
	db, now := a.o.DB, a.now()
	return a.run(func(ctx context.Context) tea.Msg {
		page, err := db.Tasks(ctx, localdb.Query{Filter: f, Limit: maxMarks, Now: now})
		return markedMsg{page: page, err: err}
	})
}

// markOne marks the task under the cursor, or takes its mark off, and goes on
// to the next one.
func (s *tasksScreen) markOne(a *App) tea.Cmd {
	row := s.list.selected()
	if row == nil {
		a.say("There is no task to mark; " + named(a.keys.Add) + " adds one.")
		return nil
	}
	if _, on := s.marks[row.ID]; on {
		delete(s.marks, row.ID)
		return s.goTo(a, 1)
	}
	if len(s.marks) >= maxMarks {
		a.say("No more than " + itoa(maxMarks) + " tasks can be marked at once.")
		return nil
	}
	if s.marks == nil {
		s.marks = marks{}
	}
	s.marks[row.ID] = *row
	return s.goTo(a, 1)
}

// markAll marks all that the list shows; when all are marked already it takes
// the marks off.
func (s *tasksScreen) markAll(a *App, msg markedMsg) {
	rows := msg.page.Rows
	switch fresh := s.unmarked(rows); {
	case msg.err != nil:
		a.say(explain(msg.err))
	case len(rows) == 0:
		a.say("There is no task to mark; " + named(a.keys.Add) + " adds one.")
	case fresh == 0:
		for _, r := range rows {
			delete(s.marks, r.ID)
		}
	case len(s.marks)+fresh > maxMarks:
		a.say("No more than " + itoa(maxMarks) + " tasks can be marked at once; narrow the list with /.")
	default:
		if s.marks == nil {
			s.marks = marks{}
		}
		for _, r := range rows {
			s.marks[r.ID] = r
		}
		if msg.page.More {
			a.say("The first " + itoa(len(rows)) + " are marked; an action can hold no more.")
		}
	}
}

func (s *tasksScreen) unmarked(rows []localdb.TaskRow) (n int) {
	for _, r := range rows {
		if _, on := s.marks[r.ID]; !on {
			n++
		}
	}
	return n
}

// wrote looks at what a write means for the list: which task to go to, and
// whether the marks have done their service.
func (s *tasksScreen) wrote(a *App, msg writtenMsg) {
	// What was made from within a task, a follow-up, does not lead away from it.
	if msg.err == nil && msg.id != "" && len(a.stack) <= 2 {
		s.want = msg.id
	}
	if msg.err == nil || errors.Is(msg.err, localdb.ErrNotFound) {
		for _, id := range msg.on {
			delete(s.marks, id)
		}
	}
}

func (s *tasksScreen) marksHelp(a *App) []key.Binding {
	k, these := a.keys, " of "+plural(len(s.marks), "task", "tasks")
	return []key.Binding{helpOf(k.Status, "status"+these), k.Note, k.Delete, helpOf(k.Cancel, "unmark all"), helpOf(k.Mark, "mark, unmark"), k.MarkAll, k.Open, k.Search, k.View}
}

// markedKey acts on all marked tasks as one action.
func (s *tasksScreen) markedKey(a *App, k tea.KeyMsg) tea.Cmd {
	rows := s.marks.rows()
	switch {
	case key.Matches(k, a.keys.Status):
		return a.openStatuses(rows)
	case key.Matches(k, a.keys.Note):
		return a.push(newNoteScreen(a, rows...))
	case key.Matches(k, a.keys.Delete):
		return a.askDelete(rows...)
	case key.Matches(k, a.keys.Edit, a.keys.Editor, a.keys.Checklist):
		a.say("That works on one task at a time; esc takes the marks off. Marks take s, n and D.")
		return nil
	}
	return a.taskKey(k, s.list.selected())
}

// openStatuses offers the steps that all of the tasks may take.
func (a *App) openStatuses(rows []localdb.TaskRow) tea.Cmd {
	if len(rows) == 1 {
		return a.openStatus(rows[0])
	}
	if !a.canWrite() {
		return nil
	}
	next := op.NextStatuses(rows[0].Status, a.sum.Device.Role)
	for _, r := range rows[1:] {
		theirs := op.NextStatuses(r.Status, a.sum.Device.Role)
		next = slices.DeleteFunc(slices.Clone(next), func(s op.Status) bool { return !slices.Contains(theirs, s) })
	}
	if len(next) == 0 {
		a.say("There is no status that all " + itoa(len(rows)) + " marked tasks may take now: mark such that stand alike.")
		return nil
	}
	return a.push(newStatusSheet(a, next, rows...))
}

// names is one task by name, or several by their number.
func (a *App) names(rows []localdb.TaskRow) string {
	if len(rows) == 1 {
		return a.name(rows[0])
	}
	return itoa(len(rows)) + " tasks"
}

// someNames names the first of several tasks, a line each.
func (a *App) someNames(rows []localdb.TaskRow) []string {
	const shown = 5
	var out []string
	for i, r := range rows {
		if i == shown {
			return append(out, "  and "+itoa(len(rows)-shown)+" more")
		}
		out = append(out, "  "+a.name(r))
	}
	return out
}

func idsOf(rows []localdb.TaskRow) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.ID
	}
	return out
}
