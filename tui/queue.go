package tui

import (
	"context"
	"maps"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// queueScreen shows what waits to be sent, and what the server refused and why.
type queueScreen struct {
	rows   []localdb.QueueRow
	more   bool // the queue goes on behind rows
	loaded bool
	busy   bool
	cur    int
	top    int
	shown  int // rows in the last frame
}

func (s *queueScreen) shape() shape      { return full }
func (s *queueScreen) typing() bool      { return false }
func (s *queueScreen) title(*App) string { return "Queue" }

func (s *queueScreen) help(a *App) []key.Binding {
	k := a.keys
	if len(s.rows) == 0 {
		return []key.Binding{k.Back, k.Sync}
	}
	if s.rows[s.cur].State == localdb.BadgeParked {
		return []key.Binding{k.Mend, k.Retry, k.Discard, helpOf(k.Open, "task"), k.Copy, k.Back, k.RetryAll, k.Export, k.SendNow}
	}
	return []key.Binding{k.SendNow, k.Mend, k.Discard, helpOf(k.Open, "task"), k.Copy, k.Back, k.Export, k.Retry, k.RetryAll}
}

func (s *queueScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		return a.gated(a.loadQueue(0, queuePage))
	case reloadMsg:
		// All that was read so far, so that the place is kept.
		return a.maybeGated(msg.gate, a.loadQueue(0, max(queuePage, len(s.rows))))
	case queueMsg:
		s.take(a, msg)
	case doomedMsg:
		return s.doom(a, msg)
	case tea.KeyMsg:
		return s.key(a, msg)
	}
	return nil
}

func (s *queueScreen) take(a *App, msg queueMsg) {
	s.busy = false
	if msg.err != nil {
		a.say(explain(msg.err))
		return
	}
	if msg.after == 0 {
		s.keep(msg.rows)
	} else if len(s.rows) > 0 && s.rows[len(s.rows)-1].Op.Seq == msg.after {
		s.rows = append(s.rows, msg.rows...)
	}
	s.more, s.loaded = msg.more, true
}

// keep replaces the rows and stays on the same op where it still waits.
func (s *queueScreen) keep(rows []localdb.QueueRow) {
	if row := s.selected(); row != nil {
		for i := range rows {
			if rows[i].Op.ID == row.Op.ID {
				s.cur = i
			}
		}
	}
	s.rows = rows
	s.cur = max(0, min(s.cur, len(rows)-1))
}

func (s *queueScreen) selected() *localdb.QueueRow {
	if s.cur >= len(s.rows) {
		return nil
	}
	return &s.rows[s.cur]
}

func (s *queueScreen) goTo(a *App, i int) tea.Cmd {
	s.cur = max(0, min(i, len(s.rows)-1))
	if s.more && !s.busy && s.cur > len(s.rows)-margin {
		s.busy = true
		return a.gated(a.loadQueue(s.rows[len(s.rows)-1].Op.Seq, queuePage))
	}
	return nil
}

func (s *queueScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	half := max(1, a.bodyHeight()/2)
	row := s.selected()
	switch {
	case key.Matches(k, a.keys.Back):
		return a.pop()
	case row == nil:
		a.say("Nothing waits here; esc goes back.")
	case key.Matches(k, a.keys.Down):
		return s.goTo(a, s.cur+1)
	case key.Matches(k, a.keys.Up):
		return s.goTo(a, s.cur-1)
	case key.Matches(k, a.keys.PageDown):
		return s.goTo(a, s.cur+half)
	case key.Matches(k, a.keys.PageUp):
		return s.goTo(a, s.cur-half)
	case key.Matches(k, a.keys.Top):
		return s.goTo(a, 0)
	case key.Matches(k, a.keys.Bottom):
		return s.goTo(a, len(s.rows)-1)
	case key.Matches(k, a.keys.Retry):
		return s.retry(a, *row)
	case key.Matches(k, a.keys.RetryAll):
		return s.retryAll(a)
	case key.Matches(k, a.keys.Export):
		return a.openExport()
	case key.Matches(k, a.keys.Mend):
		return s.mend(a, *row)
	case key.Matches(k, a.keys.Discard):
		return s.askDiscard(a, *row)
	case key.Matches(k, a.keys.Open):
		if row.TaskID == "" {
			a.say("This change belongs to no task.")
			return nil
		}
		return a.push(&taskScreen{taskPane: taskPane{id: row.TaskID, row: localdb.TaskRow{ID: row.TaskID, Number: row.TaskNumber, Title: row.TaskTitle}}})
	default:
		return a.dead(k)
	}
	return nil
}

func (s *queueScreen) retry(a *App, row localdb.QueueRow) tea.Cmd {
	if row.State != localdb.BadgeParked {
		a.say("This change waits already and is sent by itself; S asks the server now.")
		return nil
	}
	return a.write(writing{from: s, said: "It will be sent again.", plain: true, work: func(ctx context.Context, db *localdb.DB) (string, error) {
		return "", db.RetryOp(ctx, row.Op.ID)
	}})
}

func (s *queueScreen) retryAll(a *App) tea.Cmd {
	n := a.sum.Parked
	if n == 0 {
		a.say("No change was refused; what waits is sent by itself.")
		return nil
	}
	return a.write(writing{from: s, said: plural(n, "refused change", "refused changes") + " will be sent again.", plain: true, work: func(ctx context.Context, db *localdb.DB) (string, error) {
		_, err := db.RetryAll(ctx)
		return "", err
	}})
}

