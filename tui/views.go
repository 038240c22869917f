package tui

import tea "github.com/charmbracelet/bubbletea"

// View is a filter with a name, on one of the keys 1 to 9.
type View struct {
	Name   string
	Filter string // in the language of localdb.ParseFilter; "" is all tasks
}

// StandardViews are those of a laptop whose owner has set none.
func StandardViews() []View {
	return []View{
		{Name: "all", Filter: ""},
		{Name: "mine, open", Filter: "assignee:me status:open"},
		{Name: "due today", Filter: "due:today"},
		{Name: "urgent, open", Filter: "priority:emergency,high status:open"},
		{Name: "waiting to be sent", Filter: "is:pending"},
		{Name: "refused or in conflict", Filter: "is:parked,conflict"},
	}
}

// openView narrows the list to a view.
func (s *tasksScreen) openView(a *App, i int) tea.Cmd {
	if i >= len(a.o.Views) {
		a.say("There is no view " + itoa(i+1) + "; ? names them.")
		return nil
	}
	cmd := s.obey(a, a.o.Views[i].Filter, true)
	if s.bad != "" {
		a.say("View " + itoa(i+1) + " cannot be shown: " + s.bad)
	}
	return cmd
}
