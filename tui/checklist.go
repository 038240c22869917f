package tui

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// checklistScreen runs a task's checklist: one key answers a step and goes on
// to the next one without an answer.
type checklistScreen struct {
	row     localdb.TaskRow
	items   []localdb.Record
	loaded  bool
	cur     int
	top     int
	asking  asking
	input   textinput.Model
	warned  string // the value that was found outside its limits; entered again it is a fail
	advance bool   // the next read moves on
	offered bool   // completing was offered once
	failing bool   // the value is typed for an answer that is a fail, whatever its limits
	drawn   spots  // the steps that the last frame shows
	failed  string // the step that failed last: what a follow-up is about
	last    string // the id of the step that was answered last: where undo leads back to
}

// asking is what the line at the bottom is typed for.
type asking int

const (
	nothing asking = iota
	theValue
	theComment
	theLabel // of a new step
)

func (s *checklistScreen) shape() shape        { return pane }
func (s *checklistScreen) typing() bool        { return s.asking != nothing }
func (s *checklistScreen) title(a *App) string { return "Checklist " + a.name(s.row) }

func (s *checklistScreen) help(a *App) []key.Binding {
	k := a.keys
	if s.asking != nothing {
		return []key.Binding{k.Accept, k.Cancel}
	}
	if len(s.items) == 0 {
		return []key.Binding{k.AddItem, k.Back}
	}
	var out []key.Binding
	switch s.item().Text("kind") {
	case "number", "text", "choice":
		out = []key.Binding{k.Answer, k.NA, k.Fail}
	case "pass_fail":
		out = []key.Binding{k.Pass, k.Fail, k.NA}
	default:
		out = []key.Binding{helpOf(k.Done, "done"), k.Fail, k.NA}
	}
	return append(out, k.Comment, k.Clear, k.Back, k.Status, k.FollowUp, k.AddItem)
}

// item is the fields of the selected step.
func (s *checklistScreen) item() op.Fields {
	if s.cur >= len(s.items) {
		return op.Fields{}
	}
	return s.items[s.cur].Fields
}

func (s *checklistScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		s.input = a.newInput()
		s.advance = true
		return a.gated(a.loadTask(s.row.ID))
	case reloadMsg:
		return a.maybeGated(msg.gate, a.loadTask(s.row.ID))
	case taskMsg:
		if msg.id == s.row.ID {
			return s.take(a, msg)
		}
	case writtenMsg:
		switch i := s.index(s.last); {
		case msg.from == screen(s) && msg.err == nil:
			s.advance = s.asking != theComment
			s.stopAsking()
		case msg.undid && msg.err == nil && i >= 0: // the next key is for the step that was a slip
			s.cur, s.last = i, ""
		}
	case tea.KeyMsg:
		if s.asking != nothing {
			return s.inputKey(a, msg)
		}
		return s.key(a, msg)
	}
	return nil
}

func (s *checklistScreen) take(a *App, msg taskMsg) tea.Cmd {
	if msg.err != nil {
		a.say(explain(msg.err))
		return nil
	}
	first := !s.loaded
	s.row, s.items, s.loaded = msg.view.TaskRow, msg.view.Checklist, true
	s.cur = max(0, min(s.cur, len(s.items)-1))
	if !s.advance {
		return nil
	}
	s.advance = false
	if i, ok := s.nextOpen(); ok {
		s.cur = i
		return nil
	}
	if len(s.items) > 0 && !first && !s.offered && a.top() == screen(s) {
		s.offered = true
		return s.offer(a)
	}
	return nil
}

// nextOpen is the next step without an answer, from the selected one on and around.
func (s *checklistScreen) nextOpen() (int, bool) {
	for n := range len(s.items) {
		i := (s.cur + n) % len(s.items)
		if s.items[i].Fields.Text("outcome") == "" {
			return i, true
		}
	}
	return 0, false
}

// offer asks whether the task is done, now that all steps are.
func (s *checklistScreen) offer(a *App) tea.Cmd {
	if op.CheckStep(s.row.Status, op.Completed, roleOr(a.sum.Device.Role)) != nil {
		if !s.row.Status.Ended() {
			a.say("All steps are answered. s sets the task's status; esc goes back.")
		}
		return nil
	}
	row := s.row
	answered := "The only step is answered."
	if n := len(s.items); n > 1 {
		answered = "All " + itoa(n) + " steps are answered."
	}
	return a.push(&askScreen{yes: "complete it", lines: []string{answered + " Complete " + a.name(row) + " now?"}, then: func() tea.Cmd {
		sheet := newStatusSheet(a, []op.Status{op.Completed}, row)
		a.drop(s)
		if sheet.asks(op.Completed) {
			cmd := a.push(sheet)
			return tea.Batch(cmd, sheet.take(a, 0))
		}
		return sheet.save(a, localdb.Step{To: op.Completed})
	}})
}

