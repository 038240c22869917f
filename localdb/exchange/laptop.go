package exchange

import (
	"context"
	"errors"
	"iter"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// Laptop makes a laptop's database the target of an import. Every change is
// queued for the server as if the person had made it.
func Laptop(db *localdb.DB) Target { return laptop{db} }

type laptop struct{ db *localdb.DB }

func (l laptop) Find(ctx context.Context, kind op.Kind, field string, values []string) (map[string]string, error) {
	return l.db.RefIDs(ctx, kind, field, values)
}

func (l laptop) Records(ctx context.Context, kind op.Kind, ids []string) (map[string]Record, error) {
	found, err := l.db.Records(ctx, kind, ids)
	out := make(map[string]Record, len(found))
	for id, rec := range found {
		out[id] = recordOf(rec)
	}
	return out, err
}

func (l laptop) Items(ctx context.Context, tasks []string) (map[string][]Record, error) {
	out := make(map[string][]Record, len(tasks))
	for _, id := range tasks {
		items, err := l.db.ItemsOf(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			out[id] = append(out[id], recordOf(it))
		}
	}
	return out, nil
}

func (l laptop) CountTasks(ctx context.Context) (int, error) {
	return l.db.CountTasks(ctx, localdb.Filter{})
}

func (l laptop) Imported(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for t, err := range Stored(ctx, l.db, localdb.Filter{}, false) {
			if err == nil && t.Fields.Text("external_ref") == "" {
				continue
			}
			if !yield(Record{ID: t.ID, Fields: t.Fields}, err) {
				return
			}
		}
	}
}

// Write makes one op of each change. They are no group: a group travels in one
// batch, and an import is larger than any batch.
func (l laptop) Write(ctx context.Context, changes iter.Seq[Change]) error {
	return l.db.DoEach(ctx, func(yield func(localdb.Change) bool) {
		for c := range changes {
			if !yield(localdb.Change(c)) {
				return
			}
		}
	})
}

// Stored hands out a laptop's tasks in the order of the list. Deep ones carry
// all that hangs on them. It pages as it goes and holds no transaction, so that
// an export does not stop the work beside it: a task that moves in the list
// meanwhile is handed out once, or, moved ahead of the page, not at all.
func Stored(ctx context.Context, db *localdb.DB, filter localdb.Filter, deep bool) Tasks {
	return func(yield func(Task, error) bool) {
		sites, seen := map[string]*Record{}, map[string]bool{}
		q := localdb.Query{Filter: filter, Limit: 500, Now: db.Time()}
		for {
			page, err := db.Tasks(ctx, q)
			if err != nil {
				yield(Task{}, err)
				return
			}
			for _, row := range page.Rows {
				if seen[row.ID] {
					continue
				}
				seen[row.ID] = true
				t, err := storedTask(ctx, db, row, deep, sites)
				if errors.Is(err, localdb.ErrNotFound) {
					continue // deleted since the page was read
				}
				if !yield(t, err) || err != nil {
					return
				}
			}
			if !page.More {
				return
			}
			q.From = &page.Keys[len(page.Keys)-1]
		}
	}
}

// One is one task of a laptop's with all that hangs on it.
func One(ctx context.Context, db *localdb.DB, id string) (Task, error) {
	v, err := db.Task(ctx, id)
	if err != nil {
		return Task{}, err
	}
	t := Task{ID: id, Version: v.Version, Sync: string(v.Sync), Fields: textOnly(op.Task, v.Fields), Checklist: recordsOf(v.Checklist), Notes: recordsOf(v.Notes), Time: recordsOf(v.Time)}
	if v.Site != nil {
		s := recordOf(*v.Site)
		t.Site = &s
	}
	return t, nil
}

func storedTask(ctx context.Context, db *localdb.DB, row localdb.TaskRow, deep bool, sites map[string]*Record) (Task, error) {
	if deep {
		return One(ctx, db, row.ID)
	}
	t := Task{ID: row.ID, Sync: string(row.Sync)}
	rec, err := db.Record(ctx, op.Task, row.ID)
	if err == nil && rec.Deleted {
		err = localdb.ErrNotFound
	}
	if err != nil {
		return t, err
	}
	t.Version, t.Fields = rec.Version, textOnly(op.Task, rec.Fields)
	t.Site, err = storedSite(ctx, db, rec.Fields.Text("site_id"), sites)
	return t, err
}

// storedSite reads each site once.
func storedSite(ctx context.Context, db *localdb.DB, id string, sites map[string]*Record) (*Record, error) {
	if s, known := sites[id]; known || id == "" {
		return s, nil
	}
	rec, err := db.Record(ctx, op.Site, id)
	switch {
	case errors.Is(err, localdb.ErrNotFound) || err == nil && rec.Deleted:
		sites[id] = nil
	case err != nil:
		return nil, err
	default:
		s := recordOf(rec)
		sites[id] = &s
	}
	return sites[id], nil
}

func recordsOf(list []localdb.Record) []Record {
	out := make([]Record, 0, len(list))
	for _, r := range list {
		out = append(out, recordOf(r))
	}
	return out
}

func recordOf(r localdb.Record) Record {
	return Record{ID: r.ID, Deleted: r.Deleted, Fields: textOnly(r.Kind, r.Fields)}
}

// textOnly takes out of a record whatever could steer a terminal that shows an
// export: what came into the file is clean, what others wrote into it may not be.
func textOnly(kind op.Kind, fields op.Fields) op.Fields {
	for name, v := range fields {
		if s, ok := v.(string); ok {
			f, _ := op.FieldOf(kind, name)
			fields[name] = op.Clean(s, f.Type == op.Long)
		}
	}
	return fields
}
