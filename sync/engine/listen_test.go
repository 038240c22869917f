package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// talker is a remote that pokes.
type talker struct {
	*remote
	mu     sync.Mutex // guards all below
	poke   chan wire.Poke
	opened []time.Time
	polled []time.Time
	open   int
	polls  int
	end    error // how the next stream ends at once; nil: it lives
	cut    chan error
	news   chan struct{}
}

func newTalker(s *remote) *talker {
	return &talker{remote: s, poke: make(chan wire.Poke), cut: make(chan error), news: make(chan struct{})}
}

func (s *talker) Listen(ctx context.Context, heard func(wire.Poke)) error {
	s.mu.Lock()
	s.opened = append(s.opened, time.Now())
	s.open++
	end := s.end
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.open--; s.mu.Unlock() }()
	if end != nil {
		return end
	}
	heard(wire.Poke{})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p := <-s.poke:
			heard(p)
		case err := <-s.cut:
			return err
		}
	}
}

func (s *talker) Await(ctx context.Context, _ wire.Self, _ string, wait time.Duration) (bool, error) {
	s.mu.Lock()
	s.polled = append(s.polled, time.Now())
	s.polls++
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.polls--; s.mu.Unlock() }()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-s.news:
		return true, nil
	case <-time.After(wait):
		return false, nil
	}
}

func (s *talker) streams() (open int, opened []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open, slices.Clone(s.opened)
}

func (s *talker) polling() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polls
}

func inTalk(t *testing.T, f func(b *bench, s *talker)) {
	t.Helper()
	inBench(t, func(b *bench) {
		s := newTalker(b.s)
		b.o.Remote, b.o.Pokes = func(context.Context) (engine.Remote, error) { return s, nil }, true
		f(b, s)
		if b.stop != nil {
			b.stop()
		}
		if n, _ := s.streams(); n != 0 {
			b.Errorf("%d streams outlive the engine", n)
		}
	})
}

var errCut = &wire.Unreachable{Host: "sync.example", What: "cut", Sent: true, Err: errors.New("cut")}

func TestAPokeIsFollowedAtOnceAndPollsThinOut(t *testing.T) {
	inTalk(t, func(b *bench, s *talker) {
		b.start()
		b.pass(time.Minute)
		begin := time.Now()
		b.pass(10 * time.Minute)
		if n := len(b.s.seen("changes", begin)); n < 8 || n > 13 {
			b.Errorf("%d looks in ten quiet minutes", n)
		}
		for version := range int64(5) {
			begin = time.Now()
			s.poke <- wire.Poke{Crew: "north", Version: version + 1}
			b.pass(time.Second)
			if n := len(b.s.seen("changes", begin)); n != 1 {
				b.Errorf("poke %d was followed by %d looks", version, n)
			}
		}
	})
}

func TestTheOwnChangesPokeIsNoNews(t *testing.T) {
	inTalk(t, func(b *bench, s *talker) {
		version := int64(0)
		b.s.page = func(cursor string, _ int) wire.Changes {
			n := len(b.l.order())
			if next := fmt.Sprintf("c%d", n); cursor != next {
				version = int64(n)
				return wire.Changes{Cursor: next, Changes: []wire.Change{{Crew: "north", Version: version}}}
			}
			return wire.Changes{Cursor: cursor}
		}
		b.start()
		b.pass(2 * time.Minute)
		begin := time.Now()
		b.l.add(3)
		b.pass(330 * time.Millisecond) // its round runs
		s.poke <- wire.Poke{Crew: "north", Version: 3}
		b.pass(5 * time.Second)
		if n := len(b.s.seen("changes", begin)); n != 1 || version != 3 {
			b.Errorf("%d looks after an own change, version %d", n, version)
		}
	})
}

func TestManyPokesAreFewRounds(t *testing.T) {
	inTalk(t, func(b *bench, s *talker) {
		b.start()
		b.pass(time.Minute)
		begin := time.Now()
		for version := range int64(100) {
			s.poke <- wire.Poke{Crew: "north", Version: version + 1}
			b.pass(10 * time.Millisecond)
		}
		b.pass(time.Second)
		if n := len(b.s.seen("changes", begin)); n == 0 || n > 20 {
			b.Errorf("%d looks for a second of pokes", n)
		}
	})
}

