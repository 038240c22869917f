package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

func itoa(n int) string { return strconv.Itoa(n) }

// statusWord is a status as people read it.
func statusWord(s op.Status) string {
	return strings.ToLower(strings.ReplaceAll(string(s), "_", " "))
}

// sectionWord heads a part of the list.
func sectionWord(s localdb.Section) string {
	return [...]string{"OVERDUE", "NOW", "NEXT", "LATER", "DONE"}[s]
}

// word is an identifier as people read it: "no_access" is "no access".
func word(s string) string { return strings.ReplaceAll(s, "_", " ") }

// at is the local time of a moment in milliseconds.
func (a *App) at(ms int64) time.Time { return time.UnixMilli(ms).In(a.now().Location()) }

// clock is the time of a moment, with the day where it is another one.
func (a *App) clock(ms int64) string {
	if ms == 0 {
		return ""
	}
	t := a.at(ms)
	if sameDay(t, a.now()) {
		return t.Format("15:04")
	}
	return a.day(t) + " " + t.Format("15:04")
}

// clocks are two moments, as exactly as tells them apart: who was later is what
// the reader wants to know.
func (a *App) clocks(x, y int64) (string, string) {
	one, two := a.clock(x), a.clock(y)
	for _, layout := range []string{":05", ":05.000"} {
		if one != two || x == y || x == 0 || y == 0 {
			break
		}
		one, two = a.clock(x)+a.at(x).Format(layout), a.clock(y)+a.at(y).Format(layout)
	}
	return one, two
}

// day names a day as shortly as it can be without doubt.
func (a *App) day(t time.Time) string {
	now := a.now()
	switch days := daysBetween(now, t); {
	case days == 0:
		return "today"
	case days == 1:
		return "tomorrow"
	case days == -1:
		return "yesterday"
	case t.Year() != now.Year():
		return t.Format("2 Jan 2006")
	case days > 1 && days < 7:
		return t.Format("Mon 2 Jan")
	}
	return t.Format("2 Jan")
}

func sameDay(a, b time.Time) bool { return daysBetween(a, b) == 0 }

// daysBetween counts calendar days, whatever the hours: noon of both days is
// compared so that a change of summer time makes no difference.
func daysBetween(from, to time.Time) int {
	noon := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, time.UTC)
	}
	return int(noon(to).Sub(noon(from)).Hours() / 24)
}

// dueWords is a due time; one at the end of a day is that day.
func (a *App) dueWords(ms int64) string {
	if ms == 0 {
		return ""
	}
	t := a.at(ms)
	if endOfDay(t) {
		return a.day(t)
	}
	return a.day(t) + " " + t.Format("15:04")
}

func endOfDay(t time.Time) bool { return t.Hour() == 23 && t.Minute() == 59 }

// windowWords is a window: "today 08:00-10:00".
func (a *App) windowWords(from, to int64) string {
	if from == 0 && to == 0 {
		return ""
	}
	if from == 0 {
		return "until " + a.clock(to)
	}
	s := a.day(a.at(from)) + " " + a.at(from).Format("15:04")
	switch {
	case to == 0:
		return "from " + s
	case sameDay(a.at(from), a.at(to)):
		return s + "-" + a.at(to).Format("15:04")
	}
	return s + " to " + a.day(a.at(to)) + " " + a.at(to).Format("15:04")
}

// when is the list's narrow column: the status where work has begun or ended,
// else when the task wants to be done. At most 11 cells.
func (a *App) when(r localdb.TaskRow) string {
	if r.Section == localdb.Now || r.Status.Ended() || r.Section == localdb.Done {
		return statusWord(r.Status)
	}
	switch {
	case r.WindowStart != 0 && r.WindowEnd != 0 && sameDay(a.at(r.WindowStart), a.now()) && sameDay(a.at(r.WindowEnd), a.now()):
		return a.at(r.WindowStart).Format("15:04") + "-" + a.at(r.WindowEnd).Format("15:04")
	case r.WindowStart != 0:
		return a.startShort(a.at(r.WindowStart))
	case r.DueAt != 0 && endOfDay(a.at(r.DueAt)) && sameDay(a.at(r.DueAt), a.now()):
		return "due today"
	case r.DueAt != 0:
		return "due " + a.dueShort(a.at(r.DueAt))
	}
	return ""
}

// startShort and dueShort name a moment in the few cells of the list.
func (a *App) startShort(t time.Time) string {
	switch days := daysBetween(a.now(), t); {
	case days == 0:
		return t.Format("15:04")
	case days > 0 && days < 7:
		return t.Format("Mon 15:04")
	}
	return t.Format("2 Jan")
}

func (a *App) dueShort(t time.Time) string {
	switch days := daysBetween(a.now(), t); {
	case days == 0:
		return t.Format("15:04")
	case days > 0 && days < 7:
		return t.Format("Mon")
	}
	return t.Format("2 Jan")
}

// ago is a span in words, in whole minutes: clocks on the screen show no seconds.
func ago(from, now int64) string {
	d := time.Duration(max(0, now-from)) * time.Millisecond
	switch {
	case d < time.Minute:
		return ""
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// badge is the one sign of what became of a record's changes.
func (a *App) badge(b localdb.Badge) string {
	switch b {
	case localdb.BadgePending:
		return a.st.glyphs.pending
	case localdb.BadgeParked:
		return a.st.glyphs.parked
	case localdb.BadgeConflict:
		return a.st.glyphs.conflict
	case localdb.BadgeMerged:
		return a.st.glyphs.merged
	}
	return ""
}

// fate says in words what became of a task's changes.
func (a *App) fate(r localdb.TaskRow) string {
	switch r.Sync {
	case localdb.BadgePending:
		return "+ " + plural(r.Waiting, "change waits", "changes wait") + " on this laptop to be sent"
	case localdb.BadgeParked:
		return "! the server refused a change: press " + named(a.keys.Queue)
	case localdb.BadgeConflict:
		return a.st.glyphs.conflict + " somebody else changed the same: press " + named(a.keys.Conflicts)
	case localdb.BadgeMerged:
		return a.st.glyphs.merged + " all changes sent; somebody else's stand beside yours"
	}
	if a.sum.Device.ID == "" {
		return "saved on this laptop; no server yet"
	}
	return "all changes sent"
}

// number formats a value of a field: whole numbers without a point.
func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
