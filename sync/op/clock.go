package op

// Reading is one look at a machine's clocks.
type Reading struct {
	Wall   int64  // wall clock, ms since 1970 UTC; may be years off
	Boot   int64  // ms since boot, running on through suspend
	BootID string // which boot; "" where the machine cannot say
}

// Clock reads the machine's clocks. [SystemClock] is the true one; tests and
// the simulator bring their own.
type Clock func() Reading

// Anchor is a moment at which a boot clock was held against the server's.
type Anchor struct {
	Boot   int64 // what the boot clock showed, ms
	Offset int64 // server time − boot clock, ms
}

// Offsets turns readings into the server's time.
type Offsets struct {
	ByBoot map[string][]Anchor // by boot id, oldest first, from completed exchanges in that boot
	Wall   int64               // server time − wall clock, ms, when last known; 0 before the first contact
	Known  bool                // whether there ever was a contact
}

// Correct is when a reading was taken, in the server's milliseconds since
// 1970 UTC, and whether that is uncertain: a boot which never met the server
// knows no better than its wall clock and the last known offset.
func (o Offsets) Correct(r Reading) (ms int64, uncertain bool) {
	if anchors := o.ByBoot[r.BootID]; len(anchors) > 0 && r.BootID != "" {
		return r.Boot + offsetAt(anchors, r.Boot), false
	}
	return r.Wall + o.Wall, true
}

// offsetAt is the offset at a moment of the boot clock. Between two anchors it
// went evenly from one to the other: a machine that slept for a week between them
// drifted by a minute or two.
func offsetAt(anchors []Anchor, boot int64) int64 {
	next := anchors[len(anchors)-1]
	for i := len(anchors) - 2; i >= 0 && boot < next.Boot; i-- {
		before := anchors[i]
		between, drift := next.Boot-before.Boot, next.Offset-before.Offset
		if max(drift, -drift) > maxDrift(between) {
			break // the server's clock was set: what it says now counts
		}
		if boot >= before.Boot {
			return before.Offset + drift*(boot-before.Boot)/between
		}
		next = before
	}
	return next.Offset
}

// maxDrift is how far, ms, two clocks may come apart in a time: 500 ppm, beyond
// which no kernel corrects a crystal, and what two exchanges may have been off.
func maxDrift(between int64) int64 { return between/2000 + 8000 }
