package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"example.com/punchlist/sync/op"
)

// Widths of a sheet in a terminal.
const (
	textBar  = 30
	textCell = 44
)

// Text writes a sheet for a terminal: plain letters, bars of #.
func Text(w io.Writer, s Sheet) error {
	out := bufio.NewWriter(w)
	line := func(text string) { fmt.Fprintln(out, strings.TrimRight(text, " ")) } // Flush tells of errors
	line(textLine(s.Title))
	for _, l := range s.Lines {
		line(textLine(l))
	}
	textFacts(line, s.Facts)
	for _, sec := range s.Sections {
		line("")
		line(textLine(sec.Title))
		for _, l := range strings.Split(op.Clean(sec.Text, true), "\n") {
			if sec.Text != "" {
				line("  " + l)
			}
		}
		textFacts(line, sec.Facts)
		textBars(line, sec.Bars)
		if sec.Table != nil && len(sec.Table.Rows) > 0 {
			textTable(line, sec.Table)
		}
	}
	if s.Foot != "" {
		line("")
		line(textLine(s.Foot))
	}
	return out.Flush()
}

func textLine(s string) string { return op.Clean(s, false) }

func textFacts(line func(string), facts []Fact) {
	width := 0
	for _, f := range facts {
		width = max(width, ansi.StringWidth(textLine(f.Name)))
	}
	for _, f := range facts {
		line("  " + padTo(textLine(f.Name), width) + "  " + textLine(f.Value))
	}
}

func textBars(line func(string), bars []Bar) {
	width, most := 0, 0.0
	for _, b := range bars {
		width, most = max(width, ansi.StringWidth(textLine(b.Label))), max(most, b.Value)
	}
	width = min(width, textCell)
	for _, b := range bars {
		n := 0
		if most > 0 && b.Value > 0 {
			n = max(1, int(b.Value/most*textBar))
		}
		line("  " + padTo(textLine(b.Label), width) + "  " + padTo(strings.Repeat("#", n), textBar) + "  " + textLine(b.Text))
	}
}

func textTable(line func(string), t *Table) {
	widths := make([]int, len(t.Head))
	each := func(do func(i int, cell string)) {
		for _, cells := range append([]Row{{Cells: t.Head}}, t.Rows...) {
			for i, cell := range cells.Cells {
				if i < len(widths) {
					do(i, textLine(cell))
				}
			}
		}
	}
	last := len(t.Head) - 1 // may be as long as it is: notes and comments stand there
	each(func(i int, cell string) { widths[i] = min(max(widths[i], ansi.StringWidth(cell)), textCell) })
	for _, r := range append([]Row{{Cells: t.Head}}, t.Rows...) {
		var b strings.Builder
		for i, cell := range r.Cells {
			switch {
			case i == last:
				b.WriteString("  " + textLine(cell))
			case i < last:
				b.WriteString("  " + padTo(textLine(cell), widths[i]))
			}
		}
		line(b.String())
	}
}

// padTo cuts or fills a text to a width in cells.
func padTo(s string, width int) string {
	s = ansi.Truncate(s, width, "~")
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}
