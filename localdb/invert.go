package localdb

import (
	"errors"
	"fmt"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// takenColumns are what an op keeps while it is out of the queue.
const takenColumns = "id, op_id, entity_id, entity_type, action, payload, prev, base, group_id, task_id, created_at, boot_id, boot_ms"

// takeBackDeeds takes an action's ops out of the queue, if none of them was
// tried yet and nothing else that waits rests on them.
func (a *action) takeBackDeeds(deeds []deed) (bool, error) {
	ids := make([]string, len(deeds))
	for i, d := range deeds {
		ids[i] = d.Op
	}
	return a.takeBack(ids, deeds)
}

func (a *action) takeBack(ids []string, deeds []deed) (bool, error) {
	ours := map[string]bool{}
	for _, id := range ids {
		ours[id] = true
	}
	for i, id := range ids {
		var untried bool
		found, err := scanOne(a.tx, &untried, "SELECT state = 'parked' OR tried = 0 AND exported = 0 FROM sync_queue WHERE op_id = ?", id)
		if err != nil || !found || !untried {
			return false, err
		}
		if deeds[i].Action != op.Insert {
			continue
		}
		resting, err := collectAll(a.tx, "SELECT op_id FROM sync_queue WHERE entity_id = ?1 OR task_id = ?1", deeds[i].ID)
		if err != nil {
			return false, err
		}
		for _, other := range resting {
			if !ours[other] {
				return false, nil
			}
		}
	}
	for _, id := range ids {
		if _, err := a.tx.Exec("INSERT INTO taken_back ("+takenColumns+", taken_at) SELECT "+takenColumns+", 0 FROM sync_queue WHERE op_id = ?", id); err != nil {
			return false, err
		}
		if _, err := a.tx.Exec("DELETE FROM sync_queue WHERE op_id = ?", id); err != nil {
			return false, err
		}
	}
	for _, d := range deeds {
		if err := rebuild(a.tx, d.Kind, d.ID); err != nil {
			return false, err
		}
	}
	return true, nil
}

// putBackDeeds is the way back: into the queue again, each op under its own id
// and at its own place, so that one that was on its way after all stays one;
// unless newer changes to the record wait, which it would come before. Where the
// undoing was an op itself, that one is taken back.
func (a *action) putBackDeeds(deeds []deed) (bool, error) {
	for _, d := range deeds {
		var there bool
		found, err := scanOne(a.tx, &there, "SELECT 1 FROM taken_back WHERE op_id = ?", d.Op)
		if err != nil {
			return false, err
		}
		if !found {
			return a.takeBackUndo(deeds)
		}
		var newer int
		if _, err := scanOne(a.tx, &newer, "SELECT count(*) FROM sync_queue q JOIN taken_back b ON b.entity_id = q.entity_id WHERE b.op_id = ? AND q.id > b.id", d.Op); err != nil || newer > 0 {
			return false, err
		}
	}
	for _, d := range deeds {
		if _, err := bringBack(a.tx, d.Op); err != nil {
			return false, err
		}
		if err := rebuild(a.tx, d.Kind, d.ID); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (a *action) takeBackUndo(deeds []deed) (bool, error) {
	ids := make([]string, len(deeds))
	for i, d := range deeds {
		if ids[i] = d.Undo; d.Undo == "" {
			return false, nil
		}
	}
	undone := make([]deed, len(deeds))
	for i, d := range deeds {
		undone[i] = deed{Kind: d.Kind, ID: d.ID, Action: op.Update}
	}
	done, err := a.takeBack(ids, undone)
	if done {
		for i := range deeds {
			deeds[i].Undo = ""
		}
	}
	return done, err
}

// bringBack puts an op that was taken back into the queue again, as it was;
// false when there is none of that id.
func bringBack(tx *sqlite.Tx, opID string) (bool, error) {
	var kind op.Kind
	var id string
	rows, err := tx.Query("SELECT entity_type, entity_id FROM taken_back WHERE op_id = ?", opID)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	if err := rows.Scan(&kind, &id); err != nil {
		return false, err
	}
	rows.Close()
	cur, err := loadRecord(tx, kind, id)
	if err == nil {
		err = keepServerState(tx, cur)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	if _, err := tx.Exec("INSERT INTO sync_queue ("+takenColumns+") SELECT "+takenColumns+" FROM taken_back WHERE op_id = ?", opID); err != nil {
		return false, err
	}
	_, err = tx.Exec("DELETE FROM taken_back WHERE op_id = ?", opID)
	return true, err
}

// mine says why a deed cannot be undone by a change back: because what it wrote
// is not there any more.
func (a *action) mine(d deed, all []deed) (string, error) {
	rec, err := loadRecord(a.tx, d.Kind, d.ID)
	if errors.Is(err, ErrNotFound) {
		return a.because(d, "is not here any more"), nil
	}
	if err != nil {
		return "", err
	}
	switch d.Action {
	case op.Delete:
		if !rec.Deleted {
			return a.because(d, "is back already"), nil
		}
		return "", nil
	case op.Insert:
		return a.mineAlone(d, rec, all)
	}
	if rec.Deleted {
		return a.because(d, "was deleted since"), nil
	}
	if d.Prev[op.Deleted] == true || len(unchanged(d, rec, d.Fields)) > 0 {
		return "", nil
	}
	return a.because(d, "was changed since"), nil
}

// mineAlone: a record that was made is only unmade while nobody added to it.
func (a *action) mineAlone(d deed, rec Record, all []deed) (string, error) {
	switch {
	case d.Kind == op.Note:
		return "it went out and stays; add another", nil // append-only: the server would refuse to take it back
	case rec.Deleted:
		return a.because(d, "was deleted since"), nil
	}
	for name, v := range rec.Fields {
		if f, _ := op.FieldOf(d.Kind, name); !f.Derived && name != op.UpdatedAt && name != op.CrewField && !op.Equal(v, d.Fields[name]) {
			return a.because(d, "was changed since; D deletes it"), nil
		}
	}
	if d.Kind != op.Task {
		return "", nil
	}
	ours := map[string]bool{}
	for _, x := range all {
		ours[x.ID] = true
	}
	hanging, err := collectAll(a.tx, `SELECT id FROM checklist_items WHERE task_id = ?1 AND deleted = 0 UNION ALL SELECT id FROM notes WHERE task_id = ?1 AND deleted = 0
		UNION ALL SELECT id FROM time_entries WHERE task_id = ?1 AND deleted = 0`, d.ID)
	if err != nil {
		return "", err
	}
	for _, id := range hanging {
		if !ours[id] {
			return a.because(d, "has notes or steps by now; D deletes it"), nil
		}
	}
	return "", nil
}

// free says why a deed cannot be done again: because what it changed is not as
// undoing left it.
func (a *action) free(d deed, _ []deed) (string, error) {
	rec, err := loadRecord(a.tx, d.Kind, d.ID)
	missing := errors.Is(err, ErrNotFound)
	switch {
	case missing && d.Action == op.Insert:
		return "", nil
	case missing:
		return a.because(d, "is not here any more"), nil
	case err != nil:
		return "", err
	case d.Action == op.Insert && !rec.Deleted:
		return a.because(d, "is back already"), nil
	case d.Action == op.Insert:
		return "", nil
	case rec.Deleted && d.Prev[op.Deleted] != true:
		return a.because(d, "was deleted since"), nil
	case d.Action == op.Update && d.Prev[op.Deleted] != true && len(unchanged(d, rec, d.Prev)) == 0:
		return a.because(d, "was changed since"), nil
	}
	return "", nil
}

// because names what a deed is about.
func (a *action) because(d deed, what string) string {
	number, label, err := a.names(d)
	if err != nil || number == "" {
		return op.Word(d.Kind) + " " + what
	}
	if label != "" {
		return fmt.Sprintf("“%s” of %s %s", label, number, what)
	}
	return number + " " + what
}

// unchanged are the registers of a deed in which the record still holds all of
// the values.
func unchanged(d deed, rec Record, values op.Fields) map[string]bool {
	out := map[string]bool{}
	for name := range d.Prev {
		out[op.RegisterOf(d.Kind, name)] = true
	}
	for name, v := range values {
		if register := op.RegisterOf(d.Kind, name); !op.Equal(v, rec.Fields[name]) {
			delete(out, register)
		}
	}
	delete(out, op.Deleted)
	return out
}

// invert queues the change back of one deed.
func (a *action) invert(d *deed) error {
	rec, err := loadRecord(a.tx, d.Kind, d.ID)
	if err != nil {
		return err
	}
	c := Change{Kind: d.Kind, ID: d.ID, Action: op.Update, Fields: op.Fields{}}
	switch {
	case d.Action == op.Insert, d.Prev[op.Deleted] == true:
		c.Action, c.Fields = op.Delete, nil
	case d.Action == op.Delete:
		c.Fields[op.Deleted] = false
	default:
		c.Fields = only(d.Kind, unchanged(*d, rec, d.Fields), d.Prev)
	}
	return a.turned(c, &d.Undo)
}

// again queues the change of one deed once more.
func (a *action) again(d *deed) error {
	rec, err := loadRecord(a.tx, d.Kind, d.ID)
	missing := errors.Is(err, ErrNotFound)
	if err != nil && !missing {
		return err
	}
	c := Change{Kind: d.Kind, ID: d.ID, Action: d.Action, Fields: d.Fields}
	switch {
	case d.Action == op.Insert && !missing:
		c.Action, c.Fields = op.Update, op.Fields{op.Deleted: false}
	case d.Action == op.Update && d.Prev[op.Deleted] != true:
		c.Fields = only(d.Kind, unchanged(*d, rec, d.Prev), d.Fields)
	}
	if _, err := a.tx.Exec("DELETE FROM taken_back WHERE op_id = ?", d.Op); err != nil {
		return err
	}
	d.Undo = ""
	return a.turned(c, &d.Op)
}

// turned makes a change and notes the op that it became.
func (a *action) turned(c Change, opID *string) error {
	before := len(a.saved.OpIDs)
	if _, err := a.change(c); err != nil {
		return err
	}
	if len(a.saved.OpIDs) > before {
		*opID = a.saved.OpIDs[before]
	}
	return nil
}

// only are the values of some registers.
func only(kind op.Kind, registers map[string]bool, values op.Fields) op.Fields {
	out := op.Fields{}
	for name, v := range values {
		if registers[op.RegisterOf(kind, name)] {
			out[name] = v
		}
	}
	return out
}

// undoLate queues the change back of an op that was taken back while it was on
// its way: the server has it, or may have.
func (db *DB) undoLate(tx *sqlite.Tx, o op.Op) error {
	a, err := db.begin(tx)
	if err != nil {
		return err
	}
	d := deed{Op: o.ID, Kind: o.Kind, ID: o.Entity, Action: o.Action, Fields: o.Fields.Clone(), Prev: o.Prev}
	delete(d.Fields, op.UpdatedAt)
	if rec, err := loadRecord(tx, o.Kind, o.Entity); err == nil {
		d.Task = taskOf(rec)
	}
	why, err := a.mine(d, nil)
	if err != nil || why != "" {
		return err // somebody else has written there since, or it is a note: it stays
	}
	return a.invert(&d)
}

// scanOne reads one value; found is false when there is no row.
func scanOne(tx *sqlite.Tx, dest any, query string, args ...any) (found bool, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	return true, rows.Scan(dest)
}
