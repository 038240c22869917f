package simtest_test

import (
	"sync"
	"time"

	"example.com/punchlist/sync/op"
)

// machine is a laptop's clocks: the wall clock as wrong as it may be, and the
// boot clock, which only drifts.
type machine struct {
	w *world

	mu      sync.Mutex // guards all below
	since   int64      // true time of the boot
	zero    int64      // what the boot clock showed then
	boot    string     // the boot's id
	ppm     int64      // how much the crystal runs ahead
	off     int64      // wall clock minus true time, at the boot or since it was stepped
	frozen  chan struct{}
	waiting int    // how many wait for it to wake
	trap    func() // called once, at the next look at the clock
}

// read is what the laptop's programs see. It does not return while the machine
// sleeps: so all that runs on it stands still. Those that stood still go on one
// after the other: at once their order would be the runtime's chance.
func (m *machine) read() op.Reading {
	for {
		m.mu.Lock()
		frozen, trap := m.frozen, m.trap
		m.trap = nil
		if frozen != nil {
			m.waiting++
		}
		turn := time.Duration(m.waiting) * 617 * time.Microsecond
		m.mu.Unlock()
		if trap != nil {
			trap()
		}
		if frozen == nil {
			return m.look()
		}
		<-frozen
		time.Sleep(turn)
	}
}

// look reads the clocks without being stopped by sleep.
func (m *machine) look() op.Reading {
	now := m.w.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	up := now - m.since
	drift := up * m.ppm / 1_000_000
	return op.Reading{Wall: now + m.off + drift, Boot: m.zero + up + drift, BootID: m.boot}
}

// start boots the machine. A dead battery makes it wake up in 1970.
func (m *machine) start(d *dice, dead bool) {
	now := m.w.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	up := now - m.since
	m.off += up * m.ppm / 1_000_000
	m.since, m.zero, m.boot, m.ppm = now, d.n(20*second), d.uuid(now), d.span(-200, 200)
	if dead {
		m.off = d.n(30*second) - now
	}
}

// step sets the wall clock to another error.
func (m *machine) step(off int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.off = off
}

// asleep tells whether the machine is suspended.
func (m *machine) asleep() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.frozen != nil
}

// freeze suspends the machine, or wakes it.
func (m *machine) freeze(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case on && m.frozen == nil:
		m.frozen, m.waiting = make(chan struct{}), 0
	case !on && m.frozen != nil:
		close(m.frozen)
		m.frozen = nil
	}
}

func (m *machine) setTrap(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trap = f
}
