package localdb_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the moment at which every test's clock begins: a Monday noon, UTC.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fixture is a laptop with a clock that the test moves and ids in a row.
type fixture struct {
	*localdb.DB
	t    *testing.T
	ctx  context.Context
	path string
	read op.Reading
	n    int
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, ctx: t.Context(), path: filepath.Join(t.TempDir(), "punchlist.db"), read: op.Reading{Wall: start.UnixMilli(), Boot: 1000, BootID: "boot-1"}}
	f.open()
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	db, err := localdb.Open(f.ctx, f.path, localdb.Options{Clock: func() op.Reading { return f.read }, NewID: f.id})
	if err != nil {
		f.t.Fatal(err)
	}
	f.DB = db
	f.t.Cleanup(func() { db.Close() })
}

func (f *fixture) id() string {
	f.n++
	return fmt.Sprintf("01930000-0000-7000-8000-%012x", f.n)
}

func (f *fixture) pass(d time.Duration) {
	f.read.Wall += d.Milliseconds()
	f.read.Boot += d.Milliseconds()
}

func (f *fixture) add(title string, more ...any) string {
	f.t.Helper()
	fields := op.Fields{"title": title}
	for i := 0; i < len(more); i += 2 {
		fields[more[i].(string)] = more[i+1]
	}
	id, err := f.AddTask(f.ctx, fields)
	f.must(err)
	return id
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) queue() []localdb.QueueRow {
	f.t.Helper()
	q, err := f.Queue(f.ctx, 0, 0)
	f.must(err)
	return q
}

func (f *fixture) batch() []op.Op {
	f.t.Helper()
	ops, err := f.NextBatch(f.ctx, 200, 1<<20)
	f.must(err)
	return ops
}

func (f *fixture) field(id, name string) any {
	f.t.Helper()
	r, err := f.Record(f.ctx, op.Task, id)
	f.must(err)
	return r.Fields[name]
}

// settle answers the ops at the head of the queue as a server would.
func (f *fixture) settle(answer func(op.Op) wire.Result) wire.Settled {
	f.t.Helper()
	ops := f.batch()
	var results []wire.Result
	for _, o := range ops {
		r := answer(o)
		r.OpID = o.ID
		results = append(results, r)
	}
	done, err := f.Settle(f.ctx, ops, results, nil)
	f.must(err)
	return done
}

// applied is a server without anybody else: each op gets the next version.
func (f *fixture) applied(from int64) func(op.Op) wire.Result {
	return func(o op.Op) wire.Result {
		from++
		return wire.Result{Outcome: op.Applied, Version: from, Stamp: o.Time()}
	}
}

func state(id string, version int64, fields ...any) op.Fields {
	s := op.Fields{"id": id, "version": version, "updated_at": start.UnixMilli(), "deleted": false, "crew": "north", "title": "From the office", "status": "PENDING"}
	for i := 0; i < len(fields); i += 2 {
		s[fields[i].(string)] = fields[i+1]
	}
	return s
}

func change(s op.Fields) wire.Change {
	return wire.Change{EntityType: op.Task, EntityID: s.Text("id"), Crew: "north", Version: s.Int("version"), By: "dora", ServerState: s}
}

func (f *fixture) hear(cursor string, changes ...wire.Change) int {
	f.t.Helper()
	n, err := f.ApplyChanges(f.ctx, wire.Changes{Changes: changes, Cursor: cursor, Crews: []string{"north"}, User: "ann", Role: op.Technician})
	f.must(err)
	return n
}

const remote = "01940000-0000-7000-8000-000000000001"