func (s *queueScreen) mend(a *App, row localdb.QueueRow) tea.Cmd {
	if !a.canWrite() {
		return nil
	}
	if m := newMendScreen(a, row); m != nil {
		return a.push(m)
	}
	a.say("Nothing in this change is typed: " + named(a.keys.Open) + " opens the task, " + named(a.keys.Retry) + " tries again, " + named(a.keys.Discard) + " discards it.")
	return nil
}

func (s *queueScreen) view(a *App, w, h int) []string {
	if !s.loaded {
		return nil
	}
	if len(s.rows) == 0 {
		return []string{"", "  Nothing waits to be sent.", "", "  esc   back to the tasks"}
	}
	// The list keeps at least half of the room, however much there is to tell of one.
	low := s.detail(a, w)
	room := max(1, h-len(low)-1, min(len(s.rows), h/2))
	low = low[:max(0, min(len(low), h-room-1))]
	if s.cur < s.top {
		s.top = s.cur
	}
	s.top = max(0, min(max(s.top, s.cur-room+1), len(s.rows)-room))
	var lines []string
	for i := s.top; i < len(s.rows) && len(lines) < room; i++ {
		lines = append(lines, s.line(a, i, w))
	}
	s.shown = len(lines)
	return append(append(lines, strings.Repeat(a.st.glyphs.rule, min(w, 78))), low...)
}

func (s *queueScreen) line(a *App, i, w int) string {
	r := s.rows[i]
	state := a.st.glyphs.pending + " waiting"
	switch {
	case r.State == localdb.BadgeParked:
		state = a.st.glyphs.parked + " refused"
	case r.Behind != "":
		state = a.st.glyphs.pending + " behind"
	}
	text := a.cell(a.clock(r.Op.CreatedAt), 15) + a.cell(state, 11) + a.text(r.Sentence)
	line := a.row(i == s.cur, a.cut(text, w-2))
	if r.State == localdb.BadgeParked && i != s.cur {
		return a.st.bad.Render(line)
	}
	return line
}

// detail is the selected change in full, and why it has not been sent.
func (s *queueScreen) detail(a *App, w int) []string {
	r := s.rows[s.cur]
	out := wrap(a.text(r.Sentence)+", "+a.clock(r.Op.CreatedAt), w)
	out = append(out, a.cut(strings.TrimSpace(a.text(r.TaskNumber)+" "+a.text(r.TaskTitle)), w))
	look := a.st.plain
	if r.State == localdb.BadgeParked {
		look = a.st.bad
	}
	for _, l := range wrap(s.why(a, r), w) {
		out = append(out, look.Render(l))
	}
	out = append(out, wrap(s.next(a, r), w)...)
	return append(out, s.values(a, r, w)...)
}

// why says in plain words what became of the change, and how often it was tried.
func (s *queueScreen) why(a *App, r localdb.QueueRow) string {
	tried := ""
	if r.Attempts > 0 {
		tried = " Tried " + plural(r.Attempts, "time", "times") + "."
	}
	switch {
	case r.State == localdb.BadgeParked && r.Field != "":
		return "The server refused it, because of the " + a.text(fieldWord(r.Field)) + ": " + sentenceEnd(a.text(r.LastError)) + tried
	case r.State == localdb.BadgeParked:
		return "The server refused it: " + sentenceEnd(a.text(r.LastError)) + tried
	case r.Behind != "":
		return "It waits behind a change that the server refused: without that one it means nothing there."
	case r.LastError != "":
		return "Not sent yet: " + sentenceEnd(a.text(r.LastError)) + tried
	}
	return "It waits to be sent." + tried
}

// next says what comes next, by itself or by a key.
func (s *queueScreen) next(a *App, r localdb.QueueRow) string {
	k := a.keys
	switch {
	case r.State == localdb.BadgeParked:
		return "It is kept here: " + named(k.Mend) + " edits it, " + named(k.Retry) + " tries again as it is, " + named(k.Discard) + " discards it."
	case r.Behind != "":
		return "Edit, retry or discard the refused one first."
	case a.switched:
		return "You work offline; " + named(k.Offline) + " goes online again."
	case a.reachNow() == reach.NotEnrolled:
		return "It goes out once this laptop has joined a server."
	}
	if next := a.nextTryWords(); next != "" {
		return strings.ToUpper(next[:1]) + next[1:] + "; " + named(k.Sync) + " tries now."
	}
	return "It goes out by itself as soon as the server answers."
}

// sentenceEnd closes a sentence of somebody else's.
func sentenceEnd(s string) string {
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?") {
		return s
	}
	return s + "."
}

// values are what the change writes, a line each.
func (s *queueScreen) values(a *App, r localdb.QueueRow, w int) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Op.Fields)) {
		v := r.Op.Fields[name]
		f, known := op.FieldOf(r.Op.Kind, name)
		switch {
		case name == op.UpdatedAt, name == op.Deleted, v == nil, known && (f.Type == op.ID || f.Type == op.Time && name != "due_at" && !strings.HasPrefix(name, "window_")), r.Op.Kind == op.Note && name != "body":
			continue
		}
		out = append(out, a.cut("  "+a.cell(a.text(fieldWord(name)), 15)+" "+a.text(a.fieldText(name, v)), w))
	}
	return out
}

// copied is the selected change as a sentence, with its reason: what one tells the office.
func (s *queueScreen) copied(a *App) (string, string) {
	row := s.selected()
	if row == nil {
		return "", ""
	}
	return joinLines(append(plainLines(s.detail(a, 200)), "op "+row.Op.ID)), "this change"
}

func (s *queueScreen) click(a *App, line int) tea.Cmd {
	if line >= s.shown {
		return nil
	}
	return a.choose(s.top+line, s.cur, func(i int) tea.Cmd { return s.goTo(a, i) })
}
