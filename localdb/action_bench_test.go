package localdb_test

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// script writes down what actions do, for testdata/replay.c.
type script struct {
	queries map[string]int
	head    bytes.Buffer
	actions bytes.Buffer
	call    bytes.Buffer // the action that runs
	calls   int
	on      bool
}

func (s *script) told(query string, args []any) {
	if !s.on || query == "BEGIN IMMEDIATE" || query == "COMMIT" {
		return
	}
	q, known := s.queries[query]
	if !known {
		q = len(s.queries)
		s.queries[query] = q
		fmt.Fprintf(&s.head, "Q %d\n%s\n", len(query), query)
	}
	s.calls++
	fmt.Fprintf(&s.call, "S %d %d\n", q, len(args))
	for _, arg := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(arg)
		switch v := v.(type) {
		case int64:
			fmt.Fprintf(&s.call, "i %d\n", v)
		case float64:
			fmt.Fprintf(&s.call, "r %v\n", v)
		case bool:
			fmt.Fprintf(&s.call, "i %d\n", map[bool]int{true: 1}[v])
		case string:
			fmt.Fprintf(&s.call, "t %d\n%s\n", len(v), v)
		case nil:
			fmt.Fprintf(&s.call, "n\n")
		default:
			panic(fmt.Sprintf("%T: %v", arg, err))
		}
	}
}

func (s *script) done() {
	fmt.Fprintf(&s.actions, "A %d\n%s", s.calls, s.call.String())
	s.calls = 0
	s.call.Reset()
}

// replayer builds testdata/replay.c around the very SQLite that the program is
// linked with: its object code lies in the driver's package, in Go's build cache.
func replayer(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Skipf("%s: %v: %s", name, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	here, err := os.Getwd()
	if err != nil {
		b.Fatal(err)
	}
	list := func(format string) string {
		out, err := exec.Command("go", "list", "-export", "-tags", "sqlite_fts5", "-f", format, "github.com/mattn/go-sqlite3").Output()
		if err != nil {
			b.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	run("ar", "x", list("{{.Export}}"))
	objects, _ := filepath.Glob(filepath.Join(dir, "_x*.o"))
	i := slices.IndexFunc(objects, func(o string) bool { return strings.Contains(run("nm", o), " T sqlite3_prepare_v3") })
	if i < 0 {
		b.Skip("the driver's package holds no SQLite")
	}
	made := filepath.Join(dir, "replay")
	run("cc", "-std=gnu99", "-O2", "-I"+list("{{.Dir}}"), "-o", made, filepath.Join(here, "testdata", "replay.c"), objects[i], "-lpthread", "-lm", "-ldl")
	return made
}

// BenchmarkActionBesideC edits tasks, each edit durable, beside a C program that
// carries out the very same statements on a copy of the same database: what is
// between them is the program's own. They take turns, so that both meet the same
// disk.
func BenchmarkActionBesideC(b *testing.B) {
	const tasks, rounds, each = 1000, 8, 60
	replay := replayer(b)
	dir := b.TempDir()
	path := filepath.Join(dir, "base.db")
	s := &script{queries: map[string]int{}}
	open := func(path string) *localdb.DB {
		db, err := localdb.Open(b.Context(), path, localdb.Options{Trace: s.told})
		if err != nil {
			b.Fatal(err)
		}
		return db
	}
	db := open(path)
	err := db.DoEach(b.Context(), func(yield func(localdb.Change) bool) {
		for i := range tasks {
			if !yield(localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": fmt.Sprintf("Inspect number %d", i), "status": "PENDING", "due_at": at(0) + int64(i)*60_000}}) {
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	page, err := db.Tasks(b.Context(), localdb.Query{Limit: 500})
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	copied := func(name string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.WriteFile(to, text, 0o600); err != nil {
			b.Fatal(err)
		}
		return to
	}
	edit := func(db *localdb.DB, i int) {
		if err := db.EditTask(b.Context(), page.Rows[i%500].ID, op.Fields{"asset": fmt.Sprintf("A-%d", i)}); err != nil {
			b.Fatal(err)
		}
	}
	s.on = true // what a connection begins with belongs to the first action
	db = open(copied("told.db"))
	for i := range rounds * each {
		edit(db, i)
		s.done()
	}
	s.on = false
	db.Close()
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, append(s.head.Bytes(), s.actions.Bytes()...), 0o600); err != nil {
		b.Fatal(err)
	}
	b.Run(fmt.Sprintf("%d statements", strings.Count(s.actions.String(), "\nS ")/(rounds*each)), func(b *testing.B) {
		for range b.N {
			var ours, theirs []time.Duration
			for r := range rounds {
				db := open(copied(fmt.Sprint("ours", r)))
				for i := range 2 * each { // the first ones warm it
					began := time.Now()
					edit(db, i)
					if i >= each {
						ours = append(ours, time.Since(began))
					}
				}
				db.Close()
				out, err := exec.Command(replay, copied(fmt.Sprint("c", r)), file, fmt.Sprint(each), fmt.Sprint(each)).CombinedOutput()
				if err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				for _, line := range strings.Fields(string(out)) {
					ns, err := strconv.ParseInt(line, 10, 64)
					if err != nil {
						b.Fatal(err)
					}
					theirs = append(theirs, time.Duration(ns))
				}
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			o, c := ours[len(ours)/2], theirs[len(theirs)/2]
			b.ReportMetric(float64(o.Microseconds()), "µs-p50")
			b.ReportMetric(float64(c.Microseconds()), "C-µs-p50")
			b.ReportMetric(float64(o)/float64(c), "ratio")
		}
	})
}