func TestAnActionIsRecordAndOpInOneTransaction(t *testing.T) {
	f := newFixture(t)
	id := f.add("Check the pump", "priority", "high")
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "P-7"}))
	f.must(f.SetStatus(f.ctx, id, localdb.Step{To: op.EnRoute}))
	q := f.queue()
	var got []string
	for _, r := range q {
		got = append(got, string(r.Op.Action)+" "+string(r.Op.Kind))
	}
	want := []string{"INSERT task", "UPDATE task", "UPDATE task", "INSERT time_entry"}
	if !slices.Equal(got, want) {
		t.Fatalf("queue holds %v, want %v", got, want)
	}
	if q[2].Op.Group == "" || q[2].Op.Group != q[3].Op.Group || q[1].Op.Group != "" {
		t.Errorf("the ops of one action must share a group, others have none: %q %q %q", q[1].Op.Group, q[2].Op.Group, q[3].Op.Group)
	}
	if q[2].Op.Prev.Text("status") != "PENDING" {
		t.Errorf("prev is %v", q[2].Op.Prev)
	}
	// A refused action writes neither.
	for _, bad := range []op.Fields{{"title": ""}, {"title": strings.Repeat("x", 201)}, {"colour": "red"}, {"priority": "urgent"}, {"title": "a\x1b[31m"}} {
		var refusal *op.Refusal
		if err := f.EditTask(f.ctx, id, bad); !errors.As(err, &refusal) || refusal.Field == "" {
			t.Errorf("%v: got %v, want a refusal that names the field", bad, err)
		}
	}
	if n := len(f.queue()); n != 4 {
		t.Errorf("%d ops after refused edits, want 4", n)
	}
}

func TestAnybodyCanReadTheFile(t *testing.T) {
	f := newFixture(t)
	id := f.add("Check the pump", "x.meter", "007")
	raw, err := sql.Open("sqlite3", "file:"+f.path+"?mode=ro")
	f.must(err)
	defer raw.Close()
	var title, status, payload, action, extra string
	var updated int64
	f.must(raw.QueryRow("SELECT title, status, updated_at, extra FROM tasks WHERE id = ?", id).Scan(&title, &status, &updated, &extra))
	f.must(raw.QueryRow("SELECT action, payload FROM sync_queue WHERE entity_id = ? AND entity_type = 'task' AND retry_count = 0", id).Scan(&action, &payload))
	if title != "Check the pump" || status != "PENDING" || updated != start.UnixMilli() || extra != `{"x.meter":"007"}` {
		t.Errorf("row is %q %q %d %s", title, status, updated, extra)
	}
	var fields map[string]any
	f.must(json.Unmarshal([]byte(payload), &fields))
	if action != "INSERT" || fields["title"] != "Check the pump" || fields["updated_at"] != float64(start.UnixMilli()) {
		t.Errorf("op is %s %s", action, payload)
	}
	if got := f.field(id, "x.meter"); got != "007" {
		t.Errorf("x.meter is %v", got)
	}
}

func TestNothingChangedIsNoOp(t *testing.T) {
	f := newFixture(t)
	id := f.add("Check", "asset", "A")
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "A", "title": "Check"}))
	if n := len(f.queue()); n != 1 {
		t.Errorf("%d ops, want the INSERT alone", n)
	}
}

func TestF87Delete(t *testing.T) {
	f := newFixture(t)
	id := f.add("Check")
	f.must(f.DeleteTask(f.ctx, id))
	if _, err := f.Task(f.ctx, id); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := f.EditTask(f.ctx, id, op.Fields{"title": "x"}); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("editing a deleted task: %v", err)
	}
	if page, _ := f.Tasks(f.ctx, localdb.Query{}); len(page.Rows) != 0 {
		t.Errorf("list shows %v", page.Rows)
	}
}

