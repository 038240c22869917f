package exchange

import (
	"bytes"
	"encoding/json"
	"slices"

	"example.com/punchlist/sync/op"
)

// beside are the members of a task that are no fields of its own.
var beside = []string{idName, tagsName, "site", "checklist", "notes", "time", "children"}

// keepUnknown makes members that no field has the name of into the customer's own
// fields, so that nothing of a file is lost; a list or an object becomes its JSON
// text. A name that is a slip away from a field's, or another word for one, stays
// to be refused: that one was meant.
func (f *File) keepUnknown(kind op.Kind, members map[string]json.RawMessage) {
	for name, raw := range members {
		_, known := op.FieldOf(kind, name)
		own := op.CustomPrefix + name
		_, fits := op.FieldOf(kind, own)
		_, taken := members[own]
		if known || !fits || taken || slices.Contains(ownAside, name) || kind == op.Task && slices.Contains(beside, name) || kind == op.Site && name == idName || meant(kind, name) != "" {
			continue
		}
		delete(members, name)
		if len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') {
			var text bytes.Buffer
			_ = json.Compact(&text, raw) // it was parsed already
			raw, _ = json.Marshal(text.String())
		}
		members[own] = raw
		if f.kept == nil {
			f.kept = map[string]int{}
		}
		f.kept[own]++
	}
	raw := members["site"]
	if kind != op.Task || len(raw) == 0 || raw[0] != '{' {
		return
	}
	site := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &site) != nil {
		return // refused with its place when it is read
	}
	f.keepUnknown(op.Site, site)
	if text, err := json.Marshal(site); err == nil {
		members["site"] = text
	}
}

// meant is the field that a name was most likely meant for; "" for none.
func meant(kind op.Kind, name string) string {
	if to, ok := aliases[plain(name)]; ok && kind == op.Task {
		return to
	}
	for _, f := range op.SchemaOf(kind) {
		if plain(f.Name) == plain(name) || len(name) > 4 && slips(plain(f.Name), plain(name)) <= 2 {
			return f.Name
		}
	}
	return ""
}
