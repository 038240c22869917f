package localdb

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"example.com/punchlist/sync/op"
)

// Filter is what the list is narrowed to. The zero value shows everything.
type Filter struct {
	text  string
	where string // " AND …" over tasks t
	args  []any
	words []string // those that a task must hold, lower case
}

// String is the filter as it was written.
func (f Filter) String() string { return f.text }

// ParseFilter reads the filter language. Terms are joined by and:
//
//	pump boiler            each word in title, description, number, site or asset
//	status:open            not ended; or any status, in any case
//	due:today due:<2026-12-01 due:none
//	priority:high,emergency   one of several
//	assignee:me site:BLD22 tag:urgent type:repair asset:… crew:… ref:… x.NAME:…
//	is:pending is:parked is:conflict is:merged
//	-status:completed      all but
//	"two words"            exactly so
//
// now gives today its meaning, me is the user's name. An error names the word
// that makes no sense and why.
func ParseFilter(text string, now time.Time, me string) (Filter, error) {
	text = op.Clean(text, false) // a NUL would end the path by which a field of its own is found
	f := Filter{text: strings.TrimSpace(text)}
	words, err := splitWords(f.text)
	if err != nil {
		return f, err
	}
	for _, w := range words {
		negate := false
		if rest, ok := strings.CutPrefix(w.text, "-"); ok && !w.quoted && rest != "" {
			negate, w.text = true, rest
		}
		where, args, err := term(w, now, me)
		if err != nil {
			return Filter{text: f.text}, err
		}
		if !negate && (w.quoted || !strings.Contains(w.text, ":")) {
			f.words = append(f.words, args[0].(string))
		}
		if negate {
			where = "NOT coalesce(" + where + ", 0)"
		}
		f.where += " AND (" + where + ")"
		f.args = append(f.args, args...)
	}
	return f, nil
}

type word struct {
	text   string
	quoted bool
}

func splitWords(s string) ([]word, error) {
	var out []word
	var cur strings.Builder
	inQuotes, quoted := false, false
	flush := func() {
		if cur.Len() > 0 {
			out = append(out, word{cur.String(), quoted})
		}
		cur.Reset()
		quoted = false
	}
	for _, r := range s {
		switch {
		case r == '"':
			if cur.Len() == 0 {
				quoted = true
			}
			inQuotes = !inQuotes
		case unicode.IsSpace(r) && !inQuotes:
			flush()
		default:
			cur.WriteRune(r)
		}
	}
	if inQuotes {
		return nil, &Error{Message: "the filter has an opening quote and no closing one", Hint: `write "two words" with both`}
	}
	flush()
	return out, nil
}

func badTerm(w, why, hint string) error {
	return &Error{Message: fmt.Sprintf("%q makes no sense in a filter: %s", op.Clean(w, false), why), Hint: hint}
}

// columnTerms: words before the colon that name a column of tasks.
var columnTerms = map[string]string{
	"number": "t.number", "type": "t.type", "priority": "t.priority", "assignee": "t.assignee",
	"asset": "t.asset", "crew": "t.crew", "ref": "t.external_ref", "external_ref": "t.external_ref", "reason": "t.reason",
}

func term(w word, now time.Time, me string) (string, []any, error) {
	name, value, found := strings.Cut(w.text, ":")
	if !found || w.quoted {
		return searchTerm(w.text)
	}
	key := strings.ToLower(name)
	if value == "" {
		return "", nil, badTerm(w.text, "nothing stands behind the colon", "for example status:open")
	}
	values := strings.Split(value, ",")
	switch {
	case key == "status":
		return statusTerm(w.text, values)
	case key == "due":
		return dueTerm(w.text, value, now)
	case key == "is":
		return isTerm(w.text, values)
	case key == "site":
		return inTerm("(SELECT s.code FROM sites s WHERE s.id = t.site_id)", values)
	case key == "tag":
		return tagTerm(values)
	case strings.HasPrefix(key, op.CustomPrefix):
		return `CAST(json_extract(t.extra, '$."' || ? || '"') AS TEXT) = ? COLLATE NOCASE`, []any{name, value}, nil
	case key == "assignee":
		for i, v := range values {
			if v == "me" {
				values[i] = me
			}
		}
		return assigneeTerm(values)
	case columnTerms[key] != "":
		if allowed := map[string][]string{"type": op.TaskTypes, "priority": op.Priorities}[key]; allowed != nil {
			for _, v := range values {
				if !slices.Contains(allowed, strings.ToLower(v)) {
					return "", nil, badTerm(w.text, fmt.Sprintf("%q is no %s", v, key), "use one of "+strings.Join(allowed, ", "))
				}
			}
		}
		return inTerm(columnTerms[key], values)
	}
	return "", nil, badTerm(w.text, fmt.Sprintf("there is nothing called %q to look at", name),
		`use status, due, priority, assignee, site, tag, type, asset, number, ref, crew or is; a colon in text goes in quotes: "`+w.text+`"`)
}

