package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

func gaps(requests []request) (shortest, longest time.Duration) {
	shortest = time.Hour * 1000
	for i := 1; i < len(requests); i++ {
		d := requests[i].at.Sub(requests[i-1].at)
		shortest, longest = min(shortest, d), max(longest, d)
	}
	return shortest, longest
}

func TestOfflineItBacksOffKeepsAllAndCountsTries(t *testing.T) {
	inBench(t, func(b *bench) {
		ids := b.l.add(5)
		b.s.fail = noRoute
		b.start()
		begin := time.Now()
		b.pass(5 * time.Second)
		if s := b.e.Status(); s.Reach != reach.Offline || s.Activity != engine.Waiting || s.Detail != "no route to sync.example" ||
			s.NextTry < time.Now().UnixMilli() || s.NextTry > time.Now().Add(time.Minute).UnixMilli() {
			b.Errorf("status %+v", s)
		}
		b.pass(2 * time.Hour)
		tries := b.s.seen("", begin)
		shortest, longest := gaps(tries)
		if shortest < time.Second || longest > 61*time.Second || longest < 30*time.Second {
			b.Errorf("between two tries %v to %v", shortest, longest)
		}
		if len(tries) < 120 || len(tries) > 400 {
			b.Errorf("%d tries in two hours", len(tries))
		}
		if n, settled, parked := b.l.counts(); n != 5 || settled+parked != 0 {
			b.Errorf("%d wait", n)
		}
		if n := b.l.triesOf(ids[0]); n < len(tries)-1 {
			b.Errorf("%d tries noted of %d", n, len(tries))
		}
	})
}

func TestI30WhateverHappensItNeverSpins(t *testing.T) {
	for name, fail := range map[string]func(string, []op.Op) error{
		"offline": noRoute,
		"portal":  func(string, []op.Op) error { return &wire.NotOurServer{Host: "hotel.example", What: "html"} },
		"500":     func(string, []op.Op) error { return refusal(500, wire.CodeInternal, 0) },
		"401":     func(string, []op.Op) error { return refusal(401, wire.CodeUnauthorised, 0) },
		"503":     func(string, []op.Op) error { return refusal(503, wire.CodeBusy, 0) },
		"429":     func(string, []op.Op) error { return refusal(429, wire.CodeTooMany, 0) },
		"413":     func(string, []op.Op) error { return refusal(413, wire.CodeTooLarge, 0) },
		"unknown": func(string, []op.Op) error { return errors.New("strange") },
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.s.fail = fail
				b.start()
				begin := time.Now()
				for range 600 { // a minute of edits, link flaps and an impatient person
					b.l.add(1)
					select {
					case b.links <- struct{}{}:
					default:
					}
					b.e.Kick()
					b.pass(100 * time.Millisecond)
				}
				if n := len(b.s.seen("", begin)); n > 61 || n < 10 {
					b.Errorf("%d requests in a minute of everything", n)
				}
				if n, settled, parked := b.l.counts(); n != 600 || settled+parked != 0 {
					b.Errorf("%d of 600 wait, %d settled, %d parked", n, settled, parked)
				}
			})
		})
	}
}

func TestABrokenDatabaseIsReportedAndDoesNotSpin(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(3)
		b.l.fail = errors.New("disk I/O error")
		b.start()
		b.pass(10 * time.Minute)
		if n := len(b.s.seen("", time.Time{})); n > 60 {
			b.Errorf("%d requests", n)
		}
		if s := b.e.Status(); s.Detail != "disk I/O error" || s.Activity != engine.Waiting {
			b.Errorf("status %+v", s)
		}
		b.l.mu.Lock()
		b.l.fail = nil
		b.l.mu.Unlock()
		b.pass(2 * time.Minute)
		if n, _, _ := b.l.counts(); n != 0 || b.e.Status().Detail != "" {
			b.Errorf("%d wait, %+v", n, b.e.Status())
		}
	})
}

// longOffline is a bench in the middle of a long wait.
func longOffline(b *bench) {
	b.l.add(1)
	b.s.fail = noRoute
	b.start()
	b.pass(20 * time.Minute)
	for b.e.Status().NextTry-time.Now().UnixMilli() < 10_000 {
		b.pass(time.Second)
	}
	b.s.set(func(s *remote) { s.fail = nil })
}

