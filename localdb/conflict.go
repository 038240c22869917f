package localdb

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func sortStrings(s []string) { slices.SortFunc(s, cmp.Compare) }

// conflict puts a conflict before the person. The same conflict told twice (in
// the answer to a push and in a pull) stays one, resolved or not. A server that
// was restored may come to another end of it than before, when the changes reach
// it in another order: that is news.
func (s settler) conflict(c wire.Conflict, merged bool) error {
	if tables[c.EntityType] == nil || c.Side != wire.SideLost && c.Side != wire.SideOverrode {
		return nil // a newer server's: nothing here could show it
	}
	kind := c.Side
	switch {
	case c.Why == op.WhyDeleted && c.Side == wire.SideLost:
		kind = "deleted"
	case merged && c.Side == wire.SideLost:
		kind = "merged"
	}
	mine, theirs := c.MineAll, c.TheirsAll
	if mine == nil {
		mine = op.Fields{c.Field: c.Mine}
	}
	if theirs == nil {
		theirs = op.Fields{c.Field: c.Theirs}
	}
	mineText, err := json.Marshal(cleanFields(c.EntityType, mine))
	if err != nil {
		return err
	}
	theirsText, err := json.Marshal(cleanFields(c.EntityType, theirs))
	if err != nil {
		return err
	}
	task := c.EntityID
	if c.EntityType != op.Task {
		rec, err := loadRecord(s.tx, c.EntityType, c.EntityID)
		if err != nil {
			rec = Record{Kind: c.EntityType, Fields: op.Fields{}}
		}
		task = taskOf(rec)
	}
	resolution, err := s.newest(c, kind)
	if err != nil {
		return err
	}
	state := "open"
	if resolution != nil {
		state = "resolved"
	}
	_, err = s.tx.Exec(`INSERT INTO conflicts (id, kind, entity_type, entity_id, task_id, field, mine, theirs, who, laptop, at, mine_at, why, heard_at, state, resolution)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, mine = excluded.mine, theirs = excluded.theirs, who = excluded.who, laptop = excluded.laptop, at = excluded.at, mine_at = excluded.mine_at,
			why = excluded.why, heard_at = excluded.heard_at, state = excluded.state, resolution = excluded.resolution
		WHERE (kind = 'overrode') <> (excluded.kind = 'overrode') OR mine <> excluded.mine OR theirs <> excluded.theirs`,
		c.ID, kind, c.EntityType, c.EntityID, nullText(task), c.Field, string(mineText), string(theirsText), op.Clean(c.Who, false), op.Clean(c.DeviceName, false), c.At, c.MineAt, c.Why, s.now, state, resolution)
	return err
}

// newest keeps one open conflict for each register that this laptop lost: its
// person's last value. What came before it the person has replaced knowingly,
// and "mine" must not bring it back. It returns the resolution of the new one,
// nil when it stands open.
func (s settler) newest(c wire.Conflict, kind string) (any, error) {
	if kind == wire.SideOverrode {
		return nil, nil
	}
	const same = "id <> ? AND state = 'open' AND entity_id = ? AND field = ? AND kind <> 'overrode' AND mine_at "
	var later int
	if err := s.tx.Scan([]any{&later}, "SELECT count(*) FROM conflicts WHERE "+same+"> ?", c.ID, c.EntityID, c.Field, c.MineAt); err != nil {
		return nil, err
	}
	if later > 0 {
		return resolvedNewer, nil
	}
	_, err := s.tx.Exec("UPDATE conflicts SET state = 'resolved', resolution = '"+resolvedNewer+"' WHERE "+same+"<= ?", c.ID, c.EntityID, c.Field, c.MineAt)
	return nil, err
}

// resolvedNewer: the person's own later change to the same register took its place.
const resolvedNewer = "newer"

func cleanFields(kind op.Kind, f op.Fields) op.Fields {
	out := make(op.Fields, len(f))
	for name, v := range f {
		out[name] = cleanField(kind, name, v)
	}
	return out
}

const conflictColumns = `SELECT c.id, c.kind, c.entity_type, c.entity_id, coalesce(c.task_id, ''), c.field, c.mine, c.theirs, c.who, c.laptop, c.at, c.mine_at, c.why, c.state,
	coalesce(c.resolution, ''), coalesce(i.label, s.name, t.title, ''), coalesce(t.number, '')
	FROM conflicts c LEFT JOIN tasks t ON t.id = c.task_id LEFT JOIN checklist_items i ON i.id = c.entity_id LEFT JOIN sites s ON s.id = c.entity_id `

// Conflicts lists the conflicts that nobody has looked at yet, or all of them:
// open ones first, newest first.
func (db *DB) Conflicts(ctx context.Context, all bool) ([]Conflict, error) {
	where := "WHERE c.state = 'open' "
	if all {
		where = ""
	}
	var out []Conflict
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		out, err = loadConflicts(tx, where+"ORDER BY c.state, c.heard_at DESC, c.id")
		return err
	})
	return out, err
}

