package engine

import (
	"errors"
	"net/http"
	"time"

	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// fault is why a round, or a part of it, did not succeed.
type fault struct {
	err   error
	state reach.State   // what it says of the way to the server; "": nothing
	line  bool          // the way itself: nothing else can work in this round
	slow  bool          // only a person can cure it: try seldom
	wait  time.Duration // the server asks to wait so long
	cut   bool          // the line broke under way: send less next time
	bad   bool          // perhaps what was sent is to blame: bisect
	reset bool          // the server was restored from a backup
	anew  bool          // everything has to be heard again

	tell, notice string // with anew: what the person hears of it
}

// diagnose tells the network's faults, the server's and our own apart. It
// believes a refusal only because wire returns one only from the enrolled server.
func diagnose(err error) *fault {
	var stranger *wire.NotOurServer
	var lost *wire.Unreachable
	var address *wire.AddressError
	var refused *wire.ServerError
	switch {
	case errors.Is(err, ErrNotEnrolled):
		return &fault{err: err, state: reach.NotEnrolled, line: true}
	case errors.As(err, &stranger) && stranger.Gateway():
		return &fault{err: err, state: reach.ServerDown, line: true}
	case errors.As(err, &stranger):
		return &fault{err: err, state: reach.Portal, line: true}
	case errors.As(err, &lost):
		return &fault{err: err, state: reach.Offline, line: true, cut: lost.Sent}
	case errors.As(err, &address):
		return &fault{err: err, state: reach.Offline, line: true, slow: true}
	case errors.As(err, &refused):
		return refusal(err, refused)
	}
	return &fault{err: err, line: true} // our own side, such as the database
}

func refusal(err error, r *wire.ServerError) *fault {
	f := &fault{err: err, state: reach.ServerDown, wait: min(r.RetryAfter, maxRetryAfter)}
	if r.Problem.Code == wire.CodeReset {
		f.state, f.line, f.reset = reach.Online, true, true
		return f
	}
	switch r.Status() {
	case http.StatusUnauthorized, http.StatusForbidden:
		f.state, f.line, f.slow = reach.Unauthorised, true, true
	case http.StatusUpgradeRequired:
		f.state, f.line, f.slow = reach.Outdated, true, true
	case http.StatusTooManyRequests:
		f.state, f.line = reach.Online, true
	case http.StatusServiceUnavailable:
		f.line = f.wait > 0
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		f.bad = true
	}
	return f
}

// touches tells whether the ops of the failed request count as tried. A device
// that must sign in or wait its turn has tried nothing.
func (f *fault) touches() bool {
	return !f.slow && f.wait == 0 && f.state != reach.Online && f.state != ""
}
