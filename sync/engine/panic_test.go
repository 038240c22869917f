package engine_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// logged is a log whose text can be read once nothing runs.
func (b *bench) logged() *bytes.Buffer {
	var text bytes.Buffer
	b.o.Log = slog.New(slog.NewTextHandler(&text, nil))
	return &text
}

func TestAPanicInARoundIsAFaultOfThatRound(t *testing.T) {
	inBench(t, func(b *bench) {
		log := b.logged()
		b.l.add(3)
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "push" {
				panic("boom")
			}
			return nil
		}
		b.start()
		b.pass(time.Hour)
		if s := b.e.Status(); !strings.Contains(s.Detail, "boom") || s.Activity != engine.Waiting || s.NextTry == 0 || s.Total != 0 {
			b.Errorf("status %+v", s)
		}
		shortest, longest := gaps(b.s.seen("push", time.Time{}))
		if shortest < time.Second || longest < 20*time.Second || longest > 61*time.Second {
			b.Errorf("between two tries %v to %v", shortest, longest)
		}
		if text := log.String(); !strings.Contains(text, "boom") || !strings.Contains(text, "panic_test.go") {
			b.Errorf("the log does not say where it was: %.300s", text)
		}
		b.s.set(func(s *remote) { s.fail = nil })
		b.pass(2 * time.Minute)
		if n, _, _ := b.l.counts(); n != 0 || b.e.Status().Detail != "" {
			b.Errorf("%d wait, %+v", n, b.e.Status())
		}
	})
}

func TestAPanicInOneRoundIsItsError(t *testing.T) {
	inBench(t, func(b *bench) {
		b.s.fail = func(string, []op.Op) error { panic("boom") }
		b.make()
		if _, err := b.e.Round(b.Context()); err == nil || !strings.Contains(err.Error(), "boom") {
			b.Errorf("got %v", err)
		}
	})
}

func TestAPanicOfTheListenerHoldsNothingUp(t *testing.T) {
	inBench(t, func(b *bench) {
		log := b.logged()
		var told atomic.Int32
		b.o.OnStatus = func(engine.Status) {
			if told.Add(1)%2 == 1 {
				panic("boom")
			}
		}
		b.l.add(300)
		b.start()
		b.pass(time.Minute)
		if n, _, _ := b.l.counts(); n != 0 || told.Load() < 3 || !strings.Contains(log.String(), "boom") {
			b.Errorf("%d wait, the listener was told %d times, log %.300s", n, told.Load(), log)
		}
	})
}

// burstEars panics each time that somebody listens.
type burstEars struct {
	*remote
	tries atomic.Int32
}

func (s *burstEars) Listen(context.Context, func(wire.Poke)) error {
	s.tries.Add(1)
	panic("boom")
}

func (s *burstEars) Await(context.Context, wire.Self, string, time.Duration) (bool, error) {
	panic("boom")
}

func TestAPanicWhileListeningEndsTheStream(t *testing.T) {
	inBench(t, func(b *bench) {
		s := &burstEars{remote: b.s}
		b.o.Pokes, b.o.Remote = true, func(context.Context) (engine.Remote, error) { return s, nil }
		b.start()
		b.pass(10 * time.Minute)
		b.l.add(1)
		b.pass(2 * time.Second)
		if n, _, _ := b.l.counts(); n != 0 || s.tries.Load() < 5 || s.tries.Load() > 60 {
			b.Errorf("%d wait; listened %d times", n, s.tries.Load())
		}
	})
}
