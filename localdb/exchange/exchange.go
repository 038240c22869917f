// Package exchange reads tasks from files and writes tasks to files: CSV, JSON and
// Taskwarrior's JSON both ways; calendars (iCalendar), maps (GeoJSON) and todo.txt
// for other programs to read.
//
// An import is two steps that cannot be mixed up. [Read] turns a file into
// entries and names every row that is bad, with its line, its column and why.
// [File.Plan] compares the entries with the records that are there, through the
// small interface [Target], and says what would change; writing is the target's
// part, in one transaction. It promises:
//
//   - Nothing is guessed twice: the same file against the same records gives the
//     same plan, and a second import of a file changes nothing.
//   - An import adds and changes, it never takes away. A row that is missing, a
//     cell that is blank or a tag that is gone closes, empties and deletes
//     nothing, so that a source that suddenly lacks its data does no harm. Only
//     a JSON null empties a field. What was deleted here stays deleted. Who sets
//     PlanOptions.Prune has imported tasks cancelled that are not begun and not
//     in the file any more; still nothing is deleted.
//   - Nothing of a JSON file is lost: members that no field has the name of stay
//     as the customer's own fields (x.NAME), and are named in File.Notes.
//   - For what it does say the file has the last word, over a person's edits
//     too, unless PlanOptions.OnlyNew is set. Constants of a mapping are for new
//     records alone. Numbers, versions, crews and times of change in a file are
//     passed over: they are the server's to say.
//   - What left for Taskwarrior and comes back changes only what was changed there.
//   - The cells that a spreadsheet would run as a formula leave with an
//     apostrophe in front, and come back without it.
//
// # Which record a row is
//
// In this order: the row's id, when it has one; the task that carries its
// external_ref (unique in a crew); else the row as a whole, by a fingerprint of
// its cells, so that even a file without any key imports twice without doubles.
// A new record keeps the id that the file gives. Without one its id is a UUID
// (version 5) of kind, crew and external_ref (for a site: its code; for a
// checklist item: its task and label), the same on every machine: two laptops
// of a crew that import one file make the same records and not two sets of them.
//
// # Limits
//
// A file is read into memory: at most [MaxFile] bytes. What a field may hold is
// said by op.SchemaOf.
package exchange

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// MaxFile bounds one file, decompressed and before it is decoded.
const MaxFile = 256 << 20

// The formats.
const (
	CSV         = "csv"
	JSON        = "json"
	NDJSON      = "ndjson"      // JSON, one task a line
	Taskwarrior = "taskwarrior" // task export, task import
	ICalendar   = "ics"         // written only
	GeoJSON     = "geojson"     // written only
	TodoTxt     = "todotxt"     // written only
)

// Options say how to read a file; the zero value reads punchlist's own exports.
// They are words as a person types them, because only the file's own header can
// tell what they mean.
type Options struct {
	Format     string   // CSV, JSON, NDJSON or Taskwarrior; "" looks at the content
	Map        []string // FIELD=COLUMN, FIELD=text {COLUMN} text, FIELD==constant
	Items      string   // FROM..TO: every column of the range is a checklist item
	Item       []string // a column that is a checklist item
	ItemValues string   // VALUE=OUTCOME,…: what a cell of an item column means
	ItemKind   string   // the kind of those items; "" means pass_fail
	Values     []string // FIELD:A=B,C=D: what the file's words mean
	Null       []string // words that mean an empty cell
	Zone       string   // of times that do not say theirs; "" means this machine's
	Dates      string   // "dmy" or "mdy", for 03/04/2026; "" means dmy
	Delimiter  string   // ",", ";", "|" or "tab"; "" looks at the content
	Encoding   string   // "" means UTF-8, or what a byte order mark says
	MendQuotes bool     // read half-escaped quotes, \A\" as "A"
}

// File is what [Read] understood of a file.
type File struct {
	Rows  int      // data rows, good and bad
	Bad   []Bad    // the rows that cannot be taken, in order
	Notes []string // what a person should know besides

	entries   []entry
	defaults  op.Fields // constants: for new tasks only
	siteOnly  bool
	templates int            // of Taskwarrior's recurring tasks
	kept      map[string]int // members that became x. fields
	title     Bad            // the column that titles come from, for a row without one
}

// Bad is one row that cannot be taken: where and why.
type Bad struct {
	Line   int    `json:"line"`             // of the file, from 1; of the row's first line
	Column int    `json:"column,omitempty"` // from 1; 0 when it is the row as a whole
	Header string `json:"header,omitempty"` // the column's name
	Why    string `json:"why"`
}

// Error is "line 12, column 3 (TITLE): why".
func (b Bad) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "line %d", b.Line)
	if b.Column > 0 {
		fmt.Fprintf(&s, ", column %d", b.Column)
	}
	if b.Header != "" {
		fmt.Fprintf(&s, " (%s)", clip(b.Header))
	}
	return s.String() + ": " + b.Why
}

// entry is one row, understood and valid in itself.
type entry struct {
	line     int
	id       string    // the task's id, when the file gives one
	key      string    // fingerprint of the row as a whole
	task     op.Fields // nil when the row speaks of a site only
	site     *site
	siteless bool // it tells of a site, but not by which code that is known
	items    []item
	notes    []child
	times    []child
	refused  bool // the plan cannot take it

	// What is only said for the case that the task is not here.
	fresh     op.Fields
	freshSite *site
}

