// Package report tells what was done: one task for its customer, a person's day,
// the office's view of all crews. It exists beside exchange because what it writes
// is for people to read and print and never comes back, and because both programs
// write it.
//
// Each report is made in two steps: [OfTask], [OfDay] and [OfOffice] gather the
// facts into a [Sheet], and the writers ([Markdown], [HTML], [Text]) set any
// sheet. So what a report says and how it looks never mix, and no writer can
// forget to make people's text harmless for another. It promises that nobody's
// text becomes a tag, a link, a heading or a terminal's command; that an HTML
// report is one file without scripts, which loads nothing; and that the same facts
// give the same report. Times are in the given zone. It reads no clock.
//
// Its limits: a sheet is held in memory; the office's report lists the first
// [MaxListed] overdue tasks.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// Sheet is a report before it is set.
type Sheet struct {
	Title    string
	Lines    []string // below the title
	Facts    []Fact
	Sections []Section
	Foot     string
}

// Fact is a name and its value.
type Fact struct{ Name, Value string }

// Section is a part of a sheet; what is empty is left out.
type Section struct {
	Title string
	Text  string // paragraphs
	Facts []Fact
	Table *Table
	Bars  []Bar
}

// Table is rows below a head. A row may have fewer cells than the head.
type Table struct {
	Head []string
	Rows []Row
}

// Row is one row; Mark says what kind it is of, for its colour: fail, pass, open.
type Row struct {
	Cells []string
	Mark  string
}

// Bar is one bar of a plot. Bars of a section share their scale.
type Bar struct {
	Label string
	Value float64
	Text  string // the value in words
	Mark  string
}

// Formats are the ways to set a sheet, by name.
var Formats = map[string]func(io.Writer, Sheet) error{"md": Markdown, "html": HTML, "text": Text}

// Scene is where and when a report is made.
type Scene struct {
	Zone *time.Location
	Now  int64 // ms
}

func (s Scene) time(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).In(s.Zone).Format("2006-01-02 15:04")
}

func (s Scene) clock(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).In(s.Zone).Format("15:04")
}

// span is "2 h 05 min".
func span(ms int64) string {
	minutes := (ms + 30_000) / 60_000
	if minutes < 60 {
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%d h %02d min", minutes/60, minutes%60)
}

// add appends a fact that has a value.
func add(facts []Fact, name, value string) []Fact {
	if value == "" {
		return facts
	}
	return append(facts, Fact{name, value})
}

var statusWords = map[op.Status]string{
	op.Pending: "not begun", op.EnRoute: "on the way", op.InProgress: "in progress", op.OnHold: "on hold",
	op.Completed: "completed", op.Incomplete: "not completed", op.Cancelled: "cancelled", op.Closed: "closed",
}

// statusWord is a status in words; one that is not known stays as it is.
func statusWord(f op.Fields) string {
	status := f.Text("status")
	word, ok := statusWords[op.Status(status)]
	if !ok {
		return status
	}
	if reason := f.Text("reason"); reason != "" {
		word += " (" + words(reason) + ")"
	}
	return word
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// name is how a task is called: its number, or what it is called until it has one.
func name(t exchange.Task) string {
	if n := t.Fields.Text(op.Number); n != "" {
		return n
	}
	id := strings.ReplaceAll(t.ID, "-", "")
	return "NEW-" + strings.ToUpper(id[max(0, len(id)-4):])
}

// site is a task's site in one line.
func site(t exchange.Task) string {
	if t.Site == nil {
		return ""
	}
	var parts []string
	for _, field := range []string{"name", "address", "postal_code", "city", "country"} {
		if text := t.Site.Fields.Text(field); text != "" && (len(parts) == 0 || parts[0] != text) {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}
