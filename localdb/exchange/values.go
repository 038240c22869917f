package exchange

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"example.com/punchlist/sync/op"
)

// convert turns a cell's text into what the field holds. The refusal says what
// was not understood and, where there is one, the way out.
func (m *mapping) convert(a assignment, text string) (any, error) {
	plainText, marked := takeApostrophe(text)
	if to, ok := m.words[a.name()].look(plainText); ok {
		plainText = to
	}
	v, err := m.typed(a.field, plainText)
	if err != nil {
		return nil, err
	}
	if a.field.Type == op.Scalar && !marked {
		if original, ok := unquoteScalar(plainText); ok {
			v = original
		} else {
			v = scalarOf(plainText)
		}
	}
	if s, ok := v.(string); ok && a.field.Type != op.Long && a.field.Type != op.Scalar {
		v = oneLine(s)
	}
	if a.field.Name == idName {
		return v, nil
	}
	fields := op.Fields{a.field.Name: v}
	if r := op.CheckFields(a.kind, op.Update, fields); r != nil {
		return nil, r
	}
	return fields[a.field.Name], nil
}

func (m *mapping) typed(f op.Field, text string) (any, error) {
	switch f.Type {
	case op.Time:
		return m.clock.parse(f.Name, text)
	case op.Int:
		i, err := strconv.ParseInt(strings.TrimSuffix(text, ".0"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %s is no whole number", f.Name, quote(text))
		}
		return i, nil
	case op.Real:
		return parseReal(f.Name, text)
	case op.Bool:
		b, ok := truth(text)
		if !ok {
			return nil, fmt.Errorf("%s: %s is neither yes nor no", f.Name, quote(text))
		}
		return b, nil
	}
	text = lineBreaks(text)
	if f.Values == nil {
		return text, nil
	}
	for _, v := range f.Values {
		if plain(v) == plain(text) {
			return v, nil
		}
	}
	if m.fixed {
		return nil, fmt.Errorf("%s: %s is none of %s", f.Name, quote(text), strings.Join(f.Values, ", "))
	}
	return nil, fmt.Errorf("%s: %s is none of %s; --values \"%s:%s=%s\" says what it means",
		f.Name, quote(text), strings.Join(f.Values, ", "), f.Name, clip(text), f.Values[0])
}

// parseReal reads 50.94 and the 50,94 of half of Europe, which no latitude can
// mean otherwise.
func parseReal(name, text string) (any, error) {
	if strings.Count(text, ",") == 1 && !strings.Contains(text, ".") {
		text = strings.Replace(text, ",", ".", 1)
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: %s is no number", name, quote(text))
	}
	return x, nil
}

func truth(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "1", "x", "on":
		return true, true
	case "false", "f", "no", "n", "0", "off":
		return false, true
	}
	return false, false
}

// oneLine folds what a spreadsheet wrapped in its cell. Other control
// characters stay, to be refused with their place.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n\t") {
		return strings.TrimSpace(s)
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\r' || r == '\n' || r == '\t' }), " ")
}

func lineBreaks(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// jsonNumber is a number as JSON writes it. "007" and "1e5" are text: a key or
// a part's name that looked like a number would come back changed.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// scalarOf is what a cell holds where a field may hold anything: a number
// when it is written just as JSON would, a truth in any case, else the text.
func scalarOf(text string) any {
	switch {
	case strings.EqualFold(text, "true"): // a spreadsheet writes TRUE
		return true
	case strings.EqualFold(text, "false"):
		return false
	case jsonNumber.MatchString(text):
		var f op.Fields
		if json.Unmarshal([]byte(`{"v":`+text+`}`), &f) == nil && writeScalar(f["v"]) == text {
			return f["v"]
		}
	}
	return text
}

// writeScalar is a number or a truth as [scalarOf] reads it.
func writeScalar(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return fmt.Sprint(v)
}

// splitTags parts a cell of tags at commas, semicolons and blanks.
func splitTags(text string) []string {
	tags := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
	slices.Sort(tags)
	return slices.Compact(tags)
}

// A spreadsheet runs a cell that begins with one of these as a formula. The
// apostrophe in front keeps it text, and is taken away again on the way in; a
// text that begins with apostrophes before one of these gets one more, so that
// exactly one is always taken.
var (
	formulaStart = regexp.MustCompile("^'*[=+\\-@\t\r]")
	apostrophed  = regexp.MustCompile("^'+[=+\\-@\t\r]")
	quotedScalar = regexp.MustCompile(`^'+((?i:true|false)|-?[0-9]+(\.[0-9]+)?)$`)
)

// giveApostrophe makes text safe for a spreadsheet.
func giveApostrophe(s string) string {
	if formulaStart.MatchString(s) {
		return "'" + s
	}
	return s
}

// takeApostrophe undoes giveApostrophe, and says whether it had been there.
func takeApostrophe(s string) (string, bool) {
	if apostrophed.MatchString(s) {
		return s[1:], true
	}
	return s, false
}

// quoteScalar marks a text that would be read back as a number or a truth.
func quoteScalar(s string) string {
	if quotedScalar.MatchString("'" + s) {
		return "'" + s
	}
	return giveApostrophe(s)
}

// unquoteScalar undoes it.
func unquoteScalar(s string) (string, bool) {
	if quotedScalar.MatchString(s) {
		return s[1:], true
	}
	return s, false
}
