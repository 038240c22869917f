package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

func testCrewsAreApart(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	r.User("sam", op.Technician, "south")
	ann, sam := r.Enrol("ann"), r.Enrol("sam")
	task := NewID()
	secret := ann.NewTask(task, "secret")
	secret.Fields["external_ref"] = "R1"
	ann.Must(secret)

	there, none := sam.Push(sam.Set(task, 1, op.Fields{"title": "x"}))[0], sam.Push(sam.Set(NewID(), 1, op.Fields{"title": "x"}))[0]
	there.OpID, none.OpID = "", ""
	if !reflect.DeepEqual(there, none) || there.Code != op.CodeNotFound {
		t.Errorf("an answer tells what another crew holds: %+v against %+v", there, none)
	}
	stolen := secret // another crew's op id, record id and ref are all free in this one
	stolen.Seq = sam.seq + 1
	stolen.Fields = op.Fields{"title": "mine", "status": "PENDING", "external_ref": "R1", "updated_at": r.Now.Load()}
	if got := sam.Push(stolen)[0]; got.Outcome != op.Applied || got.Duplicate || got.ServerState.Text("title") != "mine" {
		t.Errorf("a clash of ids across crews: %+v", got)
	}
	for d, want := range map[*Device]string{ann: "secret", sam: "mine"} {
		if got := d.Pull(); len(got.Changes) != 1 || got.Changes[0].ServerState.Text("title") != want {
			t.Errorf("%s is told %+v", d.User, got.Changes)
		}
	}
}

// mover is a user of two crews with a task in the first and what hangs on it.
func (r *Rig) mover() (d *Device, task, item string) {
	r.User("ann", op.Dispatcher, "north", "south")
	d, task, item = r.Enrol("ann"), NewID(), NewID()
	insert := d.NewTask(task, "Boiler")
	insert.Fields["external_ref"] = "R1"
	d.Must(insert, d.Op(op.Insert, op.Item, item, 0, op.Fields{"task_id": task, "label": "look"}))
	return d, task, item
}

func testMove(t *testing.T, r *Rig) {
	ann, task, item := r.mover()
	r.User("nick", op.Technician, "north")
	r.User("sam", op.Technician, "south")
	nick, sam := r.Enrol("nick"), r.Enrol("sam")
	sam.Must(sam.NewTask(NewID(), "Pump"))
	nick.Pull()
	sam.Pull()
	res := ann.Must(ann.Set(task, 1, op.Fields{"crew": "south"}))
	if res.ServerState.Text("crew") != "south" || res.ServerState.Text("number") != "T-10002" || res.ServerState.Text("title") != "Boiler" {
		t.Errorf("moved to %v", res.ServerState)
	}
	left := map[string]bool{}
	for _, c := range nick.Pull().Changes {
		if !c.Gone || c.Crew != "north" || c.ServerState != nil {
			t.Errorf("the old crew hears %+v", c)
		}
		left[c.EntityID] = true
	}
	came := map[string]bool{}
	for _, c := range sam.Pull().Changes {
		if c.Gone || c.Crew != "south" || c.ServerState.Text("crew") != "south" {
			t.Errorf("the new crew hears %+v", c)
		}
		came[c.EntityID] = true
	}
	if want := map[string]bool{task: true, item: true}; !reflect.DeepEqual(left, want) || !reflect.DeepEqual(came, want) {
		t.Errorf("left %v, came %v; want task and item", left, came)
	}
	if fresh := r.Enrol("nick").Pull(); len(fresh.Changes) != 0 {
		t.Errorf("a new device is told of what is gone: %+v", fresh.Changes)
	}
	if got := nick.Push(nick.Set(task, 1, op.Fields{"title": "x"}))[0]; got.Code != op.CodeNotFound {
		t.Errorf("the old crew's edit: %+v", got)
	}
	// Whoever edits what they saw in the new crew is not told of a conflict, though
	// the versions of the two crews were far apart.
	if got := sam.Push(sam.Set(task, res.Version, op.Fields{"title": "Boiler 2"}))[0]; got.Outcome != op.Applied || len(got.Overrode) != 0 {
		t.Errorf("an edit after the move: %+v", got)
	}
}

