package tui

import (
	"strings"
	"time"

	"example.com/punchlist/localdb"
	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// tasksScreen is the list: sections, one line a task, search as you type, and
// on a wide terminal the task under the cursor beside it.
type tasksScreen struct {
	list      pager
	search    textinput.Model
	searching bool
	filtered  string // the filter that the list obeys
	bad       string // why the search's text is no filter
	peek      taskPane
	bare      bool   // nothing stands beside the list while the cursor runs; see goTo
	late      bool   // the list changed while a page was on its way
	rest      int    // counts the cursor's moves; see settledMsg
	want      string // select this task when the list is read again
	drawn     spots  // the rows that the last frame shows
	marks     marks  // the tasks that the next action is for, by id; none: the one under the cursor
}

func newTasksScreen() *tasksScreen { return &tasksScreen{} }

func (s *tasksScreen) shape() shape { return full }
func (s *tasksScreen) typing() bool { return s.searching }

func (s *tasksScreen) title(a *App) string {
	if n := len(s.marks); n > 0 {
		return s.name(a) + ", " + itoa(n) + " marked"
	}
	return s.name(a)
}

// name says which tasks the list shows.
func (s *tasksScreen) name(a *App) string {
	if s.bad != "" {
		return "Tasks: this is no filter yet"
	}
	for _, v := range a.o.Views {
		if s.filtered != "" && v.Filter == s.filtered {
			return "Tasks: " + a.text(v.Name)
		}
	}
	if s.filtered != "" {
		return "Tasks matching: " + a.text(s.filtered)
	}
	if a.sum.Tasks == 0 {
		return "Tasks"
	}
	return "Tasks  " + itoa(a.sum.Tasks)
}

func (s *tasksScreen) help(a *App) []key.Binding {
	k := a.keys
	if s.searching {
		return []key.Binding{helpOf(k.Accept, "keep"), helpOf(k.Cancel, "clear"), bind("up/down", "move", "up", "down")}
	}
	switch {
	case len(s.marks) > 0:
		return s.marksHelp(a)
	case len(s.list.rows) == 0 && s.filtered != "":
		return []key.Binding{helpOf(k.Cancel, "all tasks"), k.Search, k.Add}
	case len(s.list.rows) == 0 && a.sum.Device.ID == "":
		return []key.Binding{k.Add, helpOf(k.Quit, "quit")}
	case len(s.list.rows) == 0:
		return []key.Binding{k.Add, k.Sync, helpOf(k.Quit, "quit")}
	case s.filtered != "":
		return []key.Binding{k.Open, k.Status, k.Note, k.Checklist, helpOf(k.Cancel, "all tasks"), k.Search, k.Add, k.Edit, k.Editor, k.Clock, k.Delete, k.Mark, k.MarkAll, k.View}
	}
	return []key.Binding{k.Open, k.Status, k.Checklist, k.Note, k.Add, k.Edit, k.Search, k.Editor, k.Clock, k.Delete, k.Mark, k.MarkAll, k.View}
}

func (s *tasksScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		s.search = a.newInput()
		return a.gated(a.loadPage(s.list.ask(fromStart)))
	case reloadMsg:
		return s.reload(a, msg.gate)
	case pageMsg:
		return s.taken(a, msg)
	case writtenMsg:
		s.wrote(a, msg)
	case markedMsg:
		s.markAll(a, msg)
	case taskMsg:
		if row := s.list.selected(); row != nil && row.ID == msg.id {
			s.peek.take(msg)
		}
	case settledMsg:
		if msg.gen == s.rest && s.passed() {
			return a.loadTask(s.list.selected().ID)
		}
	case tea.WindowSizeMsg:
		return s.moved(a)
	case tea.KeyMsg:
		if s.searching {
			return s.searchKey(a, msg)
		}
		return s.key(a, msg)
	}
	return nil
}

func (s *tasksScreen) reload(a *App, gate bool) tea.Cmd {
	if s.list.busy && !gate {
		s.late = true
		return nil
	}
	e := again
	if len(s.list.rows) == 0 {
		e = fromStart
	}
	want := s.list.ask(e)
	want.keep, s.want = s.want, ""
	cmd := a.maybeGated(gate, a.loadPage(want))
	if !a.wide() {
		s.peek = taskPane{} // what it knows gets old; on a wide terminal it is read again
	} else if row := s.list.selected(); row != nil {
		cmd = tea.Batch(cmd, a.maybeGated(gate, a.loadTask(row.ID)))
	}
	return cmd
}

func (s *tasksScreen) taken(a *App, msg pageMsg) tea.Cmd {
	if msg.err != nil {
		if msg.want.gen == s.list.gen {
			s.list.busy = false
			a.say(explain(msg.err))
		}
		return nil
	}
	if !s.list.take(msg) {
		return nil
	}
	s.marks.refresh(s.list.rows)
	if row := s.list.selected(); s.filtered != "" && msg.want.keep != "" && (row == nil || row.ID != msg.want.keep) {
		a.say(a.said + " It is not in this search; esc shows all.")
	}
	if s.late {
		s.late = false
		return tea.Batch(s.moved(a), s.reload(a, false))
	}
	if len(s.list.rows) == 0 && !s.list.head { // the window's rows are all gone
		return a.loadPage(s.list.ask(fromStart))
	}
	return s.moved(a)
}

