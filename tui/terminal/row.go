package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// maxCluster bounds the bytes of one cell: hostile text piles hundreds of
// accents on a letter.
const maxCluster = 32

// cell is one column of a line. A wide character fills two: the right one has
// width 0 and no text.
type cell struct {
	text  string
	style style
	width int8
	// risky marks text of which terminals disagree how wide it is: nothing
	// after it may rely on where the cursor stands.
	risky bool
}

var blank = cell{text: " ", width: 1}

// row is one line of a frame as cells, always as many as the screen is wide.
// A row is never changed once made, so equal pointers mean equal lines.
type row struct {
	raw     string
	in, out style // before its first and after its last byte
	cells   []cell
	end     int // the cells from here on are blank
}

// parseRow lays out one line of a frame. The line starts in the style that the
// line before it ended with. What does not fit is cut; everything that is
// neither printable text nor SGR is dropped.
func parseRow(raw string, in style, width int) *row {
	r := &row{raw: raw, in: in, cells: make([]cell, 0, width)}
	st, full := in, false
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == 0x1b:
			n, params := skipEscape(raw[i:])
			if params != "" {
				st = st.apply(params[1:])
			}
			i += n
		case c < ' ' || c == 0x7f:
			i++
		case c < 0x80 && (i+1 == len(raw) || raw[i+1] < 0x80):
			full = full || !r.put(cell{text: raw[i : i+1], style: st, width: 1}, width)
			i++
		default:
			next, n := nextCell(raw[i:], st, width-len(r.cells))
			if next.width > 0 {
				full = full || !r.put(next, width)
			}
			i += n
		}
	}
	r.out = st
	for len(r.cells) < width {
		r.cells = append(r.cells, blank)
	}
	return r
}

// put appends a cell, unless it does not fit: a wide character is never cut in
// half, and nothing after it moves into its place.
func (r *row) put(c cell, width int) bool {
	if len(r.cells)+int(c.width) > width {
		return false
	}
	if c.text == " " {
		c.style = c.style.onBlank()
	}
	r.cells = append(r.cells, c)
	if c.width == 2 {
		r.cells = append(r.cells, cell{style: c.style})
	}
	if c != blank {
		r.end = len(r.cells)
	}
	return true
}

// nextCell takes the first grapheme cluster of s; the cell has width 0 when it
// shows nothing. A cluster that some terminals would draw past the edge of the
// screen, room columns away, becomes question marks: there it could not heal.
func nextCell(s string, st style, room int) (cell, int) {
	text, width := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	n := len(text)
	first, size := utf8.DecodeRuneInString(text)
	if first == utf8.RuneError && size == 1 {
		return cell{text: "?", style: st, width: 1}, 1
	}
	if width <= 0 || unicode.IsControl(first) {
		return cell{}, n
	}
	text = cleanCluster(text)
	width = min(width, 2)
	byLetters := ansi.StringWidthWc(text)
	risky := first >= 0x1f000 || byLetters != width
	if risky && byLetters > room && width <= room {
		text, risky = "??"[:width], false
	}
	return cell{text: text, style: st, width: int8(width), risky: risky}, n
}

// cleanCluster bounds a cluster and takes out what is no text.
func cleanCluster(text string) string {
	if len(text) > maxCluster {
		cut := maxCluster
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		text = strings.Map(func(r rune) rune {
			if r == utf8.RuneError || unicode.IsControl(r) {
				return -1
			}
			return r
		}, text)
	}
	return text
}

// skipEscape says how long the escape sequence at the start of s is. For SGR it
// returns the parameters as well, with the "[" before them.
func skipEscape(s string) (n int, sgr string) {
	if len(s) < 2 {
		return len(s), ""
	}
	switch s[1] {
	case '[':
		return skipCSI(s)
	case ']', 'P', '_', '^', 'X': // strings, up to BEL or ST
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1, ""
			}
			if s[i] == 0x1b {
				return min(i+2, len(s)), ""
			}
		}
		return len(s), ""
	}
	i := 1
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
		i++
	}
	if i < len(s) && s[i] < 0x7f {
		i++
	}
	return i, ""
}

// skipCSI is skipEscape for a sequence that starts with ESC [.
func skipCSI(s string) (n int, sgr string) {
	for i := 2; i < len(s); i++ {
		c := s[i]
		switch {
		case c == 'm' && !strings.ContainsAny(s[2:i], "<=>? !\"#$%&'()*+,-./"):
			return i + 1, s[1:i]
		case c >= 0x40 && c <= 0x7e:
			return i + 1, ""
		case c < 0x20 || c > 0x3f:
			return i, "" // broken off: what follows is text again
		}
	}
	return len(s), ""
}
