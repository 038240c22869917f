package engine

import (
	"errors"
	"time"
)

const (
	wakeDelay     = 300 * time.Millisecond // gathers a burst of edits into one batch
	minGap        = time.Second            // between two tries, while they fail or a person asks
	kickGap       = 10 * time.Second       // between two that a person asks for while the server wants quiet
	backoffFirst  = 2 * time.Second
	backoffMax    = 60 * time.Second
	maxRetryAfter = 15 * time.Minute
	slowMin       = 60 * time.Second // between tries that only a person's cure can help
	slowMax       = 120 * time.Second
	idleLook      = 30 * time.Second // before enrolment, which wakes the engine: reads the device's own row, no network
	lockEvery     = time.Second      // between two tries to become the sender …
	lockRarely    = 30 * time.Second // … where its end is told: what is told may be lost
	lockSoon      = 50 * time.Millisecond
	hopeFor       = 3 * time.Second  // after the sender's end was told
	stuckAfter    = 2 * time.Second  // a request that old is given up when the links change
	pingEvery     = 10 * time.Minute // so that the clock offset stays fresh
	noteEvery     = time.Minute      // between two notes of "all sent" that nothing else calls for
)

// backoff is how long to wait after so many failures in a row: full jitter
// between a second and a bound that doubles, so that a fleet of laptops does
// not come back in step.
func backoff(fails int, chance float64) time.Duration {
	bound := backoffMax
	if fails < 6 {
		bound = min(bound, backoffFirst<<max(fails-1, 0))
	}
	return between(minGap, bound, chance)
}

func between(low, high time.Duration, chance float64) time.Duration {
	return low + time.Duration(chance*float64(high-low))
}

// afterRound is how long to wait until the next round by itself.
func (e *Engine) afterRound(f *fault, fails int) time.Duration {
	chance := e.o.Rand()
	switch {
	case f == nil:
		return between(e.o.Poll*8/10, e.o.Poll*12/10, chance)
	case errors.Is(f.err, ErrNotEnrolled):
		return idleLook
	case f.wait > 0:
		return between(f.wait, min(f.wait*11/10, maxRetryAfter), chance)
	case f.slow:
		return between(slowMin, slowMax, chance)
	}
	return backoff(fails, chance)
}
