package tui_test

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
)

func (s *story) mouse(b tea.MouseButton, x, y int) *story {
	s.send(tea.MouseMsg{X: x, Y: y, Button: b, Action: tea.MouseActionPress})
	s.send(tea.MouseMsg{X: x, Y: y, Button: b, Action: tea.MouseActionRelease})
	return s
}

// clickOn clicks on the first cell of a text on the screen.
func (s *story) clickOn(text string) *story {
	s.t.Helper()
	for y, l := range strings.Split(s.frame(), "\n") {
		if x := strings.Index(l, text); x >= 0 {
			return s.mouse(tea.MouseButtonLeft, x, y)
		}
	}
	s.t.Fatalf("%q is not on the screen:\n%s", text, s.frame())
	return s
}

// TestAClickGoesWhereItPoints: to a row, on the same row again into it, on the
// key line it is the key.
func TestAClickGoesWhereItPoints(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online()
	s.clickOn("T-10425").sees("> T-10425").clickOn("NEXT").sees("> T-10425").clickOn("T-10425").sees("Task T-10425")
	s.clickOn("esc back").sees("Tasks  7").clickOn("? help").sees("Help: Tasks").keys("esc")
	s.clickOn("ONLINE").sees("Nothing waits").keys("esc")
	s.clickOn("T-10423").keys("s").sees("4 on hold").clickOn("4 on hold").sees("why on hold?").clickOn("3 permit").sees("T-10423 is on hold")
	s.keys("c").clickOn("Filter fitted").sees("> [    ] Filter fitted").keys("esc")
	s.keys("e").clickOn("phone").sees("> phone").keys("esc")
	s.keys(":", "due today").clickOn("show due today").sees("Tasks: due today").keys("esc")
	s.keys("/", "boiler").clickOn("T-10423").sees("Tasks matching: boiler", "enter open").clickOn("T-10423").sees("Task T-10423")
}

func TestTheWheelMoves(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online()
	s.mouse(tea.MouseButtonWheelDown, 5, 5).sees("> T-10425").mouse(tea.MouseButtonWheelUp, 5, 5).sees("> T-10398")
	s.keys("jj", "enter").mouse(tea.MouseButtonWheelDown, 5, 5).seesNot("status   in progress")
	s.send(tea.MouseMsg{X: 5, Y: 5, Button: tea.MouseButtonLeft, Action: tea.MouseActionMotion})
}

// TestClicksOnAWideTerminal: the list beside a task leads back to the list, and
// the pane beside the list scrolls under the wheel.
func TestClicksOnAWideTerminal(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(200, 24).online().keys("jj").sees("Yearly inspection.")
	s.mouse(tea.MouseButtonWheelDown, 150, 5).seesNot("priority EMERGENCY")
	s.keys("enter").clickOn("T-10425").sees("> T-10425", "Tasks  7").seesNot("Task T-10423")
	s.keys("O").clickOn("Queue").sees("Nothing waits")
	s.keys("esc", "a", "Half").clickOn("T-10390").sees("New task", "Half") // what is typed is not left by a slip
}

// TestConflictsAndQueueAreClicked: a row, and into it.
func TestConflictsAndQueueAreClicked(t *testing.T) {
	s := newStory(t)
	conflicted(s)
	s.open(80, 24).online().keys("X").clickOn("T-10426").sees("> lost     due").clickOn("T-10426").sees("Task T-10426").keys("esc", "esc")
	s.keys("jj", "n", "One.", "enter", "n", "Two.", "enter", "O").sees("One.").mouse(tea.MouseButtonLeft, 20, 2).sees("Two.").mouse(tea.MouseButtonLeft, 20, 2).sees("Task T-10423")
}
