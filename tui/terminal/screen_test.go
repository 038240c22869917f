package terminal_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"example.com/punchlist/tui/terminal"
	"example.com/punchlist/tui/terminal/vt"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

// words are what frames are made of: plain, wide, combining, right-to-left, and
// clusters of which terminals disagree how wide they are.
var (
	plainWords = []string{"pump", "a", " ", "  ", "T-1042", "BLD22", "—", "é", "漢字", "한", "שלום", "e\u0301", "|", "5/12"}
	riskyWords = []string{"👷", "👨\u200d👩\u200d👧", "❤\ufe0f", "ﾊﾟ", "🇩🇪", "กำ", "नी", "\u200b", "㊗\ufe0f"}
	styles     = []string{"\x1b[1m", "\x1b[7m", "\x1b[31m", "\x1b[38;5;200m", "\x1b[48;2;1;2;3m", "\x1b[4;94m", "\x1b[m", "\x1b[0m", "\x1b[22m", "\x1b[39m", "\x1b[27;49m", "\x1b[3;101m"}
)

// line generates a line; what it starts it also ends, as lipgloss does, most times.
func line(words []string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for range rapid.IntRange(0, 8).Draw(t, "parts") {
			if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
				b.WriteString(rapid.SampledFrom(styles).Draw(t, "style"))
			} else {
				b.WriteString(rapid.SampledFrom(words).Draw(t, "word"))
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "open") > 0 {
			b.WriteString("\x1b[0m")
		}
		return b.String()
	})
}

// nextFrame changes a frame as a screen does: a line, a move of some lines, or all.
func nextFrame(t *rapid.T, lines, words []string) []string {
	next := append([]string(nil), lines...)
	n := len(next)
	switch rapid.IntRange(0, 4).Draw(t, "change") {
	case 0:
		for i := range next {
			next[i] = line(words).Draw(t, "line")
		}
	case 1, 2:
		top := rapid.IntRange(0, n-1).Draw(t, "top")
		bottom := rapid.IntRange(top, n-1).Draw(t, "bottom")
		by := rapid.IntRange(-3, 3).Draw(t, "by")
		for y := top; y <= bottom; y++ {
			if y+by >= top && y+by <= bottom {
				next[y] = lines[y+by]
			} else {
				next[y] = line(words).Draw(t, "line")
			}
		}
	}
	if rapid.Bool().Draw(t, "edit") {
		next[rapid.IntRange(0, n-1).Draw(t, "y")] = line(words).Draw(t, "line")
	}
	return next
}

func size(t *rapid.T) (int, int) {
	return rapid.IntRange(1, 24).Draw(t, "width"), rapid.IntRange(1, 12).Draw(t, "height")
}

// Whatever was on the screen, after Draw it shows the frame.
func TestScreenShowsTheFrame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		width, height := size(rt)
		words, margin := plainWords, 0
		if width > 10 && rapid.Bool().Draw(rt, "risky") {
			words, margin = append(append([]string(nil), plainWords...), riskyWords...), 8
		}
		screen, emu := terminal.NewScreen(width, height), vt.New(rt, width, height)
		lines := make([]string, height+rapid.IntRange(-min(1, height-1), 1).Draw(rt, "over"))
		for range rapid.IntRange(1, 8).Draw(rt, "frames") {
			lines = nextFrame(rt, lines, words)
			frame := strings.Join(narrower(lines, width-margin), "\n")
			cur := terminal.Cursor{X: rapid.IntRange(-1, width).Draw(rt, "x"), Y: rapid.IntRange(-1, height).Draw(rt, "cy"), Visible: rapid.Bool().Draw(rt, "visible")}
			emu.Feed(screen.Draw(frame, cur))
			want := vt.New(rt, width, height).Paint(frame).String()
			if got := emu.String(); got != want {
				rt.Fatalf("frame %q\nshown:\n%s\nwant:\n%s", frame, got, want)
			}
			checkCursor(rt, emu, width, height, cur)
			if again := screen.Draw(frame, cur); len(again) != 0 {
				rt.Fatalf("the same frame again sent %q", again)
			}
		}
	})
}

// narrower cuts the lines: at the edge of the screen clusters of doubtful width
// are not shown.
func narrower(lines []string, width int) []string {
	cut := make([]string, len(lines))
	for i, l := range lines {
		cut[i] = ansi.Truncate(l, width, "")
	}
	return cut
}

func checkCursor(t *rapid.T, emu *vt.Terminal, width, height int, cur terminal.Cursor) {
	if emu.CursorVisible() != cur.Visible {
		t.Fatalf("cursor visible %v, want %v", emu.CursorVisible(), cur.Visible)
	}
	if cur.X >= 0 && cur.Y >= 0 {
		wantX, wantY := min(cur.X, width-1), min(cur.Y, height-1)
		if x, y, known := emu.Cursor(); !known || x != wantX || y != wantY {
			t.Fatalf("cursor at %d,%d (known %v), want %d,%d", x, y, known, wantX, wantY)
		}
	}
}

