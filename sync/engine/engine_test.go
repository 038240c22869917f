package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

func TestTheQueueDrainsInOrderThenChangesAreHeard(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(1050)
		b.s.page = func(cursor string, _ int) wire.Changes {
			if cursor == "" {
				return wire.Changes{Cursor: "c1", More: true, Changes: make([]wire.Change, 3)}
			}
			return wire.Changes{Cursor: "c2", Changes: make([]wire.Change, 2)}
		}
		b.start()
		b.pass(time.Second)
		if got := b.l.order(); !slices.Equal(got, ids) {
			b.Fatalf("%d settled, or in another order", len(got))
		}
		var sizes []int
		for _, r := range b.s.seen("push", time.Time{}) {
			sizes = append(sizes, len(r.ops))
		}
		if !slices.Equal(sizes, []int{500, 500, 50}) {
			b.Errorf("batches of %v", sizes)
		}
		s := b.e.Status()
		if s.Reach != reach.Online || s.Activity != engine.Idle || !s.Sender || s.LastSync == 0 || b.l.cursor != "c2" {
			b.Errorf("status %+v, cursor %q", s, b.l.cursor)
		}
		if first := b.s.seen("", time.Time{})[0]; first.what != "ping" {
			b.Errorf("the first request was a %s: ops would be timed by a clock nobody compared", first.what)
		}
		var sending []string
		for _, s := range b.history() {
			if s.Activity == engine.Sending {
				sending = append(sending, fmt.Sprintf("%d/%d", s.Done, s.Total))
			}
		}
		if want := []string{"0/1050", "500/1050", "1000/1050"}; !slices.Equal(slices.Compact(sending), want) {
			b.Errorf("progress %v, want %v", sending, want)
		}
	})
}

func TestABurstOfEditsIsOneBatch(t *testing.T) {
	inBench(t, func(b *bench) {
		b.start()
		b.pass(time.Second)
		begin := time.Now()
		for range 10 {
			b.l.add(1)
			b.pass(20 * time.Millisecond)
		}
		b.pass(500 * time.Millisecond)
		pushes := b.s.seen("push", begin)
		if len(pushes) != 1 || len(pushes[0].ops) != 10 || pushes[0].at.Sub(begin) > 400*time.Millisecond {
			b.Fatalf("pushed %d times", len(pushes))
		}
	})
}

func TestAnOpThatComesWhileARoundRunsGoesAtOnce(t *testing.T) {
	inBench(t, func(b *bench) {
		b.start()
		b.pass(time.Second)
		begin := time.Now()
		b.s.set(func(s *remote) {
			s.during = func(what string, _ []op.Op) {
				if what == "changes" {
					s.during = nil
					b.l.add(1) // the queue was looked at already in this round
				}
			}
		})
		b.e.Kick()
		b.pass(1500 * time.Millisecond)
		if n, _, _ := b.l.counts(); n != 0 || len(b.s.seen("push", begin)) != 1 {
			b.Fatalf("%d wait after %d pushes", n, len(b.s.seen("push", begin)))
		}
	})
}

// Whoever asked is told of a round that began after that, not of one that ran then.
func TestWhoAsksHearsOfTheRoundThatFollows(t *testing.T) {
	inBench(t, func(b *bench) {
		b.s.set(func(s *remote) { s.hang = true })
		b.start()
		b.pass(time.Minute)
		if s := b.e.Status(); !s.Looking || s.Asked != 0 {
			b.Fatalf("before any answer: %+v", s)
		}
		b.s.set(func(s *remote) { s.hang = false })
		b.links <- struct{}{} // gives up what hangs
		b.pass(2 * time.Second)
		if s := b.e.Status(); s.Looking || s.Asked != 0 {
			b.Fatalf("nobody asked: %+v", s)
		}
		asked := int64(0)
		b.s.set(func(s *remote) {
			s.during = func(what string, _ []op.Op) {
				if what == "changes" && asked == 0 {
					asked = time.Now().UnixMilli()
					b.e.Kick()
				}
			}
		})
		b.pass(10 * time.Second) // a round of its own accord, in whose midst somebody asks
		if s := b.e.Status(); asked == 0 || s.Asked <= asked {
			b.Errorf("asked at %d: %+v", asked, s)
		}
		b.s.set(func(s *remote) { s.during, s.hang = nil, true })
		began := time.Now().UnixMilli()
		b.e.Kick()
		b.pass(time.Minute)
		if s := b.e.Status(); s.Asked >= began {
			b.Errorf("a round that hangs was taken for an answer: %+v", s)
		}
		b.s.set(func(s *remote) { s.hang = false })
		b.links <- struct{}{}
		b.pass(2 * time.Second)
		if s := b.e.Status(); s.Asked < began || s.Reach != reach.Online {
			b.Errorf("asked at %d, given up and made again: %+v", began, s)
		}
	})
}

