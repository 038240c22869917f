package exchange

import (
	"fmt"
	"slices"
	"strings"

	"example.com/punchlist/sync/op"
)

// itemColumn is a column whose cells are one checklist item each.
type itemColumn struct {
	column int
	label  string
}

// What a cell of an item column may mean besides an outcome.
const (
	itemOpen = "open" // an item without an answer
	itemSkip = "skip" // no item
)

// addItems takes --items, --item and --item-values.
func (m *mapping) addItems(header []string, o Options) error {
	if o.Items != "" {
		from, to, err := columnRange(header, o.Items)
		if err != nil {
			return err
		}
		for c := from; c <= to; c++ {
			m.items = append(m.items, itemColumn{c, header[c]})
		}
	}
	for _, name := range o.Item {
		c, err := findColumn(header, name)
		if err != nil {
			return err
		}
		m.items = append(m.items, itemColumn{c, header[c]})
	}
	if m.kind == "" {
		m.kind = "pass_fail"
	}
	if !slices.Contains(op.ItemKinds, m.kind) {
		return cure("use one of "+strings.Join(op.ItemKinds, ", "), "there is no item kind %s", quote(m.kind))
	}
	if o.ItemValues != "" {
		return m.addOutcomes(o.ItemValues)
	}
	return nil
}

func (m *mapping) addOutcomes(text string) (err error) {
	if m.outcome, err = parseWords(text); err != nil {
		return err
	}
	for _, l := range m.outcome.lines {
		if l.to != itemOpen && l.to != itemSkip && !slices.Contains(op.Outcomes, l.to) {
			return cure("use one of "+outcomeNames, "%s is no outcome of a checklist item", quote(l.to))
		}
	}
	return nil
}

var outcomeNames = strings.Join(append(slices.Clone(op.Outcomes), itemOpen, itemSkip), ", ")

// columnRange reads FROM..TO. Either name may hold dots itself.
func columnRange(header []string, text string) (from, to int, err error) {
	for at := range len(text) {
		if !strings.HasPrefix(text[at:], "..") {
			continue
		}
		if from, err = findColumn(header, text[:at]); err != nil {
			continue
		}
		if to, err = findColumn(header, text[at+2:]); err != nil {
			continue
		}
		if from > to {
			return 0, 0, cure("name the left column first", "%s runs backwards", quote(text))
		}
		return from, to, nil
	}
	if err == nil {
		err = cure(`--items "FIRST COLUMN..LAST COLUMN"`, "%s does not say FROM..TO", quote(text))
	}
	return 0, 0, err
}

// rowItems makes the items of a row. A blank cell is no item. What the file
// says in its own words stays with the outcome as its value: a score of 2 that
// counts as a pass is still a 2.
func (m *mapping) rowItems(r row) ([]item, *Bad) {
	items := make([]item, 0, len(m.items))
	for i, c := range m.items {
		cell := m.cell(r, c.column)
		if cell == "" {
			continue
		}
		meaning, ok := m.meaning(cell)
		if !ok {
			return nil, &Bad{Why: fmt.Sprintf("%s is no outcome; --item-values %s=pass says what it means (%s)", quote(cell), quote(cell), outcomeNames), Column: c.column + 1}
		}
		if meaning == itemSkip {
			continue
		}
		it := item{label: c.label, position: i + 1, kind: m.kind}
		if meaning != itemOpen {
			it.outcome = meaning
			if !strings.EqualFold(meaning, cell) && meaning != "na" {
				it.value = scalarOf(cell)
			}
		}
		if why := it.check(); why != nil {
			return nil, &Bad{Why: why.Error(), Column: c.column + 1}
		}
		items = append(items, it)
	}
	return items, nil
}

func (m *mapping) meaning(cell string) (string, bool) {
	if to, ok := m.outcome.look(cell); ok {
		return to, true
	}
	if m.outcome != nil {
		return "", false
	}
	word := strings.ToLower(strings.ReplaceAll(cell, "/", ""))
	return word, slices.Contains(op.Outcomes, word) || word == itemOpen
}

// check refuses a label or a value that no item can hold, and brings both to
// their normal form. Fields from JSON were checked as they were read.
func (it *item) check() *op.Refusal {
	fields := op.Fields{"label": it.label, "value": it.value}
	if r := op.CheckFields(op.Item, op.Update, fields); r != nil {
		return r
	}
	it.label, it.value = fields.Text("label"), fields["value"]
	return nil
}

// insert is the fields of a new item.
func (it item) insert(taskID string) op.Fields {
	f := op.Fields{}
	for k, v := range it.fields {
		if v != nil {
			f[k] = v
		}
	}
	f["task_id"], f["label"] = taskID, it.label
	for name, v := range map[string]any{"kind": it.kind, "outcome": it.outcome} {
		if v != "" {
			f[name] = v
		}
	}
	if it.value != nil {
		f["value"] = it.value
	}
	if it.position > 0 {
		f["position"] = int64(it.position)
	}
	return f
}

// update is what changes on an item that is there. A row of a table only ever
// brings another outcome; who gave the old one, and when, goes with it.
func (it item) update(have op.Fields) op.Fields {
	if it.fields != nil {
		return changed(have, it.fields)
	}
	if it.outcome == "" || op.Equal(have["outcome"], it.outcome) && op.Equal(have["value"], it.value) {
		return nil
	}
	f := changed(have, op.Fields{"outcome": it.outcome, "value": it.value, "done_by": nil, "done_at": nil})
	f["outcome"] = it.outcome // leads the register, so it is always said
	return f
}
