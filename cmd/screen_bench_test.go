package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/tui"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
)

// The figures of the screen: the real program on a pseudo-terminal beside stock
// Bubble Tea that shows the same frames at the same keys, and a Go program that
// does nothing, in one run:
//
//	go test -tags sqlite_fts5 -run '^$' -bench Screen ./cmd
//
// Ratios count; a machine that has other work makes all of them slow.

// stockEnv makes this binary the stock program: it names the file with the frames.
const stockEnv = "PUNCHLIST_BENCH_FRAMES"

const frameEnd = "\x00\n"

// stockModel shows the next frame at each key.
type stockModel struct {
	frames []string
	at     int
}

func (m stockModel) Init() tea.Cmd { return nil }
func (m stockModel) View() string  { return m.frames[min(m.at, len(m.frames)-1)] }
func (m stockModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if k, ok := msg.(tea.KeyMsg); ok {
		if k.String() == "ctrl+c" {
			return m, tea.Quit
		}
		m.at++
	}
	return m, nil
}

func runStock(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	if _, err := tea.NewProgram(stockModel{frames: strings.Split(string(text), frameEnd)}, tea.WithAltScreen()).Run(); err != nil {
		return 1
	}
	return 0
}

// onBench is a program on a terminal that nobody but the bench looks at.
type onBench struct {
	b      *testing.B
	cmd    *exec.Cmd
	master *os.File
	came   chan arrival
	began  time.Time
}

type arrival struct {
	at   time.Time
	text string
}

func benchOn(b *testing.B, cols, rows int, env []string, argv ...string) *onBench {
	b.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "SSH_CONNECTION="), env...)
	o := &onBench{b: b, cmd: cmd, came: make(chan arrival, 4096), began: time.Now()}
	var err error
	if o.master, err = pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)}); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(o.came)
		buf := make([]byte, 64<<10)
		for {
			n, err := o.master.Read(buf)
			if err != nil {
				return
			}
			o.came <- arrival{time.Now(), string(buf[:n])}
		}
	}()
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		o.master.Close()
	})
	return o
}

// quiet is after which silence nothing more is taken to come.
const quiet = 120 * time.Millisecond

// drain takes all that comes until it is quiet, and says how much it was, and when
// the last of it came.
func (o *onBench) drain() (sent int, last time.Time) {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for {
		select {
		case a, more := <-o.came:
			if !more {
				return sent, last
			}
			sent, last = sent+len(a.text), a.at
			timer.Reset(quiet)
		case <-timer.C:
			return sent, last
		}
	}
}

// until waits for a text.
func (o *onBench) until(text string) time.Time {
	o.b.Helper()
	seen, over := "", time.After(patience)
	for {
		select {
		case a, more := <-o.came:
			if seen += a.text; strings.Contains(ansi.Strip(seen), text) {
				return a.at
			}
			if !more {
				o.b.Fatalf("ended without %q: %q", text, tail(seen))
			}
		case <-over:
			o.b.Fatalf("waited for %q: %q", text, tail(seen))
		}
	}
}

// press types keys one after the other and returns what each took and sent. On a
// busy machine an answer may come so late that the next key has it, too: the mean
// of what is sent stays right.
func (o *onBench) press(keys []string) (took []time.Duration, sent []int) {
	o.b.Helper()
	for _, k := range keys {
		began := time.Now()
		if _, err := o.master.WriteString(k); err != nil {
			o.b.Fatal(err)
		}
		n, last := o.drain()
		if sent = append(sent, n); n > 0 {
			took = append(took, last.Sub(began))
		}
	}
	return took, sent
}

