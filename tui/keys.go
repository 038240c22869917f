package tui

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// keyMap is every key there is, with its help. Screens list theirs in the order
// of the key line; a key that acts on a screen but cannot work now answers with
// a sentence there.
type keyMap struct {
	Up, Down, PageUp, PageDown, Top, Bottom key.Binding
	Open, Back, Quit, Leave, Suspend        key.Binding
	Help, Palette, Ready                    key.Binding
	Queue, Conflicts, Sync, Offline         key.Binding
	Undo, Redo, Copy                        key.Binding

	Status, Note, Add, Edit, Editor, Checklist, Delete, Search, View key.Binding
	Mark, MarkAll, Clock, GoOn                                       key.Binding

	Save, NewLine, NextField, PrevField, Choose, Cancel, Accept, Outside key.Binding

	Pass, Fail, NA, Done, Answer, Comment, Clear, AddItem, FollowUp key.Binding

	SendNow, Retry, RetryAll, Mend, Discard, Export key.Binding
	TakeMine, KeepTheirs, More                      key.Binding
	Yes, No                                         key.Binding
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
		Palette:   bind(":", "every command by name", ":"),
		Ready:     bind("R", "ready to leave?", "R"),
		Queue:     bind("O", "queue", "O"),
		Conflicts: bind("X", "conflicts", "X"),
		Sync:      bind("S", "sync now", "S"),
		Offline:   bind("ctrl+n", "work offline / online again", "ctrl+n"),
		Undo:      bind("u", "undo", "u"),
		Redo:      bind("ctrl+r", "redo", "ctrl+r"),
		Copy:      bind("y", "copy", "y"),

		Status:    bind("s", "status", "s"),
		Note:      bind("n", "note", "n"),
		Add:       bind("a", "add", "a"),
		Edit:      bind("e", "edit", "e"),
		Editor:    bind("E", "description in your editor", "E"),
		Checklist: bind("c", "checklist", "c"),
		Delete:    bind("D", "delete", "D", "delete"),
		Search:    bind("/", "search", "/"),
		Mark:      bind("space", "mark", " "),
		MarkAll:   bind("V", "mark all shown", "V"),
		Clock:     bind("T", "the clock runs here only", "T"),
		GoOn:      bind("W", "go on writing", "W"),
		View:      bind("1-9", "views", "1", "2", "3", "4", "5", "6", "7", "8", "9"),

		Save:      bind("ctrl+s", "save", "ctrl+s"),
		NewLine:   bind("ctrl+j", "new line", "ctrl+j", "alt+enter"),
		NextField: bind("tab", "next field", "tab", "down", "enter"),
		PrevField: bind("shift+tab", "field before", "shift+tab", "up"),
		Choose:    bind("left/right", "choose", "left", "right"),
		Cancel:    bind("esc", "cancel", "esc"),
		Accept:    bind("enter", "save", "enter"),
		Outside:   bind("ctrl+o", "in your editor", "ctrl+o"),

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
		RetryAll:   bind("A", "try all again", "A"),
		Mend:       bind("e", "edit", "e"),
		Discard:    bind("d", "discard", "d"),
		Export:     bind("w", "write to a file", "w"),
		TakeMine:   bind("m", "take mine", "m"),
		KeepTheirs: bind("t", "keep theirs", "t"),
		More:       bind("tab", "all of it, or the list", "tab"),
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
	return []key.Binding{k.Undo, k.Redo, k.Queue, k.Conflicts, k.Ready, k.Sync, k.Offline, k.Copy, k.GoOn, k.Palette, k.Help, k.Back, k.Quit, k.Leave, k.Suspend}
}

// place is where a command works.
type place int

const (
	anywhere place = iota
	onTasks
	onSteps
	inQueue
	inConflicts
)

// String says in the palette how to come to a place.
func (p place) String() string {
	return [...]string{"", "on a task", "in a checklist (c)", "in the queue (O)", "in the conflicts (X)"}[p]
}

// command is a key with the name that the palette and config.toml have for it,
// and what it does in more words than the key line has room for.
type command struct {
	name string
	at   place
	key  *key.Binding
	does string
}

