package localdb

import (
	"context"
	"encoding/json"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// Whose names who did something: a user, and at which laptop where it was not the
// one on which his name would say enough.
func Whose(user, laptop string) string {
	if laptop == "" {
		return user
	}
	return user + " on " + laptop
}

// History lists what happened to a task and what hangs on it, newest first: this
// laptop's own changes, sent or not, and what it heard of others' and of its
// person's other laptops. limit 0 means
// 100. Settled changes are kept for 30 days.
func (db *DB) History(ctx context.Context, taskID string, limit int) ([]Event, error) {
	if limit <= 0 {
		limit = 100
	}
	var out []Event
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		dev, err := loadDevice(tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query(`SELECT at, who, laptop, entity_type, action, payload, prev, badge, coalesce(i.label, s.code, ''), coalesce(t.number, '') FROM (
				SELECT created_at AS at, '' AS who, '' AS laptop, entity_type, entity_id, action, payload, prev, CASE state WHEN 'parked' THEN 'parked' ELSE 'pending' END AS badge, task_id, id AS n FROM sync_queue WHERE task_id = ?1
				UNION ALL SELECT created_at, '', '', entity_type, entity_id, action, payload, prev, CASE outcome WHEN 'applied' THEN 'sent' ELSE 'conflict' END, task_id, id FROM sync_sent WHERE task_id = ?1
				UNION ALL SELECT at, who, laptop, entity_type, entity_id, 'UPDATE', payload, NULL, 'sent', task_id, id FROM heard WHERE task_id = ?1
			) h LEFT JOIN tasks t ON t.id = h.task_id LEFT JOIN checklist_items i ON i.id = h.entity_id LEFT JOIN sites s ON s.id = h.entity_id
			ORDER BY at DESC, n DESC LIMIT ?2`, taskID, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e Event
			var o op.Op
			var payload, label, number string
			var prev *string
			if err := rows.Scan(&e.At, &e.Who, &e.Laptop, &o.Kind, &o.Action, &payload, &prev, &e.Sync, &label, &number); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(payload), &o.Fields); err != nil {
				return err
			}
			if number == "" {
				number = TempNumber(taskID)
			}
			o.Prev = op.Fields{}
			if prev != nil {
				if err := json.Unmarshal([]byte(*prev), &o.Prev); err != nil {
					return err
				}
			}
			if e.Who == "" {
				e.Who = dev.User
			} else {
				o.Prev["status"] = "" // told as a step where the status is among what changed
			}
			e.Kind, e.What = o.Kind, sentence(o, number, label)
			out = append(out, e)
		}
		return rows.Err()
	})
	return out, err
}
