package tui_test

import (
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
	"example.com/punchlist/tui/terminal"
	"example.com/punchlist/tui/terminal/vt"
	tea "github.com/charmbracelet/bubbletea"
)

// realTexts are paragraphs in many scripts: the samples, and the whole sets where
// they lie beside the project.
func realTexts(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, name := range []string{"udhr.tsv", "yaizu.tsv"} {
		text, err := os.ReadFile(filepath.Join("testdata", "scripts", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			_, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
			out = append(out, text)
		}
	}
	paragraph, tag := regexp.MustCompile(`(?s)<p[^>]*>(.*?)</p>`), regexp.MustCompile(`<[^>]+>`)
	whole, _ := filepath.Glob("../../shared/data/udhr-multiscript/*.html")
	rows, _ := filepath.Glob("../../shared/data/yaizu-japan/222127*.csv")
	for _, path := range append(whole, rows...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".csv") {
			out = append(out, strings.Split(string(text), "\n")...)
			continue
		}
		for _, p := range paragraph.FindAllStringSubmatch(string(text), -1) {
			out = append(out, html.UnescapeString(tag.ReplaceAllString(p[1], "")))
		}
	}
	return out
}

// Wide, combining and right-to-left text, in the list and in a task, at every kind
// of size: frames fit in cells, and a terminal shows of each what a fresh one would.
func TestRealScriptsFit(t *testing.T) {
	texts := realTexts(t)
	if len(texts) < 80 {
		t.Fatalf("%d texts", len(texts))
	}
	s := newStory(t)
	s.enrol()
	line := func(text string) string {
		r := []rune(op.Clean(text, false))
		return string(r[:min(len(r), op.MaxLine)])
	}
	var changes []wire.Change
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			continue
		}
		changes = append(changes, s.record(op.Task, "", op.Fields{"title": line(text), "status": "PENDING", "description": text, "asset": line(texts[(i+1)%len(texts)]), "due_at": ms(morning) + int64(i)*6e4}))
	}
	s.hears(changes...)
	s.open(80, 24)
	for i, size := range [][2]int{{80, 24}, {200, 50}, {40, 12}, {41, 13}, {119, 31}, {121, 24}, {300, 100}, {57, 17}} {
		w, h := size[0], size[1]
		s.send(tea.WindowSizeMsg{Width: w, Height: h})
		screen, term := terminal.NewScreen(w, h), vt.New(t, w, h)
		show := func() {
			frame := s.app.View()
			checkFrame(t, frame, w, h)
			term.Feed(screen.Draw(frame, s.app.Cursor()))
			fresh := vt.New(t, w, h)
			fresh.Feed(terminal.NewScreen(w, h).Draw(frame, s.app.Cursor()))
			if got, want := term.String(), fresh.String(); got != want {
				t.Fatalf("%dx%d: the terminal shows\n%s\na fresh one\n%s", w, h, got, want)
			}
		}
		for n := range 4 {
			show()
			s.keys("enter")
			show()
			s.keys("j", "j", "ctrl+d")
			show()
			s.keys("esc", strings.Repeat("j", 1+(i+n)%5))
			show()
		}
	}
	if got := s.plain("list", "more", "1", "quit"); strings.ContainsAny(got, "\x1b\u202e\u200f") {
		t.Error(got)
	}
}
