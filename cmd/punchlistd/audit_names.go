package main

import (
	"context"
	"fmt"
	"slices"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// auditAtOnce is how many entries are gathered before they are printed: few
// enough that a long list begins at once, enough that names cost little.
const auditAtOnce = 200

// names are what people call the records of some entries, and devices. What was
// forgotten has none: its id stands alone.
type names struct {
	records map[string]string // by id
	devices map[string]string // those that were asked for, too
}

// look finds out what the entries are about, in two looks a crew. The devices are
// read once, and again for one that came since.
func (n *names) look(ctx context.Context, store server.Store, entries []server.Entry) error {
	if err := n.lookForDevices(ctx, store, entries); err != nil {
		return fmt.Errorf("list the devices: %w", err)
	}
	n.records = map[string]string{}
	wanted := map[string]map[server.Ref]bool{} // by crew
	for _, e := range entries {
		if e.Kind == "" || e.Crew == "" {
			continue
		}
		if wanted[e.Crew] == nil {
			wanted[e.Crew] = map[server.Ref]bool{}
		}
		wanted[e.Crew][server.Ref{Kind: e.Kind, ID: e.Entity}] = true
	}
	for crew, refs := range wanted {
		if err := n.learn(ctx, store, crew, refs); err != nil {
			return fmt.Errorf("look for the records of %s: %w", crew, err)
		}
	}
	return nil
}

func (n *names) lookForDevices(ctx context.Context, store server.Store, entries []server.Entry) error {
	known := func(e server.Entry) bool {
		_, asked := n.devices[e.Device]
		return e.Device == "" || asked
	}
	if !slices.ContainsFunc(entries, func(e server.Entry) bool { return !known(e) }) {
		return nil
	}
	all, err := store.Devices(ctx)
	if err != nil {
		return err
	}
	if n.devices == nil {
		n.devices = map[string]string{}
	}
	for _, e := range entries {
		if !known(e) {
			n.devices[e.Device] = "" // also where it is none of them: the office's, one that is gone
		}
	}
	for _, d := range all {
		n.devices[d.ID] = d.Name
	}
	return nil
}

// learn names records of a crew; what hangs on a task is called by that.
func (n *names) learn(ctx context.Context, store server.Store, crew string, refs map[server.Ref]bool) error {
	found, err := recordsOf(ctx, store, crew, refs)
	if err != nil {
		return err
	}
	tasks := map[server.Ref]bool{}
	for _, rec := range found {
		if parent := rec.Fields.Text(op.ParentField(rec.Kind)); parent != "" {
			tasks[server.Ref{Kind: op.Task, ID: parent}] = true
		}
	}
	parents, err := recordsOf(ctx, store, crew, tasks)
	if err != nil {
		return err
	}
	of := map[string]string{}
	for _, rec := range parents {
		of[rec.ID] = nameOf(rec)
	}
	for _, rec := range found {
		name := nameOf(rec)
		if task := of[rec.Fields.Text(op.ParentField(rec.Kind))]; task != "" {
			name = task + map[bool]string{true: ": " + name}[name != ""]
		}
		n.records[rec.ID] = name
	}
	return nil
}

func recordsOf(ctx context.Context, store server.Store, crew string, refs map[server.Ref]bool) ([]*op.Record, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	needs := server.Needs{Crews: []string{crew}}
	for ref := range refs {
		needs.Records = append(needs.Records, ref)
	}
	loaded, err := store.Load(ctx, needs)
	if err != nil {
		return nil, err
	}
	var out []*op.Record
	for _, row := range loaded.Rows {
		rec, err := row.Record()
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, nil
}

// nameOf is what people call a record, without what it hangs on.
func nameOf(rec *op.Record) string {
	switch f := rec.Fields; rec.Kind {
	case op.Task:
		return f.Text(op.Number) + " " + f.Text("title")
	case op.Item:
		return f.Text("label")
	case op.Site:
		return f.Text("code")
	}
	return ""
}
