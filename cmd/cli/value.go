package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// ParseValue reads a value as its field's type asks; nothing empties the field.
// A time is ms since 1970, or what [localdb.ParseWhen] reads.
func ParseValue(f op.Field, text string, now time.Time) (v any, err error) {
	if text == "" {
		return nil, nil
	}
	what := ""
	switch f.Type {
	case op.Time:
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 1e11 {
			return ms, nil
		}
		if v, err = parseTime(f.Name, text, now); err != nil {
			what, hint, _ := strings.Cut(err.Error(), "; ")
			refusal := &op.Refusal{Code: op.CodeBadValue, Field: f.Name, Message: what}
			return nil, &localdb.Error{Message: refusal.Error(), Hint: strings.TrimPrefix(hint, "try: "), Cause: refusal}
		}
	case op.Int:
		v, err = strconv.ParseInt(text, 10, 64)
		what = "no whole number"
	case op.Real:
		v, err = strconv.ParseFloat(text, 64)
		what = "no number"
	case op.Bool:
		v, err = strconv.ParseBool(text)
		what = "neither true nor false"
	default:
		if f.Name == "status" {
			text = strings.ToUpper(text)
		}
		return text, nil
	}
	if err != nil {
		return nil, &op.Refusal{Code: op.CodeBadValue, Field: f.Name, Message: fmt.Sprintf("%q is %s", text, what)}
	}
	return v, nil
}

// parseTime reads a time. A day alone is the start of that day, but for what is due
// or ends then it is the day's last minute, as in a file that is imported.
func parseTime(field, text string, now time.Time) (int64, error) {
	parse := localdb.ParseStart
	if field == "due_at" || field == "window_end" {
		parse = localdb.ParseWhen
	}
	t, err := parse(text, now)
	return t.UnixMilli(), err
}

// natural are names that people have for fields of a task.
var natural = map[string]string{
	"due": "due_at", "for": "assignee", "contact": "contact_name", "phone": "contact_phone", "recipient": "recipient_name",
	"ref": "external_ref", "estimate": "estimate_minutes", "parent": "parent_id",
}

// FieldName is the field that a person means: in any case, with - for _, and a
// task's by what it is called on the screen too.
func FieldName(kind op.Kind, name string) string {
	plain := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	if full := natural[plain]; full != "" && kind == op.Task {
		return full
	}
	if _, known := op.FieldOf(kind, name); !known {
		return plain
	}
	return name
}

// UnknownField refuses a field and names those that there are, by their short names
// too; also are those that only the caller knows.
func UnknownField(kind op.Kind, name string, also ...string) error {
	var names []string
	for _, f := range op.SchemaOf(kind) {
		if !f.Derived {
			names = append(names, f.Name)
		}
	}
	hint := "one of " + strings.Join(names, ", ") + ", tag.NAME, x.NAME"
	if kind == op.Task {
		hint += "; in short: " + strings.Join(slices.Sorted(slices.Values(slices.AppendSeq(also, maps.Keys(natural)))), ", ")
	}
	return &localdb.Error{Message: fmt.Sprintf("a %s has no field %q", op.Word(kind), name), Hint: hint}
}
