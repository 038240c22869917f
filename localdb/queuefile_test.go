package localdb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// enrolled is a laptop of a person on a server. Its ids are its own.
func enrolled(t *testing.T, device, user, server string) *fixture {
	f := newFixture(t)
	for _, letter := range device {
		f.n = f.n<<8 + int(letter)
	}
	f.n <<= 16
	f.must(f.Enrol(f.ctx, localdb.Device{ID: device, User: user, Role: op.Technician, Token: "t", ServerID: server, ServerURL: "https://" + server, Crews: []string{"north"}}))
	return f
}

func (f *fixture) export() string {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), "work.json")
	_, err := f.ExportQueue(f.ctx, path, nil)
	f.must(err)
	return path
}

func (f *fixture) take(path string) localdb.QueueImport {
	f.t.Helper()
	done, err := f.ImportQueue(f.ctx, path, nil)
	f.must(err)
	return done
}

func (f *fixture) unexported() int {
	f.t.Helper()
	n, err := f.UnexportedOps(f.ctx)
	f.must(err)
	return n
}

// ofQueue is what a queue says, without its places.
func ofQueue(rows []localdb.QueueRow) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintln(&b, r.Op.ID, r.Op.Kind, r.Op.Entity, r.Op.Action, r.Op.Group, r.Op.Base, r.Op.CreatedAt, r.Op.Fields, r.Op.Prev, r.State, r.Attempts, r.LastError, r.Code, r.Field, r.TaskID, r.Behind)
	}
	return b.String()
}

// busy is a laptop with all that can wait: a new task, an action of several ops,
// a refused change with one behind it, and an edit of a task of the office.
func busy(t *testing.T) *fixture {
	f := enrolled(t, "d1", "ann", "s1")
	f.hear("c1", change(state(remote, 5, "external_ref", "OLD")))
	f.add("Refused", "external_ref", "TAKEN")
	f.settle(f.refusing())
	id := f.add("Check the pump")
	f.must(f.SetStatus(f.ctx, id, localdb.Step{To: op.InProgress}))
	_, err := f.AddNote(f.ctx, id, "It “leaks”,\n<b>\"check\":\"0\"</b>", "")
	f.must(err)
	f.pass(time.Minute)
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "P-7", "x.depth": 3.5}))
	return f
}

func TestUnsentWorkGoesToAFileAndIntoAnotherLaptop(t *testing.T) {
	a, b := busy(t), enrolled(t, "d2", "ann", "s1")
	before := ofQueue(a.queue())
	if n := a.unexported(); n != len(a.queue()) {
		t.Errorf("before: %d in no file, %d wait", n, len(a.queue()))
	}
	path := a.export()
	info, err := os.Stat(path)
	a.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v", info.Mode())
	}
	if after := ofQueue(a.queue()); after != before || a.unexported() != 0 {
		t.Errorf("the queue of the exporting laptop: %d in no file, was\n%sis\n%s", a.unexported(), before, after)
	}
	b.hear("c9", change(state(remote, 9, "external_ref", "OLD", "title", "Newer")))
	done := b.take(path)
	if got := ofQueue(b.queue()); got != before {
		t.Errorf("it was\n%sand is\n%s", before, got)
	}
	if done.Taken != len(a.queue()) || done.File.User != "ann" || done.File.DeviceID != "d1" || done.File.ServerID != "s1" {
		t.Errorf("imported %+v", done)
	}
	if b.field(remote, "asset") != "P-7" || b.field(remote, "title") != "Newer" {
		t.Error("the edit does not lie on what the server said last")
	}
	if again := b.take(path); again.Taken != 0 || again.Waiting != done.Taken || ofQueue(b.queue()) != before {
		t.Errorf("a second import: %+v", again)
	}
	// The server answers; what was sent is not taken again.
	b.settle(b.refusing())
	if again := b.take(path); again.Taken != 0 || again.Waiting != 1 || again.Sent != done.Taken-1 {
		t.Errorf("an import after sending: %+v", again)
	}
	b.must(b.RetryOp(b.ctx, b.queue()[0].Op.ID))
	if again := b.take(path); again.Taken != 0 || again.Waiting != 1 {
		t.Errorf("an import while the refused change is sent again: %+v", again)
	}
}

