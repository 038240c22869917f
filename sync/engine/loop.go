package engine

import (
	"context"
	"errors"
	"time"

	"example.com/punchlist/sync/reach"
)

// loop is one Run: a single goroutine that decides when the next round begins,
// and at most one other that is in a round. All moments are boot clock, ms.
//
//	          wake, links, kick, timer
//	idle ─────────────────────────────▶ in a round
//	  ▲  due = now + what the outcome says │
//	  └────────────────────────────────────┘
type loop struct {
	*Engine
	ctx   context.Context
	timer *time.Timer

	due    int64 // next round
	last   int64 // start of the last one
	floor  int64 // the server asked for quiet until then
	fails  int   // rounds that failed since something gave hope
	failed bool  // whether the last round did
	known  int   // ops that the loop knows to wait
	paused bool
	fault  *fault // of the last round; nil: it went well

	release func() // of the sender's lock; nil: another process sends
	lockDue int64  // next try to become the sender
	hope    int64  // until then tries follow each other closely: the sender may be ending

	done   chan outcome
	cancel context.CancelFunc // of the round that runs; nil: none does
	again  bool               // something called for a new round while one ran
	woken  bool               // local data changed while one ran
	links  bool               // links changed since the last round began
	kicked bool               // a person asked since the last round began
	asked  int64              // wall clock, ms, when the round that runs began, if a person asked for it; 0: nobody did

	ears ears                                        // hears that there is something new
	news struct{ wake, links, free <-chan struct{} } // of the machine; nil: no more of them
}

// Run syncs until ctx ends; then it returns nil, after all that it started has ended.
func (e *Engine) Run(ctx context.Context) error {
	if !e.begin() {
		return ErrRunning
	}
	defer e.end()
	defer e.board.publish(e.listener())()
	l := &loop{Engine: e, ctx: ctx, timer: time.NewTimer(0), done: make(chan outcome, 1), due: e.o.Clock().Boot, ears: newEars()}
	l.last, l.lockDue = l.due-minGap.Milliseconds(), l.due
	defer l.stop()
	l.news.wake, l.news.links, l.news.free = e.o.Wake, e.o.Links, e.o.Free
	l.obey()
	l.count()
	for ctx.Err() == nil {
		l.arm()
		if l.ready() {
			continue
		}
		select {
		case <-ctx.Done():
		case out := <-l.done:
			l.finished(out)
		case err := <-l.ears.done:
			l.onHushed(err)
		case p := <-l.ears.heard:
			l.onPoke(p)
		case <-e.ctl:
			l.obey()
		case _, open := <-l.news.links:
			l.onLinks(open)
		case _, open := <-l.news.wake:
			l.onWake(open)
		case _, open := <-l.news.free:
			l.onFree(open)
		case <-l.timer.C:
			l.onTimer()
		}
	}
	return nil
}

// ready takes one thing that waits already, in a fixed order. Of several that
// wait, a select takes any: no history could be played again to the last event.
func (l *loop) ready() bool {
	if out, ok := poll(l.done); ok {
		l.finished(out)
	} else if err, ok := poll(l.ears.done); ok {
		l.onHushed(err)
	} else if p, ok := poll(l.ears.heard); ok {
		l.onPoke(p)
	} else if _, ok := poll(l.ctl); ok {
		l.obey()
	} else if _, ok := poll(l.news.links); ok {
		l.onLinks(true)
	} else if _, ok := poll(l.news.wake); ok {
		l.onWake(true)
	} else if _, ok := poll(l.news.free); ok {
		l.onFree(true)
	} else {
		return false
	}
	return true
}

// poll receives what waits in a channel; not ok when nothing does, or it is closed.
func poll[T any](c <-chan T) (v T, ok bool) {
	select {
	case v, ok = <-c:
	default:
	}
	return v, ok
}

// stop ends the round and the listening that run, waits for both and gives the
// lock back.
func (l *loop) stop() {
	l.timer.Stop()
	l.hush()
	if l.cancel != nil {
		l.cancel()
		<-l.done
	}
	l.resign()
	l.board.update(func(s *Status) { s.Activity, s.Sender, s.NextTry, s.Why = Idle, false, 0, "" })
}

func (l *loop) now() int64 { return l.o.Clock().Boot }

// soon is the earliest moment for a round that something calls for after delay.
// Tries that fail, or that a person asks for, keep their distance.
func (l *loop) soon(delay time.Duration, distance bool) int64 {
	t := l.now() + delay.Milliseconds()
	if distance {
		t = max(t, l.last+minGap.Milliseconds())
	}
	return max(t, l.floor)
}

// arm sets the timer to the next thing to do and shows when that is.
func (l *loop) arm() {
	next := l.due
	if l.release == nil {
		next = min(next, l.lockDue)
	}
	if l.cancel != nil || l.paused {
		l.timer.Stop()
	} else {
		l.timer.Reset(l.wait(next))
	}
	if l.cancel == nil {
		l.showWait()
	}
}

// onWake looks whether a change of the local data is a new op: the engine's
// own writes wake it too, and must not set it off again.
func (l *loop) onWake(open bool) {
	if !open {
		l.news.wake = nil
		return
	}
	if l.cancel != nil {
		l.woken = true
		return
	}
	if l.paused || l.release == nil {
		l.count()
		return
	}
	switch l.board.get().Reach {
	case reach.NotEnrolled:
		l.due = min(l.due, l.soon(wakeDelay, true))
		return
	case reach.Unauthorised, reach.Outdated:
		if r, err := l.o.Remote(l.ctx); err == nil && r != l.line.remote {
			l.fails = 0
			l.due = min(l.due, l.soon(0, true)) // enrolled anew
		}
		return
	}
	n, err := l.o.Pending(l.ctx)
	if err != nil {
		return // the next round meets the same error and reports it
	}
	if n > l.known {
		l.due = min(l.due, l.soon(wakeDelay, l.failed))
	}
	l.known = n
}