// What a device sent before it heard anything may be deleted by the time it asks.
func testPushedBeforeHeard(t *testing.T, r *Rig) {
	r.User("ann", op.Dispatcher, "north", "south")
	r.User("nick", op.Technician, "north")
	ann, nick := r.Enrol("ann"), r.Enrol("nick")
	deleted, moved := NewID(), NewID()
	answer, _ := nick.TryBatch(wire.Self{}, nick.NewTask(deleted, "Boiler"), nick.NewTask(moved, "Pump"))
	ann.Must(ann.Op(op.Delete, op.Task, deleted, 1, nil), ann.Set(moved, 2, op.Fields{"crew": "south"}))
	page, _ := nick.TryChanges(wire.Self{Seen: answer.Seen})
	heard := map[string]bool{}
	for _, c := range page.Changes {
		heard[c.EntityID] = c.Gone || c.ServerState.Bool(op.Deleted)
	}
	if want := map[string]bool{deleted: true, moved: true}; !reflect.DeepEqual(heard, want) {
		t.Errorf("it hears %+v of what it made, want that both are not there any more", page.Changes)
	}
	if fresh, _ := r.Enrol("nick").TryChanges(wire.Self{}); len(fresh.Changes) != 0 {
		t.Errorf("a new device is told of what is gone: %+v", fresh.Changes)
	}
}

func testMoveBackAndForth(t *testing.T, r *Rig) {
	ann, task, item := r.mover()
	for _, crew := range []string{"south", "north", "south", "north"} {
		r.Pass(time.Second)
		ann.Must(ann.Set(task, 99, op.Fields{"crew": crew}))
	}
	twice := []op.Op{ann.Set(task, 99, op.Fields{"crew": "south"}), ann.Op(op.Update, op.Item, item, 99, op.Fields{"label": "touch"}), ann.Set(task, 99, op.Fields{"crew": "north"})}
	ann.Must(twice...)
	got := map[string]string{}
	for _, c := range r.Enrol("ann").Pull().Changes {
		got[c.EntityID] = c.Crew
	}
	if want := map[string]string{task: "north", item: "north"}; !reflect.DeepEqual(got, want) {
		t.Errorf("records are in %v; want %v", got, want)
	}
}

func testMoveRefused(t *testing.T, r *Rig) {
	ann, task, item := r.mover()
	r.User("sam", op.Technician, "south")
	sam := r.Enrol("sam")
	sam.Must(sam.Op(op.Insert, op.Site, NewID(), 0, op.Fields{"code": "S", "name": "s"}))
	other := NewID()
	sam.Must(sam.NewTask(other, "Pump"), sam.Op(op.Insert, op.Item, item, 0, op.Fields{"task_id": other, "label": "theirs"})) // the same id as ann's item
	if got := ann.Push(ann.Set(task, 9, op.Fields{"crew": "south"}))[0]; got.Outcome != op.Rejected || got.Code != op.CodeBadID {
		t.Errorf("a move onto a record of the same id: %+v", got)
	}
	for _, c := range sam.Pull().Changes {
		if c.EntityID == item && c.ServerState.Text("label") != "theirs" {
			t.Errorf("overwritten: %+v", c)
		}
	}
	// Two dispatchers move one task: the later one wins, the other is told.
	r.User("dora", op.Dispatcher, "north", "west", "south")
	dora := r.Enrol("dora")
	second := NewID()
	ann.Must(ann.NewTask(second, "Fan"))
	r.Pass(time.Minute)
	early := ann.Set(second, 3, op.Fields{"crew": "south"})
	r.Pass(time.Minute)
	dora.Must(dora.Set(second, 3, op.Fields{"crew": "west"}))
	if got := ann.Push(early)[0]; got.Code != op.CodeNotFound { // ann is not in west
		t.Errorf("moving what has moved out of reach: %+v", got)
	}
}

