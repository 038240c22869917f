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

// numberOf is the number that a status has in every list: a hand that knows it
// must not take another one because the task stands elsewhere.
func numberOf(s op.Status) int { return slices.Index(op.Statuses, s) + 1 }

type stage int

const (
	askStatus stage = iota
	askReason
	askWords // the reason in own words, or who took the delivery
)

func newStatusSheet(a *App, next []op.Status, rows ...localdb.TaskRow) *statusSheet {
	likeliest := next[0]
	next = slices.Clone(next)
	slices.SortFunc(next, func(x, y op.Status) int { return numberOf(x) - numberOf(y) })
	s := &statusSheet{row: rows[0], rows: rows, next: next, cur: slices.Index(next, likeliest), input: a.newInput()}
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

// option is one line to choose, by its number.
type option struct {
	number int
	text   string
}

// options are what the stage offers, in words.
func (s *statusSheet) options() []option {
	var out []option
	if s.stage == askReason {
		for i, r := range op.Reasons(s.step.To) {
			out = append(out, option{i + 1, word(r)})
		}
		return out
	}
	for _, st := range s.next {
		out = append(out, option{numberOf(st), statusWord(st) + s.hint(st)})
	}
	return out
}

// openSteps is how many steps of the tasks have no answer.
func (s *statusSheet) openSteps() (n int) {
	for _, r := range s.rows {
		n += r.Steps - r.StepsDone
	}
	return n
}

// hint says what a status would mean for the task.
func (s *statusSheet) hint(to op.Status) string {
	switch from := s.row.Status; {
	case to == op.Completed && s.openSteps() > 0:
		return "  (" + plural(s.openSteps(), "step", "steps") + " without an answer)"
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
			s.chooseAgain()
			return nil
		}
		a.drop(s)
	case key.Matches(k, a.keys.Open):
		return s.take(a, s.cur)
	default:
		for i, o := range s.options() {
			if k.String() == itoa(o.number) {
				return s.take(a, i)
			}
		}
		a.say("Choose a number, or esc to leave it as it is.")
	}
	return nil
}

// chooseAgain goes back to the first question, on the status that was chosen.
func (s *statusSheet) chooseAgain() {
	s.stage, s.cur = askStatus, max(0, slices.Index(s.next, s.step.To))
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
		s.chooseAgain()
	case tea.KeyEnter:
		text := strings.TrimSpace(s.input.Value())
		switch to := s.step.To; {
		case text == "" && to == op.Completed:
			a.say("A delivery needs the name of who took it.")
			return nil
		case text == "":
			a.say("Say in a few words what it is, or esc to choose again.")
			return nil
		case to == op.Completed:
			s.step.Recipient = text
		default:
			s.step.ReasonText = text
		}
		return s.save(a, s.step)
	default:
		a.feed(&s.input, k)
	}
	return nil
}

func (s *statusSheet) save(a *App, step localdb.Step) tea.Cmd {
	rows, ids := s.rows, idsOf(s.rows)
	said := a.text(s.row.Number) + " is " + statusWord(step.To) + "."
	if len(rows) > 1 {
		said = a.names(rows) + " are " + statusWord(step.To) + "; " + named(a.keys.Undo) + " undoes that."
	}
	more := func(ctx context.Context, db *localdb.DB) string { return a.clocksLeft(ctx, db, ids) }
	if step.To == op.Completed {
		more = func(ctx context.Context, db *localdb.DB) string { return stepsLeft(ctx, db, ids) }
	}
	return a.write(writing{from: s, said: said, on: ids, more: more, work: func(ctx context.Context, db *localdb.DB) (string, error) {
		if len(ids) == 1 {
			return "", db.SetStatus(ctx, ids[0], step)
		}
		return "", db.SetStatuses(ctx, ids, step)
	}})
}

// stepsLeft says what of the checklists a completed task leaves undone, or failed.
func stepsLeft(ctx context.Context, db *localdb.DB, ids []string) string {
	open, failed, err := db.StepsLeft(ctx, ids)
	if err != nil {
		return "" // it is completed all the same
	}
	switch left := plural(open, "step stays", "steps stay") + " without an answer"; {
	case open > 0 && failed > 0:
		return " " + left + ", " + itoa(failed) + " failed."
	case open > 0:
		return " " + left + "."
	case failed > 0:
		return " " + plural(failed, "step", "steps") + " failed."
	}
	return ""
}

// clocksLeft says which other tasks' clocks run too, once one was begun.
func (a *App) clocksLeft(ctx context.Context, db *localdb.DB, ids []string) string {
	all, err := db.Running(ctx)
	if err != nil {
		return "" // the truth line tells it in any case
	}
	here := false
	var others []string
	for _, r := range all {
		if slices.Contains(ids, r.TaskID) {
			here = true
		} else {
			others = append(others, a.text(r.Number))
		}
	}
	switch {
	case !here || len(others) == 0:
		return ""
	case len(others) > 1:
		return " The clocks of " + itoa(len(others)) + " others run too: " + named(a.keys.Clock) + " stops them."
	}
	return " The clock of " + others[0] + " runs too: " + named(a.keys.Clock) + " stops it."
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
		lines = append(lines, a.row(i == s.cur, itoa(o.number)+" "+o.text))
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
