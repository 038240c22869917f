package localdb_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func mark(version int64) wire.Seen {
	return wire.Seen{"north": {Version: version, Fingerprint: fmt.Sprint("print ", version)}}
}

// told hears a page and how the server's history stands.
func (f *fixture) told(version int64, more bool, changes ...wire.Change) {
	f.t.Helper()
	_, err := f.ApplyChanges(f.ctx, wire.Changes{Changes: changes, Cursor: fmt.Sprint("c", version), More: more, Seen: mark(version), Crews: []string{"north"}, User: "ann", Role: op.Technician})
	f.must(err)
}

// answered settles all that waits at the versions behind from.
func (f *fixture) answered(from int64) []op.Op {
	f.t.Helper()
	ops := f.batch()
	answer := f.applied(from)
	var results []wire.Result
	for _, o := range ops {
		r := answer(o)
		r.OpID = o.ID
		results = append(results, r)
	}
	_, err := f.Settle(f.ctx, ops, results, mark(from+int64(len(ops))))
	f.must(err)
	return ops
}

func (f *fixture) seen() wire.Mark {
	f.t.Helper()
	self, err := f.Self(f.ctx)
	f.must(err)
	return self.Seen["north"]
}

// reset: the server knows the crew up to a version, and some ops.
func (f *fixture) reset(common int64, known ...op.Op) {
	f.t.Helper()
	c := wire.Common{Common: map[string]int64{"north": common}}
	for _, o := range known {
		c.Known = append(c.Known, o.ID)
	}
	f.must(f.Reset(f.ctx, c))
}

func (f *fixture) reopen() {
	f.t.Helper()
	f.must(f.Close())
	f.open()
}

func (f *fixture) has(id string) bool {
	f.t.Helper()
	r, err := f.Record(f.ctx, op.Task, id)
	return err == nil && !r.Deleted
}

// TestSeen: the newest mark is remembered with what it came with, and of the
// long past a few dozen are enough to tell to within a quarter where a restored
// server stands.
func TestSeen(t *testing.T) {
	f := newFixture(t)
	if self, err := f.Self(f.ctx); err != nil || len(self.Seen)+len(self.Queues) != 0 {
		t.Fatalf("a fresh laptop says %+v, %v", self, err)
	}
	id := f.id()
	f.told(4, false, change(state(id, 4)))
	f.told(3, false)
	if got := f.seen(); got != mark(4)["north"] {
		t.Errorf("an older word replaced a newer one: %+v", got)
	}
	for v := int64(5); v <= 1000; v++ {
		f.told(v, false)
	}
	f.reopen()
	past, err := f.Past(f.ctx)
	f.must(err)
	list := past.Seen["north"]
	if len(list) > 60 || len(list) > wire.MaxMarks || list[0].Version != 1000 || list[len(list)-1].Version != 4 {
		t.Fatalf("%d marks from %d to %d", len(list), list[0].Version, list[len(list)-1].Version)
	}
	for i, m := range list[1:] {
		if gap, age := list[i].Version-m.Version, 1000-m.Version; gap > 1 && gap > age/2 {
			t.Errorf("a gap of %d at an age of %d", gap, age)
		}
		if m.Fingerprint != fmt.Sprint("print ", m.Version) {
			t.Errorf("%+v", m)
		}
	}
}