func TestALongPullDoesNotHoldUpAPush(t *testing.T) {
	inBench(t, func(b *bench) {
		page := 0
		b.s.page = func(string, int) wire.Changes {
			if page++; page == 3 {
				b.l.add(1)
			}
			return wire.Changes{Cursor: fmt.Sprint("c", page), More: page < 50, Changes: make([]wire.Change, 1)}
		}
		b.start()
		b.pass(4 * time.Second)
		all := b.s.seen("", time.Time{})
		at := slices.IndexFunc(all, func(r request) bool { return r.what == "push" })
		if at < 0 || at > 5 {
			b.Fatalf("the push was request %d of %d", at, len(all))
		}
	})
}

func TestIdleAndOnlineItPollsAndWritesNothing(t *testing.T) {
	inBench(t, func(b *bench) {
		b.start()
		b.pass(time.Second)
		begin, pages, dry := time.Now(), len(b.l.applied), b.l.dry
		b.pass(60 * time.Second)
		polls := len(b.s.seen("changes", begin))
		if polls < 9 || polls > 16 {
			b.Errorf("%d polls in a minute, want one in about 5 s", polls)
		}
		if len(b.l.applied) != pages || b.l.dry-dry > 1 {
			b.Errorf("an idle minute wrote %d pages and %d notes", len(b.l.applied)-pages, b.l.dry-dry)
		}
		if pings := len(b.s.seen("ping", begin)); pings != 0 {
			b.Errorf("%d pings though each poll was answered", pings)
		}
		b.pass(10 * time.Minute)
		if pings := len(b.s.seen("ping", begin)); pings != 1 {
			b.Errorf("%d pings in ten minutes, want one to keep the clock's offset fresh", pings)
		}
	})
}

func TestConflictsAndRefusalsAreCountedAndShown(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(6)
		lost := wire.Conflict{ID: "k1"}
		b.s.verdict = func(o op.Op) wire.Result {
			switch o.ID {
			case ids[1]:
				return wire.Result{Outcome: op.Conflicted, Lost: []wire.Conflict{lost}}
			case ids[2]:
				return wire.Result{Outcome: op.Merged, Overrode: []wire.Conflict{{ID: "k2"}}}
			case ids[3]:
				return wire.Result{Outcome: op.Rejected, Code: op.CodeForbidden, Message: "no"}
			case ids[4]:
				return wire.Result{Outcome: op.Retry}
			}
			return wire.Result{Outcome: op.Applied}
		}
		b.s.page = func(string, int) wire.Changes {
			return wire.Changes{Cursor: "c1", Changes: make([]wire.Change, 4), Conflicts: []wire.Conflict{lost, {ID: "k3"}}}
		}
		b.make()
		got, err := b.e.Round(b.Context())
		want := engine.RoundResult{Pushed: 4, Pulled: 4, Conflicts: 3, Parked: 1, Pending: 1, Reach: reach.Online}
		if err != nil || got != want {
			b.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestRoundSaysWhyItDidNotRunDry(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(3)
		b.s.fail = noRoute
		b.make()
		got, err := b.e.Round(b.Context())
		var lost *wire.Unreachable
		if !errors.As(err, &lost) || got.Pending != 3 || got.Reach != reach.Offline {
			b.Fatalf("got %+v, %v", got, err)
		}
		b.o.Lock = func() (func(), bool, error) { return nil, false, nil }
		b.make()
		if _, err := b.e.Round(b.Context()); !errors.Is(err, engine.ErrOtherSender) {
			b.Fatalf("got %v", err)
		}
		if n := len(b.s.seen("", time.Time{})); n != 1 {
			b.Fatalf("%d requests in all, want the one ping", n)
		}
	})
}

func TestRoundRefusesWhileRunRuns(t *testing.T) {
	inBench(t, func(b *bench) {
		b.start()
		if _, err := b.e.Round(b.Context()); !errors.Is(err, engine.ErrRunning) {
			b.Errorf("Round: %v", err)
		}
		if err := b.e.Run(b.Context()); !errors.Is(err, engine.ErrRunning) {
			b.Errorf("Run: %v", err)
		}
		b.stop()
		if _, err := b.e.Round(b.Context()); err != nil {
			b.Errorf("Round after Run: %v", err)
		}
	})
}

