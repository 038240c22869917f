package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// laptop is one technician's machine. Its person's name is the user's.
type laptop struct {
	w     *world
	n     int
	name  string
	clock *machine
	dice  *dice // the person's
	ids   *dice
	once  *dice // nonces
	link  *link
	liar  bool // its program writes times of the future
	hears bool // its program listens for pokes
	crews []string

	mu       sync.Mutex // guards all below
	run      *run       // nil: the program does not run
	side     *run       // a second program on the same data
	sender   *run       // whose push is under way
	path     string
	gen      int
	starts   int    // of programs
	seq      int64  // newest place of the queue that is in the book
	trap     string // the point at which the program is to be killed
	device   string
	enrolled int64 // true time
	locked   bool  // revoked, or not known to the server, and not enrolled again yet
	era      int   // how many restores of the server it has found out
	heard    int64 // the newest version that it was told of …
	heardEra int   // … and in which era
	life     int   // how many times its data was put back
	serial   int
	versions map[rowKey]int64 // newest version on the screen of each record
	met      map[string]int64 // boots whose clock was held against the server's, and when last, true time
}

// run is the program while it runs once.
type run struct {
	lap    *laptop
	no     int // of the laptop's programs
	db     *localdb.DB
	eng    *engine.Engine
	path   string
	wake   chan struct{}
	links  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
	acting sync.WaitGroup // persons that use this program this moment

	mu     sync.Mutex // guards all below
	dead   bool
	device localdb.Device
	remote engine.Remote
}

func newLaptop(w *world, n int, name string, crews []string) (*laptop, error) {
	l := &laptop{w: w, n: n, name: name, crews: crews, dice: w.chance("person " + name), ids: w.chance("ids " + name), once: w.chance("nonces " + name),
		path: filepath.Join(w.dir, name+"-0.db"), versions: map[rowKey]int64{}, met: map[string]int64{}}
	l.clock = &machine{w: w, since: w.now()}
	l.clock.step(pick(l.dice, []int64{0, 0, 90 * second, -7 * minute, 3 * year, -9 * year, 10 * year}))
	l.clock.start(l.dice, l.dice.one(5))
	l.link = newLink(w, l)
	l.hears = !w.chance("pokes " + name).one(3)
	return l, os.WriteFile(l.path, w.laptop, 0o600)
}

// open starts the program.
func (l *laptop) open() error {
	r, err := l.program()
	if err != nil {
		return err
	}
	l.w.note(l.name, "program starts")
	l.survived(r)
	l.mu.Lock()
	l.run = r
	l.mu.Unlock()
	l.work(r)
	return nil
}

