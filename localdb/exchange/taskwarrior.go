package exchange

import (
	"bufio"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
)

// Taskwarrior keeps the attributes that it does not know. What it has no
// attribute for travels in one of them, as JSON: every field as it is, the site,
// and who wrote which note. When the file comes back, that tells what was changed
// in Taskwarrior, and only that counts.
const twOwn = "punchlist"

// twEntry and twEnd keep when a task of Taskwarrior's was made, and given up.
const (
	twEntry = op.CustomPrefix + "entry"
	twEnd   = op.CustomPrefix + "end"
)

// twTime is how Taskwarrior writes a time: whole seconds, UTC.
const twTime = "20060102T150405Z"

// twMemory is the value of the attribute twOwn.
type twMemory struct {
	Fields  op.Fields      `json:"fields"`
	Changed int64          `json:"changed"` // when it changed last, ms
	Site    map[string]any `json:"site,omitempty"`
	Notes   []twNote       `json:"notes,omitempty"`
}

// twNote is what an annotation cannot say of a note.
type twNote struct {
	Entry  string `json:"entry"` // the annotation's time, by which it is found again
	ID     string `json:"id"`
	Author string `json:"author"`
	At     int64  `json:"at"`
	Kind   string `json:"kind,omitempty"`
	Body   string `json:"body"`
}

// Attributes of Taskwarrior that are none of the person's own; those of twKept
// are kept all the same, as x.NAME, and given back.
var (
	twComputed = []string{"id", "urgency", "mask", "imask", "rtype", "template", "last", "modified", "entry", "uuid", twOwn}
	twMapped   = []string{"description", "status", "start", "end", "due", "scheduled", "priority", "tags", "annotations"}
	twKept     = []string{"project", "wait", "until", "recur", "depends", "parent"}
)

