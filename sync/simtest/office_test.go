package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
)

const (
	address = "http://127.0.0.1:8080"
	crew    = "north" // everybody's
	other   = "south" // of some, where tasks are moved between the two
)

// office is the server's side: its file, and the process that serves it now.
type office struct {
	w    *world
	dice *dice

	mu   sync.Mutex // guards all below
	shop *shop      // nil: nothing answers
	path string
	gen  int
	trap string // the point at which it is to be killed
}

// shop is one process of the server.
type shop struct {
	o       *office
	store   *sqlitestore.Store
	srv     *server.Server
	handler http.Handler
	serving sync.WaitGroup
	streams context.Context // ends when the process does
	stop    context.CancelFunc

	mu     sync.Mutex // guards all below
	dead   bool
	served map[string]int // streams, by device
}

func newOffice(w *world) (*office, error) {
	o := &office{w: w, dice: w.chance("office"), path: filepath.Join(w.dir, "server-0.db")}
	if err := os.WriteFile(o.path, w.blanks.office, 0o600); err != nil {
		return nil, err
	}
	return o, o.open()
}

// tokenRules let tokens be renewed after each night; not more often, for a request
// may be under way for more than an hour.
var tokenRules = server.TokenRules{Renew: 100 * time.Minute, Unused: 90 * 24 * time.Hour}

// open starts the server on its file.
func (o *office) open() error {
	store, err := sqlitestore.Open(context.Background(), o.path)
	if err != nil {
		return err
	}
	s := &shop{o: o, store: store, served: map[string]int{}}
	s.streams, s.stop = context.WithCancel(context.Background())
	var over server.Store = &tap{Store: store, s: s}
	if o.w.plant.store != nil {
		over = o.w.plant.store(o.w, over)
	}
	now := func() time.Time { return time.UnixMilli(o.w.now()).UTC() }
	if s.srv, err = server.New(context.Background(), over, server.Options{Now: now, Rand: o.dice, Tokens: tokenRules}); err != nil {
		return errors.Join(err, store.Close())
	}
	s.handler = s.srv.Handler()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shop = s
	return nil
}

// serving gives the process that answers now, if any; done must be called.
func (o *office) serving() (s *shop, done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shop == nil {
		return nil, func() {}
	}
	o.shop.serving.Add(1)
	return o.shop, o.shop.serving.Done
}

