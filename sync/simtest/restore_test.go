package simtest_test

import (
	"fmt"
	"maps"
	"path/filepath"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// backup is the server's file as it was once, and what the book said then.
type backup struct {
	path string
	at   int64 // true time
	page page
}

// page is the book's word on the server at one moment.
type page struct {
	rows      map[rowKey]server.Row
	heads     map[string]int64
	last      map[lane]int64
	conflicts int
	settled   map[string]bool
}

// restored is one restore: histories that go on behind base are not the ones
// that devices were told of before, unless what was lost grows again, the same
// ops at the same places.
type restored struct {
	base int64
	lost []word
}

// word is what a server said of an op before it was restored.
type word struct {
	f       *fact
	outcome op.Outcome
	version int64
}

func (b *book) page() page {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := page{maps.Clone(b.rows), maps.Clone(b.heads), maps.Clone(b.last), len(b.conflicts), map[string]bool{}}
	for _, f := range b.order {
		if f.outcome != "" {
			p.settled[f.id] = true
		}
	}
	return p
}

// turnBack makes the book say what the restored server says. What was settled
// since is not settled; what the office did since is gone with it.
func (b *book) turnBack(to backup) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := restored{base: to.page.heads[crew]}
	b.unsaid = append(b.unsaid, b.conflicts[to.page.conflicts:]...)
	b.rows, b.heads, b.last, b.conflicts = maps.Clone(to.page.rows), maps.Clone(to.page.heads), maps.Clone(to.page.last), b.conflicts[:to.page.conflicts]
	for _, f := range b.order {
		if f.outcome == "" || to.page.settled[f.id] {
			continue
		}
		now.lost = append(now.lost, word{f, f.outcome, f.version})
		f.former, f.era = f.outcome, len(b.restores)+1
		f.outcome, f.code, f.device, f.settledAt, f.version = "", "", "", 0, 0
		if f.lap < 0 {
			f.void, f.acked = true, false
		}
		f.dropped = f.dropped || f.orphan
	}
	b.restores = append(b.restores, now)
	maps.DeleteFunc(b.revoked, func(_ string, at int64) bool { return at > to.at })
}

// era counts the restores.
func (b *book) era() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.restores)
}

// forgotten tells whether a server of today can know what a device was told up
// to a version of an era.
func (b *book) forgotten(version int64, era int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.w.moving {
		return false // the book reckons with one history, and does not say which of two was lost
	}
	for _, r := range b.restores[min(era, len(b.restores)):] {
		if version > r.base && !r.regrown(version) {
			return true
		}
	}
	return false
}

// regrown tells whether all that was lost up to a version stands again as it
// did: such a history nobody can tell from the old one, and need not.
func (r restored) regrown(version int64) bool {
	grown := map[int64]bool{}
	for _, w := range r.lost {
		if w.version <= r.base || w.version > version {
			continue
		}
		if w.f.version != w.version || w.f.outcome != w.outcome {
			return false
		}
		grown[w.version] = true
	}
	return int64(len(grown)) == version-r.base
}

// calamity, in a third of the histories: a backup is made, and later the server
// goes on from it. In half of those the office has done more work by then than
// was lost, before any laptop asks.
type calamity struct {
	backupAt, restoreAt int64 // ms of the storm; 0: never, or done
	kept                backup
	desk                *dispatcher
}

func (c *chaos) foretell(lasts int64) {
	if !c.dice.one(3) {
		return
	}
	c.fate.backupAt = c.dice.span(20*second, lasts*4/10)
	c.fate.restoreAt = c.fate.backupAt + c.dice.span(30*second, lasts/2)
	c.fate.desk = &dispatcher{o: c.w.office, dice: c.w.chance("dispatcher after the backup"), name: "successor"}
}

// befall does what is due; false when nothing is.
func (c *chaos) befall(lasted int64) bool {
	f := &c.fate
	switch {
	case f.backupAt > 0 && lasted >= f.backupAt:
		f.backupAt = 0
		c.backUp()
	case f.backupAt == 0 && f.restoreAt > 0 && lasted >= f.restoreAt:
		f.restoreAt = 0
		c.restore()
	default:
		return false
	}
	return true
}

func (c *chaos) backUp() {
	o := c.w.office
	o.mu.Lock()
	path := o.path
	o.mu.Unlock()
	c.fate.kept = backup{path: filepath.Join(c.w.dir, "backup.db"), at: c.w.now(), page: c.w.book.page()}
	if err := image(path, c.fate.kept.path); err != nil {
		c.w.violated("harness", "backup: %v", err)
	}
	c.w.note("server", "backed up at v%d", c.w.book.head())
}

// restore puts the backup in the server's place.
func (c *chaos) restore() {
	w, o, kept := c.w, c.w.office, c.fate.kept
	o.mu.Lock()
	s := o.shop
	o.mu.Unlock()
	if s != nil {
		o.kill(s, "for the restore")
	}
	o.mu.Lock()
	o.gen++
	old := o.path
	o.path = filepath.Join(w.dir, fmt.Sprintf("server-%d.db", o.gen))
	path := o.path
	o.mu.Unlock()
	remove(old)
	if err := image(kept.path, path); err != nil {
		w.violated("harness", "restore: %v", err)
	}
	lost := w.book.head() - kept.page.heads[crew]
	w.book.turnBack(kept)
	w.count("restored servers")
	for _, l := range w.laptops {
		l.mu.Lock()
		l.locked = l.locked || l.device != "" && l.enrolled > kept.at // the server does not know it any more
		l.mu.Unlock()
	}
	c.openServer()
	w.note("server", "restored, %d versions lost", lost)
	if c.dice.one(2) {
		w.count("restored servers grown past their old end")
		for n := 0; n < 40 && w.book.head() <= kept.page.heads[crew]+lost; n++ {
			c.fate.desk.write()
		}
	}
}

// blurred tells whether an edit was made before its laptop had taken the base of
// the server as it is now: what its author had seen nobody can tell any more.
func (b *book) blurred(f *fact) bool { return f.lap >= 0 && f.at <= b.blur[f.lap] }

const always = int64(1) << 62

// beginsAgain notes that a laptop takes the server's base anew.
func (l *laptop) beginsAgain() {
	l.w.book.with(func() { l.w.book.blur[l.n] = always })
	era := l.w.book.era()
	l.mu.Lock()
	l.era, l.heard = era, 0
	clear(l.versions)
	l.mu.Unlock()
	l.w.note(l.name, "begins again with the server")
	l.w.count("laptops that found a restored server out")
}

// told notes how the server's history stands, as an answer said; more: the base
// is not whole yet.
func (l *laptop) told(version int64, whole bool) {
	now := l.w.now()
	l.mu.Lock()
	if version > 0 && (version > l.heard || l.link.eraOf() > l.heardEra) {
		l.heard, l.heardEra = version, l.link.eraOf()
	}
	l.mu.Unlock()
	if whole {
		l.w.book.with(func() {
			if l.w.book.blur[l.n] == always {
				l.w.book.blur[l.n] = now
			}
		})
	}
}

// sameOutcome tells whether the server's word on an op is one that it gave, be it
// before it was restored.
func (f *fact) sameOutcome(o op.Outcome) bool { return f.outcome == o || f.former == o }
