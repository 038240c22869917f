package engine

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// Listener is what a [Remote] may be as well: then the engine hears at once that
// there is something new, and need not ask every few seconds.
type Listener interface {
	// Listen hands over pokes until the stream ends, which is always an error;
	// the zero Poke is the first sign of life.
	Listen(ctx context.Context, heard func(wire.Poke)) error
	// Await waits until there may be something behind the cursor.
	Await(ctx context.Context, self wire.Self, cursor string, wait time.Duration) (news bool, err error)
}

const (
	quietPoll  = 60 * time.Second       // between two looks while the server would tell
	pokeDelay  = 300 * time.Millisecond // at most, by chance: a poke reaches many laptops at once
	awaitFor   = 20 * time.Second       // one long poll
	awaitGap   = time.Second            // between two of them when there was news
	tryStream  = 10 * time.Minute       // how long a network that held a stream back is not asked for one
	longListen = time.Minute            // a stream that lived so long was a good one
)

// ears is the stream of pokes beside the rounds: one goroutine that loop starts
// and waits for. It only ever says "there is something new"; what that is, and
// whether the way works, the rounds find out. Moments are boot clock, ms.
//
//	        round succeeded            first sign
//	closed ────────────────▶ opening ────────────▶ live     polls every minute
//	  ▲                         │                    │
//	  │◀── ended: try later ────┘                    │ ended: a round soon
//	  └──────────────────────────────────────────────┘
type ears struct {
	remote Remote             // whom the goroutine listens to
	cancel context.CancelFunc // nil: none runs
	done   chan error
	heard  chan wire.Poke
	live   bool
	polls  bool // it asks again and again, instead of waiting on a stream
	began  int64
	due    int64 // the next try comes no earlier
	fails  int
	polite int64            // until then by long poll: something holds streams back
	news   map[string]int64 // by crew: newest version poked of, not asked for yet
}

func newEars() ears { return ears{heard: make(chan wire.Poke), news: map[string]int64{}} }

// anyCrew stands for the crews in the news of a long poll.
const anyCrew = "*"

// open starts listening where that makes sense and nobody does yet. No round runs.
func (l *loop) open() {
	if l.ears.cancel != nil && l.ears.remote != l.line.remote {
		l.hush()
	}
	remote, able := l.line.remote.(Listener)
	if !l.o.Pokes || !able || l.ears.cancel != nil || l.release == nil || l.paused || l.now() < l.ears.due {
		return
	}
	ctx, cancel := context.WithCancel(l.ctx)
	e := &l.ears
	e.remote, e.cancel, e.done, e.began, e.live = l.line.remote, cancel, make(chan error, 1), l.now(), false
	e.polls = l.now() < e.polite
	poll, done := e.polls, e.done
	go func() {
		var ended error
		err := l.guard("listening", func() {
			if poll {
				ended = l.longPoll(ctx, remote)
			} else {
				ended = remote.Listen(ctx, func(p wire.Poke) { l.tell(ctx, p) })
			}
		})
		done <- cmp.Or(err, ended)
	}()
}

func (l *loop) tell(ctx context.Context, p wire.Poke) {
	select {
	case l.ears.heard <- p:
	case <-ctx.Done():
	}
}

var errTryStream = errors.New("time to try a stream again")

// longPoll listens where no stream comes through.
func (l *loop) longPoll(ctx context.Context, remote Listener) error {
	limit := time.NewTimer(tryStream)
	defer limit.Stop()
	for {
		cursor, err := l.o.Local.Cursor(ctx)
		if err != nil {
			return err
		}
		self, err := l.o.Local.Self(ctx)
		if err != nil {
			return err
		}
		news, err := remote.Await(ctx, self, cursor, awaitFor)
		if err != nil {
			return err
		}
		l.tell(ctx, wire.Poke{})
		if news {
			l.tell(ctx, wire.Poke{Crew: anyCrew})
			gap := time.NewTimer(awaitGap) // the round moves the cursor meanwhile
			select {
			case <-gap.C:
			case <-ctx.Done():
				gap.Stop()
				return ctx.Err()
			}
		}
		select {
		case <-limit.C:
			return errTryStream
		default:
		}
	}
}

// hush ends the listening and waits for that.
func (l *loop) hush() {
	if l.ears.cancel == nil {
		return
	}
	l.ears.cancel()
	<-l.ears.done
	l.ears.cancel, l.ears.live = nil, false
}

// onPoke notes news and sees to it that a round asks for it.
func (l *loop) onPoke(p wire.Poke) {
	if p.Crew == "" {
		l.ears.live = true
		return
	}
	l.ears.news[p.Crew] = max(p.Version, l.ears.news[p.Crew])
	if l.cancel == nil {
		l.followNews()
	}
}

// followNews brings a round forward if there is news that no page told. No round runs.
func (l *loop) followNews() {
	for crew, version := range l.ears.news {
		if crew == anyCrew || version > l.line.heard[crew] {
			l.due = min(l.due, l.soon(between(0, pokeDelay, l.o.Rand()), l.failed))
			return
		}
	}
	clear(l.ears.news)
}

// onHushed decides when to listen again. That the server stopped talking is a
// reason to look how it is.
func (l *loop) onHushed(err error) {
	e := &l.ears
	e.cancel() // gives the context's memory back
	lasted := time.Duration(l.now()-e.began) * time.Millisecond
	if e.live && lasted >= longListen {
		e.fails = 0
	}
	wasLive := e.live
	e.cancel, e.live = nil, false
	var stranger *wire.NotOurServer
	var refused *wire.ServerError
	switch {
	case errors.Is(err, errTryStream):
		e.polite, e.due = 0, l.now()
	case errors.Is(err, wire.ErrHeldBack), errors.As(err, &stranger):
		e.polite, e.due = l.now()+tryStream.Milliseconds(), l.now()
	case errors.As(err, &refused) && refused.Status() == http.StatusNotFound:
		e.due = l.now() + tryStream.Milliseconds() // a server that has no stream
	default:
		e.fails++
		e.due = l.now() + backoff(e.fails, l.o.Rand()).Milliseconds()
	}
	if refused != nil && refused.RetryAfter > 0 {
		l.beSilent(refused.RetryAfter)
	} else if wasLive || refused != nil {
		l.due = min(l.due, l.soon(between(0, minGap, l.o.Rand()), true))
	}
	if l.cancel == nil && l.board.get().Reach == reach.Online && !l.failed {
		l.open()
	}
}

// beSilent asks nothing of the server for as long as it wants to be left alone. A
// round that runs is given up: what it sent without an answer goes again.
func (l *loop) beSilent(wait time.Duration) {
	l.floor = max(l.floor, l.now()+min(wait, maxRetryAfter).Milliseconds())
	l.due, l.ears.due = max(l.due, l.floor), max(l.ears.due, l.floor)
	if l.cancel != nil {
		l.cancel()
	}
}

// listenAfter opens or closes the ears after a round, and looks what was heard
// while it ran.
func (l *loop) listenAfter(f *fault) {
	if l.board.get().Reach != reach.Online {
		l.hush()
		return
	}
	if f != nil {
		clear(l.ears.news) // the next round asks anyway, when it is time
		if f.wait > 0 && l.ears.polls {
			l.hush() // it would ask again and again
			l.ears.due = max(l.ears.due, l.floor)
		}
		return
	}
	l.open()
	l.followNews()
}
