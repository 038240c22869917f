package exchange

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/punchlist/sync/op"
)

// WriteICS writes a calendar (RFC 5545): each task as a VTODO, and its
// appointment, if it has one and has not ended, as a VEVENT, for the many
// calendars that show no to-dos. Times are UTC, which every calendar shows in its
// person's own zone.
func WriteICS(w io.Writer, tasks Tasks) error {
	out := calendar{w: bufio.NewWriterSize(w, 64<<10)}
	out.line("BEGIN", "VCALENDAR")
	out.line("VERSION", "2.0")
	out.line("PRODID", "-//punchlist//punchlist//EN")
	out.line("CALSCALE", "GREGORIAN")
	for t, err := range tasks {
		if err != nil {
			return err
		}
		out.todo(t)
		if t.Fields.Int("window_start") != 0 && !op.Status(t.Fields.Text("status")).Ended() {
			out.event(t)
		}
	}
	out.line("END", "VCALENDAR")
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

// calendar writes content lines; the first error stays.
type calendar struct {
	w   *bufio.Writer
	err error
}

// maxLine is how long a line may be, in octets, without its end.
const icsLine = 75

// line writes one property, folded where it is too long, between letters only.
func (c *calendar) line(name, value string) {
	if c.err != nil {
		return
	}
	rest, room := name+":"+value, icsLine
	for len(rest) > room {
		at := room
		for at > 0 && !utf8.RuneStart(rest[at]) {
			at--
		}
		if _, c.err = c.w.WriteString(rest[:at] + "\r\n "); c.err != nil {
			return
		}
		rest, room = rest[at:], icsLine-1 // the blank counts
	}
	_, c.err = c.w.WriteString(rest + "\r\n")
}

var icsEscapes = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

// text writes a property that holds anybody's text; nothing for an empty one.
func (c *calendar) text(name, value string) {
	if value = op.Clean(value, true); value != "" {
		c.line(name, icsEscapes.Replace(value))
	}
}

func (c *calendar) at(name string, ms int64) {
	if ms != 0 {
		c.line(name, time.UnixMilli(ms).UTC().Format(twTime))
	}
}

var (
	icsStatus = map[op.Status]string{op.Pending: "NEEDS-ACTION", op.EnRoute: "IN-PROCESS", op.InProgress: "IN-PROCESS", op.OnHold: "IN-PROCESS",
		op.Completed: "COMPLETED", op.Closed: "COMPLETED", op.Incomplete: "CANCELLED", op.Cancelled: "CANCELLED"}
	icsPriority = map[string]string{"emergency": "1", "high": "3", "normal": "5", "low": "9"}
)

// todo: DTSTART must lie before DUE, and COMPLETED goes with that status only.
func (c *calendar) todo(t Task) {
	f, status := t.Fields, op.Status(t.Fields.Text("status"))
	c.line("BEGIN", "VTODO")
	c.common(t, "")
	start, due := f.Int("window_start"), f.Int("due_at")
	if due == 0 {
		due = f.Int("window_end")
	}
	if due == 0 || start < due {
		c.at("DTSTART", start)
	}
	c.at("DUE", due)
	c.line("STATUS", icsStatus[status])
	if icsStatus[status] == "COMPLETED" {
		c.at("COMPLETED", f.Int("completed_at"))
		c.line("PERCENT-COMPLETE", "100")
	}
	if p := icsPriority[f.Text("priority")]; p != "" {
		c.line("PRIORITY", p)
	}
	c.line("END", "VTODO")
}

// event is the appointment of a task.
func (c *calendar) event(t Task) {
	start, end := t.Fields.Int("window_start"), t.Fields.Int("window_end")
	c.line("BEGIN", "VEVENT")
	c.common(t, "-appointment")
	c.at("DTSTART", start)
	switch minutes := t.Fields.Int("estimate_minutes"); {
	case end > start:
		c.at("DTEND", end)
	case minutes > 0:
		c.line("DURATION", fmt.Sprintf("PT%dM", minutes))
	}
	c.line("END", "VEVENT")
}

func (c *calendar) common(t Task, suffix string) {
	f := t.Fields
	c.line("UID", t.ID+suffix+"@punchlist")
	c.at("DTSTAMP", max(f.Int(op.UpdatedAt), 1))
	c.at("LAST-MODIFIED", f.Int(op.UpdatedAt))
	title := f.Text("title")
	if n := f.Text(op.Number); n != "" {
		title = n + " " + title
	}
	c.text("SUMMARY", title)
	c.text("DESCRIPTION", t.description())
	c.text("LOCATION", t.location())
	if lat, lon, ok := t.place(); ok {
		c.line("GEO", fmt.Sprintf("%.6f;%.6f", lat, lon))
	}
	var tags []string
	for name, v := range f {
		if tag, ok := strings.CutPrefix(name, op.TagPrefix); ok && v == true {
			tags = append(tags, icsEscapes.Replace(op.Clean(tag, false)))
		}
	}
	if slices.Sort(tags); len(tags) > 0 {
		c.line("CATEGORIES", strings.Join(tags, ","))
	}
}

// description is what a calendar has no place of its own for.
func (t Task) description() string {
	var parts []string
	if text := t.Fields.Text("description"); text != "" {
		parts = append(parts, text)
	}
	for _, row := range [...][2]string{{"asset", "Asset"}, {"contact_name", "Contact"}, {"contact_phone", "Phone"}, {"assignee", "Assigned to"}} {
		if text := t.Fields.Text(row[0]); text != "" {
			parts = append(parts, row[1]+": "+text)
		}
	}
	if t.Site != nil {
		for _, row := range [...][2]string{{"access_notes", "Access"}, {"hazards", "Hazards"}} {
			if text := t.Site.Fields.Text(row[0]); text != "" {
				parts = append(parts, row[1]+": "+text)
			}
		}
	}
	return strings.Join(parts, "\n")
}

// location is the site in one line.
func (t Task) location() string {
	if t.Site == nil {
		return ""
	}
	var parts []string
	for _, name := range []string{"name", "address", "postal_code", "city", "country"} {
		if text := t.Site.Fields.Text(name); text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}
