package localdb

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// What a damaged database still gives, beside the unsent work of which there is a
// second copy. The records, so that a technician without a network sees them: the
// server tells all of them again, and until then they count for nothing
// ([DB.Anew]). And what stands nowhere else: what was being typed, which conflicts
// were dismissed, what can be undone, what was sent in the last 30 days should the
// server be restored, and what was heard from it. Rows that cannot be read, or are not what
// this program writes, are left out; settings are in a file of their own.

// onlyHere are the tables of which nobody else has a copy, by the column that has
// an index; "" where the rows themselves lie in the order of one.
var onlyHere = []struct{ table, indexed string }{
	{"conflicts", "id"}, {"drafts", ""}, {"actions", ""}, {"taken_back", "op_id"}, {"sync_sent", "op_id"}, {"seen", ""}, {"heard", "task_id"}, {"notices", "code"},
}

// withoutRowid are those of the tables here that have no numbers for their rows.
var withoutRowid = map[string]bool{"drafts": true, "seen": true, "server_records": true}

// salvaged is what a damaged file said beside the rows that were taken over.
type salvaged struct {
	device json.RawMessage // who the laptop is; nil: it does not say
	queue  map[int64]json.RawMessage
	logged int64 // how many transactions the second copy was told of
	tasks  int   // taken over
}

// salvage takes over what it can read of a damaged file. Nothing is also an answer.
func (db *DB) salvage(ctx context.Context, path string) (out salvaged, err error) {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return out, err
	}
	from, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: sub, AppID: appID, ReadOnly: true, AnySchema: true})
	if err != nil {
		return out, nil
	}
	defer from.Close()
	err = db.sql.Write(ctx, func(to *sqlite.Tx) (fault error) {
		_ = from.Read(ctx, func(tx *sqlite.Tx) error { // whatever it finds there, it goes on
			s := salvager{from: tx, to: to}
			out = s.word()
			if out.tasks, fault = s.records(); fault == nil {
				fault = s.rest()
			}
			return nil
		})
		return fault
	})
	return out, err
}

// word is what the file says of the laptop and of its queue.
func (s salvager) word() salvaged {
	out := salvaged{queue: map[int64]json.RawMessage{}}
	_ = s.from.Scan([]any{(*[]byte)(&out.device)}, "SELECT json_object('device_id', device_id, 'user', user, 'name', name, 'role', role, 'crews', crews, 'server_url', server_url, "+
		"'server_id', server_id, 'server_key', server_key, 'enrolled_at', enrolled_at, 'queues', queues) FROM device")
	_ = s.from.Scan([]any{&out.logged}, "SELECT logged FROM counters")
	_ = s.rows("sync_queue", "op_id", func(id int64, row []byte) error {
		out.queue[id] = row
		return nil
	})
	return out
}

// salvager carries rows from a damaged file into a new one. Its errors are those
// of the new one alone.
type salvager struct{ from, to *sqlite.Tx }

// records takes the server's records. Those of which it never heard are made of the
// queue alone.
func (s salvager) records() (tasks int, err error) {
	for _, kind := range op.Kinds {
		err := s.rowids(tables[kind].name, "id", func(rowid int64) error {
			found, err := loadRecords(s.from, kind, "NOT INDEXED WHERE rowid = ?", rowid)
			if err != nil || len(found) != 1 || !sound(found[0]) {
				return nil
			}
			if kind == op.Task && !found[0].Deleted {
				tasks++
			}
			if err := saveRecord(s.to, found[0]); !sqlite.IsConstraint(err) {
				return err
			}
			return nil
		})
		if err != nil {
			return tasks, err
		}
	}
	err = s.scan("server_records", func(row []byte) error { return s.keep("server_records", row) })
	if err == nil {
		err = unhear(s.to)
	}
	if err == nil {
		_, err = s.to.Exec("UPDATE device SET anew = 1, rebasing = 1 WHERE EXISTS (SELECT 1 FROM unheard)")
	}
	return tasks, err
}

