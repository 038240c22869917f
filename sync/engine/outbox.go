package engine

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

const (
	maxOps = wire.MaxOps
	// Sizes are of JSON; on the line a batch and its answer come to a fifth. The first
	// ones are small: a line that is cut every 200 KB, under one program after the
	// other, makes each of those send one batch again.
	firstBytes = 64 << 10
	maxBytes   = 256 << 10 // once so much went through that the line is none of those
	minBytes   = 4 << 10
	cutBytes   = 16 << 10 // where the line is cut again and again
	// calmWins is how many batches go through before they get larger again after a
	// cut: a line that is cut every 200 KB is else found out anew each time, and
	// much is sent twice.
	calmWins = 32
	// firstWins is how many of the first size are enough for that: 240 KB on the line.
	firstWins = 20
	// maxLook bounds how far behind held ops is looked for one that may go. A
	// server that puts off more than that is ill as a whole.
	maxLook = 20_000
	// oftenFailed is how many failures of its own, while other ops went through,
	// make an op wait long between tries.
	oftenFailed = 10
	longDelay   = time.Hour
)

// outbox decides which ops the next batch holds.
type outbox struct {
	ops, bytes int             // a batch's limits now
	calm       int             // batches that went through since bytes changed
	narrow     bool            // looking for the op that a server fails on …
	suspects   int             // … which is among so many at the front
	failed     string          // first op of the batch that failed last …
	failedLen  int             // … and its length
	held       map[string]held // ops that wait longer than the rest, by op id
	wins       int             // batches that went through
}

// held is an op that others may overtake. Ops that build on it wait with it.
type held struct {
	due   int64 // boot clock, ms
	tries int   // those that count against the op
	fails int   // all of them: the wait grows by these
	alone bool  // the server failed on it: it goes in a batch of its own
	wins  int   // outbox.wins at the last try
}

func newOutbox() outbox {
	return outbox{ops: maxOps, bytes: firstBytes, calm: calmWins - firstWins, held: map[string]held{}}
}

// next reads the batch to send now; none when all that may be sent is sent. Those
// under way, which are answered and not settled yet, are not in the queue any more;
// while ops are held there are none.
// While ops are held it looks on behind them, always from the queue's front: what
// must not overtake a held op is known only by having seen that one.
func (b *outbox) next(ctx context.Context, l Local, now int64, under ...op.Op) ([]op.Op, error) {
	if len(b.held) == 0 {
		return l.NextBatch(ctx, b.ops, b.bytes, under...)
	}
	for look := len(b.held) + maxOps + wire.MaxOps; ; look *= 2 {
		look = min(look, maxLook)
		ops, err := l.NextBatch(ctx, look, math.MaxInt)
		if err != nil {
			return nil, err
		}
		all := len(ops) <= look-wire.MaxOps // a group may have been left to the next batch
		if all {
			b.forget(ops)
		}
		if free := independent(ops, func(id string) bool { return b.waits(id, now) }); len(free) > 0 {
			return firstUnits(free, b.fit(free)), nil
		}
		if all || look == maxLook {
			return b.dueAlone(ops, now), nil
		}
	}
}

// fit is how many of these ops a batch may hold now.
func (b *outbox) fit(ops []op.Op) int {
	size := 0
	for i, o := range ops[:min(len(ops), b.ops)] {
		text, err := json.Marshal(o)
		if size += len(text); err != nil || size > b.bytes {
			return max(i, 1)
		}
	}
	return b.ops
}

// waits tells whether an op is left out of the common batches now.
func (b *outbox) waits(id string, now int64) bool {
	h, ok := b.held[id]
	return ok && (h.alone || h.due > now)
}

// forget drops what is held of ops that left the queue by another way.
func (b *outbox) forget(queue []op.Op) {
	there := map[string]bool{}
	for _, o := range queue {
		there[o.ID] = true
	}
	for id := range b.held {
		if !there[id] {
			delete(b.held, id)
		}
	}
}

