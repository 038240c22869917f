package storetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// testChain: a store keeps the fingerprint of every version and finds it again.
func testChain(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	link := func(crew string, v int64) server.Link {
		return server.Link{Mark: server.Mark{Crew: crew, Version: v}, Fingerprint: fmt.Sprint("print of ", crew, v)}
	}
	head := server.Crew{Name: "north", Version: 2, Fingerprint: link("north", 2).Fingerprint}
	put(t, s, server.Effects{Crews: []server.Crew{head}, Links: []server.Link{link("north", 1), link("north", 2), link("south", 1)}})
	asked := []server.Mark{{Crew: "north", Version: 1}, {Crew: "north", Version: 3}, {Crew: "south", Version: 1}, {Crew: "west", Version: 1}}
	want := map[server.Mark]string{asked[0]: link("north", 1).Fingerprint, asked[2]: link("south", 1).Fingerprint}
	l := load(t, s, server.Needs{Crews: []string{"north"}, Marks: asked})
	if !reflect.DeepEqual(l.Fingerprints, want) || l.Crews["north"] != head {
		t.Errorf("loaded %+v", l)
	}
	feed, err := s.Changes(t.Context(), server.ChangesQuery{Spans: []server.Span{{Crew: "north"}}, Marks: asked, Rows: 9, Conflicts: 9})
	if err != nil || !reflect.DeepEqual(feed.Fingerprints, want) || feed.Crews["north"] != head {
		t.Errorf("in a feed: %+v, %v", feed, err)
	}
	if l := load(t, s, server.Needs{Crews: []string{"north"}}); len(l.Fingerprints) != 0 {
		t.Errorf("fingerprints that nobody asked for: %v", l.Fingerprints)
	}
}

// TryBatch pushes ops with what the device says of itself.
func (d *Device) TryBatch(self wire.Self, ops ...op.Op) (wire.Results, Answer) {
	d.T.Helper()
	if ops == nil {
		ops = []op.Op{}
	}
	a := d.Do(Request{Method: http.MethodPost, Path: wire.PathBatch, Token: d.Token, Body: wire.Batch{Seen: self.Seen, Queues: self.Queues, Ops: ops}})
	var r wire.Results
	if a.Status == http.StatusOK {
		a.Into(&r)
	}
	return r, a
}

// TryChanges pulls one page from the start with what the device says of itself.
func (d *Device) TryChanges(self wire.Self) (wire.Changes, Answer) {
	d.T.Helper()
	q := url.Values{"limit": {"1000"}}
	if self.All {
		q.Set("all", "1")
	}
	if len(self.Seen) > 0 {
		text, err := json.Marshal(self.Seen)
		if err != nil {
			d.T.Fatal(err)
		}
		q.Set("seen", string(text))
	}
	for i, id := range self.Queues {
		if i > 0 {
			id = q.Get("queues") + "," + id
		}
		q.Set("queues", id)
	}
	a := d.Do(Request{Method: http.MethodGet, Path: wire.PathChanges + "?" + q.Encode(), Token: d.Token})
	var c wire.Changes
	if a.Status == http.StatusOK {
		a.Into(&c)
	}
	return c, a
}

func isReset(a Answer) bool {
	var p wire.Problem
	return a.Status == http.StatusConflict && json.Unmarshal(a.Body, &p) == nil && p.Code == wire.CodeReset
}

