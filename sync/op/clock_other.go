//go:build !linux

package op

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

var process = sync.OnceValues(func() (time.Time, string) { return time.Now(), uuid.NewString() })

// SystemClock reads this machine's clocks. Where no boot clock is at hand a run
// of the program counts as a boot: offsets are then learned anew by each run.
func SystemClock() Reading {
	start, id := process()
	now := time.Now()
	return Reading{Wall: now.UnixMilli(), Boot: now.Sub(start).Milliseconds(), BootID: id}
}
