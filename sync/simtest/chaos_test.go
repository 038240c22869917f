package simtest_test

import (
	"fmt"
	"time"
)

// chaos is what happens to machines, programs and accounts while people work.
type chaos struct {
	w    *world
	dice *dice
	fate calamity
	copy copied
}

// What a history must hold at least; a storm goes on until it does.
const (
	leastActions = 100
	leastMishaps = 70
	leastCrashes = 5
	longestStorm = 90 * minute
)

// enough tells whether a storm that has lasted so long may end.
func (w *world) enough(lasted, lasts int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	full := w.tally["actions"] >= leastActions && w.tally["mishaps"] >= leastMishaps && w.tally["crashes"] >= leastCrashes
	return lasted >= lasts && full || lasted >= longestStorm
}

// reign lets something happen every half minute or so for as long as the storm
// lasts, in ms of people's waking hours.
func (c *chaos) reign(lasts int64) {
	begun := time.Now()
	c.foretell(lasts)
	c.foretellCopy(lasts)
	for c.w.sleep(c.dice, c.dice.span(1*second, 18*second)) && !c.w.enough(time.Since(begun).Milliseconds(), lasts) {
		c.w.count("chaos")
		if lasted := time.Since(begun).Milliseconds(); c.befall(lasted) || c.befallCopy(lasted) {
			continue
		}
		l := pick(c.dice, c.w.laptops)
		switch n := c.dice.n(100); {
		case n < 34:
			c.killLaptop(l, pick(c.dice, laptopPoints))
		case n < 48:
			c.killServer()
		case n < 53:
			c.sideBySide(l)
		case n < 60:
			c.suspend(l)
		case n < 67:
			c.reboot(l)
		case n < 76:
			l.clock.step(pick(c.dice, []int64{0, 20 * second, -20 * second, hour, -3 * hour, 4 * year, -10 * year, 10 * year}))
			c.w.note(l.name, "wall clock stepped")
		case n < 82:
			c.restart(l)
		case n < 84:
			c.closeServer()
		case n < 87:
			c.tend()
		case n < 90:
			c.revoke(l)
		case n < 94:
			c.kick(l)
		case n < 97:
			c.night()
		default:
			c.away(l)
		}
	}
}

var laptopPoints = []string{"", "clock", "before settle", "after settle", "before apply", "after apply", "before push", "after push", "before freeze", "after freeze", "before reset", "after reset", "before renew", "after renew"}

// killLaptop sets a trap at a point, or kills at once; the program is started
// again a little later.
func (c *chaos) killLaptop(l *laptop, where string) {
	patience := c.dice.span(2, 25) * second
	r, done := l.using()
	done()
	if r == nil {
		l.disarm()
		return
	}
	switch where {
	case "":
	case "clock":
		l.clock.setTrap(func() { l.kill(r, "clock") })
		c.w.sleep(c.dice, patience)
	default:
		l.mu.Lock()
		l.trap = where
		l.mu.Unlock()
		c.w.sleep(c.dice, patience)
	}
	l.disarm()
	l.kill(r, "anywhere")
	if c.w.sleep(c.dice, c.dice.span(1, 30)*second) {
		c.start(l)
	}
}

// disarm takes the traps away.
func (l *laptop) disarm() {
	l.mu.Lock()
	l.trap = ""
	l.mu.Unlock()
	l.clock.setTrap(nil)
}

func (c *chaos) start(l *laptop) {
	l.mu.Lock()
	runs := l.run != nil
	l.mu.Unlock()
	if runs {
		return
	}
	if err := l.open(); err != nil {
		c.w.violated("I1", "%s does not start: %v", l.name, err)
	}
}

var serverPoints = []string{"", "before commit", "after commit"}

func (c *chaos) killServer() {
	o := c.w.office
	where := pick(c.dice, serverPoints)
	if where != "" {
		o.mu.Lock()
		o.trap = where
		o.mu.Unlock()
		c.w.sleep(c.dice, c.dice.span(3, 30)*second)
	}
	o.mu.Lock()
	o.trap = ""
	s := o.shop
	o.mu.Unlock()
	if s != nil {
		o.kill(s, "anywhere")
	}
	c.w.sleep(c.dice, c.dice.span(1, 30)*second)
	c.openServer()
}

func (c *chaos) closeServer() {
	c.w.office.close()
	c.w.note("server", "closed")
	c.w.sleep(c.dice, c.dice.span(3, 90)*second)
	c.openServer()
}

