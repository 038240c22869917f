package tui

import (
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/tui/terminal"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// globalKey answers a key that means the same on every screen where nothing is
// typed; false when it is none.
func (a *App) globalKey(k tea.KeyMsg) (tea.Cmd, bool) {
	keys := a.keys
	switch {
	case key.Matches(k, keys.Help):
		return a.toggleHelp(), true
	case key.Matches(k, keys.Palette):
		return a.push(newPalette(a, a.top())), true
	case key.Matches(k, keys.Ready):
		return a.pushOnce(&readyScreen{}), true
	case key.Matches(k, keys.Queue):
		return a.pushOnce(&queueScreen{}), true
	case key.Matches(k, keys.Conflicts):
		return a.pushOnce(&conflictsScreen{}), true
	case key.Matches(k, keys.Undo):
		return a.undoLast(), true
	case key.Matches(k, keys.Redo):
		return a.redo(), true
	case key.Matches(k, keys.Sync):
		return a.askSync(), true
	case key.Matches(k, keys.Copy):
		return a.copy(), true
	case key.Matches(k, keys.GoOn):
		return a.goOn(), true
	case key.Matches(k, keys.Quit):
		if len(a.stack) == 1 {
			return a.leave(), true
		}
		return a.pop(), true
	}
	return nil, false
}

func (a *App) toggleHelp() tea.Cmd {
	if _, open := a.top().(*helpScreen); open {
		return a.pop()
	}
	return a.push(newHelpScreen(a, a.top()))
}

// copier is a screen with something on it that is worth taking elsewhere.
type copier interface {
	// copied is the text, and what it is in a word or two; "" when there is nothing.
	copied(a *App) (text, what string)
}

// copy puts what the screen is about into the clipboard of the person's own
// terminal, over SSH too. Whether that terminal takes it nobody tells us.
func (a *App) copy() tea.Cmd {
	text, what := "", ""
	if s, ok := a.top().(copier); ok {
		text, what = s.copied(a)
	}
	if text == "" {
		a.say("There is nothing to copy here.")
		return nil
	}
	a.say("Copied " + what + " (where the terminal allows it).")
	return terminal.Copy(text)
}

func (a *App) askSync() tea.Cmd {
	switch {
	case a.o.Sync == nil || a.status.Reach == reach.NotEnrolled:
		a.say(noServer)
		return nil
	case a.switched:
		a.say("You work offline; " + named(a.keys.Offline) + " goes online again, then it sends by itself.")
		return nil
	}
	a.say(askingNow)
	a.asked = a.now().UnixMilli()
	return a.syncNow()
}

// answered tells whether a round has ended that began after the person asked for
// one, or that none will come.
func (a *App) answered() bool {
	s := a.status
	return s.Asked >= a.asked || s.Reach == reach.Paused || s.Reach == reach.NotEnrolled && !s.Looking
}

// sayAnswer says what came of asking the server, while the person still waits for it.
func (a *App) sayAnswer() {
	if a.said != askingNow || a.spoken || !a.answered() {
		return
	}
	why := a.text(a.status.Detail)
	words := func(s string) string {
		if why == "" {
			return s + "."
		}
		return s + ": " + why
	}
	switch a.status.Reach {
	case reach.Online:
		a.say("The server answered.")
		if a.status.Why != "" {
			a.say("The server answered, but work waits: " + a.text(a.status.Why))
		}
	case reach.Offline:
		a.say(words("The server gave no answer"))
	case reach.ServerDown:
		a.say(words("The server does not work now"))
	case reach.Portal:
		a.say(words("It was not the server that answered"))
	case reach.Unauthorised, reach.Outdated:
		a.say(words("The server refused"))
	default:
		a.say("The server was not asked.")
	}
}

const askingNow = "Asking the server now."

const noServer = "This laptop has joined no server yet: punchlist enroll, in a shell, joins one."

func (a *App) toggleOffline() tea.Cmd {
	if a.o.Offline == nil || a.status.Reach == reach.NotEnrolled {
		a.say(noServer)
		return nil
	}
	a.switched = !a.switched
	if a.switched {
		a.say("Working offline. All you do is saved on this laptop; " + named(a.keys.Offline) + " goes online again.")
	} else {
		a.say("Online again: what waits is sent as soon as the server answers.")
	}
	return a.switchOffline(a.switched)
}
