package simtest_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"os"
	"slices"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// plant is a bug planted from outside, to see whether the histories find it:
// a wrapper that misbehaves in one way. Who promises what, and what stands
// before this judge, is real all the same.
type plant struct {
	name    string
	local   func(*run, engine.Local) engine.Local
	remote  func(*run, engine.Remote) engine.Remote
	chance  func() float64
	image   func(from, to string) error
	store   func(*world, server.Store) server.Store
	lock    func() (release func(), ok bool, err error)
	arrives func(*trip, *http.Request, []byte) (*http.Request, []byte)
	poll    int64  // ms between two looks
	trusts  bool   // an op of the future is dated now
	deaf    bool   // nobody tells the program that its machine woke
	from    uint64 // a seed that finds it; 0: the first
}

// mislead plants what an engine is given.
func (p plant) mislead(o *engine.Options) {
	if p.chance != nil {
		o.Rand = p.chance
	}
	if p.lock != nil {
		o.Lock = p.lock
	}
	if p.poll > 0 {
		o.Poll = time.Duration(p.poll) * time.Millisecond
	}
}

var plants = []plant{
	{name: "ack before send", remote: pushes(func(r *run, out wire.Results, err error, ops []op.Op) (wire.Results, error) {
		var lost *wire.Unreachable
		if errors.As(err, &lost) {
			return allApplied(ops), nil
		}
		return out, err
	})},
	{name: "any 200 is success", from: 22, remote: pushes(func(r *run, out wire.Results, err error, ops []op.Op) (wire.Results, error) {
		var stranger *wire.NotOurServer
		if errors.As(err, &stranger) && stranger.Status == http.StatusOK {
			return allApplied(ops), nil
		}
		return out, err
	})},
	{name: "revoked drops the queue", remote: remote(func(_ *run, m *badRemote) { m.pong = dropWhenRevoked })},
	{name: "ack the whole batch", local: settles(func(results []wire.Result) {
		for i := range results {
			results[i].Outcome = op.Applied
		}
	})},
	{name: "lost edits are not told", local: tells(wire.SideLost)},
	{name: "overridden edits are not told", local: tells(wire.SideOverrode)},
	{name: "cursor before rows", from: 19, local: local(func(r *run, l *badLocal) { l.apply = cursorFirst })},
	{name: "skip a pulled row if pending", from: 12, local: local(func(r *run, l *badLocal) { l.apply = skipPending })},
	{name: "poison blocks", local: local(func(r *run, l *badLocal) { l.next = nothingBehindParked })},
	{name: "out of order", local: local(func(r *run, l *badLocal) { l.next = reversed })},
	{name: "half a group", local: local(func(r *run, l *badLocal) { l.next = cutOff })},
	{name: "a repeat has a new op id", remote: remote(func(r *run, m *badRemote) { m.push = newIDs(map[string]bool{}) })},
	{name: "believe the wall clock", remote: remote(func(r *run, m *badRemote) { m.push = dated(func(r *run, o op.Op) int64 { return o.CreatedAt }) })},
	{name: "dated when sent", remote: remote(func(r *run, m *badRemote) { m.push = dated(func(r *run, o op.Op) int64 { return r.lap.w.now() }) })},
	{name: "future is now", trusts: true},
	{name: "pull waits for push", remote: remote(func(r *run, m *badRemote) { m.changes = whenAllIsSent })},
	{name: "Retry-After is ignored", remote: remote(func(r *run, m *badRemote) { m.hasty = true })},
	{name: "no jitter, no patience", chance: func() float64 { return 0 }},
	{name: "saved is not on the disk", image: func(from, to string) error {
		if err := image(from, to); err != nil {
			return err
		}
		return os.Remove(to + "-wal")
	}},
	{name: "no dedupe", store: writes(func(s *badStep) { s.forget = always })},
	{name: "effect without its outcome", store: writes(func(s *badStep) { s.change = func(e *server.Effects) { e.Outcomes = nil } })},
	{name: "conflicts are not kept", store: writes(func(s *badStep) { s.change = func(e *server.Effects) { e.Conflicts = nil } })},
	{name: "group half done", store: writes(func(s *badStep) {
		s.change = func(e *server.Effects) { e.Outcomes = e.Outcomes[:min(1, len(e.Outcomes))] }
	})},
	{name: "the feed skips a row", store: func(_ *world, s server.Store) server.Store { return &badFeed{s} }},
	{name: "revoked devices come in", from: 7, store: func(_ *world, s server.Store) server.Store { return &badDoor{s} }},
}

