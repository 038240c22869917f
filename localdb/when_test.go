package localdb_test

import (
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
)

func TestParseWhen(t *testing.T) {
	zone, err := time.LoadLocation("America/Toronto")
	if err != nil {
		t.Skip("no time zones here")
	}
	now := time.Date(2026, 11, 23, 9, 30, 40, 0, zone) // a Monday
	for text, want := range map[string]string{
		"today":            "2026-11-23 23:59",
		"Tomorrow 14:00":   "2026-11-24 14:00",
		"14:00":            "2026-11-23 14:00",
		"8.05":             "2026-11-23 08:05",
		"tue":              "2026-11-24 23:59",
		"Monday 7:30":      "2026-11-30 07:30",
		"2026-12-01":       "2026-12-01 23:59",
		"2026-12-01 09:30": "2026-12-01 09:30",
		"2026-12-01T09:30": "2026-12-01 09:30",
		"1.12.2026":        "2026-12-01 23:59",
		"01.12.2026 9:30":  "2026-12-01 09:30",
		"01/12/2026":       "2026-12-01 23:59", // the day in front, as in a file that is imported
		"1-12-2026 14:00":  "2026-12-01 14:00",
		"1.12.26":          "2026-12-01 23:59",
		"1.12.":            "2026-12-01 23:59",
		"23.11.":           "2026-11-23 23:59", // today still is to come
		"22.11. 8:00":      "2027-11-22 08:00", // that of this year has gone
		"29.2.":            "2028-02-29 23:59",
		"1 Dec":            "2026-12-01 23:59",
		"1 dec 2026":       "2026-12-01 23:59",
		"Dec 1, 2026 7:00": "2026-12-01 07:00",
		"1-Dec-2026":       "2026-12-01 23:59",
		"2026/12/1":        "2026-12-01 23:59",
		"20261201 9:30":    "2026-12-01 09:30",
		"+2d":              "2026-11-25 23:59",
		"+1w":              "2026-11-30 23:59",
		"+90m":             "2026-11-23 11:00",
		"+3h":              "2026-11-23 12:30",
	} {
		got, err := localdb.ParseWhen(text, now)
		if err != nil || got.Format("2006-01-02 15:04") != want || got.Location() != zone {
			t.Errorf("%q is %v (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "  ", "someday", "25:00", "12:61", "tomorrow noon", "+d", "+", "+-1d", "2026-13-01", "2026-02-30", "to", "+99999999d", "a b c", "1.13.2026", "12/25/2026", "31.11.2026", "30.2.", "1.12.1026", "1.12.26.", "32 dec", "1 foo 2026", "9:30 1.12.2026"} {
		if got, err := localdb.ParseWhen(text, now); err == nil {
			t.Errorf("%q was taken as %v", text, got)
		}
	}
}

// Who writes the month first is told which way round it is.
func TestParseWhenTheOtherWayRound(t *testing.T) {
	if _, err := localdb.ParseWhen("12/25/2026 9:00", time.Now()); err == nil || !strings.Contains(err.Error(), "the day stands before the month; try: 25/12/2026") {
		t.Error(err)
	}
}

// What begins on a day does so with it, however the day is named.
func TestParseStart(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 40, 0, time.UTC) // a Monday
	for text, want := range map[string]string{
		"today": "2026-11-23 00:00", "+2d": "2026-11-25 00:00", "+1w": "2026-11-30 00:00", "tue": "2026-11-24 00:00", "2026-12-01": "2026-12-01 00:00",
		"tomorrow 14:00": "2026-11-24 14:00", "14:00": "2026-11-23 14:00", "+90m": "2026-11-23 11:00",
	} {
		if got, err := localdb.ParseStart(text, now); err != nil || got.Format("2006-01-02 15:04") != want {
			t.Errorf("%q is %v (%v), want %s", text, got, err, want)
		}
	}
}

// A program's time says its zone, which is not always that of this machine.
func TestParseWhenOfAnotherZone(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{"2026-12-01T09:30:00Z": "2026-12-01 09:30", "2026-12-01T09:30:15+02:00": "2026-12-01 07:30"} {
		if got, err := localdb.ParseWhen(text, now); err != nil || got.Format("2006-01-02 15:04") != want {
			t.Errorf("%q is %v (%v), want %s", text, got, err, want)
		}
	}
}

func TestParseWindow(t *testing.T) {
	morning := time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC) // a Monday
	for text, want := range map[string][2]string{
		"08:00-10:00":            {"23 08:00", "23 10:00"},
		"8:00 - 9:30":            {"23 08:00", "23 09:30"},
		"tomorrow 08:00-10:00":   {"24 08:00", "24 10:00"},
		"2026-11-30 08:00–10:00": {"30 08:00", "30 10:00"},
		"fri 22:00 to 02:00":     {"27 22:00", "28 02:00"},
		"30.11.2026 08:00-10:00": {"30 08:00", "30 10:00"},
		"30.11. 8:00-10:00":      {"30 08:00", "30 10:00"},
		"30 Nov 8.00-10.00":      {"30 08:00", "30 10:00"},
	} {
		from, to, err := localdb.ParseWindow(text, morning)
		if err != nil || from.Format("02 15:04") != want[0] || to.Format("02 15:04") != want[1] {
			t.Errorf("%q is %v to %v (%v)", text, from, to, err)
		}
	}
	for _, text := range []string{"", "08:00", "x 08:00-10:00", "08:00-26:00", "-"} {
		if _, _, err := localdb.ParseWindow(text, morning); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
