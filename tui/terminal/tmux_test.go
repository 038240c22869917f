package terminal_test

import (
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/tui/terminal"
	"example.com/punchlist/tui/terminal/vt"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// mux is a real terminal emulator: tmux with one window that shows what is
// written to a pipe.
type mux struct {
	t      *testing.T
	socket string
	pipe   *os.File
	marks  int
}

func newMux(t *testing.T, width, height int) *mux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not here")
	}
	dir := t.TempDir()
	m := &mux{t: t, socket: filepath.Join(dir, "socket")}
	path := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	show := fmt.Sprintf("stty raw -echo; exec cat %s", path)
	m.tmux("new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), show, ";", "set", "-g", "status", "off")
	t.Cleanup(func() { _ = m.command("kill-server").Run() })
	var err error
	if m.pipe, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.pipe.Close() })
	return m
}

func (m *mux) command(args ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-u", "-f", os.DevNull, "-S", m.socket}, args...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8", "TMUX=")
	return cmd
}

func (m *mux) tmux(args ...string) string {
	m.t.Helper()
	out, err := m.command(args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// show writes bytes and returns the screen with its styles once tmux has taken
// them in: the title of the window is set last.
func (m *mux) show(b []byte) string {
	m.t.Helper()
	m.marks++
	mark := fmt.Sprintf("mark%d", m.marks)
	if _, err := m.pipe.Write(append(b[:len(b):len(b)], "\x1b]2;"+mark+"\x1b\\"...)); err != nil {
		m.t.Fatal(err)
	}
	for over := time.Now().Add(limit); ; {
		out := m.tmux("display-message", "-p", "#{pane_title}", ";", "capture-pane", "-p", "-e", "-N")
		title, screen, _ := strings.Cut(out, "\n")
		if title == mark {
			return screen
		}
		if time.Now().After(over) {
			m.t.Fatalf("tmux does not come to %q, is at %q", mark, title)
		}
	}
}

// tmux shows what the emulator of these tests shows, so neither it nor the
// sequences are only our idea of a terminal.
func TestTmuxShowsTheFrame(t *testing.T) {
	const width, height = 40, 10
	m := newMux(t, width, height)
	m.show([]byte("\x1b[?1049h\x1b[?7l"))
	screen := terminal.NewScreen(width, height)
	lines := make([]string, height)
	frames := rapid.Custom(func(rt *rapid.T) []string { return nextFrame(rt, lines, plainWords) })
	seed := rand.New(rand.NewSource(1))
	for i := range 120 {
		lines = frames.Example(seed.Int())
		frame := strings.Join(narrower(lines, width), "\n")
		shown := m.show(screen.Draw(frame, terminal.NoCursor))
		got := vt.New(t, width, height).Paint(shown).String()
		want := vt.New(t, width, height).Paint(frame).String()
		if got != want {
			t.Fatalf("frame %d %q\ntmux shows:\n%s\nwant:\n%s", i, frame, got, want)
		}
	}
}

// Clusters of doubtful width may look odd in tmux, but what stands behind them
// is whole, and nothing is left of what was there before.
func TestTmuxKeepsWhatStandsBehindDoubtfulText(t *testing.T) {
	const width, height = 40, 6
	m := newMux(t, width, height)
	m.show([]byte("\x1b[?1049h\x1b[?7l"))
	screen := terminal.NewScreen(width, height)
	for _, words := range [][]string{riskyWords, {"a", "bc"}, riskyWords[3:], {""}} {
		lines := make([]string, height)
		for y := range lines {
			text := words[y%len(words)]
			lines[y] = text + strings.Repeat(" ", 10-ansi.StringWidth(text)) + fmt.Sprintf("| line %d", y)
		}
		shown := strings.Split(m.show(screen.Draw(strings.Join(lines, "\n"), terminal.NoCursor)), "\n")
		for y := range lines {
			if want := fmt.Sprintf("| line %d", y); !strings.HasSuffix(strings.TrimRight(shown[y], " "), want) || strings.Count(shown[y], "|") != 1 {
				t.Errorf("line %d: %q, want …%q", y, shown[y], want)
			}
		}
	}
}
