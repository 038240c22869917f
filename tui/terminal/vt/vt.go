// Package vt is a terminal for tests: fed with the bytes that a program sends, it
// knows what a person would see.
//
// It promises to know exactly the sequences that package terminal may send and to
// report every other byte as a fault, so that a test which feeds it what a
// pseudo-terminal received has also proved that nothing else got there. It is
// stricter than a real one: after the last column and after margins are set the
// cursor stands nowhere until it is addressed. Bytes may come in any
// pieces; only an accent that comes in a later piece than its letter is not shown.
//
// Limits: 2,000 bytes of an unfinished sequence; no colours but those of SGR, no
// scrollback, no tabs. It is not safe for concurrent use.
package vt

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Terminal shows what it was fed.
type Terminal struct {
	// Method says how wide text is: by clusters, or letter by letter.
	Method ansi.Method
	// Cooked is the mode in which the kernel makes \r\n of each line's end, and the
	// terminal goes on in the next line where one is full.
	Cooked bool

	t             Failer
	width, height int
	lines         [][]glyph
	x, y          int
	lost          bool // where the cursor stands differs between terminals
	top, bottom   int
	pen           look
	visible       bool
	modes         map[string]bool
	pending       string // begun, not whole
	clipboard     string
}

// glyph is one column: the right half of a wide character is empty.
type glyph struct {
	text string
	look look
}

// look is a style in words: attributes sorted, then the colours.
type look struct{ attrs, fg, bg string }

// Failer is told of what no terminal of the project may be sent: a test, ordinary
// or rapid's, or something that collects. Where it returns, the byte is left out.
type Failer interface {
	Fatalf(format string, args ...any)
}

// New returns a blank terminal.
func New(t Failer, width, height int) *Terminal {
	e := &Terminal{t: t, Method: ansi.GraphemeWidth, width: width, height: height, bottom: height - 1, modes: map[string]bool{}}
	for range height {
		e.lines = append(e.lines, e.emptyLine())
	}
	return e
}

func (e *Terminal) emptyLine() []glyph {
	return slices.Repeat([]glyph{{text: " ", look: look{bg: e.pen.bg}}}, e.width)
}

// Paint shows a frame the plain way: every line at its place, cut to the width.
func (e *Terminal) Paint(frame string) *Terminal {
	for y, line := range strings.Split(frame, "\n") {
		if y == e.height {
			break
		}
		e.x, e.y, e.lost = 0, y, false
		e.Feed([]byte(ansi.Truncate(line, e.width, "")))
	}
	return e
}

// maxPending bounds a sequence that does not end.
const maxPending = 2000

// Feed takes bytes as a terminal does.
func (e *Terminal) Feed(b []byte) {
	s := e.pending + string(b)
	for len(s) > 0 {
		n := e.one(s)
		if n == 0 && len(s) < maxPending {
			break
		}
		s = s[max(n, 1):]
	}
	e.pending = s
}

// one takes what stands first and says how long it is; 0: it is not whole yet.
func (e *Terminal) one(s string) int {
	switch c := s[0]; {
	case c == 0x1b:
		return e.escape(s)
	case c == '\n':
		e.lineFeed()
		return 1
	case c == '\r' && e.Cooked:
		e.x, e.lost = 0, false
		return 1
	case c == 0x18:
		return 1
	case c < ' ' || c == 0x7f:
		e.t.Fatalf("control byte %#x", c)
		return 1
	}
	if !utf8.FullRuneInString(s) {
		return 0
	}
	if r, n := utf8.DecodeRuneInString(s); r == utf8.RuneError && n == 1 || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		e.t.Fatalf("%q is no text", s[:n])
		return n
	}
	text, width := ansi.FirstGraphemeCluster(s[:wholeText(s)], e.Method)
	e.print(text, width)
	return len(text)
}

// wholeText is how far s is valid text: what comes behind is no part of a cluster.
func wholeText(s string) int {
	for i, r := range s {
		if _, n := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && n == 1 {
			return i
		}
	}
	return len(s)
}

