package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// paletteScreen runs any command by its name, and says its key for the next time.
type paletteScreen struct {
	of    screen // the screen below
	in    textinput.Model
	all   []paletteLine
	shown []paletteLine
	cur   int
	top   int
}

// paletteLine is one command of the palette.
type paletteLine struct {
	name, key, does string
	where           place       // anywhere: it works now
	press           *tea.KeyMsg // nil: no terminal sends its key
}

// paletteRows is how many commands are shown at once.
const paletteRows = 10

func newPalette(a *App, of screen) *paletteScreen {
	s := &paletteScreen{of: of, in: a.newInput()}
	s.in.Focus()
	here := placeOf(of)
	var later []paletteLine
	for _, c := range a.keys.commands() {
		l := paletteLine{name: c.name, key: c.key.Help().Key, does: c.does}
		if m, ok := pressOf(firstKey(*c.key)); ok {
			l.press = &m
		}
		switch {
		case c.key == &a.keys.Palette:
		case c.at == here:
			s.all = append(s.all, l)
		case c.at == anywhere:
			later = append(later, l)
		case c.at == onTasks && here == onSteps && c.key == &a.keys.Status:
			s.all = append(s.all, l)
		}
	}
	s.all = append(s.all, later...)
	if _, list := of.(*tasksScreen); list {
		s.addViews(a)
	}
	for _, c := range a.keys.commands() {
		if c.at != here && c.at != anywhere {
			s.all = append(s.all, paletteLine{name: c.name, key: c.key.Help().Key, does: c.does, where: c.at})
		}
	}
	s.shown = s.all
	return s
}

// addViews offers the saved views by their names.
func (s *paletteScreen) addViews(a *App) {
	for i, v := range a.o.Views[:min(9, len(a.o.Views))] {
		m, _ := pressOf(itoa(i + 1))
		s.all = append(s.all, paletteLine{name: "view-" + itoa(i+1), key: itoa(i + 1), does: "show " + a.text(v.Name), press: &m})
	}
}

// placeOf says which commands a screen has beside those that work anywhere.
func placeOf(s screen) place {
	switch s.(type) {
	case *tasksScreen, *taskScreen:
		return onTasks
	case *checklistScreen:
		return onSteps
	case *queueScreen:
		return inQueue
	case *conflictsScreen:
		return inConflicts
	}
	return anywhere
}

// firstKey is the key that a command is run by; "" when it was given none.
func firstKey(b key.Binding) string {
	if keys := b.Keys(); len(keys) > 0 {
		return keys[0]
	}
	return ""
}

func (s *paletteScreen) shape() shape      { return sheet }
func (s *paletteScreen) typing() bool      { return true }
func (s *paletteScreen) title(*App) string { return "Commands" }

func (s *paletteScreen) help(a *App) []key.Binding {
	return []key.Binding{helpOf(a.keys.Accept, "do it"), bind("up/down", "choose", "up", "down"), helpOf(a.keys.Cancel, "back")}
}

func (s *paletteScreen) update(a *App, msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyMsg)
	if !ok {
		return nil
	}
	switch k.Type {
	case tea.KeyEsc:
		a.drop(s)
	case tea.KeyEnter:
		return s.do(a)
	case tea.KeyUp, tea.KeyCtrlP:
		s.cur = max(0, s.cur-1)
	case tea.KeyDown, tea.KeyTab:
		s.cur = max(0, min(s.cur+1, len(s.shown)-1))
	default:
		if k.Type == tea.KeyBackspace && s.in.Value() == "" {
			a.drop(s)
			return nil
		}
		a.feed(&s.in, k)
		s.narrow()
	}
	return nil
}

// shellCommand is the program's command that begins with a word, of those that
// have no place on the screen; "" when there is none.
func shellCommand(typed string) string {
	word := strings.ToLower(strings.TrimSpace(typed))
	for _, name := range []string{"report", "import", "enroll", "verify", "doctor", "support-bundle", "config", "reset", "demo", "state"} {
		if len(word) >= 3 && strings.HasPrefix(name, word) {
			return name
		}
	}
	return ""
}

// narrow keeps the commands that hold every word typed; those whose name begins
// with it stand first.
func (s *paletteScreen) narrow() {
	typed := strings.ToLower(strings.TrimSpace(s.in.Value()))
	words := strings.Fields(strings.ReplaceAll(typed, "-", " "))
	var first, rest []paletteLine
	for _, l := range s.all {
		text := strings.ToLower(strings.ReplaceAll(l.name, "-", " ") + " " + l.does)
		hit := true
		for _, w := range words {
			hit = hit && strings.Contains(text, w)
		}
		switch {
		case !hit:
		case len(words) > 0 && strings.HasPrefix(text, words[0]) && l.where == anywhere:
			first = append(first, l)
		default:
			rest = append(rest, l)
		}
	}
	s.shown, s.cur, s.top = append(first, rest...), 0, 0
}

// do presses the command's key on the screen below, so that it does there what
// the key does, sentences included.
func (s *paletteScreen) do(a *App) tea.Cmd {
	if len(s.shown) == 0 {
		a.say("No command is called that; esc goes back.")
		if name := shellCommand(s.in.Value()); name != "" {
			a.say("That is done in a shell (ctrl+z, or another terminal): punchlist " + name)
		}
		return nil
	}
	l := s.shown[s.cur]
	switch {
	case l.where != anywhere:
		a.say(l.name + " works " + l.where.String() + ", with " + l.key + ".")
		return nil
	case l.press == nil:
		a.say(l.name + " has no key; config.toml takes it away.")
		return nil
	}
	a.drop(s)
	return a.press(*l.press)
}

func (s *paletteScreen) view(a *App, w, h int) []string {
	out := []string{": " + inputLine(&s.in, w-2)}
	rows := max(1, min(paletteRows, h-2))
	if s.cur < s.top {
		s.top = s.cur
	}
	s.top = max(s.top, s.cur-rows+1)
	// Always as high: what changes as one types is the list alone.
	out = append(out, make([]string, rows)...)
	if len(s.shown) == 0 {
		out[1] = "  No command is called that."
		if name := shellCommand(s.in.Value()); name != "" {
			out[1] = a.cut("  That is done in a shell: punchlist "+name+" --help", w)
		}
	}
	for i := s.top; i < len(s.shown) && i < s.top+rows; i++ {
		l := s.shown[i]
		does := l.does
		if l.where != anywhere {
			does += "  (" + l.where.String() + ")"
		}
		out[1+i-s.top] = a.row(i == s.cur, a.cut(a.cell(l.key, 10)+" "+a.cell(l.name, 15)+" "+does, w-2))
	}
	if more := len(s.shown) - s.top - rows; more > 0 {
		return append(out, "  "+plural(more, "command", "commands")+" more below")
	}
	return append(out, "")
}

func (s *paletteScreen) click(a *App, line int) tea.Cmd {
	if i := s.top + line - 1; line > 0 && line <= paletteRows && i < len(s.shown) {
		s.cur = i
		return s.do(a)
	}
	return nil
}
