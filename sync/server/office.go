package server

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Edited is what became of an edit of the office.
type Edited struct {
	Task     *op.Record      // as the server holds it now
	Overrode []wire.Conflict // what a device wrote between the look and the edit, and lost
}

// AddTask makes a task in the author's first crew; it is PENDING, and has the
// checklist that its type's template says.
func (s *Server) AddTask(ctx context.Context, by Author, fields op.Fields) (Edited, error) {
	f := fields.Clone()
	if f["status"] == nil {
		f["status"] = string(op.Pending)
	}
	if f["status"] != string(op.Pending) {
		return Edited{}, fault("add it, then set its status", "a new task is %s", op.Pending)
	}
	if len(by.Crews) == 0 {
		return Edited{}, fault("", "%s is in no crew", by.User)
	}
	if crew := f.Text(op.CrewField); crew != "" && crew != by.Crews[0] {
		return Edited{}, fault("use --crew "+clip(crew), "the task would belong to the crew %s and to %s", by.Crews[0], clip(crew))
	}
	f[op.CrewField] = by.Crews[0]
	id, err := s.newID()
	if err != nil {
		return Edited{}, err
	}
	items, err := s.TemplateOf(ctx, by.Crews[0], f.Text("type"))
	if err != nil {
		return Edited{}, err
	}
	return s.edit(ctx, by, id, append([]op.Op{{Kind: op.Task, Entity: id, Action: op.Insert, Fields: f}}, checklist(id, items)...))
}

// SetTask changes fields of a task. A change of status is checked as any
// person's is; one that ends the task stops the clocks that run on it. With
// another crew the task moves there, if the author may work in that one too.
func (s *Server) SetTask(ctx context.Context, by Author, task *op.Record, fields op.Fields) (Edited, error) {
	f := fields.Clone()
	if crew := f.Text(op.CrewField); crew != "" && crew != task.Crew {
		there, err := s.Office(ctx, by.User, crew)
		if err != nil {
			return Edited{}, err
		}
		by.Crews = append(slices.Clone(by.Crews), there.Crews...)
	}
	ops := []op.Op{{Kind: op.Task, Entity: task.ID, Action: op.Update, Fields: f, Base: task.Version}}
	if status, ok := f["status"].(string); ok && status != task.Fields.Text("status") {
		hanging, err := s.Hanging(ctx, task)
		if err != nil {
			return Edited{}, err
		}
		if err := checkStep(by, task, hanging, f); err != nil {
			return Edited{}, err
		}
		s.stepFields(by, task, f)
		if op.Status(status).Ended() {
			ops = append(ops, s.stopClocks(hanging)...)
		}
	} else if ok {
		return Edited{}, fault("", "the task is %s already", status)
	}
	return s.edit(ctx, by, task.ID, ops)
}

// edit applies ops as one action and looks at the task afterwards.
func (s *Server) edit(ctx context.Context, by Author, task string, ops []op.Op) (Edited, error) {
	group, err := s.newID()
	if err != nil {
		return Edited{}, err
	}
	now := s.ms()
	for i := range ops {
		if ops[i].ID, err = s.newID(); err != nil {
			return Edited{}, err
		}
		ops[i].Fields[op.UpdatedAt] = now
		ops[i].CreatedAt, ops[i].Schema, ops[i].Group = now, op.Schema, group
	}
	results, err := s.Apply(ctx, by, ops)
	if err != nil {
		return Edited{}, err
	}
	var e Edited
	for _, r := range results {
		if r.Outcome == op.Rejected && r.Code == op.CodeGroup {
			continue // another one says why
		}
		if r.Outcome == op.Rejected {
			return e, &op.Refusal{Code: r.Code, Field: r.Field, Message: r.Message}
		}
		if r.Outcome != op.Applied {
			return e, fault("look at the task again and repeat the edit", "somebody changed the task meanwhile")
		}
		e.Overrode = append(e.Overrode, r.Overrode...)
	}
	e.Task, err = s.FindTask(ctx, by.Crews, task)
	return e, err
}

