package simtest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
)

// epoch is when every history begins, true time, ms since 1970 UTC.
const epoch int64 = 1_793_000_000_000

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	year   = 365 * day
)

// world is one history.
type world struct {
	seed  uint64
	plant plant
	dir   string
	blanks
	begun time.Time // in the bubble's time
	out   io.Writer // where the trace goes; nil: nowhere

	ctx  context.Context // ends when the history is over or a violation was found
	stop context.CancelFunc
	wg   sync.WaitGroup // everything that the history started

	office  *office // the server's side
	laptops []*laptop
	book    *book
	moving  bool // the office moves tasks between two crews

	mu     sync.Mutex // guards all below; never held across a wait
	jumped int64      // nights that passed without a tick, ms
	found  *violation
	trace  hash.Hash
	events int
	tally  map[string]int
	over   bool // nothing more is noted
	late   int  // requests that are still on their way
	calm   bool // the network is well again
	cured  bool // the server no longer fails on the op that it failed on
}

// violation is an invariant that did not hold.
type violation struct {
	Invariant string
	Text      string
}

func newWorld(seed uint64, p plant, dir string) *world {
	w := &world{seed: seed, plant: p, dir: dir, begun: time.Now(), trace: sha256.New(), tally: map[string]int{}}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.book = newBook(w)
	w.moving = w.chance("crews").one(3)
	if os.Getenv("SIM_TRACE") != "" {
		w.out = os.Stderr
	}
	return w
}

// chance is one actor's own source: what others draw does not change it.
func (w *world) chance(actor string) *dice {
	h := fnv.New64a()
	h.Write([]byte(actor))
	return &dice{r: rand.New(rand.NewPCG(w.seed, h.Sum64()))}
}

// now is the true time, ms since 1970.
func (w *world) now() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return epoch + time.Since(w.begun).Milliseconds() + w.jumped
}

// night lets time pass that nobody is awake in.
func (w *world) night(ms int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jumped += ms
}

// sleep waits until the time is up or the history is over. A few ns of chance
// keep any two actors from waking at the same moment, where their order would
// be the scheduler's.
func (w *world) sleep(d *dice, ms int64) bool {
	t := time.NewTimer(time.Duration(ms)*time.Millisecond + time.Duration(d.n(1_000_000)))
	defer t.Stop()
	select {
	case <-t.C:
		return w.ctx.Err() == nil
	case <-w.ctx.Done():
		return false
	}
}

// note writes one event into the trace. Errors' texts and the order of maps
// must stay out of it.
func (w *world) note(who, format string, args ...any) {
	line := fmt.Sprintf("%d %s %s\n", w.now()-epoch, who, fmt.Sprintf(format, args...))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.events++
	io.WriteString(w.trace, line)
	if w.out != nil {
		io.WriteString(w.out, line)
	}
}

// longest begins the names of tallies of which the greatest counts.
const longest = "longest "

// atMost notes the greatest of several values.
func (w *world) atMost(what string, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally[what] = max(w.tally[what], int(n))
}

func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally[what]++
}

// violated ends the history: the first violation counts.
func (w *world) violated(invariant, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("judge", "%s", invariant)
	w.mu.Lock()
	if w.found == nil {
		w.found = &violation{invariant, text}
		if w.out != nil {
			fmt.Fprintln(w.out, "VIOLATION", invariant, text)
		}
	}
	w.mu.Unlock()
	w.stop()
}

func (w *world) setCalm(calm, cured bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calm, w.cured = calm, cured
}

// onItsWay counts the requests that arrive late or again.
func (w *world) onItsWay(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late += n
}

// sleepOrCalm is sleep that ends within a minute of the calm: what is still on
// its way then arrives too.
func (w *world) sleepOrCalm(d *dice, ms int64) bool {
	for until := w.now() + ms; ; {
		left := until - w.now()
		if left <= 0 || w.isCalm() {
			return w.sleep(d, d.n(max(1, min(left, minute))))
		}
		if !w.sleep(d, min(left, 20*second)) {
			return false
		}
	}
}

func (w *world) isCalm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm
}

func (w *world) isCured() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cured
}

// verdict is what is reported of one history.
type verdict struct {
	Seed      uint64
	Hash      string
	Events    int
	Violation *violation     `json:",omitempty"`
	Tally     map[string]int `json:",omitempty"`
	Millis    int64          // real time
}

func (w *world) verdict() verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	return verdict{Seed: w.seed, Hash: hex.EncodeToString(w.trace.Sum(nil))[:16], Events: w.events, Violation: w.found, Tally: w.tally}
}

// dice is a source of chance that several goroutines of one actor may share.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

// n is a number from 0 to n-1.
func (d *dice) n(n int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Int64N(n)
}

// span is a number from low to high.
func (d *dice) span(low, high int64) int64 { return low + d.n(high-low+1) }

// one tells whether one of n chances came true.
func (d *dice) one(n int64) bool { return d.n(n) == 0 }

func (d *dice) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}

func pick[T any](d *dice, from []T) T { return from[d.n(int64(len(from)))] }

// Read makes dice a source of bytes.
func (d *dice) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range p {
		p[i] = byte(d.r.Uint32())
	}
	return len(p), nil
}

// uuid is a fresh UUID of version 7 at a moment.
func (d *dice) uuid(ms int64) string {
	var id uuid.UUID
	d.Read(id[6:])
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id.String()
}