// benchTasks makes a laptop with so many tasks and returns its file.
func benchTasks(b *testing.B, n int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bench.db")
	db, err := localdb.Open(b.Context(), path, localdb.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	things := []string{"Inspect the boiler", "Replace a door closer", "Read the water meters", "Test emergency lights", "Clear the drain", "Check extinguishers and sign", "Photograph cracks in the slab"}
	due := time.Now().Add(2 * time.Hour).UnixMilli()
	err = db.DoEach(b.Context(), func(yield func(localdb.Change) bool) {
		for i := range n {
			f := op.Fields{"title": fmt.Sprintf("%s, unit %d", things[i*5%7], i), "status": "PENDING", "priority": op.Priorities[i%4], "due_at": due + int64(i)*60_000, "asset": fmt.Sprintf("A-%d", i%97), "assignee": []string{"ann", "bob"}[i%2]}
			if i == 0 {
				f["status"] = "IN_PROGRESS"
			}
			if !yield(localdb.Change{Kind: op.Task, Action: op.Insert, Fields: f}) {
				return
			}
		}
	})
	if err == nil {
		err = db.IndexSearch(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// framesOf are the frames that the screen shows for these keys, the first one before them.
func framesOf(b *testing.B, path string, cols, rows int, keys []string) string {
	b.Helper()
	db, err := localdb.Open(b.Context(), path, localdb.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	app := tui.New(b.Context(), tui.Options{DB: db, Now: time.Now, Settle: time.Nanosecond, Draft: time.Nanosecond, Slow: time.Nanosecond})
	var run func(cmd tea.Cmd)
	send := func(msg tea.Msg) {
		_, cmd := app.Update(msg)
		run(cmd)
	}
	run = func(cmd tea.Cmd) {
		if cmd == nil {
			return
		}
		switch msg := cmd().(type) {
		case nil:
		case tea.BatchMsg:
			for _, c := range msg {
				run(c)
			}
		default:
			send(msg)
		}
	}
	run(app.Init())
	send(tea.WindowSizeMsg{Width: cols, Height: rows})
	frames := []string{app.View()}
	for _, k := range keys {
		msg := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
		switch k {
		case "\x04":
			msg = tea.KeyMsg{Type: tea.KeyCtrlD}
		case "\x1b":
			msg = tea.KeyMsg{Type: tea.KeyEsc}
		}
		send(msg)
		frames = append(frames, app.View())
	}
	file := filepath.Join(b.TempDir(), "frames")
	if err := os.WriteFile(file, []byte(strings.Join(frames, frameEnd)), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

func middle[T int | time.Duration](v []T, part float64) T {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[min(len(v)-1, int(float64(len(v))*part))]
}

func mean(v []int) float64 {
	n := 0
	for _, x := range v {
		n += x
	}
	return float64(n) / float64(max(1, len(v)))
}

func inMs(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func repeat(k string, n int) []string { return slices.Repeat([]string{k}, n) }

// BenchmarkScreenKeys measures a key to its last byte, and bytes.
func BenchmarkScreenKeys(b *testing.B) {
	bin, err := build()
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range [][2]int{{80, 24}, {200, 50}} {
		path := benchTasks(b, 10_000)
		visible := size[1] - 7 // rows from the first to the last one that is shown, about
		for _, act := range []struct {
			name        string
			ahead, keys []string
		}{
			{"move", nil, repeat("j", 12)},
			{"scroll", repeat("j", visible+8), repeat("j", 12)},
			{"page", nil, repeat("\x04", 10)},
			{"filter", []string{"/"}, strings.Split("boiler, u", "")},
		} {
			b.Run(fmt.Sprintf("%dx%d/%s", size[0], size[1], act.name), func(b *testing.B) {
				for range b.N {
					frames := framesOf(b, path, size[0], size[1], append(slices.Clone(act.ahead), act.keys...))
					stock := benchOn(b, size[0], size[1], []string{stockEnv + "=" + frames}, self)
					ours := benchOn(b, size[0], size[1], nil, filepath.Join(bin, "punchlist"), "--db", path)
					ours.until("no server joined yet")
					stock.until("no server joined yet")
					ours.drain()
					stock.drain()
					ours.press(act.ahead)
					stock.press(act.ahead)
					ours.drain() // the task beside the list comes later than it is quiet
					var took, theirs []time.Duration
					var sent, sentTheirs []int
					for _, k := range act.keys { // in turns, so that both meet the same machine
						t, n := ours.press([]string{k})
						took, sent = append(took, t...), append(sent, n...)
						t, n = stock.press([]string{k})
						theirs, sentTheirs = append(theirs, t...), append(sentTheirs, n...)
					}
					late, _ := ours.drain()
					sent[len(sent)-1] += late
					b.ReportMetric(mean(sent), "bytes/key")
					b.ReportMetric(mean(sentTheirs), "stock-bytes/key")
					b.ReportMetric(inMs(middle(took, 0.5)), "ms-p50")
					b.ReportMetric(inMs(middle(took, 0.95)), "ms-p95")
					b.ReportMetric(inMs(middle(theirs, 0.5)), "stock-ms-p50")
				}
			})
		}
	}
}

// BenchmarkScreenRun measures the bytes of a list that scrolls by under a key that is
// held down, faster than the task beside it follows.
func BenchmarkScreenRun(b *testing.B) {
	bin, err := build()
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range [][2]int{{80, 24}, {200, 50}} {
		path := benchTasks(b, 10_000)
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			for range b.N {
				o := benchOn(b, size[0], size[1], nil, filepath.Join(bin, "punchlist"), "--db", path)
				o.until("no server joined yet")
				o.drain()
				o.press(repeat("j", size[1]+8))
				const rows = 60
				sent := 0
				for range rows {
					if _, err := o.master.WriteString("j"); err != nil {
						b.Fatal(err)
					}
					<-time.After(33 * time.Millisecond) // a keyboard repeats so fast
				}
				for more := true; more; {
					select {
					case a := <-o.came:
						sent += len(a.text)
					default:
						more = false
					}
				}
				rest, _ := o.drain()
				then, _ := o.drain()
				b.ReportMetric(float64(sent)/rows, "bytes/row")
				b.ReportMetric(float64(rest+then), "bytes-at-rest")
			}
		})
	}
}

// BenchmarkScreenStart measures the start to the first full frame, on a terminal
// that answers nothing, beside a Go program that does nothing.
func BenchmarkScreenStart(b *testing.B) {
	bin, err := build()
	if err != nil {
		b.Fatal(err)
	}
	empty := nothing(b)
	for _, n := range []int{1_000, 10_000, 100_000} {
		path := benchTasks(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				var took, its []time.Duration
				for range 11 {
					o := benchOn(b, 80, 24, nil, filepath.Join(bin, "punchlist"), "--db", path)
					took = append(took, o.until("no server joined yet").Sub(o.began))
					_ = o.cmd.Process.Kill()
					e := benchOn(b, 80, 24, nil, empty)
					its = append(its, e.until("ready").Sub(e.began))
					_ = e.cmd.Process.Kill()
				}
				b.ReportMetric(inMs(middle(took, 0.5)), "ms-p50")
				b.ReportMetric(inMs(middle(its, 0.5)), "empty-go-ms-p50")
			}
		})
	}
}

// nothing is a Go program that says that it runs, and does nothing.
func nothing(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for name, text := range map[string]string{"go.mod": "module nothing\n", "main.go": "package main\n\nimport \"os\"\n\nfunc main() {\n\tos.Stdout.WriteString(\"ready\")\n\tos.Stdin.Read(make([]byte, 1))\n}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-o", "nothing", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "nothing")
}

// BenchmarkScreenDone measures what a person waits for who completes a task.
func BenchmarkScreenDone(b *testing.B) {
	bin, err := build()
	if err != nil {
		b.Fatal(err)
	}
	path, done := benchTasks(b, 10_000), strconv.Itoa(slices.Index(op.Statuses, op.Completed)+1) // as the list numbers them
	b.Run("10000", func(b *testing.B) {
		for range b.N {
			o := benchOn(b, 80, 24, nil, filepath.Join(bin, "punchlist"), "--db", path)
			o.until("no server joined yet")
			o.drain()
			var took []time.Duration
			for range 15 { // completed, and undone again
				o.press([]string{"g", "s"})
				began := time.Now()
				_, _ = o.master.WriteString(done)
				took = append(took, o.until("is completed").Sub(began))
				o.drain()
				o.press([]string{"u"})
			}
			b.ReportMetric(inMs(middle(took, 0.5)), "ms-p50")
			b.ReportMetric(inMs(middle(took, 0.95)), "ms-p95")
		}
	})
}

// BenchmarkScreenIdle measures a screen that nobody touches, and its memory: alone,
// and as the second one on a database, which waits for its turn to send.
func BenchmarkScreenIdle(b *testing.B) {
	bin, err := build()
	if err != nil {
		b.Fatal(err)
	}
	path := benchTasks(b, 100_000)
	b.Run("100000", func(b *testing.B) { benchIdle(b, bin, path) })
	b.Run("100000-second", func(b *testing.B) {
		first := benchOn(b, 80, 24, nil, filepath.Join(bin, "punchlist"), "--db", path)
		first.until("no server joined yet")
		benchIdle(b, bin, path)
	})
}

func benchIdle(b *testing.B, bin, path string) {
	for range b.N {
		o := benchOn(b, 80, 24, nil, filepath.Join(bin, "punchlist"), "--db", path)
		o.until("no server joined yet")
		o.press(append(repeat("\x04", 20), "G", "g", "/", "b", "o", "i", "\x1b"))
		<-time.After(3 * time.Second) // what the start leaves to do
		o.drain()
		const span = 8 * time.Second
		cpu, wakes := spent(b, o.cmd.Process.Pid)
		sent := 0
		for over := time.After(span); sent >= 0; {
			select {
			case a := <-o.came:
				sent += len(a.text)
				continue
			case <-over:
			}
			break
		}
		cpu2, wakes2 := spent(b, o.cmd.Process.Pid)
		b.ReportMetric(float64(sent)/span.Seconds(), "bytes/s")
		b.ReportMetric(inMs(cpu2-cpu)/span.Seconds(), "cpu-ms/s")
		b.ReportMetric(float64(wakes2-wakes)/span.Seconds(), "wakes/s")
		b.ReportMetric(float64(resident(b, o.cmd.Process.Pid))/(1<<20), "MB-rss")
	}
}

// spent is the processor time of a process so far, and how often its threads slept.
func spent(b *testing.B, pid int) (time.Duration, int) {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		b.Skip("no /proc here")
	}
	cpu, wakes := time.Duration(0), 0
	for _, t := range tasks {
		sched, _ := os.ReadFile(filepath.Join(t, "schedstat"))
		if f := strings.Fields(string(sched)); len(f) > 0 {
			ns, _ := strconv.ParseInt(f[0], 10, 64)
			cpu += time.Duration(ns)
		}
		wakes += statusNumber(filepath.Join(t, "status"), "voluntary_ctxt_switches:")
	}
	return cpu, wakes
}

// resident is the memory of a process, bytes.
func resident(b *testing.B, pid int) int {
	b.Helper()
	return statusNumber(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") << 10
}

func statusNumber(path, name string) int {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}
