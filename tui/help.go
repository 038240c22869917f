package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// helpScreen lists every key of the screen below it, and the signs.
type helpScreen struct {
	of   string
	keys []key.Binding
	top  int
}

func newHelpScreen(a *App, of screen) *helpScreen {
	return &helpScreen{of: of.title(a), keys: of.help(a)}
}

func (s *helpScreen) shape() shape      { return full }
func (s *helpScreen) typing() bool      { return false }
func (s *helpScreen) title(*App) string { return "Help: " + s.of }

func (s *helpScreen) help(a *App) []key.Binding {
	return []key.Binding{helpOf(a.keys.Down, "scroll"), a.keys.Back}
}

func (s *helpScreen) update(a *App, msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyMsg)
	switch {
	case !ok:
	case key.Matches(k, a.keys.Back):
		return a.pop()
	case key.Matches(k, a.keys.Down):
		s.top++
	case key.Matches(k, a.keys.Up):
		s.top = max(0, s.top-1)
	case key.Matches(k, a.keys.PageDown, a.keys.Bottom):
		s.top += a.bodyHeight() / 2
	case key.Matches(k, a.keys.PageUp, a.keys.Top):
		s.top = max(0, s.top-a.bodyHeight()/2)
	default:
		return a.dead(k)
	}
	return nil
}

func (s *helpScreen) view(a *App, w, h int) []string {
	lines := []string{a.st.section.Render("HERE")}
	lines = append(lines, a.keyLines(s.keys, nil)...)
	lines = append(lines, a.viewLines(s.keys)...)
	lines = append(lines, "", a.st.section.Render("EVERYWHERE"))
	lines = append(lines, a.keyLines(append(a.keys.everywhere(), a.keys.moving()...), s.keys)...)
	g := a.st.glyphs
	lines = append(lines, "", a.st.section.Render("SIGNS BEHIND A TASK"),
		"  "+g.pending+"  a change waits on this laptop to be sent",
		"  "+g.parked+"  the server refused a change: O says why",
		"  "+g.conflict+"  somebody else changed the same: X shows both",
		"  "+g.merged+"  somebody else changed something else: both stand, open it to see",
		"", a.st.section.Render("SEARCH"),
		"  words match title, description, number, site and asset",
		"  status:open  due:today  due:<2026-12-01  priority:high,emergency",
		"  assignee:me  site:BLD22  tag:urgent  is:pending  is:conflict  -word negates")
	s.top = max(0, min(s.top, len(lines)-h))
	lines = lines[s.top:]
	if len(lines) > h {
		lines = append(lines[:h-1:h-1], "-- "+plural(len(lines)-h+1, "line", "lines")+" more below: j --")
	}
	return lines
}

// viewLines name the views where they can be opened.
func (a *App) viewLines(keys []key.Binding) []string {
	var out []string
	for _, b := range keys {
		if b.Help() != a.keys.View.Help() {
			continue
		}
		for i, v := range a.o.Views[:min(9, len(a.o.Views))] {
			out = append(out, "    "+itoa(i+1)+"          "+a.text(v.Name))
		}
	}
	return out
}

// keyLines is one line a key, without those whose keys another list has already.
func (a *App) keyLines(keys, without []key.Binding) []string {
	seen := map[string]bool{}
	for _, b := range without {
		seen[b.Help().Key] = true
	}
	var out []string
	for _, b := range keys {
		if h := b.Help(); !seen[h.Key] {
			seen[h.Key] = true
			out = append(out, "  "+a.st.key.Render(a.cell(h.Key, 12))+" "+h.Desc)
		}
	}
	return out
}
