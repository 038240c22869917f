package server

import (
	"context"
	"slices"
	"sync"
	"time"
)

// News tells what commits brought, whoever made them: this process or another
// one on the same database.
type News interface {
	// Watch signals after commits: of this process at once, of others within a
	// quarter of a second. Signals are coalesced; the channel is closed when ctx
	// ends or the store is closed.
	Watch(ctx context.Context) <-chan struct{}
	// Heads reads the newest version of each crew.
	Heads(ctx context.Context) (map[string]int64, error)
	// Standing reads the crews of the users of those devices that may come in
	// now; revoked devices and those of disabled users are left out.
	Standing(ctx context.Context, devices []string) (map[string][]string, error)
}

const (
	// lookGap is the shortest time between two looks at the crews' versions, so
	// that many commits cost one look and one poke.
	lookGap = 50 * time.Millisecond
	// standingGap is the same for the looks who may still come in.
	standingGap = 400 * time.Millisecond
	// lookAgain is the wait after a look that failed.
	lookAgain = time.Second
	// maxStreams is how many streams one device may have; one more ends its oldest.
	maxStreams = 4
)

// hub tells the streams of what was committed. One goroutine looks for all of
// them, and only while there are any: whoever opens the first stream starts it,
// whoever closes the last one waits for its end. Writers never wait for it.
type hub struct {
	store News

	mu       sync.Mutex           // guards all below
	streams  map[string][]*stream // by device, oldest first
	n        int
	stop     func()        // ends the look-out and waits for it; nil: none
	look     chan struct{} // asks for a look without a commit
	draining bool
}

func newHub(store News) *hub { return &hub{store: store, streams: map[string][]*stream{}} }

// ending is why a stream is to end; "": it goes on.
type ending string

const (
	endDrain   ending = "the server stops"
	endOut     ending = "the device may no longer sync"
	endOusted  ending = "the device opened other streams"
	endNowhere ending = "the device's crews are others now" // its next stream has the new ones
)

// stream is one device's wait for news.
type stream struct {
	device string
	crews  []string
	told   []int64       // the version last told of each crew
	wake   chan struct{} // something below changed
	fresh  []int64       // the version to tell of each crew; 0: nothing new. Guarded by hub.mu
	end    ending        // guarded by hub.mu
}

// poke is the news of one crew.
type poke struct {
	crew    string
	version int64
}

// join opens a stream; false while the server stops.
func (h *hub) join(by Author) (*stream, bool) {
	st := &stream{device: by.Device, crews: by.Crews, told: make([]int64, len(by.Crews)), fresh: make([]int64, len(by.Crews)), wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return nil, false
	}
	mine := append(h.streams[st.device], st)
	for _, old := range mine[:max(0, len(mine)-maxStreams)] {
		old.finish(endOusted)
	}
	h.streams[st.device] = mine
	h.n++
	if h.stop == nil {
		h.begin()
	}
	signal(h.look)
	return st, true
}

// leave closes a stream, whatever it ended for.
func (h *hub) leave(st *stream) {
	h.mu.Lock()
	mine := slices.DeleteFunc(h.streams[st.device], func(s *stream) bool { return s == st })
	if h.streams[st.device] = mine; len(mine) == 0 {
		delete(h.streams, st.device)
	}
	var stop func()
	if h.n--; h.n == 0 {
		stop, h.stop = h.stop, nil
	}
	h.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// begin starts the look-out; h.mu is held.
func (h *hub) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	h.look = make(chan struct{}, 1)
	look := h.look
	go func() {
		defer close(done)
		h.lookOut(ctx, look)
	}()
	h.stop = func() { cancel(); <-done }
}

// drain ends all streams and lets no new one in, or opens the door again.
func (h *hub) drain(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = on
	if on {
		h.each(func(st *stream) { st.finish(endDrain) })
	}
}

// each visits every stream; h.mu is held.
func (h *hub) each(f func(*stream)) {
	for _, list := range h.streams {
		for _, st := range list {
			f(st)
		}
	}
}

// lookOut looks after each commit what it brought. All that waits when it looks
// is answered by one look.
func (h *hub) lookOut(ctx context.Context, look <-chan struct{}) {
	news := h.store.Watch(ctx)
	var due <-chan time.Time // the look who may still come in, put off
	for {
		err := h.tellNews(ctx)
		if !pause(ctx, map[bool]time.Duration{true: lookGap, false: lookAgain}[err == nil]) {
			return
		}
		if err != nil {
			continue
		}
		came, turn := false, false
		select {
		case <-ctx.Done():
			return
		case _, came = <-news:
			if !came {
				news = nil // the store closes; the streams end with their requests
			}
		case <-look: // whoever came may have been sent away just before
			came = true
		case <-due:
			turn = true
		}
		came = waits(news) || came
		came = waits(look) || came
		if waits(due) || turn {
			due = nil
			if err := h.turnOut(ctx); err != nil {
				due = time.After(lookAgain)
			}
		}
		if came {
			due = soon(due)
		}
	}
}

// waits takes what waits in a channel.
func waits[T any](c <-chan T) bool {
	select {
	case _, ok := <-c:
		return ok
	default:
		return false
	}
}

// soon is the moment of the look who may still come in, unless one is due already.
func soon(due <-chan time.Time) <-chan time.Time {
	if due == nil {
		return time.After(standingGap)
	}
	return due
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// tellNews wakes the streams whose crews have newer versions.
func (h *hub) tellNews(ctx context.Context) error {
	heads, err := h.store.Heads(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.each(func(st *stream) {
		for i, crew := range st.crews {
			if v := heads[crew]; v > st.told[i] {
				st.told[i], st.fresh[i] = v, v
				signal(st.wake)
			}
		}
	})
	return nil
}

// turnOut ends the streams of those who may not come in any more, and of those
// whose crews are others now.
func (h *hub) turnOut(ctx context.Context) error {
	h.mu.Lock()
	devices := make([]string, 0, len(h.streams))
	for device := range h.streams {
		devices = append(devices, device)
	}
	h.mu.Unlock()
	standing, err := h.store.Standing(ctx, devices)
	if err != nil {
		return err
	}
	asked := make(map[string]bool, len(devices))
	for _, device := range devices {
		asked[device] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.each(func(st *stream) {
		crews, in := standing[st.device]
		switch {
		case !asked[st.device]: // it came meanwhile
		case !in:
			st.finish(endOut)
		case !slices.Equal(crews, st.crews):
			st.finish(endNowhere)
		}
	})
	return nil
}

// finish tells a stream to end; hub.mu is held. The first reason stays.
func (st *stream) finish(why ending) {
	if st.end == "" {
		st.end = why
	}
	signal(st.wake)
}

// take is what a woken stream has to tell, and why it has to end.
func (h *hub) take(st *stream) ([]poke, ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []poke
	for i, v := range st.fresh {
		if v != 0 {
			out = append(out, poke{st.crews[i], v})
			st.fresh[i] = 0
		}
	}
	return out, st.end
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one signal waits already
	}
}
