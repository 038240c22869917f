package engine

import (
	"context"
	"errors"
	"maps"
	"net/http"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// push sends batch after batch until nothing more may go.
func (r *round) push(ctx context.Context) *fault {
	defer r.board.update(func(s *Status) {
		if s.Done, s.Total = 0, 0; s.Activity == Sending {
			s.Activity = Idle
		}
	})
	cursor, err := r.o.Local.Cursor(ctx)
	if err != nil {
		return diagnose(err)
	}
	r.at = [2]string{cursor, cursor}
	f := r.pushAll(ctx)
	if r.at[0] != r.at[1] && (f == nil || !f.reset) {
		// Kept once, behind all batches: before that they are only heard once more.
		if err := r.o.Local.Advance(context.WithoutCancel(ctx), r.at[0], r.at[1]); err != nil && f == nil {
			f = diagnose(err)
		}
	}
	return f
}

// answered is a batch with the server's word on it, which is not kept yet.
type answered struct {
	ops []op.Op
	out wire.Results
}

// plain tells whether the server says of each op no more than that it took effect.
// To keep that leaves the rest of the queue as it is.
func (a *answered) plain() bool {
	for _, res := range a.out.Results {
		if res.Outcome != op.Applied || res.Duplicate || len(res.Lost)+len(res.Overrode) > 0 {
			return false
		}
	}
	return true
}

// pushAll sends batch after batch, one at a time and in their order. While more
// waits, a plain answer is kept while the next batch is on its way:
//
//	send 1 ─► answer 1, send 2 ─► answer 2, send 3 ─►
//	                    keep 1 │           keep 2 │
//
// A program that ends between the two sends 1 again, and is told the same.
func (r *round) pushAll(ctx context.Context) *fault {
	var last *answered
	for done := 0; ; {
		under := []op.Op{}
		if last != nil {
			under = last.ops
		}
		ops, err := r.outbox.next(ctx, r.o.Local, r.o.Clock().Boot, under...)
		if err != nil { // what was answered is kept all the same
			if _, f := r.keep(ctx, last)(); f != nil {
				return f
			}
			return diagnose(err)
		}
		if len(ops) == 0 && last == nil {
			return nil
		}
		r.board.update(func(s *Status) {
			s.Activity, s.Done, s.Total = Sending, done+len(under), done+max(r.out.known, len(ops))
		})
		settled, f := 0, (*fault)(nil)
		if last, settled, f = r.pushBatch(ctx, ops, last); f != nil {
			return f
		}
		done += settled
		r.out.known = max(0, r.out.known-settled)
	}
}

// pushBatch sends one batch, and keeps the answer to the one before meanwhile. It
// returns its own answer where that may be kept later, and how many ops left the queue.
func (r *round) pushBatch(ctx context.Context, ops []op.Op, last *answered) (*answered, int, *fault) {
	self, err := r.o.Local.Self(ctx)
	if err == nil && len(ops) > 0 {
		ops, err = r.o.Local.Freeze(ctx, ops)
	}
	if last != nil { // it was told of that already
		seen := wire.Seen{}
		maps.Copy(seen, self.Seen)
		maps.Copy(seen, last.out.Seen)
		self.Seen = seen
	}
	kept := r.keep(ctx, last)
	defer kept() // also when what comes panics

	if err != nil || len(ops) == 0 { // nothing waits behind it, or all of it was taken back meanwhile
		settled, f := kept()
		if f == nil && err != nil {
			f = diagnose(err)
		}
		return nil, settled, f
	}
	var out wire.Results
	err = r.call(func(s Remote) (err error) { out, err = s.Push(ctx, self, ops); return err })
	settled, f := kept()
	if f != nil {
		return nil, settled, f
	}
	if err != nil && ctx.Err() != nil {
		return nil, settled, diagnose(err)
	}
	if tooLarge(err) {
		if !isUnit(ops) {
			r.outbox.shrink(len(ops))
			return nil, settled, nil
		}
		out, err = wire.Results{Results: tooLargeForGood(ops)}, nil
	}
	if err != nil {
		f := diagnose(err)
		r.mark(ctx, ops, f)
		switch {
		case f.cut:
			r.outbox.cut(len(ops))
		case f.bad:
			r.outbox.bad(ops, r.o.Clock().Boot)
		}
		return nil, settled, f
	}
	r.online()
	a := &answered{ops, out}
	if r.out.known > settled+len(ops) && len(r.outbox.held) == 0 && a.plain() {
		return a, settled, nil
	}
	n, f := r.settle(ctx, ops, out)
	return nil, settled + n, f
}

// keep settles an answer beside what the caller does until it calls what it is
// given back, which must not touch the round. Of none there is nothing to keep.
func (r *round) keep(ctx context.Context, a *answered) func() (int, *fault) {
	settled, f := 0, (*fault)(nil)
	if a == nil {
		return func() (int, *fault) { return settled, f }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.guard("settle", func() { settled, f = r.settle(ctx, a.ops, a.out) }); err != nil {
			f = diagnose(err)
		}
	}()
	return func() (int, *fault) {
		<-done
		return settled, f
	}
}

func (r *round) settle(ctx context.Context, ops []op.Op, out wire.Results) (int, *fault) {
	results := out.Results
	// The server's word is kept even when the engine is being stopped: it is
	// here, and asking again costs a round trip.
	s, err := r.o.Local.Settle(context.WithoutCancel(ctx), ops, results, out.Seen)
	if err != nil {
		return 0, diagnose(err)
	}
	if s.Forked > 0 {
		if f := r.forked(); f != nil {
			return 0, f
		}
	}
	r.outbox.sent(ops, results, r.o.Clock().Boot)
	if c := out.Cursor; c != nil && c.From == r.at[1] && s.Acked == len(ops) && s.Untold == 0 {
		r.at[1] = c.To
	}
	r.out.progress = r.out.progress || s.Acked+s.Parked > 0
	for _, res := range results {
		r.conflicts(res.Lost)
		r.conflicts(res.Overrode)
	}
	r.out.result.Pushed += s.Acked
	r.out.result.Parked += s.Parked
	return s.Acked + s.Parked, nil
}

func tooLarge(err error) bool {
	var refused *wire.ServerError
	return errors.As(err, &refused) && refused.Status() == http.StatusRequestEntityTooLarge
}

// tooLargeForGood is the verdict on an op, or a group, that alone is more than
// the server takes: it is parked and shown, and the others go on.
func tooLargeForGood(ops []op.Op) []wire.Result {
	out := make([]wire.Result, len(ops))
	for i, o := range ops {
		out[i] = wire.Result{OpID: o.ID, Outcome: op.Rejected, Code: op.CodeTooLarge, Message: "the change is larger than the server takes"}
	}
	return out
}
