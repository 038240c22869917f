package exchange_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"example.com/punchlist/localdb/exchange"
)

// Whatever a file holds, reading it ends, names a line of the file for each bad
// row, and says nothing that could steer a terminal.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.csv")
	if err != nil || len(files) == 0 {
		f.Fatal("no samples: ", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 2000)], byte(0))
	}
	for i, text := range []string{
		rounds, scored, oneTask, "[" + oneTask + "]", "title,due_at\na,\"32/13/2026\"\n", "id,title\n1,\"\n", "title;x.a\n'=1;'7\n",
		"\xff\xfet\x00i\x00", "[{\"title\":1}", "{\"title\":\"a\"}\n[]\n", "title\r\rb", "\"title\"\n\"a\"b\n", "PK\x03\x04",
	} {
		f.Add([]byte(text), byte(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, how byte) {
		o := exchange.Options{Zone: "UTC", MendQuotes: how&1 > 0}
		if how&2 > 0 {
			o.Map = []string{"title={title} x", "external_ref=external_ref"}
		}
		if how&4 > 0 {
			o.Encoding = "cp932"
		}
		if how&8 > 0 {
			o.Item, o.ItemValues = []string{"title"}, "*=open"
		}
		file, err := exchange.Read(bytes.NewReader(data), o)
		if err != nil {
			harmless(t, err.Error())
			return
		}
		lines := 1 + bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r"))
		if len(file.Bad) > file.Rows {
			t.Errorf("%d bad rows of %d", len(file.Bad), file.Rows)
		}
		for _, b := range file.Bad {
			if b.Line < 1 || how&4 == 0 && b.Line > lines && !bytes.Contains(data, []byte{0}) {
				t.Errorf("line %d of %d: %v", b.Line, lines, b)
			}
			harmless(t, b.Error())
		}
	})
}

func harmless(t *testing.T, message string) {
	t.Helper()
	if strings.ContainsFunc(message, func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' }) {
		t.Errorf("a control character in %q", message)
	}
}
