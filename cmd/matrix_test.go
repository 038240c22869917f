package cmd_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The real program on every terminal and in every bad place that it is promised
// to work in. What a test here measures it logs; what it asserts leaves room for
// a machine that has much else to do.

// tasksOn puts some tasks onto a laptop, the first of them with a checklist.
func (w *world) tasksOn(laptop string) {
	w.t.Helper()
	w.laptop(laptop, "add", "Inspect the boiler", "--priority", "emergency", "--due", "tomorrow")
	w.laptop(laptop, "add", "Müller & Söhne: 漢字 한 שלום", "--priority", "high", "--due", "tomorrow")
	w.laptop(laptop, "add", "Mend the fence")
}

func TestEveryTerminal(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		alt  bool // it has a second screen
	}{
		{"xterm", nil, true},
		{"screen", []string{"TERM=screen-256color"}, true},
		{"tmux", []string{"TERM=tmux-256color"}, true},
		{"linux", []string{"TERM=linux"}, false},
		{"vt100", []string{"TERM=vt100"}, false},
		{"unknown to us", []string{"TERM=kitty-2031"}, true},
		{"LANG=C", []string{"LANG=C", "LC_ALL="}, true},
		{"no locale", []string{"LANG=", "LC_ALL="}, true},
		{"NO_COLOR", []string{"NO_COLOR=1"}, true},
		{"over ssh", []string{"SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tasksOn("a")
			s := w.session(80, 24, c.env).sees("Inspect the boiler", "Mend the fence", "ON THIS LAPTOP")
			s.types("jnCalled at the gate.\r").sees("Note added. Saved on this laptop.", "1n") // several keys in one packet
			s.types("\x1b[B\x1b[A?").sees("HERE").types("\x1b").sees("Mend the fence")
			s.types("q")
			t.Logf("q to the end: %v", s.restored().ends(0))
			sent := s.sent()
			if got := strings.Contains(sent, "\x1b[?1049h"); got != c.alt {
				t.Errorf("a second screen is asked for: %v, want %v", got, c.alt)
			}
			if strings.Contains(c.name, "LANG=C") || c.name == "no locale" {
				for i := range len(sent) {
					if sent[i] >= 0x80 {
						t.Fatalf("%q is not ASCII", sent[max(0, i-40):i+4])
					}
				}
			}
			if c.name == "NO_COLOR" && coloured(sent) {
				t.Errorf("colours were sent")
			}
		})
	}
}

// coloured finds SGR parameters that are colours.
func coloured(sent string) bool {
	for part := range strings.SplitSeq(sent, "\x1b[") {
		params, _, isSGR := strings.Cut(part, "m")
		if !isSGR || strings.Trim(params, "0123456789;") != "" {
			continue
		}
		for p := range strings.SplitSeq(params, ";") {
			if len(p) == 2 && (p[0] == '3' || p[0] == '4') || len(p) == 3 && p[0] == '1' || len(p) == 2 && p[0] == '9' {
				return true
			}
		}
	}
	return false
}

// Where no screen can be shown the program goes on line by line, and sends no
// sequence at all.
func TestTerminalsWithoutAScreen(t *testing.T) {
	for name, env := range map[string][]string{"dumb": {"TERM=dumb"}, "no TERM": {"TERM="}, "dumb, LANG=C": {"TERM=dumb", "LC_ALL=C"}, "asked for": {"--plain"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tasksOn("a")
			argv := []string{"punchlist", "--db", "a.db"}
			if env[0] == "--plain" {
				argv, env = append(argv, "--plain"), nil
			}
			s := w.session(80, 24, env, argv...).tells("Inspect the boiler").tells("\n> ")
			s.types("note 1 Called at the gate.\n").tells("Note added to ").tells(". Saved on this laptop.")
			s.types("quit\n")
			t.Logf("quit to the end: %v", s.ends(0))
			if sent := s.sent(); strings.Contains(sent, "\x1b") {
				t.Errorf("an escape sequence was sent: %q", sent)
			}
			if got := w.laptop("a", "list"); !strings.Contains(got, "Inspect the boiler") {
				t.Error(got)
			}
		})
	}
}

