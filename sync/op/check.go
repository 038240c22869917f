package op

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// Code is a refusal's name for machines. It never changes meaning.
type Code string

// The codes that a refused op may carry.
const (
	CodeUnknownKind   Code = "unknown_kind"
	CodeUnknownAction Code = "unknown_action"
	CodeUnknownField  Code = "unknown_field"
	CodeBadID         Code = "bad_id"
	CodeBadValue      Code = "bad_value"
	CodeRequired      Code = "required"
	CodeTooLong       Code = "too_long"
	CodeBadText       Code = "bad_text"
	CodeDerived       Code = "derived"
	CodeAppendOnly    Code = "append_only"
	CodeBadStep       Code = "bad_step"
	CodeNotFound      Code = "not_found"
	CodeForbidden     Code = "forbidden"
	CodeDuplicateRef  Code = "duplicate_ref"
	CodeForked        Code = "forked"
	CodeTooLarge      Code = "too_large"
	CodeNoTime        Code = "no_time"
	CodeGroup         Code = "group" // another op of the same group was refused
)

// Refusal says why a change can never be accepted as it stands: what, where,
// and in the message what would be right. It is an error where it must be one
// and a plain value where a refusal is an expected answer.
type Refusal struct {
	Code    Code   `json:"code"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// Error is "field: message".
func (r *Refusal) Error() string {
	if r.Field == "" {
		return r.Message
	}
	return r.Field + ": " + r.Message
}

func refuse(code Code, field, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// MaxOpBytes bounds the text of one op: the sum over its fields.
const MaxOpBytes = 64 << 10

// MaxFields bounds the fields of one op, and so the registers that it can touch.
const MaxFields = 200

// Check refuses an op that no server may accept, whatever it holds, and
// otherwise brings its values to their normal form in place: text to Unicode
// NFC, whole reals to float64. It looks at the op alone, never at the record.
func Check(o *Op) *Refusal {
	if _, ok := schemas[o.Kind]; !ok {
		return refuse(CodeUnknownKind, "entity_type", "%q is not a kind of record; use task, checklist_item, note, time_entry or site", clip(string(o.Kind)))
	}
	if o.Action != Insert && o.Action != Update && o.Action != Delete {
		return refuse(CodeUnknownAction, "action", "%q is not an action; use INSERT, UPDATE or DELETE", clip(string(o.Action)))
	}
	id, err := uuid.Parse(o.Entity)
	if err != nil || len(o.Entity) != 36 {
		return refuse(CodeBadID, "entity_id", "%q is not a UUID", clip(o.Entity))
	}
	o.Entity = id.String()
	if o.Kind == Note && o.Action != Insert {
		return refuse(CodeAppendOnly, "", "a note is never changed or taken back; write another one")
	}
	if o.Time() <= 0 && !hasTime(o) {
		return refuse(CodeNoTime, UpdatedAt, "the change does not say when it happened (milliseconds since 1970)")
	}
	if o.Action == Delete {
		return nil
	}
	return CheckFields(o.Kind, o.Action, o.Fields)
}

// hasTime tells a time of 0 or less that was given (a dead clock's, which is
// corrected, never refused) from none at all.
func hasTime(o *Op) bool {
	_, given := o.Fields[UpdatedAt].(int64)
	return given || o.CreatedAt != 0
}

// CheckFields refuses fields that the kind does not allow and brings the
// others to their normal form in place. On INSERT every required field must be there.
func CheckFields(kind Kind, action Action, fields Fields) *Refusal {
	if len(fields) > MaxFields {
		return refuse(CodeTooLarge, "", "the change holds %d fields; at most %d", len(fields), MaxFields)
	}
	total := 0
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names) // the same refusal for the same op, every time
	for _, name := range names {
		v, r := checkField(kind, action, name, fields[name])
		if r != nil {
			return r
		}
		fields[name] = v
		if s, ok := v.(string); ok {
			total += len(s)
		}
	}
	if total > MaxOpBytes {
		return refuse(CodeTooLarge, "", "the change holds %d bytes of text; at most %d", total, MaxOpBytes)
	}
	if action == Insert {
		for _, f := range schemas[kind] {
			if f.Required && fields[f.Name] == nil {
				return refuse(CodeRequired, f.Name, "a new %s needs it", Word(kind))
			}
		}
	}
	return nil
}

func checkField(kind Kind, action Action, name string, v any) (any, *Refusal) {
	switch name {
	case UpdatedAt:
		if _, ok := v.(int64); !ok {
			return nil, refuse(CodeBadValue, name, "is a time: whole milliseconds since 1970 UTC")
		}
		return v, nil
	case Deleted: // the register of deletion: false brings a deleted record back
		if b, ok := v.(bool); !ok || b || action == Insert {
			return nil, refuse(CodeBadValue, name, "may only be false, in an UPDATE that brings a deleted record back; to delete, send DELETE")
		}
		return v, nil
	}
	f, ok := FieldOf(kind, name)
	if !ok {
		return nil, refuse(CodeUnknownField, clip(name), "a %s has no such field", Word(kind))
	}
	if f.Derived {
		return nil, refuse(CodeDerived, name, "is given by the server and cannot be set")
	}
	if v == nil {
		if f.Required {
			return nil, refuse(CodeRequired, name, "cannot be emptied")
		}
		return nil, nil
	}
	return f.Normal(v)
}

// Normal refuses a value that the field cannot hold, or returns its normal form.
func (f Field) Normal(v any) (any, *Refusal) {
	switch f.Type {
	case Text, Long, ID:
		s, ok := v.(string)
		if !ok {
			return nil, refuse(CodeBadValue, f.Name, "is text, not %v", v)
		}
		return f.normalText(s)
	case Int, Time:
		i, ok := v.(int64)
		if !ok {
			return nil, refuse(CodeBadValue, f.Name, "is a whole number, not %s", clip(fmt.Sprint(v)))
		}
		if f.Type == Int && i < 0 {
			return nil, refuse(CodeBadValue, f.Name, "cannot be negative")
		}
		return i, nil
	case Real:
		x, ok := Fields{"v": v}.Real("v")
		if !ok || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, refuse(CodeBadValue, f.Name, "is a number, not %s", clip(fmt.Sprint(v)))
		}
		return f.normalReal(x)
	case Bool:
		if _, ok := v.(bool); !ok {
			return nil, refuse(CodeBadValue, f.Name, "is true or false, not %s", clip(fmt.Sprint(v)))
		}
		return v, nil
	}
	if s, ok := v.(string); ok { // Scalar
		return Field{Name: f.Name, Type: Long}.normalText(s)
	}
	return v, nil
}

func (f Field) normalReal(x float64) (any, *Refusal) {
	limit := map[string]float64{"lat": 90, "lon": 180}[f.Name]
	if limit > 0 && math.Abs(x) > limit {
		return nil, refuse(CodeBadValue, f.Name, "%v is not on the earth; use degrees from %v to %v", x, -limit, limit)
	}
	return x, nil
}

func (f Field) normalText(s string) (any, *Refusal) {
	s = norm.NFC.String(s)
	check := cleanLine
	if f.Type == Long {
		check = cleanLong
	}
	if err := check(s); err != nil {
		return nil, refuse(CodeBadText, f.Name, "%s", err)
	}
	if f.Required && strings.TrimSpace(s) == "" {
		return nil, refuse(CodeRequired, f.Name, "cannot be empty")
	}
	switch {
	case f.Type == ID:
		id, err := uuid.Parse(s)
		if err != nil || len(s) != 36 {
			return nil, refuse(CodeBadID, f.Name, "%q is not a UUID", clip(s))
		}
		return id.String(), nil
	case f.Type == Long && len(s) > MaxLong:
		return nil, refuse(CodeTooLong, f.Name, "holds %d bytes; at most %d", len(s), MaxLong)
	case f.Type == Text && utf8.RuneCountInString(s) > MaxLine:
		return nil, refuse(CodeTooLong, f.Name, "holds %d characters; at most %d", utf8.RuneCountInString(s), MaxLine)
	case f.Values != nil && !slices.Contains(f.Values, s):
		return nil, refuse(CodeBadValue, f.Name, "%q is none of %s", clip(s), strings.Join(f.Values, ", "))
	}
	return s, nil
}

func cleanLine(s string) error { return clean(s, "") }
func cleanLong(s string) error { return clean(s, "\t\n") }

// clean refuses what could steer a terminal or hide text from a reader:
// broken UTF-8, C0 and C1 controls, DEL, and the bidirectional controls.
func clean(s, allowed string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("is not valid UTF-8")
	}
	for i, r := range s {
		if (unicode.IsControl(r) || isBidiControl(r)) && !strings.ContainsRune(allowed, r) {
			return fmt.Errorf("holds the control character U+%04X at byte %d", r, i+1)
		}
	}
	return nil
}

func isBidiControl(r rune) bool {
	return r == 0x061C || r == 0x200E || r == 0x200F || (r >= 0x202A && r <= 0x202E) || (r >= 0x2066 && r <= 0x2069)
}

// Clean makes any text safe to store and to show: NFC, carriage returns folded
// into line breaks, everything that [Check] refuses taken out. With long false
// line breaks and tabs become blanks.
func Clean(s string, long bool) string {
	if plain(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			if long {
				return r
			}
			return ' '
		case r == 0x2028 || r == 0x2029: // Unicode's own line breaks, which end a run of right-to-left text too
			if long {
				return '\n'
			}
			return ' '
		case unicode.IsControl(r) || isBidiControl(r):
			return -1
		}
		return r
	}, s)
	return norm.NFC.String(s)
}

// Word is what people call a kind.
func Word(kind Kind) string { return strings.ReplaceAll(string(kind), "_", " ") }

func clip(s string) string {
	s = Clean(s, false)
	if utf8.RuneCountInString(s) <= 40 {
		return s
	}
	return string([]rune(s)[:39]) + "…"
}
