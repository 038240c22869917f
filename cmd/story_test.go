package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// The stories run the real programs as people do: processes, files, sockets.

// build makes both programs once for all stories, buildSeams those into which a
// test can step (cmd/punchlist/seams_on.go).
var (
	build      = sync.OnceValues(func() (string, error) { return buildWith() })
	buildSeams = sync.OnceValues(func() (string, error) { return buildWith("-tags", "seams") })

	builtMu sync.Mutex // guards built
	built   []string   // folders to be removed at the end
)

func buildWith(flags ...string) (string, error) {
	dir, err := os.MkdirTemp("", "punchlist-story-")
	if err != nil {
		return "", err
	}
	builtMu.Lock()
	built = append(built, dir)
	builtMu.Unlock()
	out, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", dir, "./punchlist", "./punchlistd")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
}

func TestMain(m *testing.M) {
	if frames := os.Getenv(stockEnv); frames != "" {
		os.Exit(runStock(frames))
	}
	// Those of the network wait for deadlines most of their time: let more of them
	// wait beside each other than there are processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, dir := range built {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// world is a server and its laptops, each a set of processes on a folder.
type world struct {
	t       testing.TB
	bin     string
	dir     string
	address string
	server  *exec.Cmd

	terminals int
	editor    string // $EDITOR on the terminals, as a shell command
}

func newWorld(t testing.TB) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("stories build and run the programs")
	}
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, bin: bin, dir: t.TempDir()}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free, and stays the server's through restarts
	if err != nil {
		t.Fatal(err)
	}
	w.address = ln.Addr().String()
	ln.Close()
	t.Cleanup(func() { w.killServer() })
	return w
}

// try runs a program to its end.
func (w *world) try(name string, args ...string) (stdout, stderr string, code int) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := w.command(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (w *world) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, name), args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "XDG_DATA_HOME="+w.dir, "XDG_STATE_HOME="+filepath.Join(w.dir, "state"), "XDG_CONFIG_HOME="+filepath.Join(w.dir, "config"), "EDITOR=", "VISUAL=", "PUNCHLIST_DB=", "TZ=UTC")
	return cmd
}

// run runs a program that must succeed.
func (w *world) run(name string, args ...string) string {
	w.t.Helper()
	out, errs, code := w.try(name, args...)
	if code != 0 {
		w.t.Fatalf("%s %s: exit %d\n%s%s", name, strings.Join(args, " "), code, out, errs)
	}
	return out
}

// refused runs a program that must fail with a code, naming each of the words.
func (w *world) refused(code int, words []string, name string, args ...string) {
	w.t.Helper()
	out, errs, got := w.try(name, args...)
	if got != code {
		w.t.Errorf("%s %s: exit %d, want %d\n%s%s", name, strings.Join(args, " "), got, code, out, errs)
	}
	for _, word := range words {
		if !strings.Contains(errs, word) {
			w.t.Errorf("%s %s does not say %q:\n%s", name, strings.Join(args, " "), word, errs)
		}
	}
}

func (w *world) office(args ...string) string {
	return w.run("punchlistd", append(args, "--db", "server.db")...)
}

func (w *world) laptop(name string, args ...string) string {
	w.t.Helper()
	return w.run("punchlist", append([]string{"--db", name + ".db"}, args...)...)
}

// file writes a file into the world's folder.
func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path) // whole: a program may be looking for it
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

// serve starts the server and waits until it says that it serves.
func (w *world) serve() {
	w.t.Helper()
	w.serveWith()
}

// serveWith is serve with more flags.
func (w *world) serveWith(flags ...string) {
	w.t.Helper()
	w.serveOn("server.db", flags...)
}

// serveOn serves another database.
func (w *world) serveOn(db string, flags ...string) {
	w.t.Helper()
	w.server = w.command(context.WithoutCancel(w.t.Context()), "punchlistd", append([]string{"serve", "--db", db, "--listen", w.address}, flags...)...)
	out, err := w.server.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	var errs bytes.Buffer
	w.server.Stderr = &errs
	if err := w.server.Start(); err != nil {
		w.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, w.address) {
		w.t.Fatalf("server said %q, %v\n%s", line, err, errs.String())
	}
}

// killServer is kill -9.
func (w *world) killServer() {
	if w.server != nil {
		_ = w.server.Process.Kill()
		_ = w.server.Wait()
		w.server = nil
	}
}

// enrol makes a laptop of a user's.
func (w *world) enrol(user, name string) {
	w.t.Helper()
	var invite struct{ Invite string }
	w.decode(w.office("invite", user, "--url", "http://"+w.address, "--json"), &invite)
	w.laptop(name, "enroll", invite.Invite)
}

func (w *world) decode(text string, into any) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		w.t.Fatalf("%v in %q", err, text[:min(len(text), 200)])
	}
}

// tasks is a laptop's whole list, by id.
func (w *world) tasks(name string) map[string]map[string]any {
	w.t.Helper()
	var list []map[string]any
	w.decode(w.laptop(name, "list", "--json"), &list)
	out := make(map[string]map[string]any, len(list))
	for _, task := range list {
		out[task["id"].(string)] = task
	}
	if len(out) != len(list) {
		w.t.Errorf("%s lists %d tasks, %d of them different", name, len(list), len(out))
	}
	return out
}