// A pipe is no terminal either: commands in, answers out, and its end ends it.
func TestPlainThroughAPipe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	piped := func(lines string, argv ...string) string {
		cmd := w.command(t.Context(), "punchlist", append([]string{"--db", "a.db"}, argv...)...)
		cmd.Stdin = strings.NewReader(lines)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	got := piped("note 1 From a script\nstatus 2\n3\nlist is:pending\nundo\n", "--plain")
	for _, want := range []string{"Note added to ", "is in progress", "1 note", "Undone: Set "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if strings.ContainsAny(got, "\x1b\r") {
		t.Errorf("a control character in %q", got)
	}
	if got := piped("note 1\nhalf a th"); !strings.Contains(got, "What you began is kept") {
		t.Error(got)
	}
	if got := piped("note 1\n.\n"); !strings.Contains(got, "half a th") || !strings.Contains(got, "Note added to ") {
		t.Error(got)
	}
	reader, writer, err := os.Pipe() // whose reader goes away before anything is printed
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	defer writer.Close()
	cmd := w.command(t.Context(), "punchlist", "--db", "a.db", "--plain")
	cmd.Stdin, cmd.Stdout = strings.NewReader("list\n"), writer
	if err := cmd.Run(); err != nil {
		t.Errorf("without a reader: %v", err)
	}
}

// sync at once, as a script has it: it waits for the answer to its own question,
// and not for an engine that has yet to look for the server.
func TestPlainSyncAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	for i := range 3 {
		w.laptop("a", "add", "Check the pump")
		cmd := w.command(t.Context(), "punchlist", "--db", "a.db", "--plain")
		cmd.Stdin = strings.NewReader("sync\nq\n")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := string(out); strings.Contains(got, "OFFLINE") || !strings.Contains(got, "ONLINE  all sent") {
			t.Errorf("session %d: %s", i, got)
		}
	}
}

// The version is printed without a word to the terminal, which need not answer.
func TestAMuteTerminalIsAskedNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, argv := range [][]string{{"punchlist", "version"}, {"punchlist", "--db", "a.db", "list"}, {"punchlist", "--help"}, {"punchlistd", "version"}} {
		s := w.session(80, 24, nil, argv...)
		s.began = time.Now()
		t.Logf("%v: %v", argv, s.ends(0))
		if sent := s.sent(); strings.Contains(sent, "\x1b") {
			t.Errorf("%v sends %q", argv, sent)
		}
	}
}

// However it is told to end, it ends soon with the terminal restored, what was
// saved is there, and what was being typed is offered again.
func TestEveryEnd(t *testing.T) {
	ends := map[string]func(s *session){
		"SIGHUP": func(s *session) { s.signal(syscall.SIGHUP) }, "SIGTERM": func(s *session) { s.signal(syscall.SIGTERM) },
		"SIGINT": func(s *session) { s.signal(syscall.SIGINT) }, "ctrl+c": func(s *session) { s.types("\x03") },
		"stalled": func(s *session) { s.stalls(); s.fills(); s.signal(syscall.SIGTERM) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tasksOn("a")
			s := w.session(80, 24, nil).sees("Inspect the boiler")
			s.types("nSaved one.\r").sees("Note added. Saved")
			s.types("nHalf a th").sees("Half a th")
			end(s)
			took := s.ends(0)
			s.reads()
			if name != "stalled" { // what the terminal never took it never showed
				s.restored()
			}
			t.Logf("%s to the end: %v", name, took)
			w.survives()
		})
	}
	t.Run("the terminal is gone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.tasksOn("a")
		s := w.session(80, 24, nil).sees("Inspect the boiler")
		s.types("nSaved one.\r").sees("Note added. Saved")
		s.types("nHalf a th").sees("Half a th")
		s.began = time.Now()
		_, _ = s.tty.Close(), s.master.Close()
		<-s.exited
		if took := time.Since(s.began); took > soon {
			t.Errorf("the end took %v", took)
		}
		w.survives()
	})
}

// A server that takes a connection and never answers holds nobody: not while the
// screen asks whether it is there, and not while a change is on its way.
func TestTheEndWhileASyncHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.tasksOn("a")
	w.laptop("a", "sync")
	w.killServer()
	dead, asked := w.silence()
	defer dead()
	kept := 0
	for name, end := range map[string]func(s *session){
		"q": func(s *session) { s.types("q") }, "ctrl+c": func(s *session) { s.types("\x03") },
		"SIGTERM": func(s *session) { s.signal(syscall.SIGTERM) }, "SIGHUP": func(s *session) { s.signal(syscall.SIGHUP) }, "SIGINT": func(s *session) { s.signal(syscall.SIGINT) },
	} {
		s := w.session(80, 24, nil).sees("Inspect the boiler")
		for len(asked) > 0 {
			<-asked
		}
		kept++
		s.types("nOn its way.\r").sees("Note added. Saved", fmt.Sprintf("%dn", kept))
		select { // the request of this session is under way
		case <-asked:
		case <-time.After(patience):
			t.Fatalf("%s: the server was not asked\n%s", name, s.text())
		}
		end(s)
		t.Logf("%s to the end, a request under way: %v", name, s.restored().ends(0))
	}
	w.session(80, 24, nil).sees("Inspect the boiler", fmt.Sprintf("%dn", kept)).types("q").restored().ends(0)
}

// silence stands where the server was, takes every connection and never answers.
// asked tells of each request.
func (w *world) silence() (end func(), asked <-chan struct{}) {
	w.t.Helper()
	l, err := net.Listen("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	told := make(chan struct{}, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for buf := make([]byte, 4096); ; {
					if _, err := c.Read(buf); err != nil {
						return
					}
					select {
					case told <- struct{}{}:
					default:
					}
				}
			}()
		}
	}()
	return func() { l.Close() }, told
}

