package simtest_test

import (
	"fmt"
	"maps"
	"path/filepath"
)

// copied is a laptop's file as its person kept it once.
type copied struct {
	lap      *laptop
	path     string
	at       int64 // true time
	seq      int64
	device   string
	era      int
	heard    int64
	heardEra int
	met      map[string]int64
	waits    map[string]bool // op ids in the queue
	backAt   int64           // ms of the storm: when it is put back; 0: done, or never
	takenAt  int64
}

// foretellCopy: in a quarter of the histories somebody keeps a copy of a laptop's
// data and puts it back later, over work that was done since.
func (c *chaos) foretellCopy(lasts int64) {
	if !c.dice.one(4) {
		return
	}
	c.copy.takenAt = c.dice.span(10*second, lasts/2)
	c.copy.backAt = c.copy.takenAt + c.dice.span(30*second, lasts/2)
}

// befallCopy does what is due; false when nothing is.
func (c *chaos) befallCopy(lasted int64) bool {
	k := &c.copy
	switch {
	case k.takenAt > 0 && lasted >= k.takenAt:
		k.takenAt = 0
		c.takeCopy(pick(c.dice, c.w.laptops))
	case k.takenAt == 0 && k.backAt > 0 && lasted >= k.backAt:
		k.backAt = 0
		if k.lap != nil {
			c.putBack()
		}
	default:
		return false
	}
	return true
}

func (c *chaos) takeCopy(l *laptop) {
	r, done := l.using()
	defer done()
	if r == nil || l.clock.asleep() {
		return
	}
	l.scan(r, false, false)
	k := &c.copy
	k.lap, k.path, k.at, k.waits = l, filepath.Join(c.w.dir, "copy.db"), c.w.now(), map[string]bool{}
	for _, row := range l.waiting(r) {
		k.waits[row.Op.ID] = true
	}
	l.mu.Lock()
	k.seq, k.device, k.era, k.heard, k.heardEra, k.met = l.seq, l.device, l.era, l.heard, l.heardEra, maps.Clone(l.met)
	path := l.path
	l.mu.Unlock()
	if err := image(path, k.path); err != nil {
		c.w.violated("harness", "copy of a laptop: %v", err)
	}
	c.w.note(l.name, "its data is copied")
}

// putBack makes the copy the laptop's data again. What was done since and not
// sent is gone, as whoever does this knows; all else must come right by itself.
func (c *chaos) putBack() {
	k, l := &c.copy, c.copy.lap
	r, done := l.using()
	done()
	if r != nil {
		l.killAll("to put a copy back")
		c.w.sleep(c.dice, 2) // as after a power cut
	}
	l.mu.Lock()
	l.gen++
	old := l.path
	l.path = filepath.Join(c.w.dir, fmt.Sprintf("%s-%d.db", l.name, l.gen))
	path := l.path
	l.locked = l.locked || l.device != k.device
	l.seq, l.device, l.era, l.heard, l.heardEra, l.met = k.seq, k.device, k.era, k.heard, k.heardEra, maps.Clone(k.met)
	l.life++
	clear(l.versions)
	l.mu.Unlock()
	remove(old)
	if err := image(k.path, path); err != nil {
		c.w.violated("harness", "put a copy back: %v", err)
	}
	c.w.book.with(func() {
		for _, f := range c.w.book.order {
			switch {
			case f.lap != l.n:
			case k.waits[f.id]:
				f.revived = true
				if f.outcome == "" && (f.dropped || f.squashed) {
					f.reborn = f.reborn || f.squashed
					f.dropped, f.squashed, f.acked = false, false, false
				}
			case f.at < k.at:
			case f.outcome == "":
				f.dropped = true
			default:
				f.orphan = true
			}
		}
	})
	c.w.note(l.name, "its copy is put back")
	c.w.count("laptops put back")
	if c.dice.one(2) && c.w.sleep(c.dice, 5) { // what the kill cut off has ended by then
		c.tend() // what the old data never heard of is forgotten meanwhile
	}
	if c.w.sleep(c.dice, c.dice.span(1, 10)*second) {
		c.start(l)
	}
}

// sideBySide starts a second program on a laptop's data, and ends one of the two
// a little later.
func (c *chaos) sideBySide(l *laptop) {
	r, done := l.using()
	done()
	l.mu.Lock()
	busy := l.side != nil
	l.mu.Unlock()
	if r == nil || busy || l.clock.asleep() {
		return
	}
	side, err := l.program()
	if err != nil {
		c.w.violated("I9", "%s does not start a second program: %v", l.name, err)
		return
	}
	l.mu.Lock()
	ok := l.run == r && l.side == nil
	if ok {
		l.side = side
	}
	l.mu.Unlock()
	if !ok {
		c.w.violated("harness", "the first program ended while the second one started")
		return
	}
	c.w.count("second programs")
	c.w.note(l.name, "a second program starts")
	l.work(side)
	c.w.sleep(c.dice, c.dice.span(10, 60)*second)
	if c.dice.one(2) {
		l.kill(r, "beside another") // the second one takes over
		return
	}
	l.closeSide()
}

// closeSide ends the second program in good order.
func (l *laptop) closeSide() {
	l.mu.Lock()
	side := l.side
	l.side = nil
	l.mu.Unlock()
	if side != nil {
		l.finish(side)
	}
}

// sends holds the programs of one laptop to it that one of them sends.
func (r *run) sends(on bool) {
	l := r.lap
	l.mu.Lock()
	other := l.sender != nil && l.sender != r && !l.sender.isDead()
	if on {
		l.sender = r
	} else if l.sender == r {
		l.sender = nil
	}
	l.mu.Unlock()
	if on && other && !r.isDead() {
		l.w.violated("I9", "two programs on %s send at once", l.name)
	}
}
