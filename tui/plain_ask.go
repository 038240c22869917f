package tui

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// The words that every question of a plain session understands besides its own
// answers. A backslash before one makes it an answer.
const (
	sayBack = "back"
	sayQuit = "quit"
	sayHelp = "help"
)

// reply puts a question and takes a line for its answer. "help" says what may be
// answered and puts the question again, "back" leaves it without an answer, and
// "quit" ends the session; false: there is no answer.
func (p *Plain) reply(help string, question ...string) (string, bool) {
	for {
		line, ok := p.ask(question...)
		if !ok {
			return "", false
		}
		switch word := strings.ToLower(line); word {
		case sayHelp, "?":
			p.print(help, `"back" leaves this, "quit" ends; a backslash before such a word makes it text: \back.`)
		case sayBack, "esc":
			return "", false
		case sayQuit:
			p.ended = true
			return "", false
		default:
			if rest, escaped := strings.CutPrefix(line, `\`); escaped && isReplyWord(rest) {
				line = rest
			}
			return line, true
		}
	}
}

// isReplyWord tells whether a line would be taken for a word to the session.
func isReplyWord(line string) bool {
	switch strings.ToLower(strings.TrimLeft(line, `\`)) {
	case sayBack, sayQuit, sayHelp, "esc", "?":
		return true
	}
	return false
}

// sheets asks what the screens ask after a command, until nothing is open.
func (p *Plain) sheets() {
	for !p.ended {
		switch s := p.a.top().(type) {
		case *askScreen:
			p.answer(s)
		case *statusSheet:
			p.choose(s)
		case *formScreen:
			p.form(s, "")
		case *mendScreen:
			p.form(s, p.refusedWords(s))
		case *noteScreen:
			p.text(s)
		case *exportScreen:
			p.file(s)
		default:
			return
		}
	}
}

// answer puts a yes-or-no question. No answer is no.
func (p *Plain) answer(s *askScreen) {
	p.hush()
	line, ok := p.reply("y: "+s.yes+". n, or an empty line: nothing is done.", append(s.view(p.a, plainWidth, 1), "Answer y to "+s.yes+", n to leave it.")...)
	switch {
	case ok && isYes(line):
		p.do(s.update(p.a, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{'y'}}))
	case ok && line != "" && !strings.EqualFold(line, "n") && !strings.EqualFold(line, "no"):
		p.print("Please answer y or n.")
	default:
		p.a.drop(s)
		p.a.say("Nothing was done.")
	}
}

func isYes(line string) bool { return strings.EqualFold(line, "y") || strings.EqualFold(line, "yes") }

// hush reads out what was said so far, before a question.
func (p *Plain) hush() {
	if p.a.said != "" {
		p.print(p.a.text(p.a.said))
		p.a.said = ""
	}
}

// leave closes a form whose text was not saved, and keeps the text.
func (p *Plain) leave(d drafter) {
	if p.ended {
		p.unfinished(d)
		return
	}
	k := d.keeper()
	if k.typed = d.texts(); len(k.typed) == 0 {
		p.a.drop(d)
		p.a.say("Nothing was saved.")
		return
	}
	p.do(p.a.saveDraft(d))
	p.a.drop(d)
	p.a.say("What you wrote is kept, and offered when you come back to it.")
}
