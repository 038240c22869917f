// Package engine carries a device's queue to the server and the server's
// changes back, beside whatever the person does.
//
// It promises:
//   - An op leaves the queue only by the server's word on it ([Local].Settle).
//     No error, cancellation or crash of any kind takes one away.
//   - Of all engines on one database one sends (Options.Lock); the others only
//     look whether the server answers, and take over within a second or so. One
//     that is paused leaves the sending to them.
//   - It never spins: while nothing succeeds at most one try a second is made,
//     however often it is woken, and tries thin out to one in a minute or so.
//   - Push never waits for pull nor pull for push, unless the way itself failed.
//   - A panic in a round, in what it calls or in OnStatus is a fault like another.
//   - Run ends calmly at any moment and waits for all that it started.
//   - OnStatus never holds the engine up: a slow listener misses what lies
//     between, never the newest Status.
//
// It does not know what an op means, and it decides no conflict: batches go
// out in the queue's order, outcomes go to Local.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// Errors to be told apart with errors.Is.
var (
	ErrNotEnrolled = errors.New("this laptop has joined no server yet") // to be returned by Options.Remote
	ErrOtherSender = errors.New("another program on this laptop is sending already")
	ErrRunning     = errors.New("this engine runs already")
)

// Local is the device's own side.
type Local interface {
	Queue
	Records
	Memory
	Integrity
	Tokens
}

// Queue is what waits to be sent.
type Queue interface {
	// NextBatch is the front of the queue, as it will be without the ops under way.
	// It is empty while the server's base is being taken after a reset.
	NextBatch(ctx context.Context, maxOps, maxBytes int, under ...op.Op) ([]op.Op, error)
	// Freeze makes a batch final before it leaves, on the disk: what it returns is
	// sent and never changes again. It may leave ops out for good.
	Freeze(ctx context.Context, ops []op.Op) ([]op.Op, error)
	MarkTried(ctx context.Context, opIDs []string, reason string) error
	// Settle takes the server's word on a batch, and how it says its history stands.
	Settle(ctx context.Context, ops []op.Op, results []wire.Result, seen wire.Seen) (wire.Settled, error)
}

// Records are what the server said.
type Records interface {
	Cursor(ctx context.Context) (string, error)
	ApplyChanges(ctx context.Context, page wire.Changes) (int, error)
	// Advance moves the cursor on, if it stands at from still.
	Advance(ctx context.Context, from, to string) error
	RoundDone(ctx context.Context) error
}

// Memory is what the device remembers of the server's history, so that one that
// was restored from a backup is found out.
type Memory interface {
	Self(ctx context.Context) (wire.Self, error) // goes with each push and pull
	Past(ctx context.Context) (wire.Past, error)
	// Reset begins again with a server that lost what is newer than common: the
	// cursor goes back to the start, and what was acknowledged since waits again.
	Reset(ctx context.Context, common wire.Common) error
	// Anew begins again with a server whose history is the same: the cursor goes
	// back to the start. The person is told by the notice of that code, if any.
	Anew(ctx context.Context, notice string) error
}

// Integrity holds what the server said against what it says that it comes to.
type Integrity interface {
	// Compare lists the crews that differ from a last page, once all is counted:
	// done. With whole it counts whatever that costs.
	Compare(ctx context.Context, page wire.Changes, whole bool) (differ []string, done bool, err error)
	Differing(ctx context.Context, d wire.Digest) (leaves []string, err error)
	Mend(ctx context.Context, l wire.Leaf) (mended int, err error)
	// NoteDiffers keeps, or takes back, a notice that putting right did not help.
	NoteDiffers(ctx context.Context, on bool) error
}

// Tokens are what the server knows the device by.
type Tokens interface {
	// Renew keeps a token that the server offered to whoever showed the token
	// from; once it is on the disk Options.Remote shows it.
	Renew(ctx context.Context, from, next string) error
	// Refused hears that the server does not know a token, and tells whether
	// Options.Remote has another one to show.
	Refused(token string) (other bool)
	// Renewed hears that the token shown was replaced, by another program perhaps.
	Renewed()
}

// Bearer is what a [Remote] may be as well: it tells which token it shows. Only
// then are tokens renewed.
type Bearer interface{ Token() string }

// Remote is the server's side. Its errors are those of package wire.
type Remote interface {
	Ping(ctx context.Context) (wire.Pong, error)
	Push(ctx context.Context, self wire.Self, ops []op.Op) (wire.Results, error)
	Changes(ctx context.Context, self wire.Self, cursor string, limit int) (wire.Changes, error)
	History(ctx context.Context, past wire.Past) (wire.Common, error)
	Hangup() // drops idle connections: they may be dead
	Digests
}

// Digests are what the server's records come to.
type Digests interface {
	Digest(ctx context.Context, crew string, check bool) (wire.Digest, error)
	Leaf(ctx context.Context, crew, leaf string) (wire.Leaf, error)
}

