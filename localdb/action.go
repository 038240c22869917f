package localdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// maxGroup bounds the changes of one action: a group is never split over two
// batches, and the server takes at most 500 ops a batch.
const maxGroup = 500

// action is one person's action while its transaction runs.
type action struct {
	db    *DB
	tx    *sqlite.Tx
	dev   Device
	read  op.Reading
	now   int64 // when it happened, corrected, ms
	saved Saved

	deeds      []deed   // what can be undone
	settled    []string // the conflicts that the action settles …
	resolution string   // … and how
}

// Do carries out one action: all its changes and their rows in the queue in one
// transaction, or none. A change that changes nothing writes nothing. Errors:
// *[op.Refusal] for what no server would accept, *[Error] for what a person can
// cure, [ErrNotFound].
func (db *DB) Do(ctx context.Context, changes ...Change) (Saved, error) {
	return db.act(ctx, func(a *action) error {
		if len(changes) > maxGroup {
			return fmt.Errorf("an action holds at most %d changes, not %d", maxGroup, len(changes))
		}
		for _, c := range changes {
			if _, err := a.change(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// DoEach carries out any number of changes in one transaction, each an op of its
// own: for imports. All or none.
func (db *DB) DoEach(ctx context.Context, changes iter.Seq[Change]) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		a, err := db.begin(tx)
		if err != nil {
			return err
		}
		for c := range changes {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := a.change(c); err != nil {
				return err
			}
			a.saved, a.deeds = Saved{}, nil // there may be a million of them
		}
		return nil
	})
}

// act runs one action. Its ops are tied into a group when there are several.
func (db *DB) act(ctx context.Context, do func(*action) error) (Saved, error) {
	var saved Saved
	var mended string
	err := db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		a, err := db.begin(tx)
		if err != nil {
			return err
		}
		if err := do(a); err != nil {
			return err
		}
		if n := len(a.saved.OpIDs); n > maxGroup {
			return fmt.Errorf("an action holds at most %d changes; this one makes %d", maxGroup, n)
		} else if n > 1 {
			if err := a.tie(); err != nil {
				return err
			}
		} else if len(a.saved.OpIDs) == 1 {
			if mended, err = a.mend(a.saved.OpIDs[0]); err != nil {
				return err
			}
		}
		saved = a.saved
		return a.remember()
	})
	if errors.Is(err, sqlite.ErrUnsure) {
		err = db.lookAgain(ctx, saved, err)
	}
	if errors.Is(err, sqlite.ErrGone) {
		err = &Error{Message: "nothing was saved: " + sqlite.ErrGone.Error(), Hint: Cure(err, db.Path()), Cause: err}
	}
	if errors.Is(err, sqlite.ErrReadOnly) {
		err = &Error{Message: "nothing was saved: " + err.Error(), Hint: "check who owns " + db.Path() + " and whether the disk is mounted read-only", Cause: err}
	}
	if err == nil && mended != "" {
		err = db.RetryOp(ctx, mended) // by itself: at worst it stays refused, with the new values
	}
	return saved, err
}

func (db *DB) begin(tx *sqlite.Tx) (*action, error) {
	dev, err := loadDevice(tx)
	if err != nil {
		return nil, err
	}
	if dev.Role == op.Viewer {
		return nil, &op.Refusal{Code: op.CodeForbidden, Message: "your account may only look; ask the office for the role technician"}
	}
	a := &action{db: db, tx: tx, dev: dev, read: db.clock()}
	times, err := loadTimes(tx, a.read)
	if err != nil {
		return nil, err
	}
	a.now = times.of(a.read)
	return a, nil
}

func (a *action) tie() error {
	a.saved.Group = a.db.newID()
	for _, id := range a.saved.OpIDs {
		if _, err := a.tx.Exec("UPDATE sync_queue SET group_id = ? WHERE op_id = ?", a.saved.Group, id); err != nil {
			return err
		}
	}
	return nil
}

