package tui

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// formScreen adds a task or edits one. Only what changed is written, so that an
// edit of the title never competes with somebody else's edit of the due time.
type formScreen struct {
	id  string // "" while the task is a new one
	row localdb.TaskRow
	fieldList
	more  op.Fields         // of a new task, beside the form's fields
	given map[string]string // the texts that a new task's form opened with
	ready bool              // the fields show the record
	keep  keeper
	write bool              // open the editor as soon as the fields and the draft are here
	asked bool              // whether there is a draft is known
	found map[string]string // what was typed once and never saved, until the fields are ready
}

func newForm(a *App) *formScreen {
	s := &formScreen{fieldList: fieldList{fields: []*field{
		{name: "title", label: "title"},
		{name: "type", label: "type", kind: wordField, values: op.TaskTypes},
		{name: "priority", label: "priority", kind: wordField, values: op.Priorities},
		{name: "site_id", label: "site", kind: siteField},
		{name: "due_at", label: "due", kind: timeField, hint: localdb.WhenExamples},
		{name: "window_start", label: "window", kind: windowField, hint: localdb.WindowExamples},
		{name: "assignee", label: "for", hint: "a user's name"},
		{name: "asset", label: "asset"},
		{name: "contact_name", label: "contact"},
		{name: "contact_phone", label: "phone"},
		{name: "description", label: "description", kind: longField, hint: "ctrl+j: new line; ctrl+o: in your editor"},
	}}}
	s.begin(a)
	return s
}

func newAddForm(a *App) *formScreen {
	s := newForm(a)
	s.field("type").chosen = op.TaskTypes[len(op.TaskTypes)-1]
	s.field("priority").chosen = "normal"
	s.field("assignee").set(a.sum.Device.User)
	s.ready, s.keep = true, newKeeper("add")
	return s
}

// newFollowUpForm is an add form for what a task left to do.
func newFollowUpForm(a *App, of localdb.TaskRow, what string) *formScreen {
	s := newAddForm(a)
	s.field("title").set("Follow-up: " + op.Clean(what, false))
	s.field("type").chosen = "repair"
	if of.SiteID != "" { // what is left to do is there where it was found
		site := s.field("site_id")
		site.set(of.SiteCode)
		site.siteID = of.SiteID
	}
	s.more, s.keep = op.Fields{"parent_id": of.ID}, newKeeper("follow-up:"+of.ID)
	s.given = s.texts()
	s.keep.typed = s.given
	return s
}

func newEditForm(a *App, row localdb.TaskRow) *formScreen {
	s := newForm(a)
	s.id, s.row, s.keep = row.ID, row, newKeeper("edit:"+row.ID)
	return s
}

func (s *formScreen) field(name string) *field {
	for _, f := range s.fields {
		if f.name == name {
			return f
		}
	}
	return s.fields[0]
}

func (s *formScreen) shape() shape { return pane }
func (s *formScreen) typing() bool { return true }

func (s *formScreen) title(a *App) string {
	if s.id == "" {
		return "New task"
	}
	return "Edit " + a.name(s.row)
}

func (s *formScreen) help(a *App) []key.Binding {
	k := a.keys
	return slices.Concat([]key.Binding{k.Save, k.NextField, k.PrevField}, s.fieldHelp(a), s.leaveHelp(a))
}

func (s *formScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		switch {
		case !a.canWrite():
			a.drop(s)
		case s.id != "":
			return tea.Batch(a.gated(a.loadTask(s.id)), a.findDraft(&s.keep))
		default:
			return a.findDraft(&s.keep)
		}
	case foundMsg:
		a.takeDraft(s, msg)
		s.asked = s.asked || msg.form == s.keep.form
		return s.writeOutside(a)
	case taskMsg:
		if msg.id == s.id && !s.ready {
			s.fill(a, msg)
			return s.writeOutside(a)
		}
	case sitesMsg:
		s.fields[s.cur].takeSites(msg)
	case writtenMsg:
		if msg.from == screen(s) {
			s.written(a, msg.err)
		}
	case tea.KeyMsg:
		return s.key(a, msg)
	}
	return nil
}

// writeOutside opens the editor on the description, if that is what the form was
// opened for.
func (s *formScreen) writeOutside(a *App) tea.Cmd {
	if !s.write || !s.ready || !s.asked {
		return nil
	}
	s.write = false
	s.show(s.field("description"))
	return a.openEditor(s)
}

// fill shows the record as it is when the form opens. What comes in later does
// not change the text under the person's hands.
func (s *formScreen) fill(a *App, msg taskMsg) {
	if msg.err != nil {
		a.say(explain(msg.err))
		a.drop(s)
		return
	}
	s.ready, s.row = true, msg.view.TaskRow
	for _, f := range s.fields {
		v := msg.view.Fields
		switch f.kind {
		case siteField:
			f.set(msg.view.SiteCode)
			f.siteID, f.siteWas = v.Text("site_id"), v.Text("site_id")
		case timeField:
			f.set(a.formTime(v.Int(f.name)))
		case windowField:
			f.set(a.formWindow(v.Int("window_start"), v.Int("window_end")))
		default:
			f.set(v.Text(f.name))
		}
		f.was = f.text()
	}
	s.restore(a, s.found)
	s.keep.typed = s.texts()
}

