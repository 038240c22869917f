package pgstore_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/pgstore"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// crowd is writers that send each batch until it is answered.
type crowd struct {
	rigs    []*storetest.Rig
	devices []*storetest.Device
	sent    atomic.Int64 // ops acknowledged
	failed  atomic.Int64 // tries that were answered 503, or not at all
	wait    sync.WaitGroup
}

func newCrowd(rigs []*storetest.Rig, n int) *crowd {
	rigs[0].User("ann", op.Technician, "north")
	c := &crowd{rigs: rigs}
	for range n {
		c.devices = append(c.devices, rigs[0].Enrol("ann"))
	}
	return c
}

// work sends batches of three until stop says so, then returns the number of ops.
func (c *crowd) work(t *testing.T, stop func() bool) {
	for i, d := range c.devices {
		c.wait.Go(func() {
			for n := i; !stop(); n++ {
				ops := []op.Op{d.NewTask(storetest.NewID(), "a"), d.NewTask(storetest.NewID(), "b"), d.NewTask(storetest.NewID(), "c")}
				for !c.push(t, d.At(c.rigs[n%len(c.rigs)]), ops) {
					c.failed.Add(1)
					n++
					time.Sleep(20 * time.Millisecond) // a laptop waits longer
				}
				c.sent.Add(int64(len(ops)))
			}
		})
	}
}

// push is one try. What is no answer to the ops must be a calm 503.
func (c *crowd) push(t *testing.T, d *storetest.Device, ops []op.Op) bool {
	a, err := d.Try(storetest.Request{Method: http.MethodPost, Path: wire.PathBatch, Token: d.Token, Body: wire.Batch{Ops: ops}})
	if err != nil {
		t.Error(err)
		return true
	}
	switch {
	case a.Status == http.StatusOK:
		var r wire.Results
		a.Into(&r)
		for _, res := range r.Results {
			if res.Outcome != op.Applied {
				t.Errorf("%+v", res)
			}
		}
		return true
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		return false
	}
	t.Errorf("answered with %d %s", a.Status, a.Body)
	return true
}

// settle waits for the writers and compares what was acknowledged with what is there.
func (c *crowd) settle(t *testing.T) {
	t.Helper()
	c.wait.Wait()
	page := c.devices[0].Pull()
	if n := c.sent.Load(); int64(len(page.Changes)) != n || page.Seen["north"].Version != n {
		t.Errorf("%d ops were acknowledged; there are %d records at version %d", n, len(page.Changes), page.Seen["north"].Version)
	}
	t.Logf("%d ops, %d tries answered with 503", c.sent.Load(), c.failed.Load())
}

// until is a condition that ends when n ops were acknowledged since it was made.
func (c *crowd) until(n int64) func() bool {
	from := c.sent.Load()
	return func() bool { return c.sent.Load() >= from+n }
}

// reach waits until so many ops were acknowledged.
func (c *crowd) reach(t *testing.T, n int64) {
	t.Helper()
	for late := time.Now().Add(2 * time.Minute); c.sent.Load() < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("stuck at %d ops of %d, %d tries failed", c.sent.Load(), n, c.failed.Load())
		}
	}
}

// TestF48KilledConnections: the database drops every connection again and again
// while two servers write. No op is lost or doubled, and no answer is an error
// other than "try again".
func TestF48KilledConnections(t *testing.T) {
	address := database(t)
	killer, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer killer.Close(t.Context())
	mine := fmt.Sprint("killed-", storetest.NewID()[:8])
	rigs := []*storetest.Rig{storetest.NewRig(t, openAt(t, address+"&application_name="+mine)), storetest.NewRig(t, openAt(t, address+"&application_name="+mine))}
	c := newCrowd(rigs, 8)
	var over atomic.Bool
	c.work(t, over.Load)
	for round := range int64(6) {
		c.reach(t, (round+1)*40)
		if _, err := killer.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, mine); err != nil {
			t.Error(err)
		}
	}
	c.reach(t, c.sent.Load()+60)
	over.Store(true)
	c.settle(t)
}

// TestF48Restarted: PostgreSQL is killed, crashes or is restarted under load and is
// away for a while. The servers go on by themselves, and what was acknowledged is there.
func TestF48Restarted(t *testing.T) {
	p := storetest.NewPostgres(t, "fsync=on")
	address, err := p.Database()
	if err != nil {
		t.Fatal(err)
	}
	r := storetest.NewRig(t, openAt(t, address))
	c := newCrowd([]*storetest.Rig{r}, 8)
	var over atomic.Bool
	c.work(t, over.Load)
	for _, end := range []func() error{p.Kill, func() error { return p.Stop("immediate") }, func() error { return p.Stop("fast") }, p.Kill} {
		c.reach(t, c.sent.Load()+60)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		ready := func() storetest.Answer {
			return r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathReady})
		}
		a := ready()
		for late := time.Now().Add(time.Minute); a.Status == http.StatusOK && time.Now().Before(late); a = ready() {
			time.Sleep(5 * time.Millisecond) // the cluster's other processes end when they notice
		}
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("ready without a database: %d %s", a.Status, a.Body)
		}
		if a := r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathHealth}); a.Status != http.StatusOK {
			t.Errorf("alive without a database: %d %s", a.Status, a.Body)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		c.reach(t, c.sent.Load()+30)
	}
	over.Store(true)
	c.settle(t)
	if c.failed.Load() == 0 {
		t.Error("the crash was not noticed: the test tests nothing")
	}
}

