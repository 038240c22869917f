package terminal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/tui/terminal"
	_ "example.com/punchlist/tui/terminal/background"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// appEnv makes the test binary be the program under test: it names the file
// where that program notes what happens.
const appEnv = "TERMINAL_TEST_NOTES"

func TestMain(m *testing.M) {
	if notes := os.Getenv(appEnv); notes != "" {
		os.Exit(runApp(notes))
	}
	os.Exit(m.Run())
}

// runApp runs the app and notes how Run returned.
func runApp(path string) int {
	notes, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	a := &app{notes: notes}
	prog, err := terminal.New(a, terminal.Options{In: os.Stdin, Out: os.Stdout, Now: time.Now, Mouse: true})
	if err != nil {
		a.note("refused: %v", err)
		return 3
	}
	a.prog = prog
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a.cancel = cancel
	err = prog.Run(ctx)
	a.note("ended: %v", err)
	if err != nil {
		return 1
	}
	return 0
}

// app is a model that shows the keys it has seen and misbehaves when told to.
type app struct {
	prog          *terminal.Program
	notes         *os.File
	width, height int
	keys          []string
	ticks         int
	cancel        context.CancelFunc // of Run's context
	told          bool               // … was cancelled by what a signal cancels: see X
}

func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.notes, format+"\n", args...)
}

type tickMsg struct{}

func (a *app) Init() tea.Cmd { return nil }

func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = msg.Width, msg.Height
	case tickMsg:
		a.ticks++
	case terminal.NoJobControlMsg:
		a.keys = append(a.keys, "no-job-control")
	case tea.ResumeMsg:
		a.keys = append(a.keys, "resumed")
	case edited:
		a.keys = append(a.keys, "edited:"+string(msg))
	case tea.KeyMsg:
		return a, a.key(msg.String())
	}
	return a, nil
}

type edited string

func (a *app) key(key string) tea.Cmd {
	a.keys = append(a.keys, key)
	switch key {
	case "q":
		return tea.Quit
	case "X":
		a.told = true
		a.cancel()
	case "U":
		panic("in Update")
	case "C":
		return tea.Sequence(tea.Batch(func() tea.Msg { panic("in a command") }, nil), nil)
	case "G":
		go func() {
			defer a.prog.Recover()
			panic("in a goroutine")
		}()
	case "B":
		a.note("stuck")
		select {}
	case "F":
		go a.flood()
	case "E":
		cmd := exec.Command("sh", "-c", "echo in the editor; read line; echo $line >&2; test -t 0 && test -t 1")
		return terminal.Exec(cmd, func(err error) tea.Msg { return edited(fmt.Sprint(err)) })
	case "ctrl+z":
		return tea.Suspend
	}
	return nil
}

// flood makes far more frames than a stalled terminal takes.
func (a *app) flood() {
	defer a.prog.Recover()
	for range 3000 {
		a.prog.Send(tickMsg{})
	}
	a.note("flooded")
}

func (a *app) View() string {
	if a.height == 0 {
		return ""
	}
	lines := make([]string, a.height)
	lines[0] = fmt.Sprintf("%dx%d keys: %s", a.width, a.height, strings.Join(a.keys, " "))
	for i := 1; i < len(lines); i++ {
		lines[i] = strings.Repeat(strconv.Itoa(a.ticks), a.width/max(1, len(strconv.Itoa(a.ticks))))
	}
	if a.ticks == 0 {
		lines = append(lines[:1], make([]string, a.height-1)...)
	}
	return strings.Join(lines, "\n")
}

func (a *app) Cursor() terminal.Cursor { return terminal.Cursor{X: 2, Y: 1} }

func (a *app) Leave(why error) tea.Cmd {
	return func() tea.Msg {
		if a.told { // now the signal itself
			heard := make(chan os.Signal, 1)
			signal.Notify(heard, syscall.SIGTERM)
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
			<-heard
			a.note("heard of it")
		}
		a.note("saved: %v", why)
		return nil
	}
}

// session is the app on a pseudo-terminal.
type session struct {
	t           *testing.T
	cmd         *exec.Cmd
	master, tty *os.File
	before      *term.State
	notes       string
	exited      chan struct{}

	mu      sync.Mutex // guards the fields below
	seen    bytes.Buffer
	arrived chan struct{}
}

// How long an end may take on a very busy machine: a second of it goes to a
// terminal that takes nothing, two to a model that does not let go. limit is when
// a test that waits gives up.
const (
	quick, stalled, stuck = 8 * time.Second, 9 * time.Second, 10 * time.Second
	limit                 = 30 * time.Second
)

// start runs a command line on a terminal of 60 columns; without one, the app.
func start(t *testing.T, env []string, argv ...string) *session {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	master = interruptible(t, master)
	setSize(t, master, 60, 10)
	if len(argv) == 0 {
		argv = []string{os.Args[0]}
	}
	s := &session{
		t: t, master: master, tty: tty, exited: make(chan struct{}), arrived: make(chan struct{}, 1),
		notes: filepath.Join(t.TempDir(), "notes"),
	}
	s.before, err = term.GetState(tty.Fd())
	if err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "SSH_CONNECTION=", "GORACE=atexit_sleep_ms=0", appEnv+"="+s.notes), env...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
		_, _ = master.Close(), tty.Close()
	})
	return s
}

