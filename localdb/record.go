package localdb

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// table says how a kind lies on disk: one column a field of the model, and
// `extra` for the open families (tag.NAME, x.NAME) and whatever a newer server
// may send.
type table struct {
	name    string
	columns []string // fields of the model that have a column
	known   map[string]op.Field
	load    string // SELECT … WHERE id = ?
	save    string // INSERT … ON CONFLICT (id) DO UPDATE
	add     string // UPDATE … WHERE id = ?, of what the server adds to a record …
	added   []int  // … and where that stands in save
	search  bool   // has a column `search`
}

var tables = map[op.Kind]*table{
	op.Task: newTable(op.Task, "tasks", true),
	op.Item: newTable(op.Item, "checklist_items", false),
	op.Note: newTable(op.Note, "notes", false), op.TimeEntry: newTable(op.TimeEntry, "time_entries", false),
	op.Site: newTable(op.Site, "sites", true),
}

func newTable(kind op.Kind, name string, search bool) *table {
	t := &table{name: name, known: map[string]op.Field{}, search: search}
	for _, f := range op.SchemaOf(kind) {
		t.columns = append(t.columns, f.Name)
		t.known[f.Name] = f
	}
	if _, ok := t.known[op.CrewField]; !ok {
		t.columns = append(t.columns, op.CrewField)
		t.known[op.CrewField] = op.Field{Name: op.CrewField}
	}
	all := append([]string{"id", "updated_at", "version", "deleted", "extra"}, t.columns...)
	t.load = "SELECT " + strings.Join(all, ", ") + " FROM " + name
	if search {
		all = append(all, "search")
	}
	set, add := make([]string, 0, len(all)), []string{}
	for i, c := range all {
		if i > 0 {
			set = append(set, c+" = excluded."+c)
		}
		if slices.Contains([]string{"updated_at", "version", "search", op.CrewField, op.Number}, c) {
			add, t.added = append(add, c+" = ?"), append(t.added, i)
		}
	}
	t.add = "UPDATE " + name + " SET " + strings.Join(add, ", ") + " WHERE id = ?"
	t.save = "INSERT INTO " + name + " (" + strings.Join(all, ", ") + ") VALUES (" + strings.TrimSuffix(strings.Repeat("?, ", len(all)), ", ") +
		") ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ")
	return t
}

// loadRecord reads one record; ErrNotFound when there is no row (a deleted
// record has one, marked).
func loadRecord(tx *sqlite.Tx, kind op.Kind, id string) (Record, error) {
	recs, err := loadRecords(tx, kind, "WHERE id = ?", id)
	if err != nil {
		return Record{}, err
	}
	if len(recs) == 0 {
		return Record{}, ErrNotFound
	}
	return recs[0], nil
}

// loadTask reads a task; [ErrNotFound] also when it was deleted.
func loadTask(tx *sqlite.Tx, id string) (Record, error) {
	rec, err := loadRecord(tx, op.Task, id)
	if err == nil && rec.Deleted {
		err = ErrNotFound
	}
	if err != nil {
		err = fmt.Errorf("task %s: %w", id, err)
	}
	return rec, err
}

