package engine

import (
	"fmt"

	"example.com/punchlist/sync/reach"
)

// why says in words for what the ops wait while nothing is being tried; "" while
// nothing waits or something is tried now. It is the watchdog's word: work that
// stands still without a reason does not occur.
func (l *loop) why() string {
	if l.cancel != nil || l.known == 0 {
		return ""
	}
	held := len(l.outbox.held)
	switch now := l.now(); {
	case l.paused:
		return "working offline is switched on"
	case l.release == nil:
		return "another punchlist on this laptop sends"
	case l.fault != nil:
		return l.fault.err.Error()
	case now < l.floor:
		return "the server asked to wait"
	case held > 0:
		return fmt.Sprintf("the server cannot take %d of them now", held)
	case l.board.get().Reach != reach.Online:
		return "the server was not reached yet"
	}
	return "gathering what belongs together" // wakeDelay, or the gap between two rounds
}

// count looks how many ops wait, where no round does.
func (l *loop) count() {
	if n, err := l.o.Pending(l.ctx); err == nil {
		l.known = n
	}
}

// showWait tells since when, why and until when ops wait. No round runs.
func (l *loop) showWait() {
	why := l.why()
	next := int64(0)
	if !l.paused && (why != "" && l.release != nil || l.board.get().Activity == Waiting) {
		next = l.o.Clock().Wall + l.wait(l.due).Milliseconds()
	}
	l.board.update(func(s *Status) {
		s.Why = why
		if d := s.NextTry - next; next == 0 || d > 100 || d < -100 { // not for each ms by which two looks differ
			s.NextTry = next
		}
	})
}
