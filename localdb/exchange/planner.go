package exchange

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/punchlist/sync/op"
)

// planner is the work of File.Plan.
type planner struct {
	file    *File
	target  Target
	options PlanOptions
	plan    *Plan
	sites   map[string]*sitePlan // by code
	codes   []string             // of them, in the file's order
	matches []match
	here    int // tasks of the target that the file speaks of
}

// match is an entry and the task that it is.
type match struct {
	entry *entry
	id    string
	have  *Record // nil: a new task
}

type sitePlan struct {
	id      string
	have    *Record
	deleted bool
	want    op.Fields
	unknown op.Fields // constants, for a new site
}

// record adds a change to the plan's counts and returns it; nil when nothing changes.
func (p *planner) change(kind op.Kind, id string, have *Record, fields op.Fields) *Change {
	tally := p.plan.Records[kind]
	action := op.Update
	switch {
	case have == nil:
		tally.New++
		action = op.Insert
	case len(fields) == 0:
		tally.Unchanged++
		return nil
	default:
		tally.Changed++
		for name := range fields {
			p.plan.Fields[string(kind)+"."+name]++
		}
	}
	p.plan.Changes++
	return &Change{kind, id, action, fields}
}

func (p *planner) bad(line int, format string, args ...any) {
	p.plan.Bad = append(p.plan.Bad, Bad{Line: line, Why: fmt.Sprintf(format, args...)})
}

// badEntry names the column where it is known: a title is most often missing
// because its cell is empty.
func (p *planner) badEntry(e *entry, why error) {
	var r *op.Refusal
	if errors.As(why, &r) && r.Code == op.CodeRequired && r.Field == "title" {
		b := p.file.title
		b.Line, b.Why = e.line, "is empty; a new task needs a title"
		if b.Column == 0 {
			b.Why = "has no title; a new task needs one"
		}
		p.plan.Bad = append(p.plan.Bad, b)
		return
	}
	p.bad(e.line, "%s", why)
}

// known is what the target told of the tasks that the file may mean.
type known struct {
	byRef   map[string]string
	records map[string]Record
}

// findTasks decides for each entry which task it is.
func (p *planner) findTasks(ctx context.Context) error {
	k, err := p.lookUp(ctx)
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for i := range p.file.entries {
		e := &p.file.entries[i]
		if e.task == nil {
			p.matches = append(p.matches, match{entry: e})
			continue
		}
		m, why := p.match(e, k)
		switch {
		case why != "":
			p.bad(e.line, "%s", why)
		case m.have != nil && m.have.Deleted:
			p.plan.Deleted++
		case seen[m.id] > 0:
			p.bad(e.line, "is the same task as line %d", seen[m.id])
		default:
			seen[m.id] = e.line
			if m.have == nil {
				e.renew()
			}
			p.matches = append(p.matches, m)
			if m.have != nil {
				p.here++
			}
		}
	}
	return nil
}

func (p *planner) lookUp(ctx context.Context) (k known, err error) {
	var refs, ids []string
	for _, e := range p.file.entries {
		if ref := e.task.Text("external_ref"); ref != "" {
			refs = append(refs, ref)
		}
	}
	if k.byRef, err = p.find(ctx, op.Task, "external_ref", refs); err != nil {
		return k, err
	}
	for _, e := range p.file.entries {
		if e.task != nil {
			ids = append(ids, p.candidates(&e, k)...)
		}
	}
	k.records, err = p.records(ctx, op.Task, ids)
	return k, err
}

// candidates are the ids that an entry's task may have, the likeliest first.
func (p *planner) candidates(e *entry, k known) (ids []string) {
	if e.id != "" {
		ids = append(ids, e.id)
	}
	ref := e.task.Text("external_ref")
	if id := k.byRef[ref]; id != "" && ref != "" {
		return append(ids, id)
	}
	if e.id != "" {
		return ids
	}
	ids = append(ids, p.newID(e))
	if p.options.Crew != "" && ref == "" { // imported before this laptop had a crew
		ids = append(ids, idFor(op.Task, "", "row", e.key))
	}
	return ids
}

// newID is the id of a task that the file gives none.
func (p *planner) newID(e *entry) string {
	if ref := e.task.Text("external_ref"); ref != "" {
		return idFor(op.Task, p.options.Crew, ref)
	}
	return idFor(op.Task, p.options.Crew, "row", e.key)
}

// match finds the entry's task among its candidates.
func (p *planner) match(e *entry, k known) (m match, why string) {
	ids := p.candidates(e, k)
	m = match{entry: e, id: ids[0]}
	for _, id := range ids {
		rec, ok := k.records[id]
		if !ok {
			continue
		}
		if m.have != nil && m.id != id && e.id != "" {
			return m, fmt.Sprintf("its id and its external_ref %s belong to two tasks", quote(e.task.Text("external_ref")))
		}
		if m.have == nil {
			m.id, m.have = id, &rec
		}
	}
	return m, ""
}

// planSites finds the sites that rows speak of.
func (p *planner) planSites(ctx context.Context) error {
	for _, m := range p.matches {
		s := m.entry.site
		if s == nil {
			continue
		}
		sp := p.sites[s.code]
		if sp == nil {
			sp = &sitePlan{want: op.Fields{}, unknown: s.defaults}
			p.sites[s.code] = sp
			p.codes = append(p.codes, s.code)
		}
		if sp.id == "" {
			sp.id = s.id
		}
		if sp.id == "" && m.entry.task != nil {
			sp.id = m.entry.task.Text("site_id")
		}
	}
	return p.findSites(ctx, p.codes)
}

