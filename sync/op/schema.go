package op

import "strings"

// Type is what a field may hold.
type Type int

// The types. Text is one line; Long may hold tabs and line breaks. Time is
// whole milliseconds since 1970 UTC. Scalar is any of text, number, truth.
const (
	Text Type = iota
	Long
	ID
	Int
	Real
	Bool
	Time
	Scalar
)

// Field describes one field of a kind.
type Field struct {
	Name     string
	Type     Type
	Required bool     // must be given on INSERT, and may not be emptied
	Values   []string // when set, the only values allowed
	Derived  bool     // made by the server; refused from a device
	Register string   // the register it belongs to; "" means a register of its own
	Credit   bool     // who did it or when, noted beside what the person said: nothing to be of two minds about
}

// Limits on what one field may hold.
const (
	MaxLine = 200      // characters of one line of text
	MaxLong = 16 << 10 // bytes of long text
)

// TagPrefix and CustomPrefix open the two families of fields that a task or a
// site may carry beyond its own: tag.NAME is true or false (each tag is a field
// of its own, so that two people may tag at once), x.NAME is the customer's.
const (
	TagPrefix    = "tag."
	CustomPrefix = "x."
)

// Priorities, types and the other closed lists, in the order screens show them.
var (
	Priorities = []string{"emergency", "high", "normal", "low"}
	TaskTypes  = []string{"inspection", "delivery", "repair", "maintenance", "other"}
	ItemKinds  = []string{"check", "pass_fail", "number", "text", "choice"}
	Outcomes   = []string{"done", "pass", "fail", "na"}
	NoteKinds  = []string{"note", "safety", "customer", "system"}
	TimeKinds  = []string{"travel", "work", "wait"}
	Sources    = []string{"auto", "manual"}
)

// The registers that hold more than one field: they change and win as one, so
// that no interleaving makes an impossible record.
const (
	statusRegister   = "status"
	windowRegister   = "window"
	outcomeRegister  = "outcome"
	positionRegister = "position"
)

var schemas = map[Kind][]Field{
	Task: {
		{Name: "title", Required: true},
		{Name: "status", Required: true, Values: statusNames(), Register: statusRegister},
		{Name: Number, Derived: true},
		{Name: "type", Values: TaskTypes},
		{Name: "description", Type: Long},
		{Name: "priority", Values: Priorities},
		{Name: "assignee"},
		{Name: CrewField},
		{Name: "site_id", Type: ID},
		{Name: "asset"},
		{Name: "contact_name"},
		{Name: "contact_phone"},
		{Name: "window_start", Type: Time, Register: windowRegister},
		{Name: "window_end", Type: Time, Register: windowRegister},
		{Name: "due_at", Type: Time},
		{Name: "estimate_minutes", Type: Int},
		{Name: "reason", Values: allReasons(), Register: statusRegister},
		{Name: "reason_text", Type: Long, Register: statusRegister},
		{Name: "started_at", Type: Time, Register: statusRegister, Credit: true},
		{Name: "completed_at", Type: Time, Register: statusRegister, Credit: true},
		{Name: "completed_by", Register: statusRegister, Credit: true},
		{Name: "recipient_name", Register: statusRegister},
		{Name: "parent_id", Type: ID},
		{Name: "external_ref"},
	},
	Item: {
		{Name: "task_id", Type: ID, Required: true},
		{Name: "label", Required: true},
		{Name: "position", Type: Int},
		{Name: "section"},
		{Name: "help", Type: Long},
		{Name: "kind", Values: ItemKinds},
		{Name: "required", Type: Bool},
		{Name: "unit"},
		{Name: "min", Type: Real},
		{Name: "max", Type: Real},
		{Name: "choices", Type: Long}, // one a line: a field is a scalar
		{Name: "outcome", Values: Outcomes, Register: outcomeRegister},
		{Name: "value", Type: Scalar, Register: outcomeRegister},
		{Name: "done_by", Register: outcomeRegister, Credit: true},
		{Name: "done_at", Type: Time, Register: outcomeRegister, Credit: true},
		{Name: "comment", Type: Long},
	},
	Note: {
		{Name: "task_id", Type: ID, Required: true},
		{Name: "body", Type: Long, Required: true},
		{Name: "author", Required: true},
		{Name: "at", Type: Time, Required: true},
		{Name: "kind", Values: NoteKinds},
	},
	TimeEntry: {
		{Name: "task_id", Type: ID, Required: true},
		{Name: "user", Required: true},
		{Name: "kind", Required: true, Values: TimeKinds},
		{Name: "started_at", Type: Time, Required: true},
		{Name: "ended_at", Type: Time},
		{Name: "source", Values: Sources},
	},
	Site: {
		{Name: "code", Required: true},
		{Name: "name", Required: true},
		{Name: CrewField},
		{Name: "address"},
		{Name: "city"},
		{Name: "postal_code"},
		{Name: "country"},
		{Name: "lat", Type: Real, Register: positionRegister},
		{Name: "lon", Type: Real, Register: positionRegister},
		{Name: "access_notes", Type: Long},
		{Name: "hazards", Type: Long},
		{Name: "contact_name"},
		{Name: "contact_phone"},
	},
}

var byName = func() map[Kind]map[string]Field {
	m := map[Kind]map[string]Field{}
	for kind, fields := range schemas {
		m[kind] = map[string]Field{}
		for _, f := range fields {
			m[kind][f.Name] = f
		}
	}
	return m
}()

// SchemaOf lists the fields of a kind in the order screens and files show
// them, without the tag. and x. families; nil for a kind that is none.
func SchemaOf(kind Kind) []Field { return schemas[kind] }

// FieldOf describes one field, those of the tag. and x. families included.
// Only tasks and sites have families.
func FieldOf(kind Kind, name string) (Field, bool) {
	if f, ok := byName[kind][name]; ok {
		return f, true
	}
	if kind != Task && kind != Site {
		return Field{}, false
	}
	switch {
	case strings.HasPrefix(name, TagPrefix) && validSuffix(name[len(TagPrefix):]):
		return Field{Name: name, Type: Bool}, true
	case strings.HasPrefix(name, CustomPrefix) && validSuffix(name[len(CustomPrefix):]):
		return Field{Name: name, Type: Scalar}, true
	}
	return Field{}, false
}

// validSuffix: what follows tag. or x. is one short line without blanks at its ends.
func validSuffix(s string) bool {
	return s != "" && len(s) <= 100 && strings.TrimSpace(s) == s && cleanLine(s) == nil
}

// RegisterOf names the register that a field belongs to. Fields of the same
// register change and win together; the name is that of its leading field
// where that helps a reader, and is never sent.
func RegisterOf(kind Kind, name string) string {
	if f, ok := byName[kind][name]; ok && f.Register != "" {
		return f.Register
	}
	return name
}

// Members lists the fields of a register, the leading one first.
func Members(kind Kind, register string) []string {
	var out []string
	for _, f := range schemas[kind] {
		if f.Register == register {
			out = append(out, f.Name)
		}
	}
	if out == nil {
		return []string{register}
	}
	return out
}

// ParentField names the field that ties a record to its task; "" for tasks and sites.
func ParentField(kind Kind) string {
	switch kind {
	case Item, Note, TimeEntry:
		return "task_id"
	}
	return ""
}
