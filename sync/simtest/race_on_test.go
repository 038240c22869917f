//go:build race

package simtest_test

// raceDetector says that this binary looks for races. That makes a history three
// times as long, and reschedules goroutines on one thread too; the history must
// be the same all the same.
const raceDetector = true
