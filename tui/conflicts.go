package tui

import (
	"context"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// conflictsScreen shows what two people changed without knowing of each other:
// what I wrote, what stands, who and when. Nothing here blocks other work.
type conflictsScreen struct {
	rows   []localdb.Conflict
	loaded bool
	cur    int
	top    int
	marked map[string]bool // by id: m and t act on all of them at once
	more   bool            // the selected one in full, in place of the list
	scroll int             // of that
	shown  int             // rows in the last frame
}

func (s *conflictsScreen) shape() shape      { return full }
func (s *conflictsScreen) typing() bool      { return false }
func (s *conflictsScreen) title(*App) string { return "Conflicts" }

func (s *conflictsScreen) help(a *App) []key.Binding {
	k := a.keys
	if len(s.rows) == 0 {
		return []key.Binding{k.Back, k.Undo}
	}
	mine, theirs := k.TakeMine, k.KeepTheirs
	switch c := s.rows[s.cur]; {
	case len(s.marked) > 0:
		all := " for all " + itoa(len(s.marked))
		mine, theirs = helpOf(mine, "mine"+all), helpOf(theirs, "theirs"+all)
	case !c.Holds() && c.Stands != nil:
		mine, theirs = helpOf(mine, "write mine again"), helpOf(theirs, "leave it as it is")
	case c.MineAll[op.Deleted] == true:
		mine, theirs = helpOf(mine, "delete it again"), helpOf(theirs, "let it be")
	case c.Kind == "deleted" || c.Stands == nil:
		mine, theirs = helpOf(mine, "bring it back"), helpOf(theirs, "leave it deleted")
	case c.Kind == "overrode":
		mine, theirs = helpOf(mine, "keep mine"), helpOf(theirs, "dismiss")
	}
	return []key.Binding{mine, theirs, k.Undo, helpOf(k.Open, "task"), k.Mark, helpOf(k.More, "all of it"), k.Back, helpOf(k.MarkAll, "mark all")}
}

func (s *conflictsScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		return a.gated(a.loadConflicts())
	case reloadMsg:
		return a.maybeGated(msg.gate, a.loadConflicts())
	case conflictsMsg:
		if msg.err != nil {
			a.say(explain(msg.err))
			return nil
		}
		s.keep(msg.rows)
	case tea.KeyMsg:
		return s.key(a, msg)
	}
	return nil
}

// keep replaces the rows, and stays on the same one where it is still open.
func (s *conflictsScreen) keep(rows []localdb.Conflict) {
	if s.cur < len(s.rows) {
		for i := range rows {
			if rows[i].ID == s.rows[s.cur].ID {
				s.cur = i
			}
		}
	}
	s.rows, s.loaded = rows, true
	s.cur = max(0, min(s.cur, len(rows)-1))
	open := map[string]bool{}
	for _, c := range rows {
		if s.marked[c.ID] {
			open[c.ID] = true
		}
	}
	s.marked = open
	s.more = s.more && len(rows) > 0
}

func (s *conflictsScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	half := max(1, a.bodyHeight()/4) // the list has half of the body
	switch {
	case key.Matches(k, a.keys.Back):
		return s.back(a)
	case len(s.rows) == 0:
		a.say("There is no conflict; esc goes back.")
	case s.more && key.Matches(k, a.keys.Down, a.keys.PageDown):
		s.scroll++
	case s.more && key.Matches(k, a.keys.Up, a.keys.PageUp):
		s.scroll--
	case key.Matches(k, a.keys.Down):
		s.goTo(s.cur + 1)
	case key.Matches(k, a.keys.Up):
		s.goTo(s.cur - 1)
	case key.Matches(k, a.keys.PageDown):
		s.goTo(s.cur + half)
	case key.Matches(k, a.keys.PageUp):
		s.goTo(s.cur - half)
	case key.Matches(k, a.keys.Bottom):
		s.goTo(len(s.rows) - 1)
	case key.Matches(k, a.keys.Top):
		s.goTo(0)
	case key.Matches(k, a.keys.Mark):
		s.mark(s.rows[s.cur].ID)
		s.goTo(s.cur + 1)
	case key.Matches(k, a.keys.MarkAll):
		s.markAll(a)
	case key.Matches(k, a.keys.More):
		s.more, s.scroll = !s.more, 0
	case key.Matches(k, a.keys.TakeMine):
		return s.resolve(a, true)
	case key.Matches(k, a.keys.KeepTheirs):
		return s.resolve(a, false)
	case key.Matches(k, a.keys.Open):
		return s.open(a)
	default:
		return a.dead(k)
	}
	return nil
}

func (s *conflictsScreen) goTo(i int) { s.cur = max(0, min(i, len(s.rows)-1)) }

