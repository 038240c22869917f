package localdb

import (
	"context"

	"example.com/punchlist/localdb/sqlite"
)

// DayTasks finds the tasks of a person's day, from ≤ t < to (ms): those that the
// person spent time on, wrote to, answered steps of or ended, and the own ones that
// are due then. In the order in which they come up.
func (db *DB) DayTasks(ctx context.Context, user string, from, to int64) ([]string, error) {
	var ids []string
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		ids, err = collectAll(tx, `WITH day(task_id, at) AS (
			SELECT task_id, max(started_at, ?2) FROM time_entries WHERE deleted = 0 AND user = ?1 AND started_at < ?3 AND coalesce(ended_at, ?3) >= ?2
			UNION ALL SELECT task_id, at FROM notes WHERE deleted = 0 AND author = ?1 AND at >= ?2 AND at < ?3
			UNION ALL SELECT task_id, done_at FROM checklist_items WHERE deleted = 0 AND done_by = ?1 AND done_at >= ?2 AND done_at < ?3
			UNION ALL SELECT id, completed_at FROM tasks WHERE deleted = 0 AND completed_by = ?1 AND completed_at >= ?2 AND completed_at < ?3
			UNION ALL SELECT id, coalesce(due_at, window_start) FROM tasks WHERE deleted = 0 AND assignee = ?1 AND (due_at >= ?2 AND due_at < ?3 OR window_start >= ?2 AND window_start < ?3))
			SELECT d.task_id FROM day d JOIN tasks t ON t.id = d.task_id AND t.deleted = 0 GROUP BY d.task_id ORDER BY min(d.at), d.task_id`, user, from, to)
		return err
	})
	return ids, err
}
