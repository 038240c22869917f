package tui_test

import "testing"

// TestAMergeIsToldOnce on whatever screen, and in the task until it was seen.
func TestAMergeIsToldOnce(t *testing.T) {
	s := newStory(t)
	merged(s)
	s.open(80, 24).online().keys("a", "Half a ti")
	s.later()
	s.changed()
	s.sees("Merged with dora's change to priority of T-10423; both stand.")
	s.keys("esc", "y", "k").seesNot("Merged with").sees("1n =")
	s.keys("g", "jj", "enter").sees("= dora's change to priority; both stand", "B-3", "high").keys("esc")
	s.changed()
	s.seesNot("1n =", "Merged with").keys("enter").seesNot("both stand")
}