func TestWhatEndsALongWait(t *testing.T) {
	for name, cause := range map[string]func(b *bench){
		"the links changed":   func(b *bench) { b.links <- struct{}{} },
		"a person asked":      func(b *bench) { b.e.Kick() },
		"a new op":            func(b *bench) { b.l.add(1) },
		"offline and back":    func(b *bench) { b.e.Pause(true); b.e.Pause(false) },
		"offline, then back":  func(b *bench) { b.e.Pause(true); b.pass(time.Minute); b.e.Pause(false) },
		"two things together": func(b *bench) { b.l.add(1); b.links <- struct{}{}; b.e.Kick() },
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				longOffline(b)
				cause(b)
				b.pass(time.Second)
				if n, _, _ := b.l.counts(); n != 0 || b.e.Status().Reach != reach.Online {
					b.Errorf("after a second %d still wait, %+v", n, b.e.Status())
				}
			})
		})
	}
}

func TestAChangeOfLinksDropsOldConnectionsAndHangingRequests(t *testing.T) {
	inBench(t, func(b *bench) {
		b.start()
		b.pass(time.Second)
		b.s.set(func(s *remote) { s.hang = true })
		b.l.add(1)
		b.pass(4 * time.Second) // a push hangs
		b.s.set(func(s *remote) { s.hang = false })
		before := b.s.hangups
		b.links <- struct{}{}
		b.pass(1500 * time.Millisecond)
		if n, _, _ := b.l.counts(); n != 0 || b.s.hangups == before {
			b.Errorf("%d wait, %d hangups", n, b.s.hangups-before)
		}
	})
}

func TestARequestThatMovesSurvivesAChangeOfLinks(t *testing.T) {
	inBench(t, func(b *bench) {
		b.s.trip = 1500 * time.Millisecond
		b.l.add(1)
		b.start()
		b.pass(2 * time.Second) // the ping took 1.5 s, the push is half a second old
		b.links <- struct{}{}
		b.pass(1200 * time.Millisecond)
		if pushes := len(b.s.seen("push", time.Time{})); pushes != 1 {
			b.Errorf("%d pushes", pushes)
		}
		if n, _, _ := b.l.counts(); n != 0 {
			b.Error("the push was given up")
		}
	})
}

func TestF41F43RetryAfterIsHonoured(t *testing.T) {
	for _, tc := range []struct {
		status    int
		wait      time.Duration
		low, high time.Duration
	}{
		{429, 30 * time.Second, 30 * time.Second, 34 * time.Second},
		{503, 2 * time.Minute, 2 * time.Minute, 133 * time.Second},
		{503, 10 * time.Hour, 15 * time.Minute, 15*time.Minute + time.Second},
	} {
		t.Run(fmt.Sprint(tc.status, " ", tc.wait), func(t *testing.T) {
			inBench(t, func(b *bench) {
				ids := b.l.add(1)
				b.start()
				b.pass(time.Second)
				asked := false
				b.s.set(func(s *remote) {
					s.fail = func(what string, _ []op.Op) error {
						if what == "push" && !asked {
							asked = true
							return refusal(tc.status, wire.CodeBusy, tc.wait)
						}
						return nil
					}
				})
				ids = append(ids, b.l.add(1)...)
				b.pass(time.Second)
				begin := b.s.seen("push", time.Time{})[1].at
				for range 20 { // nothing that happens meanwhile counts
					b.pass(tc.low / 25)
					b.l.add(1)
					b.links <- struct{}{}
				}
				b.pass(tc.high)
				all := b.s.seen("", begin)
				if gap := all[1].at.Sub(begin); gap < tc.low || gap > tc.high+time.Second {
					b.Errorf("the next request came after %v", gap)
				}
				if n, _, _ := b.l.counts(); n != 0 || b.l.triesOf(ids[1]) != 0 {
					b.Errorf("%d wait; tries noted: %d", n, b.l.triesOf(ids[1]))
				}
			})
		})
	}
}

func TestAPersonMayAskInSpiteOfRetryAfter(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(1)
		b.s.fail = func(string, []op.Op) error { return refusal(503, wire.CodeBusy, time.Hour) }
		b.start()
		b.pass(time.Minute)
		b.s.set(func(s *remote) { s.fail = nil })
		b.e.Kick()
		b.pass(time.Second)
		if n, _, _ := b.l.counts(); n != 0 {
			b.Errorf("%d wait", n)
		}
	})
}