func TestListeningOnlyWhileOnlineSendingAndNotPaused(t *testing.T) {
	expect := func(b *bench, s *talker, want int, when string) {
		b.Helper()
		if n, _ := s.streams(); n != want {
			b.Errorf("%d streams %s", n, when)
		}
	}
	inTalk(t, func(b *bench, s *talker) {
		b.start()
		b.pass(time.Second)
		expect(b, s, 1, "online")
		b.e.Pause(true)
		b.pass(time.Second)
		expect(b, s, 0, "while paused")
		b.e.Pause(false)
		b.pass(2 * time.Second)
		expect(b, s, 1, "online again")
		b.s.set(func(s *remote) { s.fail = noRoute })
		b.links <- struct{}{}
		b.pass(2 * time.Second)
		expect(b, s, 0, "without a link")
		b.s.set(func(s *remote) { s.fail = nil })
		b.links <- struct{}{}
		b.pass(2 * time.Second)
		expect(b, s, 1, "with the link back")
	})
	inTalk(t, func(b *bench, s *talker) {
		b.o.Lock = func() (func(), bool, error) { return nil, false, nil }
		b.start()
		b.pass(time.Minute)
		expect(b, s, 0, "while another process sends")
	})
}

func TestAStreamThatIsCutIsLookedAfterAndThinsOut(t *testing.T) {
	inTalk(t, func(b *bench, s *talker) {
		b.start()
		b.pass(3 * time.Minute)
		b.s.set(func(s *remote) { s.fail = noRoute })
		s.cut <- errCut
		b.pass(1100 * time.Millisecond)
		if r := b.e.Status().Reach; r != reach.Offline {
			b.Errorf("%s a second after the stream was cut", r)
		}
		b.s.set(func(s *remote) { s.fail = nil })
		b.pass(2 * time.Minute)
		s.mu.Lock()
		s.end = errCut
		s.mu.Unlock()
		s.cut <- errCut
		begin := time.Now()
		b.pass(10 * time.Minute)
		_, opened := s.streams()
		n := len(slices.DeleteFunc(opened, func(t time.Time) bool { return t.Before(begin) }))
		if looks := len(b.s.seen("changes", begin)); n < 10 || n > 30 || looks > 160 {
			b.Errorf("%d streams and %d looks in ten minutes of cuts", n, looks)
		}
	})
}

func TestF27ANetworkThatHoldsStreamsBackIsPolledLong(t *testing.T) {
	inTalk(t, func(b *bench, s *talker) {
		s.end = &wire.Unreachable{Host: "sync.example", What: "held back", Err: wire.ErrHeldBack}
		b.start()
		b.pass(time.Minute)
		begin := time.Now()
		s.news <- struct{}{}
		b.pass(time.Second)
		if n := len(b.s.seen("changes", begin)); n != 1 {
			b.Errorf("%d looks after a long poll's news", n)
		}
		begin = time.Now()
		b.pass(5 * time.Minute)
		if n := len(b.s.seen("changes", begin)); n > 8 {
			b.Errorf("%d looks in five quiet minutes", n)
		}
		s.mu.Lock()
		s.end = nil
		polls := len(s.polled)
		s.mu.Unlock()
		if polls > 25 {
			b.Errorf("%d long polls in six minutes", polls)
		}
		b.pass(10 * time.Minute) // a stream is tried again
		begin = time.Now()
		s.poke <- wire.Poke{Crew: "north", Version: 9}
		b.pass(time.Second)
		if n := len(b.s.seen("changes", begin)); n != 1 {
			b.Errorf("%d looks after a poke", n)
		}
	})
}

// A server that asks for silence on the stream is left alone as a whole: it says
// so because it has too much to do.
func TestSilenceAskedForOnTheStreamIsKept(t *testing.T) {
	inTalk(t, func(b *bench, s *talker) {
		s.end = &wire.ServerError{Problem: wire.Problem{Status: 429, Code: wire.CodeTooMany, Message: "not now"}, RetryAfter: 5 * time.Minute}
		b.start()
		b.pass(10 * time.Second)
		_, opened := s.streams()
		if len(opened) != 1 {
			b.Fatalf("%d streams opened", len(opened))
		}
		begin := opened[0]
		b.pass(5*time.Minute - time.Since(begin) - time.Second)
		if n := len(b.s.seen("changes", begin.Add(time.Millisecond))); n != 0 {
			b.Errorf("%d looks while the server wants silence", n)
		}
		if _, opened = s.streams(); len(opened) != 1 {
			b.Errorf("%d streams while the server wants silence", len(opened))
		}
		s.mu.Lock()
		s.end = nil
		s.mu.Unlock()
		b.pass(2 * time.Minute)
		if n, _ := s.streams(); n != 1 || len(b.s.seen("changes", begin.Add(time.Millisecond))) == 0 {
			b.Errorf("%d streams, and no look, after the silence", n)
		}
	})
}

