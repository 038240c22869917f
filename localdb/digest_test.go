package localdb_test

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// office is what a server holds of the crew north, and how it tells that.
type office struct {
	version int64
	records map[string]wire.Change
}

func newOffice(changes ...wire.Change) *office {
	o := &office{records: map[string]wire.Change{}}
	o.hold(changes...)
	return o
}

func (o *office) hold(changes ...wire.Change) {
	for _, c := range changes {
		o.records[c.EntityID] = c
		o.version = max(o.version, c.Version)
	}
}

func (o *office) changes() []wire.Change {
	out := slices.Collect(maps.Values(o.records))
	slices.SortFunc(out, func(a, b wire.Change) int { return int(a.Version - b.Version) })
	return out
}

func (o *office) tally() (t op.Tally) {
	for _, c := range o.records {
		if !c.Gone && !c.ServerState.Bool(op.Deleted) {
			leaf := op.LeafOf(c.EntityID)
			t[leaf] = t[leaf].With(op.SumOf(c.EntityType, c.ServerState))
		}
	}
	return t
}

func (o *office) page(changes ...wire.Change) wire.Changes {
	t := o.tally()
	return wire.Changes{Changes: changes, Cursor: fmt.Sprint("c", o.version), Crews: []string{"north"}, User: "ann", Role: op.Technician,
		Seen: mark(o.version), Digest: map[string]wire.Stand{"north": {Version: o.version, Digest: t.Total()}}}
}

func (o *office) digest() wire.Digest {
	t := o.tally()
	d := wire.Digest{Crew: "north", Stand: wire.Stand{Version: o.version, Digest: t.Total()}, Leaves: make([]op.Sum, op.Leaves)}
	for i, leaf := range t {
		d.Leaves[i] = leaf.Sum
	}
	return d
}

func (o *office) leaf(name string) wire.Leaf {
	l := wire.Leaf{Crew: "north", Version: o.version, Leaf: name}
	for _, c := range o.changes() {
		if strings.HasSuffix(c.EntityID, name) && !c.Gone && !c.ServerState.Bool(op.Deleted) {
			l.Records = append(l.Records, c)
		}
	}
	return l
}

// compare is whether laptop and office agree.
func (f *fixture) compare(o *office) bool {
	f.t.Helper()
	differ, done, err := f.Compare(f.ctx, o.page(), true)
	f.must(err)
	if !done {
		f.t.Fatal("not all was counted")
	}
	return len(differ) == 0
}

// mend does what the engine does with leaves that differ.
func (f *fixture) mend(o *office) (leaves []string, mended int) {
	f.t.Helper()
	leaves, err := f.Differing(f.ctx, o.digest())
	f.must(err)
	for _, name := range leaves {
		n, err := f.Mend(f.ctx, o.leaf(name))
		f.must(err)
		mended += n
	}
	return leaves, mended
}

// damage changes the file by hand, as sqlite3 would.
func (f *fixture) damage(statements ...string) {
	f.t.Helper()
	raw, err := sql.Open("sqlite3", "file:"+f.path+"?_busy_timeout=5000")
	f.must(err)
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := raw.ExecContext(f.ctx, s); err != nil {
			f.t.Fatalf("%s: %v", s, err)
		}
	}
}

func of(kind op.Kind, s op.Fields) wire.Change {
	c := change(s)
	c.EntityType = kind
	return c
}

// everyKind is an office with a record of each kind, and values of each type.
func (f *fixture) everyKind() (*office, string) {
	f.t.Helper()
	task := f.id()
	child := func(version int64, more ...any) op.Fields {
		s := op.Fields{"id": f.id(), "version": version, "updated_at": start.UnixMilli() + version, "deleted": false, "crew": "north", "task_id": task}
		for i := 0; i < len(more); i += 2 {
			s[more[i].(string)] = more[i+1]
		}
		return s
	}
	site := op.Fields{"id": f.id(), "version": int64(1), "updated_at": start.UnixMilli(), "deleted": false, "crew": "north", "code": "S1", "name": "Mill", "lat": int64(52), "lon": 13.4}
	o := newOffice(of(op.Site, site),
		change(state(task, 2, "number", "T-10001", "tag.hot", true, "tag.cold", false, "x.meter", "007", "x.count", int64(1)<<60, "x.ratio", 0.1, "estimate_minutes", int64(0), "site_id", site["id"], "a_newer_field", "kept", "description", "one\ntwo\tthree ☃")),
		of(op.Item, child(3, "label", "Filter", "required", true, "min", int64(1), "max", 2.5, "value", true, "outcome", "done")),
		of(op.Item, child(4, "label", "Pressure", "required", false, "value", 3.0)),
		of(op.Item, child(5, "label", "Serial", "value", "007")),
		of(op.Note, child(6, "body", "wet", "author", "bob", "at", start.UnixMilli())),
		of(op.TimeEntry, child(7, "user", "bob", "kind", "work", "started_at", start.UnixMilli())))
	_, err := f.ApplyChanges(f.ctx, o.page(o.changes()...))
	f.must(err)
	return o, task
}

