package cmd_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Beside another sender sync says how the server is, and who sends.
func TestSyncBesideAnotherSender(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.watch("a")
	look := func() (reach, detail string) {
		var s struct{ Reach, Detail string }
		w.decode(w.laptop("a", "sync", "--json"), &s)
		return s.Reach, s.Detail
	}
	w.until(time.Minute, "the watch becomes the sender", func() bool {
		_, detail := look()
		return strings.Contains(detail, "another punchlist")
	})
	if reach, detail := look(); reach != "online" {
		t.Errorf("with the server up: %s, %s", reach, detail)
	}
	w.killServer()
	if reach, detail := look(); reach != "offline" || !strings.Contains(detail, "another punchlist") || !strings.Contains(detail, "127.0.0.1") {
		t.Errorf("with the server down: %s, %s", reach, detail)
	}
	_, said, code := w.try("punchlist", "--db", "a.db", "sync")
	if code != 0 || !strings.Contains(said, "once the server answers (offline: ") {
		t.Errorf("exit %d: %s", code, said)
	}
}

// Where the first signal has nothing that it could end, here a read, the second
// one ends the process.
func TestTheSecondInterruptEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, args := range map[string][]string{
		"punchlist":  {"--db", "a.db", "import", "-", "--format", "csv"},
		"punchlistd": {"import", "-", "--db", "server.db", "--format", "csv"},
	} {
		t.Run(name, func(t *testing.T) { interruptTwice(t, w.command(context.WithoutCancel(t.Context()), name, args...)) })
	}
}

func interruptTwice(t *testing.T, cmd *exec.Cmd) {
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	if _, err := feed.Write(make([]byte, 256<<10)); err != nil { // more than a pipe holds: it reads
		t.Fatal(err)
	}
	again := time.NewTicker(300 * time.Millisecond) // the second must not come before the first was seen
	defer again.Stop()
	for range 2 {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		<-again.C
	}
	select {
	case <-ended:
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGINT {
			t.Errorf("it ended with %v", cmd.ProcessState)
		}
	case <-time.After(3 * time.Second):
		t.Error("two interrupts did not end it")
	}
}

// A server that stopped without closing anything: the round ends with its
// timeout, in words that a person understands.
func TestARoundEndsWithItsTimeout(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	w.enrol("ann", "a")
	w.laptop("a", "add", "Check the pump")
	if err := w.server.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.refused(1, []string{"1 change waits, safe on this laptop", "no end within 2s", "Try: punchlist sync again", "--timeout"},
		"punchlist", "--db", "a.db", "sync", "--timeout", "2s")
	if n := w.pending("a"); n != 1 {
		t.Errorf("%d changes wait, want 1", n)
	}
}
