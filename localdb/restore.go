package localdb

import (
	"context"
	"encoding/json"
	"fmt"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// A server that was restored from a backup has lost what is newer than the
// newest version that both sides know alike. This laptop then begins again with
// it, in steps each of which is one transaction:
//
//	Reset          what was settled and is not known there waits again, under its old
//	   │           id and at its old place; all records are unheard; cursor at the start
//	   ▼
//	ApplyChanges   page by page the server says what it holds; nothing is sent
//	   │
//	   ▼ last page
//	complete       what it did not speak of goes, but for what has unsent work on it;
//	               sending goes on
//
// A crash between two of them goes on with the next.
//
// A laptop that was away for so long that the server forgot deletions which it
// did not hear of, or that differs in too much from the server, begins again in
// the same way ([DB.Anew]). The history is the same then: no version means
// anything else, and nothing that was settled is lost.

// CodeRecordLost: the change waits for a record that the restored server does not
// hold any more, until the laptop that made the record brings it back.
const CodeRecordLost op.Code = "record_lost"

const recordLost = "the server was restored from a backup and does not have this record any more; the change goes out by itself when the record comes back"

// Reset begins again with a server that holds nothing newer than common of what
// this laptop was told. Pending changes stay, and those settled in the last 30
// days that the server does not know wait again before them.
func (db *DB) Reset(ctx context.Context, common wire.Common) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		s, err := db.settler(tx)
		if err != nil {
			return err
		}
		r := rebase{settler: s}
		if err := r.measure(common); err != nil {
			return err
		}
		for _, step := range []func() error{r.unhear, r.offerAgain, r.lowerBases} {
			if err := step(); err != nil {
				return err
			}
		}
		for _, ref := range r.touched {
			if err := rebuild(tx, ref.kind, ref.id); err != nil {
				return fmt.Errorf("lay unsent changes on %s %s: %w", op.Word(ref.kind), ref.id, err)
			}
		}
		if _, err := tx.Exec("UPDATE device SET cursor = '', rebasing = 1, anew = 0"); err != nil {
			return err
		}
		return putNotice(tx, NoticeReset, r.now)
	})
}

// Anew begins again with a server whose history is the one that this laptop was
// told of. Pending changes stay. why is the notice that the person gets; "": none.
func (db *DB) Anew(ctx context.Context, why string) error {
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		if err := unhear(tx); err != nil {
			return err
		}
		// A reset that is under way stays one.
		if _, err := tx.Exec("UPDATE device SET cursor = '', anew = CASE rebasing WHEN 1 THEN anew ELSE 1 END, rebasing = 1"); err != nil || why == "" {
			return err
		}
		return putNotice(tx, why, db.clock().Wall)
	})
}

// unhear marks every record that a server spoke of.
func unhear(tx *sqlite.Tx) error {
	for _, kind := range op.Kinds {
		if _, err := tx.Exec("INSERT INTO unheard (entity_id, entity_type) SELECT id, ? FROM "+tables[kind].name+" WHERE version > 0 ON CONFLICT DO NOTHING", kind); err != nil {
			return err
		}
	}
	return nil
}

// rebase is one Reset while its transaction runs.
type rebase struct {
	settler
	common  string // by crew, as JSON: the newest version that both sides know
	least   int64  // the lowest of them
	known   string // the settled ops that the server knows, as JSON
	touched []recordRef
}

type recordRef struct {
	kind op.Kind
	id   string
}

// measure forgets what the server does not know of, and keeps how much is common.
func (r *rebase) measure(common wire.Common) error {
	by := map[string]int64{}
	if err := eachMark(r.tx, func(crew string, _ wire.Mark) { by[crew] = common.Common[crew] }, "SELECT crew, version, fingerprint FROM seen"); err != nil {
		return err
	}
	first := true
	for crew, version := range by {
		if r.least = min(r.least, version); first {
			r.least, first = version, false
		}
		if _, err := r.tx.Exec("DELETE FROM seen WHERE crew = ? AND version > ?", crew, version); err != nil {
			return err
		}
	}
	text, err := json.Marshal(by)
	if err != nil {
		return err
	}
	known, err := json.Marshal(append([]string{}, common.Known...))
	r.common, r.known = string(text), string(known)
	return err
}

