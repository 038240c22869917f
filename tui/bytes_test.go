package tui_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
	"example.com/punchlist/tui/terminal"
	tea "github.com/charmbracelet/bubbletea"
)

// slowLine counts what a terminal behind a slow line is sent.
type slowLine struct {
	s      *story
	screen *terminal.Screen
}

func (s *story) over(w, h int) *slowLine {
	s.t.Helper()
	s.enrol()
	titles := []string{"Inspect the boiler", "Replace a door closer", "Read the water meters", "Test emergency lights", "Check extinguishers and sign"}
	var changes []wire.Change
	for i := range 150 {
		changes = append(changes, s.record(op.Task, "", op.Fields{"number": fmt.Sprintf("T-%05d", 10000+i*7919%80000), "title": fmt.Sprintf("%s, unit %d", titles[i%5], i),
			"status": string(op.Pending), "priority": op.Priorities[i%4], "due_at": ms(morning.Add(time.Duration(i) * time.Minute))}))
	}
	s.hears(changes...)
	l := &slowLine{s: s.open(w, h).online(), screen: terminal.NewScreen(w, h)}
	l.sent()
	return l
}

// sent is how many bytes bring the terminal up to date.
func (l *slowLine) sent() int { return len(l.screen.Draw(l.s.app.View(), l.s.app.Cursor())) }

// each presses a key n times and returns the mean of what that sent.
func (l *slowLine) each(n int, press func()) int {
	sum := 0
	for range n {
		press()
		sum += l.sent()
	}
	return sum / n
}

// TestAKeySendsLittle holds the bytes of a key below what a slow line carries at
// the pace of a key that is held down.
func TestAKeySendsLittle(t *testing.T) {
	for _, size := range []struct{ w, h, move, scroll, page int }{{80, 24, 170, 170, 1100}, {200, 50, 300, 400, 2500}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			s := newStory(t)
			l := s.over(size.w, size.h)
			press := func(k string) func() { return func() { s.keys(k) } }
			for _, act := range []struct {
				name  string
				most  int
				times int
				key   string
			}{{"move", size.move, 12, "j"}, {"reach the last row", 1 << 20, size.h, "j"}, {"scroll", size.scroll, 12, "j"}, {"page", size.page, 2, "ctrl+d"}} {
				n := l.each(act.times, press(act.key))
				if t.Logf("%s: %d bytes", act.name, n); n > act.most {
					t.Errorf("a key to %s sends %d bytes, want no more than %d", act.name, n, act.most)
				}
			}
		})
	}
}

// TestTheTaskBesideWaitsForARunningCursor: while the list scrolls under a key that
// is held down nothing stands beside it, and the task where the key is let go does.
func TestTheTaskBesideWaitsForARunningCursor(t *testing.T) {
	s := newStory(t)
	l := s.over(200, 50)
	for range 50 {
		s.keys("j")
	}
	s.sees("all changes sent")
	l.sent()
	var last tea.Cmd
	press := func() { _, last = s.app.Update(keyOf("j")) }
	press()
	s.sees("all changes sent") // a single step leaves it in its place
	press()
	s.seesNot("all changes sent")
	l.sent()
	n := l.each(20, press)
	if t.Logf("%d bytes a row", n); n > 200 {
		t.Errorf("a row that scrolls by sends %d bytes, want no more than 200", n)
	}
	here := s.at()
	s.run(last)
	s.sees("│ "+here, "all changes sent")
	press()
	s.sees("all changes sent")
}