// checkStep is the check of a status change where a person acts.
func checkStep(by Author, task *op.Record, hanging []*op.Record, f op.Fields) error {
	to := op.Status(f.Text("status"))
	if r := op.CheckStep(op.Status(task.Fields.Text("status")), to, by.Role); r != nil {
		return r
	}
	if reasons := op.Reasons(to); reasons != nil && !slices.Contains(reasons, f.Text("reason")) {
		return refusal(op.CodeRequired, "reason", "%s needs one of %s", to, strings.Join(reasons, ", "))
	}
	if to != op.Completed {
		return nil
	}
	if task.Fields.Text("type") == "delivery" && f.Text("recipient_name") == "" && task.Fields.Text("recipient_name") == "" {
		return refusal(op.CodeRequired, "recipient_name", "a delivery is completed with the name of who took it")
	}
	for _, rec := range hanging {
		if rec.Kind == op.Item && !rec.Deleted && rec.Fields.Bool("required") && rec.Fields.Text("outcome") == "" {
			return fault("set it to INCOMPLETE with a reason, or have it answered", "the required checklist item %q is not answered", rec.Fields.Text("label"))
		}
	}
	return nil
}

// stepFields fills in the rest of the status register, which changes as one.
func (s *Server) stepFields(by Author, task *op.Record, f op.Fields) {
	set := op.Fields{"reason": nil, "reason_text": nil}
	for _, name := range []string{"started_at", "completed_at", "completed_by", "recipient_name"} {
		set[name] = task.Fields[name]
	}
	switch to := op.Status(f.Text("status")); to {
	case op.InProgress:
		if set["started_at"] == nil {
			set["started_at"] = s.ms()
		}
		set["completed_at"], set["completed_by"] = nil, nil
	case op.Completed, op.Incomplete:
		set["completed_at"], set["completed_by"] = s.ms(), by.User
	case op.Pending:
		set["started_at"], set["completed_at"], set["completed_by"] = nil, nil, nil
	}
	for name, v := range set {
		if _, given := f[name]; !given {
			f[name] = v
		}
	}
}

func (s *Server) stopClocks(hanging []*op.Record) (ops []op.Op) {
	for _, rec := range hanging {
		if rec.Kind == op.TimeEntry && !rec.Deleted && rec.Fields["ended_at"] == nil {
			end := max(s.ms(), rec.Fields.Int("started_at"))
			ops = append(ops, op.Op{Kind: op.TimeEntry, Entity: rec.ID, Action: op.Update, Fields: op.Fields{"ended_at": end}, Base: rec.Version})
		}
	}
	return ops
}

// Hanging lists what hangs on a task, deleted records too.
func (s *Server) Hanging(ctx context.Context, task *op.Record) ([]*op.Record, error) {
	loaded, err := s.store.Load(ctx, Needs{Crews: []string{task.Crew}, Children: []string{task.ID}})
	if err != nil {
		return nil, err
	}
	return recordsOf(loaded.Rows)
}

func recordsOf(rows []Row) ([]*op.Record, error) {
	out := make([]*op.Record, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.Record(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// shortRef is how much of an id must be given.
const shortRef = 4

// FindTask finds a task by its number, its external_ref, its id or the first
// letters of its id.
func (s *Server) FindTask(ctx context.Context, crews []string, ref string) (*op.Record, error) {
	rows, err := s.store.Tasks(ctx, TaskQuery{Crews: crews, Match: ref, Limit: 50})
	if err != nil {
		return nil, err
	}
	exact := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Number != ref && r.Ref != ref && r.ID != ref })
	switch {
	case len(exact) == 1:
		return exact[0].Record()
	case len(rows) == 1 && len(ref) >= shortRef:
		return rows[0].Record()
	case len(rows) > 1 && (len(exact) > 1 || len(ref) >= shortRef):
		return nil, fault("name its crew with --crew, or more of its id", "%q fits several tasks", clip(ref))
	}
	return nil, fault("punchlistd task list shows them", "there is no task %q in %s", clip(ref), strings.Join(crews, ", "))
}

// Tasks hands out the tasks of crews that are not deleted, by crew and id.
func (s *Server) Tasks(ctx context.Context, crews []string) iter.Seq2[*op.Record, error] {
	return func(yield func(*op.Record, error) bool) {
		q := TaskQuery{Crews: crews, Limit: wire.MaxPage}
		for {
			rows, err := s.store.Tasks(ctx, q)
			if err != nil {
				yield(nil, fmt.Errorf("list tasks: %w", err))
				return
			}
			for _, row := range rows {
				rec, err := row.Record()
				if !yield(rec, err) || err != nil {
					return
				}
			}
			if len(rows) < q.Limit {
				return
			}
			q.After = &rows[len(rows)-1]
		}
	}
}
