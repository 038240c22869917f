package main

import (
	"sort"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// recordJSON is a record as --json prints it: its id, every field that is set,
// its tags as a list, and the server's version. The members never change meaning.
func recordJSON(r localdb.Record) map[string]any {
	out := map[string]any{"id": r.ID, "version": r.Version}
	tags := []string{}
	for name, v := range r.Fields {
		if tag, ok := strings.CutPrefix(name, op.TagPrefix); ok {
			if v == true {
				tags = append(tags, tag)
			}
			continue
		}
		if v != nil {
			out[name] = v
		}
	}
	if r.Kind == op.Task {
		sort.Strings(tags)
		out["tags"] = tags
	}
	return out
}

func recordsJSON(list []localdb.Record) []map[string]any {
	out := make([]map[string]any, len(list))
	for i, r := range list {
		out[i] = recordJSON(r)
	}
	return out
}

// taskJSON is a task of the list: its record and what became of its changes.
// A merge that nobody has looked at yet is sent all the same: scripts know four words.
func taskJSON(r localdb.Record, sync localdb.Badge) map[string]any {
	out := recordJSON(r)
	if sync == localdb.BadgeMerged {
		sync = localdb.BadgeSent
	}
	out["sync"] = sync
	return out
}
