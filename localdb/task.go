package localdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// AddTask makes a task; its status is PENDING unless fields say otherwise.
func (db *DB) AddTask(ctx context.Context, fields op.Fields) (string, error) {
	f := fields.Clone()
	if f["status"] == nil {
		f["status"] = string(op.Pending)
	}
	saved, err := db.Do(ctx, Change{Kind: op.Task, Action: op.Insert, Fields: f})
	if err != nil {
		return "", err
	}
	return saved.IDs[0], nil
}

// EditTask changes fields of a task, all but its status: see [DB.SetStatus].
func (db *DB) EditTask(ctx context.Context, id string, fields op.Fields) error {
	for name := range fields {
		if op.RegisterOf(op.Task, name) == "status" {
			r := &op.Refusal{Code: op.CodeBadValue, Field: name, Message: "changes with the status, not by itself"}
			return &Error{Message: r.Error(), Hint: "punchlist status TASK STATUS", Cause: r}
		}
	}
	_, err := db.Do(ctx, Change{Kind: op.Task, ID: id, Action: op.Update, Fields: fields})
	return err
}

// DeleteTask deletes a task for everybody.
func (db *DB) DeleteTask(ctx context.Context, id string) error {
	_, err := db.Do(ctx, Change{Kind: op.Task, ID: id, Action: op.Delete})
	return err
}

// SetStatus takes a task to another status, checks what the step needs (see
// [op.CheckStep] and [op.Reasons]; a delivery needs a recipient, a completed task
// answers to all that is required), and keeps the technician's clock: travel from
// EN_ROUTE, work from IN_PROGRESS, waiting from ON_HOLD, nothing after the end.
// All of it is one action.
func (db *DB) SetStatus(ctx context.Context, id string, s Step) error {
	_, err := db.act(ctx, func(a *action) error { return a.setStatus(id, s) })
	return err
}

func (a *action) setStatus(id string, s Step) error {
	task, err := loadRecord(a.tx, op.Task, id)
	if err != nil {
		return fmt.Errorf("task %s: %w", id, err)
	}
	if err := a.checkStep(task, s); err != nil {
		return err
	}
	if _, err := a.change(Change{Kind: op.Task, ID: id, Action: op.Update, Fields: a.stepFields(task, s)}); err != nil {
		return err
	}
	return a.keepTime(id, s.To)
}

func (a *action) checkStep(task Record, s Step) error {
	from := op.Status(task.Fields.Text("status"))
	if from == s.To {
		return &Error{Message: fmt.Sprintf("the task is %s already", from)}
	}
	if r := op.CheckStep(from, s.To, a.dev.Role); r != nil {
		return r
	}
	if reasons := op.Reasons(s.To); reasons != nil && !slices.Contains(reasons, s.Reason) {
		what := "needs a reason"
		if s.Reason != "" {
			what = fmt.Sprintf("%q is no reason for it", s.Reason)
		}
		return &op.Refusal{Code: op.CodeRequired, Field: "reason", Message: fmt.Sprintf("%s: %s; use one of %s", s.To, what, strings.Join(reasons, ", "))}
	}
	if s.Reason == "other" && strings.TrimSpace(s.ReasonText) == "" {
		return &op.Refusal{Code: op.CodeRequired, Field: "reason_text", Message: `the reason "other" needs a few words: what is it?`}
	}
	if s.To != op.Completed {
		return nil
	}
	if task.Fields.Text("type") == "delivery" && strings.TrimSpace(s.Recipient) == "" && task.Fields.Text("recipient_name") == "" {
		return &op.Refusal{Code: op.CodeRequired, Field: "recipient_name", Message: "a delivery is completed with the name of who took it"}
	}
	return a.checkRequired(task.ID)
}