// changeSites decides what becomes of the sites, once it is clear which rows are
// taken. Where rows of one site disagree, the first that says something is believed.
func (p *planner) changeSites() {
	taken := map[string]bool{}
	for _, m := range p.matches {
		s := m.entry.site
		if s == nil || m.entry.refused {
			continue
		}
		taken[s.code] = true
		want := p.sites[s.code].want
		for name, v := range s.fields {
			if _, said := want[name]; !said {
				want[name] = v
			}
		}
	}
	for _, code := range p.codes {
		if !taken[code] {
			continue
		}
		if c := p.siteChange(code, p.sites[code]); c != nil {
			p.plan.sites = append(p.plan.sites, *c)
		}
	}
}

func (p *planner) findSites(ctx context.Context, codes []string) error {
	found, err := p.find(ctx, op.Site, "code", codes)
	if err != nil {
		return err
	}
	ids := make([]string, 0, len(codes))
	for _, code := range codes {
		sp := p.sites[code]
		if id := found[code]; id != "" {
			sp.id = id
		}
		if sp.id == "" {
			sp.id = idFor(op.Site, p.options.Crew, code)
		}
		ids = append(ids, sp.id)
	}
	records, err := p.records(ctx, op.Site, ids)
	if err != nil {
		return err
	}
	for _, code := range codes {
		if rec, ok := records[p.sites[code].id]; ok {
			p.sites[code].have, p.sites[code].deleted = &rec, rec.Deleted
		}
	}
	return nil
}

func (p *planner) siteChange(code string, sp *sitePlan) *Change {
	switch {
	case sp.deleted:
		return nil
	case sp.have != nil && p.options.OnlyNew:
		return p.change(op.Site, sp.id, sp.have, nil)
	case sp.have != nil:
		want := sp.want.Clone()
		want["code"] = code
		return p.change(op.Site, sp.id, sp.have, changed(sp.have.Fields, want))
	}
	fields := op.Fields{"name": code}
	for _, from := range [...]op.Fields{sp.unknown, sp.want} {
		for name, v := range withoutEmpty(from) {
			fields[name] = v
		}
	}
	fields["code"] = code
	return p.change(op.Site, sp.id, nil, fields)
}

// planTasks decides what becomes of a portion of the tasks.
func (p *planner) planTasks(ctx context.Context, portion []match) error {
	c, err := p.children(ctx, portion)
	if err != nil {
		return err
	}
	for _, m := range portion {
		if m.entry.task == nil {
			continue
		}
		out := planned{taskID: m.id}
		fields, why := p.taskFields(m)
		if why == nil {
			out.items, out.children, why = c.of(m)
		}
		if why != nil {
			m.entry.refused = true
			p.badEntry(m.entry, why)
			continue
		}
		out.task = p.change(op.Task, m.id, m.have, fields)
		if m.have == nil && len(m.entry.items) == 0 {
			out.items = itemsOf(p.options.Templates[fields.Text("type")])
		}
		p.countChildren(&out)
		p.plan.tasks = append(p.plan.tasks, out)
		for kind, n := range c.unchanged[m.id] {
			p.plan.Records[kind].Unchanged += n
		}
	}
	return nil
}

func (p *planner) countChildren(out *planned) {
	p.plan.Records[op.Item].New += len(out.items)
	p.plan.Changes += len(out.items) + len(out.children)
	for _, ch := range out.children {
		if ch.Action == op.Insert {
			p.plan.Records[ch.Kind].New++
			continue
		}
		p.plan.Records[ch.Kind].Changed++
		for name := range ch.Fields {
			p.plan.Fields[string(ch.Kind)+"."+name]++
		}
	}
}

// taskFields is what the task's own change says: everything for a new one, the
// difference for one that is there.
func (p *planner) taskFields(m match) (op.Fields, error) {
	want := m.entry.task.Clone()
	if s := m.entry.site; s != nil {
		want["site_id"] = p.sites[s.code].id
		if p.sites[s.code].deleted {
			delete(want, "site_id")
		}
	}
	if m.have != nil {
		if p.options.OnlyNew {
			return nil, nil
		}
		return changed(m.have.Fields, want), nil
	}
	fields := op.Fields{"status": string(op.Pending)}
	for _, from := range [...]op.Fields{p.file.defaults, want} {
		for name, v := range withoutEmpty(from) {
			fields[name] = v
		}
	}
	if r := op.CheckFields(op.Task, op.Insert, fields); r != nil {
		return nil, r
	}
	return fields, nil
}

// countElsewhere counts the tasks that the file does not speak of. They are
// told and left alone: a source that lost its rows has not finished the work.
func (p *planner) countElsewhere(ctx context.Context) error {
	if p.file.siteOnly {
		return nil
	}
	total, err := p.target.CountTasks(ctx)
	p.plan.Elsewhere = max(total-p.here, 0)
	return err
}

// find asks the target in portions.
func (p *planner) find(ctx context.Context, kind op.Kind, field string, values []string) (map[string]string, error) {
	all := map[string]string{}
	for portion := range slices.Chunk(values, Portion) {
		found, err := p.target.Find(ctx, kind, field, portion)
		if err != nil {
			return nil, err
		}
		for k, v := range found {
			all[k] = v
		}
	}
	return all, nil
}

func (p *planner) records(ctx context.Context, kind op.Kind, ids []string) (map[string]Record, error) {
	all := map[string]Record{}
	for portion := range slices.Chunk(ids, Portion) {
		found, err := p.target.Records(ctx, kind, portion)
		if err != nil {
			return nil, err
		}
		for k, v := range found {
			all[k] = v
		}
	}
	return all, nil
}