// dueAlone is the first op (with its group) that failed alone and may try again.
func (b *outbox) dueAlone(ops []op.Op, now int64) []op.Op {
	for _, o := range ops {
		h, ok := b.held[o.ID]
		if !ok || h.due > now {
			continue
		}
		inUnit := func(x op.Op) bool { return x.ID == o.ID || o.Group != "" && x.Group == o.Group }
		unit := map[string]bool{}
		for _, x := range ops {
			unit[x.ID] = inUnit(x)
		}
		free := independent(ops, func(id string) bool { return b.waits(id, now) && !unit[id] })
		var out []op.Op
		for _, x := range free {
			if unit[x.ID] {
				out = append(out, x)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// soonest is when the next held op becomes due, boot clock, ms; 0: none will.
func (b *outbox) soonest(now int64) int64 {
	var t int64
	for _, h := range b.held {
		if h.due > now && (t == 0 || h.due < t) {
			t = h.due
		}
	}
	return t
}

// sent notes a batch that got its results.
func (b *outbox) sent(ops []op.Op, results []wire.Result, now int64) {
	b.wins++
	b.failed, b.failedLen = "", 0
	b.suspects -= len(ops)
	b.narrow = b.narrow && b.suspects > 0
	if !b.narrow {
		b.ops = min(b.ops*2, maxOps)
		if b.calm++; b.calm >= calmWins {
			b.calm, b.bytes = 0, min(b.bytes*4, maxBytes)
		}
	}
	for i, o := range ops {
		if results[i].Outcome != op.Retry {
			delete(b.held, o.ID)
			continue
		}
		h := b.held[o.ID]
		h.tries++
		h.due = now + backoff(h.tries, 1).Milliseconds()
		h.alone = false
		b.held[o.ID] = h
	}
}

// shrink makes the next batch half as large as the one that did not get through.
func (b *outbox) shrink(n int) {
	b.ops, b.bytes, b.calm = max(1, min(b.ops, n)/2), max(minBytes, b.bytes/2), 0
}

// cut notes a batch of n ops during which the line broke: all of it goes again.
// Where others got through it goes down to cutBytes at once and no further,
// because each batch has its own cost; where none did, on to minBytes.
func (b *outbox) cut(n int) {
	low, quarter := minBytes, b.bytes/4
	if b.calm > 0 {
		low = min(cutBytes, b.bytes)
	}
	b.shrink(n)
	b.bytes = max(low, quarter)
}

// bad notes a batch that the server itself failed on. The same batch twice, and
// it is halved from try to try; what fails alone is held back. When all of the
// batch went through in parts after all, nothing in it was to blame.
func (b *outbox) bad(ops []op.Op, now int64) {
	again := b.failed == ops[0].ID && b.failedLen == len(ops)
	b.failed, b.failedLen = ops[0].ID, len(ops)
	switch {
	case isUnit(ops):
		b.narrow = false
		for _, o := range ops {
			b.hold(o.ID, now)
		}
	case again || b.narrow:
		b.narrow, b.suspects = true, len(ops)
		b.ops = max(1, len(ops)/2)
	}
}

// hold counts a failure against the op only when something else went through
// since the last: while the whole server is down no op is to blame. The wait
// grows all the same, or an op alone in the queue would be tried every few
// seconds for ever.
func (b *outbox) hold(id string, now int64) {
	h, known := b.held[id]
	if !known || b.wins != h.wins {
		h.tries++
	}
	h.fails++
	wait := backoff(h.fails, 1)
	if h.tries >= oftenFailed {
		wait = longDelay
	}
	b.held[id] = held{due: now + wait.Milliseconds(), tries: h.tries, fails: h.fails, alone: true, wins: b.wins}
}

// forgive lets everything that is held try again now.
func (b *outbox) forgive() {
	for id, h := range b.held {
		h.due = 0
		b.held[id] = h
	}
}

// isUnit tells one op, or one group, from a batch that can be cut.
func isUnit(ops []op.Op) bool {
	for _, o := range ops[1:] {
		if o.Group == "" || o.Group != ops[0].Group {
			return false
		}
	}
	return true
}

// firstUnits is at most n ops from the front, groups whole, at least one unit.
func firstUnits(ops []op.Op, n int) []op.Op {
	if len(ops) <= n {
		return ops
	}
	for n > 0 && ops[n].Group != "" && ops[n].Group == ops[n-1].Group {
		n--
	}
	if n > 0 {
		return ops[:n]
	}
	for n = 1; n < len(ops) && ops[n].Group != "" && ops[n].Group == ops[0].Group; n++ {
	}
	return ops[:n]
}

// independent leaves out the held ops and all that must not overtake them: ops
// on the same record, on records that hang on it, and of the same group.
func independent(ops []op.Op, isHeld func(id string) bool) []op.Op {
	waits := make([]bool, len(ops))
	blocked := map[string]bool{} // records and groups; UUIDs never clash
	stops := func(o op.Op) bool {
		return isHeld(o.ID) || blocked[o.Entity] || o.Group != "" && blocked[o.Group] ||
			blocked[o.Fields.Text("task_id")] || blocked[o.Fields.Text("site_id")] || blocked[o.Fields.Text("parent_id")]
	}
	for changed := true; changed; { // a group can reach back to earlier ops
		changed = false
		for i, o := range ops {
			if waits[i] || !stops(o) {
				continue
			}
			waits[i], changed = true, true
			blocked[o.Entity] = true
			if o.Group != "" {
				blocked[o.Group] = true
			}
		}
	}
	var free []op.Op
	for i, o := range ops {
		if !waits[i] {
			free = append(free, o)
		}
	}
	return free
}
