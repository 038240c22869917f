package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
)

// readRows makes entries of a table's rows.
func (f *File) readRows(t *table, o Options) error {
	m, notes, err := compile(t.header, o)
	if err != nil {
		return err
	}
	f.Notes = append(f.Notes, notes...)
	f.siteOnly = m.siteOnly()
	if len(o.Map) == 0 && m.id != nil {
		f.idOrReference(m, t)
	}
	siteDefaults, err := f.takeConstants(m)
	if err != nil {
		return err
	}
	for _, a := range m.fields {
		if c := a.src.column(); a.name() == "title" && c >= 0 {
			f.title = Bad{Column: c + 1, Header: t.header[c]}
		}
	}
	for _, r := range t.rows {
		e, bad := m.entry(r)
		if bad != nil {
			bad.Line = r.line
			if bad.Column > 0 {
				bad.Header = t.header[bad.Column-1]
			}
			f.Bad = append(f.Bad, *bad)
			continue
		}
		if e.site != nil {
			e.site.defaults = siteDefaults
		}
		if f.siteOnly {
			e.task = nil
		}
		f.entries = append(f.entries, e)
	}
	return nil
}

// idOrReference: a column "id" that no mapping speaks of is ours when it holds
// our ids. Numbers of another program in it are what we call external_ref.
func (f *File) idOrReference(m *mapping, t *table) {
	for _, r := range t.rows {
		text := m.value(*m.id, r)
		if text == "" {
			continue
		}
		if _, err := uuid.Parse(text); err == nil {
			continue
		}
		if m.has("external_ref") {
			f.note("the column %s holds no punchlist ids and was passed over", quote(t.header[m.id.column()]))
		} else {
			field, _ := op.FieldOf(op.Task, "external_ref")
			m.fields = append(m.fields, assignment{op.Task, field, *m.id})
			f.note("the column %s holds no punchlist ids and was read as external_ref", quote(t.header[m.id.column()]))
		}
		m.id = nil
		return
	}
}

// takeConstants converts the constants once. They are for new records only: a
// priority that the office has changed since is not set back by the next import.
func (f *File) takeConstants(m *mapping) (siteDefaults op.Fields, err error) {
	f.defaults, siteDefaults = op.Fields{}, op.Fields{}
	for _, a := range m.fields {
		if !a.src.constant {
			continue
		}
		text := a.src.parts[0].text
		v, err := m.convert(a, text)
		if err != nil {
			return nil, cure("mend the --map of "+a.name(), "%s=%s: %s", a.name(), text, err)
		}
		if a.kind == op.Site {
			siteDefaults[a.field.Name] = v
		} else {
			f.defaults[a.field.Name] = v
		}
	}
	if m.tags != nil && m.tags.constant {
		for _, tag := range splitTags(m.tags.parts[0].text) {
			f.defaults[op.TagPrefix+tag] = true
		}
		m.tags = nil
	}
	m.fields = slices.DeleteFunc(m.fields, func(a assignment) bool { return a.src.constant })
	return siteDefaults, nil
}

// entry understands one row, or says which column is wrong and why.
func (m *mapping) entry(r row) (entry, *Bad) {
	e := entry{line: r.line, task: op.Fields{}, key: fingerprint(r.cells)}
	places := op.Fields{}
	var siteID, code string
	for _, a := range m.fields {
		text := m.value(a.src, r)
		if text == "" {
			continue
		}
		v, err := m.convert(a, text)
		switch {
		case err != nil:
			return e, &Bad{Column: a.src.column() + 1, Why: err.Error()}
		case v == "" || v == nil:
		case a.kind == op.Task:
			e.task[a.field.Name] = v
		case a.field.Name == idName:
			siteID = v.(string)
		case a.field.Name == "code":
			code = v.(string)
		default:
			places[a.field.Name] = v
		}
	}
	switch {
	case code != "":
		e.site = &site{id: siteID, code: code, fields: places}
	case m.siteOnly():
		return e, &Bad{Why: "the row describes a site but has no site.code to know it by"}
	default:
		e.siteless = len(places) > 0
	}
	if bad := m.idAndTags(&e, r); bad != nil {
		return e, bad
	}
	items, bad := m.rowItems(r)
	e.items = items
	return e, bad
}

func (m *mapping) idAndTags(e *entry, r row) *Bad {
	if m.id != nil {
		if text := m.value(*m.id, r); text != "" {
			id, err := uuid.Parse(text)
			if err != nil || len(text) != 36 {
				return &Bad{Column: m.id.column() + 1, Why: fmt.Sprintf("id: %s is not a UUID", quote(text))}
			}
			e.id = id.String()
		}
	}
	if m.tags == nil {
		return nil
	}
	text, _ := takeApostrophe(m.value(*m.tags, r))
	if to, ok := m.words[tagsName].look(text); ok {
		text = to
	}
	if err := addTags(e.task, splitTags(text)); err != nil {
		return &Bad{Column: m.tags.column() + 1, Why: err.Error()}
	}
	return nil
}

// addTags sets tags; a tag.NAME column that says no has the last word.
func addTags(fields op.Fields, tags []string) error {
	for _, tag := range tags {
		name := op.TagPrefix + tag
		if _, said := fields[name]; said {
			continue
		}
		one := op.Fields{name: true}
		if r := op.CheckFields(op.Task, op.Update, one); r != nil {
			return fmt.Errorf("%s cannot be a tag: a tag is one short word, at most 100 bytes of plain text", quote(tag))
		}
		fields[name] = true
	}
	return nil
}

// fingerprint tells a row apart by everything in it.
func fingerprint(cells []string) string {
	h := sha256.New()
	for _, c := range cells {
		fmt.Fprintf(h, "%d:%s,", len(c), c)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
