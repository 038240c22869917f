package tui

import (
	"context"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// exportScreen asks where unsent work is to be written.
type exportScreen struct{ in textinput.Model }

// exportedMsg says how that went.
type exportedMsg struct {
	from *exportScreen
	file string
	n    int
	err  error
}

func (a *App) openExport() tea.Cmd {
	if a.o.Export == nil {
		a.say("It cannot be written from here: punchlist queue export FILE, in a shell.")
		return nil
	}
	s := &exportScreen{in: a.newInput()}
	s.in.SetValue("~/punchlist-unsent-" + a.now().Format("2006-01-02-1504") + ".json")
	s.in.CursorEnd()
	s.in.Focus()
	return a.push(s)
}

func (s *exportScreen) shape() shape      { return sheet }
func (s *exportScreen) typing() bool      { return true }
func (s *exportScreen) title(*App) string { return "Write unsent work to a file" }

func (s *exportScreen) help(a *App) []key.Binding {
	return []key.Binding{helpOf(a.keys.Accept, "write it"), a.keys.Cancel}
}

func (s *exportScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case exportedMsg:
		if msg.from != s {
			return nil
		}
		if msg.err != nil {
			a.say(explain(msg.err))
			return nil
		}
		a.drop(s)
		a.say(plural(msg.n, "change", "changes") + " written to " + msg.file + "; all of it waits here still.")
	case tea.KeyMsg:
		switch msg.Type {
		case tea.KeyEsc:
			a.drop(s)
		case tea.KeyEnter:
			return s.write(a)
		default:
			a.feed(&s.in, msg)
		}
	}
	return nil
}

func (s *exportScreen) write(a *App) tea.Cmd {
	file, export := strings.TrimSpace(s.in.Value()), a.o.Export
	if file == "" {
		a.say("A file needs a name; esc goes back.")
		return nil
	}
	return a.gated(a.run(func(context.Context) tea.Msg {
		n, err := export(a.jobs.lasting, file)
		return exportedMsg{from: s, file: file, n: n, err: err}
	}))
}

func (s *exportScreen) view(a *App, w, _ int) []string {
	const ask = "File: "
	return append(wrap("All that waits or was refused goes into a file, for punchlist queue import on this laptop or another of yours.", w), ask+inputLine(&s.in, w-len(ask)))
}
