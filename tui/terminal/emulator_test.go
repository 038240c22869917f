package terminal_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// emulator is a terminal that knows exactly the sequences a Screen may send and
// reports every other one. It is stricter than a real one: after the last
// column and after margins are set the cursor stands nowhere until addressed.
type emulator struct {
	t             failer
	method        ansi.Method
	width, height int
	lines         [][]glyph
	x, y          int
	lost          bool // where the cursor stands differs between terminals
	top, bottom   int
	pen           look
	visible       bool
	modes         map[string]bool
}

// glyph is one column: the right half of a wide character is empty.
type glyph struct {
	text string
	look look
}

// look is a style in words: attributes sorted, then the colours.
type look struct{ attrs, fg, bg string }

// failer is a test, ordinary or rapid's.
type failer interface {
	Fatalf(format string, args ...any)
}

func newEmulator(t failer, width, height int) *emulator {
	e := &emulator{t: t, method: ansi.GraphemeWidth, width: width, height: height, bottom: height - 1, modes: map[string]bool{}}
	for range height {
		e.lines = append(e.lines, e.emptyLine())
	}
	return e
}

func (e *emulator) emptyLine() []glyph {
	return slices.Repeat([]glyph{{text: " ", look: look{bg: e.pen.bg}}}, e.width)
}

// paint shows a frame the plain way: every line at its place, cut to the width.
func (e *emulator) paint(frame string) *emulator {
	for y, line := range strings.Split(frame, "\n") {
		if y == e.height {
			break
		}
		e.x, e.y, e.lost = 0, y, false
		e.feed([]byte(ansi.Truncate(line, e.width, "")))
	}
	return e
}

// feed takes bytes as a terminal does.
func (e *emulator) feed(b []byte) {
	s := string(b)
	for len(s) > 0 {
		switch c := s[0]; {
		case c == 0x1b:
			s = s[e.escape(s):]
		case c == '\n':
			e.lineFeed()
			s = s[1:]
		case c == 0x18:
			s = s[1:]
		case c < ' ' || c == 0x7f:
			e.t.Fatalf("control byte %#x", c)
		default:
			text, width := ansi.FirstGraphemeCluster(s, e.method)
			e.print(text, width)
			s = s[len(text):]
		}
	}
}

func (e *emulator) print(text string, width int) {
	if width = min(width, e.width); width == 0 {
		return
	}
	if e.lost {
		e.t.Fatalf("%q printed where the cursor is not known", text)
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
func (e *emulator) split(x int) {
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

func (e *emulator) lineFeed() {
	if e.y == e.bottom {
		copy(e.lines[e.top:e.bottom+1], e.lines[e.top+1:e.bottom+1])
		e.lines[e.bottom] = e.emptyLine()
		return
	}
	e.y = min(e.y+1, e.height-1)
}

func (e *emulator) reverseIndex() {
	if e.y == e.top {
		copy(e.lines[e.top+1:e.bottom+1], e.lines[e.top:e.bottom])
		e.lines[e.top] = e.emptyLine()
		return
	}
	e.y = max(e.y-1, 0)
}

// escape does the sequence at the start of s and returns its length.
func (e *emulator) escape(s string) int {
	if strings.HasPrefix(s, "\x1bM") {
		e.reverseIndex()
		return 2
	}
	end := strings.IndexFunc(s[min(2, len(s)):], func(r rune) bool { return r >= '@' && r <= '~' })
	if !strings.HasPrefix(s, "\x1b[") || end < 0 {
		e.t.Fatalf("unknown sequence %q", s[:min(len(s), 12)])
	}
	params, n := s[2:2+end], end+3
	switch final := s[2+end]; final {
	case 'H':
		p := e.numbers(params, 1, 1)
		e.y, e.x, e.lost = min(max(p[0], 1), e.height)-1, min(max(p[1], 1), e.width)-1, false
	case 'm':
		e.pen = e.pen.sgr(params)
	case 'K':
		e.erase(params)
	case 'J':
		e.eraseBelow(params)
	case 'r':
		p := e.numbers(params, 1, e.height)
		e.top, e.bottom, e.lost = p[0]-1, p[1]-1, true
		if e.top >= e.bottom || e.bottom >= e.height {
			e.t.Fatalf("margins %v", p)
		}
	case 'h', 'l':
		e.mode(params, final == 'h')
	default:
		e.t.Fatalf("unknown sequence %q", s[:n])
	}
	return n
}

func (e *emulator) numbers(params string, first, second int) []int {
	p := []int{first, second}
	for i, text := range strings.Split(params, ";") {
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || i > 1 {
			e.t.Fatalf("parameters %q", params)
		}
		p[i] = n
	}
	return p
}

func (e *emulator) erase(params string) {
	if e.lost || params != "" {
		e.t.Fatalf("erase line %q, cursor lost %v", params, e.lost)
	}
	e.split(e.x)
	copy(e.lines[e.y][e.x:], e.emptyLine())
}

func (e *emulator) eraseBelow(params string) {
	if params == "" && (e.x != 0 || e.y != 0) {
		e.t.Fatalf("erase below from %d,%d", e.x, e.y)
	}
	for y := range e.lines {
		e.lines[y] = e.emptyLine()
	}
}

func (e *emulator) mode(params string, on bool) {
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
			if codes[i+1] == "2" {
				more = 5
			}
			col := strings.Join(codes[i+1:i+more], ";")
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
func (e *emulator) String() string {
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
