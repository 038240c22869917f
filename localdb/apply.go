package localdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// keepSettled is how long, ms, settled changes and others' news are kept.
const keepSettled = 30 * 24 * 3600 * 1000

type settler struct {
	db  *DB
	tx  *sqlite.Tx
	now int64 // corrected, ms

	certain  bool // now was compared with the server's clock in this boot
	rebasing bool // the base that a server holds is being taken …
	anew     bool // … though its history is the one that this laptop knows

	fresh map[string]bool // records of a page of which nothing is here
}

// settler begins to take the server's word.
func (db *DB) settler(tx *sqlite.Tx) (settler, error) {
	read := db.clock()
	known, err := loadTimes(tx, read)
	return settler{db: db, tx: tx, now: known.of(read), certain: known.now != 0}, err
}

// forget drops what is older than keepSettled, by the column that dates each
// table. What came while the clock was not to be trusted is dated 0, and gets its
// date now: thirty days from here on.
func (s settler) forget(dated ...[2]string) error {
	if !s.certain {
		return nil
	}
	for _, d := range dated {
		table, at := d[0], d[1]
		if _, err := s.tx.Exec("UPDATE "+table+" SET "+at+" = ? WHERE "+at+" = 0", s.now); err != nil {
			return err
		}
		if _, err := s.tx.Exec("DELETE FROM "+table+" WHERE "+at+" < ?", s.keptSince()); err != nil {
			return err
		}
	}
	return nil
}

// keptSince is when the time begins for which settled changes are kept: long ago
// by a clock that was never compared with the server's in this boot, because it
// may be years ahead.
func (s settler) keptSince() int64 {
	if !s.certain {
		return 0
	}
	return s.now - keepSettled
}

// today dates what is kept for a time: 0, not yet, by a clock that may be years
// behind.
func (s settler) today() int64 {
	if !s.certain {
		return 0
	}
	return s.now
}

