package terminal

import (
	"strconv"
	"strings"
)

// maxSide bounds the width and the height of a screen.
const maxSide = 2000

// Cursor says where the terminal's cursor belongs after a frame. Screen readers
// and braille lines follow it even when it is hidden.
type Cursor struct {
	X, Y    int  // column and line, from 0; negative: anywhere
	Visible bool // shown, for the place where text is typed
}

// NoCursor is a hidden cursor that may stand anywhere.
var NoCursor = Cursor{X: -1, Y: -1}

// Screen knows what the terminal shows and says what to send for it to show
// something else. It does no I/O, and its zero value is of no use.
type Screen struct {
	width, height int
	empty         *row
	rows          []*row // what is shown
	known         bool   // false: anything may be shown
	x, y          int    // where the cursor stands; x is -1 when that is unknown
	shown         bool   // the cursor is visible
	pen           style  // what the next character will look like
	out           []byte
}

// NewScreen returns a screen of which nothing is known; the first frame clears it.
func NewScreen(width, height int) *Screen {
	s := &Screen{}
	s.Resize(width, height)
	return s
}

// Resize gives the screen another size and forgets what was on it: terminals
// differ in what they keep.
func (s *Screen) Resize(width, height int) {
	s.width, s.height = min(max(width, 1), maxSide), min(max(height, 1), maxSide)
	s.empty = parseRow("", style{}, s.width)
	s.Forget()
}

// Forget says that anything may be on the terminal now; the next frame is sent
// whole.
func (s *Screen) Forget() {
	s.rows, s.known, s.shown = nil, false, false
}

// Draw returns the bytes that make the terminal show the frame: lines divided
// by \n, of which the first as many as fit are shown. The bytes are valid until
// the next call, and there are none when nothing changes.
func (s *Screen) Draw(frame string, cur Cursor) []byte {
	s.out = s.out[:0]
	if !s.known {
		s.clear()
	}
	next := s.parse(frame)
	if m, ok := s.planScroll(next); ok {
		s.scroll(m)
	}
	for y, r := range next {
		s.drawRow(y, s.rows[y], r)
	}
	s.rows = next
	s.setPen(style{})
	s.place(cur)
	return s.out
}

// clear makes the terminal blank, whatever it shows.
func (s *Screen) clear() {
	s.out = append(s.out, "\x1b[m\x1b[H\x1b[2J\x1b[?25l"...)
	s.rows = make([]*row, s.height)
	for y := range s.rows {
		s.rows[y] = s.empty
	}
	s.pen, s.x, s.y, s.known, s.shown = style{}, 0, 0, true, false
}

// parse lays out a frame. Lines that were on the screen before, anywhere, are
// not laid out again, which also makes moved lines known by their pointer.
func (s *Screen) parse(frame string) []*row {
	next := make([]*row, 0, s.height)
	var seen map[string]*row
	var st style
	for raw := range strings.SplitSeq(frame, "\n") {
		if len(next) == s.height {
			break
		}
		r := s.rows[len(next)]
		if r.raw != raw || r.in != st {
			if seen == nil {
				seen = s.byText()
			}
			if r = seen[raw]; r == nil || r.in != st {
				r = parseRow(raw, st, s.width)
				seen[raw] = r
			}
		}
		next = append(next, r)
		st = r.out
	}
	for len(next) < s.height {
		next = append(next, s.empty)
	}
	return next
}

// byText finds the shown lines by their text.
func (s *Screen) byText() map[string]*row {
	seen := make(map[string]*row, len(s.rows))
	for _, r := range s.rows {
		seen[r.raw] = r
	}
	return seen
}

// drawRow sends what differs between the old and the new line y.
func (s *Screen) drawRow(y int, old, next *row) {
	x := firstDifference(old, next)
	if x == s.width {
		return
	}
	from := min(riskyFrom(old, x-spill), riskyFrom(next, x-spill))
	if from < s.width {
		s.redrawFrom(y, min(x, from), next)
		return
	}
	for ; x < next.end; x++ {
		if c := next.cells[x]; c.width > 0 && changed(old, next, x) {
			s.moveTo(x, y, next)
			s.put(c)
		}
	}
	s.eraseTail(y, old, next)
}

// changed tells whether the character at column x needs to be sent. The right
// half of a wide one counts: another character may have stood in it.
func changed(old, next *row, x int) bool {
	if old.cells[x] != next.cells[x] {
		return true
	}
	return next.cells[x].width == 2 && old.cells[x+1] != next.cells[x+1]
}

// firstDifference is the first column where the lines differ, the width of the
// screen when they are equal. It is never the right half of a new wide character.
func firstDifference(old, next *row) int {
	if old == next {
		return len(next.cells)
	}
	for x := range next.cells {
		if old.cells[x] != next.cells[x] {
			if next.cells[x].width == 0 {
				return x - 1
			}
			return x
		}
	}
	return len(next.cells)
}

