package tui

import (
	"context"

	"example.com/punchlist/localdb"
	tea "github.com/charmbracelet/bubbletea"
)

// undoLast takes the last action back. After a discard the first u only says that
// it does not: who presses it wants the discarded change again, and would lose the
// step before it instead.
func (a *App) undoLast() tea.Cmd {
	if a.final {
		a.final = false
		a.say("A discard cannot be undone; " + named(a.keys.Undo) + " again undoes what was done before it.")
		return nil
	}
	return a.turn((*localdb.DB).Undo, "Undone", "The change back goes out like any other.")
}

// redo does again what was undone last.
func (a *App) redo() tea.Cmd {
	return a.turn((*localdb.DB).Redo, "Done again", "It goes out like any other change.")
}

// turn takes the last action back, or does it again, and says which one it was:
// it may have been made in another session, or days ago. queued says what becomes
// of it where it has to be sent.
func (a *App) turn(turn func(*localdb.DB, context.Context) (localdb.Undone, error), word, queued string) tea.Cmd {
	if !a.canWrite() {
		return nil
	}
	a.undos++
	db, summary := a.o.DB, a.summary()
	return a.awaited(a.run(func(ctx context.Context) tea.Msg {
		done, err := turn(db, a.jobs.lasting)
		msg := writtenMsg{said: word + ": " + done.What + ".", id: done.TaskID, plain: true, undid: true, err: err}
		switch {
		case done.Left != "":
			msg.said += " But " + done.Left + "."
		case done.Queued:
			msg.said += " " + queued
		}
		msg.sum = summary(ctx)
		return msg
	}))
}
