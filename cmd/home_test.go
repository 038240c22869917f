package cmd_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestF77NoHome: without a home folder, or with one in which nothing can be made,
// the program says so, and what to do; with a database named it works.
func TestF77NoHome(t *testing.T) {
	w := newWorld(t)
	blocked := filepath.Join(w.dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, home := range map[string]string{"missing": "", "no folder": filepath.Join(blocked, "home")} {
		try := func(args ...string) (string, int) {
			cmd := w.command(t.Context(), "punchlist", args...)
			cmd.Env = append(cmd.Env, "HOME="+home, "XDG_DATA_HOME=", "XDG_STATE_HOME=", "XDG_CONFIG_HOME=")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			_ = cmd.Run() // its exit code says it
			return out.String(), cmd.ProcessState.ExitCode()
		}
		if said, code := try("add", "x"); code == 0 || code == 2 || !strings.Contains(said, "Try:") || strings.Contains(said, "panic") {
			t.Errorf("%s: exit %d: %s", name, code, said)
		}
		if said, code := try("--db", filepath.Join(w.dir, "named.db"), "add", "x"); code != 0 {
			t.Errorf("%s, with a database named: exit %d: %s", name, code, said)
		}
	}
}
