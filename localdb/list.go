package localdb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// Limits of one page of the list.
const (
	pageRows    = 50
	maxPageRows = 500
)

// Key is the place of a row in the list. It stays good while others are added
// and removed; it is meant to be kept, not looked into.
type Key struct {
	section Section
	at      int64
	id      string
}

// Bounds of the sections for one moment: tasks that have not begun are cut by
// their due time into Overdue, Next and Later.
type bounds struct{ now, tomorrow int64 }

func boundsOf(now time.Time) bounds {
	y, m, d := now.Date()
	return bounds{now.UnixMilli(), time.Date(y, m, d+2, 0, 0, 0, 0, now.Location()).UnixMilli()}
}

const (
	whereWaiting = "t.deleted = 0 AND t.status = 'PENDING'"
	whereBegun   = "t.deleted = 0 AND t.status IN ('EN_ROUTE','IN_PROGRESS','ON_HOLD')"
	whereEnded   = "t.deleted = 0 AND t.status IN ('COMPLETED','INCOMPLETE','CANCELLED','CLOSED')"
)

// part is one section's share of the list as SQL: the rows of one index.
func (b bounds) part(s Section) (where, key string, args []any) {
	switch s {
	case Overdue:
		return whereWaiting + " AND t.due_key < ?", "due_key", []any{b.now}
	case Now:
		return whereBegun, "due_key", nil
	case Next:
		return whereWaiting + " AND t.due_key >= ? AND t.due_key < ?", "due_key", []any{b.now, b.tomorrow}
	case Later:
		return whereWaiting + " AND t.due_key >= ?", "due_key", []any{b.tomorrow}
	}
	return whereEnded, "updated_at", nil
}

// Tasks reads one page of the list: the sections one after the other, each by
// due time, ended tasks newest first. It pages by key, never by offset: the
// millionth row costs what the first does.
func (db *DB) Tasks(ctx context.Context, q Query) (Page, error) {
	if q.Limit <= 0 {
		q.Limit = pageRows
	}
	q.Limit = min(q.Limit, maxPageRows)
	if q.Now.IsZero() {
		q.Now = db.Time()
	}
	var page Page
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		page, err = readPage(tx, q)
		return err
	})
	return page, err
}

func readPage(tx *sqlite.Tx, q Query) (Page, error) {
	order := []Section{Overdue, Now, Next, Later, Done}
	if q.Back {
		slices.Reverse(order)
	}
	if q.From != nil {
		order = order[slices.Index(order, q.From.section):]
	}
	var page Page
	source, err := q.source(tx)
	if err != nil {
		return page, err
	}
	for i, section := range order {
		var from *Key
		if i == 0 {
			from = q.From
		}
		want := q.Limit + 1 - len(page.Rows) // one more, to know whether there is more
		rows, keys, err := source.section(tx, q, section, from, want)
		if err != nil {
			return page, err
		}
		page.Rows, page.Keys = append(page.Rows, rows...), append(page.Keys, keys...)
		if len(page.Rows) > q.Limit {
			page.Rows, page.Keys, page.More = page.Rows[:q.Limit], page.Keys[:q.Limit], true
			break
		}
	}
	if q.Back {
		slices.Reverse(page.Rows)
		slices.Reverse(page.Keys)
	}
	return page, explainFinds(tx, page.Rows, q.Filter.words)
}

// source is where the rows of a page come from.
type source struct {
	from string // of the SQL; "" for the whole table, in the order of its indexes
	list string // the ids of the only tasks that can be in it, as JSON
}

func (q Query) source(tx *sqlite.Tx) (source, error) {
	list, narrowed, err := candidates(tx, q.Filter)
	if err != nil || !narrowed {
		return source{}, err
	}
	return source{from: "json_each(?) c CROSS JOIN tasks t ON t.id = c.value", list: list}, nil
}

func (src source) section(tx *sqlite.Tx, q Query, s Section, from *Key, limit int) ([]TaskRow, []Key, error) {
	where, key, args := boundsOf(q.Now).part(s)
	forward := (s != Done) != q.Back // Done runs from new to old
	cmp, dir := ">", "ASC"
	if !forward {
		cmp, dir = "<", "DESC"
	}
	if from != nil {
		where += fmt.Sprintf(" AND (t.%s, t.id) %s (?, ?)", key, cmp)
		args = append(args, from.at, from.id)
	}
	where += q.Filter.where
	args = append(args, q.Filter.args...)
	rows, err := src.taskRows(tx, where, fmt.Sprintf("t.%s %s, t.id %s", key, dir, dir), limit, args...)
	if err != nil {
		return nil, nil, err
	}
	keys := make([]Key, len(rows))
	for i := range rows {
		rows[i].Section = s
		keys[i] = Key{s, rows[i].dueKey, rows[i].ID}
		if s == Done {
			keys[i].at = rows[i].UpdatedAt
		}
	}
	return rows, keys, nil
}

const noDue = 9007199254740991 // as in the column due_key

// taskRows reads lines of the list. Counts are looked up by index, a line at a time.
func taskRows(tx *sqlite.Tx, where, order string, limit int, args ...any) ([]TaskRow, error) {
	return source{}.taskRows(tx, where, order, limit, args...)
}

