package wire

// Settled counts what a batch's results did on the device.
type Settled struct {
	Acked     int // left the queue: applied, merged or lost to newer values
	Conflicts int // conflicts newly recorded
	Parked    int // refused for good; kept, shown, sent again by hand
	Retry     int // still waiting: the server said "not now"
	Untold    int // left the queue, but what its record is now only a pull can tell
	Forked    int // still waiting: another copy of the device's data took their places; the queue has a new identity now
}