// survives looks for the note that was saved and the one that was not.
func (w *world) survives() {
	w.t.Helper()
	s := w.session(80, 24, nil).sees("Inspect the boiler", "1n")
	s.types("n").sees("Half a th", "Here is what you typed").types("\ry").sees("2n").types("q")
	s.restored().ends(0)
}

// A paste of ten megabytes is no key, no end and no stop: the screen goes on.
func TestAPasteOfTenMegabytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	s := w.session(80, 24, nil).sees("Inspect the boiler")
	s.types("n").sees("Note on")
	s.types("\x1b[200~" + strings.Repeat("q quits, D deletes; \x1b[2J\x07 lines of text.\r", 240_000) + "\x1b[201~").sees("No more fits in")
	s.types("\x1by").sees("Mend the fence")
	s.types("q")
	s.restored().ends(0)
	if n := len(w.tasks("a")); n != 3 {
		t.Errorf("%d tasks, want 3", n)
	}
}

// Every size, and a storm of them.
func TestEverySize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	s := w.session(80, 24, nil).sees("Inspect the boiler")
	for _, size := range [][2]int{{1, 1}, {2, 300}, {300, 1}, {39, 11}, {40, 12}, {79, 24}, {200, 50}, {300, 100}, {81, 25}} {
		for i := range 40 {
			s.size(1+(i*37+size[0])%300, 1+(i*53+size[1])%100)
			s.types("jk")
		}
		s.size(size[0], size[1])
		switch {
		case size[0] >= 40 && size[1] >= 12:
			s.sees("Inspect the boiler", "ON THIS LAPTOP")
		default:
			s.until("one line about the size", func(shown string) bool {
				return strings.HasPrefix(strings.TrimLeft(shown, "\n"), "Punchlist"[:min(9, size[0])])
			})
		}
	}
	// What was on its way for an earlier size may still arrive: nothing in this
	// test can be held against it but how the terminal is left.
	s.types("q").restored().forgive().ends(0)
}

// Under a shell ctrl+z and SIGTSTP stop it and fg brings it back; without one
// nobody could, and it says so.
func TestSuspend(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not here")
	}
	w := newWorld(t)
	w.tasksOn("a")
	alone := w.session(80, 24, nil).sees("Inspect the boiler")
	alone.types("\x1a").sees("There is no shell to come back from")
	alone.signal(syscall.SIGTSTP)
	alone.types("jq").restored().ends(0)

	s := w.session(80, 24, []string{"PS1=$((6*7))$ ", "APP=" + filepath.Join(w.bin, "punchlist")}, bash, "--norc", "--noprofile", "--noediting", "-i")
	s.tells("42$ ")
	s.types("$APP --db a.db\n").sees("Inspect the boiler")
	s.types("nHalf a th").sees("Half a th")
	s.types("\x1a").restored().tells("Stopped")
	s.types("fg\n").sees("Half a th", "Note on")
	s.types("ought\r").sees("Note added.")
	pid := strings.TrimSpace(s.child("punchlist"))
	s.types("nAnother th").sees("Another th")
	if out, err := exec.Command("kill", "-TSTP", pid).CombinedOutput(); err != nil {
		t.Fatalf("kill -TSTP %s: %v %s", pid, err, out)
	}
	s.restored().until("the shell", func(string) bool { return strings.Count(s.sent(), "Stopped") == 2 })
	s.types("fg\n").sees("Another th").types("ought\r").sees("2n")
	s.types("q").restored()
	s.types("exit\n")
	<-s.exited // what bash says to the terminal is its own affair
}

// child is the pid of the session's child process of that name.
func (s *session) child(name string) string {
	s.w.t.Helper()
	out, err := exec.Command("ps", "-o", "pid=,comm=", "--ppid", strconv.Itoa(s.cmd.Process.Pid)).Output()
	for line := range strings.Lines(string(out)) {
		if pid, comm, _ := strings.Cut(strings.TrimSpace(line), " "); err == nil && strings.TrimSpace(comm) == name {
			return pid
		}
	}
	s.w.t.Fatalf("no child %s: %v\n%s", name, err, out)
	return ""
}

// The end of the input ends the program, with what was begun kept: ctrl+d where
// lines are read, and an input that was never a terminal beside one that is.
func TestTheInputEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	s := w.session(80, 24, []string{"TERM=dumb"}).tells("\n> ")
	s.types("note 1\n").tells("Write its lines").types("Half a th\n").types("\x04").tells("What you began is kept")
	s.ends(0)
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not here")
	}
	s = w.session(80, 24, nil, bash, "-c", filepath.Join(w.bin, "punchlist")+" --db a.db </dev/null")
	s.began = time.Now()
	s.tells("Mend the fence").ends(0)
	if strings.Contains(s.sent(), "\x1b") {
		t.Errorf("a screen without keys: %q", s.sent())
	}
	s = w.session(80, 24, nil).sees("Inspect the boiler")
	s.types("n").sees("Half a th", "Here is what you typed").types("\r").sees("1n").types("q")
	s.restored().ends(0)
}