func (e *Terminal) print(text string, width int) {
	if width = min(width, e.width); width == 0 {
		return
	}
	if e.lost && e.Cooked {
		e.x, e.lost = 0, false
		e.lineFeed()
	}
	if e.lost {
		e.t.Fatalf("%q printed where the cursor is not known", text)
		return
	}
	if e.x+width > e.width {
		e.x = e.width - width
	}
	e.split(e.x)
	e.split(e.x + width)
	e.lines[e.y][e.x] = glyph{text, e.pen}
	for i := 1; i < width; i++ {
		e.lines[e.y][e.x+i] = glyph{look: e.pen}
	}
	e.x += width
	if e.x >= e.width {
		e.x, e.lost = e.width-1, true
	}
}

// split breaks a wide character that a write at column x would cut.
func (e *Terminal) split(x int) {
	line := e.lines[e.y]
	if x >= e.width || line[x].text != "" {
		return
	}
	i := x
	for i > 0 && line[i].text == "" {
		i--
	}
	for ; i < e.width && (i < x || line[i].text == ""); i++ {
		line[i].text = " "
	}
}

func (e *Terminal) lineFeed() {
	if e.y == e.bottom {
		copy(e.lines[e.top:e.bottom+1], e.lines[e.top+1:e.bottom+1])
		e.lines[e.bottom] = e.emptyLine()
		return
	}
	e.y = min(e.y+1, e.height-1)
}

func (e *Terminal) reverseIndex() {
	if e.y == e.top {
		copy(e.lines[e.top+1:e.bottom+1], e.lines[e.top:e.bottom])
		e.lines[e.top] = e.emptyLine()
		return
	}
	e.y = max(e.y-1, 0)
}

// escape does the sequence at the start of s and returns its length.
func (e *Terminal) escape(s string) int {
	switch {
	case len(s) == 1:
		return 0
	case s[1] == 'M':
		e.reverseIndex()
		return 2
	case s[1] == ']':
		return e.copied(s)
	case s[1] != '[':
		e.t.Fatalf("unknown sequence %q", s[:2])
		return 2
	}
	end := strings.IndexFunc(s[2:], func(r rune) bool { return r < '0' || r > '?' })
	if end < 0 {
		return 0
	}
	params, n := s[2:2+end], end+3
	switch final := s[2+end]; final {
	case 'H':
		p := e.numbers(params, 1, 1)
		e.y, e.x, e.lost = min(max(p[0], 1), e.height)-1, min(max(p[1], 1), e.width)-1, false
	case 'C':
		e.forward(params)
	case 'm':
		e.pen = e.pen.sgr(params)
	case 'K':
		e.erase(params)
	case 'J':
		e.eraseBelow(params)
	case 'r':
		p := e.numbers(params, 1, e.height)
		if p[0] > p[1] || p[0] == p[1] && e.height > 1 || p[0] < 1 || p[1] > e.height {
			e.t.Fatalf("margins %v of %d lines", p, e.height)
			return n
		}
		e.top, e.bottom, e.lost = p[0]-1, p[1]-1, true
	case 'h', 'l':
		e.mode(params, final == 'h')
	default:
		e.t.Fatalf("unknown sequence %q", s[:n])
	}
	return n
}

// copied takes text for the clipboard, the only string that may be sent.
func (e *Terminal) copied(s string) int {
	end := strings.IndexByte(s, 0x07)
	if end < 0 {
		return 0
	}
	text, ours := strings.CutPrefix(s[:end], "\x1b]52;c;")
	b, err := base64.StdEncoding.DecodeString(text)
	if !ours || err != nil {
		e.t.Fatalf("unknown sequence %q", s[:end+1])
	}
	e.clipboard = string(b)
	return end + 1
}

// Clipboard is what was copied last.
func (e *Terminal) Clipboard() string { return e.clipboard }

// Cursor is where the cursor stands, from 0; known is false where terminals differ.
func (e *Terminal) Cursor() (x, y int, known bool) { return e.x, e.y, !e.lost }

// CursorVisible tells whether the cursor is shown.
func (e *Terminal) CursorVisible() bool { return e.visible }

// Mode tells whether a private mode ("?1049") is set.
func (e *Terminal) Mode(name string) bool { return e.modes[name] }

// Resize gives the terminal another size; it keeps nothing, as some do.
func (e *Terminal) Resize(width, height int) {
	fresh := New(e.t, width, height)
	fresh.Method, fresh.modes, fresh.pen, fresh.pending, fresh.visible, fresh.lost = e.Method, e.modes, e.pen, e.pending, e.visible, true
	*e = *fresh
}