// spill is how many columns a doubtful character may have been drawn over.
const spill = maxCluster / 2

// riskyFrom is the column of the first doubtful character at or after x, the
// width of the screen when there is none.
func riskyFrom(r *row, x int) int {
	for x = max(x, 0); x < r.end; x++ {
		if r.cells[x].risky {
			return x
		}
	}
	return len(r.cells)
}

// redrawFrom sends the rest of a line from column x on. It is for lines where
// the terminal may have drawn a character wider or narrower than we think: the
// old rest is erased first, and every character after a doubtful one is placed
// by its column.
func (s *Screen) redrawFrom(y, x int, next *row) {
	s.goTo(x, y)
	s.setPen(style{})
	s.out = append(s.out, "\x1b[K"...)
	for ; x < next.end; x++ {
		if c := next.cells[x]; c.width > 0 && c != blank {
			s.moveTo(x, y, next)
			s.put(c)
		}
	}
}

// eraseTail blanks what the old line has behind the end of the new one.
func (s *Screen) eraseTail(y int, old, next *row) {
	x := next.end
	for x < old.end && old.cells[x] == blank {
		x++
	}
	if x >= old.end {
		return
	}
	const eraseLine = "\x1b[K"
	if old.end-x > len(eraseLine) {
		s.goTo(x, y)
		s.setPen(style{}) // some terminals erase with the colour of the pen
		s.out = append(s.out, eraseLine...)
		return
	}
	for ; x < old.end; x++ {
		s.goTo(x, y)
		s.put(blank)
	}
}

// put sends one character at the cursor. After the last column terminals differ
// where the cursor is; x is then the width, which is no column to be found at.
func (s *Screen) put(c cell) {
	if !s.suits(c) {
		s.setPen(c.style)
	}
	s.out = append(s.out, c.text...)
	s.x += int(c.width)
	if c.risky {
		s.x = -1
	}
}

// suits tells whether the pen draws this character as it is to look. A space
// shows less than a letter does: between two bold words the pen stays bold.
func (s *Screen) suits(c cell) bool {
	return c.style == s.pen || c.text == " " && c.style == s.pen.onBlank()
}

// moveTo brings the cursor to a column of line y, over the characters between
// when sending them again is shorter than going there.
func (s *Screen) moveTo(x, y int, next *row) {
	if s.y == y && s.x >= 0 && s.x < x && next.cells[s.x].width > 0 {
		cost, limit := 0, min(addressLen(x, y), forwardLen(x-s.x))
		for _, c := range next.cells[s.x:x] {
			cost += len(c.text)
			if c.risky || !s.suits(c) || cost > limit {
				s.goTo(x, y)
				return
			}
		}
		for _, c := range next.cells[s.x:x] {
			s.put(c)
		}
	}
	s.goTo(x, y)
}

// goTo brings the cursor to a place, unless it stands there: forward on its own
// line, which is the shorter way, else by the address.
func (s *Screen) goTo(x, y int) {
	if s.x == x && s.y == y {
		return
	}
	if by := x - s.x; s.y == y && s.x >= 0 && by > 0 {
		s.x = x
		s.out = append(s.out, "\x1b["...)
		if by > 1 {
			s.out = strconv.AppendInt(s.out, int64(by), 10)
		}
		s.out = append(s.out, 'C')
		return
	}
	s.x, s.y = x, y
	s.out = append(s.out, "\x1b["...)
	if y > 0 {
		s.out = strconv.AppendInt(s.out, int64(y+1), 10)
	}
	if x > 0 {
		s.out = strconv.AppendInt(append(s.out, ';'), int64(x+1), 10)
	}
	s.out = append(s.out, 'H')
}

// addressLen is about how many bytes goTo sends.
func addressLen(x, y int) int {
	return len("\x1b[;H") + digits(x) + digits(y)
}

// forwardLen is about how many bytes goTo sends to go forward on a line.
func forwardLen(by int) int {
	return len("\x1b[C") + digits(by-1)
}

// digits is the length of n+1 in decimal.
func digits(n int) int {
	switch {
	case n < 9:
		return 1
	case n < 99:
		return 2
	}
	return 3
}

// setPen sends the style for the characters to come.
func (s *Screen) setPen(st style) {
	s.out = st.appendTo(s.out, s.pen)
	s.pen = st
}

// place puts the cursor where it belongs after the frame.
func (s *Screen) place(cur Cursor) {
	if cur.X >= 0 && cur.Y >= 0 {
		s.goTo(min(cur.X, s.width-1), min(cur.Y, s.height-1))
	}
	if cur.Visible && !s.shown {
		s.out = append(s.out, "\x1b[?25h"...)
	} else if !cur.Visible && s.shown {
		s.out = append(s.out, "\x1b[?25l"...)
	}
	s.shown = cur.Visible
}
