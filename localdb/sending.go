package localdb

import (
	"context"
	"encoding/json"
	"maps"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// Freeze makes a batch of [DB.NextBatch] final before it leaves and returns what
// is to be sent, on the disk before that: an op that may have reached the server
// never changes again, not after a crash either, but for one thing: where a newer
// change of the person's own went past it, it no longer says what that one says (see
// giveWay; the server knows by their places which is newer). Edits that a later one in the
// batch replaces whole are left out for good, if no op of theirs was ever sent
// and none belongs to a group; what was taken back meanwhile is left out too.
func (db *DB) Freeze(ctx context.Context, ops []op.Op) ([]op.Op, error) {
	var out []op.Op
	err := db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		batch, err := loadSending(tx, ops)
		if err != nil {
			return err
		}
		out = make([]op.Op, 0, len(batch))
		ids := make([]string, 0, len(batch))
		squash(batch)
		for _, s := range batch {
			if s.replaced {
				if err := retire(tx, s); err != nil {
					return err
				}
				continue
			}
			out = append(out, s.Op)
			if s.changed {
				if err := s.rewrite(tx); err != nil {
					return err
				}
			} else if !s.tried {
				ids = append(ids, s.ID)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		list, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE sync_queue SET tried = 1 WHERE op_id IN (SELECT value FROM json_each(?))", string(list))
		return err
	})
	return out, err
}

// sending is an op on its way out.
type sending struct {
	op.Op
	task string

	stored    int64 // the time that its row holds …
	uncertain bool  // … and whether that is a guess

	tried    bool // it may have reached the server: as it is or never
	exported bool // it may come there from elsewhere
	changed  bool // it differs from its row
	replaced bool // a later one says all that it says
}

// loadSending looks at the rows of a batch as they are now.
func loadSending(tx *sqlite.Tx, ops []op.Op) ([]*sending, error) {
	ids := make([]string, len(ops))
	for i, o := range ops {
		ids[i] = o.ID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(`SELECT op_id, tried, exported > 0, uncertain, coalesce(payload ->> '$.updated_at', 0), coalesce(task_id, '')
		FROM sync_queue WHERE op_id IN (SELECT value FROM json_each(?)) AND state = 'pending'`, string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	there := map[string]*sending{}
	for rows.Next() {
		var s sending
		var id string
		if err := rows.Scan(&id, &s.tried, &s.exported, &s.uncertain, &s.stored, &s.task); err != nil {
			return nil, err
		}
		there[id] = &s
	}
	batch := make([]*sending, 0, len(ops))
	for _, o := range ops {
		s := there[o.ID]
		if s == nil {
			continue
		}
		s.Op = o
		s.changed = !s.tried && (s.stored != o.Fields.Int(op.UpdatedAt) || s.uncertain != o.TimeUncertain)
		batch = append(batch, s)
	}
	return batch, rows.Err()
}

func scanRow(tx *sqlite.Tx, dest []any, query string, args ...any) (found bool, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	return true, rows.Scan(dest...)
}

// squash marks each edit that the next one of the same record says again. It
// must touch no register that the later one leaves alone: that one would else be
// given a time at which nobody touched it, and win where it should lose. What it
// emptied of a register, and the later one leaves as it is, the later one says too.
func squash(batch []*sending) {
	last := map[string]*sending{}
	for _, s := range batch {
		old := last[s.Entity]
		last[s.Entity] = s
		if old == nil || !old.loose() || !s.loose() || !covers(s.Kind, s.Fields, old.Fields) {
			continue
		}
		fields, prev := old.Fields.Clone(), s.Prev.Clone()
		maps.Copy(fields, s.Fields)
		maps.Copy(prev, old.Prev)
		s.Fields, s.Prev, s.Base = fields, prev, min(s.Base, old.Base)
		s.changed, old.replaced = true, true
	}
}

// loose: an edit that may still change.
func (s *sending) loose() bool {
	_, restores := s.Fields[op.Deleted]
	return s.Action == op.Update && s.Group == "" && !s.tried && !s.exported && !restores
}

// covers tells whether a touches every register that b touches.
func covers(kind op.Kind, a, b op.Fields) bool {
	touched := map[string]bool{}
	for name := range a {
		touched[op.RegisterOf(kind, name)] = true
	}
	for name := range b {
		if !touched[op.RegisterOf(kind, name)] {
			return false
		}
	}
	return true
}

// retire takes a replaced edit out of the queue. It stays in the task's history,
// beside what others wrote, with nobody's name: this laptop's own.
func retire(tx *sqlite.Tx, s *sending) error {
	kept := s.Fields.Clone()
	delete(kept, op.UpdatedAt)
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO heard (task_id, entity_type, entity_id, at, who, payload) VALUES (?, ?, ?, ?, '', ?)",
		nullText(s.task), s.Kind, s.Entity, s.CreatedAt, string(text)); err != nil {
		return err
	}
	_, err = tx.Exec("DELETE FROM sync_queue WHERE op_id = ?", s.ID)
	return err
}

// rewrite brings an op's row to what is sent, tried from now on.
func (s *sending) rewrite(tx *sqlite.Tx) error {
	payload, err := s.Fields.MarshalJSON()
	if err != nil {
		return err
	}
	var prev any
	if len(s.Prev) > 0 {
		text, err := s.Prev.MarshalJSON()
		if err != nil {
			return err
		}
		prev = string(text)
	}
	_, err = tx.Exec("UPDATE sync_queue SET payload = ?, prev = ?, base = ?, uncertain = ?, tried = 1 WHERE op_id = ?", string(payload), prev, s.Base, s.TimeUncertain, s.ID)
	return err
}