// serverRecord is what the server last said of a record that has, or just had,
// unsent changes on top.
func serverRecord(tx *sqlite.Tx, kind op.Kind, id string) (Record, error) {
	var text string
	rows, err := tx.Query("SELECT state FROM server_records WHERE entity_type = ? AND entity_id = ?", kind, id)
	if err != nil {
		return Record{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		return Record{}, errors.Join(rows.Err(), ErrNotFound)
	}
	if err := rows.Scan(&text); err != nil {
		return Record{}, err
	}
	state, err := op.ParseFields(text)
	if err != nil {
		return Record{}, err
	}
	return readState(kind, state), nil
}

// putServerState remembers what the server said; an older word never replaces a
// newer one, whichever came first.
func putServerState(tx *sqlite.Tx, r Record) error {
	state, err := stateOf(r).MarshalJSON()
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO server_records (entity_type, entity_id, version, state) VALUES (?, ?, ?, ?)
		ON CONFLICT (entity_type, entity_id) DO UPDATE SET version = excluded.version, state = excluded.state WHERE excluded.version >= version`,
		r.Kind, r.ID, r.Version, string(state))
	return err
}

// rebuild makes a record's row out of what the server last said and the unsent
// changes on top of it. Without unsent changes the row says what the server
// said, and server_records needs no copy any more.
func rebuild(tx *sqlite.Tx, kind op.Kind, id string) error {
	rec, err := serverRecord(tx, kind, id)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if !known {
		rec = Record{Kind: kind, ID: id, Fields: op.Fields{}}
	}
	waiting, whole, err := replay(tx, &rec)
	if err != nil || waiting > 0 && !known && !whole {
		return err // a part of a record that the server has to tell first
	}
	if waiting > 0 {
		return saveRecord(tx, rec)
	}
	if !known { // a new record whose only changes were discarded
		_, err := tx.Exec("DELETE FROM "+tables[kind].name+" WHERE id = ? AND version = 0", id)
		return err
	}
	if _, err := tx.Exec("DELETE FROM server_records WHERE entity_type = ? AND entity_id = ?", kind, id); err != nil {
		return err
	}
	if rec.Version == 0 { // a restored server lost it, or has yet to tell it again
		_, err := tx.Exec("DELETE FROM "+tables[kind].name+" WHERE id = ? AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = ?)", id, id)
		return err
	}
	return saveRecord(tx, rec)
}

// replay lays the unsent changes on a record, in the order they were made. whole
// tells whether they make the record.
func replay(tx *sqlite.Tx, rec *Record) (n int, whole bool, err error) {
	rows, err := tx.Query("SELECT action, payload FROM sync_queue WHERE entity_id = ? AND entity_type = ? ORDER BY id", rec.ID, rec.Kind)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var action op.Action
		var payload string
		if err := rows.Scan(&action, &payload); err != nil {
			return n, whole, err
		}
		fields, err := op.ParseFields(payload)
		if err != nil {
			return n, whole, err
		}
		n, whole = n+1, whole || action == op.Insert
		if rec.Deleted && action == op.Update && fields[op.Deleted] != false {
			continue // an edit of what was deleted meanwhile: the server will say so
		}
		overlay(rec, fields)
		rec.Deleted = rec.Deleted || action == op.Delete
	}
	return n, whole, rows.Err()
}

// ApplyChanges takes one page of what changed on the server: rows, conflicts
// and cursor in one transaction. Unsent changes stay on top. It returns how many
// records are different now.
func (db *DB) ApplyChanges(ctx context.Context, page wire.Changes) (int, error) {
	applied := 0
	err := db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		applied = 0
		s, err := db.settler(tx)
		if err != nil {
			return err
		}
		dev, err := loadDevice(tx)
		if err != nil {
			return err
		}
		if err := tx.Scan([]any{&s.rebasing, &s.anew}, "SELECT rebasing, anew FROM device"); err != nil {
			return err
		}
		if err := s.findNew(page.Changes); err != nil {
			return err
		}
		crews := page.Crews
		if crews == nil {
			crews = dev.Crews
		}
		for _, c := range page.Changes {
			changed, err := s.apply(c, dev, crews)
			if errors.Is(err, errUnfit) { // one record must not hold up all the others
				err = putNotice(tx, NoticeNewer, s.now)
			}
			if err != nil {
				return fmt.Errorf("apply %s %s: %w", c.EntityType, c.EntityID, err)
			}
			if changed {
				applied++
			}
		}
		for _, c := range page.Conflicts {
			if err := s.conflict(c, false); err != nil {
				return err
			}
		}
		if err := s.left(dev.Crews, page.Crews); err != nil {
			return err
		}
		list, err := json.Marshal(page.Crews)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE device SET cursor = ?, crews = ?, user = ?, role = ?", page.Cursor, string(list), page.User, page.Role); err != nil {
			return err
		}
		if err := s.afterPage(page); err != nil {
			return err
		}
		return s.forget([2]string{"heard", "at"})
	})
	return applied, err
}

// afterPage keeps what the page says of the server's history, and what its
// records mean for changes that wait for them.
func (s settler) afterPage(page wire.Changes) error {
	if err := remember(s.tx, page.Seen); err != nil {
		return err
	}
	if s.rebasing && !page.More {
		return s.complete()
	}
	if len(page.Changes) == 0 {
		return nil
	}
	return lookForLost(s.tx)
}

// findNew looks which records of a page are new here, for all of them at once:
// most of a first sync are, and then there is nothing to look up for each.
func (s *settler) findNew(changes []wire.Change) error {
	if s.rebasing {
		return nil
	}
	byKind, times := map[op.Kind][]string{}, map[string]int{}
	for _, c := range changes {
		byKind[c.EntityType] = append(byKind[c.EntityType], c.EntityID)
		times[c.EntityID]++
	}
	s.fresh = map[string]bool{}
	for _, kind := range op.Kinds {
		if len(byKind[kind]) == 0 {
			continue
		}
		list, err := json.Marshal(byKind[kind])
		if err != nil {
			return err
		}
		ids, err := collectAll(s.tx, `SELECT c.value FROM json_each(?1) c WHERE NOT EXISTS (SELECT 1 FROM `+tables[kind].name+` WHERE id = c.value)
			AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = c.value)
			AND NOT EXISTS (SELECT 1 FROM server_records WHERE entity_type = ?2 AND entity_id = c.value)`, string(list), kind)
		if err != nil {
			return err
		}
		for _, id := range ids {
			s.fresh[id] = times[id] == 1 // of one that moved between two crews a page may speak twice
		}
	}
	return nil
}

func (s settler) apply(c wire.Change, dev Device, crews []string) (bool, error) {
	if tables[c.EntityType] == nil {
		return false, nil // a kind that a newer server knows: nothing here could show it
	}
	if c.Gone {
		return s.gone(c, crews)
	}
	rec, err := fromState(c.EntityType, c.ServerState)
	if err != nil {
		return false, err
	}
	if s.fresh[rec.ID] {
		if rec.Deleted {
			return false, nil
		}
		return true, saveRecord(s.tx, rec)
	}
	cur, err := loadRecord(s.tx, rec.Kind, rec.ID)
	exists := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	before, err := s.before(cur) // read now, for it is replaced below
	if err != nil {
		return false, err
	}
	again, err := s.heardAgain(rec.Kind, rec.ID)
	if err != nil {
		return false, err
	}
	var waiting int
	if err := s.tx.Scan([]any{&waiting}, "SELECT count(*) FROM (SELECT 1 FROM sync_queue WHERE entity_id = ? LIMIT 1)", rec.ID); err != nil {
		return false, err
	}
	switch {
	case !exists && rec.Deleted && waiting == 0:
		return false, nil
	case waiting > 0:
		if err := putServerState(s.tx, rec); err != nil {
			return false, err
		}
		if err := rebuild(s.tx, rec.Kind, rec.ID); err != nil {
			return false, err
		}
	case exists && !again && (cur.Version > rec.Version || cur.Version == rec.Version && same(cur, rec)):
		return false, nil // heard already, in the answer to a push
	default:
		if err := saveRecord(s.tx, rec); err != nil {
			return false, err
		}
	}
	if from := (writer{c.By, c.ByDevice}); exists && (!again || s.anew) && from != (writer{user: dev.User}) && rec.Version > before.Version {
		return true, s.heard(from, before, rec, noMerge)
	}
	return true, nil
}

// same tells whether two words of the server on a record say the same. At one
// version they may not: a laptop whose old data was put back does not know what it
// sent since, and works a repeated answer out on top of less than the server has.
func same(a, b Record) bool { return op.SumOf(a.Kind, stateOf(a)) == op.SumOf(b.Kind, stateOf(b)) }

// gone takes away a record that left this person's crews. Unsent work on it
// stays in the queue; the record itself is as good as deleted here, whatever
// becomes of that work. At the version of the change itself stands a record that
// moved to another crew: it stays where it is one of the person's own.
func (s settler) gone(c wire.Change, crews []string) (bool, error) {
	table := tables[c.EntityType].name
	if err := s.goneAgain(c); err != nil {
		return false, err
	}
	own, err := json.Marshal(append([]string{}, crews...))
	if err != nil {
		return false, err
	}
	var waiting, held int
	err = s.tx.Scan([]any{&waiting, &held}, `SELECT (SELECT count(*) FROM sync_queue WHERE entity_id = ?1 OR task_id = ?1),
		(SELECT count(*) FROM `+table+` AS r WHERE id = ?1 AND (version < ?2 OR version = ?2 AND
			coalesce((SELECT state ->> '$.crew' FROM server_records WHERE entity_type = ?4 AND entity_id = ?1), r.crew) NOT IN (SELECT value FROM json_each(?3))))`,
		c.EntityID, c.Version, string(own), c.EntityType)
	if err != nil || held == 0 {
		return false, err
	}
	if waiting == 0 {
		_, err = s.tx.Exec("DELETE FROM "+table+" WHERE id = ?", c.EntityID)
		return true, err
	}
	if _, err := s.tx.Exec(`UPDATE server_records SET version = ?1, state = json_set(state, '$.deleted', json('true'), '$.version', ?1)
		WHERE entity_type = ?2 AND entity_id = ?3 AND version <= ?1`, c.Version, c.EntityType, c.EntityID); err != nil {
		return false, err
	}
	if _, err = s.tx.Exec("UPDATE "+table+" SET deleted = 1, version = ? WHERE id = ?", c.Version, c.EntityID); err != nil {
		return false, err
	}
	return true, s.leftAlready(c)
}

// leftAlready keeps that a record left whose making waits here once more, because
// old data was put back: the answer to that is older, and would show it again.
func (s settler) leftAlready(c wire.Change) error {
	var makes, known bool
	err := s.tx.Scan([]any{&makes, &known}, `SELECT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = ?1 AND action = 'INSERT'),
		EXISTS (SELECT 1 FROM server_records WHERE entity_type = ?2 AND entity_id = ?1)`, c.EntityID, c.EntityType)
	if err != nil || !makes || known {
		return err
	}
	rec, err := loadRecord(s.tx, c.EntityType, c.EntityID)
	if err != nil {
		return err
	}
	return putServerState(s.tx, rec)
}

// givenAway takes away a record that the person moved to a crew of others, once the
// server has it there: that it left may have been heard before the answer.
func (s settler) givenAway(o op.Op) error {
	to := o.Fields.Text(op.CrewField)
	if to == "" {
		return nil
	}
	dev, err := loadDevice(s.tx)
	if err != nil || len(dev.Crews) == 0 || slices.Contains(dev.Crews, to) {
		return err
	}
	table := tables[o.Kind].name
	_, err = s.tx.Exec("DELETE FROM "+table+" WHERE id = ?1 AND crew = ?2 AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = ?1 OR task_id = ?1)", o.Entity, to)
	return err
}

// left takes away what belongs to crews that the person is no longer in, but for
// what has unsent work on it.
func (s settler) left(before, now []string) error {
	for _, crew := range before {
		if now == nil || slices.Contains(now, crew) { // nil: the answer does not say
			continue
		}
		for _, kind := range op.Kinds {
			t := tables[kind].name
			if _, err := s.tx.Exec("DELETE FROM "+t+" WHERE crew = ? AND version > 0 AND NOT EXISTS (SELECT 1 FROM sync_queue q WHERE q.entity_id = "+t+".id OR q.task_id = "+t+".id)", crew); err != nil {
				return err
			}
		}
	}
	return nil
}

// writer is who changed something elsewhere: somebody else, or this laptop's own
// person at another one of his, which is named then.
type writer struct{ user, laptop string }

// heard keeps what was changed elsewhere, for the task's history.
func (s settler) heard(by writer, before, after Record, merged int) error {
	changed := op.Fields{}
	for name, v := range after.Fields {
		if name != op.UpdatedAt && !op.Equal(v, before.Fields[name]) {
			changed[name] = v
		}
	}
	for name := range before.Fields {
		if _, still := after.Fields[name]; !still {
			changed[name] = nil
		}
	}
	if after.Deleted != before.Deleted {
		changed[op.Deleted] = after.Deleted
	}
	if len(changed) == 0 {
		return nil
	}
	if merged == noMerge {
		var err error
		if merged, err = s.meets(after.Kind, after.ID, changed); err != nil {
			return err
		}
	}
	text, err := json.Marshal(changed)
	if err != nil {
		return err
	}
	_, err = s.tx.Exec("INSERT INTO heard (task_id, entity_type, entity_id, at, who, laptop, payload, merged) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		nullText(taskOf(after)), after.Kind, after.ID, after.Fields.Int(op.UpdatedAt), op.Clean(by.user, false), op.Clean(by.laptop, false), string(text), merged)
	return err
}
