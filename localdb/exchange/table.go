package exchange

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table is a file of rows and columns, every row as wide as the header.
type table struct {
	header []string
	rows   []row
}

type row struct {
	line  int
	cells []string
}

// MaxColumns bounds the width of a table.
const MaxColumns = 2000

var delimiters = []rune{',', ';', '\t', '|'}

// readCSV reads RFC 4180 with any of four delimiters and any line ends. Rows
// that break its rules are named and left out; the rows around them are read.
func (f *File) readCSV(text []byte, o Options) error {
	comma, err := o.comma(text)
	if err != nil {
		return err
	}
	t, err := f.readTable(text, comma)
	if err != nil {
		return err
	}
	if o.MendQuotes {
		f.mendQuotes(t)
	} else if rows := halfEscaped(t); len(rows) > 0 {
		f.note("%s stray backslashes from half-escaped quotes, the first in line %d: --mend-quotes reads them as quotes", count(len(rows), "cell has", "cells have"), rows[0])
	}
	f.refuseShifted(t)
	return f.readRows(t, o)
}

// comma is the delimiter asked for, or the one that cuts the first rows into
// the most columns while all of them come out equally wide.
func (o Options) comma(text []byte) (rune, error) {
	if o.Delimiter != "" {
		return delimiterNamed(o.Delimiter)
	}
	sample := text
	if len(sample) > 64<<10 {
		sample = sample[:64<<10]
	}
	best, widest := ',', 1
	for _, c := range delimiters {
		if width := sampleWidth(sample, c); width > widest {
			best, widest = c, width
		}
	}
	return best, nil
}

func delimiterNamed(name string) (rune, error) {
	if strings.EqualFold(name, "tab") || name == `\t` {
		return '\t', nil
	}
	c, size := utf8.DecodeRuneInString(name)
	if size != len(name) || c == '"' || c == '\r' || c == '\n' || c == utf8.RuneError {
		return 0, cure(`use one character, or "tab"`, "the delimiter %s cannot part cells", quote(name))
	}
	return c, nil
}

// sampleWidth is how many columns a delimiter makes; 0 when the rows differ.
func sampleWidth(sample []byte, comma rune) int {
	r := newReader(sample, comma)
	r.LazyQuotes = true
	width, rows, same := 0, 0, 0
	for ; rows < 50; rows++ {
		cells, err := r.Read()
		if err != nil {
			break
		}
		if width == 0 {
			width = len(cells)
		}
		if len(cells) == width {
			same++
		}
	}
	if same*10 < rows*7 { // the last row may be cut, a few may be broken
		return 0
	}
	return width
}

func newReader(text []byte, comma rune) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = comma
	r.FieldsPerRecord = -1 // widths are checked here, with better words
	return r
}

func (f *File) readTable(text []byte, comma rune) (*table, error) {
	text = loneReturns(text)
	r := newReader(text, comma)
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, cure("the first line must name the columns", "the file is empty")
	}
	if err != nil {
		return nil, cure("the first line must name the columns, in plain CSV", "the header: %s", broken(err).Error())
	}
	if len(header) > MaxColumns {
		return nil, cure("--delimiter says what parts the cells", "the header has %s columns; at most %s", thousands(len(header)), thousands(MaxColumns))
	}
	t := &table{header: trimAll(header)}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		f.Rows++
		if err != nil {
			f.Bad = append(f.Bad, broken(err))
			continue
		}
		line, _ := r.FieldPos(0)
		f.addRow(t, row{line, cells})
	}
}

// loneReturns turns the line ends of old Macintosh files into ours. A carriage
// return beside line feeds belongs to its line end and is left to the reader.
func loneReturns(text []byte) []byte {
	if bytes.IndexByte(text, '\n') >= 0 {
		return text
	}
	return bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
}

// addRow takes a row whose width is the header's. Empty cells beyond it are
// what spreadsheets leave behind and mean nothing.
func (f *File) addRow(t *table, r row) {
	want, have := len(t.header), len(r.cells)
	for have > want && strings.TrimSpace(r.cells[have-1]) == "" {
		have--
	}
	switch {
	case have == want:
		r.cells = r.cells[:want]
		t.rows = append(t.rows, r)
	case have > want:
		f.Bad = append(f.Bad, Bad{Line: r.line, Column: want + 1, Why: fmt.Sprintf(
			"the row has %d columns, the header has %d; is a cell with a comma not in quotes?", have, want)})
	default:
		f.Bad = append(f.Bad, Bad{Line: r.line, Column: have, Header: t.header[have-1], Why: fmt.Sprintf(
			"the row ends here: it has %s, the header has %d", count(have, "column", "columns"), want)})
	}
}

