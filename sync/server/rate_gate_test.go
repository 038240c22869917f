package server

import (
	"fmt"
	"testing"
)

// TestGateForgets: a gate remembers no more callers than it may, however many
// come, and those whom it remembers keep their measure.
func TestGateForgets(t *testing.T) {
	g := newGate(Rate{1, 2}, 0)
	enter := func(who string, now int64) bool {
		_, why, _ := g.enter(who, now, false)
		return why == ""
	}
	for i := range 3 * maxCallers {
		enter(fmt.Sprint("stranger ", i), 0)
	}
	if len(g.known) > maxCallers+1 {
		t.Fatalf("it remembers %d", len(g.known))
	}
	if enter("one more", 0) {
		t.Error("newcomers beyond the bound have no measure together")
	}
	if !enter("stranger 1", 0) || enter("stranger 1", 0) {
		t.Error("one who is remembered lost its measure")
	}
	if !enter("one more", 10_000) || len(g.known) > 2 {
		t.Errorf("after a rest it remembers %d", len(g.known))
	}
}

func TestNetworkOf(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.7:80": "192.0.2.7", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "[2001:db8:1:2:ffff::1]:9": "2001:db8:1:2::/64",
		"[::ffff:192.0.2.7]:80": "::ffff:192.0.2.7", "[fe80::1%eth0]:80": "fe80::/64", "@": "@"} {
		if got := networkOf(address); got != want {
			t.Errorf("%s is counted as %s; want %s", address, got, want)
		}
	}
}
