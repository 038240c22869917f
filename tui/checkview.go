package tui

import (
	"strings"

	"example.com/punchlist/sync/op"
	tea "github.com/charmbracelet/bubbletea"
)

// itemLine is one step of a checklist in w cells: its answer first, in words of
// one width. Where there is no room for all of it the label gives way: what was
// read is what counts.
func (a *App) itemLine(f op.Fields, w int) string {
	mark, label, end := answerMark(f.Text("outcome"))+" ", a.text(f.Text("label")), ""
	if v := a.text(valueText(f["value"])); v != "" {
		end = ": " + strings.TrimSpace(v+" "+a.text(f.Text("unit")))
	}
	if f.Bool("required") && f.Text("outcome") == "" {
		end += "  (required)"
	}
	if f.Text("comment") != "" {
		end += "  *" // there is a comment
	}
	return a.cut(mark+a.cut(label, max(w-width(mark+end), min(width(label), w/3)))+end, w)
}

// answerWord is an answer as sentences have it.
func answerWord(outcome string) string {
	switch outcome {
	case "":
		return "no answer now"
	case "na":
		return "not applicable"
	}
	return outcome
}

func answerMark(outcome string) string {
	switch outcome {
	case "":
		return "[    ]"
	case "na":
		return "[n/a ]"
	}
	return "[" + outcome + strings.Repeat(" ", max(0, 4-len(outcome))) + "]"
}

func (s *checklistScreen) view(a *App, w, h int) []string {
	if !s.loaded {
		return nil
	}
	if len(s.items) == 0 {
		if s.asking != nothing {
			return []string{"", "  This task has no checklist.", "", s.typed(w)}
		}
		return []string{"", "  This task has no checklist.", "", "  a     add a step", "  esc   back"}
	}
	low := s.detail(a, w)
	lines := []string{s.progress()}
	return append(append(lines, fit(s.rows(a, w, h-len(low)-1), w, max(0, h-len(low)-1))...), low...)
}

// progress counts what is done and what must still be done.
func (s *checklistScreen) progress() string {
	answered, required, failed := 0, 0, 0
	for _, it := range s.items {
		switch it.Fields.Text("outcome") {
		case "":
			if it.Fields.Bool("required") {
				required++
			}
			continue
		case "fail":
			failed++
		}
		answered++
	}
	out := itoa(answered) + " of " + itoa(len(s.items)) + " answered"
	if failed > 0 {
		out += ", " + itoa(failed) + " failed"
	}
	if required > 0 {
		out += ", " + itoa(required) + " required left"
	}
	return out
}

// rows are the steps around the selected one, under the headings of their parts.
func (s *checklistScreen) rows(a *App, w, h int) []string {
	s.drawn = s.drawn[:0]
	h = max(1, h) // a long label and its help may leave no room at all
	var lines []string
	section, at := "", 0
	for i, it := range s.items {
		if sec := it.Fields.Text("section"); sec != section {
			section = sec
			lines, s.drawn = append(lines, a.st.section.Render(a.cut(a.text(sec), w))), append(s.drawn, none)
		}
		if i == s.cur {
			at = len(lines)
		}
		line := a.itemLine(it.Fields, w-2)
		if i != s.cur && it.Fields.Text("outcome") == "fail" {
			line = a.st.bad.Render(line)
		}
		lines, s.drawn = append(lines, a.row(i == s.cur, line)), append(s.drawn, i)
	}
	// The place moves only when the selected step would leave the sight, so
	// that one answered step changes two lines and not the screen.
	s.top = max(0, min(s.top, len(lines)-h, at-1))
	if at >= s.top+h-1 {
		s.top = min(at-h+2, max(0, len(lines)-h))
	}
	s.drawn = s.drawn[max(0, s.top):]
	s.drawn = s.drawn[:min(h, len(s.drawn))]
	return lines[max(0, s.top):]
}

// detail is what there is to know of the selected step, and the line to type in.
func (s *checklistScreen) detail(a *App, w int) []string {
	f := s.item()
	out := []string{strings.Repeat(a.st.glyphs.rule, min(w, 78))}
	out = append(out, wrap(a.text(f.Text("label")), w)...)
	if help := f.Text("help"); help != "" {
		lines := a.block(help, w)
		out = append(out, lines[:min(3, len(lines))]...)
	}
	switch f.Text("kind") {
	case "number":
		if limits, _ := within(0, f); limits != "" {
			out = append(out, a.cut("number, "+a.text(limits), w))
		}
	case "choice":
		out = append(out, wrap(a.text(strings.Join(numbered(choicesOf(f)), "  ")), w)...)
	}
	if by := f.Text("done_by"); by != "" && f.Text("outcome") != "" {
		out = append(out, a.cut(answerWord(f.Text("outcome"))+" by "+a.text(by)+" "+a.clock(f.Int("done_at")), w))
	}
	if c := f.Text("comment"); c != "" {
		out = append(out, a.cut("* "+a.text(c), w))
	}
	if s.asking != nothing {
		out = append(out, s.typed(w))
	}
	return out
}

// typed is the line to type in, and what is asked for there.
func (s *checklistScreen) typed(w int) string {
	ask := [...]string{"", "Value: ", "Comment: ", "New step: "}[s.asking]
	return ask + inputLine(&s.input, w-width(ask))
}

// click goes to a step. It answers none: which answer a click means nobody can know.
func (s *checklistScreen) click(_ *App, line int) tea.Cmd {
	if i := s.drawn.at(line - 1); i != none && s.asking == nothing { // progress stands above
		s.cur = i
	}
	return nil
}