func TestF35F37UnauthorisedTouchesNothingAndTriesSeldom(t *testing.T) {
	for name, prepare := range map[string]func(s *remote){
		"401": func(s *remote) {
			s.fail = func(string, []op.Op) error { return refusal(401, wire.CodeUnauthorised, 0) }
		},
		"403":  func(s *remote) { s.fail = func(string, []op.Op) error { return refusal(403, wire.CodeRevoked, 0) } },
		"ping": func(s *remote) { s.auth = "revoked" },
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				prepare(b.s)
				other := &remote{trip: time.Millisecond}
				var now atomic.Pointer[remote]
				now.Store(b.s)
				b.o.Remote = func(context.Context) (engine.Remote, error) { return now.Load(), nil }
				ids := b.l.add(3)
				b.start()
				for range 60 {
					b.pass(time.Minute)
					ids = append(ids, b.l.add(1)...)
				}
				if s := b.e.Status(); s.Reach != reach.Unauthorised || s.Detail == "" {
					b.Errorf("status %+v", s)
				}
				if n := len(b.s.seen("", time.Time{})); n > 61 || n < 30 {
					b.Errorf("%d tries in an hour", n)
				}
				if n, _, _ := b.l.counts(); n != len(ids) || b.l.triesOf(ids[0]) != 0 {
					b.Errorf("%d of %d wait, %d tries noted", n, len(ids), b.l.triesOf(ids[0]))
				}
				now.Store(other) // enrolled anew
				b.l.wrote()
				b.pass(1500 * time.Millisecond)
				if n, _, _ := b.l.counts(); n != 0 || b.e.Status().Reach != reach.Online {
					b.Errorf("enrolled anew: %d wait, %+v", n, b.e.Status())
				}
			})
		})
	}
}

func TestEachFaultHasItsState(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want reach.State
	}{
		{noRoute("", nil), reach.Offline},
		{&wire.NotOurServer{Host: "hotel.example", Status: 200, What: "html"}, reach.Portal},
		{&wire.NotOurServer{Host: "sync.example", Status: 502, What: "bad gateway"}, reach.ServerDown},
		{refusal(500, wire.CodeInternal, 0), reach.ServerDown},
		{refusal(503, wire.CodeBusy, 0), reach.ServerDown},
		{refusal(426, wire.CodeUpgrade, 0), reach.Outdated},
		{refusal(401, wire.CodeUnauthorised, 0), reach.Unauthorised},
		{&wire.AddressError{Message: "no address"}, reach.Offline},
	} {
		inBench(t, func(b *bench) {
			b.s.fail = func(string, []op.Op) error { return tc.err }
			b.start()
			b.pass(3 * time.Second)
			if s := b.e.Status(); s.Reach != tc.want || s.Detail != tc.err.Error() {
				b.Errorf("%v gave %+v", tc.err, s)
			}
		})
	}
}

func TestPullGoesOnWhilePushIsRefused(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(3)
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "push" {
				return refusal(500, wire.CodeInternal, 0)
			}
			return nil
		}
		b.s.page = func(cursor string, _ int) wire.Changes {
			return wire.Changes{Cursor: "c" + cursor, Changes: make([]wire.Change, 1)}
		}
		b.start()
		b.pass(5 * time.Minute)
		if n := len(b.l.applied); n < 5 {
			b.Errorf("%d pages heard", n)
		}
		if n, _, _ := b.l.counts(); n != 3 {
			b.Errorf("%d wait", n)
		}
	})
}

func TestPushGoesOnWhilePullIsRefused(t *testing.T) {
	inBench(t, func(b *bench) {
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "changes" {
				return refusal(500, wire.CodeInternal, 0)
			}
			return nil
		}
		b.start()
		for range 20 {
			b.l.add(1)
			b.pass(20 * time.Second)
			if n, _, _ := b.l.counts(); n != 0 {
				b.Errorf("%d wait", n)
			}
		}
	})
}

func TestAPageThatIsTooLargeIsHalved(t *testing.T) {
	inBench(t, func(b *bench) {
		var limits []int
		b.s.page = func(_ string, limit int) wire.Changes {
			limits = append(limits, limit)
			return wire.Changes{Cursor: "c", Changes: make([]wire.Change, 1)}
		}
		asked := 0
		b.s.fail = func(what string, _ []op.Op) error {
			if what != "changes" {
				return nil
			}
			if asked++; asked <= 2 {
				return &wire.NotOurServer{Host: "sync.example", Status: 200, What: "too big", Err: wire.ErrTooBig}
			}
			return nil
		}
		b.make()
		if _, err := b.e.Round(b.Context()); err != nil || !slices.Equal(limits, []int{250}) {
			b.Errorf("asked for %v, %v", limits, err)
		}
	})
}
