package localdb_test

import (
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// TestAnew: a laptop that was away for too long takes what the server holds, and
// keeps what waits on top. What was deleted and forgotten meanwhile goes.
func TestAnew(t *testing.T) {
	f := newFixture(t)
	kept, edited, gone, lost, moved := change(state(f.id(), 1)), change(state(f.id(), 2)), change(state(f.id(), 3)), change(state(f.id(), 4)), change(state(f.id(), 5))
	o := newOffice(kept, edited, gone, lost, moved)
	f.must(second(f.ApplyChanges(f.ctx, o.page(o.changes()...))))
	f.change(edited.EntityID, op.Fields{"asset": "mine"})
	f.change(lost.EntityID, op.Fields{"asset": "mine"})
	note, err := f.AddNote(f.ctx, lost.EntityID, "mine", "note")
	f.must(err)
	f.pass(200 * 24 * time.Hour)
	before := f.batch()

	f.must(f.Anew(f.ctx, localdb.NoticeAway))
	f.reopen()
	self, err := f.Self(f.ctx)
	if c, _ := f.Cursor(f.ctx); err != nil || c != "" || !self.All || self.Seen["north"].Version != 5 || len(f.batch()) != 0 {
		t.Errorf("cursor %q, %+v, %d may go before the base is there", c, self, len(f.batch()))
	}
	if _, done, err := f.Compare(f.ctx, o.page(), true); done || err != nil {
		t.Errorf("compared while a base is taken, %v", err)
	}
	// The server: gone and lost were deleted and forgotten, moved left and says so.
	newer, fresh := change(state(edited.EntityID, 20, "title", "newer")), change(state(f.id(), 21))
	left := wire.Change{EntityType: op.Task, EntityID: moved.EntityID, Crew: "north", Version: 22, Gone: true}
	o = newOffice(kept, newer, fresh)
	o.version = 22
	page := o.page(kept, newer)
	page.More, page.Cursor, page.Digest = true, "half", nil
	f.must(second(f.ApplyChanges(f.ctx, page)))
	if !f.has(gone.EntityID) || !f.has(lost.EntityID) {
		t.Error("something went before the server had spoken of everything")
	}
	f.reopen()
	f.must(second(f.ApplyChanges(f.ctx, o.page(fresh, left))))
	for id, want := range map[string]bool{kept.EntityID: true, edited.EntityID: true, gone.EntityID: false, lost.EntityID: true, moved.EntityID: false, fresh.EntityID: true} {
		if f.has(id) != want {
			t.Errorf("%s is held: %v", id, !want)
		}
	}
	if f.field(edited.EntityID, "title") != "newer" || f.field(edited.EntityID, "asset") != "mine" || !f.compare(o) {
		t.Error("the base is not what the server holds, with unsent work on top")
	}
	after := f.batch()
	if len(after) != len(before) || after[0].ID != before[0].ID || after[0].Base != before[0].Base || after[1].ID != before[1].ID || after[2].Entity != note {
		t.Errorf("waits\n%+v\nbefore\n%+v", after, before)
	}
	if hist, err := f.History(f.ctx, edited.EntityID, 10); err != nil || len(hist) < 2 {
		t.Errorf("what others changed meanwhile is not in the history: %+v, %v", hist, err)
	}
	if told, err := f.Notices(f.ctx); err != nil || len(told) != 1 || told[0].Code != localdb.NoticeAway {
		t.Errorf("%+v, %v", told, err)
	}
	f.settle(func(q op.Op) wire.Result {
		if q.Entity == edited.EntityID {
			return wire.Result{Outcome: op.Applied, Version: 23, Stamp: q.Time()}
		}
		return wire.Result{Outcome: op.Rejected, Code: op.CodeNotFound, Message: "there is none"}
	})
	if q := f.queue(); len(q) != 2 || q[0].State != localdb.BadgeParked || q[0].Code != op.CodeNotFound {
		t.Errorf("%+v", q)
	}
}

// TestAnewWhileAReset runs: it stays a reset, whose lost records wait for the
// laptop that brings them back.
func TestAnewWhileAResetRuns(t *testing.T) {
	f := newFixture(t)
	lost := change(state(f.id(), 2))
	f.told(2, false, lost)
	f.change(lost.EntityID, op.Fields{"asset": "mine"})
	f.reset(1)
	f.must(f.Anew(f.ctx, localdb.NoticeAway))
	f.told(1, false)
	if q := f.queue(); len(q) != 1 || q[0].Code != localdb.CodeRecordLost {
		t.Errorf("%+v", q)
	}
	f.must(f.Anew(f.ctx, ""))
	f.told(1, false)
	if told, err := f.Notices(f.ctx); err != nil || len(told) != 2 {
		t.Errorf("%+v, %v", told, err)
	}
}

// TestSeenOfSeveralCrews: what is not new of one crew does not hide the others.
func TestSeenOfSeveralCrews(t *testing.T) {
	f := newFixture(t)
	for v := int64(1); v <= 20; v++ {
		seen := wire.Seen{"old": {Version: 1, Fingerprint: "o"}, "a": {Version: v, Fingerprint: "x"}, "z": {Version: v, Fingerprint: "x"}}
		f.must(second(f.ApplyChanges(f.ctx, wire.Changes{Cursor: "c", Seen: seen, Crews: []string{"a", "old", "z"}})))
		self, err := f.Self(f.ctx)
		if f.must(err); self.Seen["a"].Version != v || self.Seen["z"].Version != v || self.Seen["old"].Version != 1 {
			t.Fatalf("at %d it remembers %+v", v, self.Seen)
		}
	}
}
