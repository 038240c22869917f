package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// local is a queue in memory that wakes its listener on every write, as the
// database does: the engine's own writes too.
type local struct {
	mu      sync.Mutex
	next    int
	queue   []op.Op
	parked  []op.Op
	tries   map[string]int
	frozen  map[string]bool // made final
	dropped map[string]bool // left out when a batch is made final
	settled []string        // ids in the order they were settled for good
	cursor  string
	applied []wire.Changes
	dry     int
	wake    chan struct{}
	fail    error // what every call returns, when set
	self    wire.Self
	resets  []wire.Common
	anews   []string // notices
	books            // what the crew north comes to, as told
	deaf    bool     // putting a leaf right does not help
	differs []bool   // what was noted
	mended  []string // leaves
}

func newLocal() *local {
	return &local{tries: map[string]int{}, frozen: map[string]bool{}, dropped: map[string]bool{}, wake: make(chan struct{}, 1)}
}

func (l *local) wrote() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// add queues n ops, each on a record of its own, and returns their ids.
func (l *local) add(n int) []string {
	var ids []string
	for range n {
		l.mu.Lock()
		record := "r" + strconv.Itoa(l.next+1)
		l.mu.Unlock()
		ids = append(ids, l.addOp(op.Op{Kind: op.Task, Entity: record, Action: op.Update, Fields: op.Fields{"title": "x"}}))
	}
	return ids
}

func (l *local) addOp(o op.Op) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	o.ID, o.Seq = fmt.Sprintf("op%04d", l.next), int64(l.next)
	l.queue = append(l.queue, o)
	l.wrote()
	return o.ID
}

func (l *local) Pending(context.Context) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue), l.fail
}

func (l *local) NextBatch(_ context.Context, maxOps, _ int, under ...op.Op) ([]op.Op, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := slices.DeleteFunc(slices.Clone(l.queue), func(o op.Op) bool {
		return slices.ContainsFunc(under, func(u op.Op) bool { return u.ID == o.ID })
	})
	n := min(maxOps, len(queue))
	for n > 0 && n < len(queue) && queue[n].Group != "" && queue[n].Group == queue[n-1].Group {
		n++
	}
	return queue[:n], l.fail
}

// Freeze notes what may leave, and leaves out what the test drops.
func (l *local) Freeze(_ context.Context, ops []op.Op) ([]op.Op, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []op.Op
	for _, o := range ops {
		if !l.dropped[o.ID] {
			out = append(out, o)
			l.frozen[o.ID] = true
		}
	}
	l.queue = slices.DeleteFunc(l.queue, func(o op.Op) bool { return l.dropped[o.ID] })
	return out, l.fail
}

func (l *local) MarkTried(_ context.Context, ids []string, reason string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reason == "" {
		return errors.New("a try without a reason")
	}
	for _, id := range ids {
		l.tries[id]++
	}
	l.wrote()
	return l.fail
}

func (l *local) Settle(_ context.Context, ops []op.Op, results []wire.Result, seen wire.Seen) (s wire.Settled, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return s, l.fail
	}
	l.remember(seen)
	if len(results) > 0 && results[0].Code == op.CodeForked {
		l.self.Queues = append(l.self.Queues, "q"+strconv.Itoa(len(l.self.Queues)))
		return wire.Settled{Forked: len(ops)}, nil
	}
	gone := map[string]bool{}
	for i, r := range results {
		if ops[i].ID != r.OpID {
			return s, errors.New("results of other ops")
		}
		switch r.Outcome {
		case op.Retry:
			s.Retry++
			l.tries[r.OpID]++
			continue
		case op.Rejected:
			s.Parked++
			l.parked = append(l.parked, ops[i])
		default:
			s.Acked++
			l.settled = append(l.settled, r.OpID)
		}
		gone[r.OpID] = true
	}
	var rest []op.Op
	for _, o := range l.queue {
		if !gone[o.ID] {
			rest = append(rest, o)
		}
	}
	l.queue = rest
	l.wrote()
	return s, nil
}

