package tui

import (
	"cmp"
	"context"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	tea "github.com/charmbracelet/bubbletea"
)

// doomed is what goes with a change that is discarded.
type doomed struct {
	row   localdb.QueueRow
	more  int      // other changes that hang on it
	tasks []string // the numbers of the tasks that are made by one of them, and go
}

// doomedBy counts what goes with a change.
func doomedBy(row localdb.QueueRow, all []localdb.QueueRow) doomed {
	d := doomed{row: row, more: max(0, len(all)-1)}
	for _, r := range all {
		if r.Op.Kind == op.Task && r.Op.Action == op.Insert {
			d.tasks = append(d.tasks, r.TaskNumber)
		}
	}
	return d
}

// askDiscard asks once it is known what else goes.
func (s *queueScreen) askDiscard(a *App, row localdb.QueueRow) tea.Cmd {
	return a.gated(a.loadDoomed(row))
}

func (s *queueScreen) doom(a *App, msg doomedMsg) tea.Cmd {
	if msg.err != nil {
		a.say(explain(msg.err))
		return nil
	}
	d := msg.of
	return a.push(&askScreen{yes: "discard it", lines: d.question(a), then: func() tea.Cmd {
		return a.write(writing{from: s, said: d.said(a), plain: true, final: true, work: func(ctx context.Context, db *localdb.DB) (string, error) {
			return "", db.DiscardOp(ctx, d.row.Op.ID)
		}})
	}})
}

func (d doomed) question(a *App) []string {
	gone := "It was never sent and will be gone"
	if d.more > 0 {
		gone += ", and " + plural(d.more, "more that hangs", "more that hang") + " on it"
	}
	switch len(d.tasks) {
	case 0:
	case 1:
		gone += "; the task " + a.text(d.tasks[0]) + " goes"
	default:
		gone += "; " + itoa(len(d.tasks)) + " tasks go"
	}
	what := strings.TrimSpace(a.text(d.row.TaskNumber) + " " + a.cut(a.text(d.row.TaskTitle), 40))
	return []string{
		"Discard this change to " + cmp.Or(what, "a site") + "?",
		a.text(d.row.Sentence) + ", " + a.clock(d.row.Op.CreatedAt) + ". " + gone + ".",
	}
}

// said is what became of it.
func (d doomed) said(a *App) string {
	what, them := "Discarded: ", ""
	if d.more > 0 {
		what, them = "Discarded "+itoa(d.more+1)+" changes: ", " them"
	}
	switch {
	case len(d.tasks) > 1:
		return what + itoa(len(d.tasks)) + " tasks are gone."
	case len(d.tasks) == 1:
		return what + a.text(d.tasks[0]) + " is gone."
	case d.row.TaskNumber == "" && d.row.Op.Action == op.Insert:
		return what + "the site is gone."
	case d.row.TaskNumber == "":
		return what + "the site is as it was before" + them + "."
	}
	return what + a.text(d.row.TaskNumber) + " is as it was before" + them + "."
}
