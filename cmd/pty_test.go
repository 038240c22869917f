package cmd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/tui/terminal/vt"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// session is a program on a pseudo-terminal, of which every byte is looked at:
// what package vt does not know is a fault.
type session struct {
	w      *world
	cmd    *exec.Cmd
	master *os.File // ours
	tty    *os.File // the program's, kept open so that its mode can be looked at
	before *term.State
	exited chan struct{}
	began  time.Time // of the end: when the last signal or key for it was sent

	plain bool // no screen is shown: the terminal is in its cooked mode

	mu      sync.Mutex // guards all below
	screen  *vt.Terminal
	raw     bytes.Buffer
	faults  []string
	arrived chan struct{}
	stall   chan struct{} // closed when the terminal reads again; nil: it reads
}

// Fatalf collects a fault; mu is held.
func (s *session) Fatalf(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// onScreen opens the screen.
var onScreen = []string{"punchlist", "--db", "a.db"}

// patience is when a wait is given up, on the slowest machine.
const patience = 30 * time.Second

// session starts a command line on a terminal; without one, the screen on a.db.
func (w *world) session(cols, rows int, env []string, argv ...string) *session {
	w.t.Helper()
	return w.sessionAs(nil, cols, rows, env, argv...)
}

// sessionAs is session as another user.
func (w *world) sessionAs(user *syscall.Credential, cols, rows int, env []string, argv ...string) *session {
	w.t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		w.t.Fatal(err)
	}
	s := &session{w: w, tty: tty, plain: slices.Contains(env, "TERM=dumb") || slices.Contains(env, "TERM=") || len(argv) > 0 && !slices.Equal(argv, onScreen), exited: make(chan struct{}), arrived: make(chan struct{}, 1)}
	s.master = interruptible(w.t, master)
	s.size(cols, rows)
	s.screen = vt.New(s, cols, rows)
	if s.before, err = term.GetState(tty.Fd()); err != nil {
		w.t.Fatal(err)
	}
	if len(argv) == 0 {
		argv = onScreen
	}
	s.cmd = w.command(w.t.Context(), argv[0], argv[1:]...)
	if strings.HasPrefix(argv[0], "/") {
		s.cmd.Path, s.cmd.Err = argv[0], nil
	}
	s.cmd.Env = append(append(s.cmd.Env, "TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "NO_COLOR=", "SSH_CONNECTION="), env...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Credential: user}
	s.cmd.Cancel = nil
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.exited) }()
	go s.read()
	w.t.Cleanup(s.close)
	return s
}

// interruptible returns the file as one whose Close ends a Read: otherwise the
// terminal would not hang up while the test reads it.
func interruptible(t testing.TB, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(f.Close(), unix.SetNonblock(fd, true))
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), f.Name())
}

func (s *session) close() {
	_ = s.cmd.Process.Kill()
	s.reads()
	<-s.exited
	_, _ = s.master.Close(), s.tty.Close()
}

// read is the terminal's own work.
func (s *session) read() {
	buf := make([]byte, 4096)
	for {
		s.mu.Lock()
		stall := s.stall
		s.mu.Unlock()
		if stall != nil {
			<-stall
		}
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.raw.Write(buf[:n])
		s.screen.Cooked = s.plain
		s.screen.Feed(buf[:n])
		s.mu.Unlock()
		select {
		case s.arrived <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// forgive forgets the faults so far: others spoke to the terminal, or its size
// changed under what was on its way.
func (s *session) forgive() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	return s
}

// stalls makes the terminal take nothing any more, until reads.
func (s *session) stalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stall == nil {
		s.stall = make(chan struct{})
	}
}

func (s *session) reads() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stall != nil {
		close(s.stall)
		s.stall = nil
	}
}

// size gives the terminal another size, and the program the signal.
func (s *session) size(cols, rows int) {
	s.w.t.Helper()
	conn, err := s.master.SyscallConn()
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.mu.Lock()
	if s.screen != nil {
		s.screen.Resize(cols, rows)
	}
	s.mu.Unlock()
	_ = conn.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)})
	})
	if err != nil {
		s.w.t.Fatal(err)
	}
}