// tend lets the server forget deletions that every device has heard of. A laptop
// whose old data is put back afterwards is behind what the server remembers.
func (c *chaos) tend() {
	s, done := c.w.office.serving()
	defer done()
	if s == nil {
		return
	}
	if err := s.srv.Tend(s.streams); err != nil && !s.isDead() && s.streams.Err() == nil {
		c.w.violated("harness", "tend: %v", err)
	}
	c.w.count("tended")
	c.w.note("server", "tended")
}

func (c *chaos) openServer() {
	if err := c.w.office.open(); err != nil {
		c.w.violated("I13", "the server does not start: %v", err)
	}
	c.w.note("server", "opened")
}

// suspend lets a machine sleep while the others work.
func (c *chaos) suspend(l *laptop) {
	l.clock.freeze(true)
	c.w.note(l.name, "asleep")
	c.w.sleep(c.dice, c.dice.span(10*second, 4*minute))
	l.clock.freeze(false)
	c.w.note(l.name, "awake")
	c.w.sleep(c.dice, c.dice.span(100, 2000))
	l.resumed()
}

// reboot starts the machine anew, with a dead battery now and then.
func (c *chaos) reboot(l *laptop) {
	if c.dice.one(2) {
		l.killAll("by power")
		c.w.sleep(c.dice, 2) // what was under way ends first: in one moment its order would be chance
	}
	l.close()
	dead := c.dice.one(3)
	l.clock.start(c.dice, dead)
	c.w.note(l.name, "rebooted, battery dead: %t", dead)
	if c.w.sleep(c.dice, c.dice.span(3, 30)*second) {
		c.start(l)
	}
}

func (c *chaos) restart(l *laptop) {
	l.close()
	if c.w.sleep(c.dice, c.dice.span(1, 60)*second) {
		c.start(l)
	}
}

// away is a laptop that is switched off for days while the others go on.
func (c *chaos) away(l *laptop) {
	l.close()
	c.w.note(l.name, "away")
	l.clock.start(c.dice, c.dice.one(4))
	c.w.sleep(c.dice, c.dice.span(20, 90)*second)
	c.night()
	c.w.sleep(c.dice, c.dice.span(20, 90)*second)
	c.start(l)
}

// revoke keeps a laptop out, and lets its person in again later.
func (c *chaos) revoke(l *laptop) {
	l.mu.Lock()
	device, locked := l.device, l.locked
	l.mu.Unlock()
	if device == "" || locked || !c.w.office.revoke(device) {
		return
	}
	l.mu.Lock()
	l.locked = true
	l.mu.Unlock()
	c.w.note(l.name, "revoked")
	c.w.count("revoked")
	c.w.sleep(c.dice, c.dice.span(10, 90)*second)
	c.w.office.turnedOut(l, device)
	if r, done := l.using(); r != nil {
		l.kept(r, "I37", "while revoked")
		done()
	}
	l.tryEnrol() // when it fails, the calm will see to it
}

func (c *chaos) kick(l *laptop) {
	r, done := l.using()
	defer done()
	if r != nil {
		l.link.nudge(true)
		r.eng.Kick()
	}
}

// night: everybody sleeps. The machines that are on are suspended.
func (c *chaos) night() {
	// Tokens are renewed when people wake: somebody's program may be killed then.
	l, where := pick(c.dice, c.w.laptops), pick(c.dice, []string{"", "before renew", "after renew"})
	l.mu.Lock()
	l.trap = where
	l.mu.Unlock()
	hours := c.dice.span(6, 60)
	if c.dice.one(4) {
		hours = 7 * 24 // over Christmas
	}
	c.w.night(hours * hour)
	c.w.note("world", "a night passed")
	c.w.count("nights")
	for _, l := range c.w.laptops {
		c.w.sleep(c.dice, c.dice.span(100, 1500))
		l.resumed()
	}
	if where != "" {
		c.killLaptop(l, where)
	}
}

// tellAfter is within how many ms after it was told that the machine woke a
// program must try; it is told within two seconds.
const tellAfter = 3 * second

// resumed tells the programs that their machine woke, as package reach does.
func (l *laptop) resumed() {
	if !l.w.plant.deaf {
		l.linksChanged()
	}
	now := time.Since(l.w.begun).Milliseconds()
	l.mu.Lock()
	r := l.run
	l.mu.Unlock()
	if r == nil || l.clock.asleep() {
		return
	}
	own := l.w.chance(fmt.Sprintf("resumed %s %d", l.name, now))
	l.w.wg.Go(func() {
		if !l.w.sleep(own, tellAfter) || r.isDead() || l.clock.asleep() || l.link.asks(r, now) {
			return
		}
		l.mu.Lock()
		same := l.run == r && l.device != ""
		l.mu.Unlock()
		if same {
			l.w.violated("I26", "%s woke at %d and tried nothing within five seconds", l.name, now)
		}
	})
}