// moved keeps the window around the cursor and lets the pane follow it.
func (s *tasksScreen) moved(a *App) tea.Cmd {
	s.list.top = s.list.firstRow(s.rowLines(a))
	var cmds []tea.Cmd
	if e, ok := s.list.more(); ok {
		cmds = append(cmds, a.loadPage(s.list.ask(e)))
	}
	s.rest++
	if a.wide() && s.passed() {
		gen := s.rest
		cmds = append(cmds, tea.Tick(a.o.Settle, func(time.Time) tea.Msg { return settledMsg{gen} }))
	}
	return tea.Batch(cmds...)
}

// rowLines is how many lines the rows and their headings have.
func (s *tasksScreen) rowLines(a *App) int {
	h := a.bodyHeight()
	if s.searching {
		h -= 1 + len(s.hints(a, a.listWidth()))
	}
	return max(1, h)
}

// goTo moves the cursor by n rows, into pages that are not here yet if need be.
// A list that scrolls before the pane came after the last move is on its way
// elsewhere: a terminal scrolls whole lines, and to put the pane of a task that
// was passed long ago back at every row costs more than the rows themselves.
func (s *tasksScreen) goTo(a *App, n int) tea.Cmd {
	runs, top := s.passed(), s.list.top
	if e, ok := s.list.move(n); ok {
		return a.gated(a.loadPage(s.list.ask(e)))
	}
	cmd := s.moved(a)
	s.bare = runs && (s.bare || s.list.top != top)
	return cmd
}

// passed tells whether the pane is of another task than the one under the cursor.
func (s *tasksScreen) passed() bool {
	row := s.list.selected()
	return row != nil && row.ID != s.peek.id
}

func (s *tasksScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	half := max(1, s.rowLines(a)/2)
	switch {
	case key.Matches(k, a.keys.Down):
		return s.goTo(a, 1)
	case key.Matches(k, a.keys.Up):
		return s.goTo(a, -1)
	case key.Matches(k, a.keys.PageDown):
		return s.goTo(a, half)
	case key.Matches(k, a.keys.PageUp):
		return s.goTo(a, -half)
	case key.Matches(k, a.keys.Top):
		if s.list.head {
			return s.goTo(a, -len(s.list.rows))
		}
		return a.gated(a.loadPage(s.list.ask(fromStart)))
	case key.Matches(k, a.keys.Bottom):
		if s.list.tail {
			return s.goTo(a, len(s.list.rows))
		}
		return a.gated(a.loadPage(s.list.ask(fromEnd)))
	case key.Matches(k, a.keys.Search):
		s.startSearch()
		return a.indexSearch()
	case key.Matches(k, a.keys.Add):
		return a.push(newAddForm(a))
	case key.Matches(k, a.keys.Back):
		return s.back(a)
	case key.Matches(k, a.keys.View):
		return s.openView(a, int(k.Runes[0]-'1'))
	case key.Matches(k, a.keys.Mark):
		return s.markOne(a)
	case key.Matches(k, a.keys.MarkAll):
		return a.gated(a.loadAll(s.list.filter))
	case len(s.marks) > 0:
		return s.markedKey(a, k)
	}
	return a.taskKey(k, s.list.selected())
}

func (s *tasksScreen) back(a *App) tea.Cmd {
	if len(s.marks) > 0 {
		s.marks = nil
		return nil
	}
	if s.filtered != "" {
		return s.obey(a, "", true)
	}
	a.say("This is the first screen; q quits.")
	return nil
}

func (s *tasksScreen) startSearch() {
	s.searching = true
	s.search.SetValue(s.filtered)
	s.search.CursorEnd()
	s.search.Focus()
}

func (s *tasksScreen) stopSearch() {
	s.searching, s.bad = false, ""
	s.search.Blur()
}

func (s *tasksScreen) searchKey(a *App, k tea.KeyMsg) tea.Cmd {
	switch k.Type {
	case tea.KeyEsc:
		s.stopSearch()
		return s.obey(a, "", true)
	case tea.KeyEnter:
		if s.bad != "" { // what is wrong stays in sight until it is put right
			a.say("That is no filter yet: see above. Correct it, or esc shows all.")
			return nil
		}
		s.stopSearch()
		if s.list.busy { // what follows acts on what was found
			return a.gated(a.loadPage(s.list.ask(fromStart)))
		}
		return nil
	case tea.KeyUp:
		return s.goTo(a, -1)
	case tea.KeyDown:
		return s.goTo(a, 1)
	}
	a.feed(&s.search, k)
	return s.obey(a, s.search.Value(), false)
}