func (w *world) pending(name string) int {
	w.t.Helper()
	var s struct{ Pending, Parked int }
	w.decode(w.laptop(name, "state", "--json"), &s)
	if s.Parked != 0 {
		w.t.Errorf("%s: %d changes were refused:\n%s", name, s.Parked, w.laptop(name, "queue"))
	}
	return s.Pending
}

// toronto is real work where the data are at hand, else the demo's sample.
func toronto(t testing.TB) (path string, rows int) {
	for _, c := range []struct {
		path string
		rows int
	}{{"../../shared/data/toronto-rentsafe/evaluations-2026-08-22.csv", 6090}, {"punchlist/testdata/toronto-sample.csv", 24}} {
		if abs, err := filepath.Abs(c.path); err == nil {
			if _, err := os.Stat(abs); err == nil {
				return abs, c.rows
			}
		}
	}
	t.Fatal("no inspections to import")
	return "", 0
}

var torontoFlags = []string{"--map", "title=Inspect {SITE ADDRESS}", "--map", "external_ref={RSN}-{YEAR EVALUATED}-{EVALUATION COMPLETED ON}",
	"--map", "type==inspection", "--map", "site.code=RSN", "--map", "site.name=SITE ADDRESS"}

func (w *world) morning(items bool) int {
	w.t.Helper()
	path, rows := toronto(w.t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.office("user", "add", "bob", "--crew", "north", "--role", "technician")
	args := append([]string{"import", path, "--crew", "north"}, torontoFlags...)
	if items {
		args = append(args, "--items", "NUMBERING OF PROPERTY..TENANT SERVICE REQUEST LOG", "--item-values", "3=pass,2=pass,1=fail,0=fail,N/A=na")
	}
	w.office(args...)
	return rows
}

// Two laptops and a server, three processes: edits while the server is gone,
// any of the three killed in the middle, and the same list on both in the end.
func TestTwoLaptopsThroughKills(t *testing.T) {
	w := newWorld(t)
	rows := w.morning(false)
	w.serve()
	w.enrol("ann", "a")
	w.enrol("bob", "b")
	for _, name := range []string{"a", "b"} {
		w.laptop(name, "sync")
		if n := len(w.tasks(name)); n != rows {
			t.Fatalf("%s holds %d tasks after the first sync, want %d", name, n, rows)
		}
	}
	w.killServer()
	const edits = 200
	var acked sync.Map // every id that `add` printed must be everywhere in the end
	var people sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		ids := []string{}
		for id := range w.tasks(name) {
			ids = append(ids, id)
		}
		people.Go(func() {
			for i := range edits {
				switch id := ids[i%len(ids)]; i % 4 {
				case 0:
					out := w.laptop(name, "add", fmt.Sprintf("Found by %s, %d", name, i))
					acked.Store(strings.TrimSpace(out), true)
				case 1:
					w.laptop(name, "set", id, "asset="+name+fmt.Sprint(i))
				case 2:
					w.laptop(name, "note", id, "seen by "+name)
				default:
					w.laptop(name, "set", id, "priority=high", fmt.Sprintf("contact_name=%s %d", name, i))
				}
			}
		})
	}
	people.Wait()
	if n := w.pending("a"); n != edits {
		t.Errorf("%d changes wait on a, want %d", n, edits)
	}
	w.refused(1, []string{"safe on this laptop"}, "punchlist", "--db", "a.db", "sync")
	w.syncThroughKills()
	a, b := w.tasks("a"), w.tasks("b")
	for id := range a {
		if !reflect.DeepEqual(a[id], b[id]) && !conflictOnly(a[id], b[id]) {
			t.Errorf("task %s differs:\n%v\n%v", id, a[id], b[id])
		}
	}
	if want := rows + 2*edits/4; len(a) != want || len(b) != want {
		t.Errorf("%d and %d tasks, want %d", len(a), len(b), want)
	}
	acked.Range(func(id, _ any) bool {
		if a[id.(string)] == nil || b[id.(string)] == nil {
			t.Errorf("task %v was called saved and is not on both", id)
		}
		return true
	})
}

// conflictOnly: what one laptop's person has yet to look at, the other's has not.
func conflictOnly(a, b map[string]any) bool {
	if a["sync"] != "conflict" && b["sync"] != "conflict" {
		return false
	}
	ca, cb := maps.Clone(a), maps.Clone(b)
	delete(ca, "sync")
	delete(cb, "sync")
	return reflect.DeepEqual(ca, cb)
}

// syncThroughKills lets both laptops sync while server and laptops are killed
// with -9 again and again, then once in peace.
func (w *world) syncThroughKills() {
	w.t.Helper()
	for round := range 6 {
		w.serve()
		var laptops []*exec.Cmd
		for _, name := range []string{"a", "b"} {
			cmd := w.command(w.t.Context(), "punchlist", "--db", name+".db", "sync", "--watch")
			if err := cmd.Start(); err != nil {
				w.t.Fatal(err)
			}
			laptops = append(laptops, cmd)
		}
		timer := time.NewTimer(time.Duration(60+70*round) * time.Millisecond) // the moment of the kill; nothing is expected to be done by then
		<-timer.C
		if round%2 == 0 {
			w.killServer()
		}
		for _, cmd := range laptops {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		w.killServer()
	}
	w.serve()
	for range 2 { // twice: the second round fetches what the other one sent
		for _, name := range []string{"a", "b"} {
			w.laptop(name, "sync")
		}
	}
	for _, name := range []string{"a", "b"} {
		if n := w.pending(name); n != 0 {
			w.t.Errorf("%d changes still wait on %s", n, name)
		}
	}
}
