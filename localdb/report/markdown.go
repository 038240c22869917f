package report

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"

	"example.com/punchlist/sync/op"
)

// Markdown writes a sheet as CommonMark with tables (as GitHub has them).
func Markdown(w io.Writer, s Sheet) error {
	out := bufio.NewWriter(w)
	line := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) } // Flush tells of errors
	line("# %s\n", mdLine(s.Title))
	for _, l := range s.Lines {
		line("**%s**\n", mdLine(l))
	}
	mdFacts(line, s.Facts)
	for _, sec := range s.Sections {
		line("## %s\n", mdLine(sec.Title))
		if sec.Text != "" {
			line("%s\n", mdText(sec.Text))
		}
		mdFacts(line, sec.Facts)
		if len(sec.Bars) > 0 {
			rows := make([]Row, 0, len(sec.Bars))
			for _, b := range sec.Bars {
				rows = append(rows, Row{Cells: []string{b.Label, b.Text}})
			}
			mdTable(line, &Table{Head: []string{"", ""}, Rows: rows})
		}
		if sec.Table != nil && len(sec.Table.Rows) > 0 {
			mdTable(line, sec.Table)
		}
	}
	line("%s", mdLine(s.Foot))
	return out.Flush()
}

func mdFacts(line func(string, ...any), facts []Fact) {
	for _, f := range facts {
		line("- %s: %s", mdLine(f.Name), mdLine(f.Value))
	}
	if len(facts) > 0 {
		line("")
	}
}

func mdTable(line func(string, ...any), t *Table) {
	row := func(cells []string) {
		var b strings.Builder
		for i := range t.Head {
			cell := ""
			if i < len(cells) {
				cell = mdLine(cells[i])
			}
			b.WriteString("| " + cell + " ")
		}
		line("%s|", b.String())
	}
	row(t.Head)
	line("%s|", strings.Repeat("|---", len(t.Head)))
	for _, r := range t.Rows {
		row(r.Cells)
	}
	line("")
}

// mdEscapes takes every letter its meaning that Markdown gives it within a line:
// emphasis, code, links (bare ones too), tags, entities, cells of a table.
var mdEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "#", `\#`, "|", `\|`, "~", `\~`, "$", `\$`,
	"@", `\@`, "://", `\://`, "www.", `www\.`, "WWW.", `WWW\.`, "<", "&lt;", ">", "&gt;", "&", "&amp;")

// mdStart is what begins a list or a rule at the start of a line.
var mdStart = regexp.MustCompile(`^([-+=]|[0-9]+(?:[.)]))`)

// mdLine is a text as one line; its line breaks stay visible.
func mdLine(s string) string {
	s = strings.TrimSpace(op.Clean(s, true))
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
	for i, p := range parts {
		parts[i] = mdEscapes.Replace(strings.Join(strings.Fields(p), " "))
	}
	return strings.Join(parts, "<br>")
}

// mdText is a text of several lines: a blank line parts paragraphs, and a
// backslash keeps the other line breaks.
func mdText(s string) string {
	var out []string
	for _, para := range strings.Split(op.Clean(s, true), "\n\n") {
		var lines []string
		for _, l := range strings.Split(para, "\n") {
			if l = strings.Join(strings.Fields(l), " "); l != "" {
				l = mdEscapes.Replace(l)
				if at := mdStart.FindStringIndex(l); at != nil { // the last letter of it makes it one
					l = l[:at[1]-1] + `\` + l[at[1]-1:]
				}
				lines = append(lines, l)
			}
		}
		if len(lines) > 0 {
			out = append(out, strings.Join(lines, "\\\n"))
		}
	}
	return strings.Join(out, "\n\n")
}