func TestStatusSteps(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: "d1", User: "ann", Role: op.Technician, Token: "secret", Crews: []string{"north"}}))
	id := f.add("Bring the parcel", "type", "delivery")
	item, err := f.AddItem(f.ctx, id, op.Fields{"label": "Seal intact", "required": true})
	f.must(err)
	step := func(to op.Status, s localdb.Step) error { s.To = to; return f.SetStatus(f.ctx, id, s) }
	wantErr := func(err error, part string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want it to say %q", err, part)
		}
	}
	wantErr(step(op.Completed, localdb.Step{}), "from there for a technician: EN_ROUTE, IN_PROGRESS")
	wantErr(step(op.Cancelled, localdb.Step{Reason: "customer"}), "cannot become CANCELLED")
	wantErr(step("FINISHED", localdb.Step{}), "not a status")
	f.must(step(op.EnRoute, localdb.Step{}))
	f.pass(10 * time.Minute)
	f.must(step(op.InProgress, localdb.Step{}))
	f.pass(5 * time.Minute)
	wantErr(step(op.OnHold, localdb.Step{}), "needs a reason")
	wantErr(step(op.OnHold, localdb.Step{Reason: "bored"}), "no reason")
	wantErr(step(op.OnHold, localdb.Step{Reason: "other", ReasonText: " "}), "needs a few words")
	f.must(step(op.OnHold, localdb.Step{Reason: "weather", ReasonText: "storm"}))
	f.pass(time.Hour)
	f.must(step(op.InProgress, localdb.Step{}))
	if f.field(id, "reason") != nil || f.field(id, "reason_text") != nil {
		t.Error("the reason of the hold stayed")
	}
	wantErr(step(op.Completed, localdb.Step{}), "who took it")
	wantErr(step(op.Completed, localdb.Step{Recipient: "Mr Bell"}), "Seal intact")
	f.must(f.AnswerItem(f.ctx, item, localdb.Answer{Outcome: "pass"}))
	f.pass(time.Minute)
	f.must(step(op.Completed, localdb.Step{Recipient: "Mr Bell"}))
	v, err := f.Task(f.ctx, id)
	f.must(err)
	if v.Fields.Text("completed_by") != "ann" || v.Fields.Text("recipient_name") != "Mr Bell" || v.Fields.Int("completed_at") != f.read.Wall {
		t.Errorf("completed as %v", v.Fields)
	}
	var spans []string
	for _, e := range v.Time {
		spans = append(spans, fmt.Sprintf("%s %d", e.Fields.Text("kind"), (e.Fields.Int("ended_at")-e.Fields.Int("started_at"))/60000))
	}
	if want := []string{"travel 10", "work 5", "wait 60", "work 1"}; !slices.Equal(spans, want) {
		t.Errorf("time entries %v, want %v", spans, want)
	}
	if _, err := f.AddNote(f.ctx, id, "left at the door", ""); err != nil {
		t.Errorf("a note on an ended task: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	f := newFixture(t)
	id := f.add("Measure")
	number, err := f.AddItem(f.ctx, id, op.Fields{"label": "Pressure", "kind": "number", "unit": "bar", "min": 1.0, "max": 3.0})
	f.must(err)
	choice, err := f.AddItem(f.ctx, id, op.Fields{"label": "Colour", "kind": "choice", "choices": "red\ngreen"})
	f.must(err)
	for _, c := range []struct {
		item string
		a    localdb.Answer
		ok   bool
	}{
		{number, localdb.Answer{Outcome: "done", Value: 2.5}, true},
		{number, localdb.Answer{Outcome: "done", Value: int64(9)}, false},
		{number, localdb.Answer{Outcome: "fail", Value: int64(9)}, true},
		{number, localdb.Answer{Outcome: "done", Value: "much"}, false},
		{number, localdb.Answer{Outcome: "na"}, true},
		{choice, localdb.Answer{Outcome: "done", Value: "blue"}, false},
		{choice, localdb.Answer{Outcome: "done", Value: "green"}, true},
		{choice, localdb.Answer{Outcome: "great"}, false},
		{choice, localdb.Answer{}, true},
	} {
		if err := f.AnswerItem(f.ctx, c.item, c.a); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.a, err)
		}
	}
	v, err := f.Task(f.ctx, id)
	f.must(err)
	if v.Steps != 2 || v.StepsDone != 1 || v.Checklist[0].Fields.Text("label") != "Pressure" {
		t.Errorf("steps %d/%d %v", v.StepsDone, v.Steps, v.Checklist)
	}
}

func TestAckedOpsLeaveTheQueueAndStayInHistory(t *testing.T) {
	f := newFixture(t)
	id := f.add("Check")
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "A"}))
	if done := f.settle(f.applied(6)); done.Acked != 2 {
		t.Fatalf("settled %+v", done)
	}
	r, err := f.Record(f.ctx, op.Task, id)
	f.must(err)
	if len(f.queue()) != 0 || r.Version != 8 || r.Fields.Text("asset") != "A" {
		t.Errorf("after acks: queue %v, record %+v", f.queue(), r)
	}
	events, err := f.History(f.ctx, id, 0)
	f.must(err)
	if len(events) != 2 || events[0].Sync != localdb.BadgeSent {
		t.Errorf("history %+v", events)
	}
	// The next edit rests on the version that the server gave.
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "B"}))
	if b := f.batch(); len(b) != 1 || b[0].Base != 8 || b[0].Prev.Text("asset") != "A" {
		t.Errorf("next op %+v", b)
	}
}

