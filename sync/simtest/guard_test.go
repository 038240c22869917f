package simtest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

var errKilled = errors.New("the program was killed")

// guard stands between a laptop's engine and its database: it holds what the
// engine asks for to the truth, and is where programs are killed.
type guard struct {
	*localdb.DB
	r *run
}

func (g *guard) NextBatch(ctx context.Context, maxOps, maxBytes int, under ...op.Op) ([]op.Op, error) {
	if g.r.isDead() {
		return nil, errKilled
	}
	return g.DB.NextBatch(ctx, maxOps, maxBytes, under...)
}

// Freeze leaves out what a later edit of the same person replaces whole.
func (g *guard) Freeze(ctx context.Context, ops []op.Op) ([]op.Op, error) {
	g.r.point("before freeze")
	if g.r.isDead() {
		return nil, errKilled
	}
	out, err := g.DB.Freeze(ctx, ops)
	if err != nil || g.r.isDead() {
		return out, err
	}
	defer g.r.point("after freeze")
	left := map[string]bool{}
	for _, o := range out {
		left[o.ID] = true
	}
	waits := map[string]bool{}
	for _, row := range g.r.lap.waiting(g.r) {
		waits[row.Op.ID] = true
	}
	for _, o := range ops {
		if f := g.r.lap.w.book.fact(o.ID); f != nil && !left[o.ID] && !waits[o.ID] && !f.dropped {
			g.r.lap.w.book.squashed(f)
		}
	}
	return out, nil
}

func (g *guard) MarkTried(ctx context.Context, ids []string, reason string) error {
	if g.r.isDead() {
		return errKilled
	}
	defer g.r.poke()
	return g.DB.MarkTried(ctx, ids, reason)
}

func (g *guard) RoundDone(ctx context.Context) error {
	if g.r.isDead() {
		return errKilled
	}
	defer g.r.poke()
	return g.DB.RoundDone(ctx)
}

// Settle: an op leaves the queue only by the server's word, and by the one that
// it gave. It begins when all else has come to rest: the next batch may be on its
// way beside it, and which of the two were first would be the runtime's chance.
func (g *guard) Settle(ctx context.Context, ops []op.Op, results []wire.Result, seen wire.Seen) (wire.Settled, error) {
	time.Sleep(time.Microsecond)
	g.r.point("before settle")
	if g.r.isDead() {
		return wire.Settled{}, errKilled
	}
	w := g.r.lap.w
	for i, o := range ops {
		f := w.book.fact(o.ID)
		switch {
		case f == nil:
			w.violated("I12", "%s settles op %s, which nobody made", g.r.lap.name, o.ID)
		case results[i].Outcome == op.Retry || f.sameOutcome(results[i].Outcome):
		case f.outcome == "" && results[i].Code != op.CodeTooLarge && results[i].Code != op.CodeForked:
			w.violated("I32", "%s takes %s for %s, but the server never settled it", g.r.lap.name, w.book.tell(f), results[i].Outcome)
		case f.outcome != "":
			w.violated("I12", "%s takes %s for %s, but the server's word was %s", g.r.lap.name, w.book.tell(f), results[i].Outcome, f.outcome)
		}
	}
	s, err := g.DB.Settle(ctx, ops, results, seen)
	switch {
	case err == nil:
		g.r.lap.told(seen[crew].Version, false)
		g.r.lap.gaveWay(g.r, ops, results)
	case !g.r.isDead() && ctx.Err() == nil:
		w.violated("I29", "%s cannot settle: %v", g.r.lap.name, err)
	}
	g.r.point("after settle")
	var refs []server.Ref
	for _, o := range ops {
		refs = append(refs, server.Ref{Kind: o.Kind, ID: o.Entity})
	}
	g.look(refs)
	g.r.poke()
	return s, err
}

// gaveWay marks changes that left the queue, where they were refused or waited for
// others, because the same person changed all that they touched again: what was
// written last counts.
func (l *laptop) gaveWay(r *run, ops []op.Op, results []wire.Result) {
	here := map[string]bool{}
	for _, row := range l.waiting(r) {
		here[row.Op.ID] = true
	}
	l.w.book.with(func() {
		for _, f := range l.w.book.order {
			open := f.outcome == "" || f.outcome == op.Rejected
			if f.lap != l.n || f.action == op.Insert || !open {
				continue
			}
			for i, o := range ops {
				if results[i].Outcome != op.Retry && results[i].Outcome != op.Rejected {
					f.yieldTo(o)
				}
			}
			if !here[f.id] && len(f.touches) == 0 {
				f.dropped = true
			}
		}
	})
}

