package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// compare fetches everything the server tells a device, as a fresh one of the
// same person would, and holds it against the laptop's records, field by field.
func (d *demo) compare(ctx context.Context) (equal bool, detail string, err error) {
	dev, err := d.enrol(ctx, "auditor")
	if err != nil {
		return false, "", err
	}
	client, err := wire.NewClient(wire.ClientOptions{BaseURL: dev.ServerURL, ServerID: dev.ServerID, ServerKey: dev.ServerKey, Token: dev.Token, Version: version})
	if err != nil {
		return false, "", err
	}
	defer client.Hangup()
	var diffs []string
	n := 0
	server := map[op.Kind][]string{}
	for cursor, more := "", true; more; {
		page, err := client.Changes(ctx, wire.Self{}, cursor, wire.MaxPage)
		if err != nil {
			return false, "", err
		}
		for _, c := range page.Changes {
			n++
			server[c.EntityType] = append(server[c.EntityType], c.EntityID)
			rec, err := d.db.Record(ctx, c.EntityType, c.EntityID)
			if err != nil {
				diffs = append(diffs, fmt.Sprintf("%s %s is missing on the laptop", c.EntityType, c.EntityID))
				continue
			}
			diffs = append(diffs, difference(rec, c.ServerState)...)
		}
		cursor, more = page.Cursor, page.More
	}
	for _, kind := range op.Kinds {
		local, err := d.db.IDs(ctx, kind)
		if err != nil {
			return false, "", err
		}
		for _, id := range local {
			if !slices.Contains(server[kind], id) {
				diffs = append(diffs, fmt.Sprintf("%s %s is missing on the server", kind, id))
			}
		}
	}
	if len(diffs) == 0 {
		return true, fmt.Sprintf("Laptop and server hold the same: %d records, every field equal.", n), nil
	}
	return false, fmt.Sprintf("Laptop and server differ in %d places: %s", len(diffs), strings.Join(diffs[:min(len(diffs), 5)], "; ")), nil
}

func difference(rec localdb.Record, state op.Fields) (out []string) {
	if rec.Version != state.Int("version") {
		out = append(out, fmt.Sprintf("%s %s: version %d here, %d there", rec.Kind, rec.ID, rec.Version, state.Int("version")))
	}
	names := map[string]bool{}
	for name := range rec.Fields {
		names[name] = true
	}
	for name := range state {
		names[name] = true
	}
	for name := range names {
		switch name {
		case "id", "version", op.Deleted, op.CrewField:
			continue
		}
		if !op.Equal(rec.Fields[name], state[name]) {
			out = append(out, fmt.Sprintf("%s %s: %s is %v here, %v there", rec.Kind, rec.ID, name, rec.Fields[name], state[name]))
		}
	}
	return out
}
