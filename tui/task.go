package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// taskScreen is one task, by itself.
type taskScreen struct{ taskPane }

func (s *taskScreen) shape() shape        { return pane }
func (s *taskScreen) typing() bool        { return false }
func (s *taskScreen) title(a *App) string { return "Task " + a.text(s.row.Number) }

func (s *taskScreen) help(a *App) []key.Binding {
	k := a.keys
	return []key.Binding{k.Status, k.Checklist, k.Note, k.Edit, helpOf(k.Down, "scroll"), k.Back, k.Editor, k.Clock, k.Delete}
}

func (s *taskScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		return a.gated(a.loadTask(s.id))
	case reloadMsg:
		return a.maybeGated(msg.gate, a.loadTask(s.id))
	case taskMsg:
		if msg.id == s.id {
			s.take(msg)
			if len(msg.merges) > 0 && a.top() == screen(s) {
				return a.seenMerges(s.id)
			}
		}
	case tea.KeyMsg:
		return s.key(a, msg)
	}
	return nil
}

func (s *taskScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	half := max(1, a.bodyHeight()/2)
	switch {
	case key.Matches(k, a.keys.Down):
		s.scroll++
	case key.Matches(k, a.keys.Up):
		s.scroll--
	case key.Matches(k, a.keys.PageDown):
		s.scroll += half
	case key.Matches(k, a.keys.PageUp):
		s.scroll -= half
	case key.Matches(k, a.keys.Top):
		s.scroll = 0
	case key.Matches(k, a.keys.Bottom):
		s.scroll = 1 << 20 // the view brings it back to the last page
	case key.Matches(k, a.keys.Back):
		return a.pop()
	case key.Matches(k, a.keys.Open):
		a.say("The task is open already: " + named(a.keys.Checklist) + " runs its checklist, " + named(a.keys.Edit) + " edits it, esc goes back.")
	case s.gone != "":
		a.say("This task is gone; esc goes back to the list.")
	default:
		return a.taskKey(k, &s.row)
	}
	s.scroll = max(0, s.scroll)
	return nil
}

// copied is what one needs to speak of the task to others, and to find the place.
func (s *taskScreen) copied(a *App) (string, string) {
	out := []string{a.rowText(s.row)}
	if s.data.Site != nil {
		f := s.data.Site.Fields
		out = append(out, a.text(f.Text("name")), a.text(address(f)), a.text(contact(f)))
	}
	return joinLines(out), a.text(s.row.Number)
}
