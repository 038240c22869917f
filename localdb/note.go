package localdb

import (
	"context"

	"example.com/punchlist/sync/op"
)

// AddNote writes a note on a task. kind is one of [op.NoteKinds]; "" means note.
// Notes are only ever added, on a cancelled or closed task too.
func (db *DB) AddNote(ctx context.Context, taskID, body, kind string) (string, error) {
	if kind == "" {
		kind = "note"
	}
	saved, err := db.act(ctx, func(a *action) error { return a.addNote(taskID, body, kind) })
	if err != nil {
		return "", err
	}
	return saved.IDs[0], nil
}

func (a *action) addNote(taskID, body, kind string) error {
	_, err := a.change(Change{Kind: op.Note, Action: op.Insert, Fields: op.Fields{
		"task_id": taskID, "body": body, "author": a.dev.User, "at": a.now, "kind": kind}})
	return err
}
