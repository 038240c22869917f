package engine

import (
	"context"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// outcome is how a round ended.
type outcome struct {
	result    RoundResult
	fault     *fault // nil: it did all that could be done, or was cancelled
	cancelled bool
	progress  bool // something was sent or heard
	renewed   bool // a token that was offered is kept; this round still showed the one before
	known     int  // ops that waited when the queue was last looked at
}

// line is what is known of the way to the server from one round to the next.
type line struct {
	remote Remote
	stale  bool             // idle connections may be dead
	ponged int64            // boot clock, ms, of the last pong …
	boot   string           // … and the boot it was in
	noted  int64            // boot clock, ms, of the last RoundDone
	crews  string           // what the last applied page said of the device's user
	heard  map[string]int64 // by crew: the newest version that a page told
	deaf   bool             // the page before a long queue did not come
	mends  map[string]mend  // by crew: those that differed from the server; nil: not compared yet
}

func (l *line) hangup() {
	if l.remote != nil {
		l.remote.Hangup()
	}
}

// round is one push and pull until dry.
type round struct {
	*Engine
	out    outcome
	pushed *fault // why pushing stopped in this round, when the way itself was fine
	told   map[string]bool
	whole  bool      // compare with the server whatever that costs
	forks  int       // batches that met another copy of this device's data
	at     [2]string // the cursor as it is kept, and as the answers to the last batches moved it on
	detail string    // what the person has to know of this round, though the server answers
}

// round makes one round, or, for an engine that is not the sender, looks
// whether the server answers.
func (e *Engine) round(ctx context.Context, sender, whole bool) outcome {
	r := &round{Engine: e, told: map[string]bool{}, whole: whole}
	var f *fault
	if err := e.guard("round", func() { f = r.run(ctx, sender) }); err != nil {
		f = diagnose(err)
	}
	if ctx.Err() != nil {
		f, r.out.cancelled = nil, true
	}
	r.out.fault = f
	switch {
	case f != nil && f.state != "":
		e.board.reach(f.state, f.err.Error(), e.o.Clock().Wall)
	case f != nil:
		e.board.update(func(s *Status) { s.Detail = f.err.Error() })
		e.o.Log.Error("round failed on this side", "error", f.err)
	}
	if f != nil && f.line {
		e.line.stale = true
	}
	return r.out
}

func (r *round) run(ctx context.Context, sender bool) *fault {
	f := r.attempt(ctx, sender)
	for n := 1; n < maxTokens && r.otherToken(ctx, f); n++ {
		f = r.attempt(ctx, sender)
	}
	return f
}

func (r *round) attempt(ctx context.Context, sender bool) *fault {
	if f := r.count(ctx); f != nil {
		return f
	}
	if f := r.open(ctx); f != nil {
		return f
	}
	if f := r.ping(ctx, sender); f != nil {
		return f
	}
	if !sender {
		return nil
	}
	f := r.both(ctx)
	if f != nil && f.reset {
		if f = r.reset(ctx); f == nil {
			f = r.both(ctx)
		}
	}
	if f != nil && f.anew {
		if f = r.anew(ctx, f); f == nil {
			f = r.both(ctx)
		}
	}
	if f != nil {
		return f
	}
	if r.pushed != nil {
		r.pushed.state = reach.Online // it did answer; what it refuses stands in the detail
		return r.pushed
	}
	return r.dry(ctx)
}

// both is push and pull, and then a push of what could not go before or came
// meanwhile. Before a long queue is sent one page is heard: where that is all
// there was, the answers move the cursor on, and what was sent is not heard again.
// Where that page did not come the next round sends without it.
func (r *round) both(ctx context.Context) *fault {
	if r.out.known > maxOps && !r.line.deaf {
		f := r.hear(ctx)
		if r.line.deaf = f != nil; r.line.deaf && f.line {
			return f
		}
	}
	r.pushed = r.push(ctx)
	if f := r.pushed; f != nil && f.line {
		return f
	}
	if f := r.pull(ctx); f != nil || r.pushed != nil {
		return f
	}
	if f := r.count(ctx); f != nil {
		return f
	}
	if r.pushed = r.push(ctx); r.pushed != nil && r.pushed.line {
		return r.pushed
	}
	return nil
}

// open gets the way to the server as the device stands now.
func (r *round) open(ctx context.Context) *fault {
	remote, err := r.o.Remote(ctx)
	if err != nil {
		return diagnose(err)
	}
	if remote != r.line.remote {
		r.line.hangup()
		r.line.remote, r.line.ponged = remote, 0
	}
	if r.line.stale {
		r.line.stale = false
		remote.Hangup()
	}
	return nil
}

// call marks the time that a request takes, so that one which hangs can be told.
func (r *round) call(f func(Remote) error) error {
	r.calling.Store(max(1, r.o.Clock().Boot))
	defer r.calling.Store(0)
	return f(r.line.remote)
}

// online notes a true answer.
func (r *round) online() {
	r.board.reach(reach.Online, r.detail, r.o.Clock().Wall)
}

// ping asks whether the server is there, unless that was heard just now. It
// comes first because ops are timed with the offset that it teaches.
func (r *round) ping(ctx context.Context, sender bool) *fault {
	now := r.o.Clock()
	fresh := r.line.ponged != 0 && r.line.boot == now.BootID && now.Boot-r.line.ponged < pingEvery.Milliseconds()
	if sender && fresh && r.board.get().Reach == reach.Online {
		return nil
	}
	var pong wire.Pong
	err := r.call(func(s Remote) (err error) { pong, err = s.Ping(ctx); return err })
	if err == nil {
		err = pong.Refusal()
	}
	if err != nil {
		f := diagnose(err)
		if sender && ctx.Err() == nil {
			r.markQueue(ctx, f)
		}
		return f
	}
	if err := r.o.Learn(ctx, pong.Time, pong.Before, pong.After); err != nil {
		return diagnose(err)
	}
	r.line.ponged, r.line.boot = max(1, now.Boot), now.BootID
	r.online()
	return nil
}

// markQueue counts a try for the ops that would have gone.
func (r *round) markQueue(ctx context.Context, f *fault) {
	ops, err := r.outbox.next(ctx, r.o.Local, r.o.Clock().Boot)
	if err == nil {
		r.mark(ctx, ops, f)
	}
}

func (r *round) mark(ctx context.Context, ops []op.Op, f *fault) {
	if len(ops) == 0 || !f.touches() {
		return
	}
	ids := make([]string, len(ops))
	for i, o := range ops {
		ids[i] = o.ID
	}
	if err := r.o.Local.MarkTried(ctx, ids, f.err.Error()); err != nil && ctx.Err() == nil {
		r.o.Log.Error("mark tried", "error", err)
	}
}

// count looks how many ops wait: before the queue is read, so that an op that
// comes between the two is sent and one that comes later makes the count grow.
// For a long queue it costs too much to be done for each batch; what was settled
// is subtracted instead.
func (r *round) count(ctx context.Context) *fault {
	n, err := r.o.Pending(ctx)
	if err != nil {
		return diagnose(err)
	}
	r.out.known = n
	return nil
}

// conflicts counts each conflict once, whether push or pull brings it.
func (r *round) conflicts(list []wire.Conflict) {
	for _, c := range list {
		if !r.told[c.ID] {
			r.told[c.ID] = true
			r.out.result.Conflicts++
		}
	}
}

// dry notes that all was sent and heard. To write that down each few seconds
// would wear the disk for nothing.
func (r *round) dry(ctx context.Context) *fault {
	now := r.o.Clock()
	if len(r.outbox.held) > 0 {
		return nil
	}
	res := r.out.result
	moved := res.Pushed+res.Parked+res.Pulled+res.Conflicts > 0
	if moved || r.line.noted == 0 || now.Boot-r.line.noted >= noteEvery.Milliseconds() {
		if err := r.o.Local.RoundDone(ctx); err != nil {
			return diagnose(err)
		}
		r.line.noted = max(1, now.Boot)
		r.board.update(func(s *Status) { s.LastSync = now.Wall })
	}
	return nil
}

// wait is how far off a boot clock moment is.
func (e *Engine) wait(due int64) time.Duration {
	return time.Duration(max(0, due-e.o.Clock().Boot)) * time.Millisecond
}
