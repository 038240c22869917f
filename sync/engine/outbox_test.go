package engine_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// holds tells whether a batch has one of these ops.
func holds(ops []op.Op, ids ...string) bool {
	return slices.ContainsFunc(ops, func(o op.Op) bool { return slices.Contains(ids, o.ID) })
}

func TestF42AnOpThatTheServerFailsOnBlocksNoOther(t *testing.T) { blocksNoOther(t, 500) }

// TestF33ABatchThatIsRefusedWhole: the op that is to blame is found, and no other waits.
func TestF33ABatchThatIsRefusedWhole(t *testing.T) { blocksNoOther(t, 400) }

func blocksNoOther(t *testing.T, status int) {
	t.Helper()
	inBench(t, func(b *bench) {
		b.l.add(76)
		poison := b.l.addOp(op.Op{Kind: op.Task, Entity: "P", Action: op.Insert})
		later := b.l.addOp(op.Op{Kind: op.Task, Entity: "P", Action: op.Update})
		hangs := b.l.addOp(op.Op{Kind: op.Note, Entity: "N", Action: op.Insert, Fields: op.Fields{"task_id": "P"}})
		b.l.add(300)
		b.s.fail = func(what string, ops []op.Op) error {
			if what == "push" && holds(ops, poison) {
				return refusal(status, wire.CodeInternal, 0)
			}
			return nil
		}
		b.start()
		b.pass(6 * time.Minute)
		if n, settled, _ := b.l.counts(); n != 3 || settled != 376 {
			b.Fatalf("after 6 minutes %d wait, %d are settled", n, settled)
		}
		for _, r := range b.s.seen("push", time.Time{}) {
			if holds(r.ops, later, hangs) && !holds(r.ops, poison) {
				b.Error("an op overtook the one it builds on")
			}
		}
		begin := time.Now()
		ids := b.l.add(1)
		b.pass(2 * time.Second)
		if !slices.Contains(b.l.order(), ids[0]) {
			b.Error("a new op waits behind the bad one")
		}
		for range 100 { // others go through now and then; the bad one is left to later
			b.l.add(1)
			b.pass(time.Minute)
		}
		alone := 0
		for _, r := range b.s.seen("push", begin) {
			if holds(r.ops, poison) {
				alone++
			}
		}
		if alone > 20 || alone < 5 {
			b.Errorf("%d tries of the bad op in 100 minutes", alone)
		}
		if s := b.e.Status(); s.Reach != reach.Online {
			b.Errorf("one bad op made it %+v", s)
		}
		b.s.set(func(s *remote) { s.fail = nil }) // the server is mended
		b.e.Kick()
		b.pass(5 * time.Second)
		got := b.l.order()
		tail := got[len(got)-3:]
		if n, _, _ := b.l.counts(); n != 0 || !slices.Equal(tail, []string{poison, later, hangs}) {
			b.Errorf("mended: %d wait, the last were %v", n, tail)
		}
	})
}

func TestI30AnOpThatAloneIsLeftIsTriedLessAndLess(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(1)
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "push" {
				return refusal(500, wire.CodeInternal, 0)
			}
			return nil
		}
		b.start()
		b.pass(time.Hour)
		if n := len(b.s.seen("push", time.Time{})); n < 20 || n > 120 {
			b.Errorf("%d pushes in an hour, while all else was well", n)
		}
		b.s.set(func(s *remote) { s.fail = nil })
		b.pass(2 * time.Minute)
		if n, _, _ := b.l.counts(); n != 0 {
			b.Error("two minutes after the server was mended the op still waits")
		}
	})
}

func TestI29AfterALongFailureOfTheWholeServerAllGoesSoon(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(300)
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "push" {
				return refusal(500, wire.CodeInternal, 0)
			}
			return nil
		}
		b.start()
		b.pass(10 * time.Hour)
		if n := len(b.s.seen("push", time.Time{})); n > 3600 {
			b.Errorf("%d pushes in ten hours of failure", n)
		}
		b.s.set(func(s *remote) { s.fail = nil })
		b.pass(3 * time.Minute)
		if n, settled, _ := b.l.counts(); n != 0 || settled != len(ids) {
			b.Errorf("three minutes after the server came back %d wait", n)
		}
	})
}

func TestF39F40ABatchThatIsTooLargeIsHalvedAndASingleOneIsParked(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(100)
		giant := b.l.addOp(op.Op{Kind: op.Task, Entity: "G", Action: op.Insert})
		b.l.add(100)
		b.s.fail = func(what string, ops []op.Op) error {
			if what == "push" && (len(ops) > 60 || holds(ops, giant)) {
				return refusal(413, wire.CodeTooLarge, 0)
			}
			return nil
		}
		b.make()
		got, err := b.e.Round(b.Context())
		if err != nil || got.Pushed != 200 || got.Parked != 1 || got.Pending != 0 {
			b.Fatalf("%+v, %v", got, err)
		}
		if b.l.parked[0].ID != giant {
			b.Errorf("parked %s", b.l.parked[0].ID)
		}
	})
}