// broken says in plain words what the CSV reader stumbled over.
func broken(err error) Bad {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return Bad{Line: 1, Why: err.Error()}
	}
	b := Bad{Line: max(p.StartLine, 1), Why: p.Err.Error()}
	where := ""
	if p.Line > p.StartLine {
		where = fmt.Sprintf(", in line %d", p.Line)
	}
	switch {
	case errors.Is(p.Err, csv.ErrBareQuote):
		b.Why = fmt.Sprintf(`a quote stands inside a cell that does not begin with one, at byte %d%s; such a cell is written "like ""this"""`, p.Column, where)
	case errors.Is(p.Err, csv.ErrQuote):
		b.Why = fmt.Sprintf(`a quoted cell does not end as it should, at byte %d%s; a quote inside it is written twice`, p.Column, where)
	}
	return b
}

// halfEscapedCell is a quoted cell that went through a program which took the
// backslash of an opening \" for text and its quote for the end: "a \"b\" c"
// came out as a \b\" c" (seen in maintenance exports of a big planning system).
var halfEscapedCell = regexp.MustCompile(`^[^"\\]*\\[^"\\]*(?:\\"[^"\\]*(?:\\[^"\\]*\\"[^"\\]*)*)?"$`)

func halfEscaped(t *table) (lines []int) {
	for _, r := range t.rows {
		for _, c := range r.cells {
			if strings.HasSuffix(c, `"`) && halfEscapedCell.MatchString(c) {
				lines = append(lines, r.line)
			}
		}
	}
	return lines
}

func (f *File) mendQuotes(t *table) {
	mended := 0
	for _, r := range t.rows {
		for i, c := range r.cells {
			if !strings.HasSuffix(c, `"`) || !halfEscapedCell.MatchString(c) {
				continue
			}
			c = strings.ReplaceAll(c[:len(c)-1], `\"`, `"`)
			r.cells[i] = strings.ReplaceAll(c, `\`, `"`)
			mended++
		}
	}
	if mended > 0 {
		f.note("mended the quotes of %s", count(mended, "cell", "cells"))
	}
}

// Evidence that a row has shifted is only believed in a table long enough to
// know what its columns hold.
const (
	shiftMinRows  = 50 // rows with a number in the column
	shiftMaxOther = 3  // rows, or one in shiftOneIn, that hold something else
	shiftOneIn    = 500
	shiftUsual    = 5 // times that the neighbour column holds that very word
)

// refuseShifted finds rows whose cells stand one column off although their
// number is right: an unquoted comma at one place, a column lost at another.
// It shows where a column of numbers holds a word that its neighbour usually
// holds. Taken silently, such a row would be half a title and a wrong cost.
func (f *File) refuseShifted(t *table) {
	suspects := map[int][]int{} // row → columns
	for c := range t.header {
		for _, i := range oddRows(t, c) {
			suspects[i] = append(suspects[i], c)
		}
	}
	shifted := map[int]bool{}
	for i, columns := range suspects {
		for _, c := range columns {
			r := t.rows[i]
			from, ok := neighbourHolds(t, r, c)
			if !ok {
				continue
			}
			shifted[r.line] = true
			f.Bad = append(f.Bad, Bad{Line: r.line, Column: c + 1, Header: t.header[c], Why: fmt.Sprintf(
				"holds %s, which belongs in column %d (%s): the row has shifted, most likely at a comma that is not in quotes",
				quote(r.cells[c]), from+1, clip(t.header[from]))})
			break
		}
	}
	t.rows = slices.DeleteFunc(t.rows, func(r row) bool { return shifted[r.line] })
}

// oddRows lists the rows that hold a word in a column of numbers.
func oddRows(t *table, c int) (odd []int) {
	numbers := 0
	for i, r := range t.rows {
		switch s := strings.TrimSpace(r.cells[c]); {
		case isMissing(s):
		case isNumber(s):
			numbers++
		default:
			if odd = append(odd, i); len(odd) > shiftMaxOther+len(t.rows)/shiftOneIn {
				return nil
			}
		}
	}
	if numbers < shiftMinRows {
		return nil
	}
	return odd
}

func neighbourHolds(t *table, r row, c int) (neighbour int, ok bool) {
	for _, n := range [...]int{c - 1, c + 1} {
		if n < 0 || n >= len(t.header) {
			continue
		}
		usual := 0
		for _, other := range t.rows {
			if other.cells[n] == r.cells[c] {
				usual++
			}
		}
		if usual >= shiftUsual {
			return n, true
		}
	}
	return 0, false
}

func isMissing(s string) bool {
	switch strings.ToLower(s) {
	case "", "-", "?", "na", "n/a", "n.a.", "null", "none", "nil":
		return true
	}
	return false
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

func trimAll(cells []string) []string {
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}
