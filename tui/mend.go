package tui

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// mendScreen puts other values into a change that waits or was refused, and
// lets it go out again.
type mendScreen struct {
	of queueRow
	fieldList
	keep keeper
}

// newMendScreen is nil when the change holds nothing that is typed.
func newMendScreen(a *App, row localdb.QueueRow) *mendScreen {
	s := &mendScreen{of: queueRow(row), keep: newKeeper("mend:" + row.Op.ID)}
	names := slices.Sorted(maps.Keys(row.Op.Fields))
	slices.SortStableFunc(names, func(x, y string) int { // what was refused stands first
		return boolInt(y == row.Field) - boolInt(x == row.Field)
	})
	for _, name := range names {
		if f, ok := mendField(row.Op.Kind, name); ok {
			s.fields = append(s.fields, f)
		}
	}
	if len(s.fields) == 0 {
		return nil
	}
	s.begin(a)
	for _, f := range s.fields {
		v := row.Op.Fields[f.name]
		if ms, isInt := v.(int64); isInt && f.kind == timeField {
			f.set(a.formTime(ms))
		} else {
			f.set(valueText(v))
		}
		f.was = f.text()
	}
	if row.State == localdb.BadgeParked {
		if f := s.fields[0]; f.name == row.Field {
			f.bad = row.LastError
		}
	}
	return s
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mendField is how a field of a change is typed; false for one that is not: what
// a status or an answer brings with it is the program's, and goes with another
// status or answer.
func mendField(kind op.Kind, name string) (*field, bool) {
	f, known := op.FieldOf(kind, name)
	switch register := op.RegisterOf(kind, name); {
	case !known, kind == op.TimeEntry, f.Derived, f.Type == op.ID, name == op.UpdatedAt, name == op.Deleted, name == "author", name == "at", name == "kind":
		return nil, false
	case len(op.Members(kind, register)) > 1 && f.Type != op.Long && f.Type != op.Scalar && name != "recipient_name" && !strings.HasPrefix(name, "window_"):
		return nil, false
	}
	out := &field{name: name, label: fieldWord(name)}
	switch {
	case len(f.Values) > 0:
		out.kind, out.values = wordField, f.Values
	case f.Type == op.Long:
		out.kind = longField
	case f.Type == op.Time:
		out.kind, out.hint = timeField, localdb.WhenExamples
	}
	return out, true
}

// queueRow is a queued change as this screen names it.
type queueRow localdb.QueueRow

func (s *mendScreen) shape() shape        { return pane }
func (s *mendScreen) typing() bool        { return true }
func (s *mendScreen) title(a *App) string { return "Edit the change: " + a.text(s.of.Sentence) }

func (s *mendScreen) help(a *App) []key.Binding {
	k := a.keys
	return slices.Concat([]key.Binding{helpOf(k.Save, "send it again"), k.NextField, k.PrevField}, s.fieldHelp(a), s.leaveHelp(a))
}

func (s *mendScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		return a.findDraft(&s.keep)
	case foundMsg:
		a.takeDraft(s, msg)
	case writtenMsg:
		if msg.from == screen(s) {
			s.written(a, msg.err)
		}
	case tea.KeyMsg:
		s.endWord(msg)
		switch {
		case key.Matches(msg, a.keys.Save):
			return s.save(a)
		case key.Matches(msg, a.keys.Outside):
			return a.openEditor(s)
		case key.Matches(msg, a.keys.Cancel):
			return s.leave(a)
		}
		return s.fieldList.key(a, msg)
	}
	return nil
}

func (s *mendScreen) leave(a *App) tea.Cmd {
	if !slices.ContainsFunc(s.fields, (*field).changed) {
		return a.pop()
	}
	return a.askDiscard(s, "what you typed")
}

func (s *mendScreen) keeper() *keeper { return &s.keep }

func (s *mendScreen) texts() map[string]string {
	out := map[string]string{}
	for _, f := range s.fields {
		if f.changed() {
			out[f.name] = f.text()
		}
	}
	return out
}

func (s *mendScreen) restore(_ *App, texts map[string]string) {
	for _, f := range s.fields {
		if text, there := texts[f.name]; there && (f.kind != wordField || slices.Contains(f.values, text)) {
			f.set(op.Clean(text, f.kind == longField))
		}
	}
}

// save collects what is different now. An emptied field is emptied by the change.
func (s *mendScreen) save(a *App) tea.Cmd {
	fields, ok := op.Fields{}, true
	for _, f := range s.fields {
		if !f.changed() {
			continue
		}
		f.bad = ""
		v, bad := s.value(a, f)
		if bad != "" {
			f.bad = bad
			s.show(f)
			ok = false
			continue
		}
		fields[f.name] = v
	}
	switch {
	case !ok:
		a.say("Not changed yet: see the line that begins with !")
		return nil
	case len(fields) == 0:
		a.say("Nothing is different; r in the queue sends it again as it is.")
		return nil
	}
	id, said := s.of.Op.ID, "Changed; it goes out again."
	return a.write(writing{from: s, said: said, plain: true, work: func(ctx context.Context, db *localdb.DB) (string, error) {
		if err := db.ReplaceOp(ctx, id, fields); err != nil {
			return "", err
		}
		s.keep.saved(ctx, db)
		return "", nil
	}})
}

func (s *mendScreen) check(a *App, f *field) string {
	_, bad := s.value(a, f)
	return bad
}

// value is what a field's text means for its type.
func (s *mendScreen) value(a *App, f *field) (any, string) {
	values, bad := f.value(a)
	text, isText := values[f.name].(string)
	if bad != "" || !isText {
		return values[f.name], bad
	}
	schema, _ := op.FieldOf(s.of.Op.Kind, f.name)
	_, wasNumber := s.of.Op.Fields[f.name].(float64)
	switch {
	case schema.Type == op.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, strconv.Quote(text) + " is no whole number"
		}
		return n, ""
	case schema.Type == op.Real || wasNumber:
		x, err := parseNumber(text)
		if err != nil {
			return nil, err.Error()
		}
		return x, ""
	case schema.Type == op.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, "true or false"
		}
		return b, ""
	}
	return text, ""
}

func (s *mendScreen) written(a *App, err error) {
	var r *op.Refusal
	if err == nil || !errors.As(err, &r) {
		a.drop(s)
		return
	}
	for _, f := range s.fields {
		if f.name == r.Field {
			f.bad = r.Message
			s.show(f)
		}
	}
}
