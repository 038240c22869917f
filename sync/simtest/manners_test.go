package simtest_test

import (
	"net/http"
	"strconv"
	"time"

	"example.com/punchlist/sync/wire"
)

// nudge notes that something beside the engine's timers may call for a try; a
// person's wish also ends the silence that the server asked for.
func (k *link) nudge(person bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.nudges = append(k.nudges, time.Since(k.w.begun).Milliseconds())
	if person {
		clear(k.quiet)
	}
}

// asked holds the laptop to its manners: silence when the server asked for it,
// and no tight loop while nothing succeeds.
func (y *way) asked(r *http.Request) {
	k := y.link
	boot := k.lap.clock.look().Boot
	k.mu.Lock()
	early := k.quiet[y.run] - boot
	now := time.Since(k.w.begun).Milliseconds()
	key := tried{y.run, method(r)}
	k.tries[key] = append(k.tries[key], now)
	k.last[y.run] = now
	n, nudged := since(k.tries[key], now-10*minute), since(k.nudges, now-10*minute)
	quick, called := since(k.tries[key], now-20*second), since(k.nudges, now-22*second)
	k.mu.Unlock()
	if quick > 10+3*called {
		k.w.violated("I30", "%s made %d tries of %s in 20 seconds without any success, and %d reasons", k.lap.name, quick, key.method, called)
	}
	if early > 1500 {
		k.w.violated("I30", "%s asked %s %d ms before the server's Retry-After had passed", k.lap.name, r.URL.Path, early)
	}
	if n > 80+3*nudged {
		k.w.violated("I30", "%s made %d tries of %s in ten minutes without any success, and %d reasons", k.lap.name, n, key.method, nudged)
	}
}

// asks tells whether a program tried since a moment, or was trying then, or was
// asked to be silent.
func (k *link) asks(r *run, moment int64) bool {
	boot := k.lap.clock.look().Boot
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last[r] >= moment-2*second || k.quiet[r] > boot
}

// method is what manners are counted by: streams apart from what asks for a page.
func method(r *http.Request) string {
	if r.URL.Path == wire.PathEvents {
		return "streams"
	}
	return r.Method
}

func since(times []int64, from int64) int {
	n := 0
	for i := len(times) - 1; i >= 0 && times[i] >= from; i-- {
		n++
	}
	return n
}

func (y *way) answered(r *http.Request, resp *http.Response) {
	k := y.link
	boot, key := k.lap.clock.look().Boot, tried{y.run, method(r)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if resp == nil {
		return
	}
	if resp.StatusCode == http.StatusOK && resp.Header.Get(wire.HeaderServer) != "" {
		delete(k.tries, key)
	}
	if s, err := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64); err == nil && resp.Header.Get(wire.HeaderServer) != "" {
		k.quiet[y.run] = boot + min(s*second, 15*minute)
	}
}
