package tui

import (
	"context"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"example.com/punchlist/localdb"
	tea "github.com/charmbracelet/bubbletea"
)

// plainRows is how many tasks are read out at once.
const plainRows = 20

// plainList is what the session read out of the list of tasks last.
type plainList struct {
	filter localdb.Filter
	text   string // the filter as it was written
	rows   []localdb.TaskRow
	from   *localdb.Key // where the next ones begin; nil: there are none
	bare   bool         // there was no task at all
}

// show reads the list out from its first task.
func (l *plainList) show(p *Plain) {
	l.rows, l.from = nil, nil
	head := p.a.tasks.title(p.a)
	if l.text != "" {
		head = "Tasks matching: " + p.a.text(l.text)
	}
	p.print(head)
	if !l.next(p) {
		return
	}
	l.bare = len(l.rows) == 0 && l.text == ""
	switch {
	case len(l.rows) > 0:
	case l.text != "":
		p.print(`No task fits. "list all" reads out all of them.`)
	case p.a.sum.Device.ID == "":
		p.print(`Nothing is here yet. "add" adds a task; "punchlist enroll" joins your crew's server; "punchlist demo" shows a day.`)
	default:
		p.print(`No tasks. "add" adds one, "sync" asks the server.`)
	}
}

// more reads out the tasks that follow.
func (l *plainList) more(p *Plain) {
	if l.from == nil {
		p.a.say(`That was all of the list; "list" begins anew.`)
		return
	}
	l.next(p)
}

// next reads out one page and numbers it.
func (l *plainList) next(p *Plain) bool {
	var page localdb.Page
	var err error
	p.do(p.a.run(func(ctx context.Context) tea.Msg {
		page, err = p.a.o.DB.Tasks(ctx, localdb.Query{Filter: l.filter, From: l.from, Limit: plainRows, Now: p.a.now()})
		return nil
	}))
	if err != nil {
		p.a.say(explain(err))
		return false
	}
	for i, r := range page.Rows {
		if at := len(l.rows); at == 0 || l.rows[at-1].Section != r.Section || i == 0 {
			p.print(sectionWord(r.Section))
		}
		l.rows = append(l.rows, r)
		p.print(itoa(len(l.rows)) + "  " + p.a.plainTask(r))
	}
	l.from = nil
	if page.More {
		l.from = &page.Keys[len(page.Keys)-1]
		p.print(`"more" reads on.`)
	}
	return true
}

// plainTask is a task in one line, what tells it apart first.
func (a *App) plainTask(r localdb.TaskRow) string {
	parts := []string{a.text(r.Number), a.text(r.Title), a.text(r.SiteCode), a.when(r), priorityWord(r.Priority, 9)}
	if r.Steps > 0 {
		parts = append(parts, "steps "+steps(r))
	}
	if r.Found != "" {
		parts = append(parts, "found: "+a.text(r.Found))
	}
	if r.Notes > 0 {
		parts = append(parts, plural(r.Notes, "note", "notes"))
	}
	switch r.Sync {
	case localdb.BadgePending:
		parts = append(parts, "waiting to be sent")
	case localdb.BadgeParked:
		parts = append(parts, "refused by the server")
	case localdb.BadgeConflict:
		parts = append(parts, "in conflict")
	case localdb.BadgeMerged:
		parts = append(parts, "merged")
	}
	out := parts[:0]
	for _, s := range parts {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, "  ")
}

func (p *Plain) listTasks(args string) {
	p.home()
	switch args {
	case "":
		p.list.show(p)
	case "all":
		p.narrow("")
	default:
		p.narrow(args)
	}
}

func (p *Plain) find(args string) {
	p.home()
	p.narrow(args)
}

func (p *Plain) view(args string) {
	views := p.a.o.Views
	if args == "" {
		for i, v := range views {
			p.print(itoa(i+1) + "  " + p.a.text(v.Name))
		}
		return
	}
	for i, v := range views {
		if args == itoa(i+1) || strings.EqualFold(args, v.Name) {
			p.home()
			p.narrow(v.Filter)
			return
		}
	}
	p.a.say(`There is no view ` + p.a.text(args) + `; "view" alone names them.`)
}

// home leaves all places but the list.
func (p *Plain) home() {
	for len(p.a.stack) > 1 {
		p.do(p.a.pop())
	}
}

// narrow shows what a filter lets through.
func (p *Plain) narrow(text string) {
	f, err := localdb.ParseFilter(text, p.a.now(), p.a.sum.Device.User)
	if err != nil {
		p.a.say(explain(err))
		return
	}
	p.list.filter, p.list.text = f, text
	p.list.show(p)
}

// taskName is how a task is called by people: its number, or the one it has
// until the server gives it one.
var taskName = regexp.MustCompile(`^(?i:T|NEW)-\S+$`)

// numbers are some of the list's: 3, or 1,4-6.
var numbers = regexp.MustCompile(`^\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*$`)

