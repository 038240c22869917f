package op

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
})

// SystemClock reads this machine's clocks: CLOCK_REALTIME, and CLOCK_BOOTTIME,
// which runs on through suspend, with the kernel's boot id.
func SystemClock() Reading {
	r := Reading{Wall: time.Now().UnixMilli()}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err == nil {
		r.Boot, r.BootID = ts.Nano()/1e6, bootID()
	}
	return r
}