func searchTerm(text string) (string, []any, error) {
	text = strings.ToLower(op.Clean(text, false))
	return "instr(t.search, ?) > 0 OR t.site_id IN (SELECT id FROM sites WHERE instr(search, ?) > 0)", []any{text, text}, nil
}

func tagTerm(values []string) (string, []any, error) {
	parts, args := make([]string, len(values)), make([]any, len(values))
	for i, v := range values {
		parts[i], args[i] = `coalesce(json_extract(t.extra, '$."tag.' || ? || '"'), 0) = 1`, strings.ToLower(v)
	}
	return strings.Join(parts, " OR "), args, nil
}

func inTerm(column string, values []string) (string, []any, error) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return column + " COLLATE NOCASE IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ") + ")", args, nil
}

func assigneeTerm(values []string) (string, []any, error) {
	if slices.Contains(values, "none") {
		return "t.assignee IS NULL", nil, nil
	}
	return inTerm("t.assignee", values)
}

func statusTerm(whole string, values []string) (string, []any, error) {
	var names []string
	for _, v := range values {
		switch s := op.Status(strings.ToUpper(strings.ReplaceAll(v, "-", "_"))); {
		case v == "open":
			names = append(names, "PENDING", "EN_ROUTE", "IN_PROGRESS", "ON_HOLD")
		case v == "ended" || v == "done":
			names = append(names, "COMPLETED", "INCOMPLETE", "CANCELLED", "CLOSED")
		case slices.Contains(op.Statuses, s):
			names = append(names, string(s))
		default:
			return "", nil, badTerm(whole, fmt.Sprintf("%q is no status", v), "use open, ended, pending, en_route, in_progress, on_hold, completed, incomplete, cancelled or closed")
		}
	}
	return inTerm("t.status", names)
}

func isTerm(whole string, values []string) (string, []any, error) {
	var parts []string
	for _, v := range values {
		switch v {
		case "pending", "parked":
			parts = append(parts, "t.id IN (SELECT task_id FROM sync_queue WHERE state = '"+v+"')")
		case "conflict":
			parts = append(parts, "t.id IN (SELECT task_id FROM conflicts WHERE state = 'open')")
		case "merged":
			parts = append(parts, "t.id IN (SELECT task_id FROM heard WHERE merged = 1)")
		default:
			return "", nil, badTerm(whole, fmt.Sprintf("%q is nothing a task can be", v), "use is:pending, is:parked, is:conflict or is:merged")
		}
	}
	return strings.Join(parts, " OR "), nil, nil
}

// dueTerm compares with days: due:today, due:<2026-12-01, due:1.12.2026, due:>=tomorrow.
func dueTerm(whole, value string, now time.Time) (string, []any, error) {
	if value == "none" {
		return fmt.Sprintf("t.due_key = %d", int64(noDue)), nil, nil
	}
	if value == "overdue" {
		return "t.due_key < ? AND t.status NOT IN ('COMPLETED','INCOMPLETE','CANCELLED','CLOSED')", []any{now.UnixMilli()}, nil
	}
	cmp := "="
	for _, c := range []string{"<=", ">=", "<", ">"} {
		if rest, ok := strings.CutPrefix(value, c); ok {
			cmp, value = c, rest
			break
		}
	}
	day, ok := parseDay(strings.ToLower(value), now)
	if !ok {
		return "", nil, badTerm(whole, fmt.Sprintf("%q is no day", value), "use today, tomorrow, yesterday, overdue, none or a day like 1.12.2026 or 2026-12-01, with < <= > >= before it if you like")
	}
	day = onDay(day, 0, firstMinute)
	from, to := day.UnixMilli(), day.AddDate(0, 0, 1).UnixMilli()
	switch cmp {
	case "<":
		return "t.due_key < ?", []any{from}, nil
	case "<=":
		return "t.due_key < ?", []any{to}, nil
	case ">":
		return "t.due_key >= ? AND t.due_key <> ?", []any{to, int64(noDue)}, nil
	case ">=":
		return "t.due_key >= ? AND t.due_key <> ?", []any{from, int64(noDue)}, nil
	}
	return "t.due_key >= ? AND t.due_key < ?", []any{from, to}, nil
}
