package op_test

import (
	"testing"
	"time"

	"example.com/punchlist/sync/op"
)

// TestCorrect: a boot that met the server is timed by its boot clock, whatever
// the wall clock says; one that never did says that it is uncertain.
func TestCorrect(t *testing.T) {
	const day = 24 * 60 * 60 * 1000
	met := op.Offsets{Wall: -300, Known: true, ByBoot: map[string][]op.Anchor{
		"b1": {{Boot: 10, Offset: 1_000_000}}, "b2": {{Boot: 10, Offset: 5}},
		"slept": {{Boot: day, Offset: 100_000}, {Boot: 2 * day, Offset: 99_000}, {Boot: 9 * day, Offset: -11_000}}, // 182 ppm
		"set":   {{Boot: day, Offset: 0}, {Boot: 2 * day, Offset: 3_600_000}, {Boot: 3 * day, Offset: 3_601_000}},
	}}
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
		{"before all that a boot knows", met, op.Reading{Boot: 40, BootID: "slept"}, 100_040, false},
		{"just before a week's sleep", met, op.Reading{Boot: 2*day + 7, BootID: "slept"}, 2*day + 7 + 99_000, false},
		{"in the middle of it", met, op.Reading{Boot: 2*day + 7*day/2, BootID: "slept"}, 2*day + 7*day/2 + 44_000, false},
		{"after it", met, op.Reading{Boot: 10 * day, BootID: "slept"}, 10*day - 11_000, false},
		{"the server's clock was set by an hour", met, op.Reading{Boot: day + 5, BootID: "set"}, day + 5 + 3_600_000, false},
		{"no boot id is no boot", op.Offsets{ByBoot: map[string][]op.Anchor{"": {{Offset: 9}}}}, op.Reading{Wall: 5000}, 5000, true},
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