// back leaves one thing after the other: all of it, the marks, the screen.
func (s *conflictsScreen) back(a *App) tea.Cmd {
	switch {
	case s.more:
		s.more = false
	case len(s.marked) > 0:
		clear(s.marked)
	default:
		return a.pop()
	}
	return nil
}

func (s *conflictsScreen) mark(id string) {
	if s.marked[id] {
		delete(s.marked, id)
		return
	}
	s.marked[id] = true
}

// markAll marks as many as one action can hold; when they are marked already it
// takes the marks off.
func (s *conflictsScreen) markAll(a *App) {
	if n := min(len(s.rows), maxMarks); len(s.marked) == n {
		clear(s.marked)
		return
	}
	for _, c := range s.rows[:min(len(s.rows), maxMarks)] {
		s.marked[c.ID] = true
	}
	if len(s.rows) > maxMarks {
		a.say("The first " + itoa(maxMarks) + " are marked; an action can hold no more.")
	}
}

func (s *conflictsScreen) open(a *App) tea.Cmd {
	c := s.rows[s.cur]
	switch {
	case c.TaskID == "":
		a.say("This conflict belongs to no task.")
		return nil
	case c.EntityType == op.Task && c.Stands == nil:
		a.say("This task is deleted; " + named(a.keys.TakeMine) + " brings it back.")
		return nil
	}
	return a.push(&taskScreen{taskPane: taskPane{id: c.TaskID, row: localdb.TaskRow{ID: c.TaskID, Number: c.Number, Title: c.Title}}})
}

