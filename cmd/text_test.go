package cmd_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostileTexts would steer a terminal, hide text from its reader or break a file
// of lines, were they let through. Most were a hole in some program once.
var hostileTexts = []string{
	// what moves, erases, recolours, resets
	"\x1b[2J\x1b[H", "\x1b[1;1Howned", "\x1b[38;5;123mred", "\x1b[8mhidden\x1b[28m", "\x1bc", "\x1b[!p", "\x1b[3J", "\x1b[10;20r", "\x1b[?25l", "\x1b[?1049l", "\x1b[?1000h\x1b[?1003h", "\x1b[?2004l", "\x1b[5i", "\x1b#8",
	"\x1b[4h\x1b[20h", "\x1b(0lqqk\x1b(B", "\x1b)0\x0e", "\x1b7\x1b8", "\x1bM\x1bM\x1bM", "\x1bD\x1bE", "\x1b[999999999999999999A", "\x1b[9999S", "\x1b[?5h", "\x1b[;;;;;;;;;;;;;;;;;;;;m", "\x1b[38;2;1;2;3;4;5;6m", "\x1b[4:3m", "\x1b[>4;2m",
	// what makes a terminal answer, as if it had been typed
	"\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[?6n", "\x1bZ", "\x05", "\x1b[21t", "\x1b[14t", "\x1bP$qm\x1b\\", "\x1bP+q544e\x1b\\", "\x1b]11;?\x07", "\x1b]4;1;?\x1b\\",
	// strings: titles, clipboard, links, files, images, notifications
	"\x1b]0;owned\x07", "\x1b]2;rm -rf\x1b\\", "\x1b]52;c;b3duZWQ=\x07", "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\", "\x1b]1337;File=name=x:AAAA\x07", "\x1b]9;owned\x07", "\x1b]777;notify;a;b\x07", "\x1b]50;x\x07",
	"\x1b_Gf=100;AAAA\x1b\\", "\x1b^private\x1b\\", "\x1bXsos\x1b\\", "\x1bP0;0|17/ab\x9c", "\x1b]unfinished", "\x1bPunfinished", "\x1b[", "\x1b",
	// the same in one byte, raw and as UTF-8
	"\x9b2J", "\u009b2J", "\x9d0;owned\x9c", "\u009d0;owned\u009c", "\x90+q\x9c", "\u0090+q\u009c", "\u0085next line", "\u008d", "\u0084", "\u009f",
	// what overwrites what stands before it
	"password\r********", "a\b\b\bxyz", "one\vtwo\fthree", "a\tb", "line\nfeed", "\x7f\x7f\x7f", "nul\x00byte", "bell\x07\x07", "\x0e\x0f\x11\x13\x18\x1a",
	// what turns the order of what is read
	"invoice\u202egnp.exe", "\u2066\u2067\u2068isolated\u2069", "\u200f\u200emarks\u061c", "\u202a\u202b\u202c\u202d", "\u2028separator\u2029",
	// what is no text
	"\xff\xfe", "\xc3", "\xe2\x82", "\xf0\x9f\x92", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "mixed\xc3\x28ok",
	// what is wide, high or nothing
	"Z" + strings.Repeat("\u0301\u0323\u0489", 200), strings.Repeat("漢", 300), strings.Repeat("👨\u200d👩\u200d👧", 60), "\u200b\u200b\ufeff\u00ad", strings.Repeat("x", 5000), "\U000e0041\U000e0042", "\ufff9a\ufffab\ufffb", "שלום עולם", "مرحبا بالعالم",
	// what other readers of the output take for more
	"=cmd|'/c calc'!A1", "+1+1", "-2", "@SUM(A1)", "\"quoted\",\"cells\"", "%s%n%d", "$(touch owned)", "`touch owned`", "<script>", "\\u001b[2J",
}

