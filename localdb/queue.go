package localdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// held is the beginning of a query: what is held up by some ops of the queue, each
// in q, that are not to go or to stay. Those are all later changes of a record that
// one of them makes or brings back, of what hangs on it, and their whole actions
// (either half of which may make another record, and so on): the server cannot know
// what they speak of. A record is held from behind a place on; by is the op that it
// began with.
//
// held lists records and actions, not ops, so that an action is gone through once,
// not once for each of its ops; what they come to is [heldOps]. Each + keeps SQLite
// from walking through all actions of a long queue.
func held(where string) string {
	return `WITH RECURSIVE held(record, place, action, by) AS (
			SELECT entity_id, id, NULL, op_id FROM sync_queue q WHERE (` + where + `) AND ` + opens("q") + `
			UNION ALL SELECT NULL, 0, group_id, min(op_id) FROM sync_queue q WHERE (` + where + `) AND +group_id IS NOT NULL GROUP BY +group_id
			UNION SELECT n.entity_id, n.id, NULL, h.by FROM held h JOIN sync_queue n ON ` + isHeld + ` WHERE ` + opens("n") + `
			UNION SELECT NULL, 0, n.group_id, h.by FROM held h JOIN sync_queue n ON ` + isHeld + ` WHERE n.group_id IS NOT NULL)
		`
}

// isHeld tells whether the op n is held up by h.
const isHeld = "(n.group_id = h.action OR n.id > h.place AND (n.entity_id = h.record OR n.task_id = h.record))"

// heldOps are the ids of all that is held up.
const heldOps = "SELECT n.op_id FROM held h JOIN sync_queue n ON " + isHeld

// refused are the ops that others wait for: what makes a record or brings it back
// and was refused.
var refused = "q.state = 'parked' AND " + opens("q")

// opens tells whether a queued op makes its record, or brings it back: what
// comes behind it on that record means nothing without it.
func opens(alias string) string {
	return "(" + alias + ".action = 'INSERT' OR " + alias + ".payload ->> '$.deleted' = 0)"
}

// heldUp finds what is held up by refused ops, and for each by which. Mostly there
// is nothing: that is seen at once, however long the queue.
func heldUp(tx *sqlite.Tx) (waits, error) {
	var some bool
	if err := tx.Scan([]any{&some}, "SELECT EXISTS (SELECT 1 FROM sync_queue q WHERE "+refused+")"); err != nil || !some {
		return nil, err
	}
	rows, err := tx.Query(heldByRefused)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	by := waits{}
	for rows.Next() {
		var id, first string
		if err := rows.Scan(&id, &first); err != nil {
			return nil, err
		}
		by[id] = first
	}
	return by, rows.Err()
}

// waits names the refused op that each held up one waits for.
type waits map[string]string

// list is the ids of what waits, and those of other ops, for json_each.
func (w waits) list(more ...op.Op) string {
	ids := slices.AppendSeq([]string{}, maps.Keys(w))
	for _, o := range more {
		ids = append(ids, o.ID)
	}
	list, _ := json.Marshal(ids) // strings always can
	return string(list)
}

var heldByRefused = held(refused) + "SELECT n.op_id, min(h.by) FROM held h JOIN sync_queue n ON " + isHeld + " WHERE n.op_id <> h.by GROUP BY n.op_id"

const queueColumns = `q.id, q.op_id, coalesce(q.group_id, ''), q.entity_type, q.entity_id, q.action, q.payload, coalesce(q.prev, ''), q.base, q.created_at, q.boot_id, q.boot_ms`

// NextBatch reads the next ops to send, in order: at most maxOps of them and
// about maxBytes of payload, but always at least one, and groups whole. Ops that
// are held up by a parked one are left out, and those that are under way: the
// server's word on them is here, and about to be settled. updated_at of what was
// never sent is corrected at this moment, with all that is known of the server's
// clock by now; [DB.Freeze] makes it final.
func (db *DB) NextBatch(ctx context.Context, maxOps, maxBytes int, under ...op.Op) ([]op.Op, error) {
	var ops []op.Op
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		var rebasing bool
		if err := tx.Scan([]any{&rebasing}, "SELECT rebasing FROM device"); err != nil || rebasing {
			return err // what the server holds has to be known first
		}
		known, err := loadTimes(tx, db.clock())
		if err != nil {
			return err
		}
		held, err := heldUp(tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query("SELECT "+queueColumns+", q.tried, q.uncertain FROM sync_queue q WHERE q.state = 'pending' AND q.op_id NOT IN (SELECT value FROM json_each(?)) ORDER BY q.id LIMIT ?", held.list(under...), max(maxOps, maxGroup)+1)
		if err != nil {
			return err
		}
		defer rows.Close()
		bytes := 0
		for rows.Next() {
			var tried, uncertain bool
			o, read, size, err := scanOp(rows, &tried, &uncertain)
			if err != nil {
				return err
			}
			bytes += size
			inGroup := len(ops) > 0 && o.Group != "" && o.Group == ops[len(ops)-1].Group
			if len(ops) > 0 && !inGroup && (len(ops) >= maxOps || bytes > maxBytes) {
				return nil
			}
			if len(ops) >= maxOps && inGroup && ops[0].Group != o.Group {
				ops = cutGroup(ops, o.Group) // the group begins the next batch
				return nil
			}
			if o.TimeUncertain = uncertain; !tried {
				o.Fields[op.UpdatedAt], o.TimeUncertain = known.sent(read, o.Fields.Int(op.UpdatedAt))
			}
			ops = append(ops, o)
		}
		return rows.Err()
	})
	return ops, err
}

