package op_test

import (
	"testing"
	"time"

	"example.com/punchlist/sync/op"
)

// TestCorrect: a boot that met the server is timed by its boot clock, whatever
// the wall clock says; one that never did says that it is uncertain.
func TestCorrect(t *testing.T) {
	met := op.Offsets{ByBoot: map[string]int64{"b1": 1_000_000, "b2": 5}, Wall: -300, Known: true}
	tests := []struct {
		name      string
		offsets   op.Offsets
		reading   op.Reading
		want      int64
		uncertain bool
	}{
		{"in a boot that met the server", met, op.Reading{Wall: 77, Boot: 40, BootID: "b1"}, 1_000_040, false},
		{"wall clock years off", met, op.Reading{Wall: 1 << 45, Boot: 40, BootID: "b1"}, 1_000_040, false},
		{"each boot has its own offset", met, op.Reading{Wall: 77, Boot: 40, BootID: "b2"}, 45, false},
		{"a boot that never met it", met, op.Reading{Wall: 5000, Boot: 40, BootID: "b3"}, 4700, true},
		{"a machine without boot ids", met, op.Reading{Wall: 5000, Boot: 40}, 4700, true},
		{"no boot id is no boot", op.Offsets{ByBoot: map[string]int64{"": 9}}, op.Reading{Wall: 5000}, 5000, true},
		{"before the first contact", op.Offsets{}, op.Reading{Wall: 5000, Boot: 40, BootID: "b1"}, 5000, true},
	}
	for _, tt := range tests {
		got, uncertain := tt.offsets.Correct(tt.reading)
		if got != tt.want || uncertain != tt.uncertain {
			t.Errorf("%s: %d, uncertain %v; want %d, %v", tt.name, got, uncertain, tt.want, tt.uncertain)
		}
	}
}

// TestSystemClock: the wall clock is now, the boot clock only runs forward, and
// the boot has one name.
func TestSystemClock(t *testing.T) {
	before := time.Now().UnixMilli()
	a, b := op.SystemClock(), op.SystemClock()
	after := time.Now().UnixMilli()
	if a.Wall < before || b.Wall > after {
		t.Errorf("wall clock %d, %d; now is between %d and %d", a.Wall, b.Wall, before, after)
	}
	if a.Boot <= 0 && a.BootID != "" || b.Boot < a.Boot {
		t.Errorf("boot clock %d, then %d", a.Boot, b.Boot)
	}
	if a.BootID != b.BootID {
		t.Errorf("boot %q, then %q", a.BootID, b.BootID)
	}
}