// Options are what an engine needs. Optional is what says so.
type Options struct {
	Local Local
	// Pending counts the ops that wait.
	Pending func(ctx context.Context) (int, error)
	// Learn takes the server's time and the clocks around the exchange.
	Learn func(ctx context.Context, serverTime int64, before, after op.Reading) error
	// Remote gives the way to the server as the device stands now, the same
	// value while that does not change, or ErrNotEnrolled. It is asked at the
	// start of each round, so that enrolling takes effect without a restart.
	Remote func(ctx context.Context) (Remote, error)
	// Lock makes this process the one that sends, if no other is.
	Lock func() (release func(), ok bool, err error)
	// Free, which is optional, says that the process that sends may have ended:
	// without it an engine that waits for its turn looks every second.
	Free <-chan struct{}
	// Rand is an even chance in [0,1).
	Rand func() float64

	Wake     <-chan struct{} // optional: the local data changed
	Links    <-chan struct{} // optional: the machine's links changed, or it woke from suspend
	Clock    op.Clock        // optional: the machine's clocks
	OnStatus func(Status)    // optional: called from one goroutine, newest Status only
	Log      *slog.Logger    // optional
	Poll     time.Duration   // optional: between two looks for changes while all is well; 5 s
	Pokes    bool            // optional: hear of news at once where Remote is a [Listener]; Run only
}

// Engine is the background sync of one database. Make it with New.
type Engine struct {
	o     Options
	board board

	mu      sync.Mutex // guards the three below
	paused  bool
	kicked  bool
	running bool

	ctl chan struct{} // says that paused or kicked changed

	// What rounds leave to the next one; touched by the one round that runs.
	line   line
	outbox outbox
	pages  pager

	calling atomic.Int64 // boot clock, ms, when the request that is under way began; 0: none
}

// New makes an engine; it does nothing until Run or Round.
func New(o Options) (*Engine, error) {
	if o.Local == nil || o.Pending == nil || o.Learn == nil || o.Remote == nil || o.Lock == nil || o.Rand == nil {
		return nil, errors.New("engine: an option that is not optional is missing")
	}
	if o.Clock == nil {
		o.Clock = op.SystemClock
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = 5 * time.Second
	}
	e := &Engine{o: o, ctl: make(chan struct{}, 1), outbox: newOutbox(), pages: newPager(), line: line{heard: map[string]int64{}}}
	e.board.init(Status{Reach: reach.Offline, Since: o.Clock().Wall, Activity: Idle, Looking: true})
	return e, nil
}

// Status is how things stand now.
func (e *Engine) Status() Status { return e.board.get() }

// Kick asks for a round now, whatever the engine was waiting for.
func (e *Engine) Kick() {
	e.mu.Lock()
	e.kicked = true
	e.mu.Unlock()
	signal(e.ctl)
}

// Pause stops all talk with the server (true) or takes it up again. It holds
// for this engine, from before Run too; local work is not touched by it.
func (e *Engine) Pause(on bool) {
	e.mu.Lock()
	if e.paused && !on {
		e.kicked = true // even when off and on again went unnoticed
	}
	e.paused = on
	e.mu.Unlock()
	signal(e.ctl)
}

// controls takes what Kick and Pause asked for.
func (e *Engine) controls() (paused, kicked bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	kicked, e.kicked = e.kicked, false
	return e.paused, kicked
}

// begin claims the engine for one Run or Round.
func (e *Engine) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running {
		return false
	}
	e.running = true
	return true
}

func (e *Engine) end() {
	e.line.hangup()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = false
}

// RoundResult is what one round did.
type RoundResult struct {
	Pushed    int // ops that the server settled
	Pulled    int // records that are different now
	Conflicts int
	Parked    int
	Pending   int // ops that still wait
	Reach     reach.State
}

// Round makes one round now, without waiting or trying twice: push, then pull
// until dry. Its error is the reason why it did not run dry. Another sender on
// the same database makes it return ErrOtherSender, a Run of this engine ErrRunning.
func (e *Engine) Round(ctx context.Context) (RoundResult, error) {
	if !e.begin() {
		return RoundResult{}, ErrRunning
	}
	defer e.end()
	defer e.board.publish(e.listener())()
	release, ok, err := e.o.Lock()
	switch {
	case err != nil:
		return RoundResult{}, err
	case !ok:
		return RoundResult{}, ErrOtherSender
	}
	defer release()
	e.board.update(func(s *Status) { s.Sender = true })
	out := e.round(ctx, true, true)
	e.board.update(func(s *Status) { s.Activity, s.Sender = Idle, false })
	out.result.Reach = e.Status().Reach
	if n, err := e.o.Pending(context.WithoutCancel(ctx)); err == nil {
		out.result.Pending = n
	}
	if out.fault != nil {
		return out.result, out.fault.err
	}
	return out.result, ctx.Err()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one signal waits already
	}
}
