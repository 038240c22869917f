//go:build race

package simtest_test

// raceDetector says that this binary looks for races. That reschedules
// goroutines, on one thread too: a seed is then no longer one history, though
// each history must hold all the same.
const raceDetector = true
