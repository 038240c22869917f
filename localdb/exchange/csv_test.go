package exchange_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	utf "golang.org/x/text/encoding/unicode"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// The same two rows in every dialect make the same records.
func TestDialects(t *testing.T) {
	const plain = "external_ref,title,description\r\nA-1,\"Fix, then \"\"test\"\"\",\"one\r\ntwo\"\r\nA-2,Look,\r\n"
	first := newDesk(t)
	first.take(plain, exchange.Options{})
	want := first.dump()
	if !strings.Contains(want, `Fix, then \"test\"`) || !strings.Contains(want, `one\ntwo`) {
		t.Fatalf("the plain dialect was misread:\n%s", want)
	}
	for name, text := range map[string]string{
		"line feeds":        strings.ReplaceAll(plain, "\r\n", "\n"),
		"byte order mark":   "\uFEFF" + plain,
		"no last line end":  strings.TrimSuffix(plain, "\r\n"),
		"blank lines":       strings.ReplaceAll(plain, "A-2", "\r\n\r\nA-2"),
		"semicolons":        "external_ref;title;description\nA-1;\"Fix, then \"\"test\"\"\";\"one\ntwo\"\nA-2;Look;\n",
		"tabs":              "external_ref\ttitle\tdescription\nA-1\t\"Fix, then \"\"test\"\"\"\t\"one\ntwo\"\nA-2\tLook\t\n",
		"bars":              "external_ref|title|description\nA-1|\"Fix, then \"\"test\"\"\"|\"one\ntwo\"\nA-2|Look|\n",
		"empty cells after": strings.ReplaceAll(plain, "Look,", "Look,,,"),
		"names in capitals": strings.ReplaceAll(plain, "external_ref,title", "External Ref,TITLE"),
	} {
		t.Run(name, func(t *testing.T) {
			p := first.plan(readText(t, text, exchange.Options{}), exchange.PlanOptions{})
			wantNothing(t, p)
			wantTally(t, p, op.Task, exchange.Tally{Unchanged: 2})
		})
	}
}

func TestOldMacintoshLineEnds(t *testing.T) {
	d := newDesk(t)
	wantTally(t, d.take("external_ref,title\rA,One\rB,Two\r", exchange.Options{}), op.Task, exchange.Tally{New: 2})
}

func TestDelimiterCanBeSaid(t *testing.T) {
	d := newDesk(t)
	d.take("external_ref,x;title\nA,1;One\n", exchange.Options{Delimiter: ";", Map: []string{"external_ref=external_ref,x", "title=title"}})
	if v := d.task("A,1"); v.Title != "One" {
		t.Errorf("title %q", v.Title)
	}
	for _, bad := range []string{"ab", `"`, "\n"} {
		if _, err := exchange.Read(strings.NewReader("title\na\n"), exchange.Options{Format: "csv", Delimiter: bad}); err == nil {
			t.Errorf("delimiter %q was taken", bad)
		}
	}
}

func TestBadRowsAreNamed(t *testing.T) {
	const header = "external_ref,title,due_at,priority,estimate_minutes\n"
	for name, c := range map[string]struct{ row, want string }{
		"too many columns":   {"A,One,,,,six", "line 2, column 6: the row has 6 columns, the header has 5"},
		"too few columns":    {"A,One,", "line 2, column 3 (due_at): the row ends here: it has 3 columns, the header has 5"},
		"bare quote":         {`A,5" pipe,,,`, "line 2: a quote stands inside a cell that does not begin with one, at byte 4"},
		"quote not ended":    {`A,"One" two,,,`, "line 2: a quoted cell does not end as it should"},
		"quote never closed": {`A,"One,,,` + "\nB,Two,,,", "line 2: a quoted cell does not end as it should, at byte"},
		"time":               {"A,One,soon,,", `line 2, column 3 (due_at): due_at: "soon" is no time`},
		"no such day":        {"A,One,2026-02-30,,", `line 2, column 3 (due_at): due_at: "2026-02-30" is no time`},
		"month first":        {"A,One,12/31/2026,,", "(--dates mdy reads the month first)"},
		"year":               {"A,One,0202-01-01,,", "the year 202 "},
		"word":               {"A,One,,urgentish,", `line 2, column 4 (priority): priority: "urgentish" is none of emergency, high, normal, low; --values`},
		"number":             {"A,One,,,two", `line 2, column 5 (estimate_minutes): estimate_minutes: "two" is no whole number`},
		"negative":           {"A,One,,,-5", "estimate_minutes: cannot be negative"},
		"long title":         {"A," + strings.Repeat("x", 201) + ",,,", "line 2, column 2 (title): title: holds 201 characters; at most 200"},
		"empty title":        {"A,  ,,,", "line 2, column 2 (title): is empty; a new task needs a title"},
		"NUL":                {"A,a\x00b,,,", "line 2, column 2 (title): title: holds the control character U+0000 at byte 2"},
		"escape":             {"A,\x1b[31mred,,,", "control character U+001B at byte 1"},
		"turned text":        {"A,a\u202eb,,,", "control character U+202E"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			f := readText(t, header+c.row+"\n", exchange.Options{})
			p := d.plan(f, exchange.PlanOptions{})
			wantBad(t, p.Bad, c.want)
			if err := p.Write(t.Context(), d.target, nil); err == nil || !strings.Contains(withHint(err), "--skip-bad") {
				t.Errorf("a plan with bad rows was written: %v", err)
			}
			if d.tasks() != 0 || d.pending() != 0 {
				t.Error("something was written")
			}
			if strings.ContainsAny(p.Bad[0].Error(), "\x00\x1b\u202e") {
				t.Errorf("the message holds what it warns of: %q", p.Bad[0].Error())
			}
		})
	}
}