func allApplied(ops []op.Op) wire.Results {
	var out wire.Results
	for _, o := range ops {
		out.Results = append(out.Results, wire.Result{OpID: o.ID, Outcome: op.Applied, Version: o.Base + 1, Stamp: o.Time()})
	}
	return out
}

// badLocal is a laptop's own side with one thing wrong.
type badLocal struct {
	engine.Local
	r       *run
	next    func(*run, []op.Op) []op.Op
	settle  func([]wire.Result)
	apply   func(*badLocal, context.Context, wire.Changes) (int, error)
	hear    func(*wire.Changes)
	reset   func(*badLocal, context.Context, wire.Common) error
	renew   func(*badLocal) error // before the new token is kept
	settled func(*badLocal)
}

func local(set func(*run, *badLocal)) func(*run, engine.Local) engine.Local {
	return func(r *run, l engine.Local) engine.Local {
		b := &badLocal{Local: l, r: r}
		set(r, b)
		return b
	}
}

func settles(f func([]wire.Result)) func(*run, engine.Local) engine.Local {
	return local(func(_ *run, l *badLocal) { l.settle = f })
}

// tells forgets to tell one side of each conflict, in the answer and in the feed.
func tells(side string) func(*run, engine.Local) engine.Local {
	return local(func(_ *run, l *badLocal) {
		l.settle = func(results []wire.Result) {
			for i := range results {
				if side == wire.SideLost {
					results[i].Lost = nil
				} else {
					results[i].Overrode = nil
				}
			}
		}
		l.hear = func(page *wire.Changes) {
			page.Conflicts = slices.DeleteFunc(page.Conflicts, func(c wire.Conflict) bool { return c.Side == side })
		}
	})
}

func (b *badLocal) NextBatch(ctx context.Context, maxOps, maxBytes int, under ...op.Op) ([]op.Op, error) {
	ops, err := b.Local.NextBatch(ctx, maxOps, maxBytes, under...)
	if b.next != nil && err == nil {
		ops = b.next(b.r, ops)
	}
	return ops, err
}

func (b *badLocal) Settle(ctx context.Context, ops []op.Op, results []wire.Result, seen wire.Seen) (wire.Settled, error) {
	if b.settle != nil {
		b.settle(results)
	}
	s, err := b.Local.Settle(ctx, ops, results, seen)
	if b.settled != nil && err == nil {
		b.settled(b)
	}
	return s, err
}

func (b *badLocal) Reset(ctx context.Context, common wire.Common) error {
	if b.reset != nil {
		return b.reset(b, ctx, common)
	}
	return b.Local.Reset(ctx, common)
}

func (b *badLocal) Renew(ctx context.Context, from, next string) error {
	if b.renew != nil {
		if err := b.renew(b); err != nil {
			return err
		}
	}
	return b.Local.Renew(ctx, from, next)
}

func (b *badLocal) ApplyChanges(ctx context.Context, page wire.Changes) (int, error) {
	if b.hear != nil {
		b.hear(&page)
	}
	if b.apply != nil {
		return b.apply(b, ctx, page)
	}
	return b.Local.ApplyChanges(ctx, page)
}

