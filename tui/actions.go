package tui

import (
	"context"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// taskKey acts on a task: the keys that list, task and checklist share.
func (a *App) taskKey(k tea.KeyMsg, row *localdb.TaskRow) tea.Cmd {
	keys := a.keys
	if row == nil {
		if key.Matches(k, keys.Open, keys.Status, keys.Clock, keys.Note, keys.Edit, keys.Editor, keys.Checklist, keys.Delete) {
			a.say("There is no task to act on; " + named(a.keys.Add) + " adds one.")
			return nil
		}
		return a.dead(k)
	}
	switch {
	case key.Matches(k, keys.Open):
		return a.push(&taskScreen{taskPane: taskPane{id: row.ID, row: *row}})
	case key.Matches(k, keys.Status):
		return a.openStatus(*row)
	case key.Matches(k, keys.Clock):
		return a.clockHere(*row)
	case key.Matches(k, keys.Note):
		return a.push(newNoteScreen(a, *row))
	case key.Matches(k, keys.Edit):
		return a.push(newEditForm(a, *row))
	case key.Matches(k, keys.Editor):
		s := newEditForm(a, *row)
		s.write = true
		return a.push(s)
	case key.Matches(k, keys.Checklist):
		return a.push(&checklistScreen{row: *row})
	case key.Matches(k, keys.Delete):
		return a.askDelete(*row)
	}
	return a.dead(k)
}

// name is how sentences speak of a task: number and title.
func (a *App) name(r localdb.TaskRow) string {
	return a.text(r.Number) + " " + a.cut(a.text(r.Title), 50)
}

// rowText is a task in one line of plain text, uncut.
func (a *App) rowText(r localdb.TaskRow) string {
	return strings.TrimRight(a.text(r.Number)+"  "+a.text(r.Title)+"  "+a.text(r.SiteCode), " ")
}

// canWrite says why this person may not change anything, if so.
func (a *App) canWrite() bool {
	if a.sum.Device.Role != op.Viewer {
		return true
	}
	a.say("You may look at this crew's tasks but not change them (your role is viewer).")
	return false
}

func (a *App) askDelete(rows ...localdb.TaskRow) tea.Cmd {
	if !a.canWrite() {
		return nil
	}
	s := &askScreen{yes: "delete it", lines: []string{"Delete " + a.name(rows[0]) + "?", "It goes for everybody in the crew, with its checklist."}}
	said := a.text(rows[0].Number) + " deleted."
	if len(rows) > 1 {
		said = a.names(rows) + " deleted."
		s.yes, s.lines = "delete them", append([]string{"Delete these " + a.names(rows) + "?"}, a.someNames(rows)...)
		s.lines = append(s.lines, "They go for everybody in the crew, with their checklists.")
	}
	s.then = func() tea.Cmd {
		return a.write(writing{from: s, said: said, on: idsOf(rows), work: func(ctx context.Context, db *localdb.DB) (string, error) {
			return "", db.DeleteTasks(ctx, idsOf(rows))
		}})
	}
	return a.push(s)
}

// clockHere lets this person's clock run at a task and at no other.
func (a *App) clockHere(r localdb.TaskRow) tea.Cmd {
	others := 0
	here := false
	for _, c := range a.sum.Running {
		if here = here || c.TaskID == r.ID; c.TaskID != r.ID {
			others++
		}
	}
	if here && others == 0 {
		a.say("Your clock runs at " + a.text(r.Number) + " and at no other task.")
		return nil
	}
	return a.write(writing{said: "Your clock runs at " + a.text(r.Number) + " only.", work: func(ctx context.Context, db *localdb.DB) (string, error) {
		return "", db.ClockHere(ctx, r.ID)
	}})
}

// openStatus takes a task to its next status: at once where there is only one
// that asks nothing, else by a short list. A task that has ended is never opened
// again by one key.
func (a *App) openStatus(r localdb.TaskRow) tea.Cmd {
	if !a.canWrite() {
		return nil
	}
	role := a.sum.Device.Role
	next := op.NextStatuses(r.Status, role)
	if len(next) == 0 {
		a.say(a.text(r.Number) + " is " + statusWord(r.Status) + "; from there nothing follows here. Notes and steps can still be added.")
		return nil
	}
	s := newStatusSheet(a, next, r)
	if len(next) == 1 && !s.asks(next[0]) && !r.Status.Ended() {
		return s.save(a, localdb.Step{To: next[0]})
	}
	return a.push(s)
}