func TestAfterACutLessIsSentAtOnce(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(1000)
		b.s.fail = func(what string, ops []op.Op) error {
			if what == "push" && len(ops) > 30 { // the line never lasts for more
				return &wire.Unreachable{Host: "h", What: "the connection to h was cut", Sent: true, Err: syscall.ECONNRESET}
			}
			return nil
		}
		b.start()
		b.pass(10 * time.Minute)
		if got := b.l.order(); !slices.Equal(got, ids) {
			b.Fatalf("%d of %d arrived", len(got), len(ids))
		}
	})
}

func TestAnOpPutOffByTheServerWaitsAndGoesLater(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(50)
		var open atomic.Bool
		b.s.verdict = func(o op.Op) wire.Result {
			if o.ID == ids[10] && !open.Load() {
				return wire.Result{Outcome: op.Retry, Message: "not now"}
			}
			return wire.Result{Outcome: op.Applied}
		}
		b.start()
		b.pass(5 * time.Minute)
		if n, settled, _ := b.l.counts(); n != 1 || settled != 49 {
			b.Errorf("%d wait, %d settled", n, settled)
		}
		if n := b.l.triesOf(ids[10]); n < 5 || n > 15 {
			b.Errorf("%d tries in five minutes", n)
		}
		open.Store(true)
		b.pass(65 * time.Second)
		if n, _, _ := b.l.counts(); n != 0 {
			b.Errorf("%d still wait", n)
		}
	})
}

func TestAGroupIsNeverSplit(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(3)
		for range 5 {
			b.l.addOp(op.Op{Group: "g1", Kind: op.Task, Entity: "A", Action: op.Update})
		}
		for _, e := range []string{"B", "C", "D"} {
			b.l.addOp(op.Op{Group: "g2", Kind: op.Task, Entity: e, Action: op.Update})
		}
		b.l.add(3)
		b.s.fail = func(what string, ops []op.Op) error {
			if what == "push" && slices.ContainsFunc(ops, func(o op.Op) bool { return o.Group == "g2" }) {
				return refusal(500, wire.CodeInternal, 0)
			}
			return nil
		}
		b.start()
		b.pass(5 * time.Minute)
		for _, r := range b.s.seen("push", time.Time{}) {
			for group, size := range map[string]int{"g1": 5, "g2": 3} {
				n := 0
				for _, o := range r.ops {
					if o.Group == group {
						n++
					}
				}
				if n != 0 && n != size {
					b.Fatalf("a batch held %d of the %d ops of %s", n, size, group)
				}
			}
		}
		if n, settled, _ := b.l.counts(); n != 3 || settled != 11 {
			b.Errorf("%d wait, %d settled", n, settled)
		}
	})
}

// Nothing leaves that was not made final before, and what making it final left
// out does not leave.
func TestOpsAreMadeFinalBeforeTheyLeave(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(5)
		b.l.dropped[ids[1]], b.l.dropped[ids[4]] = true, true
		b.s.during = func(what string, ops []op.Op) {
			b.l.mu.Lock()
			defer b.l.mu.Unlock()
			for _, o := range ops {
				if !b.l.frozen[o.ID] || b.l.dropped[o.ID] {
					b.Errorf("%s leaves, made final: %v", o.ID, b.l.frozen[o.ID])
				}
			}
		}
		b.start()
		b.pass(2 * time.Second)
		if got := b.l.order(); !slices.Equal(got, []string{ids[0], ids[2], ids[3]}) {
			b.Errorf("%v were sent", got)
		}
		b.l.dropped = map[string]bool{"op0006": true}
		b.l.add(1)
		begin := time.Now()
		b.pass(3 * time.Second)
		if n := len(b.s.seen("push", begin)); n != 0 {
			b.Errorf("%d empty batches were sent", n)
		}
	})
}

func TestManyOpsPutOffLetTheRestThrough(t *testing.T) {
	inBench(t, func(b *bench) {
		off := b.l.add(1000)
		good := b.l.add(50)
		hangs := b.l.addOp(op.Op{Kind: op.Task, Entity: "r1", Action: op.Update}) // builds on the first
		var open atomic.Bool
		b.s.verdict = func(o op.Op) wire.Result {
			if o.Seq <= int64(len(off)) && !open.Load() {
				return wire.Result{Outcome: op.Retry, Message: "not now"}
			}
			return wire.Result{Outcome: op.Applied}
		}
		b.start()
		b.pass(10 * time.Second)
		if got := b.l.order(); !slices.Equal(got, good) {
			b.Fatalf("%d settled behind %d that wait, want %d", len(got), len(off), len(good))
		}
		open.Store(true)
		b.pass(2 * time.Minute)
		got := b.l.order()
		if n, _, _ := b.l.counts(); n != 0 || slices.Index(got, off[0]) > slices.Index(got, hangs) {
			b.Errorf("%d still wait, or an op overtook the one it builds on", n)
		}
	})
}