func cursorFirst(b *badLocal, ctx context.Context, page wire.Changes) (int, error) {
	first := page
	first.Changes, first.Conflicts = nil, nil
	if _, err := b.r.db.ApplyChanges(ctx, first); err != nil {
		return 0, err
	}
	for _, where := range laptopPoints[2:] { // whoever is to be killed soon is killed here
		b.r.point(where)
	}
	if b.r.isDead() {
		return 0, errKilled
	}
	n, err := b.r.db.ApplyChanges(ctx, page)
	if err == nil {
		b.r.lap.told(page.Seen[crew].Version, !page.More)
	}
	return n, err
}

func skipPending(b *badLocal, ctx context.Context, page wire.Changes) (int, error) {
	waits := map[string]bool{}
	for _, row := range b.r.lap.waiting(b.r) {
		waits[row.Op.Entity] = true
	}
	page.Changes = slices.DeleteFunc(page.Changes, func(c wire.Change) bool { return waits[c.EntityID] })
	return b.Local.ApplyChanges(ctx, page)
}

func nothingBehindParked(r *run, ops []op.Op) []op.Op {
	for _, row := range r.lap.waiting(r) {
		if row.State == localdb.BadgeParked {
			return nil
		}
	}
	return ops
}

func reversed(_ *run, ops []op.Op) []op.Op {
	slices.Reverse(ops)
	return ops
}

func cutOff(_ *run, ops []op.Op) []op.Op {
	if n := len(ops); n > 1 && ops[n-1].Group != "" && ops[n-1].Group == ops[n-2].Group {
		return ops[:n-1]
	}
	return ops
}

// badRemote is the way to the server with one thing wrong.
type badRemote struct {
	engine.Remote
	r       *run
	push    func(*badRemote, context.Context, wire.Self, []op.Op) (wire.Results, error)
	changes func(*run) error
	pong    func(*run, wire.Pong)
	self    func(r *run, self wire.Self, push bool) wire.Self
	hasty   bool
}

func remote(set func(*run, *badRemote)) func(*run, engine.Remote) engine.Remote {
	return func(r *run, e engine.Remote) engine.Remote {
		b := &badRemote{Remote: e, r: r}
		set(r, b)
		return b
	}
}

func pushes(after func(*run, wire.Results, error, []op.Op) (wire.Results, error)) func(*run, engine.Remote) engine.Remote {
	return remote(func(_ *run, m *badRemote) {
		m.push = func(b *badRemote, ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error) {
			out, err := b.Remote.Push(ctx, self, ops)
			return after(b.r, out, err, ops)
		}
	})
}

func (b *badRemote) Ping(ctx context.Context) (wire.Pong, error) {
	p, err := b.Remote.Ping(ctx)
	if b.pong != nil && err == nil {
		b.pong(b.r, p)
	}
	return p, b.hurried(err)
}

func (b *badRemote) Push(ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error) {
	if b.self != nil {
		self = b.self(b.r, self, true)
	}
	if b.push != nil {
		return b.push(b, ctx, self, ops)
	}
	out, err := b.Remote.Push(ctx, self, ops)
	return out, b.hurried(err)
}

func (b *badRemote) Changes(ctx context.Context, self wire.Self, cursor string, limit int) (wire.Changes, error) {
	if b.changes != nil {
		if err := b.changes(b.r); err != nil {
			return wire.Changes{}, err
		}
	}
	if b.self != nil {
		self = b.self(b.r, self, false)
	}
	page, err := b.Remote.Changes(ctx, self, cursor, limit)
	return page, b.hurried(err)
}

// hurried takes out of a refusal that it asks to wait.
func (b *badRemote) hurried(err error) error {
	var refused *wire.ServerError
	if b.hasty && errors.As(err, &refused) {
		refused.RetryAfter = 0
	}
	return err
}

func dropWhenRevoked(r *run, p wire.Pong) {
	if p.Auth != "revoked" {
		return
	}
	for _, row := range r.lap.waiting(r) {
		_ = r.db.DiscardOp(context.Background(), row.Op.ID) // one may have gone with another
	}
}

