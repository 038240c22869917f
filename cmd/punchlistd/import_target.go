package main

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// crewTarget is a crew on the server as the target of an import. What it writes
// goes the way of a device's ops.
type crewTarget struct {
	srv   *server.Server
	store server.Records
	by    server.Author
	// versions of the records that the plan looked at: what its author has seen.
	versions map[server.Ref]int64
}

func newCrewTarget(srv *server.Server, store server.Records, by server.Author) *crewTarget {
	return &crewTarget{srv, store, by, map[server.Ref]int64{}}
}

// load reads records and remembers their versions.
func (c *crewTarget) load(ctx context.Context, n server.Needs) ([]*op.Record, error) {
	n.Crews = c.by.Crews
	loaded, err := c.store.Load(ctx, n)
	if err != nil {
		return nil, err
	}
	out := make([]*op.Record, len(loaded.Rows))
	for i, row := range loaded.Rows {
		if out[i], err = row.Record(); err != nil {
			return nil, err
		}
		c.versions[server.Ref{Kind: row.Kind, ID: row.ID}] = row.Version
	}
	return out, nil
}

// Find looks records up by the fields that the server knows them by: a task's
// external_ref and a site's code.
func (c *crewTarget) Find(ctx context.Context, kind op.Kind, field string, values []string) (map[string]string, error) {
	records, err := c.load(ctx, server.Needs{Refs: values})
	out := map[string]string{}
	for _, rec := range records {
		if text := rec.Fields.Text(field); rec.Kind == kind && !rec.Deleted && text != "" {
			out[text] = rec.ID
		}
	}
	return out, err
}

// Records fetches records by id.
func (c *crewTarget) Records(ctx context.Context, kind op.Kind, ids []string) (map[string]exchange.Record, error) {
	n := server.Needs{}
	for _, id := range ids {
		n.Records = append(n.Records, server.Ref{Kind: kind, ID: id})
	}
	records, err := c.load(ctx, n)
	out := map[string]exchange.Record{}
	for _, rec := range records {
		out[rec.ID] = exchange.Record{ID: rec.ID, Deleted: rec.Deleted, Fields: rec.Fields}
	}
	return out, err
}

// Items lists the live checklist items of tasks, by position.
func (c *crewTarget) Items(ctx context.Context, tasks []string) (map[string][]exchange.Record, error) {
	records, err := c.load(ctx, server.Needs{Children: tasks})
	slices.SortStableFunc(records, func(a, b *op.Record) int {
		return cmp.Or(cmp.Compare(a.Fields.Int("position"), b.Fields.Int("position")), cmp.Compare(a.ID, b.ID))
	})
	out := map[string][]exchange.Record{}
	for _, rec := range records {
		if rec.Kind == op.Item && !rec.Deleted {
			task := rec.Fields.Text("task_id")
			out[task] = append(out[task], exchange.Record{ID: rec.ID, Fields: rec.Fields})
		}
	}
	return out, err
}

// CountTasks counts the crew's live tasks.
func (c *crewTarget) CountTasks(ctx context.Context) (int, error) {
	crews, err := c.store.Crews(ctx)
	for _, crew := range crews {
		if slices.Contains(c.by.Crews, crew.Name) {
			return int(crew.Tasks), err
		}
	}
	return 0, err
}

// Imported hands out the crew's live tasks that carry an external_ref.
func (c *crewTarget) Imported(ctx context.Context) iter.Seq2[exchange.Record, error] {
	return func(yield func(exchange.Record, error) bool) {
		for rec, err := range c.srv.Tasks(ctx, c.by.Crews) {
			if err != nil {
				yield(exchange.Record{}, err)
				return
			}
			c.versions[server.Ref{Kind: op.Task, ID: rec.ID}] = rec.Version
			if rec.Fields.Text("external_ref") != "" && !yield(exchange.Record{ID: rec.ID, Fields: rec.Fields}, nil) {
				return
			}
		}
	}
}

// Write makes the changes in one transaction.
func (c *crewTarget) Write(ctx context.Context, changes iter.Seq[exchange.Change]) error {
	now := time.Now().UnixMilli()
	return c.srv.ApplyAll(ctx, c.by, func(yield func(op.Op) bool) {
		for ch := range changes {
			fields := ch.Fields.Clone()
			fields[op.UpdatedAt] = now
			o := op.Op{ID: uuid.NewString(), Kind: ch.Kind, Entity: ch.ID, Action: ch.Action, Fields: fields,
				Base: c.versions[server.Ref{Kind: ch.Kind, ID: ch.ID}], CreatedAt: now, Schema: op.Schema}
			if !yield(o) {
				return
			}
		}
	})
}
