package localdb

import (
	"context"
	"errors"
	"fmt"

	"example.com/punchlist/sync/op"
)

// SetStatuses takes several tasks to another status in one action: all of them
// or none. The error names the task that it does not fit.
func (db *DB) SetStatuses(ctx context.Context, ids []string, s Step) error {
	return db.each(ctx, ids, func(a *action, id string) error { return a.setStatus(id, s) })
}

// AddNotes writes the same note on several tasks in one action; see [DB.AddNote].
func (db *DB) AddNotes(ctx context.Context, ids []string, body, kind string) error {
	if kind == "" {
		kind = op.NoteKinds[0]
	}
	return db.each(ctx, ids, func(a *action, id string) error { return a.addNote(id, body, kind) })
}

// DeleteTasks deletes several tasks in one action.
func (db *DB) DeleteTasks(ctx context.Context, ids []string) error {
	return db.each(ctx, ids, func(a *action, id string) error {
		_, err := a.change(Change{Kind: op.Task, ID: id, Action: op.Delete})
		return err
	})
}

// each does the same to several tasks in one action, which is one group of ops
// and one step of undo.
func (db *DB) each(ctx context.Context, ids []string, do func(*action, string) error) error {
	_, err := db.act(ctx, func(a *action) error {
		for _, id := range ids {
			if err := do(a, id); err != nil {
				return a.about(id, err)
			}
			if n := len(a.saved.OpIDs); n > maxGroup {
				return &Error{Message: fmt.Sprintf("%d tasks are too many for one action, which may hold %d changes; nothing was changed", len(ids), maxGroup), Hint: "mark fewer of them"}
			}
		}
		return nil
	})
	return err
}

// about says which task an error speaks of.
func (a *action) about(id string, err error) error {
	number, _, nameErr := a.names(deed{Kind: op.Task, Task: id})
	if nameErr != nil {
		return err
	}
	var refusal *op.Refusal
	var cure *Error
	switch {
	case errors.As(err, &refusal):
		return &Error{Message: "nothing was changed, because of " + number + ": " + refusal.Error(), Cause: err}
	case errors.As(err, &cure):
		return &Error{Message: "nothing was changed, because of " + number + ": " + cure.Message, Hint: cure.Hint, Cause: err}
	}
	return err
}