// TestReset follows a restored server through all its steps, the program being
// started anew at each.
func TestReset(t *testing.T) {
	f := newFixture(t)
	kept, gone, edited, turned := f.id(), f.id(), f.id(), f.id()
	f.told(3, false, change(state(kept, 1)), change(state(gone, 2)), change(state(turned, 2)), change(state(edited, 3)))
	f.change(edited, op.Fields{"asset": "before"})
	held := f.answered(3) // version 4: in the backup
	f.told(6, false, change(state(gone, 5, "title", "newer")), change(state(turned, 6, "title", "newer")))
	f.pass(time.Hour)
	f.change(edited, op.Fields{"asset": "lost"})
	made := f.add("made after the backup")
	lost := f.answered(6) // versions 7 and 8: not in it
	f.pass(time.Hour)
	f.change(kept, op.Fields{"asset": "waits"})
	waits := f.batch()[0].ID
	f.change(edited, op.Fields{"contact_phone": "1"}) // its author saw version 7, which is lost

	past, err := f.Past(f.ctx)
	f.must(err)
	if len(past.Seen["north"]) != 4 || !slices.Equal(past.Ops, []string{held[0].ID, lost[0].ID, lost[1].ID}) {
		t.Errorf("past: %+v", past)
	}
	f.reset(4, held...)
	f.reopen()
	if c, err := f.Cursor(f.ctx); err != nil || c != "" || f.seen().Version != 4 {
		t.Errorf("cursor %q, %v, seen %+v", c, err, f.seen())
	}
	if n, _ := f.PendingOps(f.ctx); n != 4 || len(f.batch()) != 0 {
		t.Errorf("%d wait and %d may go before the base is there", n, len(f.batch()))
	}
	for id, asset := range map[string]any{kept: "waits", edited: "lost"} {
		if got := f.field(id, "asset"); got != asset {
			t.Errorf("asset is %v, want %v", got, asset)
		}
	}
	f.change(edited, op.Fields{"priority": "high"}) // while the base is being taken

	f.told(5, true, change(state(kept, 1)), change(state(turned, 2)), change(state(edited, 5, "asset", "theirs", "contact_name", "Mr X")))
	f.reopen()
	if !f.has(gone) || !f.has(made) || len(f.batch()) != 0 {
		t.Error("something went before the base was there whole")
	}
	if f.field(edited, "asset") != "lost" || f.field(edited, "contact_name") != "Mr X" || f.field(edited, "priority") != "high" {
		t.Error("unsent work does not lie on top of what the restored server says")
	}
	f.told(5, false)
	f.reopen()
	if f.field(turned, "title") != "From the office" {
		t.Errorf("what only the lost history said still shows: %v", f.field(turned, "title"))
	}
	if f.has(gone) || !f.has(made) || !f.has(kept) {
		t.Error("what the server does not hold stays, or something else went")
	}
	got := f.batch()
	if len(got) != 5 || got[0].ID != lost[0].ID || got[1].ID != lost[1].ID || got[2].ID != waits {
		t.Fatalf("goes out: %+v", got)
	}
	for i, o := range got[:2] {
		if o.Seq != lost[i].Seq || o.Time() != lost[i].Time() || o.Base > 4 || o.TimeUncertain {
			t.Errorf("offered again as %+v, was %+v", o, lost[i])
		}
	}
	for _, o := range got[2:] {
		if o.Base > 4 || o.Base == 0 {
			t.Errorf("a version of the lost history counts as seen, or none at all: %+v", o)
		}
	}
	f.answered(5)
	if f.field(made, "title") != "made after the backup" || f.field(edited, "asset") != "lost" || len(f.queue()) != 0 {
		t.Error("in the end something is missing")
	}
	if n, err := f.Notices(f.ctx); err != nil || len(n) != 1 || n[0].Code != localdb.NoticeReset {
		t.Errorf("notices %+v, %v", n, err)
	}
	f.must(f.ReadNotices(f.ctx))
	if n, _ := f.Notices(f.ctx); len(n) != 0 {
		t.Errorf("read, and still there: %+v", n)
	}
}

// TestResetTwice: a server that is restored again, to an older backup still, gets
// what it had got again once more.
func TestResetTwice(t *testing.T) {
	f := newFixture(t)
	f.told(2, false)
	var ids []string
	for range 3 {
		ids = append(ids, f.add("made"))
		f.pass(time.Second)
	}
	first := f.answered(2)
	f.reset(4, first[:2]...) // the third is lost
	f.told(4, true, change(state(ids[0], 3)))
	f.reset(2) // and before its base was there, the other two
	f.told(2, false)
	got := f.batch()
	if len(got) != 3 {
		t.Fatalf("goes out: %+v", got)
	}
	for i, o := range got {
		if o.ID != first[i].ID || !f.has(ids[i]) {
			t.Errorf("%d: %+v, want %s", i, o, first[i].ID)
		}
	}
}

// TestResetRecordLost: a change whose record the server lost waits where it can
// be seen, with all of its action and with what the person does afterwards, and
// goes out by itself when the record comes back.
func TestResetRecordLost(t *testing.T) {
	f := newFixture(t)
	theirs, other := f.id(), f.id()
	f.told(2, false, change(state(other, 1)), change(state(theirs, 2)))
	f.change(theirs, op.Fields{"asset": "K-7"})
	f.change(other, op.Fields{"asset": "K-8"})
	sent := f.answered(2)
	f.reset(1)
	f.told(1, false, change(state(other, 1)))
	f.change(theirs, op.Fields{"priority": "high"})
	if got := f.batch(); len(got) != 1 || got[0].ID != sent[1].ID {
		t.Fatalf("goes out: %+v", got)
	}
	for _, q := range f.queue() {
		if lost := q.Op.Entity == theirs; lost != (q.State == localdb.BadgeParked) || lost && (q.Code != localdb.CodeRecordLost || !strings.Contains(q.LastError, "comes back")) {
			t.Errorf("%+v", q)
		}
	}
	if !f.has(theirs) || f.field(theirs, "title") != "From the office" || f.field(theirs, "priority") != "high" {
		t.Error("the record of unsent work does not show whole")
	}
	f.answered(1)
	f.told(9, false, change(state(theirs, 9, "contact_name", "Mr X")))
	got := f.batch()
	if len(got) != 2 || got[0].ID != sent[0].ID || f.field(theirs, "contact_name") != "Mr X" || f.field(theirs, "asset") != "K-7" {
		t.Errorf("when it came back: %+v", got)
	}

	f.reset(1)
	f.told(1, false, change(state(other, 1)))
	for _, q := range f.queue() {
		if q.Op.Entity == theirs {
			f.must(f.DiscardOp(f.ctx, q.Op.ID))
		}
	}
	if f.has(theirs) {
		t.Error("nothing waits for the lost record any more, and it is still here")
	}
}

