package exchange

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// clockwork reads times as people and programs write them.
type clockwork struct {
	zone       *time.Location
	monthFirst bool
}

func newClockwork(zone, dates string) (clockwork, error) {
	c := clockwork{zone: time.Local}
	if zone != "" && !strings.EqualFold(zone, "local") {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			return c, cure("--tz America/Toronto, --tz UTC", "the time zone %s is not known", quote(zone))
		}
		c.zone = loc
	}
	switch strings.ToLower(dates) {
	case "", "dmy":
	case "mdy":
		c.monthFirst = true
	default:
		return c, cure("--dates dmy or --dates mdy", "the order of dates %s is not known", quote(dates))
	}
	return c, nil
}

// Layouts of dates; a time may follow behind a T or a blank. Those with the
// day in front are tried with every separator.
var (
	isoDates  = []string{"2006-1-2", "2006/1/2", "20060102"}
	wordDates = []string{"Jan 2, 2006", "January 2, 2006", "Jan 2 2006", "January 2 2006", "2 Jan 2006", "2 January 2006", "2-Jan-2006"}
	dmyDates  = []string{"2/1/2006", "2.1.2006", "2-1-2006"}
	mdyDates  = []string{"1/2/2006", "1.2.2006", "1-2-2006"}
	clocks    = []string{"", "15:04", "15:04:05", "15:04:05.999999999", "3:04 PM", "3:04:05 PM", "15:04Z07:00", "15:04:05Z07:00", "15:04:05.999999999Z07:00", "15:04:05-0700", "150405Z0700"}
)

// Years outside are typing errors, or numbers that are no times at all.
const (
	firstYear = 1900
	lastYear  = 2199
)

// parse reads a time as milliseconds since 1970. A date alone is the start of
// that day, but for what is due or ends then it is the day's last minute.
func (c clockwork) parse(field, text string) (any, error) {
	if ms, ok := millis(text); ok {
		return ms, nil
	}
	t, dateOnly, ok := c.read(text)
	if !ok {
		return nil, fmt.Errorf("%s: %s is no time; understood are 2026-08-22, 2026-08-22 14:30, 22/08/2026 14:30, AUG 22, 2026 and milliseconds since 1970%s",
			field, quote(text), c.turned(text))
	}
	if t.Year() < firstYear || t.Year() > lastYear {
		return nil, fmt.Errorf("%s: the year %d in %s cannot be meant", field, t.Year(), quote(text))
	}
	if dateOnly && (field == "due_at" || field == "window_end") {
		t = time.Date(t.Year(), t.Month(), t.Day(), 23, 59, 0, 0, t.Location())
	}
	return t.UnixMilli(), nil
}

// millis takes 12 or 13 digits: 1973 to 2286.
func millis(text string) (int64, bool) {
	if len(text) != 12 && len(text) != 13 {
		return 0, false
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	return ms, err == nil && ms > 0
}

func (c clockwork) read(text string) (t time.Time, dateOnly, ok bool) {
	text = strings.Join(strings.Fields(text), " ")
	numeric := dmyDates
	if c.monthFirst {
		numeric = mdyDates
	}
	for _, dates := range [...][]string{isoDates, numeric, wordDates} {
		for _, date := range dates {
			for _, clock := range clocks {
				if t, ok := c.try(date, clock, text); ok {
					return t, clock == "", true
				}
			}
		}
	}
	return time.Time{}, false, false
}

func (c clockwork) try(date, clock, text string) (time.Time, bool) {
	if clock == "" {
		t, err := time.ParseInLocation(date, text, c.zone)
		return t, err == nil
	}
	for _, between := range [...]string{" ", "T"} {
		if t, err := time.ParseInLocation(date+between+clock, text, c.zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// turned helps where day and month stand the other way round.
func (c clockwork) turned(text string) string {
	other := clockwork{zone: c.zone, monthFirst: !c.monthFirst}
	if _, _, ok := other.read(text); !ok {
		return ""
	}
	if c.monthFirst {
		return " (--dates dmy reads the day first)"
	}
	return " (--dates mdy reads the month first)"
}
