package simtest_test

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/wire"
)

// How much is replayed: REPLAY says how many slices, "all" all of them.
const (
	sliceSize  = 100 // incidents
	someSlices = 1
	racedSize  = 15 // incidents of it
)

// TestReplayIncidents lets the people of a recorded year work again: each on a
// laptop of their own, which is cut off as a ferry, a bus or a train was. What
// each edit must come to is worked out beside it, from who had heard of what; the
// conflicts that are told must be those, no more and no fewer, and in the end all
// laptops and the server must hold the same. Incidents are independent, so they
// are replayed in slices, each with its own server and the people who touch it.
func TestReplayIncidents(t *testing.T) {
	all, trips := incidents(t), readRides(t)
	slicesOf := slices.Collect(slices.Chunk(all, sliceSize))
	n := someSlices
	switch text := os.Getenv("REPLAY"); {
	case text == "all":
		n = len(slicesOf)
	case text != "":
		n = number(t, "REPLAY", n)
	case testing.Short() || raceDetector:
		slicesOf = [][][]update{all[:racedSize]}
	}
	clean := newBlanks(t)
	sum, people := newSums(), map[string]bool{}
	var mu sync.Mutex
	work := make(chan int)
	var wg sync.WaitGroup
	for range children {
		wg.Go(func() {
			for i := range work {
				r := newReplay(t, slicesOf[i], trips, clean, i)
				err := r.play()
				mu.Lock()
				if err != nil {
					t.Errorf("slice %d: %v", i, err)
				}
				sum.add(r.sums)
				for name := range r.people {
					people[name] = true
				}
				mu.Unlock()
			}
		})
	}
	step := max(1, len(slicesOf)/max(1, n))
	for i := range n {
		work <- i * step % len(slicesOf)
	}
	close(work)
	wg.Wait()
	t.Logf("%d of %d slices, %d people:\n%s", n, len(slicesOf), len(people), sum)
}

// sums are what is counted in a replay.
type sums struct{ of map[string]int }

func newSums() sums { return sums{map[string]int{}} }

func (s sums) add(o sums) {
	for k, n := range o.of {
		s.of[k] += n
	}
}

func (s sums) String() string {
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(s.of)) {
		fmt.Fprintf(&out, "  %-50s %7d\n", k, s.of[k])
	}
	return out.String()
}

// replay is one slice while it is played. Nothing in it happens at once with
// anything else: the clock is that of the log.
type replay struct {
	sums
	t      *testing.T
	dir    string
	clean  blanks
	now    int64
	ids    *dice
	trips  []ride
	srv    *server.Server
	store  *sqlitestore.Store
	handle http.Handler
	people map[string]*technician
	byID   map[string]*technician // by device
	tasks  map[string]string      // incident → record
	due    agenda
	taken  int // ops that the server took
	values map[spot]*stood
	told   []clash
	errs   []error
}

// spot is one register of one record.
type spot struct{ task, register string }

// stood is what stands there by the oracle's reckoning.
type stood struct {
	value any
	stamp int64
	by    *technician
	n     int // replay.taken when it came to stand there
}

// clash is a conflict that two people must have been told of.
type clash struct {
	id            string
	winner, loser *technician
}

// technician is one person and the laptop.
type technician struct {
	r     *replay
	name  string
	id    string
	db    *localdb.DB
	eng   *engine.Engine
	link  commuter
	heard int            // of the ops that the server took
	knew  map[string]int // heard, when an op was made
	going map[int64]bool // moments at which something happens already
}

// event is something that a person's laptop does at a moment.
type event struct {
	at   int64
	n    int
	who  *technician
	edit *update // nil: it syncs
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[i].at, a[j].at), cmp.Compare(a[i].n, a[j].n)) < 0
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func newReplay(t *testing.T, some [][]update, trips []ride, clean blanks, n int) *replay {
	r := &replay{sums: newSums(), t: t, dir: scratch(t), clean: clean, trips: trips, people: map[string]*technician{}, byID: map[string]*technician{},
		tasks: map[string]string{}, values: map[spot]*stood{}, ids: &dice{r: rand.New(rand.NewPCG(uint64(n), 498))}}
	all := inOrder(some)
	r.now = all[0].at - day
	for i := range all {
		r.plan(all[i].at, r.person(all[i].who), &all[i])
	}
	return r
}

func (r *replay) person(name string) *technician {
	p := r.people[name]
	if p == nil {
		p = &technician{r: r, name: name, knew: map[string]int{}, going: map[int64]bool{}}
		p.link = commuter{r.trips[len(r.people)%len(r.trips)], r.now - 10*year - int64(len(r.people))*977*stretch}
		r.people[name] = p
	}
	return p
}