func loadRecords(tx *sqlite.Tx, kind op.Kind, where string, args ...any) ([]Record, error) {
	t := tables[kind]
	rows, err := tx.Query(t.load+" "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Record
	for rows.Next() {
		r, err := t.scan(kind, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func (t *table) scan(kind op.Kind, rows *sql.Rows) (Record, error) {
	r := Record{Kind: kind, Fields: op.Fields{}}
	var updated int64
	var extra string
	values := make([]any, len(t.columns))
	dest := []any{&r.ID, &updated, &r.Version, &r.Deleted, &extra}
	for i := range values {
		dest = append(dest, &values[i])
	}
	if err := rows.Scan(dest...); err != nil {
		return r, err
	}
	if extra != "{}" {
		if err := json.Unmarshal([]byte(extra), &r.Fields); err != nil {
			return r, err
		}
	}
	for i, name := range t.columns {
		if v := fromColumn(t.known[name].Type, values[i]); v != nil {
			r.Fields[name] = v
		}
	}
	r.Crew = r.Fields.Text(op.CrewField)
	r.Fields[op.UpdatedAt] = updated
	return r, nil
}

func fromColumn(typ op.Type, v any) any {
	switch x := v.(type) {
	case []byte:
		return string(x)
	case int64:
		if typ == op.Bool {
			return x != 0
		}
		if typ == op.Real {
			return float64(x)
		}
	}
	return v
}

// saveRecord writes one record's row as it is given. Only apply.go and the files
// beside it that take the server's word call it.
func saveRecord(tx *sqlite.Tx, r Record) error {
	t := tables[r.Kind]
	row, err := t.row(r)
	if err == nil {
		_, err = tx.Exec(t.save, row...)
	}
	if err != nil {
		return fmt.Errorf("save %s %s: %w", op.Word(r.Kind), r.ID, err)
	}
	return nil
}

// overwrite makes the row of old, as it was just read, that of r. Where they
// differ in nothing but what the server adds, only that is written: the indexes
// of all else stay as they are.
func overwrite(tx *sqlite.Tx, old, r Record) error {
	t := tables[r.Kind]
	was, err := t.row(old)
	if err != nil {
		return err
	}
	now, err := t.row(r)
	if err != nil {
		return err
	}
	added := make([]any, 0, len(t.added)+1)
	for i, v := range now {
		if slices.Contains(t.added, i) {
			added = append(added, v)
		} else if v != was[i] {
			return saveRecord(tx, r)
		}
	}
	if _, err := tx.Exec(t.add, append(added, r.ID)...); err != nil {
		return fmt.Errorf("save %s %s: %w", op.Word(r.Kind), r.ID, err)
	}
	return nil
}

// row is a record as its table's columns hold it, in the order of save.
func (t *table) row(r Record) ([]any, error) {
	extra := op.Fields{}
	for name, v := range r.Fields {
		if f, known := t.known[name]; v != nil && !envelope[name] && (!known || !fits(f, v)) {
			extra[name] = v
		}
	}
	text, err := extra.MarshalJSON()
	if err != nil {
		return nil, err
	}
	args := append(make([]any, 0, len(t.columns)+6), r.ID, r.Fields.Int(op.UpdatedAt), r.Version, r.Deleted, string(text))
	for _, name := range t.columns {
		v := r.Fields[name]
		switch {
		case name == op.CrewField:
			v = nullText(r.Crew)
		case v != nil && !fits(t.known[name], v):
			v = nil // it stands in extra
		}
		args = append(args, v)
	}
	if t.search {
		args = append(args, searchText(r))
	}
	return args, nil
}

// envelope: members of a server's state that are no fields of the record.
var envelope = map[string]bool{"id": true, "version": true, op.UpdatedAt: true, op.Deleted: true}

func nullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// searchText is what the words of a search are looked up in: lower case, so
// that the comparison is the same for every script.
func searchText(r Record) string {
	names := []string{"title", "description", op.Number, "asset", "external_ref", "contact_name"}
	if r.Kind == op.Site {
		names = []string{"code", "name", "address", "city"}
	}
	var parts []string
	for _, name := range names {
		if s := r.Fields.Text(name); s != "" {
			parts = append(parts, s)
		}
	}
	if r.Kind == op.Task && r.Fields.Text(op.Number) == "" {
		parts = append(parts, TempNumber(r.ID))
	}
	return strings.ToLower(strings.Join(parts, "\n"))
}

// TempNumber is what a task is called until the server gives it a number.
func TempNumber(id string) string {
	id = strings.ReplaceAll(id, "-", "")
	if len(id) < 4 {
		return "NEW-" + strings.ToUpper(id)
	}
	return "NEW-" + strings.ToUpper(id[len(id)-4:])
}

// fromState reads a record out of what the server tells: one flat object.
func fromState(kind op.Kind, state op.Fields) (Record, error) {
	r := readState(kind, state)
	if r.ID == "" || r.Version <= 0 || tables[kind] == nil {
		return r, fmt.Errorf("%w: no id, version or known kind", errUnfit)
	}
	for _, f := range op.SchemaOf(kind) {
		if v := r.Fields[f.Name]; f.Required && (v == nil || !fits(f, v)) {
			return r, fmt.Errorf("%w: a %s with %v for its %s", errUnfit, op.Word(kind), v, f.Name)
		}
	}
	return r, nil
}

// errUnfit: the server told a record that this program cannot keep; a newer one can.
var errUnfit = errors.New("the server sent what this program does not understand")

// fits tells whether a value can stand in its field's column. What a newer server
// may send there instead is kept in extra, beside the fields that are not known at all.
func fits(f op.Field, v any) bool {
	ok := false
	switch f.Type {
	case op.Text, op.Long, op.ID:
		var s string
		s, ok = v.(string)
		ok = ok && (f.Values == nil || slices.Contains(f.Values, s))
	case op.Int, op.Time:
		_, ok = v.(int64)
	case op.Real:
		_, ok = op.Fields{"v": v}.Real("v")
	case op.Bool:
		_, ok = v.(bool)
	case op.Scalar:
		_, truth := v.(bool) // a column would make a number of it
		ok = !truth
	}
	return ok
}

// readState reads the same form without judging it. Version 0 is the last word of
// a server that lost it since.
func readState(kind op.Kind, state op.Fields) Record {
	r := Record{Kind: kind, ID: state.Text("id"), Crew: state.Text(op.CrewField), Version: state.Int("version"), Deleted: state.Bool(op.Deleted), Fields: op.Fields{}}
	for name, v := range state {
		if !envelope[name] && v != nil {
			r.Fields[name] = cleanField(kind, name, v)
		}
	}
	r.Fields[op.UpdatedAt] = state.Int(op.UpdatedAt)
	return r
}

// cleanField makes text that came over the network safe before it is stored;
// every screen cleans it again.
func cleanField(kind op.Kind, name string, v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	f, _ := op.FieldOf(kind, name)
	return op.Clean(s, f.Type == op.Long)
}

// Changes made to a record on top of what is known of it.
func overlay(r *Record, fields op.Fields) {
	for name, v := range fields {
		switch name {
		case op.Deleted:
			r.Deleted = v == true
		case op.UpdatedAt:
			if t, ok := v.(int64); ok && t > r.Fields.Int(op.UpdatedAt) {
				r.Fields[op.UpdatedAt] = t
			}
		default:
			if v == nil {
				delete(r.Fields, name)
			} else {
				r.Fields[name] = v
			}
		}
	}
	if crew := fields.Text(op.CrewField); crew != "" {
		r.Crew = crew
	}
}
