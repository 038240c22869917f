package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// askScreen asks one yes-or-no question; the question names what it is about.
type askScreen struct {
	lines []string
	yes   string // what yes does, in a word
	then  func() tea.Cmd
}

func (s *askScreen) shape() shape      { return sheet }
func (s *askScreen) typing() bool      { return false }
func (s *askScreen) title(*App) string { return "Question" }
func (s *askScreen) help(a *App) []key.Binding {
	return []key.Binding{helpOf(a.keys.Yes, s.yes), helpOf(a.keys.No, "no, go back")}
}

func (s *askScreen) update(a *App, msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyMsg)
	switch {
	case !ok:
	case key.Matches(k, a.keys.Yes):
		a.drop(s)
		return s.then()
	case key.Matches(k, a.keys.No):
		a.drop(s)
	default:
		a.say("Please answer y or n.")
	}
	return nil
}

func (s *askScreen) view(a *App, w, _ int) []string {
	var out []string
	for _, l := range s.lines {
		out = append(out, wrap(a.text(l), w)...)
	}
	return out
}
