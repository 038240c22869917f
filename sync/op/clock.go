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

// Offsets turns readings into the server's time.
type Offsets struct {
	ByBoot map[string]int64 // boot id → server time − boot clock, ms, from a completed exchange in that boot
	Wall   int64            // server time − wall clock, ms, when last known; 0 before the first contact
	Known  bool             // whether there ever was a contact
}

// Correct is when a reading was taken, in the server's milliseconds since
// 1970 UTC, and whether that is uncertain: a boot which never met the server
// knows no better than its wall clock and the last known offset.
func (o Offsets) Correct(r Reading) (ms int64, uncertain bool) {
	if off, ok := o.ByBoot[r.BootID]; ok && r.BootID != "" {
		return r.Boot + off, false
	}
	return r.Wall + o.Wall, true
}
