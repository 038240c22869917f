package engine

import "example.com/punchlist/sync/reach"

// Activity is what the engine is doing this moment.
type Activity string

// The activities.
const (
	Idle      Activity = "idle"      // nothing to do, or another process sends
	Waiting   Activity = "waiting"   // something to do, but the server cannot be reached: see NextTry
	Sending   Activity = "sending"   // pushing the queue
	Receiving Activity = "receiving" // pulling changes
)

// Status is what the engine tells the screen. Counts of what waits are not in
// it: the screen computes those from the queue table.
type Status struct {
	Reach    reach.State
	Detail   string // a sentence for people: who answered instead, what the server said; may be empty
	Since    int64  // when Reach became what it is, wall clock, ms
	Activity Activity
	Done     int    // while Sending: ops the server has settled in this round …
	Total    int    // … of so many; while Receiving: records so far, of nobody knows how many
	Why      string // for what ops wait while nothing is being tried; "" else
	NextTry  int64  // while Waiting, or with Why: when the next try comes by itself, wall clock, ms; 0: not by itself
	LastSync int64  // last round that ran dry, wall clock, ms; 0: never
	Sender   bool   // whether this process sends; false: another process on this database does
	Looking  bool   // nothing was learned of the server since Run began: Reach is a guess
	Asked    int64  // when the last round that [Engine.Kick] asked for began, of those that have ended, wall clock, ms; 0: never
}

// ReachOf says what an error of [Remote] tells of the way to the server.
func ReachOf(err error) reach.State {
	if err == nil {
		return reach.Online
	}
	if f := diagnose(err); f.state != "" {
		return f.state
	}
	return reach.Offline
}