// testSeen: answers say how each crew stands; a device that was told anything
// else is refused on push and pull alike, before anything is applied.
func testSeen(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north", "south")
	ann := r.Enrol("ann")
	if _, a := ann.TryBatch(wire.Self{}); a.Status != http.StatusOK || a.Object()["seen"] != nil {
		t.Errorf("crews without a history: %s", a.Body)
	}
	first, a := ann.TryBatch(wire.Self{}, ann.NewTask(NewID(), "Boiler"))
	mark := first.Seen["north"]
	if len(first.Seen) != 1 || mark.Version != 1 || len(mark.Fingerprint) < 22 {
		t.Fatalf("seen after one op: %s", a.Body)
	}
	page, _ := ann.TryChanges(wire.Self{Seen: first.Seen})
	second, _ := ann.TryBatch(wire.Self{Seen: first.Seen}, ann.NewTask(NewID(), "Pump"))
	if !reflect.DeepEqual(page.Seen, first.Seen) || second.Seen["north"].Version != 2 || second.Seen["north"].Fingerprint == mark.Fingerprint {
		t.Errorf("seen in a page %v, after another op %v", page.Seen, second.Seen)
	}
	if _, a := ann.TryChanges(wire.Self{Seen: first.Seen}); a.Status != http.StatusOK {
		t.Errorf("an older mark of the same history: %s", a.Body)
	}
	for name, seen := range map[string]wire.Seen{
		"another fingerprint":          {"north": {Version: 2, Fingerprint: mark.Fingerprint}},
		"a version to come":            {"north": {Version: 3, Fingerprint: mark.Fingerprint}},
		"no fingerprint":               {"north": {Version: 2}},
		"a crew without that version":  {"south": mark},
		"a crew that is not":           {"nowhere": mark},
		"one right crew and one wrong": {"north": second.Seen["north"], "south": mark},
	} {
		_, batch := ann.TryBatch(wire.Self{Seen: seen}, ann.NewTask(NewID(), "lost"))
		_, empty := ann.TryBatch(wire.Self{Seen: seen})
		_, pull := ann.TryChanges(wire.Self{Seen: seen})
		if !isReset(batch) || !isReset(empty) || !isReset(pull) {
			t.Errorf("%s: %d %d %d\n%s", name, batch.Status, empty.Status, pull.Status, batch.Body)
		}
	}
	if got := ann.Pull(); len(got.Changes) != 2 {
		t.Errorf("something of the refused batches was applied: %+v", got.Changes)
	}
}

// testSeenOfOtherCrews: what is answered tells nothing of a crew that the user
// is not in, and a crew that the user lost is no reason for alarm.
func testSeenOfOtherCrews(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north", "south")
	r.User("sam", op.Technician, "west")
	ann, sam := r.Enrol("ann"), r.Enrol("sam")
	both, _ := ann.TryBatch(wire.Self{}, ann.NewTask(NewID(), "Boiler"), ann.Op(op.Insert, op.Task, NewID(), 0, op.Fields{"title": "x", "status": "PENDING", "crew": "south"}))
	sam.Must(sam.NewTask(NewID(), "Pump"))
	guess := both.Seen["north"]
	_, there := ann.TryChanges(wire.Self{Seen: wire.Seen{"west": guess}})
	_, none := ann.TryChanges(wire.Self{Seen: wire.Seen{"east": guess}})
	if !isReset(there) || string(there.Body) != string(none.Body) {
		t.Errorf("a crew that is: %s\na crew that is not: %s", there.Body, none.Body)
	}
	set := func(crews ...string) {
		if _, err := r.Server.SetUser(t.Context(), "ann", func(u *server.User) { u.Crews = crews }); err != nil {
			t.Fatal(err)
		}
	}
	set("north")
	res, a := ann.TryBatch(wire.Self{Seen: both.Seen}, ann.NewTask(NewID(), "Fan"))
	if a.Status != http.StatusOK || len(res.Seen) != 1 {
		t.Errorf("who left a crew: %s", a.Body)
	}
	set("north", "west")
	page, a := ann.TryChanges(wire.Self{Seen: both.Seen})
	if a.Status != http.StatusOK || page.Seen["west"].Version != 1 || len(page.Seen) != 2 {
		t.Errorf("who came to a crew: %s", a.Body)
	}
}

