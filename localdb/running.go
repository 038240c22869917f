package localdb

import (
	"context"
	"fmt"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// Running is a clock of this laptop's person that counts now.
type Running struct {
	TaskID string
	Number string
	Kind   string // travel, work or wait
	Since  int64  // ms
}

// maxRunning bounds how many clocks a summary names; it counts all of them.
const maxRunning = 20

const allRunning = -1 // as many as there are

// ofRunning are a person's clocks that count now.
const ofRunning = ` FROM time_entries e JOIN tasks t ON t.id = e.task_id AND t.deleted = 0
		WHERE e.user = ? AND e.ended_at IS NULL AND e.deleted = 0`

// running reads a person's clocks, the one that was started last first.
func running(tx *sqlite.Tx, user string, limit int) ([]Running, error) {
	rows, err := tx.Query("SELECT e.task_id, coalesce(t.number, ''), e.kind, e.started_at"+ofRunning+" ORDER BY e.started_at DESC, e.id LIMIT ?", user, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Running
	for rows.Next() {
		var r Running
		if err := rows.Scan(&r.TaskID, &r.Number, &r.Kind, &r.Since); err != nil {
			return nil, err
		}
		if r.Number == "" {
			r.Number = TempNumber(r.TaskID)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// countRunning counts a person's clocks that count now.
func countRunning(tx *sqlite.Tx, user string) (n int, err error) {
	err = tx.Scan([]any{&n}, "SELECT count(*)"+ofRunning, user)
	return n, err
}

// Running lists this person's clocks that count now, the newest first. Each task
// has its own, and starting one stops no other: [DB.ClockHere] does.
func (db *DB) Running(ctx context.Context) (out []Running, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		dev, err := loadDevice(tx)
		if err != nil {
			return err
		}
		out, err = running(tx, dev.User, allRunning)
		return err
	})
	return out, err
}

// ClockHere lets this person's clock count at one task and at no other, in one
// action. What it counts there goes by the task's status; one that has not begun
// or has ended has no clock.
func (db *DB) ClockHere(ctx context.Context, taskID string) error {
	_, err := db.act(ctx, func(a *action) error {
		task, err := loadTask(a.tx, taskID)
		if err != nil {
			return err
		}
		kind := clockKinds[op.Status(task.Fields.Text("status"))]
		if kind == "" {
			return &Error{Message: fmt.Sprintf("the task is %s: no clock runs there", task.Fields.Text("status")), Hint: "another status starts it (key s, or punchlist status TASK in_progress)"}
		}
		all, err := running(a.tx, a.dev.User, allRunning)
		if err != nil {
			return err
		}
		counts := false
		for _, r := range all {
			switch {
			case r.TaskID != taskID:
				if err := a.endTime(r.TaskID); err != nil {
					return err
				}
			case r.Kind == kind:
				counts = true
			}
		}
		if counts {
			return nil
		}
		if err := a.endTime(taskID); err != nil {
			return err
		}
		return a.beginTime(taskID, kind)
	})
	return err
}
