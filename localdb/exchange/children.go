package exchange

import (
	"context"
	"fmt"

	"example.com/punchlist/sync/op"
)

// hanging is what hangs on a portion of tasks: what is there, and how the
// portion's entries fit it.
type hanging struct {
	onlyNew   bool
	items     map[string][]Record           // live items by task
	records   map[op.Kind]map[string]Record // by id, deleted ones too
	unchanged map[string]map[op.Kind]int    // by task
}

// children asks the target for everything that the portion may touch.
func (p *planner) children(ctx context.Context, portion []match) (*hanging, error) {
	h := &hanging{onlyNew: p.options.OnlyNew, records: map[op.Kind]map[string]Record{}, unchanged: map[string]map[op.Kind]int{}}
	var tasks []string
	for _, m := range portion {
		if m.have != nil && len(m.entry.items) > 0 {
			tasks = append(tasks, m.id)
		}
	}
	var err error
	if len(tasks) > 0 {
		if h.items, err = p.target.Items(ctx, tasks); err != nil {
			return nil, err
		}
	}
	ids := map[op.Kind][]string{}
	for _, m := range portion {
		h.collect(m, ids)
	}
	for kind, list := range ids {
		if h.records[kind], err = p.records(ctx, kind, list); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// collect gathers the ids that may be taken already: those that the file gives,
// and those that an earlier import of an existing task would have made.
func (h *hanging) collect(m match, ids map[op.Kind][]string) {
	if m.entry.task == nil {
		return
	}
	live, next := h.live(m), itemIDs{taskID: m.id}
	for _, it := range m.entry.items {
		id := next.next(it)
		if it.id != "" || m.have != nil && live.byLabel[it.label] == nil {
			ids[op.Item] = append(ids[op.Item], id)
		}
	}
	for _, c := range m.entry.notes {
		ids[op.Note] = append(ids[op.Note], c.noteID(m.id))
	}
	for _, c := range m.entry.times {
		ids[op.TimeEntry] = append(ids[op.TimeEntry], c.timeID(m.id))
	}
}

// labelled finds the live items of one task.
type labelled struct {
	byID    map[string]*Record
	byLabel map[string][]*Record
}

func (h *hanging) live(m match) labelled {
	l := labelled{map[string]*Record{}, map[string][]*Record{}}
	list := h.items[m.id]
	for i := range list {
		rec := &list[i]
		l.byID[rec.ID] = rec
		label := rec.Fields.Text("label")
		l.byLabel[label] = append(l.byLabel[label], rec)
	}
	return l
}

// of decides for one entry: new items of a new task are handed back as they
// are, because there are many; all else as changes.
func (h *hanging) of(m match) (items []item, children []Change, err error) {
	if h.onlyNew && m.have != nil {
		return nil, nil, nil
	}
	if m.have == nil && len(m.entry.items) > 0 && m.entry.items[0].fields == nil {
		items = m.entry.items // of a table: no id that could be taken
	} else if children, err = h.itemChanges(m); err != nil {
		return nil, nil, err
	}
	for _, c := range m.entry.notes {
		ch, err := h.child(m, Change{op.Note, c.noteID(m.id), op.Insert, c.fields})
		if err != nil {
			return nil, nil, err
		}
		children = append(children, ch...)
	}
	for _, c := range m.entry.times {
		ch, err := h.child(m, Change{op.TimeEntry, c.timeID(m.id), op.Insert, c.fields})
		if err != nil {
			return nil, nil, err
		}
		children = append(children, ch...)
	}
	return items, children, nil
}

// itemChanges fits the entry's items to the live ones: by id, else by label in
// the order of the list.
func (h *hanging) itemChanges(m match) (changes []Change, err error) {
	live, next := h.live(m), itemIDs{taskID: m.id}
	for _, it := range m.entry.items {
		id := next.next(it)
		have := live.byID[id]
		if same := live.byLabel[it.label]; have == nil && len(same) > 0 {
			have = same[0]
		}
		if have == nil {
			ch, err := h.child(m, Change{op.Item, id, op.Insert, it.insert(m.id)})
			if err != nil {
				return nil, err
			}
			changes = append(changes, ch...)
			continue
		}
		live.take(have)
		want := it.update(have.Fields)
		if len(want) == 0 {
			h.same(m, op.Item)
			continue
		}
		changes = append(changes, Change{op.Item, have.ID, op.Update, want})
	}
	return changes, nil
}

// take marks an item as found, so that the next one of its label is another.
func (l labelled) take(rec *Record) {
	label := rec.Fields.Text("label")
	rest := l.byLabel[label]
	for i := range rest {
		if rest[i] == rec {
			l.byLabel[label] = append(rest[:i:i], rest[i+1:]...)
			return
		}
	}
}

// child is the change that makes or mends one record of a task. What was
// deleted stays deleted; a note is never changed.
func (h *hanging) child(m match, c Change) ([]Change, error) {
	have, ok := h.records[c.Kind][c.ID]
	if !ok {
		fields := withoutNull(c.Fields)
		fields["task_id"] = m.id
		if r := op.CheckFields(c.Kind, op.Insert, fields); r != nil {
			return nil, r
		}
		return []Change{{c.Kind, c.ID, op.Insert, fields}}, nil
	}
	if owner := have.Fields.Text("task_id"); owner != "" && owner != m.id {
		return nil, fmt.Errorf("the %s %s belongs to another task", op.Word(c.Kind), c.ID)
	}
	want := changed(have.Fields, c.Fields)
	if have.Deleted || c.Kind == op.Note || len(want) == 0 {
		h.same(m, c.Kind)
		return nil, nil
	}
	return []Change{{c.Kind, c.ID, op.Update, want}}, nil
}

func (h *hanging) same(m match, kind op.Kind) {
	if h.unchanged[m.id] == nil {
		h.unchanged[m.id] = map[op.Kind]int{}
	}
	h.unchanged[m.id][kind]++
}

func withoutNull(fields op.Fields) op.Fields {
	out := op.Fields{}
	for name, v := range fields {
		if v != nil {
			out[name] = v
		}
	}
	return out
}

func (c child) noteID(taskID string) string {
	if c.id != "" {
		return c.id
	}
	return idFor(op.Note, taskID, fmt.Sprint(c.fields.Int("at")), c.fields.Text("body"))
}

func (c child) timeID(taskID string) string {
	if c.id != "" {
		return c.id
	}
	return idFor(op.TimeEntry, taskID, c.fields.Text("user"), fmt.Sprint(c.fields.Int("started_at")))
}