func loadConflicts(tx *sqlite.Tx, where string, args ...any) ([]Conflict, error) {
	rows, err := tx.Query(conflictColumns+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Conflict
	for rows.Next() {
		var c Conflict
		var mine, theirs string
		if err := rows.Scan(&c.ID, &c.Kind, &c.EntityType, &c.EntityID, &c.TaskID, &c.Field, &mine, &theirs, &c.Who, &c.Laptop, &c.At, &c.MineAt, &c.Why, &c.State, &c.Resolution, &c.Title, &c.Number); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(mine), &c.MineAll); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(theirs), &c.TheirsAll); err != nil {
			return nil, err
		}
		c.Mine, c.Theirs = c.MineAll[c.Field], c.TheirsAll[c.Field]
		if c.Number == "" && c.TaskID != "" {
			c.Number = TempNumber(c.TaskID)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	for i := range out {
		if err := out[i].stand(tx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// wholeID completes an id of which a person wrote the beginning, if it fits one
// only; at least four characters, as with tasks.
func wholeID(tx *sqlite.Tx, id *string, query string) error {
	if len(*id) < 4 || strings.ContainsAny(*id, "%_") {
		return nil
	}
	ids, err := scanIDs(tx, query+" LIKE ? || '%'", *id)
	if err == nil && len(ids) == 1 {
		*id = ids[0]
	}
	return err
}

// Holds tells whether what decided a conflict stands by now: the value that won.
// Whoever has written since has replaced it.
func (c Conflict) Holds() bool {
	winner, all := c.Theirs, c.TheirsAll
	if c.Kind == "overrode" {
		winner, all = c.Mine, c.MineAll
	}
	if deleted, about := all[op.Deleted]; about {
		return (c.Stands == nil) == (deleted == true)
	}
	return c.Stands != nil && op.Equal(c.Stands[c.Field], winner)
}

// stand looks at what stands by now: both sides may have written since.
func (c *Conflict) stand(tx *sqlite.Tx) error {
	rec, err := loadRecord(tx, c.EntityType, c.EntityID)
	if errors.Is(err, ErrNotFound) || rec.Deleted {
		return nil
	}
	c.Stands = op.Fields{}
	for _, name := range op.Members(c.EntityType, op.RegisterOf(c.EntityType, c.Field)) {
		if v := rec.Fields[name]; v != nil {
			c.Stands[name] = v
		}
	}
	return err
}

// ResolveConflict takes a conflict off the list. With mine true my values are
// written again, as an ordinary new change made after seeing theirs (a deleted
// record comes back with them); otherwise theirs stay.
func (db *DB) ResolveConflict(ctx context.Context, id string, mine bool) error {
	return db.ResolveConflicts(ctx, []string{id}, mine)
}

// ResolveConflicts is [DB.ResolveConflict] for several, in one action: all of
// them or none, and one step of undo. Of several over the same register of one
// record the first named has the last word.
func (db *DB) ResolveConflicts(ctx context.Context, ids []string, mine bool) error {
	_, err := db.act(ctx, func(a *action) error {
		for _, id := range slices.Backward(ids) {
			if err := a.resolve(id, mine); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (a *action) resolve(id string, mine bool) error {
	c, err := a.openConflict(id)
	if err != nil {
		return err
	}
	a.resolution = "theirs"
	if mine {
		a.resolution = "mine"
		if err := a.takeMine(c); err != nil {
			return err
		}
	}
	a.settled = append(a.settled, c.ID)
	_, err = a.tx.Exec("UPDATE conflicts SET state = 'resolved', resolution = ? WHERE id = ?", a.resolution, c.ID)
	return err
}

func (a *action) openConflict(id string) (Conflict, error) {
	if err := wholeID(a.tx, &id, "SELECT id FROM conflicts WHERE id"); err != nil {
		return Conflict{}, err
	}
	found, err := loadConflicts(a.tx, "WHERE c.id = ?", id)
	if err != nil {
		return Conflict{}, err
	}
	if len(found) == 0 {
		return Conflict{}, &Error{Message: fmt.Sprintf("there is no conflict %q here", op.Clean(id, false)), Hint: "punchlist conflicts lists them, with ids", Cause: ErrNotFound}
	}
	if found[0].State != "open" {
		return Conflict{}, &Error{Message: fmt.Sprintf("that conflict is resolved already (%s)", found[0].Resolution)}
	}
	return found[0], nil
}

func (a *action) takeMine(c Conflict) error {
	if c.EntityType == op.Note {
		return nil // a note is a fact: both stand anyway
	}
	rec, err := loadRecord(a.tx, c.EntityType, c.EntityID)
	if err != nil {
		return fmt.Errorf("%s: %w", op.Word(c.EntityType), err)
	}
	if c.MineAll[op.Deleted] == true {
		if rec.Deleted {
			return nil
		}
		_, err := a.change(Change{Kind: c.EntityType, ID: c.EntityID, Action: op.Delete})
		return err
	}
	fields := c.MineAll.Clone()
	delete(fields, op.Deleted)
	for _, name := range op.Members(c.EntityType, op.RegisterOf(c.EntityType, c.Field)) {
		if _, mine := fields[name]; !mine {
			fields[name] = nil // the register wins as one
		}
	}
	if rec.Deleted {
		fields[op.Deleted] = false
	}
	_, err = a.change(Change{Kind: c.EntityType, ID: c.EntityID, Action: op.Update, Fields: fields})
	return err
}

// ReopenConflict puts a conflict that was dismissed back on the list.
func (db *DB) ReopenConflict(ctx context.Context, id string) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("UPDATE conflicts SET state = 'open', resolution = NULL WHERE id = ? AND resolution = 'theirs'", id)
		return err
	})
}
