package tui

import (
	"context"

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
	if s.rows[s.cur].Kind == "overrode" {
		mine, theirs = helpOf(mine, "keep mine"), helpOf(theirs, "take theirs back")
	}
	return []key.Binding{mine, theirs, k.Undo, helpOf(k.Open, "open the task"), k.Back}
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
}

func (s *conflictsScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(k, a.keys.Back):
		return a.pop()
	case len(s.rows) == 0:
		a.say("There is no conflict; esc goes back.")
	case key.Matches(k, a.keys.Down):
		s.cur = min(s.cur+1, len(s.rows)-1)
	case key.Matches(k, a.keys.Up):
		s.cur = max(0, s.cur-1)
	case key.Matches(k, a.keys.PageDown, a.keys.Bottom):
		s.cur = len(s.rows) - 1
	case key.Matches(k, a.keys.PageUp, a.keys.Top):
		s.cur = 0
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

func (s *conflictsScreen) open(a *App) tea.Cmd {
	c := s.rows[s.cur]
	if c.TaskID == "" {
		a.say("This conflict belongs to no task.")
		return nil
	}
	return a.push(&taskScreen{taskPane: taskPane{id: c.TaskID, row: localdb.TaskRow{ID: c.TaskID, Number: c.Number, Title: c.Title}}})
}

func (s *conflictsScreen) resolve(a *App, mine bool) tea.Cmd {
	c := s.rows[s.cur]
	if !a.canWrite() {
		return nil
	}
	said := "Theirs stays; u undoes that."
	if mine {
		said = "Yours it is; u undoes that."
	}
	return a.write(writing{from: s, said: said, work: func(ctx context.Context, db *localdb.DB) (string, error) {
		return "", db.ResolveConflict(ctx, c.ID, mine)
	}})
}

func (s *conflictsScreen) view(a *App, w, h int) []string {
	if !s.loaded {
		return nil
	}
	if len(s.rows) == 0 {
		return []string{"", "  No conflicts: nobody changed what you changed.", "", "  esc   back to the tasks"}
	}
	low := s.detail(a, w)
	room := max(1, h-len(low)-1)
	if s.cur < s.top {
		s.top = s.cur
	}
	s.top = max(s.top, s.cur-room+1)
	var lines []string
	for i := s.top; i < len(s.rows) && len(lines) < room; i++ {
		c := s.rows[i]
		text := a.cell(outcomeWord(c), 9) + a.cell(fieldWord(c.Field), 13) + a.text(c.Number) + " " + a.text(c.Title)
		lines = append(lines, a.row(i == s.cur, a.cut(text, w-2)))
	}
	return append(append(lines, ""), low...)
}

// outcomeWord is what became of my change.
func outcomeWord(c localdb.Conflict) string {
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
	who := a.text(c.Who)
	if who == "" {
		who = "somebody else"
	}
	out := []string{a.st.head.Render(a.cut(a.text(c.Number)+" "+a.text(c.Title), w)), ""}
	fields := []string{c.Field}
	if len(c.MineAll) > 0 || len(c.TheirsAll) > 0 {
		fields = memberFields(c)
	}
	for _, f := range fields {
		m, t := c.Mine, c.Theirs
		if f != c.Field {
			m, t = c.MineAll[f], c.TheirsAll[f]
		}
		out = append(out, a.st.section.Render(fieldWord(f)))
		out = append(out, a.sides(c, f, who, m, t, w)...)
	}
	out = append(out, "", a.cut(who+" changed it "+a.clock(c.At)+", you "+a.clock(c.MineAt)+". "+whyWords(c), w))
	return out
}

// sides are both values of a field, and a third one where neither stands any more.
func (a *App) sides(c localdb.Conflict, f, who string, m, t any, w int) []string {
	const stands = "stands now"
	mine, theirs := "I wrote", who+" wrote"
	now := c.Stands[f]
	switch {
	case c.Stands == nil: // deleted: the sentence below says so
		theirs = stands
	case c.Kind == "overrode" && op.Equal(now, m):
		mine = stands
	case c.Kind != "overrode" && op.Equal(now, t):
		theirs = stands
	default:
		return append(append(a.valueLines(mine, f, m, w), a.valueLines(theirs, f, t, w)...), a.valueLines(stands, f, now, w)...)
	}
	return append(a.valueLines(mine, f, m, w), a.valueLines(theirs, f, t, w)...)
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

// valueLines is one side's value, of long text its first lines.
func (a *App) valueLines(label, field string, v any, w int) []string {
	text := a.fieldText(field, v)
	if text == "" {
		text = "(empty)"
	}
	lines := a.block(text, w-15)
	lines = lines[:min(3, len(lines))]
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "  " + a.cell(label, 12) + " " + l
		label = ""
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

func whyWords(c localdb.Conflict) string {
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