func newIDs(tried map[string]bool) func(*badRemote, context.Context, wire.Self, []op.Op) (wire.Results, error) {
	return func(b *badRemote, ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error) {
		sent := slices.Clone(ops)
		for i, o := range sent {
			if tried[o.ID] {
				sent[i].ID, sent[i].Seq = b.r.nonce(), 0
			}
			tried[o.ID] = true
		}
		out, err := b.Remote.Push(ctx, self, sent)
		for i := range out.Results {
			out.Results[i].OpID = ops[i].ID
		}
		return out, err
	}
}

func dated(by func(*run, op.Op) int64) func(*badRemote, context.Context, wire.Self, []op.Op) (wire.Results, error) {
	return func(b *badRemote, ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error) {
		sent := slices.Clone(ops)
		for i, o := range sent {
			sent[i].Fields = o.Fields.Clone()
			sent[i].Fields[op.UpdatedAt] = by(b.r, o)
		}
		return b.Remote.Push(ctx, self, sent)
	}
}

func whenAllIsSent(r *run) error {
	if len(r.lap.waiting(r)) > 0 {
		return &wire.Unreachable{Host: "office", What: "not before all is sent"}
	}
	return nil
}

// badStep is what is wrong with a store's writes.
type badStep struct {
	forget int64                 // outcomes so young, ms, are not looked for
	change func(*server.Effects) // what is written is not what was decided
}

type badStore struct {
	server.Store
	w   *world
	bad badStep
}

func writes(set func(*badStep)) func(*world, server.Store) server.Store {
	return func(w *world, s server.Store) server.Store {
		b := &badStore{Store: s, w: w}
		set(&b.bad)
		return b
	}
}

func (b *badStore) Write(ctx context.Context, steps iter.Seq[server.Step]) error {
	return b.Store.Write(ctx, func(yield func(server.Step) bool) {
		for step := range steps {
			if !yield(b.spoil(step)) {
				return
			}
		}
	})
}

func (b *badStore) spoil(step server.Step) server.Step {
	decide := step.Decide
	step.Decide = func(asked server.Needs, loaded server.Loaded) (server.Effects, server.Needs, error) {
		before := loaded.Outcomes
		if b.bad.forget > 0 {
			loaded.Outcomes, loaded.Seqs = b.old(loaded)
		}
		e, more, err := decide(asked, loaded)
		e.Outcomes = slices.DeleteFunc(e.Outcomes, func(o server.Outcome) bool { _, was := before[o.OpID]; return was })
		if b.bad.change != nil {
			b.bad.change(&e)
		}
		return e, more, err
	}
	return step
}

// old is what is known of outcomes that are not young any more.
func (b *badStore) old(loaded server.Loaded) (outcomes map[string]server.Outcome, seqs map[int64]string) {
	outcomes, seqs = map[string]server.Outcome{}, map[int64]string{}
	for id, o := range loaded.Outcomes {
		if o.At < b.w.now()-b.bad.forget {
			outcomes[id] = o
		}
	}
	for seq, id := range loaded.Seqs {
		if _, young := loaded.Outcomes[id]; !young || outcomes[id].OpID != "" {
			seqs[seq] = id
		}
	}
	return outcomes, seqs
}

// badFeed leaves out the last of several rows.
type badFeed struct{ server.Store }

func (b *badFeed) Changes(ctx context.Context, q server.ChangesQuery) (server.Feed, error) {
	f, err := b.Store.Changes(ctx, q)
	if n := len(f.Rows); n > 1 && n < q.Rows {
		f.Rows = f.Rows[:n-1]
	}
	return f, err
}

// badDoor does not look whether a device was revoked.
type badDoor struct{ server.Store }

func (b *badDoor) ByToken(ctx context.Context, hash string) (server.Device, server.User, error) {
	d, u, err := b.Store.ByToken(ctx, hash)
	d.Revoked = 0
	return d, u, err
}