// poison writes the texts into every field of a laptop's records that people read,
// behind the back of all that would have refused or cleaned them.
func (w *world) poison(laptop string) {
	w.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(w.dir, laptop+".db"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	ids := []string{}
	rows, err := db.Query("SELECT id FROM tasks ORDER BY id")
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for i, id := range ids {
		x := hostileTexts[i%len(hostileTexts)]
		for _, query := range []string{
			"UPDATE tasks SET title = ?1, description = ?1, asset = ?1, contact_name = ?1, contact_phone = ?1, external_ref = ?1 || id, assignee = ?1, number = 'T-' || rowid || ?1 WHERE id = ?2",
			"UPDATE notes SET body = ?1, author = ?1, kind = ?1 WHERE task_id = ?2",
			"UPDATE checklist_items SET label = ?1, section = ?1, help = ?1, comment = ?1, unit = ?1 WHERE task_id = ?2",
			"UPDATE sync_queue SET last_error = ?1 WHERE task_id = ?2",
			"UPDATE device SET user = ?1, server_url = '' WHERE ?2 <> ''",
		} {
			if _, err := db.Exec(query, x, id); err != nil {
				w.t.Fatal(err, query)
			}
		}
	}
}

// Whatever stands in the data, of it only text reaches a terminal: looked at on the
// bytes that a pseudo-terminal received from the screen, and on all that the
// commands print, log and export.
func TestHostileTextReachesNoTerminal(t *testing.T) {
	t.Parallel()
	if len(hostileTexts) < 60 {
		t.Fatal(len(hostileTexts))
	}
	w := newWorld(t)
	w.file("many.csv", "title,external_ref,Car\n"+func() string {
		var b strings.Builder
		for i := range hostileTexts {
			fmt.Fprintf(&b, "Task %d,R-%d,o\n", i, i)
		}
		return b.String()
	}())
	w.laptop("a", "import", "many.csv", "--item", "Car", "--item-values", "o=open")
	for _, line := range strings.Split(strings.TrimSpace(w.laptop("a", "list")), "\n")[:5] {
		w.laptop("a", "note", strings.Fields(line)[1], "a note")
	}
	w.poison("a")

	s := w.session(100, 30, nil)
	s.sees("enter open").types("?").sees("HERE").types("\x1b")
	for i := range 12 {
		s.types(strings.Repeat("j", 8)).types("\r").until("the task", func(shown string) bool { return strings.Contains(shown, "status") })
		s.types("c").until("the checklist", func(shown string) bool {
			return strings.Contains(shown, "answered") || strings.Contains(shown, "no checklist")
		})
		s.types("\x1b").types("\x1b")
		if i%4 == 0 {
			s.types("O").sees("Queue").types("\x1b").types("X").sees("onflicts").types("\x1b")
		}
		s.until("the list", func(shown string) bool { return strings.Contains(shown, "enter open") })
	}
	s.types("e").until("the form", func(shown string) bool { return strings.Contains(shown, "> title") }).types("\x1b")
	s.types("q")
	s.restored().ends(0)
	sent := s.sent()
	for _, marker := range []string{"\x1b[38;5;123", "\x1b]", "\x1b[8m", "\x1b[10;20r", "\x1b[6n", "\x1bc"} {
		if strings.Contains(sent, marker) {
			t.Errorf("%q of the data reached the terminal", marker)
		}
	}

	p := w.session(100, 30, nil, "punchlist", "--db", "a.db", "--plain").tells("\n> ")
	p.types("more\nmore\nmore\nmore\nmore\n1\nc\nback\nback\n40\nqueue\n1\nback\nconflicts\nfind [2J\nquit\n").ends(0)

	for _, argv := range [][]string{
		{"list"}, {"list", "--json"}, {"queue"}, {"queue", "--json"}, {"conflicts"}, {"state"}, {"state", "--json"}, {"export"}, {"export", "--format", "json"},
		{"show", "\x1b[2J\x9b"}, {"list", "\x1b]0;x\x07\u202e:\xff"}, {"\x1b[2J"}, {"list", "--\x1b[2J"}, {"add", "x\x1b[2J"}, {"set", "T-1", "title=\u202e"}, {"--db", "\x1b[2J\x9b.db/no/such", "list"}, {"list", "--view", "\x9b"},
	} {
		out, errs, _ := w.try("punchlist", append([]string{"--db", "a.db"}, argv...)...)
		if argv[0] == "export" { // where a tab in a long text is one still
			out = strings.ReplaceAll(out, "\t", " ")
		}
		onlyText(t, fmt.Sprintf("%q", argv), out+errs)
	}
	for i := range 20 {
		out, errs, _ := w.try("punchlist", "--db", "a.db", "show", fmt.Sprintf("T-%d%s", i+1, hostileTexts[i]), "--json")
		onlyText(t, "show", out+errs)
	}
	logs, _ := filepath.Glob(filepath.Join(w.dir, "state", "punchlist", "*.log"))
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		onlyText(t, path, string(text))
	}
}

// onlyText looks for anything in an output that is more than text: C0 but line
// breaks, DEL, C1 raw or as UTF-8, bidi controls, invalid UTF-8.
func onlyText(t *testing.T, what, s string) {
	t.Helper()
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Errorf("%s: %q at byte %d: …%q", what, s[i:i+size], i, s[max(0, i-40):min(len(s), i+20)])
			return
		}
	}
}