// chosen are the conflicts that m and t act on, in the order of the list.
func (s *conflictsScreen) chosen() []string {
	var ids []string
	for _, c := range s.rows {
		if s.marked[c.ID] {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		ids = []string{s.rows[s.cur].ID}
	}
	return ids
}

func (s *conflictsScreen) resolve(a *App, mine bool) tea.Cmd {
	ids, back := s.chosen(), "; "+named(a.keys.Undo)+" undoes that."
	said := "Theirs stays" + back
	switch c := s.rows[s.cur]; {
	case mine && len(ids) > 1:
		said = "Yours in all " + itoa(len(ids)) + "" + back
	case len(ids) > 1:
		said = "Theirs in all " + itoa(len(ids)) + "" + back
	case !mine && !c.Holds():
		said = "It stays as it is now" + back
	case mine && c.Kind == "deleted":
		said = a.text(c.Number) + " is back with what you wrote" + back
	case mine:
		said = "Yours it is" + back
	case c.Kind == "deleted":
		said = a.text(c.Number) + " stays deleted" + back
	case c.Kind == "overrode":
		said = "Nothing changes: what you wrote stands" + back
	}
	return a.write(writing{from: s, said: said, plain: !mine, work: func(ctx context.Context, db *localdb.DB) (string, error) { // what stays goes nowhere
		return "", db.ResolveConflicts(ctx, ids, mine)
	}})
}

// copied is the selected conflict with both values.
func (s *conflictsScreen) copied(a *App) (string, string) {
	if len(s.rows) == 0 {
		return "", ""
	}
	return joinLines(plainLines(s.detail(a, 100))), "this conflict"
}

func (s *conflictsScreen) view(a *App, w, h int) []string {
	if !s.loaded {
		return nil
	}
	if len(s.rows) == 0 {
		return hanging([]string{"", "  No conflicts to look at. A change of yours that meets another's shows here.", "", "  esc   back to the tasks"}, w)
	}
	if s.more {
		return scrolled(s.detail(a, w), &s.scroll, h)
	}
	// The list keeps at least half of the room, however much there is to tell of one.
	low := s.detail(a, w)
	room := max(h-len(low)-1, min(len(s.rows), h/2))
	if left := max(0, h-room-1); len(low) > left {
		low = append(low[:max(0, left-1):max(0, left-1)], "-- more: "+named(a.keys.More)+" shows all of it --")
	}
	lines := s.list(a, w, max(1, room))
	s.shown = len(lines)
	return append(append(lines, strings.Repeat(a.st.glyphs.rule, min(w, 78))), low...)
}

func (s *conflictsScreen) list(a *App, w, room int) []string {
	if s.cur < s.top {
		s.top = s.cur
	}
	s.top = max(0, min(max(s.top, s.cur-room+1), len(s.rows)-room))
	var lines []string
	for i := s.top; i < len(s.rows) && len(lines) < room; i++ {
		c := s.rows[i]
		text := a.cell(outcomeWord(c), 8) + " " + a.cell(a.text(fieldWord(c.Field)), 12) + " " + a.text(c.Number) + " " + a.text(c.Title)
		line := a.row(i == s.cur, a.cut(text, w-2))
		if s.marked[c.ID] {
			line = line[:1] + "*" + line[2:]
		}
		lines = append(lines, line)
	}
	return lines
}

// outcomeWord is what became of my change.
func outcomeWord(c localdb.Conflict) string {
	if !c.Holds() {
		return "replaced" // whichever it was: somebody has written since
	}
	switch c.Kind {
	case "overrode":
		return "won"
	case "deleted":
		return "deleted"
	}
	return "lost"
}

func fieldWord(f string) string {
	switch f {
	case "window_start":
		return "window"
	case "due_at":
		return "due"
	case "site_id":
		return "site"
	case op.Deleted:
		return "deletion"
	}
	return word(f)
}

// detail is one conflict, per field.
func (s *conflictsScreen) detail(a *App, w int) []string {
	c := s.rows[s.cur]
	who := a.text(localdb.Whose(c.Who, c.Laptop))
	if who == "" {
		who = "somebody else"
	}
	out := []string{a.st.head.Render(a.cut(a.text(c.Number)+" "+a.text(c.Title), w))}
	at, mineAt := a.clocks(c.At, c.MineAt)
	out = append(out, wrap(who+" changed it "+at+", you "+mineAt+". "+whyWords(c, who), w)...)
	fields := []string{c.Field}
	if len(c.MineAll) > 0 || len(c.TheirsAll) > 0 {
		fields = memberFields(c)
	}
	for _, f := range fields {
		out = append(out, a.st.section.Render(a.cut(a.text(fieldWord(f)), w)))
		for _, side := range sides(c, f, who) {
			lines := a.valueLines(side, f, w)
			if !s.more && len(lines) > 3 {
				lines = append(lines[:2:2], a.cut(lines[2]+" "+a.st.glyphs.cut, w))
			}
			out = append(out, lines...)
		}
	}
	return out
}

// side is one value of a field and whose it is.
type side struct {
	label string
	value any
}

// sides are both values of a field, and a third one where neither stands any more.
func sides(c localdb.Conflict, f, who string) []side {
	mine, theirs := side{"I wrote", c.MineAll[f]}, side{who + " wrote", c.TheirsAll[f]}
	if f == c.Field {
		mine.value, theirs.value = c.Mine, c.Theirs
	}
	if c.Laptop != "" { // I wrote both
		mine.label, theirs.label = "here", "there"
	}
	const stands = "stands now"
	now := c.Stands[f]
	switch {
	case c.Stands == nil:
		theirs = side{stands, "deleted"}
	case c.Kind == "overrode" && op.Equal(now, mine.value):
		mine.label = stands
	case c.Kind != "overrode" && op.Equal(now, theirs.value):
		theirs.label = stands
	default:
		return []side{mine, theirs, {stands, now}}
	}
	return []side{mine, theirs}
}

// memberFields are the fields of the conflict's register that differ.
func memberFields(c localdb.Conflict) []string {
	var out []string
	for _, f := range op.Members(c.EntityType, op.RegisterOf(c.EntityType, c.Field)) {
		if f == c.Field || !op.Equal(c.MineAll[f], c.TheirsAll[f]) {
			out = append(out, f)
		}
	}
	return out
}

// valueLines is one side's value.
func (a *App) valueLines(s side, field string, w int) []string {
	text := a.fieldText(field, s.value)
	if text == "" {
		text = "(empty)"
	}
	out := a.block(text, max(8, w-15))
	for i, l := range out {
		out[i] = "  " + a.cell(s.label, 12) + " " + l
		s.label = ""
	}
	return out
}

// fieldText is a field's value for people: times as times, statuses as words.
func (a *App) fieldText(field string, v any) string {
	f, _ := op.FieldOf(op.Task, field)
	ms, isInt := v.(int64)
	switch {
	case v == nil:
		return ""
	case field == op.Deleted:
		if v == true {
			return "deleted"
		}
		return "kept"
	case field == "due_at" && isInt:
		return a.dueWords(ms)
	case (f.Type == op.Time || field == "done_at") && isInt:
		return a.clock(ms)
	case field == "status":
		return statusWord(op.Status(valueText(v)))
	case field == "reason" || field == "outcome":
		return word(valueText(v))
	}
	return valueText(v)
}

// whyWords says why the one or the other won, and whether that still counts.
func whyWords(c localdb.Conflict, who string) string {
	if !c.Holds() {
		winner, now := who, "it is deleted"
		if c.Kind == "overrode" {
			winner = "you"
		}
		if c.Stands != nil {
			now = "something else stands"
		}
		return "What " + winner + " wrote had won; by now " + now + ": somebody has written since."
	}
	switch c.Why {
	case op.WhyFuture:
		return "The losing change claimed a time that has not come."
	case op.WhyTie:
		return "Both at the same moment; the device decided."
	case op.WhyDeleted:
		return "A deletion wins over an edit."
	}
	return "The later change stands."
}

func (s *conflictsScreen) click(a *App, line int) tea.Cmd {
	if s.more || line >= s.shown {
		return nil
	}
	return a.choose(s.top+line, s.cur, func(i int) tea.Cmd { s.goTo(i); return nil })
}
