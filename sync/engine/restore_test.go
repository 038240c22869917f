package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

func stand(version int64, print string) wire.Seen {
	return wire.Seen{"north": {Version: version, Fingerprint: print}}
}

// TestRestoredServer: whether a push or a pull finds it out, nothing is taken
// from the restored server before the device has begun again; then, in the same
// round, everything is heard and what waits is sent.
func TestF38RestoredServer(t *testing.T) {
	for name, pending := range map[string]int{"found by a push": 2, "found by a pull": 0} {
		t.Run(name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.s.stand = stand(9, "nine")
				b.start()
				b.pass(time.Second)
				if self, _ := b.l.Self(t.Context()); self.Seen["north"].Version != 9 {
					t.Fatalf("remembers %+v", self)
				}
				b.s.set(func(s *remote) { s.stand = stand(9, "another nine") })
				since := time.Now()
				b.l.add(pending)
				b.pass(8 * time.Second)
				var asked []string
				for _, r := range b.s.seen("", since) {
					if r.what != "ping" {
						asked = append(asked, r.what)
					}
				}
				want := []string{"push", "history", "push", "changes"}
				if pending == 0 {
					want = []string{"changes", "history", "changes"}
				}
				if len(asked) < len(want) || !slices.Equal(asked[:len(want)], want) {
					t.Errorf("asked %v, want %v …", asked, want)
				}
				if queued, settled, _ := b.l.counts(); len(b.l.resets) != 1 || queued != 0 || settled != pending {
					t.Errorf("%d resets, %d queued, %d settled", len(b.l.resets), queued, settled)
				}
				told := slices.ContainsFunc(b.history(), func(s engine.Status) bool {
					return s.Reach == reach.Online && strings.Contains(s.Detail, "restored from a backup")
				})
				if !told {
					t.Error("nobody was told")
				}
			})
		})
	}
}

// TestRestoredAgainAndAgain: a server that says so each time is asked no more
// often than any other that refuses, and no op is touched.
func TestRestoredAgainAndAgain(t *testing.T) {
	inBench(t, func(b *bench) {
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "push" || what == "changes" {
				return refusal(409, wire.CodeReset, 0)
			}
			return nil
		}
		ids := b.l.add(3)
		b.start()
		b.pass(5 * time.Minute)
		if n := len(b.s.seen("push", time.Time{})); n > 40 || n < 4 {
			t.Errorf("%d pushes in five minutes", n)
		}
		if queued, _, _ := b.l.counts(); queued != 3 || b.l.triesOf(ids[0]) != 0 {
			t.Errorf("%d queued, %d tries", queued, b.l.triesOf(ids[0]))
		}
		if st := b.e.Status(); st.Reach != reach.Online {
			t.Errorf("%+v", st)
		}
	})
}

// TestForked: the same ops go out again at once under the new identity; when that
// does not help, they stay and the server is left alone for a while.
func TestForked(t *testing.T) {
	inBench(t, func(b *bench) {
		b.s.queue = "q0"
		b.make()
		b.l.add(2)
		r, err := b.e.Round(b.Context())
		if err != nil || r.Pushed != 2 || r.Pending != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		pushes := b.s.seen("push", time.Time{})
		if len(pushes) != 2 || len(pushes[0].self.Queues) != 0 || !slices.Equal(pushes[1].self.Queues, []string{"q0"}) {
			t.Errorf("pushes: %+v", pushes)
		}
		told := slices.ContainsFunc(b.history(), func(s engine.Status) bool { return strings.Contains(s.Detail, "copied or restored") })
		if !told {
			t.Error("nobody was told")
		}
		b.s.set(func(s *remote) { s.queue = "never" })
		b.l.add(1)
		since := time.Now()
		r, err = b.e.Round(b.Context())
		if err == nil || r.Pending != 1 || len(b.s.seen("push", since)) != 2 {
			t.Errorf("%+v, %v after %d pushes", r, err, len(b.s.seen("push", since)))
		}
	})
}