func (s *formScreen) keeper() *keeper { return &s.keep }

// siteText stands before the id of the site that a draft's text means.
const siteText = "id of "

// texts are the fields that are not as the form opened.
func (s *formScreen) texts() map[string]string {
	if !s.ready || !s.changed() {
		return nil
	}
	out := map[string]string{}
	for _, f := range s.fields {
		if !f.changed() {
			continue
		}
		out[f.name] = f.text()
		if f.kind == longField {
			out[f.name] = f.area.Value()
		}
		if f.kind == siteField && f.siteID != "" {
			out[siteText+f.name] = f.siteID
		}
	}
	return out
}

func (s *formScreen) restore(_ *App, texts map[string]string) {
	if s.found = texts; !s.ready {
		return
	}
	for _, f := range s.fields {
		text, there := texts[f.name]
		switch {
		case !there:
			continue
		case f.kind == wordField && !slices.Contains(f.values, text):
			continue
		}
		f.set(op.Clean(text, f.kind == longField))
		if f.kind == siteField {
			f.siteID = texts[siteText+f.name]
		}
	}
	s.found = nil
}

// formTime is a moment as [localdb.ParseWhen] reads it back, whatever day it is then.
func (a *App) formTime(ms int64) string {
	switch t := a.at(ms); {
	case ms == 0:
		return ""
	case endOfDay(t):
		return t.Format("2006-01-02")
	default:
		return t.Format("2006-01-02 15:04")
	}
}

func (a *App) formWindow(from, to int64) string {
	if from == 0 || to == 0 {
		return ""
	}
	return a.at(from).Format("2006-01-02 15:04") + "-" + a.at(to).Format("15:04")
}

func (s *formScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	s.endWord(k)
	switch {
	case key.Matches(k, a.keys.Save):
		return s.save(a)
	case key.Matches(k, a.keys.Outside):
		return a.openEditor(s)
	case key.Matches(k, a.keys.Cancel):
		if !s.changed() || maps.Equal(s.texts(), s.given) {
			return a.pop()
		}
		return a.askDiscard(s, "what you typed")
	}
	return s.fieldList.key(a, k)
}

func (s *formScreen) changed() bool {
	for _, f := range s.fields {
		if f.changed() && (s.id != "" || (f.kind != wordField && f.name != "assignee")) {
			return true
		}
	}
	return false
}

// save checks each field that changed and writes them all, or shows at the
// field why not.
func (s *formScreen) save(a *App) tea.Cmd {
	if !s.ready {
		return nil
	}
	fields, ok := s.collect(a)
	if !ok {
		return nil
	}
	if s.id != "" && len(fields) == 0 {
		a.say("Nothing was changed.")
		a.drop(s)
		return a.dropDraft(s)
	}
	action, id := op.Update, s.id
	if id == "" {
		action = op.Insert
	}
	if r := op.CheckFields(op.Task, action, fields); r != nil {
		s.refused(a, r)
		return nil
	}
	said := "Task added."
	if id != "" {
		said = a.text(s.row.Number) + " changed."
	}
	return a.write(writing{from: s, said: said, work: func(ctx context.Context, db *localdb.DB) (string, error) {
		saved := id
		var err error
		if id == "" {
			saved, err = db.AddTask(ctx, fields)
		} else {
			err = db.EditTask(ctx, id, fields)
		}
		if err != nil {
			return saved, err
		}
		s.keep.saved(ctx, db)
		return saved, nil
	}})
}

// check says why a field's text is no value; "" when it is one.
func (s *formScreen) check(a *App, f *field) string {
	_, bad := f.value(a)
	return bad
}

func (s *formScreen) collect(a *App) (op.Fields, bool) {
	fields := op.Fields{}
	if s.id == "" {
		fields["status"] = string(op.Pending)
		for name, v := range s.more {
			fields[name] = v
		}
	}
	ok := true
	for _, f := range s.fields {
		f.bad = ""
		if !f.changed() {
			continue
		}
		values, bad := f.value(a)
		if bad != "" {
			f.bad = bad
			if ok {
				s.show(f)
			}
			ok = false
			continue
		}
		for name, v := range values {
			if v != nil || s.id != "" {
				fields[name] = v
			}
		}
	}
	if !ok {
		a.say("Not saved yet: see the line that begins with !")
	}
	return fields, ok
}

// refused shows a refusal where it belongs.
func (s *formScreen) refused(a *App, r *op.Refusal) {
	a.say("Not saved yet: " + r.Error())
	for _, f := range s.fields {
		if f.name == r.Field || (f.kind == windowField && strings.HasPrefix(r.Field, "window_")) {
			f.bad = r.Message
			s.show(f)
		}
	}
}

func (s *formScreen) written(a *App, err error) {
	var r *op.Refusal
	switch {
	case err == nil:
		a.drop(s)
	case errors.As(err, &r):
		s.refused(a, r)
	}
}

func (s *formScreen) view(a *App, w, h int) []string {
	if !s.ready {
		return nil
	}
	return s.fieldList.view(a, w, h)
}
