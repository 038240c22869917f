package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// desk is a laptop's database and what a test does with it.
type desk struct {
	t      *testing.T
	db     *localdb.DB
	target exchange.Target
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db, err := localdb.Open(context.Background(), filepath.Join(t.TempDir(), "punchlist.db"), localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &desk{t, db, exchange.Laptop(db)}
}

func readText(t *testing.T, text string, o exchange.Options) *exchange.File {
	t.Helper()
	f, err := exchange.Read(strings.NewReader(text), o)
	if err != nil {
		t.Fatalf("read: %v", withHint(err))
	}
	return f
}

func (d *desk) plan(f *exchange.File, o exchange.PlanOptions) *exchange.Plan {
	d.t.Helper()
	p, err := f.Plan(d.t.Context(), d.target, o)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// take imports a text and returns the plan that was carried out.
func (d *desk) take(text string, o exchange.Options) *exchange.Plan {
	d.t.Helper()
	return d.write(readText(d.t, text, o), exchange.PlanOptions{})
}

func (d *desk) write(f *exchange.File, o exchange.PlanOptions) *exchange.Plan {
	d.t.Helper()
	p := d.plan(f, o)
	if err := p.Write(d.t.Context(), d.target, nil); err != nil {
		d.t.Fatalf("write: %v", withHint(err))
	}
	return p
}

// task finds a task by its external_ref.
func (d *desk) task(ref string) localdb.TaskView {
	d.t.Helper()
	ids, err := d.db.RefIDs(d.t.Context(), op.Task, "external_ref", []string{ref})
	if err != nil || ids[ref] == "" {
		d.t.Fatalf("no task with external_ref %q (%v)", ref, err)
	}
	v, err := d.db.Task(d.t.Context(), ids[ref])
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

func (d *desk) tasks() int {
	d.t.Helper()
	n, err := d.target.CountTasks(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *desk) pending() int {
	d.t.Helper()
	s, err := d.db.Summary(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return s.Pending
}

// dump is every task with all that hangs on it, as text to compare.
func (d *desk) dump() string {
	d.t.Helper()
	var b strings.Builder
	for t, err := range exchange.Stored(d.t.Context(), d.db, localdb.Filter{}, true) {
		if err != nil {
			d.t.Fatal(err)
		}
		fmt.Fprintln(&b, t.ID, fields(t.Fields))
		if t.Site != nil {
			fmt.Fprintln(&b, "  site", t.Site.ID, fields(t.Site.Fields))
		}
		for _, list := range [][]exchange.Record{t.Checklist, t.Notes, t.Time} {
			for _, r := range list {
				fmt.Fprintln(&b, "  ", r.ID, fields(r.Fields))
			}
		}
	}
	return b.String()
}

func fields(f op.Fields) string {
	f = f.Clone()
	delete(f, op.UpdatedAt)
	for name, v := range f {
		if v == nil || v == false {
			delete(f, name)
		}
	}
	return fmt.Sprintf("%#v", map[string]any(f))
}

func withHint(err error) string {
	var e *localdb.Error
	if errors.As(err, &e) && e.Hint != "" {
		return err.Error() + " / Try: " + e.Hint
	}
	return err.Error()
}

// wantBad compares the bad rows with "line 3, column 2 (due): …" beginnings.
func wantBad(t *testing.T, bad []exchange.Bad, want ...string) {
	t.Helper()
	if len(bad) != len(want) {
		t.Fatalf("%d bad rows, want %d: %v", len(bad), len(want), bad)
	}
	for i, w := range want {
		if got := bad[i].Error(); !strings.Contains(got, w) {
			t.Errorf("bad row %d is %q, want it to hold %q", i, got, w)
		}
	}
}

// wantTally compares a kind's counts.
func wantTally(t *testing.T, p *exchange.Plan, kind op.Kind, want exchange.Tally) {
	t.Helper()
	if got := *p.Records[kind]; got != want {
		t.Errorf("%s: %+v, want %+v", kind, got, want)
	}
}

func wantNothing(t *testing.T, p *exchange.Plan) {
	t.Helper()
	if p.Changes != 0 {
		t.Errorf("%d changes where there should be none: %v", p.Changes, p.Fields)
	}
}

// shared opens a real data set that lies beside the project, or skips.
func shared(t *testing.T, name string) *os.File {
	t.Helper()
	if testing.Short() || raceDetector {
		t.Skip("whole data sets take their time")
	}
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", name))
	if err != nil {
		t.Skip("the data sets are not here: ", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func sample(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