// On a terminal that measures text by letters, not by clusters, a frame looks
// the same whatever was shown before it: a wrong guess heals.
func TestScreenHealsWhereWidthsDisagree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		width, height := size(rt)
		emu := vt.New(rt, width, height)
		emu.Method = ansi.WcWidth
		screen := terminal.NewScreen(width, height)
		lines := make([]string, height)
		for range rapid.IntRange(1, 6).Draw(rt, "frames") {
			lines = nextFrame(rt, lines, append(plainWords[:4:4], riskyWords...))
			emu.Feed(screen.Draw(strings.Join(lines, "\n"), terminal.NoCursor))
		}
		fresh := vt.New(rt, width, height)
		fresh.Method = ansi.WcWidth
		fresh.Feed(terminal.NewScreen(width, height).Draw(strings.Join(lines, "\n"), terminal.NoCursor))
		if got, want := emu.String(), fresh.String(); got != want {
			rt.Fatalf("shown:\n%s\nfresh:\n%s", got, want)
		}
	})
}

// hostile is text that must not reach a terminal as it is.
var hostile = []string{
	"\x1b[2J", "\x1b]0;title\a", "\x1b]52;c;aGk=\x1b\\", "\x1bP+q\x1b\\", "\x1b_G\x1b\\", "\x1bc", "\x1b(0", "\x1b[?1049l", "\x1b[6n",
	"\x1b[1;1H", "\x1b[31", "\x1b", "\x9b31m", "\u009b2J", "\u0085", "\x07", "\b\b", "\r", "\t", "\x7f", "\x00", "\xff", "\xc3", "\xed\xa0\x80",
	"\u202e", "\u2066", "\u200f", "\ufeff", "\u2028", "e" + strings.Repeat("\u0301", 500), "\x1b[38;5m", "\x1b[38;2;1m", "\x1b[999999999999m", "\x1b[4:3m", "\x1b[>4m",
}

// Of a frame only text and colours reach the terminal, whatever is in it.
func TestScreenLetsNothingButTextThrough(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		width, height := size(rt)
		screen, emu := terminal.NewScreen(width, height), vt.New(rt, width, height)
		for range rapid.IntRange(1, 4).Draw(rt, "frames") {
			var frame strings.Builder
			for range rapid.IntRange(0, 30).Draw(rt, "parts") {
				frame.WriteString(rapid.OneOf(
					rapid.SampledFrom(hostile), rapid.SampledFrom(plainWords), rapid.SampledFrom(styles),
					rapid.StringN(0, 3, 12), rapid.Just("\n"),
				).Draw(rt, "part"))
			}
			out := screen.Draw(frame.String(), terminal.NoCursor)
			if !utf8.Valid(out) {
				rt.Fatalf("not UTF-8: %q", out)
			}
			for _, r := range string(out) {
				if unicode.Is(unicode.Bidi_Control, r) || (unicode.IsControl(r) && r != 0x1b && r != '\n') {
					rt.Fatalf("%U in %q", r, out)
				}
			}
			if len(out) > (width+20)*height*40+100 {
				rt.Fatalf("%d bytes for %dx%d", len(out), width, height)
			}
			emu.Feed(out)
		}
	})
}

// What differs takes the shortest way: a space in bold text needs no pen of its
// own, a space that shows (underlined, reversed) does, and forward is relative.
func TestScreenTakesTheShortWay(t *testing.T) {
	screen := terminal.NewScreen(40, 3)
	screen.Draw(strings.Repeat("pump 1             pump 2\n", 2), terminal.NoCursor)
	for _, step := range []struct{ frame, want string }{
		{"pump 3             pump 4\npump 1             pump 2\n", "\x1b[;6H3\x1b[18C4"},
		{"pump 3             pump 4\n\x1b[1;31mdoor is open now\x1b[m   pump 2\n", "\x1b[2H\x1b[1;31mdoor is open now\x1b[m"},
		{"pump 3             pump 4\n\x1b[7mdoor is open\x1b[m now   pump 2\n", "\x1b[2H\x1b[7mdoor is open\x1b[C\x1b[mnow"},
		{"\x1b[7mhot\x1b[m \x1b[7mon\x1b[m             pump 4\n\x1b[7mdoor is open\x1b[m now   pump 2\n", "\x1b[H\x1b[7mhot\x1b[m \x1b[7mon\x1b[m"},
	} {
		if got := string(screen.Draw(step.frame, terminal.NoCursor)); got != step.want {
			t.Errorf("frame %q sent\n%q, want\n%q", step.frame, got, step.want)
		}
	}
}
