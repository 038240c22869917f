package exchange

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/punchlist/sync/op"
)

// Task is one task as it goes into a file.
type Task struct {
	ID      string
	Version int64
	Sync    string // what became of its changes: sent, pending …
	Fields  op.Fields
	Site    *Record
	// What hangs on it; a CSV file leaves it out.
	Checklist, Notes, Time []Record
}

// Tasks are handed out one after the other; ranging over them a second time
// begins anew.
type Tasks = iter.Seq2[Task, error]

// WriteJSON writes an array of tasks with all that hangs on them, one a line,
// in the shape of punchlist show --json. Read takes all of it back.
func WriteJSON(w io.Writer, tasks Tasks) error {
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	before := "["
	for t, err := range tasks {
		if err != nil {
			return err
		}
		if _, err := out.WriteString(before); err != nil {
			return err
		}
		if err := enc.Encode(t.object()); err != nil { // ends in a line break
			return err
		}
		before = ","
	}
	if before == "[" {
		before = "[\n"
	} else {
		before = ""
	}
	if _, err := out.WriteString(before + "]\n"); err != nil {
		return err
	}
	return out.Flush()
}

func (t Task) object() map[string]any {
	o := map[string]any{"version": t.Version, "sync": t.Sync}
	tags := []string{}
	for name, v := range t.Fields {
		tag, isTag := strings.CutPrefix(name, op.TagPrefix)
		switch {
		case isTag && v == true:
			tags = append(tags, tag)
		case !isTag && v != nil:
			o[name] = v
		}
	}
	slices.Sort(tags)
	o[idName], o[tagsName] = t.ID, tags
	if t.Site != nil {
		o["site"] = t.Site.object()
	}
	o["checklist"], o["notes"], o["time"] = objects(t.Checklist), objects(t.Notes), objects(t.Time)
	return o
}

func (r Record) object() map[string]any {
	o := map[string]any{idName: r.ID}
	for name, v := range r.Fields {
		if v != nil {
			o[name] = v
		}
	}
	return o
}

func objects(records []Record) []map[string]any {
	out := make([]map[string]any, 0, len(records))
	for _, r := range records {
		out = append(out, r.object())
	}
	return out
}

// WriteCSV writes one row a task: its id, every field that a task may have, its
// tags, its site, and a column for each x.NAME in use. The columns of one
// database are always the same ones in the same order, custom ones by name.
// Checklists, notes and time do not fit a table: WriteJSON keeps them.
func WriteCSV(w io.Writer, tasks Tasks) error {
	columns, err := columnsOf(tasks)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = c.header
	}
	if err := out.Write(cells); err != nil {
		return err
	}
	for t, err := range tasks {
		if err != nil {
			return err
		}
		for i, c := range columns {
			cells[i] = c.cell(t)
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// column is one column of an export.
type column struct {
	header string
	cell   func(Task) string
}

func columnsOf(tasks Tasks) ([]column, error) {
	families := map[op.Kind]map[string]bool{op.Task: {}, op.Site: {}}
	for t, err := range tasks {
		if err != nil {
			return nil, err
		}
		familiesOf(op.Task, t.Fields, families[op.Task])
		if t.Site != nil {
			familiesOf(op.Site, t.Site.Fields, families[op.Site])
		}
	}
	columns := []column{{idName, func(t Task) string { return t.ID }}}
	columns = append(columns, fieldColumns(op.Task, families[op.Task])...)
	columns = append(columns,
		column{op.UpdatedAt, func(t Task) string { return writeCell(op.Field{Type: op.Time}, t.Fields[op.UpdatedAt]) }},
		column{tagsName, func(t Task) string { return joinTags(t.Fields) }})
	return append(columns, fieldColumns(op.Site, families[op.Site])...), nil
}

// familiesOf collects the names that need a column beyond the model's own:
// custom fields, and tags that cannot stand in a list of tags.
func familiesOf(kind op.Kind, fields op.Fields, into map[string]bool) {
	for name, v := range fields {
		tag, isTag := strings.CutPrefix(name, op.TagPrefix)
		switch {
		case v == nil, isTag && v != true:
		case strings.HasPrefix(name, op.CustomPrefix), isTag && (kind == op.Site || !plainTag(tag)):
			into[name] = true
		}
	}
}

func fieldColumns(kind op.Kind, families map[string]bool) []column {
	fields := slices.Clone(op.SchemaOf(kind))
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f, _ := op.FieldOf(kind, name)
		fields = append(fields, f)
	}
	columns := make([]column, 0, len(fields))
	for _, f := range fields {
		if kind == op.Site && f.Name == op.CrewField {
			continue // the task's says it
		}
		columns = append(columns, fieldColumn(kind, f))
	}
	return columns
}

func fieldColumn(kind op.Kind, f op.Field) column {
	if kind == op.Task {
		return column{f.Name, func(t Task) string { return writeCell(f, t.Fields[f.Name]) }}
	}
	return column{sitePrefix + f.Name, func(t Task) string {
		if t.Site == nil {
			return ""
		}
		return writeCell(f, t.Site.Fields[f.Name])
	}}
}

// writeCell is a field as a table's cell. Only text can be a formula: numbers
// stay numbers, the minus of a longitude too.
func writeCell(f op.Field, v any) string {
	if v == nil {
		return ""
	}
	if ms, ok := v.(int64); ok && f.Type == op.Time {
		return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")
	}
	s, ok := v.(string)
	switch {
	case !ok:
		return writeScalar(v)
	case f.Type == op.Scalar:
		return quoteScalar(s)
	}
	return giveApostrophe(s)
}

// plainTag tells whether a tag survives a list that is parted at blanks.
func plainTag(tag string) bool {
	parts := splitTags(tag)
	return len(parts) == 1 && parts[0] == tag
}

func joinTags(fields op.Fields) string {
	var tags []string
	for name, v := range fields {
		if tag, ok := strings.CutPrefix(name, op.TagPrefix); ok && v == true && plainTag(tag) {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return giveApostrophe(strings.Join(tags, " "))
}

// writers are the formats that tasks can be written in.
var writers = map[string]func(io.Writer, Tasks) error{
	CSV: WriteCSV, JSON: WriteJSON, NDJSON: WriteNDJSON, Taskwarrior: WriteTaskwarrior, ICalendar: WriteICS, GeoJSON: WriteGeoJSON, TodoTxt: WriteTodoTxt,
}

// Formats names the formats that tasks can be written in.
func Formats() []string { return []string{CSV, JSON, NDJSON, Taskwarrior, ICalendar, GeoJSON, TodoTxt} }

// Deep tells whether a format holds what hangs on a task.
func Deep(format string) bool { return format == JSON || format == NDJSON || format == Taskwarrior }

// endings of files and the formats that they mean.
var endings = map[string]string{".csv": CSV, ".json": JSON, ".ndjson": NDJSON, ".jsonl": NDJSON, ".ics": ICalendar, ".geojson": GeoJSON}

// FormatOf is the format that a file's name means: by its ending, or todo.txt; ""
// when it says none.
func FormatOf(file string) string {
	if strings.EqualFold(filepath.Base(file), "todo.txt") {
		return TodoTxt
	}
	return endings[strings.ToLower(filepath.Ext(file))]
}

// Write writes tasks in a format.
func Write(w io.Writer, format string, tasks Tasks) error {
	write := writers[format]
	if write == nil {
		return cure("--format with one of "+strings.Join(Formats(), ", "), "cannot write the format %q", format)
	}
	return write(w, tasks)
}
