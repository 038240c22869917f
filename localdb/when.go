package localdb

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseWhen reads a moment as people type it: "today", "tomorrow 14:00", "fri",
// "14:00", "2026-12-01 09:30", "1.12.2026", "1.12.", "1 Dec", "+2d", "+90m"; the
// day stands before the month, as in a file that is imported, and a day without its
// year is the next one; and as programs write it, with a zone: "2026-12-01T09:30:00Z". A day without a time is its last minute,
// 23:59: a task that is due today is not overdue at noon.
func ParseWhen(text string, now time.Time) (time.Time, error) {
	return parseWhen(text, now, lastMinute)
}

// ParseStart is ParseWhen for what begins then: a day without a time is its first
// minute.
func ParseStart(text string, now time.Time) (time.Time, error) {
	return parseWhen(text, now, firstMinute)
}

// The minute that stands for a day without a time.
const (
	firstMinute = 0
	lastMinute  = 24*60 - 1
)

func parseWhen(text string, now time.Time, ofDay int) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(text)); err == nil {
		return t.In(now.Location()), nil
	}
	words := strings.Fields(strings.ToLower(isoT.ReplaceAllString(text, "$1 $2")))
	switch {
	case len(words) == 0:
		return time.Time{}, fmt.Errorf("no time given; try: %s", WhenExamples)
	case len(words) == 1 && strings.HasPrefix(words[0], "+"):
		return parseSpan(words[0], now, ofDay)
	}
	day, h, m := now, 0, ofDay
	if hour, minute, ok := parseClock(words[len(words)-1]); ok {
		words, h, m = words[:len(words)-1], hour, minute
	}
	if len(words) > 0 {
		var ok bool
		if day, ok = parseDay(strings.Join(words, " "), now); !ok {
			return time.Time{}, notWhen(text)
		}
	}
	return onDay(day, h, m), nil
}

// isoT is the T between date and time, as programs write it.
var isoT = regexp.MustCompile(`(\d)T(\d)`)

// WhenExamples are times as [ParseWhen] reads them, for those who type one.
const WhenExamples = "today, tomorrow 14:00, fri, 1.12.2026, 2026-12-01, +2d"

func notWhen(text string) error {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	if t, err := time.Parse("1/2/2006", first); err == nil {
		return fmt.Errorf("%q is no time: the day stands before the month; try: %s", text, t.Format("2/1/2006"))
	}
	return fmt.Errorf("%q is no time; try: %s", text, WhenExamples)
}

func onDay(day time.Time, h, m int) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), h, m, 0, 0, day.Location())
}

func parseDay(s string, now time.Time) (time.Time, bool) {
	switch s {
	case "today":
		return now, true
	case "tomorrow", "tom":
		return now.AddDate(0, 0, 1), true
	case "yesterday":
		return now.AddDate(0, 0, -1), true
	}
	if t, ok := parseDate(s, now); ok {
		return t, true
	}
	for days := 1; days <= 7; days++ { // the next one of that name, never today
		t := now.AddDate(0, 0, days)
		name := strings.ToLower(t.Weekday().String())
		if s == name || (len(s) >= 3 && strings.HasPrefix(name, s)) {
			return t, true
		}
	}
	return time.Time{}, false
}

// Layouts of dates, the day before the month. Those without a year mean the next
// day of that name, which a leap day may have to wait for.
var (
	dates     = []string{"2006-1-2", "2006/1/2", "20060102", "2.1.2006", "2.1.06", "2/1/2006", "2-1-2006", "2 Jan 2006", "2 January 2006", "2-Jan-2006", "Jan 2, 2006", "January 2, 2006", "Jan 2 2006", "January 2 2006"}
	yearless  = []string{"2.1. 2006", "2 Jan 2006", "2 January 2006", "Jan 2 2006", "January 2 2006"}
	firstYear = 1900 // what is earlier or later is a slip of the finger
	lastYear  = 2199
)

func parseDate(s string, now time.Time) (time.Time, bool) {
	for _, layout := range dates {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, t.Year() >= firstYear && t.Year() <= lastYear
		}
	}
	today := onDay(now, 0, firstMinute)
	for year := now.Year(); year <= now.Year()+8; year++ {
		for _, layout := range yearless {
			if t, err := time.ParseInLocation(layout, s+" "+strconv.Itoa(year), now.Location()); err == nil && !t.Before(today) {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

var clockPattern = regexp.MustCompile(`^(\d{1,2})[:.](\d{2})$`)

func parseClock(s string) (hour, minute int, ok bool) {
	m := clockPattern.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, false
	}
	hour, _ = strconv.Atoi(m[1])
	minute, _ = strconv.Atoi(m[2])
	return hour, minute, hour < 24 && minute < 60
}

func parseSpan(s string, now time.Time, ofDay int) (time.Time, error) {
	n, err := strconv.Atoi(s[1:max(1, len(s)-1)])
	if err != nil || n < 0 || n > 10_000 {
		return time.Time{}, notWhen(s)
	}
	switch s[len(s)-1] {
	case 'm':
		return now.Add(time.Duration(n) * time.Minute).Truncate(time.Minute), nil
	case 'h':
		return now.Add(time.Duration(n) * time.Hour).Truncate(time.Minute), nil
	case 'd':
		return onDay(now.AddDate(0, 0, n), 0, ofDay), nil
	case 'w':
		return onDay(now.AddDate(0, 0, 7*n), 0, ofDay), nil
	}
	return time.Time{}, notWhen(s)
}

var windowPattern = regexp.MustCompile(`^(.*?)\s*(\d{1,2}[:.]\d{2})\s*(?:-|–|to)\s*(\d{1,2}[:.]\d{2})$`)

// WindowExamples are windows as [ParseWindow] reads them, for those who type one.
const WindowExamples = "08:00-10:00, tomorrow 08:00-10:00, 1.12.2026 08:00-10:00"

// ParseWindow reads a time window: "08:00-10:00" (today), "tomorrow
// 08:00-10:00", or any day that [ParseWhen] knows in front. One that ends at or before its begin
// runs over midnight.
func ParseWindow(text string, now time.Time) (from, to time.Time, err error) {
	bad := fmt.Errorf("%q is no window; try: %s", text, WindowExamples)
	m := windowPattern.FindStringSubmatch(strings.TrimSpace(strings.ToLower(text)))
	if m == nil {
		return from, to, bad
	}
	day := now
	if m[1] != "" {
		var ok bool
		if day, ok = parseDay(m[1], now); !ok {
			return from, to, bad
		}
	}
	h1, m1, ok1 := parseClock(m[2])
	h2, m2, ok2 := parseClock(m[3])
	if !ok1 || !ok2 {
		return from, to, bad
	}
	from, to = onDay(day, h1, m1), onDay(day, h2, m2)
	if !to.After(from) {
		to = to.AddDate(0, 0, 1)
	}
	return from, to, nil
}