// yieldTo takes away what a later op of the same laptop says instead.
func (f *fact) yieldTo(o op.Op) {
	if o.Entity != f.ref.ID || o.Seq <= f.seq || o.Action == op.Delete {
		return
	}
	for register := range touchedBy(o.Kind, o.Action, o.Fields) {
		delete(f.touches, register)
	}
}

// ApplyChanges: a page tells versions in their order, from behind the cursor on.
func (g *guard) ApplyChanges(ctx context.Context, page wire.Changes) (int, error) {
	g.r.point("before apply")
	if g.r.isDead() {
		return 0, errKilled
	}
	w := g.r.lap.w
	before, err := g.DB.Cursor(ctx)
	if err != nil {
		return 0, err
	}
	from, upto := positions(before), positions(page.Cursor)
	for _, c := range page.Changes {
		if c.Version <= from[c.Crew] || c.Version > upto[c.Crew] {
			w.violated("I16", "%s hears of version %d between %d and %d", g.r.lap.name, c.Version, from[c.Crew], upto[c.Crew])
		}
		from[c.Crew] = c.Version
	}
	n, err := g.DB.ApplyChanges(ctx, page)
	switch {
	case err == nil:
		g.r.lap.told(page.Seen[crew].Version, !page.More)
	case !g.r.isDead() && ctx.Err() == nil:
		w.violated("I29", "%s cannot apply a page: %v", g.r.lap.name, err)
	}
	g.r.point("after apply")
	var refs []server.Ref
	for _, c := range page.Changes {
		refs = append(refs, server.Ref{Kind: c.EntityType, ID: c.EntityID})
	}
	g.look(refs)
	g.r.poke()
	return n, err
}

// Advance: what the answers to a laptop's own batches told it need not be heard.
func (g *guard) Advance(ctx context.Context, from, to string) error {
	g.r.point("before apply")
	if g.r.isDead() {
		return errKilled
	}
	defer g.r.poke()
	for name, upto := range positions(to) {
		if upto < positions(from)[name] {
			g.r.lap.w.violated("I16", "%s goes back from %d to %d", g.r.lap.name, positions(from)[name], upto)
		}
	}
	g.r.lap.w.count("cursors that the answers to a push moved on")
	return g.DB.Advance(ctx, from, to)
}

// Reset: all that the restored server does not know, and this laptop does, waits
// again.
func (g *guard) Reset(ctx context.Context, common wire.Common) error {
	g.r.point("before reset")
	if g.r.isDead() {
		return errKilled
	}
	err := g.DB.Reset(ctx, common)
	if err == nil {
		g.r.lap.beginsAgain()
		g.r.lap.kept(g.r, "I35", "after the laptop found out that the server was restored")
	}
	g.r.point("after reset")
	g.r.poke()
	return err
}

// Anew: a laptop that is behind what the server forgot keeps all that it has not sent.
func (g *guard) Anew(ctx context.Context, notice string) error {
	g.r.point("before reset")
	if g.r.isDead() {
		return errKilled
	}
	if notice != localdb.NoticeAway {
		g.r.lap.w.violated("I15", "%s begins anew: %q", g.r.lap.name, notice)
	}
	err := g.DB.Anew(ctx, notice)
	if err == nil {
		g.r.lap.w.note(g.r.lap.name, "begins anew")
		g.r.lap.w.count("laptops that were behind what the server forgot")
		g.r.lap.mu.Lock()
		clear(g.r.lap.versions) // announced; of a record that the server forgot it has no word any more
		g.r.lap.mu.Unlock()
		g.r.lap.kept(g.r, "I35", "after the laptop began anew")
	}
	g.r.point("after reset")
	g.r.poke()
	return err
}

// Renew: a laptop that is killed while it keeps a new token gets in all the same.
func (g *guard) Renew(ctx context.Context, from, next string) error {
	g.r.point("before renew")
	if g.r.isDead() {
		return errKilled
	}
	err := g.DB.Renew(ctx, from, next)
	g.r.lap.w.count("tokens offered")
	g.r.point("after renew")
	return err
}