var (
	twName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*$`)
	twTag  = regexp.MustCompile(`^[\pL_][\pL\pN_-]*$`)
)

// WriteTaskwarrior writes tasks as task import (Taskwarrior 2.6) takes them:
// notes as annotations, customers' own fields as attributes of their own.
// Checklists and time have no place there.
func WriteTaskwarrior(w io.Writer, tasks Tasks) error {
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	before := "[\n"
	for t, err := range tasks {
		if err != nil {
			return err
		}
		attributes, err := t.taskwarrior()
		if err != nil {
			return err
		}
		if _, err := out.WriteString(before); err != nil {
			return err
		}
		if err := enc.Encode(attributes); err != nil { // ends in a line break
			return err
		}
		before = ","
	}
	if before == "[\n" {
		if _, err := out.WriteString(before); err != nil {
			return err
		}
	}
	if _, err := out.WriteString("]\n"); err != nil {
		return err
	}
	return out.Flush()
}

// taskwarrior is a task's attributes with the memory of what they cannot say.
func (t Task) taskwarrior() (map[string]any, error) {
	memory := twMemory{Fields: op.Fields{}, Changed: t.Fields.Int(op.UpdatedAt), Notes: t.twNotes()}
	for name, v := range t.Fields {
		if !slices.Contains(ownAside, name) && v != nil && !(strings.HasPrefix(name, op.TagPrefix) && v == false) {
			memory.Fields[name] = v
		}
	}
	if t.Site != nil {
		memory.Site = t.Site.object()
		for _, name := range ownAside {
			delete(memory.Site, name)
		}
	}
	attributes := memory.attributes()
	attributes["uuid"] = t.ID
	attributes["entry"] = t.born()
	attributes["modified"] = twText(t.Fields.Int(op.UpdatedAt))
	text, err := json.Marshal(memory) // & as \u0026: Taskwarrior takes &open; for a bracket
	attributes[twOwn] = string(text)
	return attributes, err
}

func twText(ms int64) string { return time.UnixMilli(ms).UTC().Format(twTime) }

// born is when a task was made: its id says so, or Taskwarrior did.
func (t Task) born() string {
	if at := t.Fields.Text(twEntry); twParse(at) != 0 {
		return at
	}
	return twText(t.madeAt())
}

// madeAt is when the task's id was made, ms; an id that does not say so is as old
// as its newest change.
func (t Task) madeAt() int64 {
	if id, err := uuid.Parse(t.ID); err == nil && id.Version() == 7 {
		return int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5])
	}
	return t.Fields.Int(op.UpdatedAt)
}

func twParse(text string) int64 {
	t, err := time.Parse(twTime, text)
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// twNotes gives each note a second of its own, as Taskwarrior asks.
func (t Task) twNotes() (notes []twNote) {
	taken := map[string]bool{}
	for _, n := range t.Notes {
		at := n.Fields.Int("at")
		entry := twText(at)
		for s := at; taken[entry]; {
			s += 1000
			entry = twText(s)
		}
		taken[entry] = true
		notes = append(notes, twNote{entry, n.ID, n.Fields.Text("author"), at, n.Fields.Text("kind"), n.Fields.Text("body")})
	}
	return notes
}

// attributes is what Taskwarrior is told in its own words.
func (m twMemory) attributes() map[string]any {
	f, out := m.Fields, map[string]any{}
	out["description"] = twDescription(f)
	m.twStatus(out)
	for name, field := range map[string]string{"due": "due_at", "scheduled": "window_start"} {
		if ms := f.Int(field); ms != 0 {
			out[name] = twText(ms)
		}
	}
	if p := twPriority[f.Text("priority")]; p != "" {
		out["priority"] = p
	}
	tags := []string{}
	for name, v := range f {
		if tag, ok := strings.CutPrefix(name, op.TagPrefix); ok && v == true && twTag.MatchString(tag) {
			tags = append(tags, tag)
		}
		if own, ok := strings.CutPrefix(name, op.CustomPrefix); ok && twOwnName(own) {
			out[own] = twValue(own, v)
		}
	}
	if slices.Sort(tags); len(tags) > 0 {
		out["tags"] = tags
	}
	annotations := []any{}
	for _, n := range m.Notes {
		annotations = append(annotations, map[string]any{"entry": n.Entry, "description": n.Body})
	}
	if len(annotations) > 0 {
		out["annotations"] = annotations
	}
	return out
}

// twDescription is the one text of a task there: its title, or the description
// that the title is the beginning of.
func twDescription(f op.Fields) string {
	if long := f.Text("description"); long != "" && twTitle(long) == f.Text("title") {
		return long
	}
	return f.Text("title")
}

// twTitle is the title that a text makes.
func twTitle(text string) string {
	line := []rune(oneLine(text))
	if len(line) > op.MaxLine {
		return strings.TrimSpace(string(line[:op.MaxLine-1])) + "…"
	}
	return string(line)
}

var twPriority = map[string]string{"emergency": "H", "high": "H", "normal": "M", "low": "L"}

func (m twMemory) twStatus(out map[string]any) {
	f := m.Fields
	switch status := op.Status(f.Text("status")); status {
	case op.Completed, op.Closed:
		out["status"] = "completed"
	case op.Incomplete, op.Cancelled:
		out["status"] = "deleted"
	default:
		out["status"] = "pending"
		if ms := f.Int("started_at"); ms != 0 && (status == op.InProgress || status == op.EnRoute) {
			out["start"] = twText(ms)
		}
		return
	}
	end := f.Int("completed_at")
	if end == 0 {
		end = twParse(f.Text(twEnd))
	}
	if end == 0 {
		end = m.Changed // without one Taskwarrior would take the time of the import
	}
	out["end"] = twText(end)
}

// twOwnName tells whether a customer's field can be an attribute of its own.
func twOwnName(name string) bool {
	if slices.Contains(twKept, name) {
		return true
	}
	for _, prefix := range []string{"annotation_", "tags_", "dep_"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return twName.MatchString(name) && !slices.Contains(twComputed, name) && !slices.Contains(twMapped, name)
}

// twValue is a field as Taskwarrior keeps an attribute that it does not know: text.
func twValue(name string, v any) any {
	s, ok := v.(string)
	if !ok {
		return writeScalar(v)
	}
	var list []string
	if name == "depends" && json.Unmarshal([]byte(s), &list) == nil {
		return list
	}
	return s
}
