package tui

import (
	"regexp"
	"slices"
	"strings"

	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/x/ansi"
)

// text is the only way for a string from outside to the screen: one line of it,
// without control, escape and bidi characters, and in ASCII where the terminal
// shows no more than that.
func (a *App) text(s string) string {
	s = op.Clean(s, false)
	if a.o.ASCII {
		s = toASCII(s)
	}
	return s
}

// block is [App.text] for long text: its lines, wrapped to w cells.
func (a *App) block(s string, w int) []string {
	s = strings.ReplaceAll(op.Clean(s, true), "\t", "    ")
	if a.o.ASCII {
		s = toASCII(s)
	}
	return wrap(strings.TrimRight(s, "\n "), w)
}

// toASCII keeps the width: one sign for each cell that cannot be shown.
func toASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r == '\u2026':
			b.WriteByte('~')
		default:
			b.WriteString(strings.Repeat("?", ansi.StringWidth(string(r))))
		}
	}
	return b.String()
}

// width is how many cells a string takes.
func width(s string) int { return ansi.StringWidth(s) }

// cut shortens to w cells and marks that it did.
func (a *App) cut(s string, w int) string {
	if w <= 0 {
		return ""
	}
	return ansi.Truncate(s, w, a.st.glyphs.cut)
}

// cell is a column: exactly w cells.
func (a *App) cell(s string, w int) string {
	s = a.cut(s, w)
	return s + strings.Repeat(" ", max(0, w-width(s)))
}

// right is a column whose text stands at its right edge.
func (a *App) right(s string, w int) string {
	s = a.cut(s, w)
	return strings.Repeat(" ", max(0, w-width(s))) + s
}

// wrap breaks text into lines of at most w cells, between words where it can.
func wrap(s string, w int) []string {
	if w < 1 {
		return nil
	}
	held := innerHyphen.ReplaceAllString(s, "${1}"+heldHyphen)
	if strings.Contains(s, heldHyphen) {
		held = s
	}
	lines := strings.Split(ansi.Wrap(held, w, ""), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
		if held != s {
			lines[i] = strings.ReplaceAll(lines[i], heldHyphen, "-")
		}
	}
	return lines
}

// innerHyphen is a hyphen within a word, a date or a task's number: no line ends
// there. While the text is broken it is heldHyphen, as wide as one and no break.
var innerHyphen = regexp.MustCompile(`(\w)-\b`)

const heldHyphen = "\u2011"

// fit makes a frame of any lines: exactly h of them, none wider than w cells.
func fit(lines []string, w, h int) []string {
	out := make([]string, h)
	for i := range min(h, len(lines)) {
		l := lines[i]
		if width(l) > w {
			l = ansi.Truncate(l, w, "")
		}
		out[i] = strings.TrimRight(l, " ")
	}
	return out
}

// label is "name   value" with the names in one column.
func (a *App) label(name, value string) string {
	if value == "" {
		return ""
	}
	return a.cell(name, 9) + value
}

// indent puts the same blanks before each line.
func indent(lines []string, by string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = by + l
	}
	return out
}

// plural is "1 task", "2 tasks".
func plural(n int, one, many string) string {
	if n == 1 {
		return itoa(n) + " " + one
	}
	return itoa(n) + " " + many
}

// sorted is a slice in order, itself.
func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// joinLines are lines of text without the empty ones.
func joinLines(lines []string) string {
	lines = slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.TrimSpace(l) == "" })
	return strings.Join(lines, "\n") + "\n"
}

// plainLines are lines as they are copied: without looks.
func plainLines(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = ansi.Strip(l)
	}
	return out
}

// scrolled are the lines from the place on, as far as there is room, and how
// many are below; the place is brought back where it is behind the last page.
func scrolled(lines []string, from *int, h int) []string {
	*from = max(0, min(*from, len(lines)-h))
	lines = lines[*from:]
	if len(lines) > h && h > 0 {
		lines = append(lines[:h-1:h-1], "-- "+plural(len(lines)-h+1, "line", "lines")+" more below: j --")
	}
	return lines
}

// hanging breaks lines that are too long between words and sets off what follows.
func hanging(lines []string, w int) []string {
	var out []string
	for _, l := range lines {
		if width(l) <= w {
			out = append(out, l)
			continue
		}
		parts := wrap(l, max(1, w-4))
		out = append(append(out, parts[0]), indent(parts[1:], "    ")...)
	}
	return out
}
