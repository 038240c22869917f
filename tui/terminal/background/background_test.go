package background_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	// Imported so that a change of the guard is a change of this test.
	_ "example.com/punchlist/tui/terminal/background"
	"github.com/creack/pty"
)

// onMutePty builds testdata/name, runs it on a terminal that answers nothing
// and returns what it printed until it said "ready" or two seconds were over,
// and how long that took.
func onMutePty(t *testing.T, name string) (string, time.Duration) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", bin, "./testdata/"+name).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	cmd := exec.Command(bin)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "COLORFGBG=", "CI=") // with CI set no terminal is asked at all
	began := time.Now()
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
	}()
	stop := time.AfterFunc(2*time.Second, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	var seen bytes.Buffer
	buf := make([]byte, 256)
	for !strings.Contains(seen.String(), "ready") {
		n, err := tty.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return seen.String(), time.Since(began)
}

func TestGuardKeepsAMuteTerminalQuiet(t *testing.T) {
	seen, took := onMutePty(t, "guarded")
	if seen != "ready\r\n" {
		t.Errorf("printed %q, want only ready", seen)
	}
	if took > time.Second {
		t.Errorf("took %v on a terminal that does not answer", took)
	}
	t.Logf("guarded: ready after %v", took)
}

// Without the guard the same program asks the terminal: when this ever fails,
// Bubble Tea has stopped asking and the guard can go.
func TestWithoutGuardTheTerminalIsAsked(t *testing.T) {
	seen, took := onMutePty(t, "bare")
	if !strings.Contains(seen, "\x1b") {
		t.Errorf("printed %q after %v: no query any more", seen, took)
	}
}
