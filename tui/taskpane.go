package tui

import (
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// taskPane shows one task with all that hangs on it: in the task's screen, and
// beside the list.
type taskPane struct {
	id     string
	row    localdb.TaskRow // what the list knew, until the task is read
	data   localdb.TaskView
	events []localdb.Event
	merges []localdb.Merge // told while the task is open, though they are no news any more
	loaded bool
	gone   string // why there is nothing to show
	scroll int
}

// take fits in what was read of any task: beside the list that is the pane's next one.
func (p *taskPane) take(msg taskMsg) {
	if msg.err != nil {
		if msg.id == p.id {
			p.gone = explain(msg.err)
		}
		return
	}
	if msg.id != p.id {
		p.scroll, p.merges = 0, nil
	}
	if len(msg.merges) > 0 {
		p.merges = msg.merges
	}
	p.id, p.data, p.events, p.row = msg.id, msg.view, msg.events, msg.view.TaskRow
	p.loaded, p.gone = true, ""
}

func (p *taskPane) view(a *App, w, h int) []string {
	if p.gone != "" {
		return append([]string{""}, wrap(p.gone, w)...)
	}
	return scrolled(p.lines(a, w), &p.scroll, h)
}

// lines are the whole task, most needed first.
func (p *taskPane) lines(a *App, w int) []string {
	out := p.facts(a, w)
	if !p.loaded {
		return out
	}
	out = append(out, p.site(a, w)...)
	if d := p.data.Fields.Text("description"); d != "" {
		out = append(append(out, ""), a.block(d, w)...)
	}
	out = append(out, p.notes(a, w)...) // before the checklist: a warning must not stand behind fifty steps
	out = append(out, p.checklist(a, w)...)
	out = append(out, p.children(a, w)...)
	out = append(out, p.times(a, w)...)
	return append(out, p.history(a, w)...)
}

// facts are the fields, two a line where there is room.
func (p *taskPane) facts(a *App, w int) []string {
	r, f := p.row, p.data.Fields
	out := wrap(a.st.head.Render(a.text(r.Number)+"  "+a.text(r.Title)), w)
	state := a.st.head.Render(statusWord(r.Status))
	if reason := f.Text("reason"); reason != "" {
		state += ": " + strings.TrimSpace(word(reason)+"  "+a.text(f.Text("reason_text")))
	}
	if who := f.Text("recipient_name"); who != "" {
		state += ", taken by " + a.text(who)
	}
	prio := r.Priority
	if prio == op.Priorities[0] {
		prio = a.st.bad.Render(strings.ToUpper(prio))
	}
	out = append(out, a.cut(a.label("status", state), w))
	out = append(out, a.pairs(w, [][2]string{
		{"priority", prio}, {"type", r.Type}, {"due", a.dueWords(r.DueAt)}, {"window", a.windowWords(r.WindowStart, r.WindowEnd)},
		{"for", a.text(r.Assignee)}, {"asset", a.text(r.Asset)}, {"contact", a.text(f.Text("contact_name"))}, {"phone", a.text(f.Text("contact_phone"))},
		{"tags", a.text(tags(f))}, {"ref", a.text(f.Text("external_ref"))},
	})...)
	out = append(out, a.cut(a.label("sync", a.fate(r)), w))
	for _, m := range p.merges {
		out = append(out, a.cut(a.label("merged", a.st.glyphs.merged+" "+a.mergeWords(m)+"; both stand"), w))
	}
	return out
}

// pairs are labelled values, two a line where there is room; empty ones are left out.
func (a *App) pairs(w int, pairs [][2]string) []string {
	const column = 36
	var out []string
	open := false // the last line has room for a second one
	for _, p := range pairs {
		if p[1] == "" {
			continue
		}
		l := a.label(p[0], p[1])
		if open && !a.spoken && 2*column <= w && width(l) <= w-column {
			out[len(out)-1] = a.cell(out[len(out)-1], column) + l
			open = false
			continue
		}
		out = append(out, a.cut(l, w))
		open = width(l) < column
	}
	return out
}

func tags(f op.Fields) string {
	var out []string
	for name, v := range f {
		if on, _ := v.(bool); on && strings.HasPrefix(name, op.TagPrefix) {
			out = append(out, name[len(op.TagPrefix):])
		}
	}
	return strings.Join(sorted(out), " ")
}

// site is the card of where it is: how to get in, and what hurts there.
func (p *taskPane) site(a *App, w int) []string {
	if p.data.Site == nil {
		return nil
	}
	f := p.data.Site.Fields
	out := []string{"", a.cut(a.st.section.Render("SITE")+" "+a.text(f.Text("code"))+"  "+a.text(f.Text("name")), w)}
	for _, l := range []string{a.text(address(f)), a.label("contact", a.text(contact(f)))} {
		if strings.TrimSpace(l) != "" {
			out = append(out, wrap(l, w)...)
		}
	}
	if s := f.Text("hazards"); s != "" {
		lines := a.block("HAZARDS  "+s, w)
		for _, l := range lines {
			out = append(out, a.st.bad.Render(l))
		}
	}
	if s := f.Text("access_notes"); s != "" {
		out = append(out, a.block("ACCESS   "+s, w)...)
	}
	return out
}

func address(site op.Fields) string {
	return strings.TrimSpace(site.Text("address") + " " + site.Text("postal_code") + " " + site.Text("city"))
}

func contact(site op.Fields) string {
	return strings.TrimSpace(site.Text("contact_name") + "  " + site.Text("contact_phone"))
}

func (p *taskPane) heading(a *App, name, more string) []string {
	return []string{"", a.st.section.Render(name) + "  " + more}
}

func (p *taskPane) checklist(a *App, w int) []string {
	items := p.data.Checklist
	if len(items) == 0 {
		return nil
	}
	out := p.heading(a, "CHECKLIST", steps(p.row)+"  (c runs it)")
	section := ""
	for _, it := range items {
		if s := it.Fields.Text("section"); s != section {
			section = s
			out = append(out, a.cut(a.text(s), w))
		}
		out = append(out, a.itemLine(it.Fields, w))
	}
	return out
}

func (p *taskPane) notes(a *App, w int) []string {
	if len(p.data.Notes) == 0 {
		return nil
	}
	out := p.heading(a, "NOTES", itoa(len(p.data.Notes)))
	for _, n := range p.data.Notes {
		f := n.Fields
		head := a.clock(f.Int("at")) + " " + a.text(f.Text("author"))
		if k := f.Text("kind"); k != "" && k != "note" {
			head += " (" + k + ")"
		}
		out = append(out, a.cut(head, w))
		out = append(out, indent(a.block(f.Text("body"), w-2), "  ")...)
	}
	return out
}

func (p *taskPane) children(a *App, w int) []string {
	if len(p.data.Children) == 0 {
		return nil
	}
	out := p.heading(a, "FOLLOW-UPS", "")
	for _, c := range p.data.Children {
		out = append(out, a.cut("  "+a.name(c)+"  "+statusWord(c.Status), w))
	}
	return out
}

func (p *taskPane) times(a *App, w int) []string {
	if len(p.data.Time) == 0 {
		return nil
	}
	out := p.heading(a, "TIME", "")
	for _, t := range p.data.Time {
		f := t.Fields
		span := "since " + a.clock(f.Int("started_at"))
		if end := f.Int("ended_at"); end != 0 {
			span = a.clock(f.Int("started_at")) + " to " + a.clock(end)
		}
		out = append(out, a.cut("  "+a.cell(f.Text("kind"), 7)+span+"  "+a.text(f.Text("user")), w))
	}
	return out
}

func (p *taskPane) history(a *App, w int) []string {
	if len(p.events) == 0 {
		return nil
	}
	out := p.heading(a, "HISTORY", "")
	for _, e := range p.events {
		line := "  " + a.clock(e.At) + "  " + a.text(localdb.Whose(e.Who, e.Laptop)) + "  " + a.text(e.What)
		out = append(out, a.cut(strings.TrimRight(line+" "+a.badge(e.Sync), " "), w))
	}
	return out
}