// interruptible returns the file as one whose Close ends a Read: otherwise the
// terminal would not hang up while the test reads it.
func interruptible(t *testing.T, f *os.File) *os.File {
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

func setSize(t *testing.T, master *os.File, width, height uint16) {
	t.Helper()
	conn, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// watch reads what the app sends, from now on.
func (s *session) watch() *session {
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := s.master.Read(buf)
			s.mu.Lock()
			s.seen.Write(buf[:n])
			s.mu.Unlock()
			select {
			case s.arrived <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

// expect waits until the app has sent some text since the last one expected.
func (s *session) expect(text string) string {
	s.t.Helper()
	over := time.After(limit)
	for {
		s.mu.Lock()
		seen := s.seen.String()
		if i := strings.Index(seen, text); i >= 0 {
			s.seen.Next(i + len(text))
			s.mu.Unlock()
			return seen[:i+len(text)]
		}
		s.mu.Unlock()
		select {
		case <-s.arrived:
		case <-over:
			s.t.Fatalf("waited for %q, saw %q; notes: %s", text, seen, s.noted())
		}
	}
}

func (s *session) send(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *session) noted() string {
	b, _ := os.ReadFile(s.notes)
	return string(b)
}

// await waits for a note.
func (s *session) await(note string) {
	s.t.Helper()
	over, look := time.After(limit), time.NewTicker(5*time.Millisecond)
	defer look.Stop()
	for !strings.Contains(s.noted(), note) {
		select {
		case <-look.C:
		case <-over:
			s.t.Fatalf("waited for the note %q, have: %s", note, s.noted())
		}
	}
}

// end waits for the exit and checks code, notes and the mode of the terminal.
func (s *session) end(within time.Duration, code int, notes ...string) {
	s.t.Helper()
	began := time.Now()
	select {
	case <-s.exited:
	case <-time.After(limit):
		s.t.Fatalf("still running; notes: %s", s.noted())
	}
	if took := time.Since(began); took > within {
		s.t.Errorf("ended after %v, want within %v", took, within)
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit %v, want %d", s.cmd.ProcessState, code)
	}
	for _, note := range notes {
		if !strings.Contains(s.noted(), note) {
			s.t.Errorf("notes lack %q: %s", note, s.noted())
		}
	}
	if after, err := term.GetState(s.tty.Fd()); err == nil && *after != *s.before {
		s.t.Errorf("the terminal's mode is not restored: %+v, was %+v", after, s.before)
	}
}

// modesRestored is the end of all output of a program that left the terminal well.
const modesRestored = "\x1b[m\x1b[r\x1b[?1006l\x1b[?1002l\x1b[?2004l\x1b[?7h\x1b[H\x1b[2J\x1b[?25h\x1b[?1049l"

// ready waits for the first frame.
func ready(t *testing.T) *session {
	s := start(t, nil).watch()
	s.expect("keys:")
	s.expect("\x1b[2;3H") // the cursor is parked
	return s
}

func TestProgramShowsKeysAndQuits(t *testing.T) {
	s := start(t, nil).watch()
	first := s.expect("60x10 keys:")
	if strings.Contains(first, "\x1b]") || strings.Contains(first, "\x1b[6n") {
		t.Errorf("the terminal was asked something: %q", first)
	}
	s.send("jjk\x1b[A\x1b")
	s.expect("esc")
	s.send("漢\x1b[200~a paste\x1b[201~")
	s.expect("paste]")
	setSize(t, s.master, 40, 5)
	s.expect("40x5 keys: j j k up esc 漢 [a")
	s.send("q")
	s.expect(modesRestored)
	s.end(quick, 0, "ended: <nil>")
}

// Over SSH the rest of a sequence may come later.
func TestProgramWaitsLongerOverSSH(t *testing.T) {
	s := start(t, []string{"SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22"}).watch()
	s.expect("keys:")
	began := time.Now()
	s.send("\x1b")
	s.expect("esc")
	if took := time.Since(began); took < terminal.RemoteWait {
		t.Errorf("the escape key after %v, want %v at least", took, terminal.RemoteWait)
	}
}

func TestF78ProgramLeavesOnSignals(t *testing.T) {
	for sig, why := range map[syscall.Signal]error{
		syscall.SIGHUP: terminal.ErrHangup, syscall.SIGTERM: terminal.ErrTerminated, syscall.SIGINT: terminal.ErrInterrupted,
	} {
		t.Run(sig.String(), func(t *testing.T) {
			s := ready(t)
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			s.expect(modesRestored)
			s.end(quick, 1, fmt.Sprintf("saved: %v", why), fmt.Sprintf("ended: %v", why))
		})
	}
}

func TestProgramLeavesWhenTheTerminalIsGone(t *testing.T) {
	s := ready(t)
	if err := s.tty.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.master.Close(); err != nil {
		t.Fatal(err)
	}
	s.end(quick, 1, "saved: the terminal is gone", "ended: the terminal is gone")
}

// With SIGHUP ignored, as under nohup, the end of the input is what tells.
func TestProgramLeavesAtTheEndOfInput(t *testing.T) {
	s := start(t, nil, "sh", "-c", `trap "" HUP; exec "$0"`, os.Args[0]).watch()
	s.expect("keys:")
	if err := errors.Join(s.tty.Close(), s.master.Close()); err != nil {
		t.Fatal(err)
	}
	s.end(quick, 1, "saved: the terminal is gone")
}

func TestProgramSurvivesPanics(t *testing.T) {
	for key, where := range map[string]string{"U": "in Update", "C": "in a command", "G": "in a goroutine"} {
		t.Run(where, func(t *testing.T) {
			s := ready(t)
			s.send(key)
			s.expect(modesRestored)
			s.end(quick, 1, "ended: panic: "+where)
		})
	}
}

// Nobody reads the terminal: messages and keys still reach the model, and it
// ends in time.
func TestProgramIsNotHeldUpByAStalledTerminal(t *testing.T) {
	s := start(t, nil)
	s.send("F")
	s.await("flooded")
	s.send("q")
	s.end(stalled, 0, "ended: <nil>")
}

func TestProgramEndsStalledOnSignal(t *testing.T) {
	s := start(t, nil)
	s.send("F")
	s.await("flooded")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.end(stalled, 1, "saved: told to end", "ended: told to end")
}

func TestProgramEndsThoughTheModelIsStuck(t *testing.T) {
	s := ready(t)
	s.send("B")
	s.await("stuck")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.expect(modesRestored)
	s.end(stuck, 1)
}

func TestProgramWithoutJobControlDoesNotStop(t *testing.T) {
	s := ready(t)
	s.send("\x1a")
	s.expect("no-job-control")
	_ = s.cmd.Process.Signal(syscall.SIGTSTP)
	s.expect("no-job-control")
	s.send("q")
	s.expect(modesRestored)
	s.end(quick, 0)
}

func TestProgramStopsAndGoesOnUnderAShell(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not here")
	}
	s := start(t, []string{"PS1=$((6*7))$ ", "APP=" + os.Args[0]}, bash, "--norc", "--noprofile", "--noediting", "-i").watch()
	s.expect("42$ ")
	for _, how := range []string{"key", "signal"} {
		s.send("$APP\n")
		s.expect("keys:")
		if how == "key" {
			s.send("\x1a")
		} else {
			s.signalApp(syscall.SIGTSTP)
		}
		s.expect(modesRestored)
		s.expect("42$ ")
		s.send("fg\n")
		s.expect("\x1b[?1049h")
		s.expect("resumed")
		s.send("q")
		s.expect(modesRestored)
		s.expect("42$ ")
	}
	s.send("exit\n")
	s.end(quick, 0)
}

// signalApp signals the child of the session's shell.
func (s *session) signalApp(sig syscall.Signal) {
	s.t.Helper()
	path := fmt.Sprintf("/proc/%d/task/%d/children", s.cmd.Process.Pid, s.cmd.Process.Pid)
	children, err := os.ReadFile(path)
	if err != nil {
		s.t.Skip("children of a process are not to be had here")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		s.t.Fatal(err)
	}
}

func TestProgramLeavesTheTerminalToAnEditor(t *testing.T) {
	s := ready(t)
	s.send("E")
	s.expect(modesRestored)
	s.expect("in the editor")
	s.send("typed q\n")
	s.expect("typed q\r\ntyped q\r\n") // by the terminal's echo, and by the editor
	s.expect("\x1b[?1049h")
	s.expect("edited:<nil>")
	s.send("q")
	s.expect(modesRestored)
	s.end(quick, 0)
}

func TestProgramRefusesWhereNoScreenIs(t *testing.T) {
	for _, name := range []string{"dumb", ""} {
		s := start(t, []string{"TERM=" + name}).watch()
		s.end(stalled, 3, "refused: ", "no terminal that can show a screen")
		if got := s.take(); got != "" {
			t.Errorf("TERM=%q: sent %q", name, got)
		}
	}
	_, err := terminal.New(&app{}, terminal.Options{In: os.Stdin, Out: devNull(t), Now: time.Now, Getenv: func(string) string { return "xterm" }})
	if !errors.Is(err, terminal.ErrNoScreen) {
		t.Errorf("without a terminal: %v", err)
	}
}

func (s *session) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

func devNull(t *testing.T) *os.File {
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Every terminal of the list gets only what it knows.
func TestProgramSendsNoMoreThanTheTerminalKnows(t *testing.T) {
	for name, alt := range map[string]bool{"xterm-256color": true, "screen": true, "tmux-256color": true, "linux": false, "vt100": false} {
		s := start(t, []string{"TERM=" + name}).watch()
		seen := s.expect("keys:")
		if got := strings.Contains(seen, "\x1b[?1049h"); got != alt {
			t.Errorf("%s: second screen %v, want %v: %q", name, got, alt, seen)
		}
		s.send("q")
		s.end(stalled, 0)
	}
}
