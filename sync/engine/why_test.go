package engine_test

import (
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Whenever ops wait and nothing is being tried, the status says for what, and
// when the next try comes if one comes by itself.
func TestWorkThatStandsStillHasAReason(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(b *bench)
		says    string
		next    bool
	}{
		"no route": {func(b *bench) { b.s.fail = noRoute }, "no route", true},
		"portal": {func(b *bench) {
			b.s.fail = func(string, []op.Op) error { return &wire.NotOurServer{Host: "hotel.example", What: "html"} }
		}, "hotel.example", true},
		"signed out": {func(b *bench) { b.s.auth = "revoked" }, "sign-in", true},
		"busy": {func(b *bench) {
			b.s.fail = func(what string, _ []op.Op) error {
				if what == "push" {
					return refusal(503, wire.CodeBusy, time.Minute)
				}
				return nil
			}
		}, "the server says 503", true},
		"put off":         {func(b *bench) { b.s.verdict = func(op.Op) wire.Result { return wire.Result{Outcome: op.Retry} } }, "cannot take 1 of them", true},
		"offline switch":  {func(b *bench) { b.make(); b.e.Pause(true) }, "offline is switched on", false},
		"another process": {func(b *bench) { b.o.Lock = func() (func(), bool, error) { return nil, false, nil } }, "another punchlist", false},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				tc.prepare(b)
				b.l.add(1)
				b.start()
				b.pass(500 * time.Millisecond)
				for range 40 {
					b.pass(700 * time.Millisecond)
					s := b.e.Status()
					if s.Why == "" && (s.Activity == engine.Idle || s.Activity == engine.Waiting) && name != "put off" {
						b.Fatalf("nothing is tried and no reason given: %+v", s)
					}
					if s.Why != "" && tc.next != (s.NextTry != 0) {
						b.Fatalf("next try at %d: %+v", s.NextTry, s)
					}
				}
				seen := false
				for _, s := range append(b.history(), b.e.Status()) {
					seen = seen || strings.Contains(s.Why, tc.says)
				}
				if !seen {
					b.Errorf("never said %q; now %+v", tc.says, b.e.Status())
				}
			})
		})
	}
	inBench(t, func(b *bench) {
		b.start()
		b.l.add(3)
		b.pass(time.Minute)
		if s := b.e.Status(); s.Why != "" || s.NextTry != 0 {
			b.Errorf("all is sent: %+v", s)
		}
	})
}

// While the server wants quiet, a person's key brings a try each ten seconds.
func TestAnImpatientPersonAndRetryAfter(t *testing.T) {
	inBench(t, func(b *bench) {
		b.l.add(1)
		b.s.fail = func(string, []op.Op) error { return refusal(429, wire.CodeTooMany, 5*time.Minute) }
		b.start()
		b.pass(time.Second)
		begin := time.Now()
		for range 120 {
			b.e.Kick()
			b.pass(500 * time.Millisecond)
		}
		if n := len(b.s.seen("", begin)); n < 5 || n > 7 {
			b.Errorf("%d requests in a minute of keys", n)
		}
	})
}
