package terminal

import "strconv"

// move shifts the lines top to bottom of the screen by some lines, up when by
// is positive; the lines that come in are blank.
type move struct{ top, bottom, by int }

// minGain is how many bytes a move must save to be worth its own.
const minGain = 24

// planScroll finds the move after which the least is left to send. It is worth
// looking for only where lines of the new frame stood elsewhere in the old one.
func (s *Screen) planScroll(next []*row) (move, bool) {
	best, gain := move{}, minGain
	for _, by := range s.shifts(next) {
		if m, g := s.bestMove(next, by); g > gain {
			best, gain = m, g
		}
	}
	return best, best.by != 0
}

// shifts returns the up to three distances by which most text has moved.
func (s *Screen) shifts(next []*row) []int {
	at := make(map[*row]int, len(s.rows))
	for y, r := range s.rows {
		at[r] = y
	}
	votes := map[int]int{}
	for y, r := range next {
		if old, ok := at[r]; ok && s.rows[y] != r && r.end > 0 {
			votes[old-y] += r.end
		}
	}
	var best []int
	for range min(3, len(votes)) {
		top := 0
		for by, n := range votes {
			if n > votes[top] || (n == votes[top] && by < top) {
				top = by
			}
		}
		best = append(best, top)
		delete(votes, top)
	}
	return best
}

// bestMove finds the lines for which moving by this distance saves most, and
// how many bytes about. Going along the direction of the move, it keeps the
// best run of lines that ends here (the largest sum of a run) and adds what
// the lines that come in blank behind the run cost.
func (s *Screen) bestMove(next []*row, by int) (move, int) {
	n, step, from := len(next), 1, 0
	if by < 0 {
		step, from = -1, n-1
	}
	dist := by * step
	best, gain := move{}, 0
	run, start := 0, from
	for i := range n - dist {
		y := from + i*step
		stay := cost(s.rows[y], next[y])
		if run <= 0 {
			run, start = 0, y
		}
		run += stay - cost(s.rows[y+by], next[y])
		total := run
		for j := 1; j <= dist && total > gain; j++ {
			in := next[y+j*step]
			total += cost(s.rows[y+j*step], in) - in.end
		}
		if total > gain {
			gain = total
			best = move{top: min(start, y+by), bottom: max(start, y+by), by: by}
		}
	}
	return best, gain
}

// cost is about how many bytes it takes to turn one line into another.
func cost(old, next *row) int {
	if old == next {
		return 0
	}
	n := 0
	for x := range next.cells {
		if old.cells[x] != next.cells[x] {
			n++
		}
	}
	if n > 0 {
		n += len("\x1b[24;80H")
	}
	return min(n, next.end+len("\x1b[24;80H\x1b[K"))
}

// scroll sends a move and does it to the lines that are known to be shown. Line
// feed at the bottom margin and reverse index at the top one are what every
// terminal has. Lines come in with the colour of the pen, which is the default
// one between frames.
func (s *Screen) scroll(m move) {
	whole := m.top == 0 && m.bottom == s.height-1
	if !whole {
		s.out = append(s.out, "\x1b["...)
		s.out = append(strconv.AppendInt(s.out, int64(m.top+1), 10), ';')
		s.out = append(strconv.AppendInt(s.out, int64(m.bottom+1), 10), 'r')
		s.x = -1
	}
	lines := s.rows[m.top : m.bottom+1]
	if m.by > 0 {
		s.goTo(0, m.bottom)
		for range m.by {
			s.out = append(s.out, '\n')
			copy(lines, lines[1:])
			lines[len(lines)-1] = s.empty
		}
	} else {
		s.goTo(0, m.top)
		for range -m.by {
			s.out = append(s.out, "\x1bM"...)
			copy(lines[1:], lines)
			lines[0] = s.empty
		}
	}
	if !whole {
		s.out = append(s.out, "\x1b[r"...)
		s.x = -1
	}
}
