package cmd_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestF76ProgramKilledWhileItRenews (I36, G2): the server renews the token every
// moment, two real programs sync, and both are killed with -9, again and again and
// at any moment: between the offer and the file, between the file and its first use,
// between that and its answer. What lies on the disk lets in each time, no alarm is
// raised, no task is lost or doubled.
func TestF76ProgramKilledWhileItRenews(t *testing.T) {
	t.Parallel()
	cycles := size(10, 500)
	const seed = 76
	chance := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serveWith("--token-renew", "1ms", "--device-rate", "0", "--device-together", "0")
	w.enrol("ann", "a")
	tokens := map[string]bool{}
	for cycle := range cycles {
		w.add("a", fmt.Sprint("task ", cycle))
		var running []*exec.Cmd
		for range 2 { // one sends, the other takes its place
			cmd := w.command(t.Context(), "punchlist", "--db", "a.db", "sync", "--watch")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			running = append(running, cmd)
		}
		for _, cmd := range running {
			<-time.After(time.Duration(chance.IntN(300_000)) * time.Microsecond) // the moment of the kill; nothing is expected to be done by then
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		text, err := os.ReadFile(filepath.Join(w.dir, "a.db.token"))
		if err != nil || strings.Count(string(text), "\n") != 1 {
			t.Fatalf("seed %d, cycle %d: the token's file is no line: %v", seed, cycle, err)
		}
		tokens[string(text)] = true
		if cycle%10 == 9 {
			if r, detail := w.reach("a"); r != "online" {
				t.Fatalf("seed %d, cycle %d: %s: %s", seed, cycle, r, detail)
			}
		}
	}
	w.sync("a")
	if n := w.pending("a"); n != 0 {
		t.Errorf("seed %d: %d changes wait", seed, n)
	}
	titles := map[string]int{}
	var list []struct{ Title string }
	w.decode(w.office("task", "list", "--crew", "north", "--json"), &list)
	for _, task := range list {
		titles[task.Title]++
	}
	for n := range cycles {
		if got := titles[fmt.Sprint("task ", n)]; got != 1 {
			t.Errorf("seed %d: the server holds task %d %d times", seed, n, got)
		}
	}
	if audit := w.office("audit", "--json"); strings.Contains(audit, "old token used") || !strings.Contains(audit, "token renewed") {
		t.Errorf("seed %d: an alarm was raised, or nothing was renewed", seed)
	}
	w.office("audit", "verify")
	if len(tokens) < 2 {
		t.Errorf("%d tokens were seen: nothing was renewed", len(tokens))
	}
	t.Logf("%d kills of two programs, %d tokens", cycles, len(tokens))
}
