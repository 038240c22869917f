//go:build race

package exchange_test

// raceDetector says that this binary looks for races: whole data sets take minutes
// then, and hold no goroutines.
const raceDetector = true
