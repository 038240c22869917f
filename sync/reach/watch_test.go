package reach_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/punchlist/sync/reach"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// links is a source that a test fires by hand.
type links struct {
	fire chan error
	end  chan struct{}
}

func newLinks() *links { return &links{fire: make(chan error, 100), end: make(chan struct{})} }

func (l *links) Next() error {
	select {
	case err := <-l.fire:
		return err
	case <-l.end:
		return reach.ErrClosed
	}
}

func (l *links) Close() error { close(l.end); return nil }

// count takes what the watcher reports within d.
func count(w *reach.Watcher, d time.Duration) int {
	end := time.After(d)
	for n := 0; ; n++ {
		select {
		case <-w.C():
		case <-end:
			return n
		}
	}
}

func TestABurstIsOneReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLinks()
		w := reach.Watch(reach.Options{Source: l})
		defer w.Close()
		for range 7 {
			l.fire <- nil
		}
		if n := count(w, time.Second); n != 1 {
			t.Fatalf("7 messages at once gave %d reports, want 1", n)
		}
		l.fire <- nil
		if n := count(w, time.Second); n != 1 {
			t.Fatalf("a later message gave %d reports, want 1", n)
		}
	})
}

func TestAStormIsStillReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLinks()
		w := reach.Watch(reach.Options{Source: l})
		defer w.Close()
		stop := make(chan struct{})
		go func() {
			for range 100 { // every 20 ms for 2 s: never 150 ms of quiet
				l.fire <- nil
				select {
				case <-time.After(20 * time.Millisecond):
				case <-stop:
					return
				}
			}
		}()
		n := count(w, 2*time.Second)
		close(stop)
		if n < 5 || n > 14 {
			t.Fatalf("a storm of 2 s gave %d reports, want about one in 150 ms", n)
		}
	})
}

func TestASlowListenerLosesOnlyRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLinks()
		w := reach.Watch(reach.Options{Source: l})
		defer w.Close()
		for range 5 {
			l.fire <- nil
			time.Sleep(time.Second) // fake time; nobody listens meanwhile
		}
		if n := count(w, time.Second); n != 1 {
			t.Fatalf("5 changes that nobody took gave %d reports, want 1", n)
		}
	})
}

func TestAFaultySourceDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLinks()
		w := reach.Watch(reach.Options{Source: l})
		defer w.Close()
		for range 50 {
			l.fire <- errors.New("no buffer space")
		}
		n := count(w, 10*time.Second)
		if n < 1 || n > 11 {
			t.Fatalf("50 errors gave %d reports in 10 s, want at most one a second", n)
		}
	})
}

func TestResumeFromSuspendIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var slept atomic.Int64 // ms
		w := reach.Watch(reach.Options{Source: newLinks(), Boot: func() int64 {
			return time.Since(start).Milliseconds() + slept.Load()
		}})
		defer w.Close()
		if n := count(w, time.Minute); n != 0 {
			t.Fatalf("a minute awake gave %d reports", n)
		}
		slept.Store((8 * time.Hour).Milliseconds())
		if n := count(w, 3*time.Second); n != 1 {
			t.Fatalf("8 h of suspend gave %d reports within 3 s, want 1", n)
		}
		if n := count(w, time.Minute); n != 0 {
			t.Fatalf("the minute after gave %d reports", n)
		}
	})
}

func TestCloseTwiceAndAtOnce(t *testing.T) {
	w := reach.Watch(reach.Options{Boot: func() int64 { return 0 }}) // the system's own source
	w.Close()
	w.Close()
}
