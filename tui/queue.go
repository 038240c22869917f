package tui

import (
	"context"

	"example.com/punchlist/localdb"
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
}

func (s *queueScreen) shape() shape      { return full }
func (s *queueScreen) typing() bool      { return false }
func (s *queueScreen) title(*App) string { return "Queue" }

func (s *queueScreen) help(a *App) []key.Binding {
	k := a.keys
	if len(s.rows) == 0 {
		return []key.Binding{k.Back, k.Sync}
	}
	return []key.Binding{k.SendNow, k.Retry, k.Discard, helpOf(k.Open, "open the task"), k.Back}
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
	return a.write(writing{from: s, said: "It will be sent again.", work: func(ctx context.Context, db *localdb.DB) (string, error) {
		return "", db.RetryOp(ctx, row.Op.ID)
	}})
}

func (s *queueScreen) askDiscard(a *App, row localdb.QueueRow) tea.Cmd {
	q := &askScreen{yes: "discard it", lines: []string{
		"Discard this change to " + a.text(row.TaskNumber) + " " + a.cut(a.text(row.TaskTitle), 40) + "?",
		a.text(row.Sentence) + ", " + a.clock(row.Op.CreatedAt) + ". It was never sent and will be gone.",
	}}
	q.then = func() tea.Cmd {
		return a.write(writing{from: s, said: "Discarded.", quiet: false, work: func(ctx context.Context, db *localdb.DB) (string, error) {
			return "", db.DiscardOp(ctx, row.Op.ID)
		}})
	}
	return a.push(q)
}

func (s *queueScreen) view(a *App, w, h int) []string {
	if !s.loaded {
		return nil
	}
	if len(s.rows) == 0 {
		return []string{"", "  Nothing waits to be sent.", "", "  esc   back to the tasks"}
	}
	low := s.detail(a, w)
	h -= len(low) + 1
	if s.cur < s.top {
		s.top = s.cur
	}
	s.top = max(s.top, s.cur-h+1)
	var lines []string
	for i := s.top; i < len(s.rows) && len(lines) < h; i++ {
		lines = append(lines, s.line(a, i, w))
	}
	lines = append(fit(lines, w, max(0, h)), low...)
	return lines
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
	out := []string{"", a.cut(a.text(r.TaskNumber)+" "+a.text(r.TaskTitle), w)}
	out = append(out, wrap(a.text(r.Sentence)+", "+a.clock(r.Op.CreatedAt), w)...)
	why := "It waits to be sent."
	switch {
	case r.State == localdb.BadgeParked:
		why = "The server refused it: " + a.text(r.LastError) + " It is kept here: r tries again, d discards it."
	case r.Behind != "":
		why = "It waits behind a change that the server refused; retry or discard that one first."
	case r.LastError != "":
		why = "Not sent yet: " + a.text(r.LastError)
	}
	if r.Attempts > 0 {
		why += " Tried " + plural(r.Attempts, "time", "times") + "."
	}
	lines := wrap(why, w)
	return append(out, lines[:min(4, len(lines))]...)
}
