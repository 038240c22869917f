package engine

import (
	"sync"

	"example.com/punchlist/sync/reach"
)

// board shows the newest Status to one listener, at the listener's own pace.
type board struct {
	mu      sync.Mutex // guards status
	status  Status
	changed chan struct{}
}

func (b *board) init(s Status) {
	b.status, b.changed = s, make(chan struct{}, 1)
	signal(b.changed)
}

func (b *board) get() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

func (b *board) update(f func(s *Status)) {
	b.mu.Lock()
	before := b.status
	f(&b.status)
	differs := b.status != before
	b.mu.Unlock()
	if differs {
		signal(b.changed)
	}
}

// reach notes what was just learned of the way to the server, at wall clock ms.
func (b *board) reach(state reach.State, detail string, wall int64) {
	b.update(func(s *Status) {
		if s.Reach != state {
			s.Reach, s.Since = state, wall
		}
		s.Detail, s.Looking = detail, false
	})
}

// publish calls on with each new Status until the returned stop is called;
// stop waits for the listener, after it has been told the last.
func (b *board) publish(on func(Status)) (stop func()) {
	if on == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-b.changed:
				on(b.get())
			case <-quit:
				select {
				case <-b.changed:
					on(b.get())
				default:
				}
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}