func TestPullNeverHidesUnsentWork(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "mine"}))
	f.hear("2", change(state(remote, 9, "asset", "theirs", "description", "new text")))
	if f.field(remote, "asset") != "mine" || f.field(remote, "description") != "new text" {
		t.Errorf("record is %v / %v", f.field(remote, "asset"), f.field(remote, "description"))
	}
	if b := f.batch(); b[0].Base != 5 {
		t.Errorf("base %d: an op keeps the version its author was looking at", b[0].Base)
	}
	// Discarding shows what the server says, all of it.
	f.must(f.DiscardOp(f.ctx, f.batch()[0].ID))
	if f.field(remote, "asset") != "theirs" {
		t.Errorf("after discard %v", f.field(remote, "asset"))
	}
	if r, _ := f.Record(f.ctx, op.Task, remote); r.Version != 9 {
		t.Errorf("version %d", r.Version)
	}
	// An older word never replaces a newer one.
	if n := f.hear("3", change(state(remote, 7, "asset", "old"))); n != 0 || f.field(remote, "asset") != "theirs" {
		t.Errorf("an older state was taken: %v", f.field(remote, "asset"))
	}
}

// What an unsent change of one's own hides, the person has not seen.
func TestBaseIsWhatThePersonSaw(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "x"}))
	f.hear("2", change(state(remote, 9, "asset", "y", "description", "seen")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "z"}))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"description": "changed"}))
	f.must(f.DeleteTask(f.ctx, remote))
	var bases []int64
	for _, o := range f.batch() {
		bases = append(bases, o.Base)
	}
	if want := []int64{5, 5, 9, 5}; !slices.Equal(bases, want) {
		t.Errorf("bases %v, want %v", bases, want)
	}
}

// Behind a deletion that the server told of nothing of one's own is on top: who
// brings the record back has seen what stands.
func TestBaseOfARestoreIsTheDeletion(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "x"}))
	f.hear("2", change(state(remote, 9, "asset", "y", op.Deleted, true)))
	_, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: remote, Action: op.Update, Fields: op.Fields{op.Deleted: false, "asset": "z"}})
	f.must(err)
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "zz"}))
	f.hear("3", change(state(remote, 12, "asset", "hidden")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "zzz"}))
	var bases []int64
	for _, o := range f.batch() {
		bases = append(bases, o.Base)
	}
	if want := []int64{5, 9, 9, 5}; !slices.Equal(bases, want) {
		t.Errorf("bases %v, want %v", bases, want)
	}
}

// Of two fields that one change sets, an unsent edit may hide one: each goes
// with what the person saw of it, both as one action.
func TestAChangeOfTwoFieldsHasABaseForEach(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "x"}))
	f.hear("2", change(state(remote, 9, "asset", "y", "contact_name", "seen", "contact_phone", "seen too")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "z", "contact_name": "new", "contact_phone": "7"}))
	b := f.batch()
	if len(b) != 3 || b[1].Group == "" || b[1].Group != b[2].Group || b[1].ID == b[2].ID {
		t.Fatalf("goes out: %+v", b)
	}
	if b[1].Base != 5 || b[1].Fields.Text("asset") != "z" || b[1].Prev.Text("asset") != "x" || len(b[1].Fields) != 2 {
		t.Errorf("what an unsent edit hides: %+v", b[1])
	}
	if b[2].Base != 9 || b[2].Fields.Text("contact_name") != "new" || b[2].Prev.Text("contact_phone") != "seen too" || len(b[2].Fields) != 3 {
		t.Errorf("what the person saw: %+v", b[2])
	}
	_, err := f.Undo(f.ctx)
	f.must(err)
	if b := f.batch(); len(b) != 1 || f.field(remote, "contact_name") != "seen" || f.field(remote, "asset") != "x" {
		t.Errorf("undone: %+v, %v", b, f.field(remote, "asset"))
	}
}

// A deletion of one's own hides what the server says meanwhile, but not from who
// brings the record back and looks at it.
func TestBaseAfterARecordWasBroughtBack(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.must(f.DeleteTask(f.ctx, remote))
	f.hear("2", change(state(remote, 9, "asset", "y")))
	f.restored(remote)
	var bases []int64
	for _, o := range f.batch() {
		bases = append(bases, o.Base)
	}
	if want := []int64{5, 5, 9}; !slices.Equal(bases, want) {
		t.Errorf("bases %v, want %v", bases, want)
	}
}