// TestF49Serializable: where every transaction is serializable, as CockroachDB has
// it, what collides is made again, and nobody hears of it.
func TestF49Serializable(t *testing.T) {
	address := database(t) + "&default_transaction_isolation=serializable"
	rigs := []*storetest.Rig{storetest.NewRig(t, openAt(t, address)), storetest.NewRig(t, openAt(t, address)), storetest.NewRig(t, openAt(t, address))}
	c := newCrowd(rigs, 9)
	c.work(t, c.until(200))
	c.settle(t)
}

// TestF49Deadlock: steps that lock crews in another order than the others' collide;
// one of them is made again.
func TestF49Deadlock(t *testing.T) {
	s := open(t)
	for _, name := range []string{"a", "b"} {
		if _, err := s.PutCrew(t.Context(), name, 1); err != nil {
			t.Fatal(err)
		}
	}
	// The second step's crew is known only once the first one was decided, which
	// waits until both writes hold their first crew.
	var met sync.WaitGroup
	met.Add(2)
	var wait sync.WaitGroup
	errs := make([]error, 2)
	for i, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		wait.Go(func() {
			first := true
			bump := func(crew string) server.Step {
				return server.Step{Needs: server.Needs{Crews: []string{crew}}, Decide: func(_ server.Needs, l server.Loaded) (server.Effects, server.Needs, error) {
					if first {
						first = false
						met.Done()
						met.Wait()
					}
					c := l.Crews[crew]
					c.Version++
					return server.Effects{Crews: []server.Crew{c}}, server.Needs{}, nil
				}}
			}
			errs[i] = s.Write(t.Context(), func(yield func(server.Step) bool) {
				for n, crew := range order {
					step := bump(crew)
					if n == 0 {
						step.Needs.OpIDs = make([]string, 5000) // a portion of its own
					}
					if !yield(step) {
						return
					}
				}
			})
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	heads, err := s.Heads(t.Context())
	if err != nil || heads["a"] != 2 || heads["b"] != 2 {
		t.Errorf("%v, %v", heads, err)
	}
}

// TestOtherLock: the same op is written by two who hold different crews, as when
// its user changes crews between two tries. The second one finds the first one's
// outcome instead of an error.
func TestOtherLock(t *testing.T) {
	s := open(t)
	for _, name := range []string{"a", "b"} {
		if _, err := s.PutCrew(t.Context(), name, 1); err != nil {
			t.Fatal(err)
		}
	}
	outcome := server.Outcome{User: "ann", OpID: storetest.NewID(), Device: storetest.NewID(), Seq: 1, Kind: op.Task, Result: `{"outcome":"applied"}`}
	var met, wait sync.WaitGroup
	met.Add(2)
	errs, known := make([]error, 2), make([]int, 2)
	for i, crew := range []string{"a", "b"} {
		wait.Go(func() {
			first := true
			needs := server.Needs{Crews: []string{crew}, User: "ann", OpIDs: []string{outcome.OpID}}
			errs[i] = s.Write(t.Context(), func(yield func(server.Step) bool) {
				yield(server.Step{Needs: needs, Decide: func(_ server.Needs, l server.Loaded) (server.Effects, server.Needs, error) {
					if first {
						first = false
						met.Done()
						met.Wait() // neither sees the other's
					}
					if known[i] = len(l.Outcomes); known[i] > 0 {
						return server.Effects{}, server.Needs{}, nil
					}
					return server.Effects{Outcomes: []server.Outcome{outcome}}, server.Needs{}, nil
				}})
			})
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil || known[0]+known[1] != 1 {
		t.Errorf("%v, %v", err, known)
	}
}

// TestRestored: a dump that is put back is an older history, and devices that
// were told of more find out before anything is applied.
func TestRestored(t *testing.T) {
	if clusterErr != nil {
		storetest.NoPostgres(t, clusterErr)
	}
	name := func() string {
		address, err := cluster.Database()
		if err != nil {
			t.Fatal(err)
		}
		return address
	}
	before, after := name(), name()
	old := storetest.NewRig(t, openAt(t, before))
	old.User("ann", op.Technician, "north")
	ann := old.Enrol("ann")
	kept, _ := ann.TryBatch(wire.Self{}, ann.NewTask(storetest.NewID(), "Boiler"))
	dump := filepath.Join(cluster.Dir, "dump-"+storetest.NewID())
	if err := cluster.Tool("pg_dump", "-Fc", "-f", dump, base(before)); err != nil {
		t.Fatal(err)
	}
	lost, _ := ann.TryBatch(wire.Self{Seen: kept.Seen}, ann.NewTask(storetest.NewID(), "Pump"))
	if err := cluster.Tool("pg_restore", "-d", base(after), dump); err != nil {
		t.Fatal(err)
	}
	fresh := storetest.NewRig(t, openAt(t, after))
	if fresh.Server.ID() != old.Server.ID() {
		t.Fatal("the restored server goes by another name")
	}
	ann = ann.At(fresh)
	if _, a := ann.TryChanges(wire.Self{Seen: lost.Seen}); a.Status != http.StatusConflict || !strings.Contains(string(a.Body), wire.CodeReset) {
		t.Errorf("a device that was told of more: %d %s", a.Status, a.Body)
	}
	if _, a := ann.TryBatch(wire.Self{Seen: lost.Seen}, ann.NewTask(storetest.NewID(), "Fan")); a.Status != http.StatusConflict {
		t.Errorf("its push: %d %s", a.Status, a.Body)
	}
	if page, a := ann.TryChanges(wire.Self{Seen: kept.Seen}); a.Status != http.StatusOK || len(page.Changes) != 1 {
		t.Errorf("a device that was told of no more than the dump holds: %d %s", a.Status, a.Body)
	}
	if next, _ := ann.TryBatch(wire.Self{Seen: kept.Seen}, ann.NewTask(storetest.NewID(), "Fan")); next.Seen["north"].Version != 2 || next.Seen["north"] == lost.Seen["north"] {
		t.Errorf("grown past the old end: %+v, was %+v", next.Seen, lost.Seen)
	}
	if changed, err := fresh.Store.Recount(t.Context(), "north"); changed || err != nil {
		t.Errorf("the digest of the restored records: changed %v, %v", changed, err)
	}
}

// base is the database that an address names.
func base(address string) string {
	_, rest, _ := strings.Cut(address, "@")
	_, name, _ := strings.Cut(rest, "/")
	name, _, _ = strings.Cut(name, "?")
	return name
}

// TestNewsAcrossServers: what one server commits another one on the database
// tells its devices of, and who was shut out at one is out at the other.
func TestNewsAcrossServers(t *testing.T) {
	address := database(t)
	here, there := openAt(t, address), openAt(t, address)
	r := storetest.NewRig(t, here)
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	news := there.Watch(t.Context())
	hear := func(what string) {
		t.Helper()
		select {
		case <-news:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s was not told to the other server", what)
		}
	}
	deaf := func() { // what was told already, and what the first look brings
		for quiet := time.After(4 * 250 * time.Millisecond); ; {
			select {
			case <-news:
			case <-quiet:
				return
			}
		}
	}
	deaf()
	version := ann.Must(ann.NewTask(storetest.NewID(), "New")).Version
	hear("a commit")
	if heads, err := there.Heads(t.Context()); err != nil || heads["north"] != version {
		t.Errorf("%v, %v", heads, err)
	}
	deaf()
	if err := r.Server.DisableUser(t.Context(), "ann", true); err != nil {
		t.Fatal(err)
	}
	hear("a user who may not sync any more")
	deaf()
	if err := here.Revoke(t.Context(), ann.ID, 5); err != nil {
		t.Fatal(err)
	}
	hear("a revoked device")
	if in, err := there.Standing(t.Context(), []string{ann.ID}); err != nil || len(in) != 0 {
		t.Errorf("%v, %v", in, err)
	}
}

// TestNothingOfTheNetworkHurts: names that PostgreSQL cannot keep come from
// devices and change nothing.
func TestNothingOfTheNetworkHurts(t *testing.T) {
	r := storetest.NewRig(t, open(t))
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	good, bad := ann.NewTask(storetest.NewID(), "Boiler"), ann.NewTask("x\x00y", "Pump")
	bad.Kind = "lor\x00ry"
	results := ann.Push(bad, good)
	if results[0].Outcome != op.Rejected || results[1].Outcome != op.Applied {
		t.Errorf("%+v", results)
	}
	if again := ann.Push(bad, good); !again[0].Duplicate || !again[1].Duplicate {
		t.Errorf("%+v", again)
	}
	if _, a := ann.TryChanges(wire.Self{Seen: wire.Seen{"no\x00rth": {Version: 1, Fingerprint: "x"}}}); a.Status != http.StatusConflict {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if _, err := r.Store.Tasks(t.Context(), server.TaskQuery{Crews: []string{"north"}, Match: "\x00", Limit: 5}); err != nil {
		t.Error(err)
	}
}

// TestClosed: a store that was closed says so calmly.
func TestClosed(t *testing.T) {
	s, err := pgstore.Open(t.Context(), database(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Heads(t.Context()); !errors.Is(err, server.ErrBusy) {
		t.Errorf("%v", err)
	}
}
