package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
)

// object is one JSON object of a file and where it begins.
type object struct {
	line    int
	members map[string]json.RawMessage
}

// readJSON reads tasks in the shape of punchlist list --json and show --json:
// an array, one object, or one object a line.
func (f *File) readJSON(text []byte) error {
	f.defaults = op.Fields{}
	return f.objects(text, func(obj object) {
		if obj.isTaskwarrior() {
			f.taskwarriorRow(obj)
			return
		}
		f.keepUnknown(op.Task, obj.members)
		e, err := obj.entry()
		if err != nil {
			f.Bad = append(f.Bad, Bad{Line: obj.line, Why: err.Error()})
			return
		}
		f.entries = append(f.entries, e)
	})
}

// readForeignJSON reads flat objects of any program as the rows of a table
// whose columns are their members, so that --map serves them too.
func (f *File) readForeignJSON(text []byte, o Options) error {
	t := &table{}
	column := map[string]int{}
	err := f.objects(text, func(obj object) {
		names := make([]string, 0, len(obj.members))
		for name := range obj.members {
			names = append(names, name)
		}
		slices.Sort(names)
		r := row{line: obj.line, cells: make([]string, len(t.header))}
		for _, name := range names {
			c, known := column[name]
			if !known {
				c = len(t.header)
				column[name] = c
				t.header, r.cells = append(t.header, name), append(r.cells, "")
			}
			r.cells[c] = cellOf(obj.members[name])
		}
		t.rows = append(t.rows, r)
	})
	if err != nil {
		return err
	}
	if len(t.header) > MaxColumns {
		return cure("--format json without --map reads punchlist's own shape", "the objects have %s different members; at most %s", thousands(len(t.header)), thousands(MaxColumns))
	}
	for i := range t.rows {
		t.rows[i].cells = append(t.rows[i].cells, make([]string, len(t.header)-len(t.rows[i].cells))...)
	}
	return f.readRows(t, o)
}

// cellOf is a member as a table's cell: text as it is, null as nothing, all
// else as it is written.
func cellOf(raw json.RawMessage) string {
	var s string
	switch {
	case json.Unmarshal(raw, &s) == nil: // null leaves it empty
		return s
	default:
		return string(raw)
	}
}

// objects hands out the objects of a file. A file that breaks off is an error
// as a whole; in a file of one object a line only that line is bad.
func (f *File) objects(text []byte, each func(object)) error {
	start := bytes.TrimLeft(text, " \t\r\n")
	if len(start) > 0 && start[0] == '{' {
		first, _, _ := bytes.Cut(start, []byte("\n"))
		if json.Valid(first) {
			f.objectLines(text, each)
			return nil
		}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	array := len(start) > 0 && start[0] == '['
	if array {
		if _, err := dec.Token(); err != nil {
			return brokenJSON(text, dec, err)
		}
	}
	lines := lineCounter{text: text, line: 1}
	for dec.More() {
		line := lines.at(nextValue(text, int(dec.InputOffset())))
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return brokenJSON(text, dec, err)
		}
		f.object(line, raw, each)
	}
	if array {
		if _, err := dec.Token(); err != nil {
			return brokenJSON(text, dec, err)
		}
	}
	if rest := bytes.TrimSpace(text[dec.InputOffset():]); len(rest) > 0 {
		return cure("one array, or one object a line", "line %d: there is more behind the end of the list", lineAt(text, int(dec.InputOffset())))
	}
	return nil
}

func (f *File) objectLines(text []byte, each func(object)) {
	line := 0
	for len(text) > 0 {
		var one []byte
		one, text, _ = bytes.Cut(text, []byte("\n"))
		line++
		if one = bytes.TrimSpace(one); len(one) > 0 {
			f.object(line, one, each)
		}
	}
}

func (f *File) object(line int, raw []byte, each func(object)) {
	f.Rows++
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		why := "is no JSON object"
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			why = fmt.Sprintf("is broken JSON at byte %d: %s", syntax.Offset, err)
		}
		f.Bad = append(f.Bad, Bad{Line: line, Why: why})
		return
	}
	each(object{line, members})
}

func brokenJSON(text []byte, dec *json.Decoder, err error) error {
	at := int(dec.InputOffset())
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = int(syntax.Offset)
	}
	at = min(max(at, 0), len(text))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return cure("fetch it again: nothing of a cut file is imported", "the JSON breaks off in line %d", lineAt(text, len(text)))
	}
	return cure("mend the file: nothing of a broken file is imported", "line %d is broken JSON: %s", lineAt(text, at), op.Clean(err.Error(), false))
}

// nextValue skips what stands between two values of an array.
func nextValue(text []byte, from int) int {
	for from < len(text) && strings.IndexByte(" \t\r\n,", text[from]) >= 0 {
		from++
	}
	return from
}

// lineCounter counts lines on the way, not from the start each time.
type lineCounter struct {
	text         []byte
	offset, line int
}

func (l *lineCounter) at(offset int) int {
	if offset > l.offset {
		l.line += bytes.Count(l.text[l.offset:offset], []byte("\n"))
		l.offset = offset
	}
	return l.line
}