// Rows around a broken one are read, and the line is the file's, not the row's.
func TestPhysicalLines(t *testing.T) {
	d := newDesk(t)
	text := "external_ref,title,description\n" +
		"A,One,\"a\nb\nc\"\n" + // lines 2 to 4
		"B,\"Two\" x,\n" + // line 5
		"\n" + // line 6
		"C,,\n" + // line 7
		"D,Four,\n"
	p := d.write(readText(t, text, exchange.Options{}), exchange.PlanOptions{SkipBad: true})
	wantBad(t, p.Bad, "line 5:", "line 7, column 2 (title)")
	wantTally(t, p, op.Task, exchange.Tally{New: 2})
	if d.task("D").Title != "Four" || d.task("A").Fields.Text("description") != "a\nb\nc" {
		t.Error("the rows around the bad ones were misread")
	}
}

func TestLinesOfACellInOneLineFields(t *testing.T) {
	d := newDesk(t)
	d.take("external_ref,title\nA,\"Check\nthe pump\t now\"\n", exchange.Options{})
	if got := d.task("A").Title; got != "Check the pump  now" {
		t.Errorf("title %q", got)
	}
}

func TestDoublesAreRefused(t *testing.T) {
	d := newDesk(t)
	p := d.plan(readText(t, "external_ref,title\nA,One\nB,Two\nA,Three\n", exchange.Options{}), exchange.PlanOptions{SkipBad: true})
	wantBad(t, p.Bad, `line 4: external_ref "A" is already in line 2`)
	wantTally(t, p, op.Task, exchange.Tally{New: 2})
}

func TestShiftedRow(t *testing.T) {
	row := func(i int, kind, cost string) string { return fmt.Sprintf("R%d,won t swing,%s,%s\n", i, kind, cost) }
	var b strings.Builder
	b.WriteString("external_ref,title,type,x.cost\n")
	for i := range 60 {
		b.WriteString(row(i, "repair", fmt.Sprint(i)))
	}
	b.WriteString("S,won,t swing,repair\n") // line 62: the comma was an apostrophe
	b.WriteString(row(61, "repair", "on request"))
	f := readText(t, b.String(), exchange.Options{})
	wantBad(t, f.Bad, `line 62, column 4 (x.cost): holds "repair", which belongs in column 3 (type): the row has shifted`)
}