// commands are all that can be done with a key where nothing is typed, by name.
// What a form or a question is answered with is no command.
func (k *keyMap) commands() []command {
	return []command{
		{"open", onTasks, &k.Open, "open the task"},
		{"status", onTasks, &k.Status, "next status: travel, begin, hold, complete"},
		{"checklist", onTasks, &k.Checklist, "run the checklist, step by step"},
		{"note", onTasks, &k.Note, "write a note; several when tasks are marked"},
		{"add", onTasks, &k.Add, "a new task"},
		{"edit", onTasks, &k.Edit, "change its fields"},
		{"editor", onTasks, &k.Editor, "write its description in your own editor"},
		{"delete", onTasks, &k.Delete, "delete it for everybody; asks first"},
		{"search", onTasks, &k.Search, "find tasks as you type; filters too"},
		{"clock", onTasks, &k.Clock, "your clock runs here and at no other task"},
		{"mark", onTasks, &k.Mark, "mark it for the next action"},
		{"mark-all", onTasks, &k.MarkAll, "mark all that the list shows"},
		{"pass", onSteps, &k.Pass, "the step is passed"},
		{"fail", onSteps, &k.Fail, "the step failed; F then makes a follow-up"},
		{"not-applicable", onSteps, &k.NA, "the step does not apply here"},
		{"done", onSteps, &k.Done, "the step is done"},
		{"comment", onSteps, &k.Comment, "a comment on the step"},
		{"clear", onSteps, &k.Clear, "take the answer back"},
		{"add-step", onSteps, &k.AddItem, "a new step"},
		{"follow-up", onSteps, &k.FollowUp, "a task for what failed"},
		{"retry", inQueue, &k.Retry, "send a refused change again, as it is"},
		{"retry-all", inQueue, &k.RetryAll, "send all refused changes again"},
		{"mend", inQueue, &k.Mend, "edit a change before it goes out"},
		{"discard", inQueue, &k.Discard, "drop a change; asks first"},
		{"export", inQueue, &k.Export, "write unsent work to a file"},
		{"take-mine", inConflicts, &k.TakeMine, "write mine again"},
		{"keep-theirs", inConflicts, &k.KeepTheirs, "let theirs stand"},
		{"more", inConflicts, &k.More, "all of a conflict, or the list again"},
		{"undo", anywhere, &k.Undo, "undo the last action"},
		{"redo", anywhere, &k.Redo, "redo what was undone"},
		{"queue", anywhere, &k.Queue, "what waits to be sent, and what was refused"},
		{"conflicts", anywhere, &k.Conflicts, "whose change met whose"},
		{"ready", anywhere, &k.Ready, "ready to leave? tasks, data, clock, disk, sign-in"},
		{"sync", anywhere, &k.Sync, "ask the server now"},
		{"offline", anywhere, &k.Offline, "work offline, or online again"},
		{"copy", anywhere, &k.Copy, "copy this to the clipboard"},
		{"go-on", anywhere, &k.GoOn, "go on with a text that was never saved"},
		{"help", anywhere, &k.Help, "every key of this screen"},
		{"palette", anywhere, &k.Palette, "every command by name"},
		{"back", anywhere, &k.Back, "one screen back"},
		{"quit", anywhere, &k.Quit, "back; at the top quit"},
		{"suspend", anywhere, &k.Suspend, "to the shell; fg comes back"},
		{"up", anywhere, &k.Up, "one up"},
		{"down", anywhere, &k.Down, "one down"},
		{"page-up", anywhere, &k.PageUp, "half a page up"},
		{"page-down", anywhere, &k.PageDown, "half a page down"},
		{"top", anywhere, &k.Top, "to the first"},
		{"bottom", anywhere, &k.Bottom, "to the last"},
	}
}

// aside tells whether a key can be a command's while text is typed.
func aside(k tea.KeyMsg) bool {
	name := k.String()
	return strings.HasPrefix(name, "ctrl+") || len(name) > 1 && name[0] == 'f' && unicode.IsDigit(rune(name[1]))
}

// pressOf is the key message of a key's name, as bindings are written; false when
// no terminal sends such a key.
func pressOf(name string) (tea.KeyMsg, bool) {
	if name == " " || name == "space" {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}, true
	}
	if r := []rune(name); len(r) == 1 && !unicode.IsControl(r[0]) {
		return tea.KeyMsg{Type: tea.KeyRunes, Runes: r}, true
	}
	for t := tea.KeyType(-100); t < 128; t++ { // Bubble Tea keeps the list of names to itself
		if m := (tea.KeyMsg{Type: t}); name != "" && t != tea.KeyRunes && m.String() == name {
			return m, true
		}
	}
	return tea.KeyMsg{}, false
}