// sound tells whether a record can be one that a server told, and makes its texts safe.
func sound(r Record) bool {
	if id, err := uuid.Parse(r.ID); err != nil || id.String() != r.ID || r.Version == 0 {
		return false
	}
	for _, f := range op.SchemaOf(r.Kind) {
		if v := r.Fields[f.Name]; v != nil && !fits(f, v) || v == nil && f.Required {
			return false
		}
	}
	for name, v := range r.Fields {
		r.Fields[name] = cleanField(r.Kind, name, v)
	}
	return true
}

// rest takes what only this laptop knows.
func (s salvager) rest() (err error) {
	for _, t := range onlyHere {
		if withoutRowid[t.table] {
			err = s.scan(t.table, func(row []byte) error { return s.keep(t.table, row) })
		} else {
			err = s.rows(t.table, t.indexed, func(_ int64, row []byte) error { return s.keep(t.table, row) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keep writes a row into the new database, unless it is none of this table's: its
// constraints say so.
func (s salvager) keep(table string, row []byte) error {
	if err := insertRow(s.to, "INSERT OR IGNORE", table, row); err != nil && !sqlite.IsConstraint(err) {
		return fmt.Errorf("salvage %s: %w", table, err)
	}
	return nil
}

// rows hands out the rows of a table, as JSON.
func (s salvager) rows(table, indexed string, take func(id int64, row []byte) error) error {
	object, err := (&queueLog{}).object(s.from, table)
	if err != nil {
		return nil
	}
	return s.rowids(table, indexed, func(id int64) error {
		var row []byte
		if s.from.Scan([]any{&row}, "SELECT "+object+" FROM "+table+" NOT INDEXED WHERE rowid = ?", id) != nil || !utf8.Valid(row) || !json.Valid(row) {
			return nil
		}
		return take(id, row)
	})
}

// rowids hands out the numbers of a table's rows, once each: from the front and
// from the back up to what is damaged, and those that an index knows.
func (s salvager) rowids(table, indexed string, take func(int64) error) error {
	seen := map[int64]bool{}
	orders := []string{" NOT INDEXED ORDER BY rowid", " NOT INDEXED ORDER BY rowid DESC"}
	if indexed != "" {
		orders = append(orders, " ORDER BY "+indexed, " ORDER BY "+indexed+" DESC")
	}
	for _, order := range orders {
		var found []int64
		here := map[int64]bool{} // pages that lead in a circle would never end
		each(s.from, "SELECT rowid FROM "+table+order, func(scan func(...any) error) bool {
			var id int64
			if scan(&id) != nil || here[id] {
				return false
			}
			if here[id] = true; !seen[id] {
				seen[id] = true
				found = append(found, id)
			}
			return true
		})
		for _, id := range found {
			if err := take(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan hands out the rows of a table that has no numbers for them: from the front
// and from the back up to what is damaged.
func (s salvager) scan(table string, take func(row []byte) error) error {
	object, err := (&queueLog{}).object(s.from, table)
	if err != nil {
		return nil
	}
	keys, err := collectAll(s.from, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", table)
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	for _, way := range []string{"", " DESC"} {
		var fault error
		here := map[string]bool{}
		each(s.from, "SELECT "+object+" FROM "+table+" ORDER BY "+strings.Join(keys, way+", ")+way, func(scan func(...any) error) bool {
			var row []byte
			if scan(&row) != nil || here[string(row)] {
				return false
			}
			if here[string(row)] = true; !seen[string(row)] && utf8.Valid(row) && json.Valid(row) {
				seen[string(row)] = true
				fault = take(row)
			}
			return fault == nil
		})
		if fault != nil {
			return fault
		}
	}
	return nil
}

// each reads rows until one cannot be read or the caller has enough.
func each(tx *sqlite.Tx, query string, row func(scan func(...any) error) bool) {
	rows, err := tx.Query(query)
	if err != nil {
		return
	}
	defer rows.Close()
	for rows.Next() && row(rows.Scan) {
	}
}
