package tui

import (
	"slices"
	"strconv"
	"strings"
)

// plainCommand is a command of the plain session. Its names are the word and
// the key of the screen that does the same: the sentences name those keys.
type plainCommand struct {
	names []string
	args  string
	does  string
	on    func(screen) bool // where it works; nil: everywhere
	run   func(p *Plain, args string)
}

func onList(s screen) bool {
	switch s.(type) {
	case *tasksScreen, *taskScreen:
		return true
	}
	return false
}

func onChecklist(s screen) bool { _, ok := s.(*checklistScreen); return ok }
func onQueue(s screen) bool     { _, ok := s.(*queueScreen); return ok }
func onConflicts(s screen) bool { _, ok := s.(*conflictsScreen); return ok }

// plainCommands are all of them, those of a place before those of everywhere:
// the same letter means another thing in a checklist.
func plainCommands() []plainCommand {
	return slices.Concat(checklistCommands(), queueCommands(), conflictCommands(), []plainCommand{
		{[]string{"list", "l"}, "[FILTER]", "the tasks from the first one on; all is without a filter", nil, (*Plain).listTasks},
		{[]string{"more"}, "", "the tasks that follow", nil, func(p *Plain, _ string) { p.list.more(p) }},
		{[]string{"find", "/"}, "WORDS", "the tasks that the words or a filter fit", nil, (*Plain).find},
		{[]string{"view", "v"}, "[N]", "the views by name, or the tasks of one", nil, (*Plain).view},
		{[]string{"open", "o"}, "TASK", "a task with all that hangs on it; its number in the list alone does it too", onList, (*Plain).open},
		{[]string{"status", "s"}, "[TASKS]", "lead it to its next status", nil, (*Plain).status},
		{[]string{"note", "n"}, "[TASKS] [TEXT]", "write a note; without text its lines follow", onList, (*Plain).note},
		{[]string{"checklist", "check", "c"}, "[TASK]", "run its checklist", onList, (*Plain).checklist},
		{[]string{"edit", "e"}, "[TASK] [FIELD VALUE]", "change it; without a field it asks for each", onList, (*Plain).edit},
		{[]string{"add", "a"}, "[TITLE]", "add a task; without a title it asks for each field", onList, (*Plain).add},
		{[]string{"delete", "D"}, "[TASKS]", "delete it, after a question", onList, (*Plain).delete},
		{[]string{"clock", "T"}, "[TASK]", "your clock runs there and at no other task", onList, (*Plain).clock},
		{[]string{"go-on", "W"}, "", "go on with a text that was never saved", nil, func(p *Plain, _ string) { p.do(p.a.goOn()) }},
		{[]string{"queue", "O"}, "", "what waits to be sent, and what the server refused", nil, func(p *Plain, _ string) { p.queue() }},
		{[]string{"ready", "R"}, "", "is all here, and all sent? before you leave", nil, func(p *Plain, _ string) { p.ready() }},
		{[]string{"conflicts", "X"}, "", "what two people changed without knowing of each other", nil, func(p *Plain, _ string) { p.conflicts() }},
		{[]string{"undo", "u"}, "", "take the last action back", nil, func(p *Plain, _ string) { p.do(p.a.undoLast()) }},
		{[]string{"redo", "ctrl+r"}, "", "do it again", nil, func(p *Plain, _ string) { p.do(p.a.redo()) }},
		{[]string{"sync", "S"}, "", "ask the server now, and wait for its answer", nil, func(p *Plain, _ string) { p.sync() }},
		{[]string{"offline", "online", "ctrl+n"}, "", "work offline, or online again", nil, func(p *Plain, _ string) { p.do(p.a.toggleOffline()) }},
		{[]string{"state"}, "", "is it sent? does the server answer? An empty line says it too", nil, func(p *Plain, _ string) { p.truth = "" }},
		{[]string{"back", "esc"}, "", "back to the place before", nil, (*Plain).back},
		{[]string{"help", "?"}, "", "these commands", nil, (*Plain).help},
		{[]string{"quit", "q", "exit"}, "", "end; what was saved is safe", nil, func(p *Plain, _ string) { p.ended = true }},
	})
}