func (l *local) Cursor(context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursor, l.fail
}

func (l *local) Advance(_ context.Context, from, to string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cursor == from {
		l.cursor = to
	}
	return l.fail
}

func (l *local) ApplyChanges(_ context.Context, page wire.Changes) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return 0, l.fail
	}
	l.remember(page.Seen)
	l.cursor = page.Cursor
	l.applied = append(l.applied, page)
	l.wrote()
	return len(page.Changes), nil
}

func (l *local) Renew(context.Context, string, string) error { return nil }
func (l *local) Renewed()                                    {}
func (l *local) Refused(string) bool                         { return false }

func (l *local) RoundDone(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dry++
	l.wrote()
	return l.fail
}

func (l *local) remember(seen wire.Seen) {
	if len(seen) > 0 {
		l.self.Seen = seen
	}
}

func (l *local) Self(context.Context) (wire.Self, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return wire.Self{Seen: l.self.Seen, Queues: append([]string(nil), l.self.Queues...)}, l.fail
}

func (l *local) Past(context.Context) (wire.Past, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := wire.Past{Seen: map[string][]wire.Mark{}}
	for crew, m := range l.self.Seen {
		p.Seen[crew] = []wire.Mark{m}
	}
	return p, l.fail
}

func (l *local) Reset(_ context.Context, common wire.Common) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	l.resets, l.self.Seen, l.cursor = append(l.resets, common), nil, ""
	l.wrote()
	return nil
}

func (l *local) counts() (queued, settled, parked int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue), len(l.settled), len(l.parked)
}

func (l *local) order() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.settled...)
}

func (l *local) triesOf(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries[id]
}

// request is one that reached the fake server or failed on the way.
type request struct {
	at   time.Time
	what string // ping, push, changes, history
	ops  []op.Op
	self wire.Self
}

// remote is a server that says yes, unless a hook says otherwise.
type remote struct {
	mu       sync.Mutex
	requests []request
	hangups  int
	trip     time.Duration                               // what each request takes
	fail     func(what string, ops []op.Op) error        // nil result: go on
	verdict  func(o op.Op) wire.Result                   // nil: applied
	answer   func(out *wire.Results)                     // nil: as it stands
	page     func(cursor string, limit int) wire.Changes // nil: nothing new
	hang     bool                                        // answer nothing until the caller gives up
	during   func(what string, ops []op.Op)              // runs while a request is under way
	auth     string                                      // what a ping says of the token
	stand    wire.Seen                                   // how the history stands: what a device saw of another is refused
	books                                                // what the crew north comes to
	queue    string                                      // another copy of the device sent already; this is the identity that is free
}

func (s *remote) begin(ctx context.Context, what string, ops []op.Op) error {
	s.mu.Lock()
	s.requests = append(s.requests, request{at: time.Now(), what: what, ops: ops})
	trip, fail, hang, during := s.trip, s.fail, s.hang, s.during
	s.mu.Unlock()
	if during != nil {
		during(what, ops)
	}
	var limit <-chan time.Time
	if !hang {
		limit = time.After(trip)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-limit:
	}
	if fail != nil {
		return fail(what, ops)
	}
	return nil
}

func (s *remote) Ping(ctx context.Context) (wire.Pong, error) {
	if err := s.begin(ctx, "ping", nil); err != nil {
		return wire.Pong{}, err
	}
	return wire.Pong{Ping: wire.Ping{Time: time.Now().UnixMilli(), Auth: s.auth}}, nil
}

// knows refuses a device that saw another history.
func (s *remote) knows(self wire.Self) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[len(s.requests)-1].self = self
	for crew, m := range self.Seen {
		if s.stand[crew] != m {
			return refusal(409, wire.CodeReset, 0)
		}
	}
	return nil
}

func (s *remote) History(ctx context.Context, past wire.Past) (wire.Common, error) {
	if err := s.begin(ctx, "history", nil); err != nil {
		return wire.Common{}, err
	}
	out := wire.Common{Common: map[string]int64{}}
	for crew := range past.Seen {
		out.Common[crew] = 0
	}
	return out, nil
}