// site is what a row says of its site.
type site struct {
	id, code string
	fields   op.Fields // without the code
	defaults op.Fields // constants: for a new site only
}

// item is one checklist item. Rows of a table make many, so it is kept small;
// fields holds what only JSON can say.
type item struct {
	id       string
	label    string
	kind     string
	outcome  string
	value    any
	position int
	fields   op.Fields
}

// child is a note or a time entry.
type child struct {
	id     string
	fields op.Fields
}

// Read understands a file. The error is of the file or the options as a whole
// (an encoding, a column that is not there); single rows are in File.Bad.
func Read(r io.Reader, o Options) (*File, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if len(raw) > MaxFile {
		return nil, cure("split it into smaller files", "the file is larger than %d MiB", MaxFile>>20)
	}
	text, err := decode(raw, o.Encoding)
	if err != nil {
		return nil, err
	}
	format, err := o.format(text)
	if err != nil {
		return nil, err
	}
	f := &File{}
	switch {
	case format == CSV:
		err = f.readCSV(text, o)
	case len(o.Map) > 0 || o.hasItems():
		err = f.readForeignJSON(text, o)
	case format == Taskwarrior:
		err = f.readTaskwarrior(text)
	default:
		err = f.readJSON(text)
	}
	if err != nil {
		return nil, err
	}
	f.refuseDoubles()
	f.countSiteless()
	f.tellOfMembers()
	slices.SortStableFunc(f.Bad, func(a, b Bad) int { return a.Line - b.Line })
	return f, nil
}

func (o Options) hasItems() bool { return o.Items != "" || len(o.Item) > 0 }

// format is the one asked for, or the one that the first letter shows.
func (o Options) format(text []byte) (string, error) {
	switch o.Format {
	case CSV, JSON, NDJSON, Taskwarrior:
		return o.Format, nil
	case "":
	default:
		return "", cure("--format csv, json or taskwarrior", "cannot read the format %q", o.Format)
	}
	start := bytes.TrimLeft(text, " \t\r\n")
	if len(start) == 0 {
		return "", cure("the first line must name the columns", "the file is empty")
	}
	if start[0] == '[' || start[0] == '{' {
		return JSON, nil
	}
	return CSV, nil
}

// refuseDoubles refuses the second of two rows that are the same record: which
// of them is right, only a person can say. Rows told apart by their whole
// content may well be equal (two bolts, same words): they are numbered.
func (f *File) refuseDoubles() {
	first := map[string]int{}
	times := map[string]int{}
	f.entries = slices.DeleteFunc(f.entries, func(e entry) bool {
		if e.task == nil {
			return false
		}
		for _, name := range [...][2]string{{"id", e.id}, {"external_ref", e.task.Text("external_ref")}} {
			if name[1] == "" {
				continue
			}
			if line, seen := first[name[0]+name[1]]; seen {
				f.Bad = append(f.Bad, Bad{Line: e.line, Why: fmt.Sprintf("%s %s is already in line %d", name[0], quote(name[1]), line)})
				return true
			}
			first[name[0]+name[1]] = e.line
		}
		return false
	})
	unnamed := 0
	for i := range f.entries {
		e := &f.entries[i]
		if e.task == nil || e.id != "" || e.task.Text("external_ref") != "" {
			continue
		}
		unnamed++
		times[e.key]++
		if n := times[e.key]; n > 1 {
			e.key = fmt.Sprintf("%s-%d", e.key, n)
		}
	}
	if unnamed > 0 {
		f.note("%s no external_ref and no id: told apart by the whole row, so a changed row becomes a new task (--map external_ref=COLUMN names the key)", count(unnamed, "row has", "rows have"))
	}
}

// countSiteless tells how many rows are taken without the site that they tell of.
func (f *File) countSiteless() {
	n := 0
	for _, e := range f.entries {
		if e.siteless {
			n++
		}
	}
	if n > 0 {
		f.note("%s, but not its site.code: taken without a site", count(n, "row tells of a site", "rows tell of a site"))
	}
}

func (f *File) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// tellOfMembers says what became of members that punchlist does not know.
func (f *File) tellOfMembers() {
	if f.templates > 0 {
		f.note("%s of a recurring task passed over; the tasks that it makes are taken", count(f.templates, "template was", "templates were"))
	}
	if len(f.kept) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(f.kept))
	more := ""
	if len(names) > 10 {
		more, names = fmt.Sprintf(" and %d more", len(names)-10), names[:10]
	}
	f.note("kept as your own fields, because no field has the name: %s%s", op.Clean(strings.Join(names, ", "), false), more)
}

// cure is an error with the next step.
func cure(hint, format string, args ...any) error {
	return &localdb.Error{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// quote shows data safely: escaped, and not longer than a line can bear.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func clip(s string) string {
	r := []rune(op.Clean(s, false))
	if len(r) <= 60 {
		return string(r)
	}
	return string(r[:59]) + "…"
}

// count is "1 row has" or "5,085 rows have".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