// entry understands one task with what hangs on it.
func (obj object) entry() (entry, error) {
	e := entry{line: obj.line, task: op.Fields{}}
	var err error
	if e.id, err = takeID(obj.members); err != nil {
		return e, err
	}
	e.key = obj.fingerprint()
	if err := obj.site(&e); err != nil {
		return e, err
	}
	if err := obj.checklist(&e); err != nil {
		return e, err
	}
	if e.notes, err = obj.children("notes", op.Note); err != nil {
		return e, err
	}
	if e.times, err = obj.children("time", op.TimeEntry); err != nil {
		return e, err
	}
	var tags []string
	if raw, ok := obj.take("tags"); ok {
		if err := json.Unmarshal(raw, &tags); err != nil {
			return e, errors.New("tags: is no list of words")
		}
	}
	if e.task, err = fieldsOf(op.Task, obj.members); err != nil {
		return e, err
	}
	return e, addTags(e.task, tags)
}

func (obj object) fingerprint() string {
	names := make([]string, 0, len(obj.members))
	for name := range obj.members {
		names = append(names, name)
	}
	slices.Sort(names)
	cells := make([]string, 0, 2*len(names))
	for _, name := range names {
		cells = append(cells, name, string(obj.members[name]))
	}
	return fingerprint(cells)
}

func (obj object) take(name string) (json.RawMessage, bool) {
	raw, ok := obj.members[name]
	delete(obj.members, name)
	return raw, ok && string(raw) != "null"
}

// site takes the site that the task carries along; a code alone also does.
func (obj object) site(e *entry) error {
	raw, ok := obj.take("site")
	if !ok {
		return nil
	}
	members := map[string]json.RawMessage{}
	if raw[0] == '"' {
		members["code"] = raw
	} else if err := json.Unmarshal(raw, &members); err != nil {
		return errors.New("site: is neither an object nor a code")
	}
	id, err := takeID(members)
	if err != nil {
		return fmt.Errorf("site: %w", err)
	}
	fields, err := fieldsOf(op.Site, members)
	if err != nil {
		return fmt.Errorf("site: %w", err)
	}
	code := fields.Text("code")
	if code == "" {
		return errors.New("site: has no code to know it by")
	}
	delete(fields, "code")
	e.site = &site{id: id, code: code, fields: fields}
	return nil
}

func (obj object) checklist(e *entry) error {
	items, err := obj.list("checklist")
	if err != nil {
		return err
	}
	for i, members := range items {
		id, err := takeID(members)
		if err == nil {
			delete(members, "task_id")
			var fields op.Fields
			if fields, err = fieldsOf(op.Item, members); err == nil {
				it := item{id: id, label: fields.Text("label"), fields: fields}
				if fields["position"] == nil {
					it.position = i + 1
				}
				if it.label == "" {
					return fmt.Errorf("checklist, item %d: label: a new item needs it", i+1)
				}
				e.items = append(e.items, it)
			}
		}
		if err != nil {
			return fmt.Errorf("checklist, item %d: %w", i+1, err)
		}
	}
	return nil
}

func (obj object) children(name string, kind op.Kind) ([]child, error) {
	list, err := obj.list(name)
	if err != nil {
		return nil, err
	}
	var out []child
	for i, members := range list {
		id, err := takeID(members)
		if err == nil {
			delete(members, "task_id")
			var fields op.Fields
			if fields, err = fieldsOf(kind, members); err == nil {
				err = requireAll(kind, fields)
			}
			out = append(out, child{id, fields})
		}
		if err != nil {
			return nil, fmt.Errorf("%s, entry %d: %w", name, i+1, err)
		}
	}
	return out, nil
}

// requireAll is the check of an INSERT for a record whose task is not known yet.
func requireAll(kind op.Kind, fields op.Fields) error {
	all := fields.Clone()
	all[op.ParentField(kind)] = uuid.Nil.String()
	if r := op.CheckFields(kind, op.Insert, all); r != nil {
		return r
	}
	return nil
}

func (obj object) list(name string) ([]map[string]json.RawMessage, error) {
	raw, ok := obj.take(name)
	if !ok {
		return nil, nil
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || slices.ContainsFunc(list, func(m map[string]json.RawMessage) bool { return m == nil }) {
		return nil, fmt.Errorf("%s: is no list of objects", name)
	}
	return list, nil
}

// takeID takes the member id; only our own ids make sense in our own shape.
func takeID(members map[string]json.RawMessage) (string, error) {
	raw, ok := members[idName]
	delete(members, idName)
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", fmt.Errorf("id: %s is not a UUID (a key of another program: --map external_ref=id)", quote(string(raw)))
	}
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return "", fmt.Errorf("id: %s is not a UUID (a key of another program: --map external_ref=id)", quote(text))
	}
	return id.String(), nil
}

// fieldsOf checks members as fields of a kind. What the server or the laptop
// alone may say is passed over; any other unknown member that is left by now is
// refused by name, so that a misspelt field is not lost in silence.
func fieldsOf(kind op.Kind, members map[string]json.RawMessage) (op.Fields, error) {
	for _, name := range ownAside {
		delete(members, name)
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	var fields op.Fields
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	if r := op.CheckFields(kind, op.Update, fields); r != nil {
		if field := meant(kind, r.Field); r.Code == op.CodeUnknownField && field != "" {
			r.Message += "; did you mean " + field + "?"
		}
		return nil, r
	}
	return fields, nil
}
