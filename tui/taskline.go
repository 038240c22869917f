package tui

import (
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// columns are the widths of the list's columns; 0 leaves one out. Narrow
// terminals lose what the task's own screen tells anyway.
type columns struct {
	number, site, title, when, priority, steps, notes int
}

func newColumns(w int) columns {
	c := columns{number: 8, site: 8, when: 11, priority: 9, steps: 5, notes: 3}
	switch {
	case w < 52:
		c.site, c.when, c.priority, c.notes = 0, 0, 0, 0
	case w < 64:
		c.priority, c.notes = 0, 0
	case w < 90:
		c.priority = 5
	}
	used := 2 + 1 // the mark before, the badge behind
	for _, n := range []int{c.number, c.site, c.when, c.priority, c.steps, c.notes} {
		if n > 0 {
			used += n + 1
		}
	}
	c.title = max(8, w-used-1)
	return c
}

// marking is how much a line stands out.
type marking int

const (
	unmarked marking = iota
	marked           // selected, but the keys go elsewhere
	focused          // selected
)

func mark(selected, focus bool) marking {
	switch {
	case selected && focus:
		return focused
	case selected:
		return marked
	}
	return unmarked
}

// taskLine is one task: number, site, title, when, priority, steps, notes and badge.
func (a *App) taskLine(r localdb.TaskRow, c columns, m marking) string {
	var b strings.Builder
	add := func(s string, w int) {
		if w > 0 {
			b.WriteString(a.cell(s, w) + " ")
		}
	}
	add(a.text(r.Number), c.number)
	add(a.text(r.SiteCode), c.site)
	add(a.foundTitle(r, c.title), c.title)
	add(a.when(r), c.when)
	add(priorityWord(r.Priority, c.priority), c.priority)
	if c.steps > 0 {
		b.WriteString(a.right(steps(r), c.steps) + " ")
	}
	if c.notes > 0 {
		b.WriteString(a.right(notes(r), c.notes) + " ")
	}
	b.WriteString(a.badge(r.Sync))
	line := strings.TrimRight(b.String(), " ")
	switch {
	case m == focused:
		return "> " + a.st.selected.Render(line)
	case m == marked:
		return "> " + a.st.head.Render(line)
	case r.Priority == op.Priorities[0] && !r.Status.Ended():
		return "  " + a.st.bad.Render(line)
	}
	return "  " + line
}

// foundTitle is the title, and why a search found the task where the line does
// not show it otherwise; that may take half of the room.
func (a *App) foundTitle(r localdb.TaskRow, w int) string {
	title := a.text(r.Title)
	if r.Found == "" {
		return title
	}
	why := "(" + a.text(r.Found) + ")"
	why = a.cut(why, max(w/2, w-width(title)-1))
	return a.cut(title, w-width(why)-1) + " " + why
}

// priorityWord leaves the normal one out: a column of "normal" hides the others.
func priorityWord(p string, w int) string {
	switch {
	case p == "normal":
		return ""
	case p == "emergency" && w < len(p):
		return "EMERG"
	case p == "emergency":
		return "EMERGENCY"
	}
	return p
}

func steps(r localdb.TaskRow) string {
	if r.Steps == 0 {
		return ""
	}
	return itoa(r.StepsDone) + "/" + itoa(r.Steps)
}

func notes(r localdb.TaskRow) string {
	if r.Notes == 0 {
		return ""
	}
	return itoa(min(r.Notes, 99)) + "n"
}