// positions reads the cursor, which is opaque to devices but not to this judge.
func positions(cursor string) map[string]int64 {
	var c struct{ C map[string]int64 }
	if b, err := base64.RawURLEncoding.DecodeString(cursor); err == nil {
		_ = json.Unmarshal(b, &c) // one that cannot be read is at the start
	}
	if c.C == nil {
		c.C = map[string]int64{}
	}
	return c.C
}

// look checks what the person sees of some records: never an older word of the
// server than before, and always the person's own unsent edits on top.
func (g *guard) look(refs []server.Ref) {
	l := g.r.lap
	if g.r.isDead() {
		return
	}
	mine := map[server.Ref]op.Fields{}
	for _, row := range l.waiting(g.r) {
		ref := server.Ref{Kind: row.Op.Kind, ID: row.Op.Entity}
		if mine[ref] == nil || row.Op.Fields[op.Deleted] == false {
			mine[ref] = op.Fields{} // what stood behind a deletion is not brought back by who restores the record
		}
		for name, v := range row.Op.Fields {
			mine[ref][name] = v
		}
		if row.Op.Action == op.Delete {
			mine[ref][op.Deleted] = true
		}
	}
	for _, ref := range slices.Compact(refs) {
		rec, err := g.DB.Record(context.Background(), ref.Kind, ref.ID)
		if errors.Is(err, localdb.ErrNotFound) {
			// Work on it may have come back with what a restored server lost, though
			// the record had left the crew, and the laptop, long before.
			if left := l.w.moving && l.w.book.era() > 0; mine[ref] != nil && !left {
				l.w.violated("I18", "%s does not see %s %s, on which it has unsent work", l.name, ref.Kind, ref.ID)
			}
			continue
		}
		if err != nil {
			l.w.violated("harness", "record: %v", err)
			continue
		}
		l.steady(rowKey{rec.Crew, ref}, rec.Version)
		if rec.Deleted && mine[ref][op.Deleted] != false {
			continue
		}
		for name, v := range mine[ref] {
			if name != op.UpdatedAt && name != op.Deleted && !op.Equal(rec.Fields[name], v) {
				l.w.violated("I18", "%s wrote %s = %v on %s %s and sees %v before it is sent", l.name, name, v, ref.Kind, ref.ID, rec.Fields[name])
			}
		}
	}
}

// steady: what a person sees never turns back to an older word of the server.
func (l *laptop) steady(k rowKey, version int64) {
	l.mu.Lock()
	was := l.versions[k]
	l.versions[k] = max(was, version)
	l.mu.Unlock()
	if version < was {
		l.w.violated("I19", "%s saw version %d of %s %s and now sees %d", l.name, was, k.Kind, k.ID, version)
	}
}

// caller is the protocol's client with the places at which programs are killed.
type caller struct {
	*wire.Client
	r *run
}

func (c *caller) Push(ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error) {
	c.r.point("before push")
	w := c.r.lap.w
	for i := range ops {
		if c.r.lap.liar {
			ops[i].Fields = ops[i].Fields.Clone()
			ops[i].Fields[op.UpdatedAt] = ops[i].Time() + 5*year
		}
		if w.plant.trusts && c.r.lap.liar {
			ops[i].Fields[op.UpdatedAt] = min(ops[i].Time(), w.now())
		}
		if f := w.book.fact(ops[i].ID); f != nil {
			w.book.with(func() { f.uncertain = f.uncertain || ops[i].TimeUncertain })
		}
	}
	c.r.sends(true)
	results, err := c.Client.Push(ctx, self, ops)
	c.r.sends(false)
	c.r.point("after push")
	return results, err
}

// Mend: nothing damages records here, so what a laptop was told is what the
// server holds whenever both stand at one version.
func (g *guard) Mend(ctx context.Context, l wire.Leaf) (int, error) {
	wrong, err := g.DB.Explain(ctx, l)
	for _, d := range wrong {
		g.r.lap.w.violated("I15", "%s holds %s %s not as the server does: %v, here %+v, there %+v", g.r.lap.name, d.Kind, d.ID, d.Fields, d.Here, d.There)
	}
	if err != nil {
		return 0, err
	}
	return g.DB.Mend(ctx, l)
}