// types sends keys, all of them in one packet.
func (s *session) types(keys string) *session {
	s.w.t.Helper()
	s.began = time.Now()
	if _, err := s.master.WriteString(keys); err != nil {
		s.w.t.Fatal(err)
	}
	return s
}

func (s *session) signal(sig syscall.Signal) {
	s.w.t.Helper()
	s.began = time.Now()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.w.t.Fatal(err)
	}
}

func (s *session) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.Text()
}

func (s *session) sent() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

// sees waits until the terminal shows all the texts.
func (s *session) sees(texts ...string) *session {
	s.w.t.Helper()
	return s.until(fmt.Sprintf("the screen to show %q", texts), func(shown string) bool {
		for _, text := range texts {
			if !strings.Contains(shown, text) {
				return false
			}
		}
		return true
	})
}

func (s *session) until(what string, ok func(shown string) bool) *session {
	s.w.t.Helper()
	over, exited := time.NewTimer(patience), s.exited
	defer over.Stop()
	for !ok(s.text()) {
		select {
		case <-s.arrived:
		case <-exited: // what it sent may be on its way still
			exited = nil
			over.Reset(3 * time.Second)
		case <-over.C:
			s.w.t.Fatalf("waited for %s; there is (%v)\n%s\n%q", what, s.cmd.ProcessState, s.text(), tail(s.sent()))
		}
	}
	return s
}

func tail(s string) string { return s[max(0, len(s)-600):] }

// tells waits until the program has sent a text.
func (s *session) tells(text string) *session {
	s.w.t.Helper()
	return s.until(fmt.Sprintf("%q to be sent", text), func(string) bool { return strings.Contains(s.sent(), text) })
}

// soon is how long the end may take once it was asked for. 1.5 s are promised; a
// machine that has much else to do takes several times as long for anything.
const soon = 10 * time.Second

// ends waits for the end and looks at what is left: the exit code, the mode of
// the terminal, nothing sent that no terminal may be sent, and that it came soon
// after it was asked for. It returns how long it took.
func (s *session) ends(code int) time.Duration {
	s.w.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.w.t.Fatalf("still running, showing\n%s", s.text())
	}
	took := time.Since(s.began)
	if !s.began.IsZero() && took > soon {
		s.w.t.Errorf("the end took %v", took)
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.w.t.Errorf("%v, want exit code %d\n%q", s.cmd.ProcessState, code, tail(s.sent()))
	}
	if after, err := term.GetState(s.tty.Fd()); err != nil || *after != *s.before {
		s.w.t.Errorf("the terminal's mode is not restored: %+v, %v", after, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults[:min(3, len(s.faults))] {
		s.w.t.Errorf("sent to the terminal: %s", f)
	}
	return took
}

// code is the exit code, once there is one.
func (s *session) code() int {
	s.w.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.w.t.Fatalf("still running, showing\n%s", s.text())
	}
	return s.cmd.ProcessState.ExitCode()
}

// restored looks whether the terminal is as it was found, once all was read.
func (s *session) restored() *session {
	s.w.t.Helper()
	return s.until("the terminal to be restored", func(string) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.screen.CursorVisible() && s.screen.Mode("?7") && !s.screen.Mode("?1049") && !s.screen.Mode("?2004") && !s.screen.Mode("?1002")
	})
}

// fills makes the program send until a terminal that takes nothing holds no more:
// until what the kernel holds does not grow, however often all is drawn anew.
func (s *session) fills() {
	s.w.t.Helper()
	conn, err := s.master.SyscallConn()
	if err != nil {
		s.w.t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond) // so that each frame is one by itself
	defer tick.Stop()
	held, same := -1, 0
	for i := 0; same < 20 && i < 1000; i++ {
		s.size(80+i%2, 24)
		<-tick.C
		now := 0
		_ = conn.Control(func(fd uintptr) { now, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		if err != nil {
			s.w.t.Fatal(err)
		}
		if now != held || now == 0 {
			held, same = now, 0
			continue
		}
		same++
	}
}
