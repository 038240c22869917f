package main

import (
	"cmp"
	"context"
	"slices"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// crewTasks hands out the tasks of crews with their sites and, when deep, all
// that hangs on them, for exports and reports. Each portion is read at one time;
// what changes between two of them is told as it is then.
func crewTasks(ctx context.Context, srv *server.Server, store server.Records, crews []string, deep bool) exchange.Tasks {
	return func(yield func(exchange.Task, error) bool) {
		portion := make([]*op.Record, 0, exchange.Portion)
		flush := func() bool {
			tasks, err := withHanging(ctx, store, portion, crews, deep)
			portion = portion[:0]
			if err != nil {
				return yield(exchange.Task{}, err) && false
			}
			for _, t := range tasks {
				if !yield(t, nil) {
					return false
				}
			}
			return true
		}
		for rec, err := range srv.Tasks(ctx, crews) {
			if err != nil {
				yield(exchange.Task{}, err)
				return
			}
			if portion = append(portion, rec); len(portion) == cap(portion) && !flush() {
				return
			}
		}
		flush()
	}
}

// withHanging reads what belongs to a portion of tasks.
func withHanging(ctx context.Context, store server.Records, tasks []*op.Record, crews []string, deep bool) ([]exchange.Task, error) {
	needs := server.Needs{Crews: slices.Sorted(slices.Values(crews))}
	out := make([]exchange.Task, len(tasks))
	place := map[string]*exchange.Task{}
	asked := map[string]bool{}
	for i, rec := range tasks {
		out[i] = exchange.Task{ID: rec.ID, Version: rec.Version, Sync: "sent", Fields: rec.Fields.Clone()}
		out[i].Fields[op.CrewField] = rec.Crew
		place[rec.ID] = &out[i]
		if site := rec.Fields.Text("site_id"); site != "" && !asked[site] {
			asked[site] = true
			needs.Records = append(needs.Records, server.Ref{Kind: op.Site, ID: site})
		}
		if deep {
			needs.Children = append(needs.Children, rec.ID)
		}
	}
	if len(needs.Records)+len(needs.Children) == 0 {
		return out, nil
	}
	loaded, err := store.Load(ctx, needs)
	if err != nil {
		return nil, err
	}
	sites := map[string]*exchange.Record{}
	for _, row := range loaded.Rows {
		rec, err := row.Record()
		if err != nil {
			return nil, err
		}
		if rec.Deleted {
			continue
		}
		told := exchange.Record{ID: rec.ID, Fields: rec.Fields}
		if rec.Kind == op.Site {
			sites[rec.ID] = &told
		} else if t := place[rec.Fields.Text(op.ParentField(rec.Kind))]; t != nil {
			hang(t, rec.Kind, told)
		}
	}
	for i := range out {
		out[i].Site = sites[out[i].Fields.Text("site_id")]
		sortHanging(&out[i])
	}
	return out, nil
}

func hang(t *exchange.Task, kind op.Kind, rec exchange.Record) {
	switch kind {
	case op.Item:
		t.Checklist = append(t.Checklist, rec)
	case op.Note:
		t.Notes = append(t.Notes, rec)
	case op.TimeEntry:
		t.Time = append(t.Time, rec)
	}
}

// sortHanging brings everything into the order in which people read it.
func sortHanging(t *exchange.Task) {
	for _, list := range []struct {
		records []exchange.Record
		by      string
	}{{t.Checklist, "position"}, {t.Notes, "at"}, {t.Time, "started_at"}} {
		slices.SortFunc(list.records, func(a, b exchange.Record) int {
			return cmp.Or(cmp.Compare(a.Fields.Int(list.by), b.Fields.Int(list.by)), cmp.Compare(a.ID, b.ID))
		})
	}
}
