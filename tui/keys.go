package tui

import "github.com/charmbracelet/bubbles/key"

// keyMap is every key there is, with its help. Screens list theirs in the order
// of the key line; a key that acts on a screen but cannot work now answers with
// a sentence there.
type keyMap struct {
	Up, Down, PageUp, PageDown, Top, Bottom key.Binding
	Open, Back, Quit, Leave, Suspend        key.Binding
	Help, Queue, Conflicts, Sync, Offline   key.Binding
	Undo, Redo                              key.Binding

	Status, Note, Add, Edit, Checklist, Delete, Search, View key.Binding
	Mark, MarkAll                                            key.Binding

	Save, NewLine, NextField, PrevField, Choose, Cancel, Accept key.Binding

	Pass, Fail, NA, Done, Answer, Comment, Clear, AddItem, FollowUp key.Binding

	SendNow, Retry, Discard key.Binding
	TakeMine, KeepTheirs    key.Binding
	Yes, No                 key.Binding
}

func bind(help, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, does))
}

func newKeys() keyMap {
	return keyMap{
		Up:        bind("k/up", "up", "k", "up"),
		Down:      bind("j/down", "down", "j", "down"),
		PageUp:    bind("ctrl+u", "half a page up", "ctrl+u", "pgup"),
		PageDown:  bind("ctrl+d", "half a page down", "ctrl+d", "pgdown"),
		Top:       bind("g", "first", "g", "home"),
		Bottom:    bind("G", "last", "G", "end"),
		Open:      bind("enter", "open", "enter", "l", "right"),
		Back:      bind("esc", "back", "esc", "h", "left"),
		Quit:      bind("q", "back, at the top quit", "q"),
		Leave:     bind("ctrl+c", "quit; what was saved is safe", "ctrl+c"),
		Suspend:   bind("ctrl+z", "to the shell (fg comes back)", "ctrl+z"),
		Help:      bind("?", "help", "?"),
		Queue:     bind("O", "queue", "O"),
		Conflicts: bind("X", "conflicts", "X"),
		Sync:      bind("S", "sync now", "S"),
		Offline:   bind("ctrl+n", "work offline / online again", "ctrl+n"),

		Undo: bind("u", "undo", "u"),
		Redo: bind("ctrl+r", "redo", "ctrl+r"),

		Status:    bind("s", "status", "s"),
		Note:      bind("n", "note", "n"),
		Add:       bind("a", "add", "a"),
		Edit:      bind("e", "edit", "e"),
		Checklist: bind("c", "checklist", "c"),
		Delete:    bind("D", "delete", "D", "delete"),
		Search:    bind("/", "search", "/"),
		Mark:      bind("space", "mark", " "),
		MarkAll:   bind("V", "mark all shown", "V"),
		View:      bind("1-9", "views", "1", "2", "3", "4", "5", "6", "7", "8", "9"),

		Save:      bind("ctrl+s", "save", "ctrl+s"),
		NewLine:   bind("ctrl+j", "new line", "ctrl+j", "alt+enter"),
		NextField: bind("tab", "next field", "tab", "down", "enter"),
		PrevField: bind("shift+tab", "field before", "shift+tab", "up"),
		Choose:    bind("left/right", "choose", "left", "right"),
		Cancel:    bind("esc", "cancel", "esc"),
		Accept:    bind("enter", "save", "enter"),

		Pass:     bind("p", "pass", "p"),
		Fail:     bind("f", "fail", "f"),
		NA:       bind("n", "not applicable", "n"),
		Done:     bind("d", "done", "d"),
		Answer:   bind("enter", "answer", "enter"),
		Comment:  bind("m", "comment", "m"),
		Clear:    bind("x", "take the answer back", "x", "backspace"),
		AddItem:  bind("a", "add a step", "a"),
		FollowUp: bind("F", "follow-up task", "F"),

		SendNow:    bind("S", "send now", "S"),
		Retry:      bind("r", "try again", "r"),
		Discard:    bind("d", "discard", "d"),
		TakeMine:   bind("m", "take mine", "m"),
		KeepTheirs: bind("t", "keep theirs", "t"),
		Yes:        bind("y", "yes", "y", "Y"),
		No:         bind("n", "no", "n", "esc", "q"),
	}
}

// moving are the keys of every list, for the help.
func (k keyMap) moving() []key.Binding {
	return []key.Binding{k.Up, k.Down, k.PageUp, k.PageDown, k.Top, k.Bottom}
}

// everywhere are the keys that work on every screen where nothing is typed.
func (k keyMap) everywhere() []key.Binding {
	return []key.Binding{k.Undo, k.Redo, k.Queue, k.Conflicts, k.Sync, k.Offline, k.Help, k.Back, k.Quit, k.Leave, k.Suspend}
}
