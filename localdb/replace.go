package localdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// ReplaceOp puts other values into a change that the server refused, leaves out
// the fields named in drop, and sends it again as a new change of now, with the
// others of its action and what waits behind it. A change that never left yet is
// mended where it stands. Errors: *[op.Refusal] for what no server would accept
// either; *[Error] for an op that is on its way or not there.
func (db *DB) ReplaceOp(ctx context.Context, opID string, set op.Fields, drop ...string) error {
	var parked bool
	err := db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		a, err := db.begin(tx)
		if err != nil {
			return err
		}
		s, err := a.waiting(opID)
		if err != nil {
			return err
		}
		parked = s.parked
		switch {
		case s.tried && !parked:
			return &Error{Message: "this change is on its way to the server, which may have it already", Hint: "change the record itself: that goes out after it"}
		case s.exported && !parked:
			return &Error{Message: "this change went into a file of unsent work and may be sent from elsewhere", Hint: "change the record itself: that goes out after it"}
		}
		fields := s.Fields.Clone()
		for name, v := range set {
			fields[name] = v
		}
		for _, name := range drop {
			delete(fields, name)
		}
		if parked {
			later, err := a.behind(s.Op)
			if err != nil {
				return err
			}
			if err := admit(s.Op, set, later); err != nil {
				return err
			}
			if err := a.isNewest(set, later); err != nil {
				return err
			}
		}
		return a.replace(s, fields)
	})
	if err != nil || !parked {
		return err
	}
	return db.RetryOp(ctx, opID)
}

// unsent is an op in the queue with what only this laptop knows of it.
type unsent struct {
	op.Op
	read                    op.Reading
	parked, tried, exported bool
}

// waiting reads one op of the queue.
func (a *action) waiting(opID string) (unsent, error) {
	rows, err := a.tx.Query("SELECT "+queueColumns+", q.state = 'parked', q.tried, q.exported > 0 FROM sync_queue q WHERE q.op_id = ?", opID)
	if err != nil {
		return unsent{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		return unsent{}, errors.Join(rows.Err(), noSuchOp(opID))
	}
	var s unsent
	s.Op, s.read, _, err = scanOp(rows, &s.parked, &s.tried, &s.exported)
	return s, err
}

// replace gives an op its new fields, as something the person does now if it was
// refused before, and brings the record to them.
func (a *action) replace(s unsent, fields op.Fields) error {
	if s.Action == op.Delete {
		return &Error{Message: "a deletion has no fields to change", Hint: "punchlist queue discard " + s.ID + ", or send it again: punchlist queue retry " + s.ID}
	}
	for name, v := range fields {
		if v == nil && s.Action == op.Insert {
			delete(fields, name) // a new record is empty there anyway
		}
	}
	if len(fields) == 0 || len(fields) == 1 && fields[op.UpdatedAt] != nil {
		return &Error{Message: "nothing would be left of the change", Hint: "punchlist queue discard " + s.ID}
	}
	if s.parked {
		s.read, fields[op.UpdatedAt] = a.read, a.now
	}
	s.Fields = fields
	if r := op.Check(&s.Op); r != nil {
		return r
	}
	text, err := json.Marshal(s.Fields)
	if err != nil {
		return err
	}
	if _, err := a.tx.Exec("UPDATE sync_queue SET payload = ?, created_at = ?, boot_id = ?, boot_ms = ?, exported = 0 WHERE op_id = ?", string(text), s.read.Wall, s.read.BootID, s.read.Boot, s.ID); err != nil {
		return fmt.Errorf("replace op %s: %w", s.ID, err)
	}
	return rebuild(a.tx, s.Kind, s.Entity)
}

// mend puts an edit of a record whose INSERT the server refused into that INSERT:
// by itself it would wait behind it for ever. It returns the INSERT's op, or "".
func (a *action) mend(opID string) (string, error) {
	o, err := a.waiting(opID)
	if err != nil || o.Action != op.Update {
		return "", err
	}
	var id string
	found, err := scanOne(a.tx, &id, "SELECT op_id FROM sync_queue WHERE entity_id = ? AND state = 'parked' AND action = 'INSERT'", o.Entity)
	if err != nil || !found {
		return "", err
	}
	s, err := a.waiting(id)
	if err != nil {
		return "", err
	}
	fields := s.Fields.Clone()
	for name, v := range o.Fields {
		fields[name] = v
	}
	if _, err := a.tx.Exec("DELETE FROM sync_queue WHERE op_id = ?", opID); err != nil {
		return "", err
	}
	later, err := a.behind(s.Op)
	if err != nil {
		return "", err
	}
	if err := a.isNewest(o.Fields, later); err != nil {
		return "", err
	}
	return id, a.replace(s, fields)
}

// behind are the changes of its record that wait behind an op.
func (a *action) behind(o op.Op) ([]op.Op, error) {
	return loadOps(a.tx, "q.entity_id = ? AND q.id > ?", o.Entity, o.Seq)
}

// admit refuses to put a part of a register right where a later change says the
// whole of it otherwise, or says it together with others: the person did not mean to
// take that back.
func admit(o op.Op, set op.Fields, later []op.Op) error {
	for _, l := range later {
		for name := range set {
			register := op.RegisterOf(o.Kind, name)
			first := op.Members(o.Kind, register)[0]
			_, whole := set[first]
			if name == op.UpdatedAt || !slices.Contains(registers(l), register) || whole && l.Group == "" {
				continue
			}
			says := strings.ReplaceAll(strings.ToLower(fmt.Sprint(l.Fields[first])), "_", " ")
			return &Error{Message: fmt.Sprintf("a later change of yours says %s %s", strings.ReplaceAll(first, "_", " "), op.Clean(says, false)),
				Hint: "punchlist queue discard " + o.ID + " leaves that; or change the record itself"}
		}
	}
	return nil
}

// isNewest: what a person puts right in a refused change is newer than all that
// waits behind it on its record, and must not be covered by that once it goes out.
func (a *action) isNewest(set op.Fields, later []op.Op) error {
	for _, l := range later {
		if _, _, err := yieldTo(a.tx, l, []op.Op{{Kind: l.Kind, Action: op.Update, Fields: set}}); err != nil {
			return err
		}
	}
	return nil
}