// plan puts an edit on the agenda. A laptop that is cut off then has heard what
// there was when that began, and sends when it ends.
func (r *replay) plan(at int64, p *technician, u *update) {
	if !p.link.up(at) {
		from, to := p.link.outage(at)
		for _, moment := range []int64{from, to} {
			if !p.going[moment] && moment > r.now {
				p.going[moment] = true
				heap.Push(&r.due, event{at: moment, n: len(r.due), who: p})
			}
		}
	}
	heap.Push(&r.due, event{at: at, n: len(r.due), who: p, edit: u})
}

func (r *replay) play() error {
	defer os.RemoveAll(r.dir)
	if err := r.open(); err != nil {
		return err
	}
	defer r.close()
	for r.due.Len() > 0 && len(r.errs) == 0 {
		e := heap.Pop(&r.due).(event)
		r.now = max(r.now, e.at)
		if e.edit == nil {
			r.err(e.who.sync())
			continue
		}
		r.err(r.edit(e.who, e.edit))
	}
	for range 2 { // the first time the last ones are sent, the second time heard
		for _, name := range slices.Sorted(maps.Keys(r.people)) {
			r.now += minute
			r.err(r.people[name].sync())
		}
	}
	if len(r.errs) == 0 {
		r.err(r.alike())
		r.err(r.listed())
	}
	r.of["people and laptops"] += len(r.people)
	r.of["incidents"] += len(r.tasks)
	return errors.Join(r.errs...)
}

func (r *replay) err(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// open starts the server and gives everybody a laptop.
func (r *replay) open() (err error) {
	path := filepath.Join(r.dir, "server.db")
	if err := os.WriteFile(path, r.clean.office, 0o600); err != nil {
		return err
	}
	ctx := context.Background()
	if r.store, err = sqlitestore.Open(ctx, path); err != nil {
		return err
	}
	r.srv, err = server.New(ctx, r.store, server.Options{Now: func() time.Time { return time.UnixMilli(r.now).UTC() }, Rand: r.ids})
	if err != nil {
		return err
	}
	r.handle = r.srv.Handler()
	for _, name := range slices.Sorted(maps.Keys(r.people)) {
		r.now += second
		if err := r.people[name].open(ctx); err != nil {
			return fmt.Errorf("laptop of %s: %w", name, err)
		}
	}
	return nil
}

func (r *replay) close() {
	for _, p := range r.people {
		if p.db != nil {
			p.db.Close()
		}
	}
	r.store.Close()
}

// RoundTrip carries a request to the server; who is cut off does not ask.
func (r *replay) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body) // a bytes.Reader
		req.Body.Close()
	}
	again, err := http.NewRequestWithContext(req.Context(), req.Method, req.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	again.Header, again.RemoteAddr = req.Header.Clone(), "10.0.0.1:4711"
	rec := httptest.NewRecorder()
	r.handle.ServeHTTP(rec, again)
	r.of["requests"]++
	r.of["bytes sent"] += len(body)
	r.of["bytes received"] += rec.Body.Len()
	resp := rec.Result()
	resp.Request = req
	return resp, nil
}

func (p *technician) clock() op.Reading {
	return op.Reading{Wall: p.r.now, Boot: p.r.now - 1_000_000_000_000, BootID: "one"}
}

func (p *technician) open(ctx context.Context) (err error) {
	r := p.r
	path := filepath.Join(r.dir, p.name+".db")
	if err := os.WriteFile(path, r.clean.laptop, 0o600); err != nil {
		return err
	}
	p.db, err = localdb.Open(ctx, path, localdb.Options{Clock: p.clock, NewID: func() string { return r.ids.uuid(r.now) }})
	if err != nil {
		return err
	}
	if _, err := r.srv.AddUser(ctx, server.User{Name: p.name, Role: op.Dispatcher, Crews: []string{crew}}); err != nil {
		return err
	}
	text, _, err := r.srv.Invite(ctx, p.name, address, time.Hour)
	if err != nil {
		return err
	}
	invite, err := wire.ParseInvite(text)
	if err != nil {
		return err
	}
	o := wire.ClientOptions{BaseURL: invite.URL, Version: "replay", Transport: r, Clock: p.clock, Nonce: func() string { return r.ids.uuid(r.now) }}
	client, err := wire.NewClient(o)
	if err != nil {
		return err
	}
	got, err := client.Enroll(ctx, wire.Enroll{Code: invite.Code, DeviceName: p.name}, invite.Fingerprint)
	if err != nil {
		return err
	}
	err = p.db.Enrol(ctx, localdb.Device{ID: got.DeviceID, Token: got.Token, User: got.User, Name: p.name, Role: got.Role, Crews: got.Crews,
		ServerURL: invite.URL, ServerID: got.ServerID, ServerKey: got.ServerKey, EnrolledAt: got.Time})
	if err != nil {
		return err
	}
	o.ServerID, o.ServerKey, o.Token = got.ServerID, got.ServerKey, got.Token
	if client, err = wire.NewClient(o); err != nil {
		return err
	}
	p.id = got.DeviceID
	r.byID[p.id] = p
	remote := &witness{Client: client, p: p}
	p.eng, err = engine.New(engine.Options{Local: p.db, Pending: p.db.PendingOps, Learn: p.db.LearnOffset, Lock: p.db.TryLock, Rand: r.ids.float, Clock: p.clock,
		Remote: func(context.Context) (engine.Remote, error) { return remote, nil }})
	return err
}

