package exchange

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"example.com/punchlist/sync/op"
)

// itemHeadings are other words for the fields of a checklist item.
var itemHeadings = map[string]string{"step": "label", "question": "label", "item": "label", "text": "label", "mandatory": "required", "must": "required",
	"options": "choices", "minimum": "min", "maximum": "max", "group": "section", "type": "kind", "hint": "help"}

// ReadItems reads a checklist as a template for new tasks: a table with a column
// label and, where wanted, section, kind, required, unit, min, max, choices (parted
// by |) and help; or JSON: a list of such objects, or a task with a checklist, as
// punchlist show --json prints it. Answers in it are left out. A file with a bad
// row is refused as a whole, with the row's place.
func ReadItems(r io.Reader, o Options) ([]op.Fields, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	text, err := decode(raw, o.Encoding)
	if err != nil {
		return nil, err
	}
	format, err := o.format(text)
	if err != nil {
		return nil, err
	}
	f := &File{}
	var items []op.Fields
	if format == CSV {
		items, err = f.itemTable(text, o)
	} else {
		items, err = f.itemObjects(text)
	}
	switch {
	case err != nil:
		return nil, err
	case len(f.Bad) > 0:
		return nil, cure("mend the file: nothing of it was taken", "%s", f.Bad[0].Error())
	case len(items) == 0:
		return nil, cure("give it a row a step, below a head with the column label", "the file holds no step")
	}
	return items, nil
}

func (f *File) itemTable(text []byte, o Options) ([]op.Fields, error) {
	comma, err := o.comma(text)
	if err != nil {
		return nil, err
	}
	t, err := f.readTable(text, comma)
	if err != nil {
		return nil, err
	}
	m := &mapping{empty: map[string]bool{"": true}, fixed: true}
	columns := map[int]op.Field{}
	var labelled bool
	for c, h := range t.header {
		field, ok := itemField(h)
		if !ok {
			return nil, cure("the columns may be: label, section, kind, required, unit, min, max, choices, help", "a step has no field %s", quote(h))
		}
		columns[c], labelled = field, labelled || field.Name == "label"
	}
	if !labelled {
		return nil, cure("head the column of the steps with: label", "no column is headed label")
	}
	var items []op.Fields
	for _, r := range t.rows {
		item := op.Fields{}
		for c, field := range columns {
			cell := m.cell(r, c)
			if cell == "" {
				continue
			}
			if field.Name == "choices" {
				cell = strings.ReplaceAll(cell, "|", "\n")
			}
			v, err := m.convert(assignment{kind: op.Item, field: field}, cell)
			if err != nil {
				f.Bad = append(f.Bad, Bad{Line: r.line, Column: c + 1, Header: t.header[c], Why: err.Error()})
				break
			}
			item[field.Name] = v
		}
		if item["label"] == nil && len(f.Bad) == 0 {
			f.Bad = append(f.Bad, Bad{Line: r.line, Why: "the step has no label"})
		}
		items = append(items, item)
	}
	return items, nil
}

func itemField(header string) (op.Field, bool) {
	name := plain(header)
	if to, ok := itemHeadings[name]; ok {
		name = to
	}
	for _, f := range op.SchemaOf(op.Item) {
		if plain(f.Name) == name && f.Name != "task_id" {
			return f, true
		}
	}
	return op.Field{}, false
}

func (f *File) itemObjects(text []byte) (items []op.Fields, err error) {
	err = f.objects(text, func(obj object) {
		list := []map[string]json.RawMessage{obj.members}
		if _, whole := obj.members["checklist"]; whole {
			if list, err = obj.list("checklist"); err != nil {
				f.Bad = append(f.Bad, Bad{Line: obj.line, Why: err.Error()})
				return
			}
		}
		for i, members := range list {
			item, err := itemOf(members)
			if err != nil {
				f.Bad = append(f.Bad, Bad{Line: obj.line, Why: fmt.Sprintf("step %d: %s", i+1, err)})
				return
			}
			items = append(items, item)
		}
	})
	return items, err
}

func itemOf(members map[string]json.RawMessage) (op.Fields, error) {
	for _, name := range []string{idName, "task_id", "position", "outcome", "value", "done_by", "done_at", "comment"} {
		delete(members, name)
	}
	var choices []string
	if raw, ok := members["choices"]; ok && json.Unmarshal(raw, &choices) == nil {
		text, err := json.Marshal(strings.Join(choices, "\n"))
		if err != nil {
			return nil, err
		}
		members["choices"] = text
	}
	fields, err := fieldsOf(op.Item, members)
	if err != nil {
		return nil, err
	}
	if fields.Text("label") == "" {
		return nil, fmt.Errorf("has no label")
	}
	return fields, nil
}

// itemsOf makes a template's items of a task that brings none of its own.
func itemsOf(template []op.Fields) []item {
	items := make([]item, 0, len(template))
	for i, f := range template {
		items = append(items, item{label: f.Text("label"), fields: f, position: i + 1})
	}
	return items
}