func TestALostEditIsToldAndCanBeTakenBack(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "mine"}))
	told := wire.Conflict{ID: "c1", EntityType: op.Task, EntityID: remote, Side: wire.SideLost, Field: "asset", Mine: "mine", Theirs: "theirs", Who: "dora", At: 7, MineAt: 6, Why: op.WhyLater}
	done := f.settle(func(o op.Op) wire.Result {
		return wire.Result{Outcome: op.Conflicted, Version: 6, ServerState: state(remote, 6, "asset", "theirs"), Lost: []wire.Conflict{told}}
	})
	if done.Conflicts != 1 || f.field(remote, "asset") != "theirs" || len(f.queue()) != 0 {
		t.Fatalf("settled %+v, asset %v", done, f.field(remote, "asset"))
	}
	f.hear("2", change(state(remote, 6, "asset", "theirs")))
	if n, err := f.ApplyChanges(f.ctx, wire.Changes{Cursor: "3", User: "ann", Conflicts: []wire.Conflict{told}}); err != nil || n != 0 {
		t.Fatal(n, err)
	}
	list, err := f.Conflicts(f.ctx, false)
	f.must(err)
	if len(list) != 1 || list[0].Mine != "mine" || list[0].Theirs != "theirs" || list[0].Who != "dora" || list[0].Kind != "lost" {
		t.Fatalf("conflicts %+v", list)
	}
	if s, _ := f.Summary(f.ctx); s.Conflicts != 1 {
		t.Errorf("summary %+v", s)
	}
	f.must(f.ResolveConflict(f.ctx, "c1", false))
	f.must(f.ReopenConflict(f.ctx, "c1"))
	f.must(f.ResolveConflict(f.ctx, "c1", true))
	b := f.batch()
	if len(b) != 1 || b[0].Fields.Text("asset") != "mine" || b[0].Base != 6 {
		t.Errorf("taking mine makes %+v", b)
	}
	if err := f.ResolveConflict(f.ctx, "c1", true); err == nil {
		t.Error("resolved twice")
	}
}

func TestTakingMineBringsADeletedTaskBack(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5)))
	f.must(f.EditTask(f.ctx, remote, op.Fields{"asset": "mine"}))
	f.settle(func(o op.Op) wire.Result {
		return wire.Result{Outcome: op.Conflicted, Version: 6, ServerState: state(remote, 6, "deleted", true), Lost: []wire.Conflict{{
			ID: "c1", EntityType: op.Task, EntityID: remote, Side: wire.SideLost, Field: "asset", Mine: "mine", MineAll: op.Fields{"asset": "mine"},
			TheirsAll: op.Fields{"deleted": true}, Who: "dora", Why: op.WhyDeleted}}}
	})
	if _, err := f.Task(f.ctx, remote); !errors.Is(err, localdb.ErrNotFound) {
		t.Fatal("the task is still there:", err)
	}
	list, _ := f.Conflicts(f.ctx, false)
	if len(list) != 1 || list[0].Kind != "deleted" || list[0].Title != "From the office" {
		t.Fatalf("conflicts %+v", list)
	}
	f.must(f.ResolveConflict(f.ctx, "c1", true))
	if v, err := f.Task(f.ctx, remote); err != nil || v.Fields.Text("asset") != "mine" {
		t.Errorf("%v %v", v.Fields, err)
	}
	if b := f.batch(); b[0].Fields["deleted"] != false || b[0].Base != 6 {
		t.Errorf("op %+v", b[0])
	}
}

// What is written on a record that the person brought back waits when the server
// refuses to bring it back, and goes with it.
func TestEditsOfARecordThatDidNotComeBackWait(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	f.hear("2", change(state(remote, 6, "asset", "A", op.Deleted, true)))
	f.must(f.DB.DiscardOp(f.ctx, f.restored(remote)))
	if n := len(f.queue()); n != 0 {
		t.Fatalf("%d changes are left of a return that was taken back", n)
	}
	f.restored(remote)
	ops := f.batch()
	_, err := f.Settle(f.ctx, ops[:1], []wire.Result{{OpID: ops[0].ID, Outcome: op.Rejected, Code: op.CodeDuplicateRef, Message: "is taken"}}, nil)
	f.must(err)
	if b := f.batch(); len(b) != 0 {
		t.Fatalf("goes out: %+v", b)
	}
	if n, err := f.PendingOps(f.ctx); n != 0 || err != nil {
		t.Errorf("%d wait to be sent, %v", n, err)
	}
	q := f.queue()
	if len(q) != 2 || q[1].Behind != q[0].Op.ID {
		t.Fatalf("queue %+v", q)
	}
	f.must(f.RetryOp(f.ctx, q[0].Op.ID))
	if b := f.batch(); len(b) != 2 || b[0].Fields[op.Deleted] != false || b[1].Fields.Text("asset") != "mine" {
		t.Errorf("goes out again: %+v", b)
	}
}

