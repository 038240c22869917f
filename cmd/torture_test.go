package cmd_test

import (
	"os"
	"strconv"
)

// size picks a number of tries: few, or (make torture) as many as
// a release asks for, or such a share of that: TORTURE=0.1.
func size(ci, release int) int {
	if share, err := strconv.ParseFloat(os.Getenv("TORTURE"), 64); err == nil {
		return max(ci, int(share*float64(release)))
	}
	return ci
}
