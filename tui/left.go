package tui

import (
	"context"
	"strings"

	"example.com/punchlist/localdb"
	tea "github.com/charmbracelet/bubbletea"
)

// What was typed and never saved outlives a crash and a lost line; see draft.go.
// The list says that it is there, and one key goes on with it.

// left is the newest text that waits, and how many more do; false: none does. What
// stands in an open form is not one of them, nor what was written about a task that
// is gone.
func (a *App) left() (newest localdb.Left, more int, found bool) {
	open := map[string]bool{}
	for _, s := range a.stack {
		if d, ok := s.(drafter); ok {
			open[d.keeper().form] = true
		}
	}
	for _, l := range a.sum.Left {
		switch {
		case open[l.Form] || leftWhat(l) == "":
		case found:
			more++
		default:
			newest, found = l, true
		}
	}
	return newest, more, found
}

// leftWhat says what a text was to become; "" when it can become nothing here.
func leftWhat(l localdb.Left) string {
	kind, _, about := strings.Cut(l.Form, ":")
	switch {
	case kind == "mend":
		return "your change to what waits in the queue"
	case about && l.TaskID == "":
		return ""
	}
	return map[string]string{"add": "your new task", "notes": "your note on several tasks", "note": "your note on " + l.Number,
		"edit": "your changes to " + l.Number, "follow-up": "your follow-up to " + l.Number}[kind]
}

// leftWords is the line that tells of it.
func (a *App) leftWords() string {
	l, more, found := a.left()
	if !found {
		return ""
	}
	out := "Never saved: " + a.text(leftWhat(l)) + " (" + a.clock(l.At) + "). " + named(a.keys.GoOn) + " goes on with it."
	if more > 0 {
		out += " " + plural(more, "text more", "texts more") + "."
	}
	return out
}

// goOnMsg is the task of a text that a person goes on with.
type goOnMsg struct {
	form string
	row  localdb.TaskRow
	err  error
}

// goOn opens the form of the newest text that was never saved.
func (a *App) goOn() tea.Cmd {
	l, _, found := a.left()
	switch {
	case !found:
		a.say("Nothing that you typed waits to be saved.")
		return nil
	case l.TaskID != "":
		db := a.o.DB
		return a.gated(a.run(func(ctx context.Context) tea.Msg {
			view, err := db.Task(ctx, l.TaskID)
			return goOnMsg{l.Form, view.TaskRow, err}
		}))
	case l.Form == "add":
		return a.push(newAddForm(a))
	case l.Form == "notes":
		a.say("Mark the tasks again (" + named(a.keys.Mark) + "), then " + named(a.keys.Note) + ": the text is there.")
		return nil
	}
	a.say("Choose the change, then " + named(a.keys.Mend) + ": what you typed is there.")
	return a.pushOnce(&queueScreen{})
}

// goesOn opens the form, now that its task is here.
func (a *App) goesOn(msg goOnMsg) tea.Cmd {
	if msg.err != nil {
		a.say(explain(msg.err))
		return nil
	}
	switch kind, _, _ := strings.Cut(msg.form, ":"); kind {
	case "note":
		return a.push(newNoteScreen(a, msg.row))
	case "edit":
		return a.push(newEditForm(a, msg.row))
	case "follow-up":
		return a.push(newFollowUpForm(a, msg.row, ""))
	}
	return nil
}