// roleOr is the role for the table of steps: who has joined no server yet acts as a technician.
func roleOr(r op.Role) op.Role {
	if r == "" {
		return op.Technician
	}
	return r
}

func (s *checklistScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	half := max(1, a.bodyHeight()/2)
	switch {
	case key.Matches(k, a.keys.Back):
		return a.pop()
	case key.Matches(k, a.keys.AddItem):
		return s.ask(a, theLabel, "")
	case len(s.items) == 0:
		a.say("This task has no checklist yet; " + named(a.keys.AddItem) + " adds a step.")
	case key.Matches(k, a.keys.Down):
		s.cur = min(s.cur+1, len(s.items)-1)
	case key.Matches(k, a.keys.Up):
		s.cur = max(0, s.cur-1)
	case key.Matches(k, a.keys.PageDown):
		s.cur = min(s.cur+half, len(s.items)-1)
	case key.Matches(k, a.keys.PageUp):
		s.cur = max(0, s.cur-half)
	case key.Matches(k, a.keys.Top):
		s.cur = 0
	case key.Matches(k, a.keys.Bottom):
		s.cur = len(s.items) - 1
	case key.Matches(k, a.keys.Comment):
		return s.ask(a, theComment, s.item().Text("comment"))
	case key.Matches(k, a.keys.FollowUp):
		return s.followUp(a)
	case key.Matches(k, a.keys.Status):
		return a.openStatus(s.row)
	default:
		return s.answerKey(a, k)
	}
	return nil
}

// answerKey answers the selected step, as its kind wants it.
func (s *checklistScreen) answerKey(a *App, k tea.KeyMsg) tea.Cmd {
	kind := s.item().Text("kind")
	wantsValue := kind == "number" || kind == "text" || kind == "choice"
	switch {
	case key.Matches(k, a.keys.Fail) && (kind == "number" || kind == "choice") && s.item()["value"] == nil:
		s.failing = true
		a.say("What was found? It is recorded as failed.")
		return s.ask(a, theValue, "")
	case key.Matches(k, a.keys.Fail):
		return s.answer(a, localdb.Answer{Outcome: "fail", Value: s.item()["value"]})
	case key.Matches(k, a.keys.NA):
		return s.answer(a, localdb.Answer{Outcome: "na"})
	case key.Matches(k, a.keys.Clear):
		if s.item().Text("outcome") == "" {
			a.say("This step has no answer to take back.")
			return nil
		}
		return s.answer(a, localdb.Answer{})
	case wantsValue && key.Matches(k, a.keys.Open, a.keys.Pass, a.keys.Done):
		return s.ask(a, theValue, valueText(s.item()["value"]))
	case wantsValue && len(k.Runes) == 1 && strings.ContainsRune("0123456789-.", k.Runes[0]):
		if kind == "choice" {
			return s.choose(a, string(k.Runes))
		}
		return s.ask(a, theValue, string(k.Runes))
	case kind == "pass_fail" && key.Matches(k, a.keys.Pass):
		return s.answer(a, localdb.Answer{Outcome: "pass"})
	case kind == "pass_fail" && key.Matches(k, a.keys.Done, a.keys.Open):
		a.say("This step is passed or failed: p or f (n: not applicable).")
		return nil
	case key.Matches(k, a.keys.Pass):
		return s.answer(a, localdb.Answer{Outcome: "pass"})
	case key.Matches(k, a.keys.Done, a.keys.Open):
		return s.answer(a, localdb.Answer{Outcome: "done"})
	}
	return a.dead(k)
}

func (s *checklistScreen) answer(a *App, ans localdb.Answer) tea.Cmd {
	id := s.items[s.cur].ID
	s.last = id
	said := a.cut(a.text(s.item().Text("label")), 30) + ": " + answerWord(ans.Outcome) + "."
	if ans.Outcome == "fail" {
		s.failed = s.item().Text("label")
		said = a.cut(a.text(s.failed), 30) + " failed: " + named(a.keys.FollowUp) + " opens a follow-up."
	}
	return a.write(writing{from: s, said: said, work: func(ctx context.Context, db *localdb.DB) (string, error) {
		return "", db.AnswerItem(ctx, id, ans)
	}})
}

// followUp opens a form for what a failed step left to do: the selected one,
// else the one that failed last, for an answer moves on to the next step.
func (s *checklistScreen) followUp(a *App) tea.Cmd {
	what := s.failed
	if s.item().Text("outcome") == "fail" {
		what = s.item().Text("label")
	}
	if what == "" {
		a.say("A follow-up comes from a step that failed; go to one, or answer f first.")
		return nil
	}
	return a.push(newFollowUpForm(a, s.row, what))
}

func (s *checklistScreen) ask(a *App, what asking, text string) tea.Cmd {
	if !a.canWrite() {
		return nil
	}
	s.asking, s.warned = what, ""
	s.input.SetValue(text)
	s.input.CursorEnd()
	s.input.Focus()
	return nil
}

