package cli

import (
	"runtime/debug"
	"strconv"
	"time"
)

// Built is the time of the source that a program was made from: a moment that
// is past whatever the clock says. stamp is what the Makefile set, in seconds
// since 1970; without it Go's own note of the commit counts, and without that
// the zero time.
func Built(stamp string) time.Time {
	if s, err := strconv.ParseInt(stamp, 10, 64); err == nil {
		return time.Unix(s, 0)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t
			}
		}
	}
	return time.Time{}
}
