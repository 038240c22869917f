package op

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Fields travel and are stored as JSON, thousands of them in one exchange, and
// almost all are plain: an object of numbers and of texts that need no escape.
// Those are read and written here, a good deal faster than by reflection. What is
// not plain goes to encoding/json, so that both ways say the same of everything.

// ParseFields reads fields as they were stored; see [Fields.UnmarshalJSON].
func ParseFields(text string) (f Fields, err error) {
	if f, ok := readPlain(text); ok {
		return f, nil
	}
	err = json.Unmarshal([]byte(text), &f)
	return f, err
}

// UnmarshalJSON reads an object, or that object inside a JSON string (the plain
// form of the protocol). Whole numbers become int64, others float64; a list or
// an object as a value is an error, because a field is a scalar.
func (f *Fields) UnmarshalJSON(b []byte) error {
	if out, ok := readPlain(string(b)); ok {
		*f = out
		return nil
	}
	if !utf8.Valid(b) { // encoding/json would put U+FFFD in its place, unsaid
		return fmt.Errorf("fields: not valid UTF-8")
	}
	if len(b) > 0 && b[0] == '"' {
		var inner string
		if err := json.Unmarshal(b, &inner); err != nil {
			return err
		}
		b = []byte(inner)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return fmt.Errorf("fields: %w", err)
	}
	if raw == nil {
		*f = nil
		return nil
	}
	out := make(Fields, len(raw))
	for name, v := range raw {
		val, err := scalar(v)
		if err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
		out[name] = val
	}
	*f = out
	return nil
}

func scalar(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	switch raw[0] {
	case '{', '[':
		return nil, fmt.Errorf("holds a list or an object; a field is text, a number, true, false or null")
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case 'n':
		return nil, nil
	}
	var i int64
	if err := json.Unmarshal(raw, &i); err == nil {
		return i, nil
	}
	var x float64
	if err := json.Unmarshal(raw, &x); err != nil {
		return nil, err
	}
	if x == float64(int64(x)) && x < 1<<53 && x > -1<<53 {
		return int64(x), nil // 1e3 and 1000.0 are the whole number 1000
	}
	return x, nil
}

// readPlain reads an object without blanks, escapes and fractions; false for any
// other text, and for what is no JSON. The values are parts of the text.
func readPlain(s string) (Fields, bool) {
	if len(s) < 2 || s[0] != '{' || !utf8.ValidString(s) {
		return nil, false
	}
	if s == "{}" {
		return Fields{}, true
	}
	out := make(Fields, 8)
	for rest := s[1:]; ; rest = rest[1:] {
		name, after, ok := readText(rest)
		if !ok || len(after) == 0 || after[0] != ':' {
			return nil, false
		}
		v, after, ok := readScalar(after[1:])
		if !ok || len(after) == 0 {
			return nil, false
		}
		out[name] = v
		if rest = after; rest[0] != ',' {
			return out, rest == "}"
		}
	}
}

// readText reads a text in quotes that holds no escape.
func readText(s string) (text, rest string, ok bool) {
	if len(s) == 0 || s[0] != '"' {
		return "", s, false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[1:i], s[i+1:], true
		case c == '\\' || c < ' ':
			return "", s, false
		}
	}
	return "", s, false
}

func readScalar(s string) (v any, rest string, ok bool) {
	if len(s) == 0 {
		return nil, s, false
	}
	switch s[0] {
	case '"':
		return readText(s)
	case 't':
		return true, s[min(4, len(s)):], len(s) > 4 && s[:4] == "true"
	case 'f':
		return false, s[min(5, len(s)):], len(s) > 5 && s[:5] == "false"
	case 'n':
		return nil, s[min(4, len(s)):], len(s) > 4 && s[:4] == "null"
	}
	return readWhole(s)
}

// readWhole reads a whole number that surely is an int64.
func readWhole(s string) (v any, rest string, ok bool) {
	digits := s
	if s[0] == '-' {
		digits = s[1:]
	}
	n, i := int64(0), 0
	for ; i < len(digits) && digits[i] >= '0' && digits[i] <= '9'; i++ {
		if i == 18 {
			return nil, s, false
		}
		n = 10*n + int64(digits[i]-'0')
	}
	if i == 0 || i > 1 && digits[0] == '0' || i < len(digits) && (digits[i] == '.' || digits[i]|0x20 == 'e') {
		return nil, s, false
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n, digits[i:], true
}

// MarshalJSON writes what encoding/json writes of a map: the names in the order
// of their bytes.
func (f Fields) MarshalJSON() ([]byte, error) {
	return f.AppendJSON(make([]byte, 0, 32*len(f)+2))
}

// AppendJSON appends what MarshalJSON writes. An error is a number that JSON has
// no way to write.
func (f Fields) AppendJSON(b []byte) (_ []byte, err error) {
	if f == nil {
		return append(b, "null"...), nil
	}
	var room [32]string
	names := slices.AppendSeq(room[:0], maps.Keys(f))
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendScalar(append(AppendText(b, name), ':'), f[name]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendScalar(b []byte, v any) ([]byte, error) {
	switch x := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, x), nil
	case int64:
		return strconv.AppendInt(b, x, 10), nil
	case string:
		return AppendText(b, x), nil
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}

// AppendText appends a text as encoding/json writes it, quotes included.
func AppendText(b []byte, text string) []byte {
	if plain(text) && !escaped(text) {
		return append(append(append(b, '"'), text...), '"')
	}
	quoted, _ := json.Marshal(text) // text has no way to fail
	return append(b, quoted...)
}

// escaped tells whether encoding/json would write a plain text otherwise than as it is.
func escaped(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '"', '\\', '<', '>', '&':
			return true
		}
	}
	return false
}

// plain tells whether a text is printable ASCII, as most are.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
