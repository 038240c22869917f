package tui

import (
	"strconv"
	"strings"

	"example.com/punchlist/localdb"
)

// queue reads out what waits, and stays there.
func (p *Plain) queue() {
	s := &queueScreen{}
	p.do(p.a.pushOnce(s))
	p.changes(s)
}

// ready reads out what a technician wants to know before leaving.
func (p *Plain) ready() {
	s := &readyScreen{}
	p.do(p.a.pushOnce(s))
	p.do(p.a.pop())
	p.print(plainLines(s.lines(p.a, plainWidth))...)
}

func (p *Plain) changes(s *queueScreen) {
	if len(s.rows) == 0 {
		p.do(p.a.pop())
		p.a.say("Nothing waits to be sent.")
		return
	}
	p.print("Queue: " + plural(len(s.rows), "change", "changes") + " in the order of sending")
	p.ids = nil
	for i, r := range s.rows {
		p.ids = append(p.ids, r.Op.ID)
		p.print(itoa(i+1) + "  " + p.a.plainChange(s, i))
	}
	if s.more {
		p.print("And more behind them.")
	}
}

// plainChange is one change, and in a word what became of it.
func (a *App) plainChange(s *queueScreen, i int) string {
	r := s.rows[i]
	state := "waiting"
	switch {
	case r.State == localdb.BadgeParked:
		state = "refused: " + a.text(r.LastError)
	case r.Behind != "":
		state = "behind a refused one"
	}
	return a.clock(r.Op.CreatedAt) + "  " + a.text(r.Sentence) + "  " + state
}

// change goes to a change by its number.
func (p *Plain) change(s *queueScreen, n int) bool {
	return p.toNumber("change", n, &s.cur, len(s.rows), func(i int) string { return s.rows[i].Op.ID })
}

func queueCommands() []plainCommand {
	on := func(f func(p *Plain, s *queueScreen)) func(*Plain, string) {
		return func(p *Plain, args string) {
			s := p.a.top().(*queueScreen)
			if n, _ := numberFirst(args); p.change(s, n) {
				f(p, s)
			}
		}
	}
	return []plainCommand{
		{[]string{"retry", "r"}, "N", "send change N again", onQueue, on(func(p *Plain, s *queueScreen) { p.do(s.retry(p.a, *s.selected())) })},
		{[]string{"edit", "e"}, "N", "put other values into it, and send it again", onQueue, on(func(p *Plain, s *queueScreen) { p.do(s.mend(p.a, *s.selected())) })},
		{[]string{"discard", "d"}, "N", "throw it away, after a question", onQueue, on(func(p *Plain, s *queueScreen) { p.do(s.askDiscard(p.a, *s.selected())) })},
		{[]string{"retry-all", "A"}, "", "send all refused changes again", onQueue, func(p *Plain, _ string) { p.do(p.a.top().(*queueScreen).retryAll(p.a)) }},
		{[]string{"export", "w"}, "[FILE]", "write all unsent work to a file", onQueue, (*Plain).export},
	}
}

// refusedWords are what the server said of the change that is mended.
func (p *Plain) refusedWords(s *mendScreen) string {
	if s.of.State != localdb.BadgeParked {
		return ""
	}
	return "The server refused it: " + sentenceEnd(p.a.text(s.of.LastError))
}

// export writes unsent work to the file that is named, or asks for its name.
func (p *Plain) export(args string) {
	p.do(p.a.openExport())
	s, open := p.a.top().(*exportScreen)
	if !open || args == "" {
		return
	}
	s.in.SetValue(args)
	p.do(s.write(p.a))
	p.a.drop(s)
}

// file asks where unsent work is to be written.
func (p *Plain) file(s *exportScreen) {
	p.hush()
	name := s.in.Value()
	line, ok := p.reply("The name of a new file, as in a shell; an empty line takes "+name+".", "Write unsent work to which file? ["+p.a.text(name)+"]:")
	if !ok {
		p.a.drop(s)
		p.a.say("Nothing was written.")
		return
	}
	if line != "" {
		s.in.SetValue(line)
	}
	p.do(s.write(p.a))
}

// conflicts reads out what two people changed, and stays there.
func (p *Plain) conflicts() {
	s := &conflictsScreen{}
	p.do(p.a.pushOnce(s))
	if len(s.rows) == 0 {
		p.do(p.a.pop())
		p.a.say("No conflicts to look at. A change of yours that meets another's shows here.")
		return
	}
	p.print(plural(len(s.rows), "conflict", "conflicts"))
	p.ids = nil
	for i, c := range s.rows {
		s.cur, p.ids = i, append(p.ids, c.ID)
		p.print("", itoa(i+1)+"  "+outcomeWord(c)+"  "+fieldWord(c.Field))
		p.print(s.detail(p.a, plainWidth)...)
	}
	s.cur = 0
	p.print("", `"mine 1" takes yours, "theirs 1" keeps theirs; "mine 1,3-5" or "mine all" does it for several.`)
}

// conflict goes to a conflict by its number.
func (p *Plain) conflict(s *conflictsScreen, n int) bool {
	return p.toNumber("conflict", n, &s.cur, len(s.rows), func(i int) string { return s.rows[i].ID })
}

// someConflicts marks the conflicts that a command names: "2", "1,3-5" or "all".
func (p *Plain) someConflicts(s *conflictsScreen, word string) bool {
	clear(s.marked)
	if strings.EqualFold(word, "all") {
		s.markAll(p.a)
		return true
	}
	if n, err := strconv.Atoi(word); err == nil || !numbers.MatchString(word) {
		return p.conflict(s, n)
	}
	for n := range numbersOf(word) {
		if !p.conflict(s, n) {
			clear(s.marked)
			return false
		}
		s.marked[s.rows[s.cur].ID] = true
	}
	return true
}

func conflictCommands() []plainCommand {
	take := func(mine bool) func(*Plain, string) {
		return func(p *Plain, args string) {
			s := p.a.top().(*conflictsScreen)
			if word, _, _ := strings.Cut(args, " "); p.someConflicts(s, word) {
				p.do(s.resolve(p.a, mine))
			}
		}
	}
	return []plainCommand{
		{[]string{"mine", "m"}, "N", "take mine (or keep it, where it stands)", onConflicts, take(true)},
		{[]string{"theirs", "t"}, "N", "keep theirs (or take it back)", onConflicts, take(false)},
	}
}