func TestPauseStopsAllTalk(t *testing.T) {
	inBench(t, func(b *bench) {
		b.start()
		b.pass(time.Second)
		b.s.set(func(s *remote) { s.hang = true })
		b.l.add(1)
		b.pass(time.Second) // a push hangs now
		b.e.Pause(true)
		b.pass(time.Second)
		begin := time.Now()
		if s := b.e.Status(); s.Reach != reach.Paused || s.Activity != engine.Idle {
			b.Errorf("status %+v", s)
		}
		b.l.add(2)
		b.links <- struct{}{}
		b.e.Kick()
		b.pass(time.Hour)
		if n := len(b.s.seen("", begin)); n != 0 {
			b.Errorf("%d requests while working offline", n)
		}
		b.s.set(func(s *remote) { s.hang = false })
		b.e.Pause(false)
		b.pass(1500 * time.Millisecond)
		if n, _, _ := b.l.counts(); n != 0 || b.e.Status().Reach != reach.Online {
			b.Errorf("%d still wait, %+v", n, b.e.Status())
		}
	})
}

func TestAnEngineMayBePausedBeforeItRuns(t *testing.T) {
	inBench(t, func(b *bench) {
		b.make()
		b.e.Pause(true)
		b.start()
		b.pass(time.Minute)
		if n := len(b.s.seen("", time.Time{})); n != 0 || b.e.Status().Reach != reach.Paused {
			b.Errorf("%d requests, %+v", n, b.e.Status())
		}
	})
}

func TestOneOfTwoEnginesSendsAndTheOtherTakesOver(t *testing.T) {
	inBench(t, func(b *bench) {
		free := make(chan struct{}, 1) // holds the lock's one token
		b.o.Lock = func() (func(), bool, error) {
			select {
			case <-free:
				return func() { free <- struct{}{} }, true, nil
			default:
				return nil, false, nil
			}
		}
		b.l.add(3)
		b.start()
		b.pass(time.Minute)
		if s := b.e.Status(); s.Sender || s.Reach != reach.Online {
			b.Errorf("beside the sender: %+v", s)
		}
		if n := len(b.s.seen("push", time.Time{})) + len(b.s.seen("changes", time.Time{})); n != 0 {
			b.Errorf("%d requests of a sender", n)
		}
		if n := len(b.s.seen("ping", time.Time{})); n < 2 || n > 20 {
			b.Errorf("%d looks in a minute", n)
		}
		free <- struct{}{} // the sender ends
		b.pass(1500 * time.Millisecond)
		if n, _, _ := b.l.counts(); n != 0 || !b.e.Status().Sender {
			b.Errorf("after taking over %d wait, %+v", n, b.e.Status())
		}
		b.stop()
		if len(free) != 1 {
			b.Error("the lock was not given back")
		}
	})
}

// TestWhereTheSendersEndIsToldNobodyLooksForIt: few tries while another one sends,
// and a takeover within a second and a half of its end, though the word of that
// comes before the lock is free, or is lost altogether.
func TestWhereTheSendersEndIsToldNobodyLooksForIt(t *testing.T) {
	for _, told := range []bool{true, false} {
		inBench(t, func(b *bench) {
			tries, held := 0, true
			b.o.Lock = func() (func(), bool, error) {
				b.mu.Lock()
				defer b.mu.Unlock()
				tries++
				return func() {}, !held, nil
			}
			look := func() (n int) {
				b.mu.Lock()
				defer b.mu.Unlock()
				n, tries = tries, 0
				return n
			}
			gone := make(chan struct{}, 1)
			b.o.Free = gone
			b.start()
			b.pass(5 * time.Minute)
			if n := look(); n > 15 {
				b.Errorf("%d tries in five minutes", n)
			}
			if n := len(b.s.seen("ping", time.Time{})); n > 8 {
				b.Errorf("%d looks in five minutes", n)
			}
			since := time.Now()
			gone <- struct{}{} // somebody only looked
			b.pass(10 * time.Second)
			if n := look(); n < 2 || n > 6 {
				b.Errorf("%d tries after somebody looked", n)
			}
			if n := len(b.s.seen("ping", since)); n != 1 {
				b.Errorf("%d looks at the server after the sender's note changed", n)
			}
			if told {
				gone <- struct{}{}
			}
			b.pass(200 * time.Millisecond)
			b.mu.Lock()
			held = false
			b.mu.Unlock()
			wait := 1300 * time.Millisecond
			if !told {
				wait = 31 * time.Second
			}
			if b.pass(wait); !b.e.Status().Sender {
				b.Errorf("told %v, and no sender", told)
			}
		})
	}
}

func TestEnrollingTakesEffectWithoutARestart(t *testing.T) {
	inBench(t, func(b *bench) {
		var enrolled atomic.Bool
		b.o.Remote = func(context.Context) (engine.Remote, error) {
			if !enrolled.Load() {
				return nil, fmt.Errorf("read device: %w", engine.ErrNotEnrolled)
			}
			return b.s, nil
		}
		b.l.add(2)
		b.start()
		b.pass(time.Minute)
		if s := b.e.Status(); s.Reach != reach.NotEnrolled || s.Activity != engine.Idle {
			b.Errorf("status %+v", s)
		}
		enrolled.Store(true)
		b.l.wrote() // as enrolling does
		b.pass(1500 * time.Millisecond)
		if n, _, _ := b.l.counts(); n != 0 || b.e.Status().Reach != reach.Online {
			b.Errorf("%d wait, %+v", n, b.e.Status())
		}
	})
}

