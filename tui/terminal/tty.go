package terminal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"
)

// ErrNoScreen says that there is no terminal on which a screen could be drawn:
// not a terminal at all, or one that cannot address its cursor. The program's
// plain mode works there.
var ErrNoScreen = errors.New("no terminal that can show a screen")

// abilities are what differs between the terminals we know by their TERM.
type abilities struct {
	altScreen bool // a second screen, so that the first one comes back at the end
	modern    bool // bracketed paste and the mouse
}

// abilitiesOf tells what a terminal can do. An unknown one is taken for a
// relative of xterm, as nearly all are, and ignores what it does not know.
func abilitiesOf(term string) (abilities, error) {
	switch {
	case term == "" || term == "dumb" || term == "unknown":
		return abilities{}, fmt.Errorf("TERM=%q: %w", term, ErrNoScreen)
	case term == "linux" || strings.HasPrefix(term, "vt"):
		return abilities{}, nil
	}
	return abilities{altScreen: true, modern: true}, nil
}

// enter is what is sent when the screen is taken. Without the wrap at the right
// edge a character that is wider than we think does not push the lines about.
func (a abilities) enter(mouse bool) string {
	seq := ""
	if a.altScreen {
		seq += "\x1b[?1049h"
	}
	seq += "\x1b[?7l\x1b[?25l"
	if a.modern {
		seq += "\x1b[?2004h"
	}
	if a.modern && mouse {
		seq += "\x1b[?1002h\x1b[?1006h"
	}
	return seq
}

// leave undoes enter and whatever a frame that was cut off has left behind. The
// screen is erased, also where there is no second one: others may look at it.
func (a abilities) leave(mouse bool) string {
	seq := "\x1b[m\x1b[r"
	if a.modern && mouse {
		seq += "\x1b[?1006l\x1b[?1002l"
	}
	if a.modern {
		seq += "\x1b[?2004l"
	}
	seq += "\x1b[?7h\x1b[H\x1b[2J\x1b[?25h"
	if a.altScreen {
		seq += "\x1b[?1049l"
	}
	return seq
}

// tty is the terminal as a device: its mode, its size, and whose it is.
type tty struct {
	in, out *os.File
	getenv  func(string) string
	cooked  *term.State // as we found it
}

// openTTY checks that both files are terminals and remembers their mode.
func openTTY(in, out *os.File, getenv func(string) string) (*tty, error) {
	if in == nil || out == nil || !term.IsTerminal(in.Fd()) || !term.IsTerminal(out.Fd()) {
		return nil, fmt.Errorf("input or output is no terminal: %w", ErrNoScreen)
	}
	state, err := term.GetState(in.Fd())
	if err != nil {
		return nil, fmt.Errorf("read the terminal's mode: %w", err)
	}
	return &tty{in: in, out: out, getenv: getenv, cooked: state}, nil
}

// raw makes every key arrive at once and unchanged.
func (t *tty) raw() error {
	if _, err := term.MakeRaw(t.in.Fd()); err != nil {
		return fmt.Errorf("set the terminal's mode: %w", err)
	}
	return nil
}

// restore sets the mode that we found.
func (t *tty) restore() error {
	if err := term.Restore(t.in.Fd(), t.cooked); err != nil {
		return fmt.Errorf("restore the terminal's mode: %w", err)
	}
	return nil
}

// size is the terminal's, or what the environment says of a serial line, or the
// size that terminals always had.
func (t *tty) size() (width, height int) {
	width, height, err := term.GetSize(t.out.Fd())
	if err != nil || width <= 0 || height <= 0 {
		width, height = t.number("COLUMNS", 80), t.number("LINES", 24)
	}
	return min(width, maxSide), min(height, maxSide)
}

func (t *tty) number(name string, otherwise int) int {
	if n, err := strconv.Atoi(t.getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// sink opens the terminal once more for writing, so that a write to a terminal
// that takes nothing can be broken off: the file we were given is shared with
// the shell and must stay as it is. Where that is not allowed (another user's
// terminal, after su) the given file serves, and Release does not wait for a
// write that hangs.
func (t *tty) sink() (Sink, func()) {
	f, err := reopen(t.out)
	if err != nil {
		return t.out, func() {}
	}
	return f, func() { _ = f.Close() }
}

// discard throws away what the kernel has not sent.
func (t *tty) discard() { discardOutput(int(t.out.Fd())) }

// hasJobControl tells whether somebody would continue us after a stop: we are
// in the foreground, and a process outside our group but in our session, the
// shell, is among our ancestors. Without one (ssh host punchlist, a terminal
// that runs us directly) a stop would be for ever.
func (t *tty) hasJobControl() bool {
	group := unix.Getpgrp()
	if front, err := unix.IoctlGetInt(int(t.in.Fd()), unix.TIOCGPGRP); err != nil || front != group {
		return false
	}
	session, err := unix.Getsid(0)
	if err != nil {
		return false
	}
	for pid := unix.Getppid(); pid > 1; pid = parentOf(pid) {
		its, err := unix.Getpgid(pid)
		if err != nil {
			return false
		}
		if its != group {
			theirs, err := unix.Getsid(pid)
			return err == nil && theirs == session
		}
	}
	return false
}
