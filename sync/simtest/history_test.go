package simtest_test

import (
	"cmp"
	"context"
	"fmt"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/server"
)

// people are the users; some seeds have three of them, some five.
var people = []string{"ann", "bob", "cid", "dee", "eve"}

// history plays one seed from its beginning to the judgement.
func (w *world) history() {
	defer w.end()
	if !w.begin() {
		return
	}
	w.storm()
	if !w.calmDown() {
		return
	}
	w.judge()
}

// begin opens the office, enrols everybody and lets the first tasks arrive.
func (w *world) begin() bool {
	d := w.chance("beginning")
	var err error
	if w.office, err = newOffice(w); err != nil {
		w.violated("harness", "office: %v", err)
		return false
	}
	for i, name := range people[:3+d.n(3)] {
		crews := []string{crew}
		if w.moving && i%2 == 1 {
			crews = append(crews, other)
		}
		if _, err := w.office.shop.srv.AddUser(context.Background(), server.User{Name: name, Role: op.Dispatcher, Crews: crews}); err != nil {
			w.violated("harness", "user: %v", err)
			return false
		}
		l, err := newLaptop(w, i, name, crews)
		if err != nil {
			w.violated("harness", "laptop: %v", err)
			return false
		}
		l.liar = i == 2 && d.one(3)
		w.laptops = append(w.laptops, l)
	}
	desk := &dispatcher{o: w.office, dice: w.chance("dispatcher"), name: "office", moves: w.moving}
	for range 3 {
		desk.edit()
	}
	for _, l := range w.laptops {
		if err := l.open(); err != nil {
			w.violated("harness", "open: %v", err)
			return false
		}
		if d.one(4) {
			l.act() // before it belongs to anybody
		}
		if !w.sleep(d, d.span(100, 3000)) || !l.enrol() {
			return false
		}
	}
	w.sleep(d, 20*second)
	w.wg.Go(desk.live)
	return w.ctx.Err() == nil
}

// storm: people work, and everything goes wrong.
func (w *world) storm() {
	d := w.chance("storm")
	for _, l := range w.laptops {
		w.wg.Go(l.live)
		w.wg.Go(l.link.weather)
	}
	(&chaos{w: w, dice: w.chance("chaos")}).reign(d.span(4, 9) * minute)
	w.note("world", "the storm is over")
}

// calmDown heals the network and everything else, and gives the laptops the
// time that they may take.
func (w *world) calmDown() bool {
	d := w.chance("calm")
	w.setCalm(true, false)
	w.office.mu.Lock()
	w.office.trap = ""
	closed := w.office.shop == nil
	w.office.mu.Unlock()
	if closed {
		(&chaos{w: w, dice: d}).openServer()
	}
	for _, l := range w.laptops {
		w.sleep(d, 10)
		l.clock.freeze(false)
		l.disarm()
		l.mu.Lock()
		locked := l.locked
		l.mu.Unlock()
		(&chaos{w: w, dice: d}).start(l)
		l.link.set(skies[0])
		if locked && !l.enrol() {
			return false
		}
	}
	if !w.letIn(d) {
		return false
	}
	// Eight rounds, or the longest backoff and a minute, whichever is later; and
	// what a 429 or 503 asked for at the last moment.
	cursed := w.drains(d, 6*minute+4*minute, false)
	w.setCalm(true, true)
	if cursed {
		w.drains(d, 70*minute, true)
	}
	w.dropParked(d)
	w.drains(d, 3*minute, true)
	w.hearSoon(d)
	return w.ctx.Err() == nil
}

// letIn: whose token the server does not take any more asks the office for a new
// invite. There must be a reason: the server was restored to the time of an older
// token, the laptop's old data was put back, or a request with an older one arrived
// so late that it looked like a copy's.
func (w *world) letIn(d *dice) bool {
	if !w.sleep(d, 5*minute) { // a 503 of the storm may have asked for four, and a tenth
		return false
	}
	for _, l := range w.laptops {
		if l.shows().Reach != reach.Unauthorised {
			continue
		}
		l.mu.Lock()
		copied := l.life > 0
		l.mu.Unlock()
		l.link.mu.Lock()
		late := l.link.held > tokenInFlight
		l.link.mu.Unlock()
		if w.book.era() == 0 && !copied && !late {
			w.violated("I36", "%s is kept out for nothing; it shows %+v", l.name, l.shows())
			return false
		}
		w.count("let in again for their token's sake")
		if !l.enrol() {
			return false
		}
	}
	return true
}

// tokenInFlight is how late, ms, a request with an older token is no alarm yet.
const tokenInFlight = 2 * hour

// drains waits until the laptops have sent and heard everything, and no longer
// than they may take. left tells whether something waits on which the server
// fails.
func (w *world) drains(d *dice, within int64, cured bool) (left bool) {
	for begun := w.now(); ; {
		if !w.sleep(d, 12*second) {
			return false
		}
		late := w.now()-begun >= within
		left, why := w.undrained(cured)
		if why == "" && w.arrived() {
			return left
		}
		if late && why != "" {
			w.violated("I29", "%s", why)
			return false
		}
	}
}