// capped is a version, cut to what is common in a crew.
func capped(version, crew string) string {
	return "min(" + version + ", coalesce((SELECT value FROM json_each(?1) WHERE key = " + crew + "), 0))"
}

// unhear marks every record that a server spoke of, and takes away from its
// version what is not common.
func (r *rebase) unhear() error {
	if err := unhear(r.tx); err != nil {
		return err
	}
	for _, kind := range op.Kinds {
		if _, err := r.tx.Exec("UPDATE "+tables[kind].name+" SET version = "+capped("version", "crew")+" WHERE version > 0", r.common); err != nil {
			return err
		}
	}
	version := capped("version", "state ->> 'crew'")
	_, err := r.tx.Exec("UPDATE server_records SET version = "+version+", state = json_set(state, '$.version', "+version+")", r.common)
	return err
}

// sentByUs are the changes that this laptop's user sent to this server since ?1,
// and those that no clock dated.
const sentByUs = " FROM sync_sent WHERE (settled_at = 0 OR settled_at >= ?1) AND (user, server_id) = (SELECT user, server_id FROM device)"

// offerAgain puts what was settled, and the server does not know any more, back
// into the queue.
func (r *rebase) offerAgain() error {
	const lost = sentByUs + " AND op_id NOT IN (SELECT value FROM json_each(?2))"
	args := []any{r.keptSince(), r.known}
	rows, err := r.tx.Query("SELECT DISTINCT entity_type, entity_id"+lost+" ORDER BY 2", args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var ref recordRef
		if err := rows.Scan(&ref.kind, &ref.id); err != nil {
			return err
		}
		r.touched = append(r.touched, ref)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for _, ref := range r.touched {
		cur, err := loadRecords(r.tx, ref.kind, "WHERE id = ?", ref.id)
		if err != nil {
			return err
		}
		if len(cur) == 1 {
			if err := keepServerState(r.tx, cur[0]); err != nil {
				return err
			}
		}
	}
	const columns = "id, op_id, entity_id, entity_type, action, payload, prev, base, group_id, task_id, created_at"
	// Tried: what it says, and when it was made, is final.
	_, err = r.tx.Exec("INSERT INTO sync_queue ("+columns+", boot_id, boot_ms, tried) SELECT "+columns+", '', 0, 1"+lost, args...)
	if err != nil {
		return err
	}
	_, err = r.tx.Exec("DELETE"+lost, args...)
	return err
}

// lowerBases: a version of the lost history means something else in the new one,
// and must not count as having been seen there.
func (r *rebase) lowerBases() error {
	const crew = "coalesce((SELECT crew FROM tasks WHERE id = q.task_id), (SELECT crew FROM sites WHERE id = q.entity_id))"
	_, err := r.tx.Exec("UPDATE sync_queue AS q SET base = min(base, coalesce((SELECT value FROM json_each(?1) WHERE key = "+crew+"), ?2)) WHERE base > 0", r.common, r.least)
	return err
}

// heardAgain tells whether this is the first word on a record since the Reset.
// What is here of it then counts for nothing.
func (s settler) heardAgain(kind op.Kind, id string) (bool, error) {
	if !s.rebasing {
		return false, nil
	}
	res, err := s.tx.Exec("DELETE FROM unheard WHERE entity_id = ?", id)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	_, err = s.tx.Exec("DELETE FROM server_records WHERE entity_type = ? AND entity_id = ?", kind, id)
	return true, err
}

// goneAgain makes way for the first word on a record, that it left: no version
// of the lost history is newer than that.
func (s settler) goneAgain(c wire.Change) error {
	if !s.rebasing {
		return nil
	}
	for _, statement := range []string{
		"UPDATE " + tables[c.EntityType].name + " SET version = 0 WHERE id = ?1 AND EXISTS (SELECT 1 FROM unheard WHERE entity_id = ?1)",
		"UPDATE server_records SET version = 0 WHERE entity_id = ?1 AND EXISTS (SELECT 1 FROM unheard WHERE entity_id = ?1)",
		"DELETE FROM unheard WHERE entity_id = ?1",
	} {
		if _, err := s.tx.Exec(statement, c.EntityID); err != nil {
			return err
		}
	}
	return nil
}

// complete ends the taking of a base: what the server did not speak of it does
// not hold. Records with unsent work on them, or beneath them, stay.
func (s settler) complete() error {
	for _, kind := range op.Kinds {
		name, beneath := tables[kind].name, ""
		if kind == op.Task {
			beneath = " AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = r.id)"
		}
		const unheard = " WHERE r.id IN (SELECT entity_id FROM unheard)"
		if _, err := s.tx.Exec("DELETE FROM " + name + " AS r" + unheard + " AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = r.id)" + beneath); err != nil {
			return err
		}
		if _, err := s.tx.Exec("UPDATE " + name + " AS r SET version = 0" + unheard); err != nil {
			return err
		}
	}
	for _, statement := range []string{
		"UPDATE server_records SET version = 0, state = json_set(state, '$.version', 0) WHERE entity_id IN (SELECT entity_id FROM unheard)",
		"DELETE FROM unheard",
		"UPDATE device SET rebasing = 0, anew = 0",
	} {
		if _, err := s.tx.Exec(statement); err != nil {
			return err
		}
	}
	if s.anew {
		return nil // what was deleted will not come back: the server says so to each change
	}
	return parkLost(s.tx)
}

// known: the server holds the record, or a change that waits here makes it.
func known(id string) string {
	text := "EXISTS (SELECT 1 FROM sync_queue i WHERE i.entity_id = " + id + " AND i.action = 'INSERT')"
	for _, kind := range op.Kinds {
		text += " OR EXISTS (SELECT 1 FROM " + tables[kind].name + " WHERE id = " + id + " AND version > 0)"
	}
	return "(" + text + ")"
}

// lostOps are the changes whose record, or task, the server lost and nothing here
// brings back.
var lostOps = "WITH lost AS (SELECT q.op_id, q.group_id FROM sync_queue q WHERE (q.state = 'pending' OR q.code = '" + string(CodeRecordLost) + "')" +
	" AND NOT (" + known("q.entity_id") + " AND (q.task_id IS NULL OR " + known("q.task_id") + "))) "

// parkLost parks them, with all of their action, and lets go on what no longer
// is one: its record came back.
func parkLost(tx *sqlite.Tx) error {
	const among = "(op_id IN (SELECT op_id FROM lost) OR group_id IN (SELECT group_id FROM lost))"
	if _, err := tx.Exec(lostOps+"UPDATE sync_queue SET state = 'pending', code = NULL, last_error = NULL WHERE code = ? AND NOT coalesce("+among+", 0)", CodeRecordLost); err != nil {
		return err
	}
	_, err := tx.Exec(lostOps+"UPDATE sync_queue SET state = 'parked', code = ?, last_error = ? WHERE state = 'pending' AND "+among, CodeRecordLost, recordLost)
	return err
}

// lookForLost does so where there is such a change at all.
func lookForLost(tx *sqlite.Tx) error {
	var some, rebasing bool
	if err := tx.Scan([]any{&some, &rebasing}, "SELECT EXISTS (SELECT 1 FROM sync_queue WHERE state = 'parked' AND code = ?), rebasing FROM device", CodeRecordLost); err != nil || rebasing {
		return err
	}
	if !some {
		return nil
	}
	return parkLost(tx)
}

// dropLost takes away tasks that the server lost, once nothing waits for them.
func dropLost(tx *sqlite.Tx) error {
	_, err := tx.Exec("DELETE FROM tasks WHERE version = 0 AND NOT EXISTS (SELECT 1 FROM unheard WHERE entity_id = tasks.id)" +
		" AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = tasks.id) AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = tasks.id)")
	return err
}

// newQueue gives the queue a new identity, because another copy of this laptop's
// data sent under the old one. The changes keep their ids: what the other copy
// sent already is a repeat.
func (s settler) newQueue() error {
	var text string
	if err := s.tx.Scan([]any{&text}, "SELECT queues FROM device"); err != nil {
		return err
	}
	var queues []string
	if err := json.Unmarshal([]byte(text), &queues); err != nil {
		return err
	}
	queues = append(queues, s.db.newID())
	changed, err := json.Marshal(queues[max(0, len(queues)-wire.MaxQueues):])
	if err != nil {
		return err
	}
	if _, err := s.tx.Exec("UPDATE device SET queues = ?", string(changed)); err != nil {
		return err
	}
	return putNotice(s.tx, NoticeForked, s.now)
}