// restored brings a record back and edits it; it returns the return's op.
func (f *fixture) restored(id string) string {
	f.t.Helper()
	saved, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: id, Action: op.Update, Fields: op.Fields{op.Deleted: false}})
	f.must(err)
	f.must(f.EditTask(f.ctx, id, op.Fields{"asset": "mine"}))
	return saved.OpIDs[0]
}

func TestF81F82ARefusedOpIsParkedAndOnlyItsOwnWait(t *testing.T) {
	f := newFixture(t)
	bad := f.add("Refused")
	if _, err := f.AddNote(f.ctx, bad, "hangs on it", ""); err != nil {
		t.Fatal(err)
	}
	f.add("Fine")
	ops := f.batch()
	done, err := f.Settle(f.ctx, ops[:1], []wire.Result{{OpID: ops[0].ID, Outcome: op.Rejected, Code: op.CodeDuplicateRef, Field: "external_ref", Message: "is taken"}}, nil)
	f.must(err)
	if done.Parked != 1 {
		t.Fatalf("%+v", done)
	}
	if b := f.batch(); len(b) != 1 || b[0].Fields.Text("title") != "Fine" {
		t.Fatalf("goes out: %+v", b)
	}
	q := f.queue()
	if q[0].State != localdb.BadgeParked || q[0].LastError != "is taken" || q[1].Behind != q[0].Op.ID || q[2].Behind != "" {
		t.Fatalf("queue %+v", q)
	}
	f.must(f.RetryOp(f.ctx, q[0].Op.ID))
	b := f.batch()
	titles := []string{}
	for _, o := range b {
		titles = append(titles, o.Fields.Text("title")+o.Fields.Text("body"))
	}
	if want := []string{"Fine", "Refused", "hangs on it"}; !slices.Equal(titles, want) {
		t.Errorf("order %v, want %v", titles, want)
	}
	if b[1].ID == q[0].Op.ID || b[1].Seq <= q[2].Op.Seq || b[2].ID != q[1].Op.ID {
		t.Errorf("a refused op goes out anew: %+v", b[1:])
	}
	// Discarding what was refused takes what hangs on it along.
	f.must(f.DiscardOp(f.ctx, b[1].ID))
	if n := len(f.queue()); n != 1 {
		t.Errorf("%d ops left", n)
	}
	if _, err := f.Task(f.ctx, bad); !errors.Is(err, localdb.ErrNotFound) {
		t.Errorf("the discarded task: %v", err)
	}
}

func TestBatchesKeepOrderAndGroupsWhole(t *testing.T) {
	f := newFixture(t)
	var ids []string
	for i := range 4 {
		ids = append(ids, f.add(fmt.Sprint("t", i)))
	}
	f.must(f.SetStatus(f.ctx, ids[0], localdb.Step{To: op.EnRoute})) // a group of two: ops 5 and 6
	sizes := []int{}
	for _, limit := range []int{3, 4, 5, 6, 100} {
		ops, err := f.NextBatch(f.ctx, limit, 1<<20)
		f.must(err)
		sizes = append(sizes, len(ops))
		for i := 1; i < len(ops); i++ {
			if ops[i].Seq <= ops[i-1].Seq {
				t.Errorf("out of order: %v", ops)
			}
		}
	}
	if want := []int{3, 4, 4, 6, 6}; !slices.Equal(sizes, want) {
		t.Errorf("batches %v, want %v", sizes, want)
	}
	if ops, _ := f.NextBatch(f.ctx, 100, 1); len(ops) != 1 {
		t.Errorf("a batch bound by bytes holds %d ops", len(ops))
	}
}