func TestManyOpsThatTheServerFailsOnLetTheRestThrough(t *testing.T) {
	inBench(t, func(b *bench) {
		bad := b.l.add(10)
		for range 900 { // all hang on the first bad one
			b.l.addOp(op.Op{Kind: op.Note, Action: op.Insert, Entity: fmt.Sprint("n", b.l.next), Fields: op.Fields{"task_id": "r1"}})
		}
		good := b.l.add(50)
		b.s.fail = func(what string, ops []op.Op) error {
			if what == "push" && holds(ops, bad...) {
				return refusal(500, wire.CodeInternal, 0)
			}
			return nil
		}
		b.start()
		b.pass(20 * time.Minute)
		if got := b.l.order(); !slices.Equal(got, good) {
			b.Errorf("%d of %d are settled", len(got), len(good))
		}
	})
}

func TestAfterAFewFailuresBatchesGrowAgain(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(1000)
		var failures atomic.Int32
		b.s.fail = func(what string, ops []op.Op) error {
			if what == "push" && failures.Add(1) <= 4 {
				return refusal(500, wire.CodeInternal, 0)
			}
			return nil
		}
		b.start()
		b.pass(2 * time.Minute)
		if n, _, _ := b.l.counts(); n != 0 {
			b.Fatalf("%d wait", n)
		}
		begin := time.Now()
		ids := b.l.add(1100)
		b.pass(5 * time.Second)
		if n := len(b.s.seen("push", begin)); n != 3 {
			b.Errorf("%d batches for %d ops, long after the server was mended", n, len(ids))
		}
	})
}

func TestTheQueueIsNotCountedForEachBatch(t *testing.T) {
	inBench(t, func(b *bench) {
		counted := 0
		count := b.o.Pending
		b.o.Pending = func(ctx context.Context) (int, error) { counted++; return count(ctx) }
		b.l.add(4000)
		b.make()
		got, err := b.e.Round(b.Context())
		if err != nil || got.Pushed != 4000 || got.Pending != 0 {
			b.Fatalf("%+v, %v", got, err)
		}
		if counted > 4 {
			b.Errorf("counted %d times for 8 batches", counted)
		}
	})
}

// What the answers to a long queue tell is not heard once more, as long as each of
// them says where it began.
func TestAnswersMoveTheCursorOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(n int, out *wire.Results)
		cursor string
	}{
		{"all of them", func(int, *wire.Results) {}, "c4"},
		{"up to where somebody else wrote", func(n int, out *wire.Results) {
			if n == 3 {
				out.Cursor.From = "c2b"
			}
		}, "c2"},
		{"up to a refused op", func(n int, out *wire.Results) {
			if n == 2 {
				out.Results[7] = wire.Result{OpID: out.Results[7].OpID, Outcome: op.Rejected, Code: op.CodeBadValue}
			}
		}, "c1"},
		{"none where the server does not say", func(_ int, out *wire.Results) { out.Cursor = nil }, "c0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.l.add(1700)
				n := 0
				b.s.answer = func(out *wire.Results) {
					out.Cursor = &wire.Advance{From: fmt.Sprint("c", n), To: fmt.Sprint("c", n+1)}
					n++
					tt.spoil(n, out)
				}
				var asked []string
				b.s.page = func(cursor string, _ int) wire.Changes {
					asked = append(asked, cursor)
					return wire.Changes{Cursor: cmp.Or(cursor, "c0")}
				}
				b.make()
				if _, err := b.e.Round(b.Context()); err != nil {
					b.Fatal(err)
				}
				if want := []string{"", tt.cursor}; !slices.Equal(asked, want) {
					b.Errorf("asked behind %q, want %q", asked, want)
				}
			})
		})
	}
}

// A page that cannot be had holds up no queue, unless nobody answers at all.
func TestALongQueueGoesOutWithoutThePageBefore(t *testing.T) {
	sendsWithoutPage(t, 1, refusal(500, wire.CodeInternal, 0))
	sendsWithoutPage(t, 2, &wire.Unreachable{Sent: true, Err: syscall.ECONNRESET}) // it may be the way: the next round knows
}

func sendsWithoutPage(t *testing.T, rounds int, fault error) {
	t.Helper()
	inBench(t, func(b *bench) {
		b.l.add(1700)
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "changes" {
				return fault
			}
			return nil
		}
		b.make()
		for range rounds {
			if n, _, _ := b.l.counts(); n == 0 {
				b.Error("it was sent too soon")
			}
			_, _ = b.e.Round(b.Context())
		}
		if n, _, _ := b.l.counts(); n != 0 {
			b.Errorf("%d wait", n)
		}
	})
}

// The page before a long queue is one: nothing is asked for that the push would
// have to wait for.
func TestOnePageIsHeardBeforeALongQueue(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(1700)
		var asked []string
		b.s.page = func(cursor string, _ int) wire.Changes {
			asked = append(asked, cursor)
			return wire.Changes{Cursor: map[string]string{"": "c1", "c1": "c2", "c2": "c2"}[cursor], More: cursor == ""}
		}
		b.make()
		if _, err := b.e.Round(b.Context()); err != nil {
			b.Fatal(err)
		}
		if !slices.Equal(asked, []string{"", "c1"}) {
			b.Errorf("asked behind %q", asked)
		}
	})
}