func cutGroup(ops []op.Op, group string) []op.Op {
	for len(ops) > 0 && ops[len(ops)-1].Group == group {
		ops = ops[:len(ops)-1]
	}
	return ops
}

// scanOp reads queueColumns. size is the payload's, in bytes.
func scanOp(rows *sql.Rows, more ...any) (o op.Op, read op.Reading, size int, err error) {
	var payload, prev string
	dest := []any{&o.Seq, &o.ID, &o.Group, &o.Kind, &o.Entity, &o.Action, &payload, &prev, &o.Base, &o.CreatedAt, &read.BootID, &read.Boot}
	if err := rows.Scan(append(dest, more...)...); err != nil {
		return o, read, 0, err
	}
	read.Wall, o.Schema = o.CreatedAt, op.Schema
	if o.Fields, err = op.ParseFields(payload); err != nil {
		return o, read, 0, fmt.Errorf("payload of op %s: %w", o.ID, err)
	}
	if prev == "" {
		return o, read, len(payload) + 300, nil
	}
	if o.Prev, err = op.ParseFields(prev); err != nil {
		return o, read, 0, fmt.Errorf("prev of op %s: %w", o.ID, err)
	}
	return o, read, len(payload) + len(prev) + 300, nil
}

// MarkTried counts a try that never got an answer; every op stays where it is.
// One that was undone meanwhile may have arrived: it is sent again, and the
// change back behind it.
func (db *DB) MarkTried(ctx context.Context, opIDs []string, reason string) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		var late []op.Op
		for _, id := range opIDs {
			back, err := db.broughtBack(tx, id)
			if err != nil {
				return err
			}
			late = append(late, back...)
			if _, err := tx.Exec("UPDATE sync_queue SET retry_count = retry_count + 1, last_error = ? WHERE op_id = ?", op.Clean(reason, false), id); err != nil {
				return err
			}
		}
		for i := len(late) - 1; i >= 0; i-- {
			if err := db.undoLate(tx, late[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// broughtBack puts an op that was undone on its way back into the queue; none
// when it was not.
func (db *DB) broughtBack(tx *sqlite.Tx, id string) ([]op.Op, error) {
	late, err := bringBack(tx, id)
	if err != nil || !late {
		return nil, err
	}
	rows, err := tx.Query("SELECT "+queueColumns+" FROM sync_queue q WHERE q.op_id = ?", id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	o, _, _, err := scanOp(rows)
	rows.Close()
	if err != nil {
		return nil, err
	}
	return []op.Op{o}, rebuild(tx, o.Kind, o.Entity)
}

// Queue lists what waits or was refused, in order, from behind seq after.
// limit 0 means 100.
func (db *DB) Queue(ctx context.Context, after int64, limit int) ([]QueueRow, error) {
	if limit <= 0 {
		limit = 100
	}
	return db.queued(ctx, "q.id > ? ORDER BY q.id LIMIT ?", after, limit)
}

// Dependents is a waiting change with all that DiscardOp drops with it, in order;
// empty when there is no such change.
func (db *DB) Dependents(ctx context.Context, opID string) ([]QueueRow, error) {
	return db.queued(ctx, "q.op_id IN ("+withDependents("q.op_id = ?1")+") ORDER BY q.id", opID)
}

// queued lists some of what waits.
func (db *DB) queued(ctx context.Context, where string, args ...any) ([]QueueRow, error) {
	var out []QueueRow
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		out = nil
		held, err := heldUp(tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query("SELECT "+queueColumns+`, q.state, q.retry_count, coalesce(q.last_error, ''), coalesce(q.code, ''), coalesce(q.field, ''), coalesce(q.task_id, ''),
			coalesce(t.number, ''), coalesce(t.title, ''), coalesce(i.label, s.code, '')
			FROM sync_queue q LEFT JOIN tasks t ON t.id = q.task_id LEFT JOIN checklist_items i ON i.id = q.entity_id LEFT JOIN sites s ON s.id = q.entity_id
			WHERE `+where, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r QueueRow
			var label string
			if r.Op, _, _, err = scanOp(rows, &r.State, &r.Attempts, &r.LastError, &r.Code, &r.Field, &r.TaskID, &r.TaskNumber, &r.TaskTitle, &label); err != nil {
				return err
			}
			r.Behind = held[r.Op.ID]
			if r.TaskNumber == "" && r.TaskID != "" {
				r.TaskNumber = TempNumber(r.TaskID)
			}
			r.Sentence = sentence(r.Op, r.TaskNumber, label)
			out = append(out, r)
		}
		return rows.Err()
	})
	return out, err
}

// sentence says what an op does: "Set T-1042 to completed".
func sentence(o op.Op, task, label string) string {
	names := fieldNames(o.Fields)
	switch {
	case o.Kind == op.Task && o.Action == op.Insert:
		return fmt.Sprintf("Added %s “%s”", task, o.Fields.Text("title"))
	case o.Kind == op.Task && o.Action == op.Delete:
		return "Deleted " + task
	case o.Kind == op.Task && o.Fields[op.Deleted] == false:
		return "Brought back " + task
	case o.Kind == op.Task && o.Fields["status"] != nil && o.Prev["status"] != nil:
		return fmt.Sprintf("Set %s to %s", task, strings.ToLower(strings.ReplaceAll(o.Fields.Text("status"), "_", " ")))
	case o.Kind == op.Task:
		return fmt.Sprintf("Changed %s of %s", names, task)
	case o.Kind == op.Item && o.Action == op.Insert:
		return fmt.Sprintf("Added the step “%s” to %s", o.Fields.Text("label"), task)
	case o.Kind == op.Item && o.Fields["outcome"] != nil:
		return fmt.Sprintf("Answered “%s” of %s: %s", label, task, o.Fields.Text("outcome"))
	case o.Kind == op.Item:
		return fmt.Sprintf("Changed %s of “%s” of %s", names, label, task)
	case o.Kind == op.Note:
		return "Wrote a note on " + task
	case o.Kind == op.TimeEntry && o.Action == op.Insert:
		return fmt.Sprintf("Began %s on %s", o.Fields.Text("kind"), task)
	case o.Kind == op.TimeEntry:
		return "Ended the time entry on " + task
	case o.Kind == op.Site && o.Action == op.Insert:
		return "Added the site " + o.Fields.Text("code")
	case o.Kind == op.Site:
		return fmt.Sprintf("Changed %s of the site %s", names, label)
	}
	return fmt.Sprintf("%s of a %s", o.Action, op.Word(o.Kind))
}

// fieldNames are fields as people call them.
func fieldNames(f op.Fields) string {
	var names []string
	for name := range f {
		if name == op.UpdatedAt {
			continue
		}
		if strings.HasPrefix(name, "window_") {
			name = "window"
		}
		name = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(name, "_at"), "_id"), "_", " ")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	sortStrings(names)
	return strings.Join(names, ", ")
}

// RetryOp sends a parked op again, as it stands, when the next round comes,
// with the others of its action and what waits behind it.
func (db *DB) RetryOp(ctx context.Context, opID string) error {
	if err := db.sql.Read(ctx, func(tx *sqlite.Tx) error { return wholeID(tx, &opID, queuedIDs) }); err != nil {
		return err
	}
	n, err := db.requeue(ctx, "q.op_id = ?1", opID)
	if err == nil && n == 0 {
		return noSuchOp(opID)
	}
	return err
}

const queuedIDs = "SELECT op_id FROM sync_queue WHERE op_id"

// RetryAll sends every parked op again and tells how many ops went back into the queue.
func (db *DB) RetryAll(ctx context.Context) (int, error) { return db.requeue(ctx, "1 = 1") }

// requeue moves parked ops, and what waits behind them, to the end of the queue,
// in their order and whole actions together. The server remembers its first answer
// to an op and the place it had, so a refused one goes out as a new op; one that
// only waited keeps its id.
func (db *DB) requeue(ctx context.Context, where string, args ...any) (n int, err error) {
	err = db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		ids, err := collectAll(tx, "SELECT op_id FROM sync_queue WHERE op_id IN ("+withDependents("q.state = 'parked' AND "+where)+") ORDER BY id", args...)
		if err != nil {
			return err
		}
		if err := giveWayBehind(tx, ids); err != nil {
			return err
		}
		for _, id := range ids {
			if err := moveToEnd(tx, id); err != nil {
				return err
			}
		}
		n = len(ids)
		return lookForLost(tx)
	})
	return n, err
}