// sync is one round.
func (p *technician) sync() error {
	if _, err := p.eng.Round(context.Background()); err != nil {
		return fmt.Errorf("round of %s: %w", p.name, err)
	}
	p.r.of["rounds"]++
	p.heard = p.r.taken
	return nil
}

// edit is what a person does, looking at what the laptop shows.
func (r *replay) edit(p *technician, u *update) error {
	up := p.link.up(r.now)
	if up {
		if err := p.sync(); err != nil {
			return err
		}
	}
	ctx := context.Background()
	id, known := r.tasks[u.incident]
	var err error
	switch {
	case u.first:
		r.tasks[u.incident], err = p.db.AddTask(ctx, u.fields)
	case known:
		err = p.db.EditTask(ctx, id, u.fields)
	}
	if !u.first && (!known || errors.Is(err, localdb.ErrNotFound)) {
		r.of["edits put off: not heard of the incident yet"]++
		r.plan(r.now+30*minute, p, u)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s edits %s: %w", p.name, u.incident, err)
	}
	if !u.first {
		r.of["field edits of the log"] += u.columns
		r.of[map[bool]string{true: "updates made online", false: "updates made while cut off"}[up]]++
	}
	if up {
		return p.sync()
	}
	return nil
}

// witness stands between the engine and the server and holds each answer to what
// it must be.
type witness struct {
	*wire.Client
	p *technician
}

func (w *witness) Push(ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error) {
	out, err := w.Client.Push(ctx, self, ops)
	for i, result := range out.Results {
		w.p.r.err(w.p.r.judge(w.p, ops[i], result))
	}
	return out, err
}

// judge works out what an op must come to. Its author has heard what the laptop
// had heard when the batch's edits were made: no round lies between.
func (r *replay) judge(p *technician, o op.Op, got wire.Result) error {
	if got.Outcome == op.Rejected || got.Outcome == op.Retry || got.Duplicate {
		return fmt.Errorf("%s of %s by %s: %+v", o.Action, o.Entity, p.name, got)
	}
	r.taken++
	r.of["ops sent"]++
	lost, overrode := map[string]*technician{}, map[string]*technician{}
	for name, value := range o.Fields {
		if name != op.UpdatedAt {
			r.settle(p, o, name, value, lost, overrode)
		}
	}
	return errors.Join(r.compare(p, o, "lost", lost, got.Lost), r.compare(p, o, "overrode", overrode, got.Overrode))
}

func (r *replay) settle(p *technician, o op.Op, register string, value any, lost, overrode map[string]*technician) {
	at := spot{o.Entity, register}
	s := r.values[at]
	fresh := &stood{value, o.Time(), p, r.taken}
	switch {
	case s == nil:
		if o.Action == op.Update && value == nil {
			return
		}
		r.values[at] = fresh
	case s.by == p || s.n <= p.heard:
		fresh.stamp = max(o.Time(), s.stamp+1)
		r.values[at] = fresh
	case op.Equal(s.value, value):
		r.of["met with the same value: no conflict"]++
		if o.Time() > s.stamp {
			r.values[at] = fresh
		}
	case o.Time() > s.stamp:
		overrode[register] = s.by
		r.explain(register, o.Time()-s.stamp)
		r.values[at] = fresh
	default:
		lost[register] = s.by
		r.explain(register, s.stamp-o.Time())
	}
}