func (src source) taskRows(tx *sqlite.Tx, where, order string, limit int, args ...any) ([]TaskRow, error) {
	from := "tasks t"
	if src.from != "" {
		from, args = src.from, append([]any{src.list}, args...)
	}
	rows, err := tx.Query(`SELECT t.id, coalesce(t.number, ''), t.title, coalesce(t.type, ''), coalesce(t.assignee, ''), coalesce(t.asset, ''), t.status,
			coalesce(t.priority, ''), coalesce(t.crew, ''), t.window_start, t.window_end, t.due_at, t.updated_at, coalesce(s.code, ''), coalesce(s.name, ''), coalesce(s.id, ''), t.due_key,
			(SELECT count(*) FROM checklist_items i WHERE i.task_id = t.id AND i.deleted = 0),
			(SELECT count(i.outcome) FROM checklist_items i WHERE i.task_id = t.id AND i.deleted = 0),
			(SELECT count(*) FROM notes n WHERE n.task_id = t.id AND n.deleted = 0),
			(SELECT count(*) FROM sync_queue q WHERE q.task_id = t.id AND q.state = 'pending'),
			(SELECT count(*) FROM sync_queue q WHERE q.task_id = t.id AND q.state = 'parked'),
			(SELECT count(*) FROM conflicts c WHERE c.task_id = t.id AND c.state = 'open'),
			(SELECT count(*) FROM heard h WHERE h.task_id = t.id AND h.merged = 1)
		FROM `+from+` LEFT JOIN sites s ON s.id = t.site_id AND s.deleted = 0 WHERE `+where+` ORDER BY `+order+` LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []TaskRow
	for rows.Next() {
		var r TaskRow
		var from, to, due sql.NullInt64
		var parked, conflicts, merges int
		err := rows.Scan(&r.ID, &r.Number, &r.Title, &r.Type, &r.Assignee, &r.Asset, &r.Status, &r.Priority, &r.Crew, &from, &to, &due, &r.UpdatedAt,
			&r.SiteCode, &r.SiteName, &r.SiteID, &r.dueKey, &r.Steps, &r.StepsDone, &r.Notes, &r.Waiting, &parked, &conflicts, &merges)
		if err != nil {
			return nil, err
		}
		if r.Number == "" {
			r.Number = TempNumber(r.ID)
		}
		r.WindowStart, r.WindowEnd, r.DueAt = from.Int64, to.Int64, due.Int64
		r.Sync = badge(r.Waiting, parked, conflicts, merges)
		out = append(out, r)
	}
	return out, rows.Err()
}

func badge(waiting, parked, conflicts, merges int) Badge {
	switch {
	case parked > 0:
		return BadgeParked
	case conflicts > 0:
		return BadgeConflict
	case waiting > 0:
		return BadgePending
	case merges > 0:
		return BadgeMerged
	}
	return BadgeSent
}

// CountTasks counts what a filter shows.
func (db *DB) CountTasks(ctx context.Context, f Filter) (n int, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		return tx.Scan([]any{&n}, "SELECT count(*) FROM tasks t WHERE t.deleted = 0"+f.where, f.args...)
	})
	return n, err
}

// Summary reads what the truth line needs.
func (db *DB) Summary(ctx context.Context) (Summary, error) {
	var s Summary
	var oldest sql.NullInt64
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		err = tx.Scan([]any{&s.Tasks, &s.Pending, &s.Parked, &s.PendingTasks, &s.ParkedTasks, &s.Conflicts, &s.Merges, &oldest},
			`SELECT tasks, pending, parked, pending_tasks, parked_tasks, (SELECT count(*) FROM conflicts WHERE state = 'open'),
				(SELECT count(*) FROM heard WHERE merged = 1), (SELECT min(created_at) FROM sync_queue WHERE state = 'pending') FROM counters`)
		if err != nil {
			return err
		}
		if err = tx.Scan([]any{&s.LastSync}, "SELECT last_sync FROM device"); err != nil {
			return err
		}
		read := db.clock()
		known, err := loadTimes(tx, read)
		if err != nil {
			return err
		}
		if known.now != 0 {
			s.ClockOff = known.now - read.Wall
		}
		if s.Device, err = loadDevice(tx); err != nil {
			return err
		}
		if s.Running, err = running(tx, s.Device.User, maxRunning); err != nil {
			return err
		}
		if s.Clocks = len(s.Running); s.Clocks == maxRunning {
			if s.Clocks, err = countRunning(tx, s.Device.User); err != nil {
				return err
			}
		}
		s.Left, err = db.left(tx)
		return err
	})
	s.OldestPending = oldest.Int64
	return s, err
}

// SectionOf says in which section a task stands at a moment.
func SectionOf(status op.Status, due, windowEnd int64, now time.Time) Section {
	b, key := boundsOf(now), due
	if key == 0 {
		key = windowEnd
	}
	switch {
	case status.Ended():
		return Done
	case status != op.Pending:
		return Now
	case key == 0 || key >= b.tomorrow:
		return Later
	case key < b.now:
		return Overdue
	}
	return Next
}