func (l *loop) onLinks(open bool) {
	if !open {
		l.news.links = nil
		return
	}
	l.links, l.fails = true, 0
	l.hush() // its connection may be dead without a word
	l.ears.due, l.ears.polite = max(l.now(), l.floor), 0
	l.hurry(false)
}

// onFree looks soon whether it is this process's turn to send, and how the server
// is: the sender's file was closed. Either it ended, and then the word of it comes a
// moment before its lock is free, or it noted that its server is not as it was.
func (l *loop) onFree(open bool) {
	if !open {
		l.news.free = nil
		return
	}
	if now := l.now(); l.release == nil {
		l.hope = now + hopeFor.Milliseconds()
		l.lockDue = min(l.lockDue, now+lockSoon.Milliseconds())
		l.due = min(l.due, l.soon(wakeDelay, true))
	}
}

// hurry begins a round now, or makes one follow the one that runs. A request
// that hangs is given up: after a change of links its connection may be dead.
func (l *loop) hurry(person bool) {
	if person { // may ask in spite of Retry-After, now and then
		l.floor = min(l.floor, max(l.now(), l.last+kickGap.Milliseconds()))
	}
	if l.cancel == nil {
		l.due = min(l.due, l.soon(0, true))
		return
	}
	l.again = true
	if began := l.calling.Load(); began != 0 && l.now()-began >= stuckAfter.Milliseconds() {
		l.cancel()
	}
}

// obey does what Kick and Pause asked for.
func (l *loop) obey() {
	paused, kicked := l.controls()
	switch {
	case paused && !l.paused:
		l.paused = true
		l.hush()
		if l.cancel != nil {
			l.cancel() // finished resigns
		} else {
			l.resign()
		}
		l.board.reach(reach.Paused, "", l.o.Clock().Wall)
		l.board.update(func(s *Status) { s.Activity = Idle })
	case !paused && l.paused:
		l.paused = false
		l.board.reach(reach.Offline, "", l.o.Clock().Wall)
		if l.release == nil {
			l.tryLock()
		}
	}
	if kicked && !l.paused {
		l.fails, l.kicked = 0, true
		l.hurry(true)
	}
}

func (l *loop) onTimer() {
	now := l.now()
	if l.release == nil && now >= l.lockDue {
		l.lockDue = now + lockEvery.Milliseconds()
		if l.news.free != nil && now >= l.hope {
			l.lockDue = now + lockRarely.Milliseconds()
		}
		l.tryLock()
	}
	if now >= l.due {
		l.start()
	}
}

func (l *loop) tryLock() {
	release, ok, err := l.o.Lock()
	if err != nil {
		l.board.update(func(s *Status) { s.Detail = err.Error() })
		return
	}
	if !ok {
		return
	}
	l.release, l.due = release, max(l.now(), l.floor)
	l.board.update(func(s *Status) { s.Sender = true })
}

// resign leaves the sending to another process, if there is one. No round runs.
func (l *loop) resign() {
	if l.release == nil {
		return
	}
	l.release()
	l.release = nil
	l.board.update(func(s *Status) { s.Sender = false })
}

// start begins a round.
func (l *loop) start() {
	ctx, cancel := context.WithCancel(l.ctx)
	l.cancel, l.last = cancel, l.now()
	if l.links {
		l.line.stale = true
	}
	l.asked = 0
	if l.kicked {
		l.outbox.forgive()
		l.asked = l.o.Clock().Wall
	}
	l.again, l.woken, l.links, l.kicked = false, false, false, false
	clear(l.ears.news) // this round will ask
	sender := l.release != nil
	go func() { l.done <- l.round(ctx, sender, false) }()
}

// finished decides when the next round begins.
func (l *loop) finished(out outcome) {
	l.cancel() // gives the context's memory back
	l.cancel = nil
	l.known = out.known
	f := out.fault
	if !out.cancelled {
		l.failed, l.fault = f != nil, f
		l.board.update(func(s *Status) { s.Looking, s.Asked = false, max(s.Asked, l.asked) })
	}
	l.kicked = l.kicked || out.cancelled && l.asked != 0 // a round that was given up is no answer
	switch {
	case out.cancelled: // says nothing
	case f == nil:
		l.fails = 0
	case out.progress:
		l.fails = 1
	default:
		l.fails++
	}
	if f != nil && f.wait > 0 {
		l.floor = max(l.floor, l.now()+f.wait.Milliseconds())
	}
	l.due = l.now() + l.afterRound(f, l.fails).Milliseconds()
	if f == nil && (l.ears.live || l.release == nil && l.news.free != nil) { // the sender's word on the server is heard too
		l.due = l.now() + between(quietPoll*8/10, quietPoll*12/10, l.o.Rand()).Milliseconds()
	}
	if t := l.outbox.soonest(l.now()); t != 0 && f == nil {
		l.due = min(l.due, max(t, l.last+minGap.Milliseconds()))
	}
	l.due = max(l.due, l.floor) // the stream may have been told to be silent while the round ran
	l.board.update(func(s *Status) {
		s.Activity = Idle
		if f != nil && !errors.Is(f.err, ErrNotEnrolled) && !l.paused {
			s.Activity = Waiting
		}
	})
	if l.paused { // an answer may have come at the last moment
		l.resign()
		l.board.reach(reach.Paused, "", l.o.Clock().Wall)
	}
	if out.renewed {
		l.stepOver()
	}
	l.listenAfter(f)
	if l.again || out.cancelled {
		l.due = min(l.due, l.soon(0, true))
	}
	if l.woken {
		l.onWake(true)
	}
}