// Text is what a person reads: the lines without styles and without blanks at
// their ends.
func (e *Terminal) Text() string {
	var b strings.Builder
	for _, line := range e.lines {
		var l strings.Builder
		for _, g := range line {
			l.WriteString(g.text)
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	return b.String()
}

func (e *Terminal) numbers(params string, first, second int) []int {
	p := []int{first, second}
	for i, text := range strings.Split(params, ";") {
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || i > 1 {
			e.t.Fatalf("parameters %q", params)
			return []int{first, second}
		}
		p[i] = n
	}
	return p
}

func (e *Terminal) forward(params string) {
	by := e.numbers(params, 1, 0)[0]
	if e.lost || by < 1 || e.x+by >= e.width {
		e.t.Fatalf("forward %q from column %d of %d, cursor lost %v", params, e.x, e.width, e.lost)
		return
	}
	e.x += by
}

func (e *Terminal) erase(params string) {
	if e.lost || params != "" {
		e.t.Fatalf("erase line %q, cursor lost %v", params, e.lost)
		return
	}
	e.split(e.x)
	copy(e.lines[e.y][e.x:], e.emptyLine())
}

func (e *Terminal) eraseBelow(params string) {
	if params == "" && (e.x != 0 || e.y != 0) {
		e.t.Fatalf("erase below from %d,%d", e.x, e.y)
	}
	for y := range e.lines {
		e.lines[y] = e.emptyLine()
	}
}

func (e *Terminal) mode(params string, on bool) {
	switch params {
	case "?25":
		e.visible = on
	case "?7", "?1049", "?2004", "?1002", "?1006":
		e.modes[params] = on
	default:
		e.t.Fatalf("unknown mode %q", params)
	}
}

// sgr is written a second time here, and differently, on purpose.
func (l look) sgr(params string) look {
	codes := strings.Split(params, ";")
	for i := 0; i < len(codes); i++ {
		n, _ := strconv.Atoi(codes[i])
		switch {
		case n == 0:
			l = look{}
		case n == 38 || n == 48:
			more := 3
			if i+2 >= len(codes) {
				return l
			}
			if codes[i+1] == "2" {
				more = 5
			}
			col := strings.Join(codes[i+1:min(i+more, len(codes))], ";")
			if n == 38 {
				l.fg = col
			} else {
				l.bg = col
			}
			i += more - 1
		case n >= 30 && n <= 37, n >= 90 && n <= 97:
			l.fg = fmt.Sprintf("5;%d", n%10+n/90*8)
		case n >= 40 && n <= 47, n >= 100 && n <= 107:
			l.bg = fmt.Sprintf("5;%d", n%10+n/100*8)
		case n == 39:
			l.fg = ""
		case n == 49:
			l.bg = ""
		default:
			l.attrs = toggled(l.attrs, n)
		}
	}
	return l
}

func toggled(attrs string, code int) string {
	remove := map[int]string{22: "12", 23: "3", 24: "4", 25: "5", 27: "7", 28: "8", 29: "9"}[code]
	if remove == "" && !strings.Contains(attrs, strconv.Itoa(code)) {
		b := []byte(attrs + strconv.Itoa(code))
		slices.Sort(b)
		return string(b)
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(remove, r) {
			return -1
		}
		return r
	}, attrs)
}

// String is what the terminal shows, one line a line; the style changes stand
// between braces.
func (e *Terminal) String() string {
	var b strings.Builder
	for _, line := range e.lines {
		last := look{}
		for _, g := range line {
			l := g.look
			if g.text == " " { // what does not show on a space
				l.attrs = strings.Map(func(r rune) rune {
					if strings.ContainsRune("479", r) {
						return r
					}
					return -1
				}, l.attrs)
				if l.attrs == "" {
					l.fg = ""
				}
			}
			if l != last && g.text != "" {
				fmt.Fprintf(&b, "{%s|%s|%s}", l.attrs, l.fg, l.bg)
				last = l
			}
			b.WriteString(g.text)
		}
		b.WriteString("\n")
	}
	return b.String()
}
