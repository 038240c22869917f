package server

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"sync"
)

// A write costs its commit more than its ops, so batches that come while one is
// being written go together into the next: one transaction, one flush. Batches
// of the same crews meet in the same lane; lanes write beside each other as far
// as the store gains from it.
//
//	batch ──┐
//	batch ──┼──► lane: the first to come writes for all that wait
//	batch ──┘         and then hands over to the first that came meanwhile
//
// Nobody owns a goroutine: whoever waits does the work. Each batch stands or
// falls by itself, whoever it shares a transaction with.

// maxGather is how many ops go into one transaction together.
const maxGather = 4000

// lanes gather what devices write.
type lanes struct {
	store Records
	meter Meter
	seed  maphash.Seed
	all   []lane
}

func newLanes(store Records, n int, meter Meter) *lanes {
	return &lanes{store, meter, maphash.MakeSeed(), make([]lane, max(n, 1))}
}

type lane struct {
	mu      sync.Mutex // guards all below
	writing bool
	waiting []*entry
}

// entry is one batch in a lane.
type entry struct {
	step Step
	ops  int
	lead chan struct{} // closed: write for all that wait
	done chan struct{} // closed: err is the answer
	err  error
}

// write writes one step, together with what else is on its way.
func (l *lanes) write(ctx context.Context, step Step, ops int) error {
	e := &entry{step: step, ops: ops, lead: make(chan struct{}), done: make(chan struct{})}
	at := l.laneOf(step.Needs.Crews)
	if !at.enter(e) {
		select {
		case <-e.done:
			return e.err
		case <-e.lead:
		case <-ctx.Done():
			if at.leave(e) {
				return ctx.Err()
			}
			select { // it is being written, or it is its turn to write
			case <-e.done:
				return e.err
			case <-e.lead:
			}
		}
	}
	l.lead(ctx, at)
	return e.err
}

// lead writes for all that wait. Whatever happens to it, they are answered and
// the lane goes on.
func (l *lanes) lead(ctx context.Context, at *lane) {
	group, whole := at.take(), false
	defer func() {
		at.handOver()
		for _, e := range group {
			if !whole {
				e.err = errBroken
			}
			close(e.done)
		}
	}()
	l.flush(ctx, group)
	whole = true
}

var errBroken = errors.New("the write was broken off")

func (l *lanes) laneOf(crews []string) *lane {
	if len(l.all) == 1 {
		return &l.all[0]
	}
	var h maphash.Hash
	h.SetSeed(l.seed)
	for _, crew := range crews {
		_, _ = h.WriteString(crew)
		_ = h.WriteByte(0)
	}
	return &l.all[h.Sum64()%uint64(len(l.all))]
}

// enter joins the queue; true when nobody writes, so that e has to.
func (l *lane) enter(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, e)
	if l.writing {
		return false
	}
	l.writing = true
	return true
}

// leave takes e out of the queue, unless it is being written or has the lead.
func (l *lane) leave(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, x := range l.waiting {
		if x != e {
			continue
		}
		select {
		case <-e.lead:
			return false
		default:
		}
		l.waiting = append(l.waiting[:i:i], l.waiting[i+1:]...)
		return true
	}
	return false
}

// take is what is written next: the leader is the first of it.
func (l *lane) take() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ops := 0, 0
	for n < len(l.waiting) && (n == 0 || ops+l.waiting[n].ops <= maxGather) {
		ops += l.waiting[n].ops
		n++
	}
	group := l.waiting[:n:n]
	l.waiting = append([]*entry(nil), l.waiting[n:]...)
	return group
}

// handOver gives the lead to the first that came meanwhile.
func (l *lane) handOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing = len(l.waiting) > 0; l.writing {
		close(l.waiting[0].lead)
	}
}

// flush writes a group in one transaction. What one batch's decision refuses is
// that batch's error alone; where the store refuses the whole, for a reason that
// may lie in a single batch, each is tried by itself.
func (l *lanes) flush(ctx context.Context, group []*entry) {
	ctx = context.WithoutCancel(ctx) // the one who writes may go, those it writes for stay
	l.meter.Gathered(len(group))
	err := l.store.Write(ctx, stepsOf(group))
	if err != nil && len(group) > 1 && !errors.Is(err, ErrBusy) {
		for _, e := range group {
			l.flush(ctx, []*entry{e})
		}
		return
	}
	for _, e := range group {
		if err != nil {
			e.err = err
		}
	}
}

func stepsOf(group []*entry) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for _, e := range group {
			if !yield(e.alone()) {
				return
			}
		}
	}
}

// alone is the entry's step with its error kept from the others'.
func (e *entry) alone() Step {
	e.err = nil
	return Step{e.step.Needs, func(asked Needs, loaded Loaded) (Effects, Needs, error) {
		effects, more, err := e.step.Decide(asked, loaded)
		if e.err = err; err != nil {
			return Effects{}, Needs{}, nil
		}
		return effects, more, nil
	}}
}