// arrived tells whether no request is still on its way.
func (w *world) arrived() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late == 0
}

// undrained says what is missing: the queues must be empty but for what is refused
// for good, what the server fails on, and what builds on either.
func (w *world) undrained(cured bool) (left bool, why string) {
	for _, l := range w.laptops {
		r, done := l.using()
		rows := l.waiting(r)
		blocked, dark := map[string]bool{}, false
		for _, row := range rows {
			if text := row.Op.Fields.Text("description"); !cured && len(text) > len(cursed) && text[len(text)-len(cursed):] == cursed {
				blocked[row.Op.Entity], blocked[row.Op.Group], dark = true, row.Op.Group != "", true
			}
		}
		for _, row := range rows {
			if row.State == localdb.BadgeParked || row.Behind != "" || blocked[row.Op.Entity] || blocked[row.TaskID] || blocked[row.Op.Group] && row.Op.Group != "" {
				continue
			}
			why = cmp.Or(why, fmt.Sprintf("%s still holds place %d (%s, tried %d times, %q), long after the network is well; it shows %+v", l.name, row.Op.Seq, row.Sentence, row.Attempts, row.LastError, r.eng.Status()))
		}
		left = left || dark
		cursor, err := r.db.Cursor(context.Background())
		if err != nil {
			w.violated("harness", "cursor: %v", err)
		}
		for _, name := range l.crews {
			if at, head := positions(cursor)[name], w.book.headOf(name); at < head {
				why = cmp.Or(why, fmt.Sprintf("%s has heard up to %d of %d of %s, long after the network is well", l.name, at, head, name))
			}
		}
		done()
	}
	return left, why
}

// How long, ms, a change of the office may stay unheard while all is well: by a
// laptop that listens to a stream of pokes, and by one that asks now and then.
const (
	longestPoked = 2 * second
	longestStale = 30 * second
)

// hearSoon: while all is well nobody is behind for long.
func (w *world) hearSoon(d *dice) {
	w.sleep(d, minute) // so that streams which fell silent in the storm are found out
	desk := &dispatcher{o: w.office, dice: d, name: "evening desk"}
	for range 2 {
		w.sleep(d, d.n(20*second))
		limit := map[*laptop]int64{}
		for _, l := range w.laptops {
			if limit[l] = longestStale; l.link.listens() {
				limit[l] = longestPoked
			}
		}
		desk.write()
		head, begun := w.book.head(), w.now()
		for len(limit) > 0 {
			if !w.sleep(d, 100) {
				return
			}
			stale := w.now() - begun
			for _, l := range w.laptops {
				switch {
				case limit[l] == 0:
				case l.heardUpTo() >= head:
					w.atMost(map[int64]string{longestPoked: "longest poked, ms", longestStale: "longest stale, ms"}[limit[l]], stale)
					delete(limit, l)
				case stale > limit[l]:
					w.violated("G23", "%s has not heard of version %d after %d ms, while all is well; it shows %+v", l.name, head, stale, l.shows())
				}
			}
		}
	}
}

func (l *laptop) heardUpTo() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard
}

func (l *laptop) shows() engine.Status {
	r, done := l.using()
	defer done()
	if r == nil {
		return engine.Status{}
	}
	return r.eng.Status()
}

// dropParked: every refused op is there with its reason; then its person lets it go.
func (w *world) dropParked(d *dice) {
	for _, l := range w.laptops {
		w.sleep(d, 10)
		r, done := l.using()
		l.kept(r, "I27", "before the refused changes are let go")
		for {
			var id string
			for _, row := range l.waiting(r) {
				if row.State != localdb.BadgeParked {
					continue
				}
				if id = row.Op.ID; row.Code == "" || row.LastError == "" {
					w.violated("I27", "%s holds a refused op without a reason: place %d", l.name, row.Op.Seq)
				}
				break
			}
			if id == "" {
				break
			}
			w.count("parked at the end")
			if err := r.db.DiscardOp(context.Background(), id); err != nil {
				w.violated("I27", "%s cannot let a refused op go: %v", l.name, err)
				break
			}
			l.tookBack(r)
		}
		r.poke()
		done()
	}
}

// end stops everything that the history started and waits for it.
func (w *world) end() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.stop()
	for _, l := range w.laptops {
		l.clock.freeze(false)
		l.close()
	}
	if w.office != nil {
		w.office.close()
	}
	for _, l := range w.laptops {
		l.clock.freeze(false)
	}
	w.wg.Wait()
}

// play runs a seed in the bubble that the caller has opened.
func play(seed uint64, p plant, dir string, clean blanks) verdict {
	w := newWorld(seed, p, dir)
	w.blanks = clean
	w.history()
	v := w.verdict()
	v.Tally["events"] = v.Events
	if v.Violation != nil {
		v.Violation.Text = fmt.Sprintf("%s [at %d]", v.Violation.Text, w.now()-epoch)
	}
	return v
}
