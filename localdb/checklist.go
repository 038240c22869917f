package localdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// AddItem makes a checklist item of a task; without a position it goes last.
func (db *DB) AddItem(ctx context.Context, taskID string, fields op.Fields) (string, error) {
	saved, err := db.act(ctx, func(a *action) error {
		f := fields.Clone()
		f["task_id"] = taskID
		if f["position"] == nil {
			var last int64
			if err := a.tx.Scan([]any{&last}, "SELECT coalesce(max(position), 0) FROM checklist_items WHERE task_id = ? AND deleted = 0", taskID); err != nil {
				return err
			}
			f["position"] = last + 1
		}
		_, err := a.change(Change{Kind: op.Item, Action: op.Insert, Fields: f})
		return err
	})
	if err != nil {
		return "", err
	}
	return saved.IDs[0], nil
}

// AnswerItem records a checklist item's result: who, when, the value where the
// item asks for one. A number outside the item's limits is only taken with the
// outcome fail; Outcome "" takes the answer back.
func (db *DB) AnswerItem(ctx context.Context, itemID string, ans Answer) error {
	_, err := db.act(ctx, func(a *action) error {
		item, err := loadRecord(a.tx, op.Item, itemID)
		if err != nil {
			return fmt.Errorf("checklist item %s: %w", itemID, err)
		}
		if r := CheckAnswer(item.Fields, ans); r != nil {
			return r
		}
		f := op.Fields{"outcome": nil, "value": nil, "done_by": nil, "done_at": nil}
		if ans.Outcome != "" {
			f = op.Fields{"outcome": ans.Outcome, "value": ans.Value, "done_by": a.dev.User, "done_at": a.now}
			if ans.Outcome == item.Fields.Text("outcome") && op.Equal(ans.Value, item.Fields["value"]) {
				f = op.Fields{} // the same answer again is no new one
			}
		}
		if ans.Comment != nil {
			f["comment"] = nil
			if *ans.Comment != "" {
				f["comment"] = *ans.Comment
			}
		}
		_, err = a.change(Change{Kind: op.Item, ID: itemID, Action: op.Update, Fields: f})
		return err
	})
	return err
}

// StepsLeft counts what tasks' checklists hold without an answer, and as failed.
func (db *DB) StepsLeft(ctx context.Context, taskIDs []string) (open, failed int, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		for _, id := range taskIDs {
			var o, f int
			if err := tx.Scan([]any{&o, &f}, "SELECT count(*) FILTER (WHERE outcome IS NULL), count(*) FILTER (WHERE outcome = 'fail') FROM checklist_items WHERE task_id = ? AND deleted = 0", id); err != nil {
				return err
			}
			open, failed = open+o, failed+f
		}
		return nil
	})
	return open, failed, err
}

// CheckAnswer says why an answer does not fit the item's kind, limits or
// choices, or nil.
func CheckAnswer(item op.Fields, a Answer) *op.Refusal {
	if a.Outcome == "" || a.Outcome == "na" {
		return nil
	}
	refuse := func(field, format string, args ...any) *op.Refusal {
		return &op.Refusal{Code: op.CodeBadValue, Field: field, Message: fmt.Sprintf(format, args...)}
	}
	if !slices.Contains(op.Outcomes, a.Outcome) {
		return refuse("outcome", "%q is none of %s", a.Outcome, strings.Join(op.Outcomes, ", "))
	}
	switch item.Text("kind") {
	case "number":
		x, ok := op.Fields{"v": a.Value}.Real("v")
		if !ok {
			return refuse("value", "%q asks for a number%s", item.Text("label"), unit(item))
		}
		if why := outside(item, x); why != "" && a.Outcome != "fail" {
			return refuse("value", "%v%s is %s; mend it, or answer fail", x, unit(item), why)
		}
	case "choice":
		choices := strings.Split(item.Text("choices"), "\n")
		v, _ := a.Value.(string)
		if !slices.Contains(choices, v) || v == "" {
			return refuse("value", "choose one of %s", strings.Join(choices, ", "))
		}
	case "text":
		if v, _ := a.Value.(string); strings.TrimSpace(v) == "" && a.Outcome != "fail" {
			return refuse("value", "%q asks for a text", item.Text("label"))
		}
	}
	return nil
}

func unit(item op.Fields) string {
	if u := item.Text("unit"); u != "" {
		return " " + u
	}
	return ""
}

func outside(item op.Fields, x float64) string {
	if lo, ok := item.Real("min"); ok && x < lo {
		return fmt.Sprintf("below the limit of %v%s", lo, unit(item))
	}
	if hi, ok := item.Real("max"); ok && x > hi {
		return fmt.Sprintf("above the limit of %v%s", hi, unit(item))
	}
	return ""
}