// change writes one change: the record as the person will see it, and the op
// that will tell the server. It returns the record's id.
//
//	       person
//	         │ fields
//	         ▼
//	record ──diff──► op ──► sync_queue
//	  │               │
//	  │ first unsent? ▼
//	  └─► server_records   record + op = the row the screen reads
func (a *action) change(c Change) (string, error) {
	if tables[c.Kind] == nil {
		return "", &op.Refusal{Code: op.CodeUnknownKind, Message: fmt.Sprintf("%q is not a kind of record", c.Kind)}
	}
	if c.Action == op.Insert && c.ID == "" {
		c.ID = a.db.newID()
	}
	fields := c.Fields.Clone()
	fields[op.UpdatedAt] = a.now
	o := op.Op{ID: a.db.newID(), Kind: c.Kind, Entity: c.ID, Action: c.Action, Fields: fields, CreatedAt: max(a.read.Wall, 1), Schema: op.Schema}
	if r := op.Check(&o); r != nil {
		return "", r
	}
	c.ID = o.Entity
	cur, err := loadRecord(a.tx, c.Kind, c.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", err
	}
	exists := err == nil
	if err := a.allowed(c, cur, exists); err != nil {
		return "", err
	}
	o.Prev = op.Fields{}
	if c.Action == op.Update && !a.diff(&o, cur) {
		return c.ID, nil
	}
	parts, err := a.parts(o, cur.Version)
	if err != nil {
		return "", err
	}
	if exists {
		if err := keepServerState(a.tx, cur); err != nil {
			return "", err
		}
	} else {
		cur = Record{Kind: c.Kind, ID: c.ID, Fields: op.Fields{}}
	}
	overlay(&cur, o.Fields)
	if from, to := cur.Fields.Int("window_start"), cur.Fields.Int("window_end"); c.Kind == op.Task && from > to && to != 0 {
		return "", &op.Refusal{Code: op.CodeBadValue, Field: "window_end", Message: "the window ends before it starts"}
	}
	cur.Deleted = cur.Deleted && c.Action != op.Insert || c.Action == op.Delete
	if err := saveRecord(a.tx, cur); err != nil {
		return "", err
	}
	a.saved.IDs = append(a.saved.IDs, c.ID)
	for _, part := range parts {
		if err := a.enqueue(part, taskOf(cur)); err != nil {
			return "", err
		}
		kept := part.Fields.Clone()
		delete(kept, op.UpdatedAt)
		a.saved.OpIDs = append(a.saved.OpIDs, part.ID)
		a.deeds = append(a.deeds, deed{Op: part.ID, Kind: o.Kind, ID: o.Entity, Task: taskOf(cur), Action: o.Action, Fields: kept, Prev: part.Prev})
	}
	return c.ID, nil
}

// parts gives an op its base. An op has one, but an unsent change hides the
// server's word on its own registers only: where the person saw different
// versions of what one change touches, it becomes an op for each. With the oldest
// base for all, values that the person had seen would beat the change.
func (a *action) parts(o op.Op, version int64) (out []op.Op, err error) {
	o.Base, err = a.base(o, version)
	if _, restores := o.Fields[op.Deleted]; err != nil || o.Base == version || o.Action != op.Update || restores {
		return []op.Op{o}, err
	}
	registers := map[string]op.Fields{}
	for name, v := range o.Fields {
		if register := op.RegisterOf(o.Kind, name); name != op.UpdatedAt && registers[register] == nil {
			registers[register] = op.Fields{name: v}
		} else if name != op.UpdatedAt {
			registers[register][name] = v
		}
	}
	seen := map[int64]op.Fields{}
	for _, fields := range registers {
		base, err := a.base(op.Op{Kind: o.Kind, Entity: o.Entity, Action: o.Action, Fields: fields}, version)
		if err != nil {
			return nil, err
		}
		if seen[base] == nil {
			seen[base] = op.Fields{op.UpdatedAt: o.Fields[op.UpdatedAt]}
		}
		maps.Copy(seen[base], fields)
	}
	for _, base := range slices.Sorted(maps.Keys(seen)) {
		part := o
		if len(out) > 0 {
			part.ID = a.db.newID()
		}
		part.Base, part.Fields, part.Prev = base, seen[base], op.Fields{}
		for name, v := range o.Prev {
			if _, mine := part.Fields[name]; mine {
				part.Prev[name] = v
			}
		}
		out = append(out, part)
	}
	return out, nil
}

// allowed refuses a change that makes no sense on what this laptop holds.
func (a *action) allowed(c Change, cur Record, exists bool) error {
	switch {
	case c.Action == op.Insert && exists:
		return fmt.Errorf("%s %s is there already", op.Word(c.Kind), c.ID)
	case c.Action != op.Insert && !exists:
		return fmt.Errorf("%s %s: %w", op.Word(c.Kind), c.ID, ErrNotFound)
	case c.Action == op.Update && cur.Deleted && c.Fields[op.Deleted] != false,
		c.Action == op.Delete && cur.Deleted:
		return &Error{Message: "the " + op.Word(c.Kind) + " was deleted", Hint: "bring it back on the screen Conflicts, or make a new one", Cause: ErrNotFound}
	}
	parent := c.Fields.Text(op.ParentField(c.Kind))
	if c.Action != op.Insert || parent == "" {
		return nil
	}
	_, err := loadTask(a.tx, parent)
	return err
}

