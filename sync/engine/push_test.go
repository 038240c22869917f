package engine_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// slow is a queue on a slow disk: what the server says takes a second to keep.
type slow struct {
	*local
	full atomic.Bool // nothing can be kept
	kept int
}

func (l *slow) Settle(ctx context.Context, ops []op.Op, results []wire.Result, seen wire.Seen) (wire.Settled, error) {
	time.Sleep(time.Second)
	if l.full.Load() {
		return wire.Settled{}, errors.New("the disk is full")
	}
	s, err := l.local.Settle(ctx, ops, results, seen)
	l.kept++
	return s, err
}

// far is a bench with a slow disk and a line on which each request takes a second,
// to a server that takes a device at its word only if that heard its last answer.
func far(b *bench) *slow {
	l := &slow{local: b.l}
	b.o.Local = l
	b.s.trip = time.Second
	b.s.answer = func(out *wire.Results) {
		b.s.set(func(s *remote) {
			s.stand = wire.Seen{"north": {Version: s.stand["north"].Version + 1, Fingerprint: "f" + strconv.FormatInt(s.stand["north"].Version+1, 10)}}
			out.Seen = s.stand
		})
	}
	return l
}

// pushes are the moments of requests that sent, after the first one.
func pushes(b *bench) (out []time.Duration) {
	list := b.s.seen("push", time.Time{})
	for _, r := range list {
		out = append(out, r.at.Sub(list[0].at))
	}
	return out
}

func TestAPlainAnswerIsKeptWhileTheNextBatchIsOnItsWay(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(1700)
		far(b)
		b.start()
		b.pass(time.Minute)
		if got := b.l.order(); !slices.Equal(got, ids) {
			b.Fatalf("%d settled, or in another order", len(got))
		}
		if got, want := pushes(b), []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(got, want) {
			b.Errorf("sent at %v, want %v", got, want)
		}
	})
}

// What stays in the queue, or changes it, is kept before anything else leaves.
func TestAnAnswerThatMattersToTheNextBatchIsKeptBefore(t *testing.T) {
	for name, say := range map[string]wire.Result{
		"refused":   {Outcome: op.Rejected, Code: op.CodeBadValue},
		"lost":      {Outcome: op.Conflicted, Version: 3},
		"overrode":  {Outcome: op.Applied, Version: 3, Overrode: []wire.Conflict{{ID: "c"}}},
		"duplicate": {Outcome: op.Applied, Version: 3, Duplicate: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				ids := b.l.add(1200)
				far(b)
				b.s.verdict = func(o op.Op) wire.Result {
					if o.ID == ids[10] {
						return say
					}
					return wire.Result{Outcome: op.Applied, Version: o.Seq}
				}
				b.start()
				b.pass(time.Minute)
				if got, want := pushes(b), []time.Duration{0, 2 * time.Second, 3 * time.Second}; !slices.Equal(got, want) {
					b.Errorf("sent at %v, want %v", got, want)
				}
				if queued, _, _ := b.l.counts(); queued != 0 {
					b.Errorf("%d wait still", queued)
				}
			})
		})
	}
}

// Where an answer cannot be kept, the next one is not either: both batches wait,
// in their order, and go again.
func TestWhatCannotBeKeptStopsWhatCameBehindIt(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(1200)
		l := far(b)
		l.full.Store(true)
		b.start()
		b.pass(10 * time.Second)
		if _, settled, _ := b.l.counts(); settled != 0 {
			b.Fatalf("%d left the queue", settled)
		}
		l.full.Store(false)
		b.pass(5 * time.Minute)
		if got := b.l.order(); !slices.Equal(got, ids) {
			b.Errorf("%d settled, or in another order", len(got))
		}
	})
}

// A program that is stopped while a batch is on its way keeps what was answered.
func TestStoppedWhileABatchIsOnItsWay(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(1200)
		l := far(b)
		b.start()
		for len(b.s.seen("push", time.Time{})) < 2 {
			b.pass(100 * time.Millisecond)
		}
		b.stop()
		if got := b.l.order(); !slices.Equal(got, ids[:500]) || l.kept != 1 {
			b.Errorf("%d settled", len(got))
		}
	})
}

// A line that breaks under the second batch takes nothing from the first.
func TestTheLineBreaksUnderTheSecondBatch(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(1200)
		far(b)
		broken := false
		b.s.fail = func(what string, ops []op.Op) error {
			if what == "push" && !broken && ops[0].ID == ids[500] {
				broken = true
				return noRoute(what, ops)
			}
			return nil
		}
		b.start()
		b.pass(5 * time.Minute)
		if got := b.l.order(); !slices.Equal(got, ids) || !broken {
			b.Errorf("%d settled, or in another order; broken: %v", len(got), broken)
		}
		if n := b.l.triesOf(ids[0]); n != 0 {
			b.Errorf("the first batch counts %d failed tries", n)
		}
		if n := b.l.triesOf(ids[500]); n != 1 {
			b.Errorf("the second batch counts %d failed tries", n)
		}
	})
}

// A round that falls over under the second batch ends when the first answer is kept.
func TestAPanicUnderTheSecondBatch(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(1200)
		l := far(b)
		b.s.trip = 100 * time.Millisecond // the answer is still being kept
		b.s.fail = func(what string, ops []op.Op) error {
			if what == "push" && ops[0].ID == ids[500] {
				panic("boom")
			}
			return nil
		}
		b.make()
		_, err := b.e.Round(b.Context())
		if got := b.l.order(); err == nil || !slices.Equal(got, ids[:500]) || l.kept != 1 {
			b.Errorf("%v: %d settled, kept %d times", err, len(got), l.kept)
		}
	})
}