// TestResetDeleted: a change to a record of which the restored server says that
// it was deleted, or that it left, waits for nothing: it goes out, and is answered.
func TestResetDeleted(t *testing.T) {
	f := newFixture(t)
	deleted, left, away := f.id(), f.id(), f.id()
	f.told(3, false, change(state(deleted, 1)), change(state(left, 2)), change(state(away, 3)))
	f.change(deleted, op.Fields{"asset": "K-7"})
	f.change(left, op.Fields{"asset": "K-8"})
	sent := f.answered(3)
	gone := func(id string, version int64) wire.Change {
		return wire.Change{EntityType: op.Task, EntityID: id, Crew: "north", Version: version, Gone: true}
	}
	if self, err := f.Self(f.ctx); err != nil || self.All {
		t.Errorf("%+v, %v", self, err)
	}
	f.reset(3)
	if self, err := f.Self(f.ctx); err != nil || !self.All {
		t.Errorf("does not ask for what was deleted: %+v, %v", self, err)
	}
	f.told(3, false, change(state(deleted, 1, "deleted", true)), gone(left, 2), gone(away, 3))
	if got := f.batch(); len(got) != 2 || got[0].ID != sent[0].ID || got[1].ID != sent[1].ID {
		t.Errorf("goes out: %+v", got)
	}
	if f.has(deleted) || f.has(left) || f.has(away) {
		t.Error("what was deleted or left still shows")
	}
}

// TestResetOffersOnlyOnesOwn: what another user of this laptop sent is not sent
// again in this one's name, and neither is what is older than a month.
func TestResetOffersOnlyOnesOwn(t *testing.T) {
	f := newFixture(t)
	enrol := func(user, id string) {
		f.must(f.Enrol(f.ctx, localdb.Device{ID: id, User: user, Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: "t"}))
	}
	enrol("ann", f.id())
	f.must(f.LearnOffset(f.ctx, f.read.Wall, f.read, f.read))
	old := f.add("by ann, long ago")
	f.answered(0)
	f.pass(31 * 24 * time.Hour)
	f.add("by ann")
	mine := f.answered(1)
	device := f.id()
	enrol("bob", device)
	f.reset(0)
	if n, _ := f.PendingOps(f.ctx); n != 0 {
		t.Errorf("bob offers %d of ann's changes", n)
	}
	enrol("ann", f.id())
	f.reset(0)
	_, err := f.ApplyChanges(f.ctx, wire.Changes{Cursor: "c", Crews: []string{"north"}, User: "ann", Role: op.Technician})
	f.must(err)
	if got := f.batch(); len(got) != 1 || got[0].ID != mine[0].ID || f.has(old) {
		t.Errorf("ann offers %+v", got)
	}
}

// TestForked: the changes stay as they are, the queue gets a new identity, and
// the person is told; enrolling anew makes it forgotten.
func TestForked(t *testing.T) {
	f := newFixture(t)
	f.told(1, false)
	f.add("one")
	f.add("two")
	before := f.batch()
	forked := func() wire.Settled {
		var results []wire.Result
		for _, o := range before {
			results = append(results, wire.Result{OpID: o.ID, Outcome: op.Rejected, Code: op.CodeForked})
		}
		s, err := f.Settle(f.ctx, before, results, nil)
		f.must(err)
		return s
	}
	if s := forked(); s.Forked != 2 || s.Parked+s.Acked != 0 {
		t.Errorf("%+v", s)
	}
	f.reopen()
	self, err := f.Self(f.ctx)
	f.must(err)
	if len(self.Queues) != 1 || !slices.EqualFunc(f.batch(), before, func(a, b op.Op) bool { return a.ID == b.ID && a.Seq == b.Seq }) {
		t.Errorf("%+v, %+v", self, f.batch())
	}
	for range 2 * wire.MaxQueues {
		forked()
	}
	last, err := f.Self(f.ctx)
	f.must(err)
	if len(last.Queues) != wire.MaxQueues || slices.Contains(last.Queues, self.Queues[0]) {
		t.Errorf("%d identities", len(last.Queues))
	}
	if n, _ := f.Notices(f.ctx); len(n) != 1 || n[0].Code != localdb.NoticeForked || n[0].Times != 1+2*wire.MaxQueues {
		t.Errorf("%+v", n)
	}
	f.must(f.Enrol(context.Background(), localdb.Device{ID: f.id(), User: "ann", Role: op.Technician, ServerID: "another", Token: "t"}))
	if self, _ := f.Self(f.ctx); len(self.Queues)+len(self.Seen) != 0 {
		t.Errorf("at another server: %+v", self)
	}
}

