package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// The mouse does nothing that keys do not do as well: the wheel moves as the
// arrows do, a click goes to a row and, on the row that is selected, opens it; a
// click on the key line presses the key, on the truth line it opens the queue.

// wheelRows is how far one notch of the wheel goes.
const wheelRows = 3

// clicker is a screen with rows to click on. line is one of those that its view
// drew last, from 0.
type clicker interface {
	click(a *App, line int) tea.Cmd
}

// spots are the rows that lines show, one for each line; none where there is no row.
type spots []int

const none = -1

// at is the row on a line.
func (s spots) at(line int) int {
	if line < 0 || line >= len(s) {
		return none
	}
	return s[line]
}

// keySpot is where a key stands in the key line.
type keySpot struct {
	from, to int
	key      key.Binding
}

// mouse answers what the mouse did. While keys wait for something the screen is
// not what the person saw: the click is lost then, as on any busy counter.
func (a *App) mouse(m tea.MouseMsg) tea.Cmd {
	if a.gate > 0 || m.Action != tea.MouseActionPress || a.tooSmall() {
		return nil
	}
	switch m.Button {
	case tea.MouseButtonWheelUp:
		return a.wheel(m.X, -1)
	case tea.MouseButtonWheelDown:
		return a.wheel(m.X, 1)
	case tea.MouseButtonLeft:
		return a.clicked(m.X, m.Y)
	}
	return nil
}

func (a *App) wheel(x, way int) tea.Cmd {
	top := a.top()
	if s, list := top.(*tasksScreen); list && a.wide() && x > a.listWidth() {
		s.peek.scroll = max(0, s.peek.scroll+way*wheelRows)
		return nil
	}
	arrow, rows := tea.KeyDown, wheelRows
	if way < 0 {
		arrow = tea.KeyUp
	}
	if top.typing() || top.shape() == sheet {
		rows = 1
	}
	var cmds []tea.Cmd
	for range rows {
		cmds = append(cmds, a.typed(tea.KeyMsg{Type: arrow}))
	}
	return tea.Batch(cmds...)
}

func (a *App) clicked(x, y int) tea.Cmd {
	switch {
	case y == a.h-1:
		if a.top().typing() || a.top().shape() == sheet {
			return nil
		}
		return a.pushOnce(&queueScreen{})
	case y == a.h-2:
		return a.clickedKey(x)
	case y < 1 || y > a.bodyHeight():
		return nil
	}
	a.said = ""
	line, top := y-1, a.top()
	switch {
	case top.shape() == sheet:
		line -= a.bodyHeight() - a.low + 1 // the rule
	case a.wide() && top.shape() == pane && x < a.listWidth() && !top.typing():
		a.stack = a.stack[:1] // back to the list
		return a.tasks.click(a, line)
	case a.wide() && top.shape() == pane && x <= a.listWidth()+1, a.wide() && top == screen(a.tasks) && x > a.listWidth():
		return nil
	case a.wide() && top.shape() == pane:
		if _, whole := top.(*taskScreen); !whole {
			line -= 2 // its title
		}
	}
	if c, ok := top.(clicker); ok && line >= 0 {
		return c.click(a, line)
	}
	return nil
}

func (a *App) clickedKey(x int) tea.Cmd {
	for _, s := range a.keySpots {
		if m, ok := pressOf(firstKey(s.key)); ok && x >= s.from && x < s.to {
			return a.typed(m)
		}
	}
	return nil
}

// choose goes to row i of a list whose selected one is cur, and opens it when it
// is that one already.
func (a *App) choose(i, cur int, goTo func(int) tea.Cmd) tea.Cmd {
	switch {
	case i == none:
		return nil
	case i != cur:
		return goTo(i)
	}
	return a.typed(tea.KeyMsg{Type: tea.KeyEnter})
}
