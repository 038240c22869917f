package tui

import (
	"strings"

	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// fieldList is the fields of a form and which of them is being filled.
type fieldList struct {
	fields []*field
	cur    int
	top    int
	drawn  spots // the fields of the last frame's lines
}

func (l *fieldList) list() *fieldList { return l }

// begin makes the fields ready to be typed in.
func (l *fieldList) begin(a *App) {
	for _, f := range l.fields {
		f.in, f.area = a.newInput(), a.newArea()
	}
	l.fields[0].focus(true)
}

// fieldHelp are the keys that the field asks for.
func (l *fieldList) fieldHelp(a *App) []key.Binding {
	switch l.fields[l.cur].kind {
	case wordField:
		return []key.Binding{a.keys.Choose}
	case longField:
		return []key.Binding{a.keys.NewLine, a.keys.Outside}
	case siteField:
		return []key.Binding{bind("up/down", "pick", "up", "down")}
	}
	return nil
}

// leaveHelp are the keys behind those: out of the form, and out with what stands in
// a line, which is mostly in the way of what is to stand there.
func (l *fieldList) leaveHelp(a *App) []key.Binding {
	switch l.fields[l.cur].kind {
	case wordField, longField:
		return []key.Binding{a.keys.Cancel}
	}
	return []key.Binding{a.keys.Cancel, bind("ctrl+u", "empty it", "ctrl+u")}
}

// endWord forgets what was typed of a value at any key but a letter, whoever that
// key is for.
func (l *fieldList) endWord(k tea.KeyMsg) {
	if k.Type != tea.KeyRunes {
		l.fields[l.cur].typed = ""
	}
}

func (l *fieldList) key(a *App, k tea.KeyMsg) tea.Cmd {
	f := l.fields[l.cur]
	picking := f.kind == siteField && f.siteID == "" && len(f.found) > 0
	inLong := f.kind == longField && (k.Type == tea.KeyUp || k.Type == tea.KeyDown)
	switch {
	case picking && k.Type == tea.KeyDown:
		f.pick = min(f.pick+1, len(f.found)-1)
		return nil
	case picking && k.Type == tea.KeyUp:
		f.pick = max(0, f.pick-1)
		return nil
	case inLong && f.insideArea(k):
		return f.key(a, k)
	case key.Matches(k, a.keys.NextField):
		l.goTo(l.cur + 1)
		return nil
	case key.Matches(k, a.keys.PrevField):
		l.goTo(l.cur - 1)
		return nil
	}
	return f.key(a, k)
}

// insideArea tells whether up and down still move within a long text.
func (f *field) insideArea(k tea.KeyMsg) bool {
	if k.Type == tea.KeyUp {
		return f.area.Line() > 0
	}
	return f.area.Line() < f.area.LineCount()-1
}

// goTo leaves a field for another one, round and round.
func (l *fieldList) goTo(i int) {
	old := l.fields[l.cur]
	old.settleSite()
	old.focus(false)
	l.cur = (i + len(l.fields)) % len(l.fields)
	l.fields[l.cur].focus(true)
}

// show goes to a field that needs another look.
func (l *fieldList) show(f *field) {
	for i, x := range l.fields {
		if x == f {
			l.fields[l.cur].focus(false)
			l.cur = i
			f.focus(true)
		}
	}
}

// view draws the fields around the one that is being filled.
func (l *fieldList) view(a *App, w, h int) []string {
	lines := []string{""}
	l.drawn = append(l.drawn[:0], none)
	first, last := 0, 0
	for i, f := range l.fields {
		if i == l.cur {
			first = len(lines)
		}
		lines = append(lines, f.lines(a, w, i == l.cur)...)
		for len(l.drawn) < len(lines) {
			l.drawn = append(l.drawn, i)
		}
		if i == l.cur {
			last = len(lines)
		}
	}
	if last > l.top+h {
		l.top = last - h
	}
	if first < l.top || l.top+h > len(lines) {
		l.top = max(0, min(first, len(lines)-h))
	}
	l.drawn = l.drawn[min(l.top, len(lines)):]
	return lines[min(l.top, len(lines)):]
}

func (l *fieldList) click(_ *App, line int) tea.Cmd {
	if i := l.drawn.at(line); i != none && i != l.cur {
		l.goTo(i)
	}
	return nil
}

// outside is the long text that is being written, if it is one.
func (l *fieldList) outside() (name, text string, ok bool) {
	f := l.fields[l.cur]
	return f.name, f.text(), f.kind == longField
}

func (l *fieldList) takeOutside(name, text string) {
	for _, f := range l.fields {
		if f.name == name && f.kind == longField {
			f.set(strings.TrimRight(op.Clean(text, true), "\n "))
		}
	}
}