func (s *remote) Push(ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error) {
	if err := s.begin(ctx, "push", ops); err != nil {
		return wire.Results{}, err
	}
	if err := s.knows(self); err != nil {
		return wire.Results{}, err
	}
	out := wire.Results{Seen: s.stand}
	for _, o := range ops {
		r := wire.Result{Outcome: op.Applied, Version: o.Seq}
		if s.queue != "" && (len(self.Queues) == 0 || self.Queues[len(self.Queues)-1] != s.queue) {
			r = wire.Result{Outcome: op.Rejected, Code: op.CodeForked}
			r.OpID = o.ID
			out.Results = append(out.Results, r)
			continue
		}
		if s.verdict != nil {
			r = s.verdict(o)
		}
		r.OpID = o.ID
		out.Results = append(out.Results, r)
	}
	if s.answer != nil {
		s.answer(&out)
	}
	return out, nil
}

func (s *remote) Changes(ctx context.Context, self wire.Self, cursor string, limit int) (wire.Changes, error) {
	if err := s.begin(ctx, "changes", nil); err != nil {
		return wire.Changes{}, err
	}
	if err := s.knows(self); err != nil {
		return wire.Changes{}, err
	}
	if s.page == nil {
		return wire.Changes{Cursor: "c0", Seen: s.stand}, nil
	}
	return s.page(cursor, limit), nil
}

func (s *remote) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangups++
}

func (s *remote) set(f func(s *remote)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// seen lists the requests of one sort ("" all) since the given moment.
func (s *remote) seen(what string, since time.Time) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []request
	for _, r := range s.requests {
		if (what == "" || r.what == what) && !r.at.Before(since) {
			out = append(out, r)
		}
	}
	return out
}

// bench is one engine between the two fakes, in fake time.
type bench struct {
	*testing.T
	e     *engine.Engine
	l     *local
	s     *remote
	links chan struct{}
	o     engine.Options

	stop func()

	mu       sync.Mutex
	statuses []engine.Status
}

func clock() op.Reading {
	now := time.Now().UnixMilli()
	return op.Reading{Wall: now, Boot: now - 900_000_000_000, BootID: "boot1"}
}

// inBench runs f in fake time with an engine that is not started yet.
func inBench(t *testing.T, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		f(b)
		if b.stop != nil {
			b.stop()
		}
	})
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, l: newLocal(), s: &remote{trip: 20 * time.Millisecond}, links: make(chan struct{}, 1)}
	rnd := rand.New(rand.NewPCG(1, 2))
	b.o = engine.Options{
		Local: b.l, Pending: b.l.Pending,
		Learn:  func(context.Context, int64, op.Reading, op.Reading) error { return nil },
		Remote: func(context.Context) (engine.Remote, error) { return b.s, nil },
		Lock:   func() (func(), bool, error) { return func() {}, true, nil },
		Rand:   rnd.Float64, Wake: b.l.wake, Links: b.links, Clock: clock,
		OnStatus: func(s engine.Status) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.statuses = append(b.statuses, s)
		},
	}
	return b
}

// make builds the engine from the options as they stand.
func (b *bench) make() {
	b.Helper()
	e, err := engine.New(b.o)
	if err != nil {
		b.Fatal(err)
	}
	b.e = e
}

// start runs the engine until the test ends.
func (b *bench) start() {
	b.Helper()
	if b.e == nil {
		b.make()
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- b.e.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.Errorf("Run: %v", err)
		}
	})
	synctest.Wait()
}

// pass lets fake time pass.
func (b *bench) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) history() []engine.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]engine.Status(nil), b.statuses...)
}

func noRoute(string, []op.Op) error {
	return &wire.Unreachable{Host: "sync.example", What: "no route to sync.example", Err: syscall.ENETUNREACH}
}

func refusal(status int, code string, wait time.Duration) error {
	return &wire.ServerError{Problem: wire.Problem{Status: status, Code: code, Message: "the server says " + strconv.Itoa(status)}, RetryAfter: wait}
}