func TestARefusedChangeIsSentAgainAsOneFromTwoLaptops(t *testing.T) {
	a, b := busy(t), enrolled(t, "d2", "ann", "s1")
	b.take(a.export())
	var ids []string
	for _, f := range []*fixture{a, b} {
		f.must(f.RetryOp(f.ctx, f.queue()[0].Op.ID))
		ids = append(ids, f.queue()[len(f.queue())-1].Op.ID)
	}
	if ids[0] != ids[1] {
		t.Errorf("it is sent again as %v", ids)
	}
}

func TestWhatWentIntoAFileChangesNoMore(t *testing.T) {
	f := enrolled(t, "d1", "ann", "s1")
	f.hear("c1", change(state(remote, 5)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "A"}))
	f.export()
	exported := f.queue()[0].Op
	if err := f.ReplaceOp(f.ctx, exported.ID, op.Fields{"asset": "B"}); err == nil {
		t.Error("an exported change was replaced")
	}
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "C"}))
	if ops := f.freeze(); len(ops) != 2 || ops[0].ID != exported.ID || ops[0].Fields["asset"] != "A" {
		t.Errorf("it goes out as %+v", ops)
	}
	f = enrolled(t, "d1", "ann", "s1")
	f.hear("c1", change(state(remote, 5)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "A"}))
	f.export()
	if _, err := f.Undo(f.ctx); err != nil || len(f.queue()) != 2 {
		t.Errorf("undone after the export: %v, %d wait; want the change and the one that takes it back", err, len(f.queue()))
	}
	if f.unexported() != 1 {
		t.Errorf("%d changes are in no file; want the one that takes back", f.unexported())
	}
	f.must(f.DiscardOp(f.ctx, f.queue()[1].Op.ID))
	again := f.take(f.export())
	if again.Waiting != 1 || again.Taken != 0 {
		t.Errorf("what waits here: %+v", again)
	}
}

func TestWhatWasUndoneOrDiscardedHere(t *testing.T) {
	f := enrolled(t, "d1", "ann", "s1")
	id := f.add("Check the pump")
	path := f.export()
	f.must(f.DiscardOp(f.ctx, f.queue()[0].Op.ID))
	if done := f.take(path); done.Taken != 1 || f.field(id, "title") != "Check the pump" {
		t.Errorf("a discarded change does not come back: %+v", done)
	}
	b := enrolled(t, "d2", "ann", "s1")
	b.take(path)
	if got := b.batch(); len(got) != 1 || got[0].Entity != id {
		t.Errorf("it would be sent as %+v", got)
	}
}

func TestATimeFromAnotherLaptopIsFinal(t *testing.T) {
	a, b := enrolled(t, "d1", "ann", "s1"), enrolled(t, "d2", "ann", "s1")
	a.read.Wall += 365 * 24 * 3600 * 1000 // a year ahead; this boot met the server
	before := a.read
	a.pass(10 * time.Millisecond)
	a.must(a.LearnOffset(a.ctx, start.UnixMilli(), before, a.read))
	a.add("On time")
	want := a.batch()[0].Time()
	b.read.BootID = "boot-of-another-machine"
	b.take(a.export())
	b.must(b.LearnOffset(b.ctx, start.UnixMilli(), b.read, b.read))
	if got := b.batch()[0]; got.Time() != want || got.TimeUncertain {
		t.Errorf("made at %d, sent with %d (uncertain: %v)", want, got.Time(), got.TimeUncertain)
	}
	// In the boot in which it was made its time can still be put right.
	c := enrolled(t, "d1", "ann", "s1")
	c.read.Wall = 1000
	c.add("By a dead clock")
	path := c.export()
	d := enrolled(t, "d3", "ann", "s1")
	d.take(path)
	d.pass(time.Second)
	d.must(d.LearnOffset(d.ctx, start.UnixMilli(), d.read, d.read))
	if got := d.batch()[0]; got.TimeUncertain || got.Time() != start.Add(-time.Second).UnixMilli() {
		t.Errorf("in the same boot: %d, uncertain %v", got.Time(), got.TimeUncertain)
	}
}

