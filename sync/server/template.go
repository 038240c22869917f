package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
)

// Template is the checklist that the office gives to every new task of a type, in
// one crew or, with Crew "", in all crews that have none of their own. Tasks that
// are there already keep the checklist that they have.
type Template struct {
	Type  string      `json:"type"`
	Crew  string      `json:"crew"`
	Items []op.Fields `json:"items"` // of the checklist's items, in order
}

// MaxTemplate is how many steps a template may have: it is one action with its
// task, and an action is never split.
const MaxTemplate = 400

// What the audit calls what is done with templates and with recurring work.
const (
	DidTemplate = "template changed"
	DidRule     = "recurring work changed"
)

// templateKey is the setting that holds a template; one each, so that two
// administrators never write over each other's.
func templateKey(crew, taskType string) string { return "template/" + taskType + "/" + crew }

// SetTemplate stores a template in place of the one that was there; one without
// items takes it away.
func (s *Server) SetTemplate(ctx context.Context, t Template) error {
	if err := s.checkTemplate(ctx, &t); err != nil {
		return err
	}
	value := ""
	if len(t.Items) > 0 {
		text, err := json.Marshal(t)
		if err != nil {
			return err
		}
		value = string(text)
	}
	entry := s.did(DidTemplate, t.Type, map[string]any{"crew": t.Crew, "steps": len(t.Items)})
	if err := s.store.SetSetting(ctx, templateKey(t.Crew, t.Type), value, entry); err != nil {
		return fmt.Errorf("keep the template: %w", err)
	}
	return nil
}

func (s *Server) checkTemplate(ctx context.Context, t *Template) error {
	if !slices.Contains(op.TaskTypes, t.Type) {
		return fault("use one of "+strings.Join(op.TaskTypes, ", "), "there is no task type %q", clip(t.Type))
	}
	if t.Crew != "" {
		if _, err := s.Office(ctx, "", t.Crew); err != nil { // says which crews there are
			return err
		}
	}
	if len(t.Items) > MaxTemplate {
		return fault("split the work into several tasks", "the template has %d steps; at most %d", len(t.Items), MaxTemplate)
	}
	for i, item := range t.Items {
		item = item.Clone()
		for _, name := range []string{"task_id", "position", "outcome", "value", "done_by", "done_at", "comment"} {
			delete(item, name) // the task's own
		}
		item["task_id"] = uuid.Nil.String()
		if r := op.CheckFields(op.Item, op.Insert, item); r != nil {
			return fault("mend it and add the template again", "step %d: %s", i+1, r)
		}
		delete(item, "task_id")
		t.Items[i] = item
	}
	return nil
}

// Templates lists the templates: by type, the one for all crews before the crews' own.
func (s *Server) Templates(ctx context.Context) (out []Template, err error) {
	crews, err := s.store.Crews(ctx)
	if err != nil {
		return nil, err
	}
	for _, taskType := range op.TaskTypes {
		for _, crew := range append([]CrewSize{{}}, crews...) {
			t, err := s.template(ctx, crew.Name, taskType)
			if err != nil {
				return nil, err
			}
			if len(t.Items) > 0 {
				out = append(out, t)
			}
		}
	}
	return out, nil
}

func (s *Server) template(ctx context.Context, crew, taskType string) (t Template, err error) {
	text, err := s.store.Setting(ctx, templateKey(crew, taskType), "")
	if err != nil || text == "" {
		return t, err
	}
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return t, fmt.Errorf("read the template of %s: %w", taskType, err)
	}
	return t, nil
}

// TemplateOf is the checklist that a new task of a type gets in a crew: the crew's
// own, else the one for all.
func (s *Server) TemplateOf(ctx context.Context, crew, taskType string) ([]op.Fields, error) {
	if taskType == "" {
		return nil, nil
	}
	own, err := s.template(ctx, crew, taskType)
	if err != nil || len(own.Items) > 0 {
		return own.Items, err
	}
	all, err := s.template(ctx, "", taskType)
	return all.Items, err
}

// itemSpace is the namespace of the ids of a template's items.
var itemSpace = uuid.MustParse("b0a6b8e7-8f0c-5c33-93f5-61e0f0c6f3d2")

// checklist is a template's items as ops on a new task. Their ids follow from the
// task's, so that whoever makes the task makes the same items.
func checklist(task string, items []op.Fields) []op.Op {
	ops := make([]op.Op, 0, len(items))
	for i, item := range items {
		fields := item.Clone()
		fields["task_id"], fields["position"] = task, int64(i+1)
		id := uuid.NewSHA1(itemSpace, fmt.Appendf(nil, "%s/%d", task, i+1)).String()
		ops = append(ops, op.Op{Kind: op.Item, Entity: id, Action: op.Insert, Fields: fields})
	}
	return ops
}
