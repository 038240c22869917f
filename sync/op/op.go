// Package op says what a change is: the op, the record it changes, the time it
// happened, and the one rule that decides who wins when two changes meet.
//
// It promises to be pure: no file, no network, no goroutine, and (but for
// [SystemClock]) no look at the machine. The same input gives the same answer
// on the laptop, on the server and in the simulator, which is why all three use
// it. The words are those of the glossary in sync/README.md.
//
// Its limits: a field holds a scalar (text, number, truth or nothing), never a
// list or an object; what may stand in it is said by [SchemaOf].
package op

// Schema is the number of the record model that this program writes into
// every op. It grows when a field is added, so that a server can tell an op it
// cannot understand yet from one that is wrong.
const Schema = 1

// Kind names one of the five kinds of records that travel.
type Kind string

// The kinds. Their spelling is the wire's and the table names' singular.
const (
	Task      Kind = "task"
	Item      Kind = "checklist_item"
	Note      Kind = "note"
	TimeEntry Kind = "time_entry"
	Site      Kind = "site"
)

// Kinds lists every kind, parents before what hangs on them.
var Kinds = []Kind{Site, Task, Item, Note, TimeEntry}

// Action says what an op does to its record.
type Action string

// The three actions, spelled as in the table sync_queue.
const (
	Insert Action = "INSERT"
	Update Action = "UPDATE"
	Delete Action = "DELETE"
)

// BaseUnknown marks an op whose author did not say which version it was
// looking at (the plain form): such an op never counts as having seen what
// another device wrote.
const BaseUnknown = -1

// Op is one immutable change to one record.
type Op struct {
	ID     string `json:"op_id"`           // UUID made on the device; makes a repeat harmless for ever
	Seq    int64  `json:"seq"`             // place in the device's queue, never reused
	Group  string `json:"group,omitempty"` // ops of one action: one transaction, never split over two batches
	Kind   Kind   `json:"entity_type"`     //
	Entity string `json:"entity_id"`       // the record's UUID
	Action Action `json:"action"`          //
	Fields Fields `json:"payload"`         // only what changed, and updated_at
	Prev   Fields `json:"prev,omitempty"`  // the values it replaced
	Base   int64  `json:"base"`            // the record's version its author was looking at; 0: none
	// TimeUncertain says that updated_at comes from a wall clock that was never
	// compared with the server's in that boot.
	TimeUncertain bool  `json:"time_uncertain,omitempty"`
	CreatedAt     int64 `json:"created_at"` // wall clock of the device, ms; for people, never for the merge
	Schema        int   `json:"schema,omitempty"`
}

// Time is when the change happened, in corrected milliseconds since 1970 UTC.
// An op without updated_at is timed by created_at.
func (o Op) Time() int64 {
	if t, ok := o.Fields[UpdatedAt].(int64); ok {
		return t
	}
	return o.CreatedAt
}

// Names of fields that the rules themselves know.
const (
	UpdatedAt = "updated_at" // derived: the newest stamp's time; in a payload: when the change happened
	Deleted   = "deleted"    // the register of a record's deletion
	CrewField = "crew"       // the scope that a record belongs to
	Number    = "number"     // the server's number for a task
)

// Fields are a record's values by name: string, int64, float64, bool or nil.
type Fields map[string]any

// Text is the field as text; "" when it is absent, null or no text.
func (f Fields) Text(name string) string { s, _ := f[name].(string); return s }

// Int is the field as a whole number (times are ms since 1970 UTC); 0 when absent.
func (f Fields) Int(name string) int64 {
	switch v := f[name].(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return 0
}

// Real is the field as a number, and whether there is one.
func (f Fields) Real(name string) (float64, bool) {
	switch v := f[name].(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// Bool is the field as a truth value; false when absent.
func (f Fields) Bool(name string) bool { b, _ := f[name].(bool); return b }

// Clone is an independent copy.
func (f Fields) Clone() Fields {
	out := make(Fields, len(f))
	for k, v := range f {
		out[k] = v
	}
	return out
}

// Equal compares two scalars: 3 and 3.0 are the same number, and an absent
// field is the same as null.
func Equal(a, b any) bool {
	if x, ok := a.(int64); ok {
		if y, ok := b.(float64); ok {
			return float64(x) == y
		}
	}
	if x, ok := a.(float64); ok {
		if y, ok := b.(int64); ok {
			return x == float64(y)
		}
	}
	return a == b
}