// base is the version that the person was looking at. Where an unsent change
// hides what the server said since, the person has seen no more than when that
// change was made: the oldest base of those that touch the same registers. What
// stands behind a deletion that the server told of hides nothing (see replay), and
// a deletion hides all, but only until the record is brought back.
func (a *action) base(o op.Op, version int64) (int64, error) {
	server, err := serverRecord(a.tx, o.Kind, o.Entity)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	rows, err := a.tx.Query("SELECT base, action, payload FROM sync_queue WHERE entity_id = ? ORDER BY id", o.Entity)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	deletion := version
	for gone := server.Deleted; rows.Next(); {
		var base int64
		var action op.Action
		var payload string
		if err := rows.Scan(&base, &action, &payload); err != nil {
			return 0, err
		}
		var fields op.Fields
		if err := json.Unmarshal([]byte(payload), &fields); err != nil {
			return 0, err
		}
		restores := fields[op.Deleted] == false
		if gone = gone && !restores; gone {
			continue
		}
		if restores {
			deletion = version
		}
		if action == op.Delete {
			deletion = min(deletion, base)
		} else if o.Action == op.Delete || shareRegister(o.Kind, o.Fields, fields) {
			version = min(version, base)
		}
	}
	return min(version, deletion), rows.Err()
}

func shareRegister(kind op.Kind, a, b op.Fields) bool {
	touched := map[string]bool{}
	for name := range a {
		touched[op.RegisterOf(kind, name)] = name != op.UpdatedAt
	}
	for name := range b {
		if touched[op.RegisterOf(kind, name)] {
			return true
		}
	}
	return false
}

// diff takes out of the op what would change nothing, fills in the values it
// replaces, and completes each register that holds several fields: they win
// together, so they travel together. It tells whether anything is left.
func (a *action) diff(o *op.Op, cur Record) bool {
	if o.Fields[op.Deleted] == false && cur.Deleted {
		o.Prev[op.Deleted] = true
	} else {
		delete(o.Fields, op.Deleted)
	}
	touched := map[string]bool{}
	for name, v := range o.Fields {
		if name == op.UpdatedAt || name == op.Deleted {
			continue
		}
		if op.Equal(v, cur.Fields[name]) {
			delete(o.Fields, name)
			continue
		}
		touched[op.RegisterOf(o.Kind, name)] = true
	}
	for register := range touched {
		for _, name := range op.Members(o.Kind, register) {
			v, given := o.Fields[name]
			if !given && cur.Fields[name] != nil {
				v, o.Fields[name] = cur.Fields[name], cur.Fields[name]
				given = true
			}
			if given && !op.Equal(v, cur.Fields[name]) {
				o.Prev[name] = cur.Fields[name]
			}
		}
	}
	_, restores := o.Fields[op.Deleted]
	return len(touched) > 0 || restores
}

// keepServerState saves what the server last said, before the first unsent
// change goes on top of it.
func keepServerState(tx *sqlite.Tx, cur Record) error {
	if cur.Version == 0 {
		var unheard bool // else the server knows nothing of it yet
		if err := tx.Scan([]any{&unheard}, "SELECT EXISTS (SELECT 1 FROM unheard WHERE entity_id = ?)", cur.ID); err != nil || !unheard {
			return err
		}
	}
	state, err := json.Marshal(stateOf(cur))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO server_records (entity_type, entity_id, version, state)
		SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = ?)
		ON CONFLICT DO NOTHING`, cur.Kind, cur.ID, cur.Version, string(state), cur.ID)
	return err
}

// stateOf is a record in the flat form in which the server tells it.
func stateOf(r Record) op.Fields {
	state := r.Fields.Clone()
	state["id"], state["version"], state[op.Deleted] = r.ID, r.Version, r.Deleted
	if r.Crew != "" {
		state[op.CrewField] = r.Crew
	}
	return state
}

func (a *action) enqueue(o op.Op, taskID string) error {
	payload, err := json.Marshal(o.Fields)
	if err != nil {
		return err
	}
	var prev any
	if len(o.Prev) > 0 {
		text, err := json.Marshal(o.Prev)
		if err != nil {
			return err
		}
		prev = string(text)
	}
	_, err = a.tx.Exec(`INSERT INTO sync_queue (op_id, entity_id, entity_type, action, payload, prev, base, task_id, created_at, boot_id, boot_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		o.ID, o.Entity, o.Kind, o.Action, string(payload), prev, o.Base, nullText(taskID), a.read.Wall, a.read.BootID, a.read.Boot)
	if err != nil {
		return fmt.Errorf("queue %s of %s %s: %w", strings.ToLower(string(o.Action)), op.Word(o.Kind), o.Entity, err)
	}
	return lookForLost(a.tx)
}

// taskOf is the task that a record belongs to, itself included; "" for a site.
func taskOf(r Record) string {
	if r.Kind == op.Task {
		return r.ID
	}
	return r.Fields.Text(op.ParentField(r.Kind))
}