// moveToEnd gives an op a new place, if it has not given way to later ones. The
// record may look different then: its changes are laid on it in another order.
func moveToEnd(tx *sqlite.Tx, id string) error {
	var state string
	var tried, exported, uncertain int
	var kind op.Kind
	var entity, payload string
	found, err := scanRow(tx, []any{&state, &tried, &exported, &uncertain, &kind, &entity, &payload}, "SELECT state, tried, exported, uncertain, entity_type, entity_id, payload FROM sync_queue WHERE op_id = ?", id)
	if err != nil || !found {
		return err
	}
	fresh := retryID(id, payload)
	const columns = "entity_id, entity_type, action, payload, prev, base, group_id, task_id, created_at, boot_id, boot_ms, retry_count, last_error"
	if _, err := tx.Exec("INSERT INTO sync_queue (op_id, "+columns+") SELECT ?, "+columns+" FROM sync_queue WHERE op_id = ?", fresh, id); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM sync_queue WHERE op_id = ?", id); err != nil {
		return err
	}
	if state != "parked" {
		if _, err := tx.Exec("UPDATE sync_queue SET op_id = ?, tried = ?, exported = ?, uncertain = ? WHERE op_id = ?", id, tried, exported, uncertain, fresh); err != nil {
			return err
		}
	}
	return rebuild(tx, kind, entity)
}

