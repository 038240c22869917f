package tui

import (
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/textarea"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// fieldKind is how a field of a form is typed.
type fieldKind int

const (
	lineField   fieldKind = iota
	wordField             // one of a few values
	siteField             // a site, found by its code or name
	timeField             // see localdb.ParseWhen
	windowField           // see ParseWindow
	longField             // several lines
)

// field is one field of a form.
type field struct {
	name, label string
	kind        fieldKind
	values      []string // of a wordField
	hint        string
	was         string // its text when the form was opened: what did not change is not sent
	bad         string // why its text was refused

	in     textinput.Model
	area   textarea.Model
	chosen string // of a wordField
	typed  string // of a wordField: the beginning of a value, as typed since any other key

	siteID, siteWas string
	found           []localdb.Record
	foundFor        string // the search that found them
	pick            int
}

func (f *field) text() string {
	switch f.kind {
	case wordField:
		return f.chosen
	case longField:
		return strings.TrimRight(f.area.Value(), "\n ")
	}
	return strings.TrimSpace(f.in.Value())
}

func (f *field) set(text string) {
	switch f.kind {
	case wordField:
		f.chosen = text
	case longField:
		f.area.SetValue(text)
	default:
		f.in.SetValue(text)
		f.in.CursorEnd()
	}
}

func (f *field) focus(on bool) {
	f.typed = ""
	switch {
	case f.kind == longField && on:
		f.area.Focus()
	case f.kind == longField:
		f.area.Blur()
	case on:
		f.in.Focus()
	default:
		f.in.Blur()
	}
}

func (f *field) changed() bool {
	if f.kind == siteField {
		return f.text() != f.was || f.siteID != f.siteWas
	}
	return f.text() != f.was
}

// key gives a key to the field; for a site it returns the search to make.
func (f *field) key(a *App, k tea.KeyMsg) tea.Cmd {
	f.bad = ""
	switch f.kind {
	case wordField:
		f.chooseKey(a, k)
		return nil
	case longField:
		a.feedArea(&f.area, k)
		return nil
	}
	before := f.in.Value()
	a.feed(&f.in, k)
	if f.kind == siteField && f.in.Value() != before {
		f.siteID, f.pick = "", 0
		return a.gated(a.findSites(f.text()))
	}
	return nil
}

// chooseKey goes through the values with the arrows and blank, or by the letters
// that one begins with.
func (f *field) chooseKey(a *App, k tea.KeyMsg) {
	switch {
	case k.Type == tea.KeyLeft:
		f.chosen = next(f.values, f.chosen, -1)
	case k.Type == tea.KeyRight, k.Type == tea.KeySpace:
		f.chosen = next(f.values, f.chosen, 1)
	case k.Type == tea.KeyRunes:
		f.chooseTyped(a, f.typed+strings.ToLower(string(k.Runes)))
	}
}

// chooseTyped takes the first value that begins so. A letter that none goes on with
// changes nothing: by itself it would pick another value behind the typist's back.
func (f *field) chooseTyped(a *App, typed string) {
	for _, v := range f.values {
		if strings.HasPrefix(v, typed) {
			f.chosen, f.typed = v, typed
			return
		}
	}
	said := "None of " + word(strings.Join(f.values, ", ")) + ` begins with "` + a.cut(a.text(typed), 20) + `"`
	if f.typed != "" {
		said += "; backspace begins anew"
	}
	a.say(said + ".")
}

// takeSites shows what a search found; an exact code is taken at once.
func (f *field) takeSites(msg sitesMsg) {
	if f.kind != siteField || msg.err != nil || msg.search != f.text() {
		return
	}
	f.found, f.foundFor, f.pick = msg.sites, msg.search, 0
	for _, s := range msg.sites {
		if strings.EqualFold(s.Fields.Text("code"), msg.search) {
			f.siteID = s.ID
		}
	}
}

// settleSite takes the marked site when the field is left.
func (f *field) settleSite() {
	if f.kind != siteField || f.siteID != "" {
		return
	}
	switch {
	case f.text() == "":
	case f.foundFor == f.text() && len(f.found) > 0:
		s := f.found[min(f.pick, len(f.found)-1)]
		f.siteID = s.ID
		f.set(s.Fields.Text("code"))
	default:
		f.bad = "no site is called that; leave it empty or type a part of its code or name"
	}
}

// lines draw the field; the one that is being filled shows its choices and hint.
func (f *field) lines(a *App, w int, on bool) []string {
	mark := "  "
	if on {
		mark = "> "
	}
	head := mark + a.cell(f.label, max(12, width(f.label)+1))
	room := max(8, w-width(head))
	var out []string
	switch f.kind {
	case wordField:
		out = f.wordLines(a, head, room, on)
	case longField:
		for i, l := range f.areaLines(a, room, on) {
			if i > 0 {
				head = strings.Repeat(" ", width(head))
			}
			out = append(out, head+l)
		}
	default:
		out = []string{head + f.inputText(a, room, on)}
	}
	pad := strings.Repeat(" ", 14)
	if f.bad != "" {
		for _, l := range wrap("! "+a.text(f.bad), room) {
			out = append(out, pad+a.st.bad.Render(l))
		}
	} else if on && f.kind == siteField {
		out = append(out, f.siteLines(a, pad, room)...)
	} else if on && f.hint != "" {
		out = append(out, pad+"("+a.cut(f.hint, room-2)+")")
	}
	return out
}

func (f *field) inputText(a *App, w int, on bool) string {
	if on {
		return inputLine(&f.in, w)
	}
	return a.cut(a.text(f.in.Value()), w)
}

// wordLines draw all values where they fit, else the chosen one.
func (f *field) wordLines(a *App, head string, w int, on bool) []string {
	all := a.choice(f.values, f.chosen, a.st.head)
	if on && width(all) <= w {
		return []string{head + strings.TrimRight(all, " ")}
	}
	return []string{head + a.cut(word(f.chosen), w)}
}

// areaShown is how many lines of a long text the form shows.
const areaShown = 5

func (f *field) areaLines(a *App, w int, on bool) []string {
	if on {
		return areaLines(&f.area, w, areaShown)
	}
	lines := a.block(f.area.Value(), w)
	if len(lines) > areaShown {
		lines = append(lines[:areaShown-1:areaShown-1], a.st.glyphs.cut)
	}
	return lines
}

func (f *field) siteLines(a *App, pad string, w int) []string {
	if f.text() == "" {
		return []string{pad + "(type a part of the site's code or name)"}
	}
	if f.siteID != "" && len(f.found) == 0 {
		return nil
	}
	if f.foundFor == f.text() && len(f.found) == 0 {
		return []string{pad + "(no site matches)"}
	}
	var out []string
	for i, s := range f.found {
		line := a.text(s.Fields.Text("code")) + "  " + a.text(s.Fields.Text("name"))
		out = append(out, pad+a.row(i == f.pick, a.cut(line, w-2)))
	}
	return out
}

// value is what the field's text means, for the record; nil empties the field.
func (f *field) value(a *App) (op.Fields, string) {
	text := f.text()
	switch f.kind {
	case siteField:
		f.settleSite()
		if f.bad != "" {
			return nil, f.bad
		}
		if f.siteID == "" {
			return op.Fields{f.name: nil}, ""
		}
		return op.Fields{f.name: f.siteID}, ""
	case timeField:
		if text == "" {
			return op.Fields{f.name: nil}, ""
		}
		t, err := localdb.ParseWhen(text, a.now())
		if err != nil {
			return nil, err.Error()
		}
		return op.Fields{f.name: t.UnixMilli()}, ""
	case windowField:
		if text == "" {
			return op.Fields{"window_start": nil, "window_end": nil}, ""
		}
		from, to, err := localdb.ParseWindow(text, a.now())
		if err != nil {
			return nil, err.Error()
		}
		return op.Fields{"window_start": from.UnixMilli(), "window_end": to.UnixMilli()}, ""
	}
	if text == "" {
		return op.Fields{f.name: nil}, ""
	}
	return op.Fields{f.name: text}, ""
}
