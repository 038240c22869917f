package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
)

// isTaskwarrior tells an object of task export from one of ours.
func (obj object) isTaskwarrior() bool {
	has := func(name string) bool { _, ok := obj.members[name]; return ok }
	return has("description") && has("status") && has("entry") && !has("title") && !has("id") || has("uuid") && has("description") && !has("title")
}

// readTaskwarrior reads what task export writes.
func (f *File) readTaskwarrior(text []byte) error {
	f.defaults = op.Fields{}
	return f.objects(text, f.taskwarriorRow)
}

func (f *File) taskwarriorRow(obj object) {
	if string(obj.members["status"]) == `"recurring"` {
		f.templates++ // what it makes is in the file as well
		return
	}
	e, err := obj.taskwarrior()
	if err != nil {
		f.Bad = append(f.Bad, Bad{Line: obj.line, Why: err.Error()})
		return
	}
	f.entries = append(f.entries, e)
}

// taskwarrior understands one task of Taskwarrior's. What it said already when it
// left punchlist says nothing: it is for a task that is not here any more.
func (obj object) taskwarrior() (entry, error) {
	e := entry{line: obj.line, task: op.Fields{}, key: obj.fingerprint()}
	in := twReader{obj: obj, text: map[string]string{}}
	if err := in.read(); err != nil {
		return e, err
	}
	e.id = in.id
	if in.known {
		if err := e.remember(in.memory); err != nil {
			return e, err
		}
	}
	for name, text := range in.text {
		if text != in.said(name) {
			if err := in.set(e.task, name, text); err != nil {
				return e, err
			}
		}
	}
	if err := in.status(e.task); err != nil {
		return e, err
	}
	in.keepWindow(e.task)
	if !in.known {
		if at := twParse(in.entry); at != 0 {
			e.task[twEntry] = in.entry
		}
	}
	var added []string
	for _, tag := range in.tags {
		if in.memory.Fields[op.TagPrefix+tag] != true {
			added = append(added, tag)
		}
	}
	if err := addTags(e.task, added); err != nil {
		return e, err
	}
	if r := op.CheckFields(op.Task, op.Update, e.task); r != nil {
		return e, r
	}
	var err error
	e.notes, err = in.notes()
	return e, err
}

// remember takes what the task was when it left.
func (e *entry) remember(m twMemory) error {
	if r := op.CheckFields(op.Task, op.Update, m.Fields); r != nil {
		return fmt.Errorf("%s: %w", twOwn, r)
	}
	e.fresh = m.Fields
	if m.Site == nil {
		return nil
	}
	raw, err := json.Marshal(m.Site)
	if err != nil {
		return err
	}
	old := object{members: map[string]json.RawMessage{"site": raw}}
	from := entry{}
	if err := old.site(&from); err != nil {
		return fmt.Errorf("%s: %w", twOwn, err)
	}
	e.freshSite = from.site
	return nil
}

// renew makes of an entry whose task is not here the whole task again.
func (e *entry) renew() {
	for name, v := range e.fresh {
		if _, said := e.task[name]; !said {
			e.task[name] = v
		}
	}
	if e.site == nil {
		e.site = e.freshSite
	}
	e.fresh, e.freshSite = nil, nil
}

// twReader is one object of task export.
type twReader struct {
	obj         object
	id, entry   string
	text        map[string]string // attributes as text, but for those below
	tags        []string
	annotations []twAnnotation
	memory      twMemory
	known       bool // it left punchlist once
	then        map[string]any
}

type twAnnotation struct {
	Entry       string `json:"entry"`
	Description string `json:"description"`
}

func (in *twReader) read() error {
	for name, raw := range in.obj.members {
		var err error
		switch name {
		case "tags":
			err = json.Unmarshal(raw, &in.tags)
		case "annotations":
			err = json.Unmarshal(raw, &in.annotations)
		case twOwn:
			var text string
			if err = json.Unmarshal(raw, &text); err == nil {
				err = json.Unmarshal([]byte(text), &in.memory)
			}
			in.known = true
		default:
			if text := cellOf(raw); text != "" && string(raw) != "null" {
				in.text[name] = text
			}
		}
		if err != nil {
			return fmt.Errorf("%s: is not what Taskwarrior writes there", clip(name))
		}
	}
	in.entry = in.text["entry"]
	if text, ok := in.text["uuid"]; ok {
		id, err := uuid.Parse(text)
		if err != nil || len(text) != 36 {
			return fmt.Errorf("uuid: %s is not a UUID", quote(text))
		}
		in.id = id.String()
	}
	for _, name := range twComputed {
		delete(in.text, name)
	}
	if in.text["description"] == "" {
		return errors.New("has no description")
	}
	if in.known {
		in.then = in.memory.attributes()
	}
	return nil
}