func (s *checklistScreen) stopAsking() {
	s.asking, s.warned, s.failing = nothing, "", false
	s.input.Blur()
}

func (s *checklistScreen) inputKey(a *App, k tea.KeyMsg) tea.Cmd {
	switch k.Type {
	case tea.KeyEsc:
		s.stopAsking()
		return nil
	case tea.KeyEnter:
		return s.entered(a, strings.TrimSpace(s.input.Value()))
	}
	a.feed(&s.input, k)
	return nil
}

// entered takes what was typed.
func (s *checklistScreen) entered(a *App, text string) tea.Cmd {
	switch s.asking {
	case theLabel:
		return s.addItem(a, text)
	case theComment:
		id, f := s.items[s.cur].ID, s.item()
		ans := localdb.Answer{Outcome: f.Text("outcome"), Value: f["value"], Comment: &text}
		return a.write(writing{from: s, work: func(ctx context.Context, db *localdb.DB) (string, error) {
			return "", db.AnswerItem(ctx, id, ans)
		}})
	}
	switch s.item().Text("kind") {
	case "number":
		return s.enteredNumber(a, text)
	case "choice":
		return s.choose(a, text)
	}
	if text == "" {
		a.say("Nothing is written; esc leaves the step as it is.")
		return nil
	}
	return s.answer(a, localdb.Answer{Outcome: "done", Value: text})
}

func (s *checklistScreen) addItem(a *App, label string) tea.Cmd {
	task, fields := s.row.ID, op.Fields{"label": label, "kind": "check"}
	if f, _ := op.FieldOf(op.Item, "label"); label == "" {
		a.say("A step needs a name; esc goes back.")
		return nil
	} else if _, r := f.Normal(label); r != nil {
		a.say(r.Error())
		return nil
	}
	return a.write(writing{from: s, said: "Step added.", work: func(ctx context.Context, db *localdb.DB) (string, error) {
		_, err := db.AddItem(ctx, task, fields)
		return "", err
	}})
}

// enteredNumber checks a number against its limits: outside of them it is a
// fail, but only once it was entered twice, for most are slips of a glove.
func (s *checklistScreen) enteredNumber(a *App, text string) tea.Cmd {
	x, err := parseNumber(text)
	if err != nil {
		a.say(err.Error())
		return nil
	}
	outcome := "pass"
	if s.failing {
		return s.answer(a, localdb.Answer{Outcome: "fail", Value: x})
	}
	if limits, ok := within(x, s.item()); !ok {
		if s.warned != text {
			s.warned = text
			a.say(number(x) + " is outside " + a.text(limits) + ". enter again records it as failed; or correct it.")
			return nil
		}
		outcome = "fail"
	}
	return s.answer(a, localdb.Answer{Outcome: outcome, Value: x})
}

// choose takes one of a step's choices, by its number or its words.
func (s *checklistScreen) choose(a *App, text string) tea.Cmd {
	choices, outcome := choicesOf(s.item()), "done"
	if s.failing {
		outcome = "fail"
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(choices) {
		return s.answer(a, localdb.Answer{Outcome: outcome, Value: choices[n-1]})
	}
	for _, c := range choices {
		if text != "" && strings.EqualFold(c, text) {
			return s.answer(a, localdb.Answer{Outcome: outcome, Value: c})
		}
	}
	a.say("Choose one of " + a.text(strings.Join(numbered(choices), "  ")))
	return nil
}

func choicesOf(f op.Fields) []string {
	var out []string
	for _, c := range strings.Split(f.Text("choices"), "\n") {
		if c != "" { // as it stands: an answer must be one of them to the letter
			out = append(out, c)
		}
	}
	return out
}

func numbered(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = itoa(i+1) + " " + w
	}
	return out
}

// parseNumber takes a decimal comma too.
func parseNumber(text string) (float64, error) {
	x, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(text), ",", ".", 1), 64)
	if err != nil || x-x != 0 { // x-x is NaN for NaN and the infinities
		return 0, errors.New(strconv.Quote(text) + " is no number; esc leaves the step as it is.")
	}
	return x, nil
}

// within tells whether a number keeps its limits, and names them.
func within(x float64, f op.Fields) (limits string, ok bool) {
	lo, hasLo := f.Real("min")
	hi, hasHi := f.Real("max")
	switch {
	case hasLo && hasHi:
		limits = fmt.Sprintf("%s to %s", number(lo), number(hi))
	case hasLo:
		limits = "at least " + number(lo)
	case hasHi:
		limits = "at most " + number(hi)
	}
	return strings.TrimSpace(limits + " " + f.Text("unit")), (!hasLo || x >= lo) && (!hasHi || x <= hi)
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return number(v)
	case string:
		return v
	}
	return fmt.Sprint(v)
}
