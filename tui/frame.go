package tui

import (
	"fmt"
	"strings"

	"example.com/punchlist/tui/terminal"
	"github.com/charmbracelet/bubbles/key"
)

// A frame, from top to bottom: the head line, the body, the sentence about the
// last key, the key line, the truth line.
const aroundBody = 4

// View draws the frame: exactly as many lines as the terminal has, none wider.
func (a *App) View() string {
	if a.w <= 0 || a.h <= 0 {
		return ""
	}
	if a.tooSmall() {
		small := fmt.Sprintf("Punchlist needs %dx%d; this is %dx%d.", minWidth, minHeight, a.w, a.h)
		return strings.Join(fit(wrap(small, a.w), a.w, a.h), "\n")
	}
	lines := append([]string{a.headLine()}, fit(a.body(), a.w, a.bodyHeight())...)
	lines = append(lines, a.sentence(), a.keyLine(), a.truthLine())
	if a.o.ASCII { // what is being typed passes through no App.text
		for i := range lines {
			lines[i] = toASCII(lines[i])
		}
	}
	lines = fit(lines, a.w, a.h)
	a.cursor = placed(lines, a.top().typing())
	return strings.Join(lines, "\n")
}

// tooSmall tells that nothing can be shown but that. Before the size is known it is not.
func (a *App) tooSmall() bool {
	return a.w > 0 && a.h > 0 && (a.w < minWidth || a.h < minHeight)
}

// Cursor is where the terminal's own cursor belongs after [App.View], for the
// screen readers that follow it: where text is typed, else on the selected row.
func (a *App) Cursor() terminal.Cursor { return a.cursor }

// placed finds the one thing that a frame shows reversed: the row or the
// character that the keys act on; with a sheet, the sheet's, which is the lower one.
func placed(lines []string, typing bool) terminal.Cursor {
	for y := len(lines) - 1; y >= 0; y-- {
		if before, _, found := strings.Cut(lines[y], reversed); found {
			return terminal.Cursor{X: width(before), Y: y, Visible: typing}
		}
	}
	return terminal.NoCursor
}

const reversed = "\x1b[7m"

func (a *App) bodyHeight() int { return max(1, a.h-aroundBody) }

// wide tells whether list and task stand side by side.
func (a *App) wide() bool { return a.w >= wideFrom && !a.spoken }

// listWidth is the list's share; rows are capped near 100 cells, where the eye
// still follows them.
func (a *App) listWidth() int {
	if !a.wide() {
		return min(a.w, 100)
	}
	return min(100, a.w*55/100)
}

func (a *App) paneWidth() int {
	if !a.wide() {
		return min(a.w, 100)
	}
	return min(100, a.w-a.listWidth()-3)
}

// body draws the screen on top, with a sheet under it and the list beside it
// where it has them.
func (a *App) body() []string {
	h := a.bodyHeight()
	top := len(a.stack) - 1
	var low []string
	if s := a.stack[top]; s.shape() == sheet && top > 0 {
		low = s.view(a, min(a.w, 100), h)
		low = append([]string{strings.Repeat(a.st.glyphs.rule, min(a.w, 78))}, low...)
		low = low[:min(len(low), h)]
		top--
	}
	a.low = len(low)
	h -= len(low)
	for top > 0 && a.stack[top].shape() == sheet {
		top--
	}
	return append(fit(a.upper(a.stack[top], h), a.w, h), low...)
}

func (a *App) upper(s screen, h int) []string {
	if !a.wide() || s.shape() == full && s != screen(a.tasks) {
		return s.view(a, a.paneWidth(), h)
	}
	left := a.tasks.draw(a, a.listWidth(), h, s == screen(a.tasks))
	var right []string
	switch s.(type) {
	case *tasksScreen:
		right = a.tasks.beside(a, a.paneWidth(), h)
	case *taskScreen: // it begins with its own name, on the line where it stood beside the list
		right = s.view(a, a.paneWidth(), h)
	default:
		right = append([]string{a.st.head.Render(s.title(a)), ""}, s.view(a, a.paneWidth(), h-2)...)
	}
	left, right = fit(left, a.listWidth(), h), fit(right, a.paneWidth(), h)
	out := make([]string, h)
	for i := range out {
		out[i] = a.cell(left[i], a.listWidth()) + " " + a.st.glyphs.bar + " " + right[i]
	}
	return out
}

// headLine names the screen and, at its right, the banner.
func (a *App) headLine() string {
	s := a.stack[len(a.stack)-1]
	for i := len(a.stack) - 1; i > 0 && s.shape() == sheet; i-- {
		s = a.stack[i-1]
	}
	if a.wide() && s.shape() == pane {
		s = a.tasks
	}
	banner := a.text(a.o.Banner)
	if banner == "" {
		banner = a.text(a.sum.Device.User)
	}
	title := a.cut(s.title(a), a.w)
	room := a.w - width(title) - 2
	if banner == "" || room < 8 {
		return a.st.head.Render(title)
	}
	// Near the title, not at the far edge: short lines cost less over a slow line.
	return a.st.head.Render(title) + "  " + a.right(banner, min(room, max(width(banner), 78-width(title))))
}

// sentence is the line that answers the last key, or what must not be missed.
func (a *App) sentence() string {
	if a.notice != "" {
		return a.st.bad.Render(a.cut(a.notice, a.w))
	}
	said := a.said
	if said == "" && a.top() == screen(a.tasks) {
		said = a.leftWords()
	}
	return a.cut(a.text(said), a.w)
}

// keysShown is how many keys stand in the key line; the rest are under ?.
const keysShown = 7

func (a *App) keyLine() string {
	keys := a.top().help(a)
	end := ""
	if !a.top().typing() && a.top().shape() != sheet {
		end = "  " + a.st.key.Render("?") + " help"
	}
	a.keySpots = a.keySpots[:0]
	out, used := "", 0
	for i, b := range keys {
		if i == keysShown {
			break
		}
		if len(b.Keys()) == 0 {
			continue // the settings took it away
		}
		h := b.Help()
		n := width(h.Key) + 1 + width(h.Desc) + 2
		if used+n+width(end) > a.w+2 {
			break
		}
		if used > 0 {
			out += "  "
		}
		out += a.st.key.Render(h.Key) + " " + h.Desc
		a.keySpots = append(a.keySpots, keySpot{used, used + n - 2, b})
		used += n
	}
	if end != "" {
		a.keySpots = append(a.keySpots, keySpot{used, used + width(end), a.keys.Help})
	}
	return out + end
}

// alsoOn is a binding with the keys of another one that does the same.
func alsoOn(b, other key.Binding) key.Binding {
	if len(other.Keys()) > 0 {
		b.SetHelp(b.Help().Key+"/"+other.Help().Key, b.Help().Desc)
	}
	return b
}

// helpOf is a binding's help with other words for this screen.
func helpOf(b key.Binding, does string) key.Binding {
	b.SetHelp(b.Help().Key, does)
	return b
}
