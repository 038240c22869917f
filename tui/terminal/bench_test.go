package terminal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/tui/terminal"
	tea "github.com/charmbracelet/bubbletea"
)

// list is a screen like that of a task list: a title, rows of which one is
// selected, and two lines of keys and state below.
type list struct {
	width, height int
	top, selected int
	filter        string
}

var (
	sites  = []string{"BLD22", "YARD3", "PIER7", "ROOF1", "BASE9"}
	things = []string{"inspect the boiler", "replace a door closer", "read the water meters", "test emergency lights", "clear the drain", "check fire extinguishers and sign", "photograph cracks in the slab"}
)

func (l list) row(i int) string {
	title := things[(i*5+i/3)%len(things)]
	due := fmt.Sprintf("%02d:%02d", 7+i%11, i*7%60)
	row := fmt.Sprintf("T-%04d  %-5s  %-36s %s  %2d/%-2d %dn", 1000+i, sites[i*3%len(sites)], title, due, i%9, i%9+3, i%4)
	if i%3 == 0 {
		row += " \x1b[33m+\x1b[0m"
	}
	if i == l.selected {
		return "\x1b[7m> " + row + "\x1b[0m"
	}
	return "  " + row
}

func (l list) String() string {
	lines := []string{"\x1b[1mTasks\x1b[0m  filter: " + l.filter, ""}
	for i := l.top; len(lines) < l.height-2; i++ {
		lines = append(lines, l.row(i+len(l.filter)*37))
	}
	lines = append(lines, "enter open  s status  a add  / search  ? help", "\x1b[32mONLINE\x1b[0m  all sent 14:32")
	return strings.Join(lines, "\n")
}

// actions are what a person does with it; each makes the next frame.
var actions = []struct {
	name string
	do   func(l *list)
}{
	{"move", func(l *list) { l.selected = l.top + (l.selected-l.top+1)%(l.height-4) }},
	{"scroll", func(l *list) { l.top++; l.selected = l.top + l.height - 5 }},
	{"page", func(l *list) { l.top += l.height - 4; l.selected = l.top }},
	{"filter", func(l *list) { l.filter = "boiler"[:(len(l.filter)+1)%7] }},
}

// BenchmarkFrame compares the bytes that reach the terminal for one frame more,
// stock Bubble Tea against this package:
//
//	go test -bench Frame -benchtime 100x ./tui/terminal
func BenchmarkFrame(b *testing.B) {
	for _, size := range []list{{width: 80, height: 24}, {width: 200, height: 50}} {
		for _, action := range actions {
			name := fmt.Sprintf("%dx%d/%s/", size.width, size.height, action.name)
			b.Run(name+"ours", func(b *testing.B) {
				l, sent := size, 0
				screen := terminal.NewScreen(l.width, l.height)
				screen.Draw(l.String(), terminal.NoCursor)
				for b.Loop() {
					action.do(&l)
					sent += len(screen.Draw(l.String(), terminal.NoCursor))
				}
				b.ReportMetric(float64(sent)/float64(b.N), "bytes/frame")
			})
			b.Run(name+"stock", func(b *testing.B) {
				l, sent := size, 0
				stock := startStock(b, &l)
				for b.Loop() {
					action.do(&l)
					sent += stock.show(l.String())
				}
				b.ReportMetric(float64(sent)/float64(b.N), "bytes/frame")
				stock.prog.Quit()
				<-stock.ended
			})
		}
	}
}

// stock is Bubble Tea with its own renderer.
type stock struct {
	prog  *tea.Program
	wrote chan int
	ended chan struct{}
}

type frameMsg string

type frameModel string

func (m frameModel) Init() tea.Cmd { return nil }
func (m frameModel) View() string  { return string(m) }
func (m frameModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if f, ok := msg.(frameMsg); ok {
		return frameModel(f), nil
	}
	return m, nil
}

// Write counts; a frame is one write.
func (s *stock) Write(p []byte) (int, error) {
	s.wrote <- len(p)
	return len(p), nil
}

func startStock(b *testing.B, l *list) *stock {
	s := &stock{wrote: make(chan int, 1000), ended: make(chan struct{})}
	s.prog = tea.NewProgram(frameModel(""), tea.WithOutput(s), tea.WithInput(nil), tea.WithAltScreen(), tea.WithFPS(120), tea.WithoutSignalHandler())
	go func() {
		defer close(s.ended)
		if _, err := s.prog.Run(); err != nil {
			b.Error(err)
		}
	}()
	s.prog.Send(tea.WindowSizeMsg{Width: l.width, Height: l.height})
	s.show(l.String())
	return s
}

// show returns how many bytes the frame took, once they are sent.
func (s *stock) show(frame string) int {
	s.prog.Send(frameMsg(frame))
	sent := <-s.wrote
	for {
		select {
		case n := <-s.wrote:
			sent += n
		case <-time.After(20 * time.Millisecond):
			return sent
		}
	}
}