// checkRequired refuses to complete a task whose required items are open.
func (a *action) checkRequired(taskID string) error {
	open, err := loadRecords(a.tx, op.Item, "WHERE task_id = ? AND deleted = 0 AND required = 1 AND outcome IS NULL ORDER BY position, id", taskID)
	if err != nil || len(open) == 0 {
		return err
	}
	what := fmt.Sprintf("the required step %q has no answer yet", open[0].Fields.Text("label"))
	if len(open) > 1 {
		what = fmt.Sprintf("%d required steps have no answer yet, %q first", len(open), open[0].Fields.Text("label"))
	}
	return &Error{Message: what, Hint: "the checklist (c) takes it, or set INCOMPLETE with a reason"}
}

// stepFields is the whole register of the status as it will stand.
func (a *action) stepFields(task Record, s Step) op.Fields {
	f := op.Fields{"status": string(s.To), "reason": nil, "reason_text": nil}
	if s.Reason != "" {
		f["reason"] = s.Reason
	}
	if s.ReasonText != "" {
		f["reason_text"] = s.ReasonText
	}
	if s.Recipient != "" {
		f["recipient_name"] = s.Recipient
	}
	switch {
	case s.To == op.InProgress:
		if task.Fields.Int("started_at") == 0 {
			f["started_at"] = a.now
		}
		f["completed_at"], f["completed_by"] = nil, nil
	case s.To == op.Completed || s.To == op.Incomplete:
		f["completed_at"], f["completed_by"] = a.now, a.dev.User
	case s.To == op.Pending:
		f["started_at"], f["completed_at"], f["completed_by"] = nil, nil, nil
	}
	return f
}

// clockKinds: what the technician's clock counts in each status.
var clockKinds = map[op.Status]string{op.EnRoute: "travel", op.InProgress: "work", op.OnHold: "wait"}

// keepTime closes this person's open entries of the task and opens the next.
func (a *action) keepTime(taskID string, to op.Status) error {
	if err := a.endTime(taskID); err != nil {
		return err
	}
	if kind := clockKinds[to]; kind != "" {
		return a.beginTime(taskID, kind)
	}
	return nil
}

func (a *action) endTime(taskID string) error {
	open, err := loadRecords(a.tx, op.TimeEntry, "WHERE task_id = ? AND deleted = 0 AND ended_at IS NULL AND user = ? ORDER BY started_at, id", taskID, a.dev.User)
	if err != nil {
		return err
	}
	for _, e := range open {
		end := op.Fields{"ended_at": max(a.now, e.Fields.Int("started_at"))}
		if _, err := a.change(Change{Kind: op.TimeEntry, ID: e.ID, Action: op.Update, Fields: end}); err != nil {
			return err
		}
	}
	return nil
}

func (a *action) beginTime(taskID, kind string) error {
	_, err := a.change(Change{Kind: op.TimeEntry, Action: op.Insert, Fields: op.Fields{
		"task_id": taskID, "user": a.dev.User, "kind": kind, "started_at": a.now, "source": "auto"}})
	return err
}

// Task reads one task with all that hangs on it; [ErrNotFound] also when it was deleted.
func (db *DB) Task(ctx context.Context, id string) (TaskView, error) {
	var v TaskView
	now := db.Now()
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		rec, err := loadTask(tx, id)
		if err != nil {
			return err
		}
		v.Version, v.Fields = rec.Version, rec.Fields
		rows, err := taskRows(tx, "t.id = ?", "t.id", 1, id)
		if err != nil {
			return err
		}
		v.TaskRow = rows[0]
		v.Section = SectionOf(v.Status, v.DueAt, v.WindowEnd, time.UnixMilli(now))
		if v.Children, err = taskRows(tx, "t.parent_id = ? AND t.deleted = 0", "t.id", 50, id); err != nil {
			return err
		}
		return v.loadParts(tx)
	})
	return v, err
}

