package localdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// keptActions is how many actions can be undone one after the other.
const keptActions = 500

// deed is one change of an action, as it is kept to be undone.
type deed struct {
	Op     string    `json:"op_id"`          // the op that did it
	Undo   string    `json:"undo,omitempty"` // the op that undid it, if one was needed
	Kind   op.Kind   `json:"kind"`
	ID     string    `json:"id"`
	Task   string    `json:"task,omitempty"`
	Action op.Action `json:"action"`
	Fields op.Fields `json:"fields,omitempty"`
	Prev   op.Fields `json:"prev,omitempty"`
}

// Undone says what [DB.Undo] or [DB.Redo] did.
type Undone struct {
	What   string // a sentence: "Set T-1042 to completed"
	TaskID string // the task it is about; "" when there is none
	Left   string // what of it could not be undone, and why; "" mostly
	Queued bool   // it was sent already: the change back goes out as one of its own
}

// Undo takes the last action back. What was never tried to be sent leaves the
// queue as if it had not happened; for the rest a change back is queued, which
// acts only where the value is still the one that the action wrote. Imports are
// not actions. An action that cannot be undone any more is forgotten, and the
// error says why.
func (db *DB) Undo(ctx context.Context) (Undone, error) {
	return db.turn(ctx, turning{from: "done", to: "undone", order: "DESC", nothing: "There is nothing to undo.", cannot: "cannot be undone",
		try: (*action).takeBackDeeds, check: (*action).mine, do: (*action).invert})
}

// Redo does again what was undone last. A new action makes an end of redoing.
func (db *DB) Redo(ctx context.Context) (Undone, error) {
	return db.turn(ctx, turning{from: "undone", to: "done", order: "ASC", nothing: "There is nothing to redo.", cannot: "cannot be done again",
		try: (*action).putBackDeeds, check: (*action).free, do: (*action).again})
}

// turning is one of the two ways.
type turning struct {
	from, to, order, nothing, cannot string

	try   func(*action, []deed) (bool, error)                 // turns all of it inside the queue, where that can be
	check func(*action, deed, []deed) (why string, err error) // why a deed cannot be turned any more
	do    func(*action, *deed) error
}

func (db *DB) turn(ctx context.Context, way turning) (Undone, error) {
	var out Undone
	var refused error
	err := db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		out, refused = Undone{}, nil
		a, err := db.begin(tx)
		if err != nil {
			return err
		}
		var id int64
		var text string
		var conflict, resolution sql.NullString
		err = tx.Scan([]any{&id, &text, &conflict, &resolution}, "SELECT id, changes, conflict_id, resolution FROM actions WHERE state = ? ORDER BY id "+way.order+" LIMIT 1", way.from)
		if errors.Is(err, sql.ErrNoRows) {
			return &Error{Message: way.nothing}
		}
		if err != nil {
			return err
		}
		var deeds []deed
		if err := json.Unmarshal([]byte(text), &deeds); err != nil {
			return err
		}
		if out, err = a.describe(deeds, conflict.String); err != nil {
			return err
		}
		whole, err := a.turnDeeds(deeds, way, &out)
		if err != nil {
			return err
		}
		if !whole {
			refused = &Error{Message: fmt.Sprintf("“%s” %s: %s", out.What, way.cannot, out.Left)}
			_, err := tx.Exec("DELETE FROM actions WHERE id = ?", id)
			return err
		}
		if err := a.turnConflicts(conflict.String, resolution.String, way.to); err != nil {
			return err
		}
		changed, err := json.Marshal(deeds)
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE actions SET state = ?, changes = ? WHERE id = ?", way.to, string(changed), id)
		return err
	})
	return out, errors.Join(err, refused)
}