// explain counts a conflict by what it was about and how far the two edits lay apart.
func (r *replay) explain(register string, apart int64) {
	r.of["conflicts"]++
	r.of["conflicts about "+register]++
	for _, limit := range []int64{10 * minute, hour, 4 * hour} {
		if apart <= limit {
			r.of[fmt.Sprintf("conflicts of edits up to %3d minutes apart", limit/minute)]++
			return
		}
	}
	r.of["conflicts of edits further apart"]++
}

// compare holds the conflicts that an answer tells to those that there are.
func (r *replay) compare(p *technician, o op.Op, side string, want map[string]*technician, got []wire.Conflict) error {
	for _, c := range got {
		other, ok := want[c.Field]
		if !ok {
			return fmt.Errorf("false conflict: %s is told %s of %s: %+v", p.name, side, o.Entity, c)
		}
		if r.byID[c.Device] != other || !op.Equal(c.Mine, o.Fields[c.Field]) {
			return fmt.Errorf("%s is told %s of %s with a wrong side: %+v, but it was %s", p.name, side, o.Entity, c, other.name)
		}
		delete(want, c.Field)
		pair := clash{c.ID, other, p}
		if side == "overrode" {
			pair = clash{c.ID, p, other}
		}
		r.told = append(r.told, pair)
	}
	if len(want) > 0 {
		return fmt.Errorf("%s is not told that %s of %s %s", p.name, slices.Sorted(maps.Keys(want)), o.Entity, side)
	}
	return nil
}

// alike: everybody holds what the oracle says, and the same.
func (r *replay) alike() error {
	want := r.digest(func(add func(id, field string, value any)) error {
		for at, s := range r.values {
			add(at.task, at.register, s.value)
		}
		return nil
	})
	held := map[string]string{"the server": r.digest(func(add func(id, field string, value any)) error {
		for rec, err := range r.srv.Tasks(context.Background(), []string{crew}) {
			if err != nil {
				return err
			}
			addAll(add, rec.ID, rec.Fields)
		}
		return nil
	})}
	for name, p := range r.people {
		held[name] = r.digest(func(add func(id, field string, value any)) error {
			ids, err := p.db.IDs(context.Background(), op.Task)
			if err != nil {
				return err
			}
			recs, err := p.db.Records(context.Background(), op.Task, ids)
			for id, rec := range recs {
				addAll(add, id, rec.Fields)
			}
			return err
		})
	}
	for _, name := range slices.Sorted(maps.Keys(held)) {
		if held[name] != want {
			return fmt.Errorf("%s holds %s, but what was done comes to %s", name, held[name], want)
		}
		r.of["digests equal"]++
	}
	return nil
}

// given are fields that the server or the laptop adds by itself.
var given = map[string]bool{op.UpdatedAt: true, op.CrewField: true, "number": true, "id": true, "version": true, op.Deleted: true}

func addAll(add func(id, field string, value any), id string, fields op.Fields) {
	for name, value := range fields {
		add(id, name, value)
	}
}

// digest is SHA-256 over the sorted (record, field, value) of a set of records.
func (r *replay) digest(each func(add func(id, field string, value any)) error) string {
	var lines []string
	err := each(func(id, field string, value any) {
		if value != nil && !given[field] {
			lines = append(lines, fmt.Sprintf("%s %s %v\n", id, field, value))
		}
	})
	if err != nil {
		return err.Error()
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return fmt.Sprintf("%d values %s", len(lines), hex.EncodeToString(sum[:8]))
}

// listed: each conflict stands on both people's lists, and nothing else does.
func (r *replay) listed() error {
	lists := map[*technician]map[string]localdb.Conflict{}
	n := 0
	for _, p := range r.people {
		all, err := p.db.Conflicts(context.Background(), true)
		if err != nil {
			return err
		}
		lists[p] = map[string]localdb.Conflict{}
		for _, c := range all {
			lists[p][c.ID] = c
		}
		n += len(all)
	}
	for _, c := range r.told {
		won, lost := lists[c.winner][c.id], lists[c.loser][c.id]
		if won.Kind != "overrode" || lost.Kind == "" || lost.Kind == "overrode" || !op.Equal(won.Mine, lost.Theirs) || !op.Equal(won.Theirs, lost.Mine) {
			return fmt.Errorf("conflict %s stands with %s as %+v and with %s as %+v", c.id, c.winner.name, won, c.loser.name, lost)
		}
	}
	if n != 2*len(r.told) {
		return fmt.Errorf("%d conflicts stand on people's lists, but there were %d, each with two sides", n, len(r.told))
	}
	r.of["conflicts on both sides' lists"] += len(r.told)
	return nil
}
