package vt_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/punchlist/tui/terminal/vt"
)

// faults collects what a terminal reports.
type faults []string

func (f *faults) Fatalf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// What no program of the project may send is reported, in whatever pieces it
// comes, and what it may send is not.
func TestReports(t *testing.T) {
	for _, c := range []struct {
		sent string
		bad  bool
	}{
		{"\x1b[2;3Hpump 漢字 é\x1b[K\x1b[1;31mred\x1b[m\n", false}, {"\x1b[1;4r\x1b[r\x1b[H\x1bM", false}, {"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?7l", false},
		{"\x1b]52;c;aGk=\a", false}, {"\x18", false},
		{"\x1b[6n", true}, {"\x1b]0;title\a", true}, {"\x1b]11;?\a", true}, {"\x1bc", true}, {"\x1bP1$r\x1b\\", true}, {"\x1b[5i", true}, {"\x1b[?1000h", true},
		{"\a", true}, {"\b", true}, {"\r", true}, {"\t", true}, {"\x00", true}, {"\x7f", true}, {"\u009b2J", true}, {"\x9b2J", true}, {"\u202e", true}, {"\xff", true},
	} {
		for _, size := range []int{1, 2, 1000} {
			var f faults
			term := vt.New(&f, 20, 4)
			for s := c.sent; s != ""; s = s[min(size, len(s)):] {
				term.Feed([]byte(s[:min(size, len(s))]))
			}
			if (len(f) > 0) != c.bad {
				t.Errorf("%q in pieces of %d: reported %q", c.sent, size, f)
			}
		}
	}
}

func TestShows(t *testing.T) {
	term := vt.New(t, 10, 3)
	term.Feed([]byte("\x1b[Hone\x1b[2Htwo\x1b[3Hthree\x1b[2;3r\x1b[3H\n\x1b[r\x1b[3H4\x1b]52;c;aGk=\a"))
	if got := term.Text(); got != "one\nthree\n4\n" || term.Clipboard() != "hi" {
		t.Errorf("%q, clipboard %q", got, term.Clipboard())
	}
	if x, y, known := term.Cursor(); x != 1 || y != 2 || !known {
		t.Errorf("the cursor is at %d,%d (%v)", x, y, known)
	}
	term.Resize(4, 2)
	term.Feed([]byte("\x1b[Habcd"))
	if got := term.Text(); !strings.HasPrefix(got, "abcd") {
		t.Errorf("%q", got)
	}
}