func (f *fixture) change(id string, fields op.Fields) {
	f.t.Helper()
	_, err := f.Do(f.ctx, localdb.Change{Kind: op.Task, ID: id, Action: op.Update, Fields: fields})
	f.must(err)
}

// How long ago something was settled is told by the server's clock: one that was
// set years ahead must not make this laptop forget what it sent yesterday.
func TestResetWhenTheWallClockIsYearsAhead(t *testing.T) {
	for name, boot := range map[string]string{"in the boot that met the server": "boot-1", "in another boot": "boot-2"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: "t"}))
			f.must(f.LearnOffset(f.ctx, f.read.Wall, f.read, f.read))
			f.add("yesterday")
			sent := f.answered(0)
			f.pass(24 * time.Hour)
			f.read.Wall += (4 * 365 * 24 * time.Hour).Milliseconds()
			f.read.BootID = boot
			past, err := f.Past(f.ctx)
			f.must(err)
			if len(past.Ops) != 1 {
				t.Errorf("%d settled changes are remembered, want 1", len(past.Ops))
			}
			f.reset(0)
			f.told(0, false)
			if got := f.batch(); len(got) != 1 || got[0].ID != sent[0].ID {
				t.Errorf("offers %+v, want the change of yesterday", got)
			}
		})
	}
}

// What a laptop sent while its clock stood in 1970 is not thirty years old as soon
// as it learns the time: it is kept for thirty days from then on.
func TestWhatWasSentByADeadClockIsKept(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Role: op.Technician, Crews: []string{"north"}, ServerURL: "http://127.0.0.1:1", ServerID: "s", Token: "t"}))
	today := f.read.Wall
	f.read.Wall = time.Minute.Milliseconds()
	f.add("sent by a dead clock")
	f.answered(0)
	remembered := func(want int, when string) {
		t.Helper()
		past, err := f.Past(f.ctx)
		f.must(err)
		if len(past.Ops) != want {
			t.Errorf("%s %d settled changes are remembered, want %d", when, len(past.Ops), want)
		}
	}
	f.must(f.LearnOffset(f.ctx, today, f.read, f.read))
	remembered(1, "once the time is known")
	f.add("sent since")
	f.answered(1)
	f.pass(29 * 24 * time.Hour)
	remembered(2, "29 days later")
	f.pass(2 * 24 * time.Hour)
	remembered(0, "31 days later")
}

// A laptop whose old data was put back sends again what it sent before, and takes
// the answers for changes of the record that it knows. What the pull then says of
// that version counts: the server knows what the laptop wrote since.
func TestOldDataPutBackTakesTheServersWord(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5)))
	f.change(remote, op.Fields{"asset": "old"})
	f.answered(8) // version 9 by now, and the server has a newer asset from this laptop
	f.hear("2", change(state(remote, 9, "asset", "newer, sent since", "contact_name", "Ann")))
	rec, err := f.Record(f.ctx, op.Task, remote)
	f.must(err)
	if rec.Fields.Text("asset") != "newer, sent since" || rec.Fields.Text("contact_name") != "Ann" {
		t.Errorf("it shows %v", rec.Fields)
	}
}

// A conflict goes by one id for ever. When a restored server comes to another end
// of it, the person hears that.
func TestARestoredServerDecidesAConflictAnew(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "asset", "A")))
	c := wire.Conflict{ID: "c1", EntityType: op.Task, EntityID: remote, Side: wire.SideOverrode, Field: "asset", Mine: "mine", Theirs: "theirs", Who: "dora", At: 6, MineAt: 7, Why: op.WhyLater}
	hear := func() localdb.Conflict {
		t.Helper()
		_, err := f.ApplyChanges(f.ctx, wire.Changes{Cursor: "2", User: "ann", Conflicts: []wire.Conflict{c}})
		f.must(err)
		all, err := f.Conflicts(f.ctx, true)
		f.must(err)
		if len(all) != 1 {
			t.Fatalf("%d conflicts", len(all))
		}
		return all[0]
	}
	hear()
	f.must(f.ResolveConflict(f.ctx, "c1", false))
	if got := hear(); got.State != "resolved" {
		t.Errorf("the same told again is %s", got.State)
	}
	c.Side, c.Theirs, c.At = wire.SideLost, "other", 8
	if got := hear(); got.Kind != "lost" || got.State != "open" || got.Theirs != "other" || got.At != 8 {
		t.Errorf("told that mine lost after all, the list says %+v", got)
	}
}
