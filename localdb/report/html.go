package report

import (
	_ "embed" // for the page
	"html/template"
	"io"
	"strings"
	"unicode/utf8"

	"example.com/punchlist/sync/op"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"clean": func(s string) string { return op.Clean(s, true) },
	"plot":  plotOf,
	"short": func(s string) bool { return utf8.RuneCountInString(s) <= 17 }, // stays on one line
	"pad": func(head, cells []string) []string {
		return append(cells[:len(cells):len(cells)], make([]string, max(0, len(head)-len(cells)))...)
	},
}).Parse(pageText))

// HTML writes a sheet as one page that needs nothing else.
func HTML(w io.Writer, s Sheet) error { return page.Execute(w, s) }

// plot is a section's bars, laid out.
type plot struct {
	Width, Height int
	Bars          []plotBar
}

type plotBar struct {
	Bar
	Y, Base      int
	Width, TextX int
}

// Sizes of a plot, in the units of its own picture.
const (
	plotWidth = 720
	plotLabel = 190
	plotRow   = 22
	plotText  = 130 // room for the words behind the longest bar
)

func plotOf(bars []Bar) plot {
	most := 0.0
	for _, b := range bars {
		most = max(most, b.Value)
	}
	p := plot{Width: plotWidth, Height: len(bars)*plotRow + 4}
	for i, b := range bars {
		width := 0
		if most > 0 && b.Value > 0 {
			width = max(1, int(b.Value/most*(plotWidth-plotLabel-plotText)))
		}
		if runes := []rune(b.Label); len(runes) > 26 {
			b.Label = strings.TrimSpace(string(runes[:25])) + "…"
		}
		p.Bars = append(p.Bars, plotBar{b, i*plotRow + 4, i*plotRow + 17, width, plotLabel + width + 6})
	}
	return p
}
