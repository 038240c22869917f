package reach

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// debounce is how long a burst of events is gathered. A flap of one link is
	// five to seven messages within a few ms of each other.
	debounce = 150 * time.Millisecond
	// lookEvery is how often the watcher looks for a suspend.
	lookEvery = 2 * time.Second
	// asleep is how far the boot clock must have run ahead of the process's own
	// in one look to count as a suspend.
	asleep = 2 * time.Second
	// retryEvery is the pause after an error of the link source, so that a
	// broken one never spins.
	retryEvery = time.Second
)

// Source tells of link changes; it is the part that differs by operating system.
type Source interface {
	Next() error // waits for the next change; ErrClosed after Close
	Close() error
}

// ErrClosed is what [Source.Next] returns once the source is closed.
var ErrClosed = errors.New("link source closed")

// Options are what a watcher takes from outside; the zero value means the real thing.
type Options struct {
	// Boot reads a clock that runs on through suspend, in ms; nil: suspends are
	// not looked for.
	Boot func() int64
	// Source tells of link changes; nil: the operating system's. Where there is
	// none, or no right to it, the watcher reports suspends only.
	Source Source
	// Recover is deferred in each goroutine of the watcher; nil: nothing is.
	Recover func()
}

// Watcher reports that something about the machine's links changed.
type Watcher struct {
	c      chan struct{}
	raw    chan struct{}
	cancel context.CancelFunc
	source Source // nil: none
	wg     sync.WaitGroup
	once   sync.Once
}

// Watch starts to watch. Close must be called to end it.
func Watch(o Options) *Watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{c: make(chan struct{}, 1), raw: make(chan struct{}, 1), cancel: cancel, source: o.Source}
	if w.source == nil {
		w.source = systemSource()
	}
	if o.Recover == nil {
		o.Recover = func() {}
	}
	start := func(f func()) {
		w.wg.Go(func() {
			defer o.Recover()
			f()
		})
	}
	if w.source != nil {
		start(func() { w.listen(ctx) })
	}
	if o.Boot != nil {
		start(func() { w.lookForSuspend(ctx, o.Boot) })
	}
	start(func() { w.gather(ctx) })
	return w
}

// C delivers one value for each burst of events. It is never closed.
func (w *Watcher) C() <-chan struct{} { return w.c }

// Close stops watching and waits until nothing of it runs any more. Closing
// twice is fine.
func (w *Watcher) Close() {
	w.once.Do(func() {
		w.cancel()
		if w.source != nil {
			_ = w.source.Close() // nothing is lost when closing a listener fails
		}
	})
	w.wg.Wait()
}

func (w *Watcher) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.source.Next()
		if errors.Is(err, ErrClosed) {
			return
		}
		note(w.raw) // an error means that messages were lost: something happened
		if err != nil && !wait(ctx, retryEvery) {
			return
		}
	}
}

// lookForSuspend compares two clocks: the ticker's stands still while the
// machine sleeps, the boot clock runs on.
func (w *Watcher) lookForSuspend(ctx context.Context, boot func() int64) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	bootBefore := boot()
	var before time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-tick.C:
			b := boot()
			awake := lookEvery
			if !before.IsZero() {
				awake = t.Sub(before)
			}
			if time.Duration(b-bootBefore)*time.Millisecond > awake+asleep {
				note(w.raw)
			}
			bootBefore, before = b, t
		}
	}
}

// gather turns a burst into one report. The wait begins at the first event and
// is not drawn out by later ones, so that a storm cannot silence the watcher.
func (w *Watcher) gather(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.raw:
		}
		if !wait(ctx, debounce) {
			return
		}
		select {
		case <-w.raw: // belongs to the burst
		default:
		}
		note(w.c)
	}
}

func note(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