// deliver carries a request to the server. A process that was killed meanwhile
// answers nothing.
func (o *office) deliver(r *http.Request) (*http.Response, error) {
	s, done := o.serving()
	defer done()
	if s == nil {
		return nil, syscall.ECONNREFUSED
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	if s.isDead() {
		return nil, syscall.ECONNRESET
	}
	return rec.Result(), nil
}

func (s *shop) isDead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// point is a place at which the server may be killed.
func (s *shop) point(name string) {
	o := s.o
	o.mu.Lock()
	hit := o.trap == name && o.shop == s
	if hit {
		o.trap = ""
	}
	o.mu.Unlock()
	if hit {
		o.kill(s, name)
	}
}

// kill ends a process as it stands: the next one finds the bytes that were
// written up to now. What still runs of the old one reaches nobody.
func (o *office) kill(s *shop, where string) {
	s.mu.Lock()
	was := s.dead
	s.dead = true
	s.mu.Unlock()
	if was {
		return
	}
	s.stop()
	o.mu.Lock()
	old := o.path
	o.gen++
	o.path = filepath.Join(o.w.dir, fmt.Sprintf("server-%d.db", o.gen))
	o.shop = nil
	path := o.path
	o.mu.Unlock()
	o.w.note("server", "killed %s", where)
	o.w.count("server killed " + where)
	o.w.count("crashes")
	if err := image(old, path); err != nil {
		o.w.violated("harness", "image of the server: %v", err)
	}
	o.w.wg.Go(func() {
		s.serving.Wait()
		s.store.Close()
		remove(old)
	})
}

// close stops the process in good order.
func (o *office) close() {
	o.mu.Lock()
	s := o.shop
	o.shop = nil
	o.mu.Unlock()
	if s != nil {
		s.stop()
		s.serving.Wait()
		s.store.Close()
	}
}

// image copies a database as the disk holds it after a kill: the file and its
// write-ahead log, but not the shared memory.
func image(from, to string) error {
	for _, part := range []string{"", "-wal", ".token", ".queue.log"} {
		b, err := os.ReadFile(from + part)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(to+part, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func remove(path string) {
	for _, part := range []string{"", "-wal", "-shm", ".token", ".sender", ".queue.log"} {
		os.Remove(path + part)
	}
}

// tap sits on the store itself and takes down what is committed.
type tap struct {
	server.Store
	s *shop
}

func (t *tap) Write(ctx context.Context, steps iter.Seq[server.Step]) error {
	var all []server.Effects
	err := t.Store.Write(ctx, func(yield func(server.Step) bool) {
		all = nil
		for step := range steps {
			decide := step.Decide
			step.Decide = func(asked server.Needs, loaded server.Loaded) (server.Effects, server.Needs, error) {
				e, more, err := decide(asked, loaded)
				if err == nil && more.Empty() {
					all = append(all, e)
					t.s.point("before commit")
				}
				return e, more, err
			}
			if !yield(step) {
				return
			}
		}
	})
	if err == nil && !t.s.isDead() {
		t.s.o.w.book.committed(all)
		t.s.point("after commit")
	}
	return err
}

// Watch tells of commits a moment of chance later: at once, the look at what they
// brought would run beside the next one, in an order that is the runtime's chance.
func (t *tap) Watch(ctx context.Context) <-chan struct{} {
	t.s.o.mu.Lock()
	own := t.s.o.w.chance(fmt.Sprintf("watch %d", t.s.o.gen))
	t.s.o.mu.Unlock()
	news, out := t.Store.Watch(ctx), make(chan struct{}, 1)
	t.s.o.w.wg.Go(func() {
		defer close(out)
		for range news {
			time.Sleep(time.Duration(own.span(1, 30))*time.Millisecond + time.Duration(own.n(1_000_000)))
			select { // what came meanwhile is told with it
			case <-news:
			default:
			}
			select {
			case out <- struct{}{}:
			default:
			}
		}
	})
	return out
}

// invite asks the office for an invite; "" while it is closed.
func (o *office) invite(user string) string {
	s, done := o.serving()
	defer done()
	if s == nil {
		return ""
	}
	text, _, err := s.srv.Invite(context.Background(), user, address, time.Hour)
	if err != nil {
		o.w.violated("harness", "invite: %v", err)
	}
	return text
}

// revoke keeps a device out from now on.
func (o *office) revoke(device string) bool {
	s, done := o.serving()
	defer done()
	if s == nil {
		return false
	}
	now := o.w.now()
	if err := s.store.Revoke(context.Background(), device, now); err != nil {
		o.w.violated("harness", "revoke: %v", err)
		return false
	}
	o.w.book.with(func() { o.w.book.revoked[device] = now })
	return !s.isDead()
}

// dispatcher edits at the office's own desk, through the one write path.
type dispatcher struct {
	o     *office
	name  string
	dice  *dice
	n     int
	moves bool // tasks between the two crews
}

func (d *dispatcher) live() {
	for d.o.w.sleep(d.dice, d.dice.span(3*second, 60*second)) {
		if d.o.w.isCalm() {
			return
		}
		for range d.dice.span(1, 3) {
			d.edit()
			if !d.o.w.sleep(d.dice, d.dice.span(1, 20)*second) {
				return
			}
		}
	}
}

// edit looks at a task, thinks, and writes what that look made it write.
func (d *dispatcher) edit() {
	s, done := d.o.serving()
	defer done()
	if s == nil {
		return
	}
	task, by := d.look(s)
	if task != nil && d.dice.one(3) && !d.o.w.sleep(d.dice, d.dice.span(1, 40)*second) {
		return
	}
	d.put(s, by, task)
}

// write is edit without a thought.
func (d *dispatcher) write() {
	s, done := d.o.serving()
	defer done()
	if s == nil {
		return
	}
	task, by := d.look(s)
	d.put(s, by, task)
}

// look picks the task to edit; nil for a new one.
func (d *dispatcher) look(s *shop) (*op.Record, server.Author) {
	w := d.o.w
	by, err := s.srv.Office(context.Background(), "", crew)
	if err != nil {
		w.violated("harness", "office: %v", err)
		return nil, by
	}
	if d.moves {
		by.Crews = []string{crew, other}
	}
	w.book.with(func() { w.book.devices[by.Device] = -1 })
	var tasks []*op.Record
	for rec, err := range s.srv.Tasks(context.Background(), by.Crews) {
		if err == nil {
			tasks = append(tasks, rec)
		}
	}
	if len(tasks) < 3 || d.dice.one(12) {
		return nil, by
	}
	return tasks[min(d.dice.n(int64(len(tasks))), d.dice.n(int64(len(tasks))))], by
}

func (d *dispatcher) put(s *shop, by server.Author, task *op.Record) {
	if task == nil {
		d.apply(s, by, nil, op.Insert, op.Fields{"title": d.token(), "status": "PENDING"})
		return
	}
	if d.moves && d.dice.one(4) {
		d.apply(s, by, task, op.Update, op.Fields{op.CrewField: map[bool]string{true: other, false: crew}[task.Crew == crew]})
		d.o.w.count("tasks moved between crews")
		return
	}
	d.apply(s, by, task, op.Update, d.fields())
}

func (d *dispatcher) token() string {
	d.n++
	return fmt.Sprintf("%s-%d", d.name, d.n)
}

func (d *dispatcher) fields() op.Fields {
	switch d.dice.n(4) {
	case 0:
		d.n++
		start := 1_800_000_000_000 + int64(d.n) + int64(len(d.name))*100_000 // no two desks write the same
		return op.Fields{"window_start": start, "window_end": start + hour}
	case 1:
		return op.Fields{"status": string(op.Cancelled), "reason": "customer", "reason_text": d.token(), "completed_at": nil, "completed_by": nil, "started_at": nil, "recipient_name": nil}
	}
	return op.Fields{pick(d.dice, singles): d.token()}
}

func (d *dispatcher) apply(s *shop, by server.Author, task *op.Record, action op.Action, fields op.Fields) {
	w := d.o.w
	now := w.now()
	o := op.Op{ID: d.dice.uuid(now), Kind: op.Task, Action: action, Fields: fields, CreatedAt: now, Schema: op.Schema}
	prev := op.Fields{}
	if task == nil {
		o.Entity = d.dice.uuid(now)
	} else {
		o.Entity, o.Base, prev = task.ID, task.Version, task.Fields
	}
	o.Fields[op.UpdatedAt] = now
	f := &fact{id: o.ID, lap: -1, ref: server.Ref{Kind: op.Task, ID: o.Entity}, task: o.Entity, action: action, at: now}
	w.book.made(f, o.Fields, prev)
	results, err := s.srv.Apply(context.Background(), by, []op.Op{o})
	if err == nil && !s.isDead() {
		w.book.with(func() { f.acked = true })
		w.note("office", "%s %s %s", action, o.Entity, results[0].Outcome)
		w.count("actions")
	}
}