// One that holds a long poll of the device open asks for silence in a round: the
// long poll does not go on asking.
func TestSilenceAskedForInARoundEndsTheLongPoll(t *testing.T) {
	inTalk(t, func(b *bench, s *talker) {
		s.end = &wire.Unreachable{Host: "sync.example", What: "held back", Err: wire.ErrHeldBack}
		b.start()
		b.pass(time.Minute)
		busy := &wire.ServerError{Problem: wire.Problem{Status: 429, Code: wire.CodeTooMany, Message: "not now"}, RetryAfter: 5 * time.Minute}
		begin := time.Now()
		b.s.set(func(s *remote) { s.fail = func(string, []op.Op) error { return busy } })
		s.news <- struct{}{}
		b.pass(30 * time.Second)
		asked := len(b.s.seen("changes", begin))
		if asked != 1 {
			b.Fatalf("%d looks follow the news", asked)
		}
		s.mu.Lock()
		polls := len(s.polled)
		s.mu.Unlock()
		b.pass(4 * time.Minute)
		s.mu.Lock()
		defer s.mu.Unlock()
		if n := len(s.polled) - polls; n != 0 || len(b.s.seen("changes", begin)) != asked {
			b.Errorf("%d long polls and %d looks while the server wants silence", n, len(b.s.seen("changes", begin))-asked)
		}
	})
}

// bearer is a talker that shows a token.
type bearer struct {
	*talker
	token string
}

func (b bearer) Token() string { return b.token }

// TestNobodyListensWithAnOlderToken (I36): when a renewed token was kept, the stream
// with the one before ends before the new one is shown, and that is at once: a
// stream, or a long poll, that went on for a minute could be opened anew with the
// old token after the laptop slept, and be taken for a thief's.
func TestNobodyListensWithAnOlderToken(t *testing.T) {
	for name, end := range map[string]error{"a stream": nil, "a long poll": wire.ErrHeldBack} {
		t.Run(name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				old, fresh := bearer{newTalker(b.s), "t0"}, bearer{newTalker(&remote{trip: b.s.trip}), "t1"}
				old.end, fresh.end = end, end
				var mu sync.Mutex
				now, offered := old, ""
				b.o.Pokes = true
				b.o.Remote = func(context.Context) (engine.Remote, error) {
					mu.Lock()
					defer mu.Unlock()
					return now, nil
				}
				b.o.Local = renewing{b.l, func() {
					mu.Lock()
					defer mu.Unlock()
					now = fresh
				}}
				b.s.page = func(string, int) wire.Changes {
					mu.Lock()
					defer mu.Unlock()
					return wire.Changes{Cursor: "c0", Next: offered}
				}
				fresh.fail = func(what string, _ []op.Op) error {
					if n, _ := old.streams(); n != 0 || old.polling() != 0 {
						b.Errorf("a %s shows the new token while %s goes on with the old one", what, name)
					}
					return nil
				}
				b.start()
				b.pass(5 * time.Minute)
				mu.Lock()
				offered = "t1"
				mu.Unlock()
				b.e.Kick()
				b.pass(5 * time.Second)
				if n := len(fresh.seen("changes", time.Time{})); n == 0 {
					b.Error("the new token was not used at once")
				}
				begin := time.Now()
				b.pass(10 * time.Minute)
				if n, _ := fresh.streams(); n+fresh.polling() != 1 {
					b.Errorf("%d listen with the new token", n+fresh.polling())
				}
				if n := len(old.seen("", begin)); n != 0 {
					b.Errorf("%d requests with the old token", n)
				}
				if n := len(fresh.seen("changes", begin)); n > 14 {
					b.Errorf("%d looks in ten quiet minutes", n)
				}
			})
		})
	}
}

// renewing is a queue that keeps tokens.
type renewing struct {
	*local
	kept func()
}

func (l renewing) Renew(context.Context, string, string) error {
	l.kept()
	return nil
}