// testHistory: a device learns how much of its past the server still holds.
func testHistory(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	r.User("bob", op.Technician, "north")
	bob := r.Enrol("bob")
	foreign := bob.NewTask(NewID(), "Pump")
	bob.Must(foreign)
	var marks []wire.Mark
	var last op.Op
	for range 2 {
		last = ann.NewTask(NewID(), "Boiler")
		res, _ := ann.TryBatch(wire.Self{}, last)
		marks = append(marks, res.Seen["north"])
	}
	lost := []wire.Mark{{Version: 3, Fingerprint: "another"}, {Version: 9, Fingerprint: marks[0].Fingerprint}}
	a := ann.Do(Request{Method: http.MethodPost, Path: wire.PathHistory, Token: ann.Token,
		Body: wire.Past{Seen: map[string][]wire.Mark{"north": append(marks[:1:1], lost...), "south": lost}, Ops: []string{NewID(), last.ID, foreign.ID}}})
	var c wire.Common
	if a.Into(&c); a.Status != http.StatusOK || !reflect.DeepEqual(c, wire.Common{Common: map[string]int64{"north": 2, "south": 0}, Known: []string{last.ID}}) {
		t.Errorf("what is common: %s", a.Body)
	}
	ann.Must(ann.Op(op.Delete, op.Task, last.Entity, 3, op.Fields{}))
	some, _ := ann.TryChanges(wire.Self{})
	all, _ := ann.TryChanges(wire.Self{All: true})
	if len(some.Changes) != 2 || len(all.Changes) != 3 {
		t.Errorf("%d changes from the start, %d with what was deleted", len(some.Changes), len(all.Changes))
	}
	if a := ann.Do(Request{Method: http.MethodPost, Path: wire.PathHistory, Token: ann.Token, Body: `{"seen":7}`}); a.Status != http.StatusBadRequest {
		t.Errorf("what is no past: %s", a.Body)
	}
}

// testChainCoversAll: the fingerprint of a version is that of all before it. Two
// histories that end in the very same op, at the same version, are told apart
// when they differ anywhere.
func testChainCoversAll(t *testing.T, open func(testing.TB) server.Store) {
	by := server.Author{Device: NewID(), User: "ann", Role: op.Technician, Crews: []string{"north"}}
	insert := func(title string) op.Op {
		return op.Op{ID: NewID(), Kind: op.Task, Entity: NewID(), Action: op.Insert, Fields: op.Fields{"title": title, "status": "PENDING", "updated_at": Start}, CreatedAt: Start, Schema: op.Schema}
	}
	common, last := insert("Boiler"), insert("Fan")
	end := func(ops ...op.Op) (record string, stand wire.Seen) {
		r := NewRig(t, open(t))
		r.User("ann", op.Technician, "north")
		for _, o := range append(ops, last) {
			if _, err := r.Server.Apply(t.Context(), by, []op.Op{o}); err != nil {
				t.Fatal(err)
			}
		}
		page, _ := r.Enrol("ann").TryChanges(wire.Self{})
		text, err := json.Marshal(page.Changes[len(page.Changes)-1])
		if err != nil {
			t.Fatal(err)
		}
		return string(text), page.Seen
	}
	row1, one := end(common, insert("Pump"))
	row2, same := end(common, insert("Pump"))
	if row1 != row2 {
		t.Fatalf("the last op is not the same in both:\n%s\n%s", row1, row2)
	}
	if one["north"].Version != 3 || one["north"] == same["north"] {
		t.Errorf("two histories that differ in the middle: %v and %v", one, same)
	}
	if _, again := end(common); again["north"] == one["north"] {
		t.Errorf("a shorter history: %v and %v", again, one)
	}
	x := insert("Pump")
	_, a := end(common, x)
	if _, b := end(common, x); !reflect.DeepEqual(a, b) {
		t.Errorf("the same history twice: %v and %v", a, b)
	}
}