func TestARefusedEditDoesNotComeBackOverANewerOne(t *testing.T) {
	a := enrolled(t, "d1", "ann", "s1")
	a.hear("c1", change(state(remote, 5)))
	a.must(a.EditTask(a.ctx, remote, op.Fields{"external_ref": "TAKEN", "asset": "P-7"}))
	a.settle(a.refusing())
	path := a.export()
	b := enrolled(t, "d2", "ann", "s1")
	b.hear("c1", change(state(remote, 5)))
	b.pass(time.Hour)
	b.must(b.EditTask(b.ctx, remote, op.Fields{"asset": "NEW"}))
	b.take(path)
	if got := b.field(remote, "asset"); got != "NEW" {
		t.Errorf("the record says %v", got)
	}
	if q := b.queue(); len(q) != 2 || q[1].Op.Fields["asset"] != nil || q[1].Op.Fields["external_ref"] != "TAKEN" {
		t.Errorf("the refused edit is %+v", q[len(q)-1].Op.Fields)
	}
}

func TestForeignWorkIsRefused(t *testing.T) {
	work := busy(t).export()
	plain := newFixture(t)
	plain.add("Before enrolment")
	early := plain.export()
	viewer := enrolled(t, "d2", "ann", "s1")
	viewer.must(viewer.Enrol(viewer.ctx, localdb.Device{ID: "d2", User: "ann", Role: op.Viewer, ServerID: "s1"}))
	for name, c := range map[string]struct {
		f    *fixture
		file string
		want string // "" is taken
	}{
		"another person":                 {enrolled(t, "d2", "bob", "s1"), work, "the work of ann"},
		"another server":                 {enrolled(t, "d2", "ann", "s2"), work, "for the server https://s1"},
		"not enrolled yet":               {newFixture(t), work, "has not joined"},
		"may only look":                  {viewer, work, "only look"},
		"work from before enrolment":     {enrolled(t, "d2", "bob", "s1"), early, ""},
		"the same where nobody is yet":   {newFixture(t), early, ""},
		"a laptop that was enrolled new": {enrolled(t, "d9", "ann", "s1"), work, ""},
	} {
		_, err := c.f.ImportQueue(c.f.ctx, c.file, nil)
		var e *localdb.Error
		switch {
		case c.want == "" && (err != nil || len(c.f.queue()) == 0):
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (!errors.As(err, &e) || !strings.Contains(e.Message, c.want) || e.Hint == "" || len(c.f.queue()) != 0):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADamagedFileIsNamedByLineAndNothingIsTaken(t *testing.T) {
	a := busy(t)
	whole, err := os.ReadFile(a.export())
	a.must(err)
	lines := strings.SplitAfter(strings.TrimSuffix(string(whole), "\n"), "\n")
	n := len(lines)
	if n < 6 {
		t.Fatalf("%d lines", n)
	}
	join := func(l ...string) string { return strings.Join(l, "") }
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "line 1: it is empty"},
		"another program's":  {"id,title\n1,Pump\n", "line 1"},
		"one letter changed": {strings.Replace(string(whole), "P-7", "P-8", 1), fmt.Sprintf("line %d:", n)},
		"a line left out":    {join(lines[:3]...) + join(lines[4:]...), "line 4:"},
		"lines swapped":      {lines[0] + lines[2] + lines[1] + join(lines[3:]...), "line 2:"},
		"a line twice":       {join(lines[:3]...) + join(lines[2:]...), "line 4:"},
		"cut in a line":      {string(whole[:len(whole)-30]), fmt.Sprintf("line %d: it is cut off", n)},
		"cut between lines":  {join(lines[:n-1]...), fmt.Sprintf("behind line %d: 1 of its %d changes", n-1, n-1)},
		"header edited":      {strings.Replace(string(whole), `"user":"ann"`, `"user":"bob"`, 1), "line 1"},
		"a very long line":   {lines[0] + strings.Repeat("x", 1<<20), "line 2: it is longer"},
	} {
		b := enrolled(t, "d2", "ann", "s1")
		path := filepath.Join(t.TempDir(), "work.json")
		b.must(os.WriteFile(path, []byte(c.text), 0o600))
		_, err := b.ImportQueue(b.ctx, path, nil)
		var e *localdb.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, c.want) || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
		if len(b.queue()) != 0 {
			t.Errorf("%s: %d changes were taken", name, len(b.queue()))
		}
	}
	b := enrolled(t, "d2", "ann", "s1") // mail programs end lines in their own way
	path := filepath.Join(t.TempDir(), "work.json")
	b.must(os.WriteFile(path, []byte(strings.ReplaceAll(string(whole), "\n", "\r\n")), 0o600))
	if done := b.take(path); done.Taken != n-1 {
		t.Errorf("with other line ends: %+v", done)
	}
}