func (v *TaskView) loadParts(tx *sqlite.Tx) (err error) {
	if site := v.Fields.Text("site_id"); site != "" {
		s, err := loadRecord(tx, op.Site, site)
		if err == nil && !s.Deleted {
			v.Site = &s
		} else if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if v.Checklist, err = loadRecords(tx, op.Item, "WHERE task_id = ? AND deleted = 0 ORDER BY position, id", v.ID); err != nil {
		return err
	}
	if v.Notes, err = loadRecords(tx, op.Note, "WHERE task_id = ? AND deleted = 0 ORDER BY at, id", v.ID); err != nil {
		return err
	}
	v.Time, err = loadRecords(tx, op.TimeEntry, "WHERE task_id = ? AND deleted = 0 ORDER BY started_at, id", v.ID)
	return err
}

// Record reads one record of any kind, a deleted one too.
func (db *DB) Record(ctx context.Context, kind op.Kind, id string) (Record, error) {
	var r Record
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		r, err = loadRecord(tx, kind, id)
		return err
	})
	return r, err
}

// Records reads records of one kind by id, deleted ones too: id → record. Ids
// that nothing here carries are left out.
func (db *DB) Records(ctx context.Context, kind op.Kind, ids []string) (map[string]Record, error) {
	out := make(map[string]Record, len(ids))
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		for _, id := range ids {
			r, err := loadRecord(tx, kind, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			out[id] = r
		}
		return nil
	})
	return out, err
}

// IDs lists the ids of a kind's live records, in their order.
func (db *DB) IDs(ctx context.Context, kind op.Kind) ([]string, error) {
	var out []string
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		out, err = collectAll(tx, "SELECT id FROM "+tables[kind].name+" WHERE deleted = 0 ORDER BY id")
		return err
	})
	return out, err
}

// FindTask turns what a person writes into a task's id: the number (T-10423, or
// 10423), a temporary one (NEW-7F3A), the id, or its first characters (at least
// four). A word that fits several tasks is refused with their titles.
func (db *DB) FindTask(ctx context.Context, ref string) (string, error) {
	var ids []string
	ref = strings.TrimSpace(ref)
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		for _, look := range taskLookups(ref) {
			if ids, err = scanIDs(tx, look.query, look.arg); err != nil || len(ids) > 0 {
				return err
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", &Error{Message: fmt.Sprintf("there is no task %q on this laptop", op.Clean(ref, false)), Hint: "punchlist list shows what is there", Cause: ErrNotFound}
	case len(ids) > 1:
		return "", db.ambiguous(ctx, ref, ids)
	}
	return ids[0], nil
}

// ambiguous tells apart what a word fits: numbers are a crew's own, so that a
// person in two crews may meet one twice.
func (db *DB) ambiguous(ctx context.Context, ref string, ids []string) error {
	recs, err := db.Records(ctx, op.Task, ids)
	if err != nil {
		return err
	}
	var which []string
	for _, id := range ids {
		which = append(which, fmt.Sprintf("%s (%s %s)", id, recs[id].Crew, recs[id].Fields.Text("title")))
	}
	return &Error{Message: fmt.Sprintf("%q fits %d tasks", op.Clean(ref, false), len(ids)), Hint: "name one by its id: " + strings.Join(which, ", ")}
}

type lookup struct{ query, arg string }

func taskLookups(ref string) []lookup {
	const from = "SELECT id FROM tasks WHERE deleted = 0 AND "
	upper := strings.ToUpper(ref)
	looks := []lookup{{from + "id = ?", strings.ToLower(ref)}, {from + "number = ?", upper}, {from + "number = 'T-' || ?", ref}, {from + "external_ref = ?", ref}}
	if temp, ok := strings.CutPrefix(upper, "NEW-"); ok && len(temp) >= 4 {
		looks = append(looks, lookup{from + "number IS NULL AND id LIKE '%' || ?", strings.ToLower(temp)})
	}
	if len(ref) >= 4 && !strings.ContainsAny(ref, "%_") {
		looks = append(looks, lookup{from + "id LIKE ? || '%'", strings.ToLower(ref)})
	}
	return looks
}

func scanIDs(tx *sqlite.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(query+" LIMIT 5", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return collect(rows)
}

func collect(rows *sql.Rows) (out []string, err error) {
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