// testChainLinks: an op that loses is a part of history too, a refused one is
// not; a task that moves is told of in the history of both crews.
func testChainLinks(t *testing.T, r *Rig) {
	ann, bob, task := r.pair()
	early := ann.Set(task, 1, op.Fields{"title": "by ann"})
	r.Pass(time.Minute)
	before, _ := bob.TryBatch(wire.Self{}, bob.Set(task, 1, op.Fields{"title": "by bob"}))
	lost, _ := ann.TryBatch(wire.Self{}, early)
	if lost.Results[0].Outcome != op.Conflicted || lost.Seen["north"].Version != before.Seen["north"].Version+1 {
		t.Errorf("an op that lost: %+v; stands at %v, before at %v", lost.Results[0], lost.Seen, before.Seen)
	}
	g := uuid.NewString()
	good, bad := ann.NewTask(NewID(), "Fan"), ann.NewTask(NewID(), "")
	good.Group, bad.Group = g, g
	refused, _ := ann.TryBatch(wire.Self{Seen: lost.Seen}, good, bad)
	if refused.Results[0].Outcome != op.Rejected || !reflect.DeepEqual(refused.Seen, lost.Seen) {
		t.Errorf("a refused group: %+v, %v after %v", refused.Results, refused.Seen, lost.Seen)
	}
	r.User("dora", op.Dispatcher, "north", "south")
	dora := r.Enrol("dora")
	moved, _ := dora.TryBatch(wire.Self{}, dora.Set(task, 9, op.Fields{"crew": "south"}))
	if moved.Results[0].Outcome != op.Applied || moved.Seen["north"].Version != moved.Seen["south"].Version || moved.Seen["north"].Fingerprint == moved.Seen["south"].Fingerprint {
		t.Errorf("a move: %+v, %v", moved.Results, moved.Seen)
	}
	for name, seen := range map[string]wire.Seen{"before": before.Seen, "lost": lost.Seen, "moved": moved.Seen} {
		if _, a := dora.TryChanges(wire.Self{Seen: seen}); a.Status != http.StatusOK {
			t.Errorf("%s is not found again: %s", name, a.Body)
		}
	}
}

// testQueues: a device whose data was copied sends under another identity of its
// queue. What the other copy sent already is a repeat, and what it did not see
// is not overwritten in silence.
func testQueues(t *testing.T, r *Rig) {
	_, bob, task := r.pair()
	shared := bob.Set(task, 1, op.Fields{"asset": "K-7"}) // it waited on the laptop when that was copied
	copied := *bob
	bob.Must(shared, bob.Set(task, 1, op.Fields{"title": "one"}))
	r.Pass(time.Minute)
	second := copied.Set(task, 1, op.Fields{"title": "two"}) // at the same place as bob's
	res, _ := copied.TryBatch(wire.Self{}, shared, second)
	if got := describe(res.Results); got != "applied rejected/forked" || !res.Results[0].Duplicate {
		t.Fatalf("the copy: %s", got)
	}
	self := wire.Self{Queues: []string{uuid.NewString()}}
	res, _ = copied.TryBatch(self, shared, second)
	if got := describe(res.Results); got != "applied applied" || !res.Results[0].Duplicate || res.Results[1].Duplicate || len(res.Results[1].Overrode) != 1 {
		t.Errorf("under an identity of its own: %s, %+v", got, res.Results)
	}
	res, _ = copied.TryBatch(self, shared, second)
	if !res.Results[1].Duplicate {
		t.Errorf("sent twice: %+v", res.Results)
	}
	if page, _ := bob.TryChanges(wire.Self{}); len(page.Conflicts) != 1 || page.Conflicts[0].Side != wire.SideLost {
		t.Errorf("the other copy hears %+v", page.Conflicts)
	}
	if page, _ := copied.TryChanges(self); len(page.Conflicts) != 1 {
		t.Errorf("the copy hears %+v", page.Conflicts)
	}
	third := copied.Set(task, 9, op.Fields{"title": "three"})
	third.Seq = second.Seq
	if res, _ := copied.TryBatch(self, third); describe(res.Results) != "rejected/forked" {
		t.Errorf("a copy of the copy: %s", describe(res.Results))
	}
	self.Queues = append(self.Queues, uuid.NewString())
	if res, _ := copied.TryBatch(self, third); describe(res.Results) != "applied" {
		t.Errorf("under a third identity: %s", describe(res.Results))
	}
	self.Queues = append(self.Queues, "not a UUID")
	if _, a := copied.TryBatch(self, third); a.Status != http.StatusBadRequest {
		t.Errorf("an identity that is none: %s", a.Body)
	}
}
