package localdb_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// second is another program on the same file.
func (f *fixture) second() *localdb.DB {
	f.t.Helper()
	db, err := localdb.Open(f.ctx, f.path, localdb.Options{Clock: func() op.Reading { return f.read }})
	f.must(err)
	f.t.Cleanup(func() { db.Close() })
	return db
}

func TestDraftsOutliveTheProgram(t *testing.T) {
	f := newFixture(t)
	if _, found, err := f.FindDraft(f.ctx, "add"); found || err != nil {
		t.Fatalf("a draft from nowhere: %v", err)
	}
	texts := map[string]string{"title": "Half a thou", "description": "two\nlines"}
	f.must(f.SaveDraft(f.ctx, "add", map[string]string{"title": "Half"}))
	f.must(f.SaveDraft(f.ctx, "add", texts))
	f.must(f.Close())
	f.open()
	d, found, err := f.FindDraft(f.ctx, "add")
	f.must(err)
	if !found || !maps.Equal(d.Texts, texts) || d.At != f.read.Wall {
		t.Errorf("%v %+v", found, d)
	}
	if _, found, _ := f.FindDraft(f.ctx, "note:x"); found {
		t.Error("it is offered in another form")
	}
	f.must(f.DropDraft(f.ctx, "add"))
	f.must(f.SaveDraft(f.ctx, "note:x", texts))
	f.must(f.SaveDraft(f.ctx, "note:x", nil))
	for _, form := range []string{"add", "note:x"} {
		if _, found, _ := f.FindDraft(f.ctx, form); found {
			t.Errorf("what was thrown away is back: %s", form)
		}
	}
	refuses(t, f.SaveDraft(f.ctx, "add", map[string]string{"title": fmt.Sprintf("%300000d", 1)}), "too long")
}

// TestDraftsOfTwoSessions: each has its own, and inherits only from the dead.
func TestDraftsOfTwoSessions(t *testing.T) {
	f := newFixture(t)
	other := f.second()
	f.must(other.SaveDraft(f.ctx, "add", map[string]string{"title": "theirs"}))
	if _, found, _ := f.FindDraft(f.ctx, "add"); found {
		t.Fatal("a text is taken from under somebody's hands")
	}
	f.pass(time.Minute)
	f.must(f.SaveDraft(f.ctx, "add", map[string]string{"title": "mine"}))
	f.must(f.DropDraft(f.ctx, "add"))
	f.must(f.SaveDraft(f.ctx, "edit:1", map[string]string{"title": "mine"}))
	f.must(other.Close())
	d, found, err := f.FindDraft(f.ctx, "add")
	f.must(err)
	if !found || d.Texts["title"] != "theirs" {
		t.Errorf("%v %+v", found, d)
	}
	third := f.second() // takes the dead one's number, and must not see what was inherited
	for _, form := range []string{"add", "edit:1"} {
		if _, found, _ := third.FindDraft(f.ctx, form); found {
			t.Errorf("%s is offered twice", form)
		}
	}
}

// TestLeftDrafts: what a session that is gone left is told, with its task; what
// another one is typing now is not.
func TestLeftDrafts(t *testing.T) {
	f := newFixture(t)
	task := f.add("Boiler")
	other := f.second()
	f.must(other.SaveDraft(f.ctx, "note:"+task, map[string]string{"body": "half"}))
	f.must(other.SaveDraft(f.ctx, "add", map[string]string{"title": "x"}))
	left := func() string {
		sum, err := f.Summary(f.ctx)
		f.must(err)
		var out []string
		for _, l := range sum.Left {
			out = append(out, l.Form[:3]+" "+l.Number)
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	if got := left(); got != "" {
		t.Errorf("while it is typed elsewhere: %s", got)
	}
	f.must(other.Close())
	if got, want := left(), "add , not "+localdb.TempNumber(task); got != want {
		t.Errorf("left: %q, want %q", got, want)
	}
	if _, found, err := f.FindDraft(f.ctx, "add"); err != nil || !found {
		t.Fatal(found, err)
	}
	f.must(f.DropDraft(f.ctx, "add"))
	f.must(f.DeleteTask(f.ctx, task))
	if got := left(); got != "not " {
		t.Errorf("of a task that is gone: %q", got)
	}
}