// program is a program on the laptop's data that does nothing yet.
func (l *laptop) program() (*run, error) {
	l.mu.Lock()
	path := l.path
	l.mu.Unlock()
	db, err := localdb.Open(context.Background(), path, localdb.Options{Clock: l.clock.read, NewID: func() string { return l.ids.uuid(l.w.now()) }})
	if err != nil {
		return nil, err
	}
	r := &run{lap: l, db: db, path: path, wake: make(chan struct{}, 1), links: make(chan struct{}, 1), ended: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	var local engine.Local = &guard{DB: db, r: r}
	p := l.w.plant
	if p.local != nil {
		local = p.local(r, local)
	}
	l.mu.Lock()
	l.starts++
	r.no = l.starts
	l.mu.Unlock()
	chance := l.w.chance(fmt.Sprintf("engine %s %d", l.name, r.no)).float
	o := engine.Options{Local: local, Pending: db.PendingOps, Learn: r.learn, Remote: r.way, Lock: db.TryLock, Rand: chance,
		Wake: r.wake, Links: r.links, Clock: l.clock.read, Poll: 20 * time.Second, Pokes: l.hears}
	p.mislead(&o)
	r.eng, err = engine.New(o)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return r, nil
}

// learn takes the time out of an exchange, and notes when it was a short one.
func (r *run) learn(ctx context.Context, serverTime int64, before, after op.Reading) error {
	err := r.db.LearnOffset(ctx, serverTime, before, after)
	if err == nil && after.Boot-before.Boot <= 2*second {
		now := r.lap.w.now()
		r.lap.mu.Lock()
		r.lap.met[after.BootID] = now
		r.lap.mu.Unlock()
		r.lap.w.book.anchored(r.lap.n, after.BootID)
	}
	return err
}

// work lets a program's engine run.
func (l *laptop) work(r *run) {
	l.link.nudge(true)
	l.w.wg.Go(func() {
		defer close(r.ended)
		if err := r.eng.Run(r.ctx); err != nil {
			l.w.violated("harness", "run: %v", err)
		}
	})
}

// way gives the engine the server as the device stands now, as the programs do.
func (r *run) way(ctx context.Context) (engine.Remote, error) {
	d, err := r.db.Device(ctx)
	if err != nil {
		return nil, err
	}
	if d.ID == "" {
		return nil, engine.ErrNotEnrolled
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.remote != nil && r.device.ID == d.ID && r.device.Token == d.Token {
		return r.remote, nil
	}
	client, err := wire.NewClient(wire.ClientOptions{BaseURL: d.ServerURL, ServerID: d.ServerID, ServerKey: d.ServerKey, Token: d.Token, Version: "sim",
		Transport: &way{link: r.lap.link, run: r}, Clock: r.lap.clock.read, Report: r.report, Nonce: r.nonce})
	if err != nil {
		return nil, err
	}
	r.remote = &caller{Client: client, r: r}
	if p := r.lap.w.plant; p.remote != nil {
		r.remote = p.remote(r, r.remote)
	}
	r.device = d
	return r.remote, nil
}

func (r *run) nonce() string { return r.lap.once.uuid(r.lap.w.now()) }

func (r *run) report(ctx context.Context) wire.Report {
	n, err := r.db.PendingOps(ctx)
	if err != nil {
		return wire.Report{}
	}
	return wire.Report{Pending: n}
}

func (r *run) isDead() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dead
}

// poke tells the engine that the database was written to: a moment later, when
// whatever wrote has come to rest. At once, the engine might find that news and
// another waiting together, and which it takes first would be the runtime's chance.
func (r *run) poke() {
	time.AfterFunc(100*time.Microsecond, func() {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	})
}

// using gives the program that runs to a person; done must be called.
func (l *laptop) using() (r *run, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.run == nil {
		return nil, func() {}
	}
	l.run.acting.Add(1)
	return l.run, l.run.acting.Done
}

// linksChanged is news to a machine that is awake; one that sleeps is told when
// it wakes. (Two parts of its program that wait for it to wake, each for its own
// reason, would go on in an order that is the runtime's chance.)
func (l *laptop) linksChanged() {
	l.link.nudge(false)
	if l.clock.asleep() {
		return
	}
	l.mu.Lock()
	both := []*run{l.run, l.side}
	l.mu.Unlock()
	for i, r := range both {
		if r != nil { // one after the other: at once they would race for the same file
			time.AfterFunc(time.Duration(i)*3*time.Millisecond, r.tellLinks)
		}
	}
}

func (r *run) tellLinks() {
	select {
	case r.links <- struct{}{}:
	default:
	}
}

// usingOne gives a person one of the programs that run.
func (l *laptop) usingOne(d *dice) (r *run, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r = l.run
	if l.side != nil && d.one(2) {
		r = l.side
	}
	if r == nil {
		return nil, func() {}
	}
	r.acting.Add(1)
	return r, r.acting.Done
}

// point is a place at which the program may be killed.
func (r *run) point(name string) {
	l := r.lap
	l.mu.Lock()
	hit := l.trap == name && (l.run == r || l.side == r)
	if hit {
		l.trap = ""
	}
	l.mu.Unlock()
	if hit {
		l.kill(r, name)
	}
}

// kill ends the program as it stands. The next one finds the bytes that were
// written up to now; whatever the old one still does, nobody hears of.
func (l *laptop) kill(r *run, where string) {
	r.mu.Lock()
	was := r.dead
	r.dead = true
	r.mu.Unlock()
	if was {
		return
	}
	if l.outlived(r, where) {
		return
	}
	l.mu.Lock()
	l.run = nil
	l.gen++
	old := l.path
	l.path = filepath.Join(l.w.dir, fmt.Sprintf("%s-%d.db", l.name, l.gen))
	path := l.path
	l.mu.Unlock()
	l.w.note(l.name, "killed %s", where)
	l.w.count("laptop killed " + where)
	l.w.count("crashes")
	take := image
	if l.w.plant.image != nil {
		take = l.w.plant.image
	}
	if err := take(old, path); err != nil {
		l.w.violated("harness", "image of a laptop: %v", err)
	}
	r.cancel()
	l.w.wg.Go(func() {
		<-r.ended
		r.acting.Wait()
		r.db.Close()
		remove(old)
	})
}

// outlived: of two programs one is killed, and the other goes on with the file as
// it is. What the dead one still does is as if it had been done before.
func (l *laptop) outlived(r *run, where string) bool {
	l.mu.Lock()
	if l.side == nil {
		l.mu.Unlock()
		return false
	}
	if l.run == r {
		l.run = l.side
	}
	l.side = nil
	l.mu.Unlock()
	l.w.note(l.name, "killed %s, and another program goes on", where)
	l.w.count("laptop killed beside another")
	l.w.count("crashes")
	r.cancel()
	l.w.wg.Go(func() {
		<-r.ended
		r.acting.Wait()
		r.db.Close()
	})
	return true
}

// killAll kills what runs, by power.
func (l *laptop) killAll(where string) {
	for range 2 {
		if r, done := l.using(); r != nil {
			done()
			l.kill(r, where)
		}
	}
}

// close ends the programs in good order and waits for them.
func (l *laptop) close() {
	l.closeSide()
	l.mu.Lock()
	r := l.run
	l.run = nil
	l.mu.Unlock()
	if r != nil {
		l.finish(r)
	}
}

func (l *laptop) finish(r *run) {
	r.cancel()
	<-r.ended
	r.acting.Wait()
	if err := r.db.Close(); err != nil {
		l.w.violated("harness", "close: %v", err)
	}
	r.mu.Lock()
	r.dead = true
	r.mu.Unlock()
	l.w.note(l.name, "program ends")
}

// enrol makes the laptop a device of the office, as a person does: again and
// again until it works.
func (l *laptop) enrol() bool {
	for l.w.ctx.Err() == nil {
		if l.tryEnrol() {
			return true
		}
		if !l.w.sleep(l.dice, l.dice.span(20, 90)*second) {
			return false
		}
	}
	return false
}

func (l *laptop) tryEnrol() bool {
	r, done := l.using()
	defer done()
	text := l.w.office.invite(l.name)
	if r == nil || text == "" {
		return false
	}
	invite, err := wire.ParseInvite(text)
	if err != nil {
		l.w.violated("harness", "invite: %v", err)
		return false
	}
	client, err := wire.NewClient(wire.ClientOptions{BaseURL: invite.URL, Version: "sim", Transport: &way{link: l.link, run: r, person: true}, Clock: l.clock.read, Nonce: r.nonce})
	if err != nil {
		l.w.violated("harness", "client: %v", err)
		return false
	}
	got, err := client.Enroll(l.w.ctx, wire.Enroll{Code: invite.Code, DeviceName: l.name}, invite.Fingerprint)
	if err != nil {
		return false
	}
	err = r.db.Enrol(context.Background(), localdb.Device{ID: got.DeviceID, Token: got.Token, User: got.User, Name: l.name, Role: got.Role, Crews: got.Crews,
		ServerURL: invite.URL, ServerID: got.ServerID, ServerKey: got.ServerKey, EnrolledAt: got.Time})
	if err != nil || r.isDead() {
		return false
	}
	l.w.book.with(func() { l.w.book.devices[got.DeviceID] = l.n })
	l.mu.Lock()
	l.device, l.locked, l.enrolled = got.DeviceID, false, l.w.now()
	l.mu.Unlock()
	l.w.note(l.name, "enrolled")
	l.link.nudge(true)
	r.poke()
	return true
}

// scan enters the queue's new places into the book. acked: the person was told
// that they are saved.
func (l *laptop) scan(r *run, acked, again bool) {
	l.mu.Lock()
	from := l.seq
	l.mu.Unlock()
	for {
		rows, err := r.db.Queue(context.Background(), from, 500)
		if err != nil {
			l.w.violated("harness", "queue: %v", err)
			return
		}
		for _, row := range rows {
			l.enter(r, row, acked, again)
			from = row.Op.Seq
		}
		if len(rows) < 500 {
			break
		}
	}
	l.mu.Lock()
	l.seq = max(l.seq, from)
	l.mu.Unlock()
}

func (l *laptop) enter(r *run, row localdb.QueueRow, acked, again bool) {
	o := row.Op
	if f := l.w.book.fact(o.ID); f != nil { // one that waited behind another, at a new place now
		l.w.book.with(func() { f.seq = o.Seq })
		return
	}
	l.mu.Lock()
	boot := l.clock.look().BootID
	life, met := l.life, l.met[boot]
	l.mu.Unlock()
	f := &fact{id: o.ID, group: o.Group, task: row.TaskID, lap: l.n, life: life, seq: o.Seq, ref: server.Ref{Kind: o.Kind, ID: o.Entity}, action: o.Action,
		at: l.w.now(), acked: acked, lies: l.liar, boot: boot, met: met, restores: o.Fields[op.Deleted] == false}
	if again {
		for register := range tokens[o.Kind] {
			c := class{o.Entity, register, tokenOf(o.Kind, register, o.Fields)}
			if at, ok, twice := l.w.book.writtenAt(c, l.n); ok && c.token != "" {
				f.at, f.uncertain = at, f.uncertain || twice
			}
		}
	}
	l.w.book.made(f, o.Fields, o.Prev)
	if o.Action == op.Insert {
		here := map[string]bool{}
		for _, row := range l.waiting(r) {
			here[row.Op.ID] = true
		}
		l.w.book.madeAnew(f, here)
	}
	l.w.note(l.name, "made %s of %s %s as %d %s", o.Action, o.Kind, o.Entity, o.Seq, o.ID)
	l.w.count("ops")
	if f.restores {
		l.w.count("restored")
	}
}

// waiting is the whole queue.
func (l *laptop) waiting(r *run) []localdb.QueueRow {
	rows, err := r.db.Queue(context.Background(), 0, 100_000)
	if err != nil {
		l.w.violated("harness", "queue: %v", err)
	}
	return rows
}

// survived checks, when the program starts, that all that it ever called saved
// is there or with the server.
func (l *laptop) survived(r *run) {
	l.scan(r, false, false)
	l.kept(r, "I1", "after the program started again")
}

// kept: each op that was called saved waits here or was settled by the server.
func (l *laptop) kept(r *run, invariant, when string) {
	here := map[string]bool{}
	for _, row := range l.waiting(r) {
		here[row.Op.ID] = true
	}
	l.mu.Lock()
	era := l.era
	l.mu.Unlock()
	var gone *fact
	l.w.book.with(func() {
		for _, f := range l.w.book.order {
			if f.lap == l.n && f.acked && !f.dropped && !f.squashed && f.outcome == "" && !here[f.id] && f.era <= era {
				gone = f
				return
			}
		}
	})
	if gone != nil {
		l.w.violated(invariant, "%s: %s is neither in the queue of %s nor with the server", when, l.w.book.tell(gone), l.name)
	}
}

// tookBack marks what a person took out of the queue, or sent anew under other ids.
func (l *laptop) tookBack(r *run) {
	here := map[string]bool{}
	for _, row := range l.waiting(r) {
		here[row.Op.ID] = true
	}
	l.mu.Lock()
	era := l.era
	l.mu.Unlock()
	l.w.book.with(func() {
		for _, f := range l.w.book.order {
			if f.lap == l.n && !here[f.id] && !f.squashed && (f.outcome == "" || f.outcome == op.Rejected) && (f.era <= era || f.former == op.Rejected) {
				f.dropped = true
			}
		}
	})
}