func testPaging(t *testing.T, r *Rig) {
	r.User("ann", op.Dispatcher, "north", "south")
	ann := r.Enrol("ann")
	want := map[string]bool{}
	for i := range 25 {
		id := NewID()
		insert := ann.NewTask(id, fmt.Sprint("task ", i))
		insert.Fields["crew"] = []string{"north", "south"}[i%2]
		ann.Must(insert)
		want[id] = true
	}
	for limit := 1; limit <= 30; limit += 7 {
		ann.Cursor = ""
		got := map[string]bool{}
		for pages := 1; ; pages++ {
			page := ann.Page(limit)
			for _, c := range page.Changes {
				if got[c.EntityID] {
					t.Errorf("limit %d: %s came twice", limit, c.EntityID)
				}
				got[c.EntityID] = true
			}
			if len(page.Changes) > limit || pages > 30 {
				t.Fatalf("limit %d: page %d holds %d changes", limit, pages, len(page.Changes))
			}
			if !page.More {
				break
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("limit %d: %d of %d tasks came", limit, len(got), len(want))
		}
	}
	if a := ann.Page(10); len(a.Changes) != 0 || a.More {
		t.Errorf("after the end: %+v", a)
	}
}

// testCursorConcurrentWriters: whoever follows by cursor while others write
// hears of every version in order, and of each record's last one.
// testCursorConcurrentWriters: several servers on one store, writers that work
// for two crews in turn, and a reader that goes from server to server: it hears
// of every change, once, and versions only grow.
func testCursorConcurrentWriters(t *testing.T, r *Rig) {
	r.User("ann", op.Dispatcher, "north", "south")
	servers := []*Rig{r, NewRig(t, r.Store), NewRig(t, r.Store)}
	const writers, batches, size = 9, 4, 5
	var wait sync.WaitGroup
	for w := range writers {
		d := r.Enrol("ann")
		wait.Go(func() {
			for b := range batches {
				var ops []op.Op
				for range size {
					insert := d.NewTask(NewID(), "x")
					insert.Fields["crew"] = []string{"north", "south"}[(w+b)%2]
					ops = append(ops, insert)
				}
				if _, err := d.At(servers[w%len(servers)]).TryPush(ops...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	follower := r.Enrol("ann")
	done := make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	heard, last := map[string]int{}, map[string]int64{}
	for over, n := false, 0; ; n++ {
		follower = follower.At(servers[n%len(servers)])
		page, err := follower.TryPage(7)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Changes {
			if c.Version <= last[c.Crew] {
				t.Errorf("%s: version %d after %d", c.Crew, c.Version, last[c.Crew])
			}
			heard[c.EntityID]++
			last[c.Crew] = c.Version
		}
		if over && !page.More {
			break
		}
		select {
		case <-done:
			over = true
		default:
		}
	}
	if len(heard) != writers*batches*size || last["north"]+last["south"] != writers*batches*size {
		t.Errorf("heard of %d records, up to %v; %d were made", len(heard), last, writers*batches*size)
	}
	for id, n := range heard {
		if n != 1 {
			t.Errorf("heard %d times of %s", n, id)
		}
	}
}

// testOnceOnlyAcrossServers: the same batch reaches two servers at once.
func testOnceOnlyAcrossServers(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	ann, other := r.Enrol("ann"), NewRig(t, r.Store)
	if other.Server.ID() != r.Server.ID() {
		t.Fatal("two servers on one store go by two names")
	}
	for range 5 {
		ops := []op.Op{ann.NewTask(NewID(), "Boiler"), ann.NewTask(NewID(), "Fan")}
		var wait sync.WaitGroup
		var results [4][]wire.Result
		for i := range results {
			d := ann.At([]*Rig{r, other}[i%2])
			wait.Go(func() {
				var err error
				if results[i], err = d.TryPush(ops...); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		first := 0
		for _, res := range results {
			if len(res) != 2 || res[0].Outcome != op.Applied || res[1].Outcome != op.Applied || res[0].Version != results[0][0].Version {
				t.Fatalf("%+v", results)
			}
			if !res[0].Duplicate {
				first++
			}
		}
		if first != 1 {
			t.Fatalf("a batch took effect %d times", first)
		}
	}
	if got := ann.Pull(); len(got.Changes) != 10 || got.Seen["north"].Version != 10 {
		t.Errorf("%d records at version %d", len(got.Changes), got.Seen["north"].Version)
	}
}

func testNewCrewFromTheStart(t *testing.T, r *Rig) {
	ann, _, task := r.pair()
	r.User("cleo", op.Technician, "south")
	cleo := r.Enrol("cleo")
	cleo.Must(cleo.NewTask(NewID(), "Pump"))
	cleo.Pull()
	crews := func(crews ...string) {
		if _, err := r.Server.SetUser(t.Context(), "cleo", func(u *server.User) { u.Crews = crews }); err != nil {
			t.Fatal(err)
		}
	}
	crews("south", "north")
	got := cleo.Pull()
	if len(got.Changes) != 1 || got.Changes[0].EntityID != task || len(got.Crews) != 2 {
		t.Errorf("a new member hears %+v", got)
	}
	crews("south")
	ann.Must(ann.NewTask(NewID(), "Fan"))
	if got := cleo.Pull(); len(got.Changes) != 0 || len(got.Crews) != 1 {
		t.Errorf("who left a crew still hears %+v", got)
	}
}