func TestASlowListenerHoldsNothingUpAndHearsTheLast(t *testing.T) {
	inBench(t, func(b *bench) {
		var last engine.Status
		b.o.OnStatus = func(s engine.Status) { time.Sleep(10 * time.Minute); last = s }
		b.l.add(1000)
		b.start()
		b.pass(2 * time.Second)
		if n, _, _ := b.l.counts(); n != 0 {
			b.Errorf("%d wait", n)
		}
		b.stop()
		if last.Sender || last.Activity != engine.Idle || last.Reach != reach.Online {
			b.Errorf("the last heard is %+v", last)
		}
	})
}

func TestStatusIsToldOnlyWhenItChanges(t *testing.T) {
	inBench(t, func(b *bench) {
		b.start()
		b.pass(10 * time.Second)
		told := len(b.history())
		b.pass(50 * time.Second)
		if n := len(b.history()) - told; n > 1 {
			b.Errorf("%d statuses in an idle minute", n)
		}
	})
}

func TestNewNamesAMissingOption(t *testing.T) {
	if _, err := engine.New(engine.Options{}); err == nil {
		t.Error("an engine without anything was made")
	}
}

// TestStopAtAnyMoment stops the engine at many moments of a lively run. Fake
// time ends with an error when a goroutine is left over.
func TestStopAtAnyMoment(t *testing.T) {
	for ms := 0; ms < 4000; ms += 37 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.s.trip = 150 * time.Millisecond
			b.s.fail = func(what string, ops []op.Op) error {
				if len(b.s.seen("", time.Time{}))%4 == 3 {
					return noRoute(what, ops)
				}
				return nil
			}
			b.s.page = func(string, int) wire.Changes {
				return wire.Changes{Cursor: fmt.Sprint(time.Now().UnixMilli()), Changes: make([]wire.Change, 1)}
			}
			ids := b.l.add(500)
			b.start()
			b.links <- struct{}{}
			time.Sleep(time.Duration(ms) * time.Millisecond)
			b.stop()
			b.stop()
			queued, settled, _ := b.l.counts()
			if queued+settled != len(ids) {
				b.Fatalf("stopped after %d ms: %d wait, %d settled, of %d", ms, queued, settled, len(ids))
			}
			if !slices.Equal(b.l.order(), ids[:settled]) {
				b.Fatalf("stopped after %d ms: out of order", ms)
			}
			quiet := time.Now()
			time.Sleep(time.Minute)
			if n := len(b.s.seen("", quiet.Add(time.Nanosecond))); n != 0 {
				b.Fatalf("%d requests after the end", n)
			}
		})
	}
}

func TestWhoeverWorksOfflineLetsAnotherSend(t *testing.T) {
	inBench(t, func(b *bench) {
		var held atomic.Int32
		b.o.Lock = func() (func(), bool, error) {
			return func() { held.Add(-1) }, held.CompareAndSwap(0, 1), nil
		}
		b.start()
		b.pass(time.Second)
		b.s.set(func(s *remote) { s.hang = true })
		b.l.add(1)
		b.pass(time.Second) // a push hangs now
		b.e.Pause(true)
		b.pass(10 * time.Second)
		if s := b.e.Status(); held.Load() != 0 || s.Sender || s.Reach != reach.Paused {
			b.Errorf("while paused %d hold the lock: %+v", held.Load(), s)
		}
		held.Store(1) // another one sends …
		b.s.set(func(s *remote) { s.hang = false })
		begin := time.Now()
		b.e.Pause(false)
		b.pass(10 * time.Second)
		if n := len(b.s.seen("push", begin)); n != 0 || b.e.Status().Sender {
			b.Errorf("%d pushes beside the sender", n)
		}
		held.Store(0) // … and ends
		b.pass(2 * time.Second)
		if n, _, _ := b.l.counts(); n != 0 || !b.e.Status().Sender {
			b.Errorf("%d wait, %+v", n, b.e.Status())
		}
		for range 20 { // on and off faster than a round ends
			b.e.Pause(true)
			b.e.Pause(false)
		}
		b.pass(2 * time.Second)
		b.l.add(1)
		b.pass(3 * time.Second)
		if n, _, _ := b.l.counts(); n != 0 || held.Load() != 1 {
			b.Errorf("%d wait, %d hold the lock", n, held.Load())
		}
		b.stop()
		if held.Load() != 0 {
			b.Errorf("after the end %d hold the lock", held.Load())
		}
	})
}
