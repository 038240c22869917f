package localdb

import (
	"encoding/json"
	"slices"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// moments are the fields that an action fills with the time at which it happens.
var moments = []string{"started_at", "completed_at", "ended_at", "done_at", "at"}

// times turns readings into the server's time with all that is known here.
//
//	boot met the server: its boot clock + the offset learned      certain
//	else: wall clock + last known offset, but not before          uncertain
//	      the last contact + the time since this boot began
type times struct {
	op.Offsets
	last int64 // the server's time at the last contact, ms; 0: never
	now  int64 // this moment, where this boot has met the server; else 0
}

func loadTimes(tx *sqlite.Tx, read op.Reading) (times, error) {
	offsets, err := loadOffsets(tx)
	if err != nil {
		return times{}, err
	}
	t := times{Offsets: offsets}
	if err := tx.Scan([]any{&t.last}, "SELECT coalesce(max(offset_ms + learned_ms), 0) FROM boots"); err != nil {
		return t, err
	}
	if ms, uncertain := offsets.Correct(read); !uncertain {
		t.now = ms
	}
	return t, nil
}

// of is when a reading of just now was taken.
func (t times) of(read op.Reading) int64 {
	ms, uncertain := t.Correct(read)
	if uncertain {
		ms = max(ms, t.last+read.Boot)
	}
	return ms
}

// sent is the time that a waiting op goes out with. Of a boot that never met the
// server stands what was thought when the op was made.
func (t times) sent(read op.Reading, stored int64) (ms int64, uncertain bool) {
	ms, uncertain = t.Correct(read)
	if !uncertain {
		return ms, false
	}
	if t.now != 0 && stored > t.now {
		return t.now, true
	}
	return stored, true
}

// contact is the first meeting of a boot with the server.
type contact struct {
	boot   string
	offset int64 // server time − boot clock
	wall   int64 // server time − wall clock
	now    int64 // the server's time
	before times // what was known until then
}

// retime brings the times that waiting ops wrote into their records (when work
// began, when it was done) to the server's clock: those made in this boot before
// it met the server, and those of boots that never did and now turn out to lie
// in the future. updated_at itself is computed when an op is sent. What was sent
// never changes.
func (db *DB) retime(tx *sqlite.Tx, c contact) error {
	late, err := loadLate(tx, c)
	if err != nil || len(late) == 0 {
		return err
	}
	moved := map[string]map[int64]int64{} // by record: an op copies the times that the ones before it wrote
	ops := map[string]string{}
	for _, l := range late {
		if moved[l.entity] == nil {
			moved[l.entity] = map[int64]int64{}
		}
		old := l.fields.Int(op.UpdatedAt)
		if t := c.timeOf(l, old); t != old {
			moved[l.entity][old] = t
			l.fields[op.UpdatedAt] = t
		}
		ops[l.op] = l.entity
		shift(l.fields, moved[l.entity])
		text, err := json.Marshal(l.fields)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE sync_queue SET payload = ? WHERE op_id = ?", string(text), l.op); err != nil {
			return err
		}
	}
	for _, l := range late {
		if err := rebuild(tx, l.kind, l.entity); err != nil {
			return err
		}
	}
	return retimeActions(tx, ops, moved)
}

// late is a waiting op that wrote moments by a clock that nobody had compared, or
// one that such a clock put into the future.
type late struct {
	op, entity string
	kind       op.Kind
	fields     op.Fields
	read       op.Reading
}

func loadLate(tx *sqlite.Tx, c contact) ([]late, error) {
	rows, err := tx.Query(`SELECT op_id, entity_id, entity_type, payload, created_at, boot_id, boot_ms FROM sync_queue
		WHERE tried = 0 AND (boot_id = ?1 OR boot_id NOT IN (SELECT boot_id FROM boots))
		AND (coalesce(payload ->> '$.started_at', payload ->> '$.completed_at', payload ->> '$.ended_at', payload ->> '$.done_at', payload ->> '$.at') IS NOT NULL
			OR boot_id <> ?1 AND payload ->> '$.updated_at' > ?2) ORDER BY id`, c.boot, c.now)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []late
	for rows.Next() {
		var l late
		var payload string
		if err := rows.Scan(&l.op, &l.entity, &l.kind, &payload, &l.read.Wall, &l.read.BootID, &l.read.Boot); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(payload), &l.fields); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// timeOf is when an op was made, as far as that can be told after the contact.
func (c contact) timeOf(l late, thought int64) int64 {
	if l.read.BootID == c.boot {
		return l.read.Boot + c.offset
	}
	if !c.before.Known {
		thought = l.read.Wall + c.wall // the first offset ever: it was probably as wrong then
	}
	switch {
	case thought <= c.now:
		return thought
	case c.before.last > 0:
		return min(c.before.last+l.read.Boot, c.now) // after the last contact: its earliest moment
	}
	return c.now
}

// shift replaces moments by what they are moved to.
func shift(f op.Fields, to map[int64]int64) {
	for _, name := range moments {
		if v, ok := f[name].(int64); ok {
			if t, ok := to[v]; ok {
				f[name] = t
			}
		}
	}
}

// retimeActions keeps what can be undone in step: undoing looks whether a record
// still holds what the action wrote.
func retimeActions(tx *sqlite.Tx, ops map[string]string, moved map[string]map[int64]int64) error {
	rows, err := tx.Query("SELECT id, changes FROM actions")
	if err != nil {
		return err
	}
	defer rows.Close()
	changed := map[int64]string{}
	for rows.Next() {
		var id int64
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			return err
		}
		var deeds []deed
		if err := json.Unmarshal([]byte(text), &deeds); err != nil {
			return err
		}
		if !slices.ContainsFunc(deeds, func(d deed) bool { return ops[d.Op] != "" }) {
			continue
		}
		for _, d := range deeds {
			shift(d.Fields, moved[d.ID])
			shift(d.Prev, moved[d.ID])
		}
		b, err := json.Marshal(deeds)
		if err != nil {
			return err
		}
		changed[id] = string(b)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for id, text := range changed {
		if _, err := tx.Exec("UPDATE actions SET changes = ? WHERE id = ?", text, id); err != nil {
			return err
		}
	}
	return nil
}