// turnDeeds turns what can be turned; false when nothing can.
func (a *action) turnDeeds(deeds []deed, way turning, out *Undone) (bool, error) {
	if len(deeds) == 0 {
		return true, nil
	}
	if done, err := way.try(a, deeds); done || err != nil {
		return done, err
	}
	left, reasons := map[string]bool{}, []string{} // by task: an action is not torn apart within one
	can := make([]bool, len(deeds))
	for i, d := range deeds {
		if left[d.Task] {
			continue
		}
		why, err := way.check(a, d, deeds)
		if err != nil {
			return false, err
		}
		can[i] = why == ""
		if why != "" && (i == 0 || deeds[i-1].Task != d.Task) {
			left[d.Task] = true
			reasons = append(reasons, why)
		}
	}
	turned := 0
	for n := range deeds {
		i := n
		if way.to == "undone" {
			i = len(deeds) - 1 - n
		}
		if !can[i] || left[deeds[i].Task] {
			continue
		}
		if err := way.do(a, &deeds[i]); err != nil {
			return false, err
		}
		turned++
	}
	if len(reasons) > 0 {
		out.Left = reasons[0]
		if len(reasons) > 1 {
			out.Left += fmt.Sprintf(", and %d more", len(reasons)-1)
		}
	} else if turned == 0 {
		out.Left = "it was changed since"
	}
	out.Queued = len(a.saved.OpIDs) > 0
	if len(a.saved.OpIDs) > 1 {
		if err := a.tie(); err != nil {
			return false, err
		}
	}
	return turned > 0, nil
}

// turnConflicts opens the conflicts again that the action settled, or settles
// them again. ids are joined as [action.remember] joins them.
func (a *action) turnConflicts(ids, resolution, to string) error {
	state, how := "resolved", any(resolution)
	if to == "undone" {
		state, how = "open", nil
	}
	for _, id := range strings.Fields(ids) {
		if _, err := a.tx.Exec("UPDATE conflicts SET state = ?, resolution = ? WHERE id = ?", state, how, id); err != nil {
			return err
		}
	}
	return nil
}

// remember keeps the action, so that it can be undone. What was undone before
// cannot be redone any more.
func (a *action) remember() error {
	if len(a.deeds) == 0 && len(a.settled) == 0 {
		return nil
	}
	text, err := json.Marshal(a.deeds)
	if err != nil {
		return err
	}
	if len(a.deeds) == 0 {
		text = []byte("[]")
	}
	if _, err := a.tx.Exec("DELETE FROM actions WHERE state = 'undone'"); err != nil {
		return err
	}
	res, err := a.tx.Exec("INSERT INTO actions (at, changes, conflict_id, resolution) VALUES (?, ?, ?, ?)", a.now, string(text), nullText(strings.Join(a.settled, " ")), nullText(a.resolution))
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return err
	}
	_, err = a.tx.Exec("DELETE FROM actions WHERE id <= ?", id-keptActions)
	return err
}

// describe says what an action did, by its first change and the number of its
// tasks; conflicts are those that it settled.
func (a *action) describe(deeds []deed, conflicts string) (Undone, error) {
	if n := len(strings.Fields(conflicts)); n > 1 {
		return Undone{What: fmt.Sprintf("Settled %d conflicts", n)}, nil
	}
	if len(deeds) == 0 {
		found, err := loadConflicts(a.tx, "WHERE c.id = ?", conflicts)
		if err != nil || len(found) == 0 {
			return Undone{What: "Settled a conflict"}, err
		}
		c := found[0]
		return Undone{What: fmt.Sprintf("Settled the conflict over %s of %s", strings.ReplaceAll(c.Field, "_", " "), c.Number), TaskID: c.TaskID}, nil
	}
	d, tasks := deeds[0], map[string]bool{}
	for _, x := range deeds {
		tasks[x.Task] = true
	}
	number, label, err := a.names(d)
	if err != nil {
		return Undone{}, err
	}
	prev := d.Prev
	if prev == nil {
		prev = op.Fields{}
	}
	out := Undone{What: sentence(op.Op{Kind: d.Kind, Action: d.Action, Fields: d.Fields, Prev: prev}, number, label), TaskID: d.Task}
	switch n := len(tasks) - 1; {
	case n == 1:
		out.What += " and one other task"
	case n > 1:
		out.What += fmt.Sprintf(" and %d other tasks", n)
	}
	return out, nil
}

// names are what people call a deed's task, and its checklist item or site.
func (a *action) names(d deed) (number, label string, err error) {
	if d.Task != "" {
		number = TempNumber(d.Task)
		var given sql.NullString
		err := a.tx.Scan([]any{&given}, "SELECT number FROM tasks WHERE id = ?", d.Task)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return "", "", err
		}
		if given.String != "" {
			number = given.String
		}
	}
	if d.Kind != op.Item && d.Kind != op.Site {
		return number, "", nil
	}
	rec, err := loadRecord(a.tx, d.Kind, d.ID)
	if errors.Is(err, ErrNotFound) {
		return number, "", nil
	}
	if err != nil {
		return "", "", err
	}
	return number, rec.Fields.Text("label") + rec.Fields.Text("code"), nil
}
