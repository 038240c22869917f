//go:build !race

package simtest_test

// raced: the race detector watches.
const raced = false