// obey makes the list obey a filter. Text that is none yet (the person is still
// typing) leaves the list as it is and says what is wrong.
func (s *tasksScreen) obey(a *App, text string, gate bool) tea.Cmd {
	text = strings.TrimSpace(text)
	f, err := localdb.ParseFilter(text, a.now(), a.sum.Device.User)
	s.bad = ""
	if err != nil {
		s.bad = explain(err)
		return nil
	}
	if text == s.filtered {
		return nil
	}
	s.filtered, s.list.filter, s.list.owed = text, f, 0
	return a.maybeGated(gate, a.loadPage(s.list.ask(fromStart)))
}

func (s *tasksScreen) view(a *App, w, h int) []string { return s.draw(a, w, h, true) }

// draw draws the list; without focus the keys go to the pane beside it, and the
// task it shows is marked by its sign alone.
func (s *tasksScreen) draw(a *App, w, h int, focus bool) []string {
	var lines []string
	if s.searching {
		s.search.Width = max(10, w-12)
		lines = append(lines, "Search: "+strings.TrimRight(s.search.View(), " "))
		lines = append(lines, s.hints(a, w)...)
	}
	if len(s.list.rows) == 0 {
		return append(lines, s.empty(a, w)...)
	}
	s.drawn = s.drawn[:0]
	for range lines {
		s.drawn = append(s.drawn, none)
	}
	cols := newColumns(w)
	top := s.list.firstRow(h - len(lines))
	for i := top; i < len(s.list.rows) && len(lines) < h; i++ {
		r := s.list.rows[i]
		if s.list.opens(i, top) {
			if len(lines) == h-1 && i > top {
				break // a heading with nothing under it
			}
			lines, s.drawn = append(lines, a.sectionLine(r.Section)), append(s.drawn, none)
		}
		lines = append(lines, s.marks.sign(r.ID, a.taskLine(r, cols, mark(i == s.list.cur, focus))))
		s.drawn = append(s.drawn, i)
	}
	return lines
}

// hints are what may be typed into the search, or why what is typed is no filter.
func (s *tasksScreen) hints(a *App, w int) []string {
	if s.bad == "" {
		return []string{a.cut("words, or status:open due:today priority:high site:BLD22 assignee:me is:pending", w)}
	}
	lines := wrap(a.text(s.bad), w)
	for i := range lines {
		lines[i] = a.st.bad.Render(lines[i])
	}
	return lines[:min(4, len(lines))]
}

func (a *App) sectionLine(s localdb.Section) string {
	if s == localdb.Overdue {
		return a.st.bad.Render(sectionWord(s))
	}
	return a.st.section.Render(sectionWord(s))
}

// empty says what to do next; there is no screen without a next step.
func (s *tasksScreen) empty(a *App, w int) []string {
	switch {
	case !s.list.read:
		return nil
	case s.bad != "":
		return nil
	case s.filtered != "":
		return hanging([]string{"", "  No task matches " + a.text(s.filtered) + ".", "  esc shows all tasks again."}, w)
	case a.sum.Device.ID != "":
		return hanging([]string{"", "  No tasks yet.", "", a.hint(a.keys.Add, "add one"), a.hint(a.keys.Sync, "ask the server for yours now"), a.hint(a.keys.Ready, "what else is missing")}, w)
	}
	if w < 78 {
		return []string{"", a.cut("  No tasks yet. Three ways to begin:", w), "",
			a.cut("  "+a.cell(named(a.keys.Add), 18)+" add a task", w), a.cut("  punchlist enroll   join a server", w), a.cut("  punchlist demo     look around", w)}
	}
	return hanging([]string{"", "  No tasks yet. Three ways to begin:", "",
		"  " + a.cell(named(a.keys.Add), 18) + " add your first task; it is saved on this laptop",
		"  punchlist enroll   join your office's server (in a shell, with its invite)",
		"  punchlist demo     look around with a made-up crew"}, w)
}

// hint is one way on from an empty screen.
func (a *App) hint(b key.Binding, does string) string {
	return "  " + a.cell(named(b), 3) + " " + does
}

// beside is the task under the cursor.
func (s *tasksScreen) beside(a *App, w, h int) []string {
	if s.list.selected() == nil || !s.peek.loaded || s.bare && s.passed() {
		return nil
	}
	return s.peek.view(a, w, h)
}

// copied are the marked tasks, else the one under the cursor.
func (s *tasksScreen) copied(a *App) (string, string) {
	if rows := s.marks.rows(); len(rows) > 0 {
		var out []string
		for _, r := range rows {
			out = append(out, a.rowText(r))
		}
		return strings.Join(out, "\n") + "\n", a.names(rows)
	}
	row := s.list.selected()
	if row == nil {
		return "", ""
	}
	return a.rowText(*row), a.text(row.Number)
}

func (s *tasksScreen) click(a *App, line int) tea.Cmd {
	if len(s.list.rows) == 0 {
		return nil
	}
	return a.choose(s.drawn.at(line), s.list.cur, func(i int) tea.Cmd { return s.goTo(a, i-s.list.cur) })
}