// obey carries out one line.
func (p *Plain) obey(line string) {
	if line == "" {
		p.truth = ""
		return
	}
	word, args, _ := strings.Cut(line, " ")
	args = strings.TrimSpace(args)
	if n, err := strconv.Atoi(word); err == nil && args == "" {
		p.pick(n)
		return
	}
	if rest, ok := strings.CutPrefix(line, "/"); ok {
		word, args = "/", strings.TrimSpace(rest)
	}
	there := false
	for _, c := range plainCommands() {
		switch {
		case !c.called(word):
		case c.on == nil || c.on(p.a.top()):
			c.run(p, args)
			return
		default:
			there = true
		}
	}
	if there {
		p.a.say(word + " does nothing here; back leaves this place, help lists what works.")
		return
	}
	if name := shellCommand(word); name != "" {
		p.a.say(name + " is done in a shell: punchlist " + name + " --help")
		return
	}
	p.a.say(p.a.cut(p.a.text(word), 20) + ` is no command; "help" lists them.`)
}

// called compares words whatever their case, and letters as they stand: d and D
// are two keys.
func (c plainCommand) called(word string) bool {
	return slices.ContainsFunc(c.names, func(name string) bool {
		return name == word || len(name) > 1 && strings.EqualFold(name, word)
	})
}

func (p *Plain) help(string) {
	top := p.a.top()
	p.print("Commands here (" + p.a.text(top.title(p.a)) + "):")
	taken := map[string]bool{}
	for _, c := range plainCommands() {
		if c.on != nil && !c.on(top) {
			continue
		}
		names := slices.DeleteFunc(slices.Clone(c.names), func(n string) bool { return taken[n] })
		for _, n := range names {
			taken[n] = true
		}
		if len(names) > 0 {
			p.print("  " + p.a.cell(strings.TrimSpace(strings.Join(names, ", ")+" "+c.args), 34) + c.does)
		}
	}
	p.print("TASK is a number of the list read out last, or T-10423; TASKS may be several, 1,4-6. An open task needs no name.",
		"A filter: status:open due:today priority:high assignee:me site:BLD22 tag:urgent is:pending -word")
}

// back leaves the place.
func (p *Plain) back(string) {
	if len(p.a.stack) == 1 {
		p.a.say(`You are at the list; "quit" ends.`)
		return
	}
	p.do(p.a.pop())
	switch s := p.a.top().(type) { // read out anew: its numbers are not those heard last
	case *checklistScreen:
		p.steps(s)
	case *queueScreen:
		p.changes(s)
	case *conflictsScreen:
		p.conflicts()
	default:
		p.print("Back at: " + p.a.text(s.title(p.a)))
	}
}

// pick is a number alone: what it names is opened, or read out in full.
func (p *Plain) pick(n int) {
	switch s := p.a.top().(type) {
	case *checklistScreen:
		if p.step(s, n) {
			p.print(s.detail(p.a, plainWidth)[1:]...)
		}
	case *queueScreen:
		if p.change(s, n) {
			p.print(s.detail(p.a, plainWidth)...)
		}
	case *conflictsScreen:
		if p.conflict(s, n) {
			p.print(s.detail(p.a, plainWidth)...)
		}
	default:
		p.open(strconv.Itoa(n))
	}
}

// numberFirst takes the number in front of a command's words; 0 when there is none.
func numberFirst(args string) (int, string) {
	word, rest, _ := strings.Cut(args, " ")
	n, err := strconv.Atoi(word)
	if err != nil {
		return 0, args
	}
	return n, strings.TrimSpace(rest)
}

// sync asks for a round and waits until one is over that began after that: what
// stands when it asks is of an engine that has yet to look, or of a round that
// began before the change was made that is to go out.
func (p *Plain) sync() {
	p.do(p.a.askSync())
	if p.a.said != askingNow {
		return
	}
	p.hush()
	p.await(p.a.answered)
	p.hear()
	p.truth = ""
}