func TestTheClockIsTheBootClockOnceTheServerWasMet(t *testing.T) {
	f := newFixture(t)
	f.read.Wall = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() // wrong by years
	f.add("before the first contact")
	before := f.read
	f.pass(40 * time.Millisecond)
	server := start.UnixMilli()
	f.must(f.LearnOffset(f.ctx, server, before, f.read))
	f.read.Wall = 0 // a dead battery's clock, in the same boot
	f.read.Boot += 60_000
	f.add("after")
	ops := f.batch()
	if got := ops[0].Time(); got != server-20 || ops[0].TimeUncertain {
		t.Errorf("made before the contact: %d, want %d", got, server-20)
	}
	if got := ops[1].Time(); got != server+20+60_000 {
		t.Errorf("made after: off by %d ms", got-server-20-60_000)
	}
	f.read = op.Reading{Wall: server, Boot: 5, BootID: "boot-2"}
	f.add("in a boot that never met the server")
	if ops := f.batch(); !ops[2].TimeUncertain {
		t.Error("a boot without contact must say that its time is uncertain")
	}
	// A long exchange teaches nothing.
	before = f.read
	f.pass(time.Minute)
	f.must(f.LearnOffset(f.ctx, server, before, f.read))
	if ops := f.batch(); !ops[2].TimeUncertain {
		t.Error("an exchange of a minute was believed")
	}
}

func TestEnrolKeepsTheTokenOutOfTheDatabase(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: "d1", User: "ann", Role: op.Technician, Token: "plk1_canary", ServerID: "s1"}))
	d, err := f.Device(f.ctx)
	f.must(err)
	if d.Token != "plk1_canary" || d.User != "ann" {
		t.Errorf("device %+v", d)
	}
	info, err := os.Stat(f.path + ".token")
	f.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("token file has mode %v", info.Mode())
	}
	for _, name := range []string{f.path, f.path + "-wal"} {
		b, _ := os.ReadFile(name)
		if strings.Contains(string(b), "canary") {
			t.Errorf("%s holds the token", filepath.Base(name))
		}
	}
}

func TestOneSender(t *testing.T) {
	f := newFixture(t)
	release, ok, err := f.TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, ok, _ := f.TryLock(); ok {
		t.Error("two senders")
	}
	release()
	release2, ok, err := f.TryLock()
	if err != nil || !ok {
		t.Error("no takeover:", ok, err)
	} else {
		release2()
	}
}

func TestAViewerCannotWrite(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: "d", User: "vera", Role: op.Viewer}))
	if _, err := f.AddTask(f.ctx, op.Fields{"title": "x"}); err == nil || !strings.Contains(err.Error(), "may only look") {
		t.Errorf("got %v", err)
	}
}

func TestOpenErrorsSayWhatAndWhatNext(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "list.txt")
	os.WriteFile(bad, []byte(strings.Repeat("milk\n", 100)), 0o600)
	_, err := localdb.Open(t.Context(), bad, localdb.Options{})
	var e *localdb.Error
	if !errors.As(err, &e) || !errors.Is(err, localdb.ErrNotSQLite) || !strings.Contains(e.Message, bad) || e.Hint == "" {
		t.Errorf("got %#v", err)
	}
	f := newFixture(t)
	f.DB.Close()
	raw, err := sql.Open("sqlite3", f.path)
	f.must(err)
	_, err = raw.Exec("PRAGMA user_version = 99")
	f.must(err)
	raw.Close()
	if _, err := localdb.Open(t.Context(), f.path, localdb.Options{}); !errors.Is(err, localdb.ErrNewer) {
		t.Errorf("got %v", err)
	}
}

func TestDoEachIsAllOrNothing(t *testing.T) {
	f := newFixture(t)
	changes := func(yield func(localdb.Change) bool) {
		for i := range 1000 {
			title := fmt.Sprint("task ", i)
			if i == 999 {
				title = ""
			}
			if !yield(localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": title, "status": "PENDING"}}) {
				return
			}
		}
	}
	if err := f.DoEach(f.ctx, changes); err == nil {
		t.Fatal("a bad row passed")
	}
	if n, _ := f.CountTasks(f.ctx, localdb.Filter{}); n != 0 || len(f.queue()) != 0 {
		t.Errorf("%d tasks stayed", n)
	}
}
