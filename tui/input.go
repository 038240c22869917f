package tui

import (
	"strings"

	"example.com/punchlist/sync/op"
	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textarea"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
)

// newInput is a line to type in. Its cursor does not blink (each blink would be
// sent over the line), and it never runs a program to reach the clipboard.
func (a *App) newInput() textinput.Model {
	in := textinput.New()
	in.Prompt = ""
	in.CharLimit = 4 * op.MaxLine // the refusal of what is too long is the schema's, with its words
	in.Cursor.SetMode(cursor.CursorStatic)
	in.Cursor.Style = a.st.plain
	in.TextStyle, in.PromptStyle, in.PlaceholderStyle = a.st.plain, a.st.plain, a.st.plain
	in.KeyMap.Paste = key.NewBinding()
	in.KeyMap.NextSuggestion, in.KeyMap.PrevSuggestion = key.NewBinding(), key.NewBinding()
	return in
}

// newArea is a few lines to type in: enter is the screen's, ctrl+j a new line.
func (a *App) newArea() textarea.Model {
	ar := textarea.New()
	ar.Prompt, ar.ShowLineNumbers, ar.EndOfBufferCharacter = "", false, ' '
	ar.CharLimit, ar.MaxHeight = 0, 0
	ar.Cursor.SetMode(cursor.CursorStatic)
	ar.Cursor.Style = a.st.plain
	plain := textarea.Style{Base: a.st.plain, CursorLine: a.st.plain, CursorLineNumber: a.st.plain, EndOfBuffer: a.st.plain,
		LineNumber: a.st.plain, Placeholder: a.st.plain, Prompt: a.st.plain, Text: a.st.plain}
	ar.FocusedStyle, ar.BlurredStyle = plain, plain
	ar.KeyMap.InsertNewline = a.keys.NewLine
	ar.KeyMap.Paste = key.NewBinding()
	return ar
}

// feed gives a key to a line. Pasted text is text: line breaks become blanks,
// what could steer the terminal is dropped.
func (a *App) feed(in *textinput.Model, k tea.KeyMsg) {
	if k.Type == tea.KeyRunes {
		k.Runes = []rune(op.Clean(string(k.Runes), false))
	}
	*in, _ = in.Update(k)
}

// feedArea gives a key to an area; there line breaks of a paste stay.
func (a *App) feedArea(ar *textarea.Model, k tea.KeyMsg) {
	if k.Type == tea.KeyRunes {
		if room := maxArea - ar.Length(); len(k.Runes) > room {
			a.say("No more fits in here: a text holds " + itoa(op.MaxLong/1024) + " KiB.")
			if room <= 0 {
				return
			}
			k.Runes = k.Runes[:room]
		}
		k.Runes = []rune(op.Clean(string(k.Runes), true))
	}
	*ar, _ = ar.Update(k)
}

// maxArea bounds what is typed or pasted into an area, letters; the refusal of what
// is too long is the schema's, with its words. Each key costs as much as there is.
const maxArea = 2 * op.MaxLong

// areaLines draws an area without the blanks that it pads its lines with.
func areaLines(ar *textarea.Model, w, h int) []string {
	ar.SetWidth(w)
	ar.SetHeight(h)
	lines := strings.Split(ar.View(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	for len(lines) > 1 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// inputLine draws a line without the blanks that it pads itself with.
func inputLine(in *textinput.Model, w int) string {
	in.Width = max(4, w-1)
	return strings.TrimRight(in.View(), " ")
}

// choice marks one of several words in text, whatever the colours: "low [normal] high".
func (a *App) choice(values []string, chosen string, look lipgloss.Style) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = " " + word(v) + " "
		if v == chosen {
			out[i] = look.Render("[" + word(v) + "]")
		}
	}
	return strings.Join(out, "")
}
