package exchange

import (
	"strconv"
	"strings"
)

// words is a table of what a file's words mean. The first line that fits counts.
type words struct{ lines []wordLine }

type wordLine struct {
	from string // in lower case; "*" fits everything, "<60" and ">5" fit numbers
	to   string
}

// parseWords reads "A=B,C=D".
func parseWords(text string) (*words, error) {
	w := &words{}
	for _, line := range strings.Split(text, ",") {
		at := strings.LastIndexByte(line, '=')
		if at < 0 {
			return nil, cure("write VALUE=MEANING, parted by commas", "%s does not say what it means", quote(line))
		}
		from := strings.ToLower(strings.TrimSpace(line[:at]))
		if from == "" {
			return nil, cure("write VALUE=MEANING, parted by commas", "%s does not say which value is meant", quote(line))
		}
		w.lines = append(w.lines, wordLine{from, strings.TrimSpace(line[at+1:])})
	}
	return w, nil
}

// look finds what a value means.
func (w *words) look(value string) (meaning string, ok bool) {
	if w == nil {
		return "", false
	}
	low := strings.ToLower(value)
	for _, l := range w.lines {
		if l.fits(low) {
			return l.to, true
		}
	}
	return "", false
}

func (l wordLine) fits(low string) bool {
	if l.from == low || l.from == "*" {
		return true
	}
	if l.from[0] != '<' && l.from[0] != '>' {
		return false
	}
	bound, err := strconv.ParseFloat(strings.TrimSpace(l.from[1:]), 64)
	x, err2 := strconv.ParseFloat(low, 64)
	return err == nil && err2 == nil && (l.from[0] == '<' && x < bound || l.from[0] == '>' && x > bound)
}

// addWords takes one --values argument, "FIELD:A=B,C=D".
func (m *mapping) addWords(arg string) error {
	field, table, ok := strings.Cut(arg, ":")
	if !ok {
		return cure(`--values "priority:1 - Critical=emergency,2 - High=high"`, "%s does not say FIELD:VALUE=MEANING", quote(arg))
	}
	field = canonical(strings.TrimSpace(field))
	w, err := parseWords(table)
	if err != nil {
		return err
	}
	if old := m.words[field]; old != nil {
		old.lines = append(old.lines, w.lines...)
		return nil
	}
	m.words[field] = w
	return nil
}
