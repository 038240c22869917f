package tui

import (
	"context"

	"example.com/punchlist/localdb"
	tea "github.com/charmbracelet/bubbletea"
)

// undo takes the last action back, or does it again, and says which one it was:
// it may have been made in another session, or days ago.
func (a *App) undo(turn func(*localdb.DB, context.Context) (localdb.Undone, error), word string) tea.Cmd {
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
			msg.said += " The change back goes out like any other."
		}
		msg.sum = summary(ctx)
		return msg
	}))
}
