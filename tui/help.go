package tui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// helpScreen lists every key of the screen below it, and the signs; / finds
// a word in it.
type helpScreen struct {
	of      screen
	top     int
	in      textinput.Model
	finding bool
	found   string // only lines with these words
}

func newHelpScreen(a *App, of screen) *helpScreen { return &helpScreen{of: of, in: a.newInput()} }

func (s *helpScreen) shape() shape { return full }
func (s *helpScreen) typing() bool { return s.finding }

func (s *helpScreen) title(a *App) string { return "Help: " + s.of.title(a) }

func (s *helpScreen) help(a *App) []key.Binding {
	k := a.keys
	if s.finding {
		return []key.Binding{helpOf(k.Accept, "keep"), helpOf(k.Cancel, "all of it")}
	}
	if s.found != "" {
		return []key.Binding{helpOf(k.Back, "all of it"), helpOf(k.Search, "find"), helpOf(k.Down, "scroll")}
	}
	return []key.Binding{helpOf(k.Down, "scroll"), helpOf(k.Search, "find"), k.Palette, k.Back}
}

func (s *helpScreen) update(a *App, msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyMsg)
	switch {
	case !ok:
	case s.finding:
		s.findKey(a, k)
	case key.Matches(k, a.keys.Back) && s.found != "":
		s.find("")
	case key.Matches(k, a.keys.Back):
		return a.pop()
	case key.Matches(k, a.keys.Search):
		s.finding = true
		s.in.SetValue(s.found)
		s.in.CursorEnd()
		s.in.Focus()
	case key.Matches(k, a.keys.Down):
		s.top++
	case key.Matches(k, a.keys.Up):
		s.top = max(0, s.top-1)
	case key.Matches(k, a.keys.PageDown):
		s.top += a.bodyHeight() / 2
	case key.Matches(k, a.keys.PageUp):
		s.top = max(0, s.top-a.bodyHeight()/2)
	case key.Matches(k, a.keys.Top):
		s.top = 0
	case key.Matches(k, a.keys.Bottom):
		s.top = 1 << 20 // the view brings it back to the last page
	default:
		return a.dead(k)
	}
	return nil
}

func (s *helpScreen) findKey(a *App, k tea.KeyMsg) {
	switch k.Type {
	case tea.KeyEsc:
		s.finding = false
		s.find("")
	case tea.KeyEnter:
		s.finding = false
	default:
		a.feed(&s.in, k)
		s.find(s.in.Value())
	}
}

func (s *helpScreen) find(words string) { s.found, s.top = strings.TrimSpace(words), 0 }

func (s *helpScreen) view(a *App, w, h int) []string {
	var head []string
	if s.finding {
		head = []string{"Find: " + inputLine(&s.in, w-6)}
	}
	lines := s.lines(a)
	if s.found != "" {
		if lines = matching(lines, s.found); len(lines) == 0 {
			lines = []string{"", a.cut("  Nothing here speaks of "+a.text(s.found)+"; : finds commands of other screens.", w)}
		}
	}
	lines = hanging(lines, w)
	return append(head, scrolled(lines, &s.top, max(1, h-len(head)))...)
}

// matching are the lines that hold every word, under the headings they stand under.
func matching(lines []string, words string) []string {
	var out []string
	heading := ""
	for _, l := range lines {
		plain := ansi.Strip(l)
		if plain != "" && !strings.HasPrefix(plain, " ") {
			heading = l
			continue
		}
		hit := plain != ""
		for _, w := range strings.Fields(strings.ToLower(words)) {
			hit = hit && strings.Contains(strings.ToLower(plain), w)
		}
		if !hit {
			continue
		}
		if heading != "" {
			out = append(out, heading)
			heading = ""
		}
		out = append(out, l)
	}
	return out
}

// lines are the whole help.
func (s *helpScreen) lines(a *App) []string {
	keys := s.of.help(a)
	lines := []string{a.st.section.Render("HERE")}
	lines = append(lines, a.keyLines(a.inWords(keys, placeOf(s.of)), nil)...)
	lines = append(lines, a.viewLines(keys)...)
	lines = append(lines, "", a.st.section.Render("EVERYWHERE"))
	lines = append(lines, a.keyLines(a.inWords(append(a.keys.everywhere(), a.keys.moving()...), anywhere), keys)...)
	g := a.st.glyphs
	return append(lines, "", a.st.section.Render("SIGNS BEHIND A TASK"),
		"  "+g.pending+"  a change waits on this laptop to be sent",
		"  "+g.parked+"  the server refused a change: "+named(a.keys.Queue)+" says why",
		"  "+g.conflict+"  somebody else changed the same: "+named(a.keys.Conflicts)+" shows both",
		"  "+g.merged+"  somebody else changed something else: both stand, open it to see",
		"", a.st.section.Render("SEARCH"),
		"  words match title, description, number, site and asset",
		"  status:open  due:today  due:<2026-12-01  priority:high,emergency",
		"  assignee:me  site:BLD22  tag:urgent  is:pending  is:conflict  -word negates",
		"", a.st.section.Render("DAYS AND TIMES"),
		"  today  tomorrow 14:00  fri  1.12.2026  1.12.  1 Dec 9:30  2026-12-01  +2d",
		"  the day before the month; a window: 1.12.2026 08:00-10:00",
		"", a.st.section.Render("SETTINGS"),
		"  views, keys, colours, signs and the mouse are set in config.toml;",
		"  punchlist config shows where it is, punchlist config check looks it over")
}

// inWords gives keys that are commands the words that the palette has for them,
// where the screen has none of its own.
func (a *App) inWords(keys []key.Binding, at place) []key.Binding {
	out := slices.Clone(keys)
	for i, b := range out {
		for _, c := range a.keys.commands() {
			if (c.at == at || c.at == anywhere) && c.key.Help() == b.Help() {
				out[i] = helpOf(b, c.does)
			}
		}
	}
	return out
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
		if h := b.Help(); !seen[h.Key] && len(b.Keys()) > 0 {
			seen[h.Key] = true
			out = append(out, "  "+a.st.key.Render(a.cell(h.Key, 12))+" "+h.Desc)
		}
	}
	return out
}
