package tui

import (
	"context"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textarea"
	tea "github.com/charmbracelet/bubbletea"
)

// noteScreen writes a note on a task. Notes are only ever added.
type noteScreen struct {
	rows []localdb.TaskRow // several when they are marked
	kind string
	keep keeper
	area textarea.Model
}

func newNoteScreen(a *App, rows ...localdb.TaskRow) *noteScreen {
	s := &noteScreen{rows: rows, kind: op.NoteKinds[0], area: a.newArea(), keep: newKeeper("note:" + rows[0].ID)}
	if len(rows) > 1 {
		s.keep = newKeeper("notes")
	}
	s.area.Focus()
	return s
}

func (s *noteScreen) shape() shape        { return pane }
func (s *noteScreen) typing() bool        { return true }
func (s *noteScreen) title(a *App) string { return "Note on " + a.names(s.rows) }

func (s *noteScreen) help(a *App) []key.Binding {
	return []key.Binding{alsoOn(a.keys.Accept, a.keys.Save), a.keys.NewLine, bind("tab", "kind", "tab"), a.keys.Outside, a.keys.Cancel}
}

// written are the kinds that a person chooses from; "system" is the program's.
func writtenKinds() []string { return op.NoteKinds[:3] }

func (s *noteScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		return a.findDraft(&s.keep)
	case foundMsg:
		a.takeDraft(s, msg)
	case writtenMsg:
		if msg.from == screen(s) && msg.err == nil {
			a.drop(s)
		}
	case tea.KeyMsg:
		return s.key(a, msg)
	}
	return nil
}

func (s *noteScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(k, a.keys.Accept, a.keys.Save):
		return s.save(a)
	case key.Matches(k, a.keys.Cancel):
		if strings.TrimSpace(s.area.Value()) == "" {
			return a.pop()
		}
		return a.askDiscard(s, "this note")
	case key.Matches(k, a.keys.Outside):
		return a.openEditor(s)
	case k.Type == tea.KeyTab:
		s.kind = next(writtenKinds(), s.kind, 1)
		return nil
	}
	a.feedArea(&s.area, k)
	return nil
}

func (s *noteScreen) save(a *App) tea.Cmd {
	body := strings.TrimSpace(s.area.Value())
	if body == "" {
		a.say("Nothing is written yet; esc goes back.")
		return nil
	}
	ids, kind, said := idsOf(s.rows), s.kind, "Note added."
	switch {
	case len(ids) > 1:
		said = "Note added to " + a.names(s.rows) + "."
	case a.spoken: // nobody sees whose place this is
		said = "Note added to " + a.text(s.rows[0].Number) + "."
	}
	return a.write(writing{from: s, said: said, on: ids, work: func(ctx context.Context, db *localdb.DB) (string, error) {
		if err := db.AddNotes(ctx, ids, body, kind); err != nil {
			return "", err
		}
		s.keep.saved(ctx, db)
		return "", nil
	}})
}

func (s *noteScreen) keeper() *keeper { return &s.keep }

func (s *noteScreen) texts() map[string]string {
	if strings.TrimSpace(s.area.Value()) == "" {
		return nil
	}
	return map[string]string{"body": s.area.Value(), "kind": s.kind}
}

func (s *noteScreen) restore(_ *App, texts map[string]string) {
	s.area.SetValue(op.Clean(texts["body"], true))
	if slices.Contains(writtenKinds(), texts["kind"]) {
		s.kind = texts["kind"]
	}
}

func (s *noteScreen) outside() (field, text string, ok bool) { return "body", s.area.Value(), true }

func (s *noteScreen) takeOutside(_, text string) {
	s.area.SetValue(strings.TrimRight(op.Clean(text, true), "\n "))
}

func (s *noteScreen) view(a *App, w, h int) []string {
	lines := []string{"", a.choice(writtenKinds(), s.kind, a.st.head), a.cut("A note stays once it was sent; until then "+named(a.keys.Undo)+" takes it back.", w), ""}
	return append(lines, areaLines(&s.area, max(10, w-1), max(1, h-5))...)
}

// askDiscard asks before typed text is thrown away.
func (a *App) askDiscard(d drafter, what string) tea.Cmd {
	return a.push(&askScreen{yes: "throw it away", lines: []string{"Leave without saving " + what + "?"}, then: func() tea.Cmd {
		a.drop(d)
		return a.dropDraft(d)
	}})
}

// next is the value n places on from v, round and round.
func next(values []string, v string, n int) string {
	for i, x := range values {
		if x == v {
			return values[(i+n+len(values))%len(values)]
		}
	}
	return values[0]
}