// What might never end, or keep others waiting, is not read under the lock.
func TestAFileIsReadBeforeTheDatabaseIsLocked(t *testing.T) {
	a := busy(t)
	path := a.export()
	b := enrolled(t, "d2", "ann", "s1")
	pipe := filepath.Join(t.TempDir(), "pipe")
	b.must(syscall.Mkfifo(pipe, 0o600))
	for _, name := range []string{pipe, t.TempDir(), os.DevNull} {
		var e *localdb.Error
		if _, err := b.ImportQueue(b.ctx, name, nil); !errors.As(err, &e) || !strings.Contains(e.Message, "is no file") || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole, err := os.ReadFile(path)
	b.must(err)
	b.must(os.WriteFile(path, whole[:len(whole)-30], 0o600))
	if _, err := b.ImportQueue(b.ctx, path, func(int, int) { t.Error("a change of a damaged file was looked at under the lock") }); err == nil {
		t.Error("a damaged file was taken")
	}
}

func TestAnExportNeverTouchesAnotherFileAndCountsOnlyWhenItIsWhole(t *testing.T) {
	f := busy(t)
	path := f.export()
	before, err := os.ReadFile(path)
	f.must(err)
	if _, err := f.ExportQueue(f.ctx, path, nil); err == nil {
		t.Error("a file was replaced")
	}
	if after, _ := os.ReadFile(path); !slices.Equal(before, after) {
		t.Error("the file is another one")
	}
	f.add("Later")
	if f.unexported() != 1 {
		t.Errorf("%d changes are in no file", f.unexported())
	}
	late := filepath.Join(t.TempDir(), "late.json") // somebody else's file of that name, made while this one is written
	_, err = f.ExportQueue(f.ctx, late, func(done, _ int) {
		if done == 1 {
			f.must(os.WriteFile(late, []byte("theirs"), 0o600))
		}
	})
	var e *localdb.Error
	if after, _ := os.ReadFile(late); !errors.As(err, &e) || string(after) != "theirs" {
		t.Errorf("a file that came meanwhile was replaced: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(late), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := f.ExportQueue(f.ctx, filepath.Join(t.TempDir(), "none", "work.json"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into a folder that is not there: %v", err)
	}
	if f.unexported() != 1 {
		t.Error("a file that was not written counts")
	}
	read, err := localdb.Open(f.ctx, f.path, localdb.Options{ReadOnly: true})
	f.must(err)
	defer read.Close()
	if _, err := read.ExportQueue(f.ctx, filepath.Join(t.TempDir(), "work.json"), nil); err != nil {
		t.Errorf("from a database that may not be written: %v", err)
	}
	if f.unexported() != 1 {
		t.Error("looking only marked something")
	}
}

// A restored server is asked again for what this laptop sent from a file.
func TestImportedWorkBecomesHistoryAsAnyOther(t *testing.T) {
	a, b := busy(t), enrolled(t, "d2", "ann", "s1")
	path := a.export()
	b.take(path)
	b.settle(func(o op.Op) wire.Result { return wire.Result{Outcome: op.Applied, Version: 77, Stamp: o.Time()} })
	pending, _ := b.counts()
	if pending != 0 || b.unexported() != 0 {
		t.Errorf("%d wait after sending", pending)
	}
}

// meanwhile does something when it is next asked whether it is over.
type meanwhile struct {
	context.Context
	do func()
}

func (m *meanwhile) Done() <-chan struct{} {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return m.Context.Done()
}

// What is written while a file is being made is not in it: until it is marked it
// may change under its id, and two forms of one change must never be about.
func TestWhatComesDuringAnExportStaysOut(t *testing.T) {
	a, b := enrolled(t, "d1", "ann", "s1"), enrolled(t, "d2", "ann", "s1")
	a.add("Before")
	path := filepath.Join(t.TempDir(), "work.json")
	ctx := &meanwhile{Context: a.ctx}
	// The first to ask is the write that marks; the next the look at what is marked.
	ctx.do = func() { ctx.do = func() { a.add("Meanwhile") } }
	head, err := a.ExportQueue(ctx, path, nil)
	a.must(err)
	if ctx.do != nil || len(a.queue()) != 2 {
		t.Fatal("nothing came meanwhile")
	}
	if head.Count != 1 || a.unexported() != 1 {
		t.Errorf("%d in the file, %d in none", head.Count, a.unexported())
	}
	if got := b.take(path); got.Taken != 1 {
		t.Errorf("%+v", got)
	}
}