// TestCompare: what a laptop was told comes to what the office holds, whatever
// is done on the laptop.
func TestCompare(t *testing.T) {
	f := newFixture(t)
	o, task := f.everyKind()
	same := func(what string) {
		t.Helper()
		if !f.compare(o) {
			leaves, err := f.Differing(f.ctx, o.digest())
			t.Errorf("differs after %s, in %v, %v", what, leaves, err)
		}
	}
	same("a pull")
	f.change(task, op.Fields{"title": "mine", "asset": "K-7"})
	f.change(task, op.Fields{"asset": nil})
	mine := f.add("not sent yet")
	same("edits that were not sent")
	deleted := change(state(f.id(), 8))
	o.hold(deleted)
	f.must(second(f.ApplyChanges(f.ctx, o.page(deleted))))
	f.must(second(f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: deleted.EntityID, Action: op.Delete})))
	same("a deletion that was not sent")
	// What was sent is settled: the office holds it from version 9 on.
	results := []wire.Result{}
	ops := f.batch()
	for _, q := range ops {
		o.version++
		rec := o.records[q.Entity]
		if q.Action == op.Insert {
			rec = change(state(q.Entity, 0))
		}
		s := rec.ServerState.Clone()
		for name, v := range q.Fields {
			s[name] = v
		}
		s["version"], s["deleted"] = o.version, q.Action == op.Delete
		r := wire.Result{OpID: q.ID, Outcome: op.Applied, Version: o.version, Stamp: q.Time()}
		if q.Action == op.Insert {
			s["number"] = "T-10002"
			r.ServerState = s.Clone()
		}
		o.hold(change(s))
		results = append(results, r)
	}
	f.must(second(f.Settle(f.ctx, ops, results, mark(o.version))))
	f.must(second(f.ApplyChanges(f.ctx, o.page(o.changes()...))))
	same("what was sent")
	if n := o.tally(); n.Total().Count != 8 || !f.has(mine) || f.has(deleted.EntityID) {
		t.Errorf("the office holds %d", n.Total().Count)
	}
	if differ, done, err := f.Compare(f.ctx, wire.Changes{Cursor: "another", Digest: o.page().Digest}, true); done || len(differ) != 0 || err != nil {
		t.Errorf("compared with a page that was not taken: %v, %v", differ, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestDamage: whatever is done to the file by hand is found and put right, that
// leaf alone, and unsent work stays on top.
func TestDamage(t *testing.T) {
	for name, statement := range map[string]string{
		"a field":            "UPDATE tasks SET title = 'damaged' WHERE id = 'ID'",
		"a field of no kind": "UPDATE tasks SET extra = '{}' WHERE id = 'ID'",
		"a field emptied":    "UPDATE tasks SET number = NULL WHERE id = 'ID'",
		"the time":           "UPDATE tasks SET updated_at = 7 WHERE id = 'ID'",
		"the version":        "UPDATE tasks SET version = version + 5 WHERE id = 'ID'",
		"no version":         "UPDATE tasks SET version = 0 WHERE id = 'ID'",
		"the crew":           "UPDATE tasks SET crew = 'south' WHERE id = 'ID'",
		"no crew":            "UPDATE tasks SET crew = NULL WHERE id = 'ID'",
		"a deletion":         "UPDATE tasks SET deleted = 1 WHERE id = 'ID'",
		"a missing row":      "DELETE FROM tasks WHERE id = 'ID'",
		"another id":         "UPDATE tasks SET id = substr(id, 1, 34) || 'e7' WHERE id = 'ID'",
		"an id of no UUID":   "UPDATE tasks SET id = 'nonsense' WHERE id = 'ID'",
		"an extra row":       "INSERT INTO tasks (id, title, status, updated_at, crew, version) VALUES ('01930000-0000-7000-8000-0000000000e7', 'extra', 'PENDING', 1, 'north', 2)",
		"what was told":      "UPDATE server_records SET state = json_set(state, '$.title', 'damaged') WHERE entity_id = 'ID'",
		"nothing was told":   "DELETE FROM server_records WHERE entity_id = 'ID'",
	} {
		t.Run(name, func(t *testing.T) {
			for _, pending := range []bool{false, true} {
				f := newFixture(t)
				o, task := f.everyKind()
				f.compare(o)
				if pending {
					f.change(task, op.Fields{"asset": "mine"})
				}
				f.damage(strings.ReplaceAll(statement, "ID", task))
				if same := f.compare(o); same && pending == strings.Contains(statement, "server_records") {
					t.Errorf("pending %v: not found", pending)
				}
				leaves, mended := f.mend(o)
				if len(leaves) > 2 || mended > 2 {
					t.Errorf("pending %v: leaves %v, %d records", pending, leaves, mended)
				}
				if !f.compare(o) || f.field(task, "title") != "From the office" || f.field(task, "number") != "T-10001" {
					t.Errorf("pending %v: not put right", pending)
				}
				if pending && (f.field(task, "asset") != "mine" || len(f.batch()) != 1) {
					t.Errorf("unsent work: %v, %d wait", f.field(task, "asset"), len(f.batch()))
				}
				view, err := f.Task(f.ctx, task)
				if err != nil || len(view.Checklist) != 3 || len(view.Notes) != 1 {
					t.Errorf("what hangs on it: %+v, %v", view, err)
				}
				told, err := f.Notices(f.ctx)
				if f.must(err); mended > 0 && (len(told) != 1 || told[0].Code != localdb.NoticeMended) || mended == 0 && len(told) > 0 {
					t.Errorf("pending %v: %d mended, notices %+v", pending, mended, told)
				}
			}
		})
	}
}

// TestWhatTheServerDoesNotHold goes, but for what has unsent work on it or
// beneath it: that waits for the server's word.
func TestWhatTheServerDoesNotHold(t *testing.T) {
	f := newFixture(t)
	o, task := f.everyKind()
	bare, edited, parent := change(state(f.id(), 8)), change(state(f.id(), 9)), change(state(f.id(), 10))
	o.hold(bare, edited, parent)
	f.must(second(f.ApplyChanges(f.ctx, o.page(bare, edited, parent))))
	f.change(edited.EntityID, op.Fields{"asset": "mine"})
	f.must(second(f.AddNote(f.ctx, parent.EntityID, "mine", "note")))
	for _, c := range []wire.Change{bare, edited, parent} {
		delete(o.records, c.EntityID)
	}
	if f.compare(o) {
		t.Fatal("three records too many were not found")
	}
	wrong := []localdb.Wrong{}
	for _, name := range []string{op.LeafName(op.LeafOf(bare.EntityID)), op.LeafName(op.LeafOf(task))} {
		w, err := f.Explain(f.ctx, o.leaf(name))
		f.must(err)
		wrong = append(wrong, w...)
	}
	if len(wrong) != 1 || wrong[0].ID != bare.EntityID || wrong[0].Here == nil || wrong[0].There != nil {
		t.Errorf("explained as %+v", wrong)
	}
	if _, mended := f.mend(o); mended != 3 || !f.compare(o) {
		t.Errorf("%d records put right", mended)
	}
	if f.has(bare.EntityID) || !f.has(edited.EntityID) || !f.has(parent.EntityID) || f.field(edited.EntityID, "asset") != "mine" || len(f.batch()) != 2 {
		t.Errorf("held: %v %v %v, %d wait", f.has(bare.EntityID), f.has(edited.EntityID), f.has(parent.EntityID), len(f.batch()))
	}
	f.settle(func(op.Op) wire.Result {
		return wire.Result{Outcome: op.Rejected, Code: op.CodeNotFound, Message: "there is none"}
	})
	for _, q := range f.queue() {
		if q.State != localdb.BadgeParked || q.Code != op.CodeNotFound {
			t.Errorf("%+v", q)
		}
		f.must(f.DiscardOp(f.ctx, q.Op.ID))
	}
	if f.has(edited.EntityID) || f.has(parent.EntityID) || !f.compare(o) {
		t.Error("after its work was given up, a record that nobody holds stays")
	}
}

func TestExplain(t *testing.T) {
	f := newFixture(t)
	o, task := f.everyKind()
	f.compare(o)
	f.damage("UPDATE tasks SET title = 'damaged', asset = 'K-7' WHERE id = '"+task+"'", "DELETE FROM notes")
	leaves, err := f.Differing(f.ctx, o.digest())
	if f.must(err); len(leaves) != 0 {
		t.Errorf("before it was counted: %v", leaves)
	}
	f.compare(o)
	leaves, err = f.Differing(f.ctx, o.digest())
	f.must(err)
	var got []string
	for _, name := range leaves {
		list, err := f.Explain(f.ctx, o.leaf(name))
		f.must(err)
		for _, w := range list {
			got = append(got, fmt.Sprint(w.Kind, w.Fields, w.Here != nil, w.There != nil))
		}
	}
	slices.Sort(got)
	if want := "[note[] false true task[asset title] true true]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestCountingIsBounded: after a long pull a round counts a part, and the next
// ones the rest.
func TestCountingIsBounded(t *testing.T) {
	f := newFixture(t)
	o := newOffice()
	f.must(second(f.ApplyChanges(f.ctx, o.page())))
	f.damage(`INSERT INTO tasks (id, title, status, updated_at, crew, version)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		SELECT printf('01930000-0000-7000-8000-%012x', i), 'x', 'PENDING', 1, 'north', i FROM n`)
	rounds := 0
	for done := false; !done; rounds++ {
		differ, ok, err := f.Compare(f.ctx, o.page(), false)
		f.must(err)
		if done = ok; done && len(differ) != 1 || !done && len(differ) != 0 || rounds > 9 {
			t.Fatalf("round %d: %v", rounds, differ)
		}
	}
	if rounds != 3 {
		t.Errorf("20000 records were counted in %d rounds", rounds)
	}
}

// TestDecay: what changes without being written is found in the course of hours.
func TestDecay(t *testing.T) {
	f := newFixture(t)
	o, task := f.everyKind()
	f.compare(o)
	var trigger string
	raw, err := sql.Open("sqlite3", "file:"+f.path)
	f.must(err)
	f.must(raw.QueryRow("SELECT sql FROM sqlite_schema WHERE name = 'tasks_stale_again'").Scan(&trigger))
	f.must(raw.Close())
	f.damage("DROP TRIGGER tasks_stale_again", "UPDATE tasks SET title = 'decayed' WHERE id = '"+task+"'", trigger)
	looks := 0
	for ; f.compare(o) && looks < 300; looks++ {
		f.pass(time.Minute)
	}
	if looks == 0 || looks > 257 {
		t.Errorf("found after %d minutes", looks)
	}
	if _, mended := f.mend(o); mended != 1 || !f.compare(o) {
		t.Errorf("%d put right", mended)
	}
	f.damage("DROP TRIGGER tasks_stale_again", "UPDATE tasks SET title = 'decayed' WHERE id = '"+task+"'", trigger)
	if f.must(f.CountAnew(f.ctx)); f.compare(o) {
		t.Error("not found by counting all anew")
	}
}

func TestNoteDiffers(t *testing.T) {
	f := newFixture(t)
	for _, step := range []struct {
		on   bool
		want int
	}{{false, 0}, {true, 1}, {true, 1}, {false, 0}, {true, 1}} {
		f.must(f.NoteDiffers(f.ctx, step.on))
		if told, err := f.Notices(f.ctx); err != nil || len(told) != step.want {
			t.Errorf("%+v: %+v, %v", step, told, err)
		}
	}
}

// TestAnotherServer: what was told by the server before is not that of the new one,
// and stays.
func TestAnotherServer(t *testing.T) {
	f := newFixture(t)
	join := func(server string) {
		f.must(f.Enrol(f.ctx, localdb.Device{ID: "d", User: "ann", Token: "t", Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: server}))
	}
	join("first")
	o, task := f.everyKind()
	f.change(task, op.Fields{"asset": "mine"})
	join("first")
	if !f.compare(o) || f.batch()[0].Base != 2 {
		t.Error("enrolled again with the same server, and something differs")
	}
	f.must(f.Anew(f.ctx, "")) // the first server's base was being taken
	join("second")
	fresh := change(state(f.id(), 1))
	o = newOffice(fresh)
	f.must(second(f.ApplyChanges(f.ctx, o.page(fresh))))
	if !f.compare(o) {
		t.Error("what the first server told is compared with the second")
	}
	if _, mended := f.mend(o); mended != 0 || !f.has(task) || !f.has(fresh.EntityID) || f.batch()[0].Base != 0 {
		t.Errorf("%d records mended, the task is there: %v, base %d", mended, f.has(task), f.batch()[0].Base)
	}
	told := change(state(task, 2, "title", "the second knows it too"))
	o.hold(told)
	f.must(second(f.ApplyChanges(f.ctx, o.page(told))))
	if !f.compare(o) || f.field(task, "asset") != "mine" || f.field(task, "title") != "the second knows it too" {
		t.Error("what both servers hold is not taken from the second")
	}
}