// retrySpace is the namespace of the ids under which refused ops are sent again.
var retrySpace = uuid.MustParse("4d0c6a52-7f0e-5b39-8a41-c1d27e9b6f10")

// retryID is the id under which a refused op is sent again. Where a file of unsent
// work took the op to another laptop too, both send it again as the same one.
func retryID(id, payload string) string {
	return uuid.NewSHA1(retrySpace, []byte(id+payload)).String()
}

// DiscardOp drops an unsent change (with the others of its action, and with
// what depends on a record that it would have made); the record goes back to
// what it was. It cannot be undone.
func (db *DB) DiscardOp(ctx context.Context, opID string) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		if err := wholeID(tx, &opID, queuedIDs); err != nil {
			return err
		}
		doomed, err := dependents(tx, opID)
		if err != nil {
			return err
		}
		if len(doomed) == 0 {
			return noSuchOp(opID)
		}
		for _, o := range doomed {
			if _, err := tx.Exec("DELETE FROM sync_queue WHERE op_id = ?", o.ID); err != nil {
				return err
			}
		}
		for _, o := range doomed {
			if err := rebuild(tx, o.Kind, o.Entity); err != nil {
				return err
			}
		}
		return dropLost(tx)
	})
}

// dependents is an op with all that cannot stand without it.
func dependents(tx *sqlite.Tx, opID string) ([]op.Op, error) {
	return loadOps(tx, "q.op_id IN ("+withDependents("q.op_id = ?1")+")", opID)
}

// withDependents is the query for some ops' ids with those of all that cannot
// stand without them. where, which names its values by number, speaks of q.
func withDependents(where string) string {
	return held(where) + "SELECT op_id FROM sync_queue q WHERE " + where + " UNION " + heldOps
}

func noSuchOp(id string) error {
	return &Error{Message: fmt.Sprintf("no change %q waits here", op.Clean(id, false)), Hint: "punchlist queue lists what waits, with ids", Cause: ErrNotFound}
}

func collectAll(tx *sqlite.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return collect(rows)
}

// Cursor is how far this laptop has heard; "" before the first time.
func (db *DB) Cursor(ctx context.Context) (cursor string, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error { return tx.Scan([]any{&cursor}, "SELECT cursor FROM device") })
	return cursor, err
}

// Advance moves the cursor on, if it stands at from still: what lies between is
// known from the answers to what this laptop sent.
func (db *DB) Advance(ctx context.Context, from, to string) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("UPDATE device SET cursor = ? WHERE cursor = ? AND NOT rebasing", to, from)
		return err
	})
}

// PendingOps counts the ops that wait to be sent; parked ones and what waits
// behind them do not.
func (db *DB) PendingOps(ctx context.Context) (n int, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		held, err := heldUp(tx)
		if err != nil {
			return err
		}
		if err := tx.Scan([]any{&n}, "SELECT pending FROM counters"); err != nil || len(held) == 0 {
			return err
		}
		return tx.Scan([]any{&n}, "SELECT count(*) FROM sync_queue WHERE state = 'pending' AND op_id NOT IN (SELECT value FROM json_each(?))", held.list())
	})
	return n, err
}

// RoundDone notes that a round ran dry: all that waited was sent and all that
// changed was heard.
func (db *DB) RoundDone(ctx context.Context) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("UPDATE device SET last_sync = ?", db.clock().Wall)
		return err
	})
}
