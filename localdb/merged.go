package localdb

import (
	"context"
	"encoding/json"
	"errors"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Merge tells that somebody else changed other fields of a record than this
// laptop did, and that both changes stand.
type Merge struct {
	TaskID string
	Number string
	Title  string
	Kind   op.Kind
	Who    string   // "" when the server did not say
	Laptop string   // where Who is this laptop's own person: the other laptop
	Fields []string // what the other side changed, in order
}

// Meanings of heard.merged.
const (
	noMerge = iota
	mergeUnseen
	mergeSeen
	mergeExpected // once the server has taken the unsent change
)

// Merges lists the merges that nobody has looked at yet, the newest first, at
// most limit; with a task, its own.
func (db *DB) Merges(ctx context.Context, taskID string, limit int) ([]Merge, error) {
	var out []Merge
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT coalesce(h.task_id, ''), coalesce(t.number, ''), coalesce(t.title, ''), h.entity_type, h.who, h.laptop, h.payload
			FROM heard h LEFT JOIN tasks t ON t.id = h.task_id WHERE h.merged = 1 AND ?1 IN ('', h.task_id) ORDER BY h.id DESC LIMIT ?2`, taskID, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var m Merge
			var payload string
			if err := rows.Scan(&m.TaskID, &m.Number, &m.Title, &m.Kind, &m.Who, &m.Laptop, &payload); err != nil {
				return err
			}
			var fields op.Fields
			if err := json.Unmarshal([]byte(payload), &fields); err != nil {
				return err
			}
			for name := range fields {
				m.Fields = append(m.Fields, name)
			}
			sortStrings(m.Fields)
			if m.Number == "" && m.TaskID != "" {
				m.Number = TempNumber(m.TaskID)
			}
			out = append(out, m)
		}
		return rows.Err()
	})
	return out, err
}

// MergesSeen notes that the person has looked at a task: its merges are no news
// any more.
func (db *DB) MergesSeen(ctx context.Context, taskID string) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("UPDATE heard SET merged = ? WHERE task_id = ? AND merged = ?", mergeSeen, taskID, mergeUnseen)
		return err
	})
}

// before is what the server had said of a record until now: the row itself, or
// what lies under the unsent changes.
func (s settler) before(cur Record) (Record, error) {
	rec, err := serverRecord(s.tx, cur.Kind, cur.ID)
	if err == nil {
		return rec, nil
	}
	return cur, ignoreMissing(err)
}

// meets tells whether others' changes of a record will stand beside the unsent
// ones: none of them touches the same register.
func (s settler) meets(kind op.Kind, id string, changed op.Fields) (int, error) {
	rows, err := s.tx.Query("SELECT action, payload FROM sync_queue WHERE entity_id = ? AND entity_type = ?", id, kind)
	if err != nil {
		return noMerge, err
	}
	defer rows.Close()
	unsent := noMerge
	for rows.Next() {
		var action op.Action
		var payload string
		if err := rows.Scan(&action, &payload); err != nil {
			return noMerge, err
		}
		fields, err := op.ParseFields(payload)
		if err != nil {
			return noMerge, err
		}
		if _, deleted := changed[op.Deleted]; deleted || action != op.Update || shareRegister(kind, fields, changed) {
			return noMerge, nil
		}
		unsent = mergeExpected
	}
	return unsent, rows.Err()
}

// merged notes what the answer to an op says of merges. before is the record as
// the server had told it until then.
func (s settler) merged(o op.Op, r wire.Result, before Record) error {
	now := noMerge // it lost something: that is told as a conflict
	if r.Outcome == op.Applied {
		now = mergeUnseen
	}
	if _, err := s.tx.Exec("UPDATE heard SET merged = ? WHERE entity_id = ? AND merged = ?", now, o.Entity, mergeExpected); err != nil {
		return err
	}
	if r.Outcome != op.Applied || o.Action != op.Update || r.ServerState == nil || before.Version == 0 {
		return nil
	}
	after, err := fromState(o.Kind, r.ServerState)
	if errors.Is(err, errUnfit) {
		return nil // there is a notice of it
	}
	if err != nil {
		return err
	}
	for name := range o.Fields {
		for _, member := range op.Members(o.Kind, op.RegisterOf(o.Kind, name)) {
			before.Fields[member] = after.Fields[member] // my own change is no news
		}
	}
	if o.Fields[op.Deleted] == false {
		before.Deleted = after.Deleted
	}
	by := writer{user: r.By}
	if dev, err := loadDevice(s.tx); err != nil {
		return err
	} else if by.user == dev.User { // what is unseen was not written here
		by.laptop = "another laptop"
	}
	return s.heard(by, before, after, mergeUnseen)
}

// ignoreMissing is nil for [ErrNotFound].
func ignoreMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