func TestEncodings(t *testing.T) {
	const text = "external_ref,title\nA,%s\n"
	encode := func(s, name string) string {
		t.Helper()
		var out string
		var err error
		switch name {
		case "cp932":
			out, err = japanese.ShiftJIS.NewEncoder().String(s)
		case "euc-jp":
			out, err = japanese.EUCJP.NewEncoder().String(s)
		case "windows-1252":
			out, err = charmap.Windows1252.NewEncoder().String(s)
		case "utf-16le":
			out, err = utf.UTF16(utf.LittleEndian, utf.IgnoreBOM).NewEncoder().String(s)
		case "utf-16be":
			out, err = utf.UTF16(utf.BigEndian, utf.IgnoreBOM).NewEncoder().String(s)
		case "utf-16":
			out, err = utf.UTF16(utf.LittleEndian, utf.UseBOM).NewEncoder().String(s)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct{ title, encoding, looks string }{
		{"点検：ポンプと№①のバルブ", "cp932", "Shift_JIS (CP932)"},
		{"点検：ポンプとバルブのへや", "euc-jp", "EUC-JP"},
		{"Kühlung prüfen: größer als nötig – Café", "windows-1252", "Windows-1252"},
		{"Check the cooling", "utf-16le", "UTF-16"},
		{"Check the cooling", "utf-16be", "UTF-16"},
	} {
		t.Run(c.encoding, func(t *testing.T) {
			file := encode(fmt.Sprintf(text, c.title), c.encoding)
			_, err := exchange.Read(strings.NewReader(file), exchange.Options{})
			if err == nil || !strings.Contains(err.Error(), c.looks) || !strings.HasSuffix(withHint(err), "--encoding "+c.encoding) {
				t.Errorf("without --encoding: %v", err)
			}
			d := newDesk(t)
			d.take(file, exchange.Options{Encoding: strings.ToUpper(c.encoding)})
			if got := d.task("A").Title; got != c.title {
				t.Errorf("title %q, want %q", got, c.title)
			}
		})
	}
	t.Run("byte order mark says UTF-16", func(t *testing.T) {
		d := newDesk(t)
		d.take(encode(fmt.Sprintf(text, "Größe"), "utf-16"), exchange.Options{})
		if got := d.task("A").Title; got != "Größe" {
			t.Errorf("title %q", got)
		}
	})
	t.Run("wrong one", func(t *testing.T) {
		_, err := exchange.Read(strings.NewReader(fmt.Sprintf(text, "Größe für später")), exchange.Options{Encoding: "cp932"})
		if err == nil || !strings.Contains(withHint(err), "the file is UTF-8") {
			t.Errorf("%v", err)
		}
	})
}

func TestFilesThatAreNoTable(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		o    exchange.Options
		want string
	}{
		"empty":            {"", exchange.Options{}, "the file is empty"},
		"blank":            {" \n\n", exchange.Options{}, "the file is empty"},
		"spreadsheet":      {"PK\x03\x04\x14\x00", exchange.Options{}, "spreadsheet"},
		"unknown format":   {"title\n", exchange.Options{Format: "xlsx"}, `cannot read the format "xlsx"`},
		"unknown encoding": {"title\n", exchange.Options{Encoding: "klingon"}, `the encoding "klingon" is not known`},
		"broken header":    {"a,\"b\"c\n1,2\n", exchange.Options{Format: "csv"}, "the header"},
		"very wide":        {strings.Repeat("a,", 3000) + "b\n", exchange.Options{}, "the header has 3,001 columns; at most 2,000"},
		"no title":         {"name,place\na,b\n", exchange.Options{}, "nothing is mapped to title"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := exchange.Read(strings.NewReader(c.text), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if !strings.Contains(withHint(err), "Try: ") {
				t.Errorf("no next step in %q", err)
			}
		})
	}
}

func TestHeaderAlone(t *testing.T) {
	d := newDesk(t)
	d.take("external_ref,title\nA,One\n", exchange.Options{})
	p := d.take("external_ref,title\n", exchange.Options{})
	wantNothing(t, p)
	if p.Elsewhere != 1 {
		t.Errorf("%d tasks elsewhere, want 1", p.Elsewhere)
	}
}

func TestMendQuotes(t *testing.T) {
	for cell, want := range map[string]string{
		`"Lube fault \A\"" line pressure too low"""`: `Lube fault "A" line pressure too low`,
		`"FOUND TWO BLOWN \O"""`:                     `FOUND TWO BLOWN "O`,
		`"Repair two-way in SHD24 \static\"""""`:     `Repair two-way in SHD24 "static"`,
		`"share \\srv\x"`:                            `share \\srv\x`,
		`"see ""C:\temp"""`:                          `see "C:\temp"`,
	} {
		d := newDesk(t)
		d.take("external_ref,title\nA,"+cell+"\n", exchange.Options{MendQuotes: true})
		if got := d.task("A").Title; got != want {
			t.Errorf("%s came out as %s, want %s", cell, got, want)
		}
	}
	f := readText(t, "external_ref,title\nA,\"the \\o\\\"\" ring\"\"\"\n", exchange.Options{})
	if len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "--mend-quotes") {
		t.Errorf("nobody was told of --mend-quotes: %q", f.Notes)
	}
}