// said is what an attribute was when the task left, as Taskwarrior gives it back.
func (in *twReader) said(name string) string {
	v, ok := in.then[name]
	if !ok {
		return ""
	}
	if s, ok := v.(string); ok {
		return twBack(s)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return cellOf(raw)
}

// twBack is a text after Taskwarrior kept it.
func twBack(s string) string {
	return strings.NewReplacer("&open;", "[", "&close;", "]").Replace(s)
}

// set takes one attribute that says something new.
func (in *twReader) set(f op.Fields, name, text string) error {
	switch name {
	case "status", "start", "end": // together, see status
	case "description":
		f["title"] = twTitle(text)
		if f["title"] != text {
			f["description"] = lineBreaks(text)
		}
	case "due", "scheduled":
		at := twParse(text)
		if at == 0 {
			return fmt.Errorf("%s: %s is no time such as %s", name, quote(text), twTime)
		}
		f[map[string]string{"due": "due_at", "scheduled": "window_start"}[name]] = at
	case "priority":
		p, ok := map[string]string{"H": "high", "M": "normal", "L": "low"}[text]
		if !ok {
			return fmt.Errorf("priority: %s is none of H, M, L", quote(text))
		}
		f["priority"] = p
	default:
		var v any = text
		if old, ok := in.memory.Fields[op.CustomPrefix+name]; ok {
			if _, wasText := old.(string); !wasText {
				v = scalarOf(text)
			}
		}
		f[op.CustomPrefix+name] = v
	}
	return nil
}

// status takes the status with its times, which change as one.
func (in *twReader) status(f op.Fields) error {
	same := in.known
	for _, name := range []string{"status", "start", "end"} {
		same = same && in.text[name] == in.said(name)
	}
	if same {
		return nil
	}
	times := map[string]int64{}
	for _, name := range []string{"start", "end"} {
		if text := in.text[name]; text != "" {
			if times[name] = twParse(text); times[name] == 0 {
				return fmt.Errorf("%s: %s is no time such as %s", name, quote(text), twTime)
			}
		}
	}
	old := op.Status(in.memory.Fields.Text("status"))
	switch in.text["status"] {
	case "pending", "waiting":
		f["status"] = string(op.Pending)
		switch {
		case times["start"] != 0 && old != op.EnRoute:
			f["status"], f["started_at"] = string(op.InProgress), times["start"]
		case times["start"] != 0:
			f["status"], f["started_at"] = string(old), times["start"]
		case old == op.InProgress || old == op.EnRoute: // stopped there
			f["status"], f["reason"] = string(op.OnHold), "other"
		case old == op.OnHold:
			f["status"], f["reason"] = string(old), in.memory.Fields["reason"]
		}
	case "completed":
		f["status"] = string(op.Completed)
		if old == op.Closed {
			f["status"] = string(old)
		}
	case "deleted":
		f["status"], f["reason"] = string(op.Cancelled), "other"
		if old == op.Incomplete {
			f["status"], f["reason"] = string(old), in.memory.Fields["reason"]
		}
	default:
		return fmt.Errorf("status: %s is none of pending, waiting, completed, deleted", quote(in.text["status"]))
	}
	switch {
	case times["end"] == 0:
	case f["status"] == string(op.Cancelled):
		f[twEnd] = in.text["end"]
	default:
		f["completed_at"] = times["end"]
	}
	return nil
}

// keepWindow moves the end of a window with its start.
func (in *twReader) keepWindow(f op.Fields) {
	start, moved := f["window_start"].(int64)
	was, end := in.memory.Fields.Int("window_start"), in.memory.Fields.Int("window_end")
	if moved && was != 0 && end != 0 {
		f["window_end"] = start + end - was
	}
}

// notes finds out which annotations are notes that left punchlist.
func (in *twReader) notes() (out []child, err error) {
	old := map[string]twNote{}
	for _, n := range in.memory.Notes {
		old[n.Entry] = n
	}
	for _, a := range in.annotations {
		n, ok := old[a.Entry]
		var c child
		if ok && twBack(n.Body) == twBack(a.Description) {
			c = child{n.ID, op.Fields{"body": n.Body, "author": n.Author, "at": n.At}}
			if n.Kind != "" {
				c.fields["kind"] = n.Kind
			}
		} else {
			at := twParse(a.Entry)
			if at == 0 {
				return nil, fmt.Errorf("annotations: %s is no time such as %s", quote(a.Entry), twTime)
			}
			c.fields = op.Fields{"body": lineBreaks(a.Description), "author": "taskwarrior", "at": at}
		}
		if err := requireAll(op.Note, c.fields); err != nil {
			return nil, fmt.Errorf("annotations: %w", err)
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b child) int { return int(a.fields.Int("at") - b.fields.Int("at")) })
	return out, nil
}
