package simtest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// morePlants are those that need what befalls whole machines: restores, copies,
// sleep, a second program; and those that a store alone can have.
var morePlants = []plant{
	{name: "no restore check", remote: selves(func(_ *run, self wire.Self, _ bool) wire.Self { self.Seen = nil; return self })},
	{name: "restore check on pull only", remote: selves(func(_ *run, self wire.Self, push bool) wire.Self {
		if push {
			self.Seen = nil
		}
		return self
	})},
	{name: "restore check by version alone", remote: selves(func(r *run, self wire.Self, _ bool) wire.Self {
		self.Seen = r.lap.w.office.printsOf(self.Seen)
		return self
	})},
	{name: "acked ops forgotten", local: resets(func(b *badLocal, ctx context.Context, c wire.Common) error {
		past, err := b.Local.Past(ctx)
		if err != nil {
			return err
		}
		c.Known = past.Ops
		return b.Local.Reset(ctx, c)
	})},
	{name: "a reset drops the queue", local: resets(func(b *badLocal, ctx context.Context, c wire.Common) error {
		err := b.Local.Reset(ctx, c)
		for _, row := range b.r.lap.waiting(b.r) {
			_ = b.r.db.DiscardOp(ctx, row.Op.ID) // one may have gone with another
		}
		return err
	})},
	{name: "two senders", lock: func() (func(), bool, error) { return func() {}, true, nil }},
	{name: "forked is taken for settled", local: settles(func(results []wire.Result) {
		for i, r := range results {
			if r.Code == op.CodeForked {
				results[i].Outcome, results[i].Code = op.Applied, ""
			}
		}
	})},
	{name: "a new identity is not told", remote: selves(func(_ *run, self wire.Self, _ bool) wire.Self { self.Queues = nil; return self })},
	{name: "an answer steps over others' work", remote: pushes(func(r *run, out wire.Results, err error, _ []op.Op) (wire.Results, error) {
		if out.Cursor != nil {
			out.Cursor.From, _ = r.db.Cursor(context.Background()) // wherever it stands; a dead one goes nowhere
		}
		return out, err
	})},
	{name: "no causal max", remote: remote(func(_ *run, m *badRemote) { m.push = withoutBase })},
	{name: "delete wins silently", store: writes(func(s *badStep) {
		s.change = func(e *server.Effects) {
			e.Conflicts = slices.DeleteFunc(e.Conflicts, func(row server.ConflictRow) bool {
				var c op.Conflict
				return json.Unmarshal([]byte(row.Body), &c) == nil && c.Why == op.WhyDeleted
			})
		}
	})},
	{name: "dismissed here, lost there", local: local(func(r *run, l *badLocal) {
		l.hear = func(page *wire.Changes) { page.Conflicts = r.lap.w.book.undismissed(page.Conflicts) }
		l.settle = func(results []wire.Result) {
			for i := range results {
				results[i].Lost, results[i].Overrode = r.lap.w.book.undismissed(results[i].Lost), r.lap.w.book.undismissed(results[i].Overrode)
			}
		}
	})},
	{name: "a parked op loses its dependents", local: local(func(_ *run, l *badLocal) { l.settled = dropDependents })},
	{name: "dedupe outside the transaction", store: writes(func(s *badStep) { s.forget = minute })},
	{name: "per-request offset", arrives: datedOnArrival},
	{name: "timer on the monotonic clock", deaf: true},
	{name: "the digest is not kept up", store: writes(func(s *badStep) { s.change = func(e *server.Effects) { e.Leaves = nil } })},
	{name: "looks every five minutes", poll: 5 * minute},
	{name: "renewal forgets the old token first", local: local(func(_ *run, l *badLocal) { l.renew = forgetTokens })},
}

var allPlants = slices.Concat(plants, morePlants)

func resets(f func(*badLocal, context.Context, wire.Common) error) func(*run, engine.Local) engine.Local {
	return local(func(_ *run, l *badLocal) { l.reset = f })
}

// selves changes what a device says of itself.
func selves(f func(r *run, self wire.Self, push bool) wire.Self) func(*run, engine.Remote) engine.Remote {
	return remote(func(_ *run, m *badRemote) { m.self = f })
}

// printsOf says of each version what the server's own history says of it, where
// it holds it at all.
func (o *office) printsOf(seen wire.Seen) wire.Seen {
	s, done := o.serving()
	defer done()
	if s == nil {
		return seen
	}
	out := wire.Seen{}
	for name, m := range seen {
		mark := server.Mark{Crew: name, Version: m.Version}
		found, err := s.store.Load(context.Background(), server.Needs{Marks: []server.Mark{mark}})
		if print, ok := found.Fingerprints[mark]; ok && err == nil {
			m.Fingerprint = print
		}
		out[name] = m
	}
	return out
}

func withoutBase(b *badRemote, ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error) {
	sent := slices.Clone(ops)
	for i := range sent {
		sent[i].Base = 0
	}
	return b.Remote.Push(ctx, self, sent)
}

// datedOnArrival takes the moment at which a request arrives for the one at which
// it was sent, and dates what it holds by the difference.
func datedOnArrival(k *trip, r *http.Request, body []byte) (*http.Request, []byte) {
	var batch wire.Batch
	late := k.w.now() - k.left
	if r.URL.Path != wire.PathBatch || json.Unmarshal(plain(r.Header, body), &batch) != nil {
		return r, body
	}
	for _, o := range batch.Ops {
		o.Fields[op.UpdatedAt] = o.Time() + late
	}
	text, err := json.Marshal(batch)
	if err != nil {
		return r, body
	}
	r = r.Clone(r.Context())
	r.Header.Del("Content-Encoding")
	return r, text
}

// undismissed leaves out what any person has dismissed already.
func (b *book) undismissed(list []wire.Conflict) []wire.Conflict {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(list, func(c wire.Conflict) bool { return b.dismissed[c.ID] })
}

// forgetTokens leaves a laptop without a token for as long as it takes to keep the
// new one: whoever is to be killed soon is killed then.
func forgetTokens(b *badLocal) error {
	path := b.r.db.Path() + ".token"
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	for _, where := range laptopPoints[2:] {
		b.r.point(where)
	}
	if b.r.isDead() {
		return errKilled
	}
	return os.WriteFile(path, old, 0o600)
}

func dropDependents(b *badLocal) {
	for _, row := range b.r.lap.waiting(b.r) {
		if row.Behind != "" {
			_ = b.r.db.DiscardOp(context.Background(), row.Op.ID) // one may have gone with another
		}
	}
}
