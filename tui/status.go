package tui

import (
	"context"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// statusSheet leads a task to another status: which one, then the reason where
// it needs one, then words where the reason or a delivery needs them.
type statusSheet struct {
	row   localdb.TaskRow   // the first of rows
	rows  []localdb.TaskRow // several when they are marked
	next  []op.Status
	step  localdb.Step
	stage stage
	cur   int
	input textinput.Model
}

type stage int

const (
	askStatus stage = iota
	askReason
	askWords // the reason in own words, or who took the delivery
)

func newStatusSheet(a *App, next []op.Status, rows ...localdb.TaskRow) *statusSheet {
	s := &statusSheet{row: rows[0], rows: rows, next: next, input: a.newInput()}
	s.input.Focus()
	return s
}

func (s *statusSheet) shape() shape      { return sheet }
func (s *statusSheet) typing() bool      { return s.stage == askWords }
func (s *statusSheet) title(*App) string { return "Status" }

func (s *statusSheet) help(a *App) []key.Binding {
	if s.stage == askWords {
		return []key.Binding{a.keys.Accept, helpOf(a.keys.Cancel, "back")}
	}
	return []key.Binding{bind("1-9", "choose", "1"), bind("j/k", "move", "j"), helpOf(a.keys.Accept, "take"), a.keys.Cancel}
}

// asks tells whether a status needs more than to be chosen.
func (s *statusSheet) asks(to op.Status) bool {
	return op.Reasons(to) != nil || (to == op.Completed && slices.ContainsFunc(s.rows, func(r localdb.TaskRow) bool { return r.Type == "delivery" }))
}

func (s *statusSheet) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case writtenMsg:
		if msg.from == screen(s) {
			a.drop(s)
		}
	case tea.KeyMsg:
		if s.stage == askWords {
			return s.wordKey(a, msg)
		}
		return s.listKey(a, msg)
	}
	return nil
}

// options are what the stage offers, in words.
func (s *statusSheet) options() []string {
	var out []string
	if s.stage == askReason {
		for _, r := range op.Reasons(s.step.To) {
			out = append(out, word(r))
		}
		return out
	}
	for _, st := range s.next {
		out = append(out, statusWord(st)+statusHint(s.row.Status, st))
	}
	return out
}

func statusHint(from, to op.Status) string {
	switch {
	case from == op.EnRoute && to == op.Pending:
		return "  (turned back)"
	case from == op.Completed && to == op.InProgress:
		return "  (reopen)"
	case from == op.Incomplete && to == op.Pending:
		return "  (send out again)"
	case from == op.OnHold && to == op.InProgress:
		return "  (go on)"
	}
	return ""
}

func (s *statusSheet) listKey(a *App, k tea.KeyMsg) tea.Cmd {
	n := len(s.options())
	switch {
	case key.Matches(k, a.keys.Down):
		s.cur = (s.cur + 1) % n
	case key.Matches(k, a.keys.Up):
		s.cur = (s.cur + n - 1) % n
	case key.Matches(k, a.keys.Cancel, a.keys.Quit, a.keys.Back):
		if s.stage == askReason && len(s.next) > 1 {
			s.stage, s.cur = askStatus, 0
			return nil
		}
		a.drop(s)
	case key.Matches(k, a.keys.Open):
		return s.take(a, s.cur)
	case len(k.Runes) == 1 && k.Runes[0] >= '1' && int(k.Runes[0]-'1') < n:
		return s.take(a, int(k.Runes[0]-'1'))
	default:
		a.say("Choose a number, or esc to leave it as it is.")
	}
	return nil
}

func (s *statusSheet) take(a *App, i int) tea.Cmd {
	if s.stage == askReason {
		s.step.Reason = op.Reasons(s.step.To)[i]
		if s.step.Reason == "other" {
			s.stage = askWords
			return nil
		}
		return s.save(a, s.step)
	}
	s.step = localdb.Step{To: s.next[i]}
	switch {
	case op.Reasons(s.step.To) != nil:
		s.stage, s.cur = askReason, 0
		return nil
	case s.asks(s.step.To):
		s.stage = askWords
		return nil
	}
	return s.save(a, s.step)
}

func (s *statusSheet) wordKey(a *App, k tea.KeyMsg) tea.Cmd {
	switch k.Type {
	case tea.KeyEsc:
		s.stage, s.cur = askStatus, 0
	case tea.KeyEnter:
		text := strings.TrimSpace(s.input.Value())
		if s.step.To == op.Completed {
			if text == "" {
				a.say("A delivery needs the name of who took it.")
				return nil
			}
			s.step.Recipient = text
		} else {
			s.step.ReasonText = text
		}
		return s.save(a, s.step)
	default:
		a.feed(&s.input, k)
	}
	return nil
}

func (s *statusSheet) save(a *App, step localdb.Step) tea.Cmd {
	rows := s.rows
	if len(rows) > 1 {
		said := a.names(rows) + " are " + statusWord(step.To) + "; " + named(a.keys.Undo) + " undoes that."
		return a.write(writing{from: s, said: said, on: idsOf(rows), work: func(ctx context.Context, db *localdb.DB) (string, error) {
			return "", db.SetStatuses(ctx, idsOf(rows), step)
		}})
	}
	said := a.text(s.row.Number) + " is " + statusWord(step.To) + "."
	return a.write(writing{from: s, said: said, on: idsOf(rows), work: func(ctx context.Context, db *localdb.DB) (string, error) {
		return "", db.SetStatus(ctx, rows[0].ID, step)
	}})
}

func (s *statusSheet) view(a *App, w, _ int) []string {
	name, head := a.name(s.row), ""
	if head = a.cut(name+" is "+statusWord(s.row.Status)+".", w); len(s.rows) > 1 {
		name = a.names(s.rows)
		head = name + " become:"
	}
	switch s.stage {
	case askWords:
		ask := "The reason in your words: "
		if s.step.To == op.Completed {
			ask = "Who took the delivery? "
		}
		return []string{head, ask + inputLine(&s.input, w-width(ask))}
	case askReason:
		head = a.cut(name+": why "+statusWord(s.step.To)+"?", w)
	}
	lines := []string{a.st.head.Render(head)}
	for i, o := range s.options() {
		lines = append(lines, a.row(i == s.cur, itoa(i+1)+" "+o))
	}
	return lines
}

func (s *statusSheet) click(a *App, line int) tea.Cmd {
	if i := line - 1; s.stage != askWords && i >= 0 && i < len(s.options()) {
		return s.take(a, i)
	}
	return nil
}

// row is one of several lines, the selected one marked in text.
func (a *App) row(selected bool, s string) string {
	if selected {
		return "> " + a.st.selected.Render(s)
	}
	return "  " + s
}