// named finds the task that a command is for and gives the words that are left:
// the one named in front, else the open one. false: there is none, and it was said.
func (p *Plain) named(args string) (localdb.TaskRow, string, bool) {
	rows, rest, ok := p.several(args)
	if ok && len(rows) > 1 {
		p.a.say("That works on one task at a time.")
		return localdb.TaskRow{}, "", false
	}
	if !ok {
		return localdb.TaskRow{}, "", false
	}
	return rows[0], rest, true
}

// several is named for the commands that take several tasks, as one action. A
// number is one of the list's, with a task open too.
func (p *Plain) several(args string) ([]localdb.TaskRow, string, bool) {
	word, rest, _ := strings.Cut(args, " ")
	rest = strings.TrimSpace(rest)
	open := p.openTask()
	switch {
	case taskName.MatchString(word):
		row, ok := p.lookUp(word)
		return []localdb.TaskRow{row}, rest, ok
	case open != nil && !numbers.MatchString(word):
		return []localdb.TaskRow{*open}, args, true
	case numbers.MatchString(word):
		rows, ok := p.list.numbered(p.a, word)
		return rows, rest, ok && p.anew(rows)
	}
	p.a.say(`Say which task: its number in the list, or T-10423.`)
	return nil, "", false
}

// noted is several for a note. With a task open, its words may begin with a number
// that is one of the list's too: who meant which is asked, for a note stays.
func (p *Plain) noted(args string) ([]localdb.TaskRow, string, bool) {
	word, text, _ := strings.Cut(args, " ")
	open := p.openTask()
	if open == nil || text == "" || !numbers.MatchString(word) {
		return p.several(args)
	}
	own := []localdb.TaskRow{*open}
	rows, ok := p.list.numbered(p.a, word)
	if p.a.said = ""; !ok { // no number of the list: it is the note's
		return own, args, true
	}
	whose := p.a.names(rows)
	line, ok := p.reply("y: the note is for "+whose+". n: it is for the open task, number and all. An empty line: no note is written.",
		word+" is "+whose+" in the list read out last. Answer y to write \""+p.a.cut(p.a.text(strings.TrimSpace(text)), 40)+"\" there, n to write \""+p.a.cut(p.a.text(args), 40)+"\" on the open "+p.a.name(*open)+".")
	switch {
	case ok && isYes(line):
		return rows, strings.TrimSpace(text), p.anew(rows)
	case ok && (strings.EqualFold(line, "n") || strings.EqualFold(line, "no")):
		return own, args, true
	}
	p.a.say("No note was written.")
	return nil, "", false
}

// numbered finds tasks by their numbers in the list, each once.
func (l *plainList) numbered(a *App, word string) ([]localdb.TaskRow, bool) {
	var rows []localdb.TaskRow
	taken := map[int]bool{}
	for n := range numbersOf(word) {
		if n < 1 || n > len(l.rows) {
			a.say("There is no number " + itoa(n) + ` in the list read out last; "list" reads it out.`)
			return nil, false
		}
		if !taken[n] {
			taken[n], rows = true, append(rows, l.rows[n-1])
		}
	}
	return rows, true
}

// anew reads tasks again: what was read out is as old as that, and a question
// that goes by it offers what is refused then. false: one is gone, and it was said.
func (p *Plain) anew(rows []localdb.TaskRow) bool {
	var err error
	at := ""
	p.do(p.a.run(func(ctx context.Context) tea.Msg {
		for i := range rows {
			var view localdb.TaskView
			at = rows[i].Number
			if view, err = p.a.o.DB.Task(ctx, rows[i].ID); err != nil {
				return nil
			}
			rows[i] = view.TaskRow
		}
		return nil
	}))
	if err != nil {
		p.a.say(p.a.text(at) + ": " + explain(err))
	}
	return err == nil
}

// numbersOf are the numbers that a word like 1,4-6 names, in its order.
func numbersOf(word string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for part := range strings.SplitSeq(word, ",") {
			low, high, isRange := strings.Cut(part, "-")
			from, _ := strconv.Atoi(low)
			to := from
			if isRange {
				to, _ = strconv.Atoi(high)
			}
			for n := from; n <= max(from, to); n++ {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// openTask is the task whose place this is; nil at the list.
func (p *Plain) openTask() *localdb.TaskRow {
	switch s := p.a.top().(type) {
	case *taskScreen:
		return &s.row
	case *checklistScreen:
		return &s.row
	}
	return nil
}

// lookUp finds a task by its name.
func (p *Plain) lookUp(name string) (localdb.TaskRow, bool) {
	var view localdb.TaskView
	var err error
	p.do(p.a.run(func(ctx context.Context) tea.Msg {
		var id string
		if id, err = p.a.o.DB.FindTask(ctx, name); err == nil {
			view, err = p.a.o.DB.Task(ctx, id)
		}
		return nil
	}))
	if err != nil {
		p.a.say(explain(err))
		return localdb.TaskRow{}, false
	}
	return view.TaskRow, true
}
