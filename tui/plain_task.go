package tui

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// open reads out a task and stays with it.
func (p *Plain) open(args string) {
	row, _, ok := p.named(args)
	if !ok {
		return
	}
	p.home()
	s := &taskScreen{taskPane: taskPane{id: row.ID, row: row}}
	p.do(p.a.push(s))
	if s.gone != "" {
		p.do(p.a.pop())
		p.a.say(s.gone)
		return
	}
	p.print(s.lines(p.a, plainWidth)...)
}

func (p *Plain) status(args string) {
	if rows, _, ok := p.several(args); ok {
		p.do(p.a.openStatuses(rows))
	}
}

func (p *Plain) clock(args string) {
	if rows, _, ok := p.several(args); ok {
		p.do(p.a.clockHere(rows[0]))
	}
}

// choose takes a status, its reason, and the words that it needs.
func (p *Plain) choose(s *statusSheet) {
	p.hush()
	s.input.SetValue("")
	lines := s.view(p.a, plainWidth, 0)
	if s.stage != askWords { // no row is the selected one
		for i := range lines[1:] {
			lines[i+1] = strings.TrimLeft(ansi.Strip(lines[i+1]), "> ")
		}
	}
	help := "A number, or the first letters of a line; an empty line leaves it as it is."
	if s.stage == askWords {
		help = "A few words; an empty line leaves it as it is."
	}
	line, ok := p.reply(help, lines...)
	if !ok || line == "" {
		p.a.drop(s)
		p.a.say("It stays as it is.")
		return
	}
	if s.stage == askWords {
		s.input.SetValue(line)
		p.do(s.wordKey(p.a, tea.KeyMsg{Type: tea.KeyEnter}))
		return
	}
	n, _ := numberFirst(line)
	for i, o := range s.options() {
		if n == o.number || strings.HasPrefix(strings.ToLower(o.text), strings.ToLower(line)) {
			p.do(s.take(p.a, i))
			return
		}
	}
	// It may have been a command: whoever hears of it knows that nothing came of it.
	p.print(`"` + p.a.cut(p.a.text(line), 20) + `" is none of these, and nothing was done. Commands work again after back or an empty line.`)
}

func (p *Plain) delete(args string) {
	if rows, _, ok := p.several(args); ok {
		p.do(p.a.askDelete(rows...))
	}
}

// note writes the rest of the line, or what follows.
func (p *Plain) note(args string) {
	rows, text, ok := p.noted(args)
	if !ok {
		return
	}
	s := newNoteScreen(p.a, rows...)
	if text == "" {
		p.do(p.a.push(s))
		return
	}
	p.a.stack = append(p.a.stack, s) // without what was once typed and left: this is another note
	s.area.SetValue(text)
	p.keep(s, s.save(p.a))
}

// text takes the lines of a note, up to one with a point.
func (p *Plain) text(s *noteScreen) {
	p.a.said = ""
	p.print("Note on " + p.a.names(s.rows) + `. Write its lines; "." alone saves it, "drop" throws it away.`)
	lines := strings.Split(s.area.Value(), "\n")
	if s.area.Value() == "" {
		lines = nil
	} else {
		p.print(append([]string{"You wrote this before and never saved it:"}, lines...)...)
	}
	kinds := writtenKinds()[1:]
	help := `"." alone saves the note, ".` + strings.Join(kinds, `" and ".`) + `" save it as such; "drop" throws it away.`
	for {
		line, ok := p.reply(help)
		kind, ends := strings.CutPrefix(line, ".")
		ends = ends && (kind == "" || slices.Contains(kinds, kind))
		switch {
		case !ok:
			p.leave(s)
			return
		case ends && len(lines) == 0, line == "drop":
			p.a.drop(s)
			p.do(p.a.dropDraft(s))
			p.a.say("No note was written.")
			return
		case ends:
			s.kind = cmp.Or(kind, s.kind)
			p.keep(s, s.save(p.a))
			return
		}
		lines = append(lines, line)
		s.area.SetValue(strings.Join(lines, "\n"))
	}
}

// unfinished keeps what was typed into a form when the input ends.
func (p *Plain) unfinished(d drafter) {
	k := d.keeper()
	if k.typed = d.texts(); len(k.typed) == 0 {
		return
	}
	k.gen++ // lastDrafts writes it
	p.print("What you began is kept, and offered when you come back to it.")
}

// keep saves a form. One that the store refuses keeps its text as a draft and
// is left: a line cannot show it and wait.
func (p *Plain) keep(d drafter, save tea.Cmd) {
	p.do(save)
	if !slices.Contains(p.a.stack, screen(d)) {
		return
	}
	k := d.keeper()
	if k.typed = d.texts(); len(k.typed) > 0 {
		p.do(p.a.saveDraft(d))
		p.hush()
		p.a.say("What you wrote is kept.")
	}
	p.a.drop(d)
}

// add makes a task of a title, or asks for all of it.
func (p *Plain) add(args string) {
	if !p.a.canWrite() {
		return
	}
	s := newAddForm(p.a)
	if args == "" {
		p.do(p.a.push(s))
		return
	}
	p.a.stack = append(p.a.stack, s)
	s.field("title").set(args)
	p.keep(s, s.save(p.a))
}

// edit changes one field, or asks for each.
func (p *Plain) edit(args string) {
	row, rest, ok := p.named(args)
	if !ok {
		return
	}
	s := newEditForm(p.a, row)
	if rest == "" {
		p.do(p.a.push(s))
		return
	}
	label, value, _ := strings.Cut(rest, " ")
	i := slices.IndexFunc(s.fields, func(f *field) bool { return strings.EqualFold(f.label, label) || f.name == label })
	if i < 0 {
		p.a.say("There is no field " + p.a.text(label) + "; there are " + labels(s.fields) + ".")
		return
	}
	p.a.stack = append(p.a.stack, s)
	p.do(s.update(p.a, openedMsg{}))
	p.a.said = ""
	if !s.ready {
		p.a.drop(s)
		return
	}
	p.reset(s)
	if p.fill(s, i, strings.TrimSpace(value)) {
		p.keep(s, s.save(p.a))
		return
	}
	p.a.drop(s)
}

// reset takes out of a form what was once typed and left: one named field is
// changed and nothing beside it.
func (p *Plain) reset(s *formScreen) {
	for _, f := range s.fields {
		f.set(f.was)
		f.siteID = f.siteWas
	}
}

func labels(fields []*field) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.label
	}
	return strings.Join(out, ", ")
}

// plainForm is a form whose fields are asked for one by one.
type plainForm interface {
	drafter
	list() *fieldList
	check(a *App, f *field) (bad string)
	save(a *App) tea.Cmd
}

// form asks for each field of a form, and saves it. first is said before.
func (p *Plain) form(s plainForm, first string) {
	p.hush()
	if f, isTask := s.(*formScreen); isTask && !f.ready {
		p.a.drop(s)
		return
	}
	p.print(p.a.text(s.title(p.a)) + `: an empty line keeps a field, "-" empties it, "." saves now, "drop" throws all away.`)
	if first != "" {
		p.print(first)
	}
	for i := range s.list().fields {
		if !p.fieldAsked(s, i) {
			return
		}
	}
	p.keep(s, s.save(p.a))
}

// fieldAsked asks for one field until it holds; false when the form is over.
func (p *Plain) fieldAsked(s plainForm, i int) bool {
	const help = `The field's new value. An empty line keeps it, "-" empties it, "." saves all now, "drop" throws all away.`
	f := s.list().fields[i]
	for again := true; again; {
		line, ok := p.reply(help, p.question(f))
		switch {
		case !ok:
			p.leave(s)
			return false
		case line == "drop":
			p.a.drop(s)
			p.do(p.a.dropDraft(s))
			p.a.say("Nothing was saved.")
			return false
		case line == ".":
			p.keep(s, s.save(p.a))
			return false
		case line == "":
			again = false
		case line == "-":
			again = !p.fill(s, i, "")
		default:
			again = !p.fill(s, i, line)
		}
		p.hush()
	}
	return true
}

// question names a field, what may be said and what stands.
func (p *Plain) question(f *field) string {
	q := f.label
	switch {
	case f.kind == wordField:
		words := make([]string, len(f.values))
		for i, v := range f.values {
			words[i] = word(v)
		}
		q += " (" + strings.Join(words, ", ") + ")"
	case f.kind == siteField:
		q += " (its code, or a part of its name)"
	case f.kind == longField:
	case f.hint != "":
		q += " (" + f.hint + ")"
	}
	if now := p.a.text(f.text()); now != "" {
		q += " [" + word(now) + "]"
	}
	return q + ":"
}

// fill puts text into a field and checks it, as leaving the field does.
func (p *Plain) fill(s plainForm, i int, text string) bool {
	s.list().goTo(i)
	f := s.list().fields[i]
	before, site := f.text(), f.siteID
	switch f.kind {
	case wordField:
		for _, v := range f.values {
			if text != "" && strings.HasPrefix(word(v), word(strings.ToLower(text))) {
				f.set(v)
				return true
			}
		}
		what := p.a.text(text) + " is none of "
		if text == "" {
			what = f.label + " cannot be empty; it is one of "
		}
		p.a.say(what + word(strings.Join(f.values, ", ")) + ".")
		return false
	case siteField:
		f.siteID, f.pick, f.bad = "", 0, ""
		f.set(text)
		p.do(p.a.findSites(text))
		return p.found(f, before, site)
	}
	f.set(text)
	if bad := s.check(p.a, f); bad != "" {
		f.set(before)
		p.a.say(bad)
		return false
	}
	return true
}

// found takes the site that a search found, if it is one: what the screen shows
// to pick from is asked for here.
func (p *Plain) found(f *field, before, site string) bool {
	if f.siteID == "" && len(f.found) > 1 {
		lines := []string{"Several sites fit. Say the code of one:"}
		for _, s := range f.found {
			lines = append(lines, "  "+p.a.text(s.Fields.Text("code"))+"  "+p.a.text(s.Fields.Text("name")))
		}
		p.print(lines...)
	} else if f.settleSite(); f.bad == "" {
		return true
	} else {
		p.a.say("There is no such site: " + f.bad)
	}
	f.set(before)
	f.siteID, f.found = site, nil
	return false
}

// checklist reads the steps out and stays with them.
func (p *Plain) checklist(args string) {
	row, _, ok := p.named(args)
	if !ok {
		return
	}
	s := &checklistScreen{row: row}
	p.do(p.a.push(s))
	p.steps(s)
}

func (p *Plain) steps(s *checklistScreen) {
	if len(s.items) == 0 {
		p.a.say(`This task has no checklist. "step" and a name adds a step, "back" leaves.`)
		return
	}
	p.print(p.a.text(s.title(p.a)) + ": " + s.progress())
	section := ""
	p.ids = nil
	for i, it := range s.items {
		p.ids = append(p.ids, it.ID)
		if sec := it.Fields.Text("section"); sec != section {
			section = sec
			p.print(p.a.text(sec))
		}
		p.print(itoa(i+1) + "  " + p.a.itemLine(it.Fields, math.MaxInt))
	}
	p.upNext(s)
}

// upNext names the step that comes next.
func (p *Plain) upNext(s *checklistScreen) {
	if i, open := s.nextOpen(); open {
		p.print("Next: " + p.numberOf(s.items[i].ID) + "  " + p.a.text(s.items[i].Fields.Text("label")))
	}
}

// step goes to a step by its number.
func (p *Plain) step(s *checklistScreen, n int) bool {
	return p.toNumber("step", n, &s.cur, len(s.items), func(i int) string { return s.items[i].ID })
}

// toNumber moves a place's cursor to what was read out with a number: it keeps
// the number, whatever has come and gone meanwhile.
func (p *Plain) toNumber(what string, n int, cur *int, count int, id func(int) string) bool {
	if n < 1 || n > len(p.ids) {
		p.a.say("There is no " + what + " " + itoa(n) + "; there are " + itoa(len(p.ids)) + ".")
		return false
	}
	for i := range count {
		if id(i) == p.ids[n-1] {
			*cur = i
			return true
		}
	}
	p.a.say("The " + what + " " + itoa(n) + " is not here any more.")
	return false
}

// renumber takes in what was added to a place since it was read out.
func (p *Plain) renumber(s *checklistScreen) {
	for _, it := range s.items {
		if !slices.Contains(p.ids, it.ID) {
			p.ids = append(p.ids, it.ID)
		}
	}
}

func checklistCommands() []plainCommand {
	on := func(f func(p *Plain, s *checklistScreen, args string)) func(*Plain, string) {
		return func(p *Plain, args string) { f(p, p.a.top().(*checklistScreen), args) }
	}
	key := func(r rune) func(*Plain, string) {
		return on(func(p *Plain, s *checklistScreen, args string) { p.stepKey(s, r, args) })
	}
	return []plainCommand{
		{[]string{"pass", "p"}, "[N] [VALUE]", "step N, or the next one, is passed", onChecklist, key('p')},
		{[]string{"fail", "f"}, "[N] [VALUE]", "it failed", onChecklist, key('f')},
		{[]string{"na", "n"}, "[N]", "it does not apply", onChecklist, key('n')},
		{[]string{"done", "d", "answer"}, "[N] [VALUE]", "it is done; a number, a text or a choice is its value", onChecklist, key('d')},
		{[]string{"clear", "x"}, "[N]", "take its answer back", onChecklist, key('x')},
		{[]string{"comment", "m"}, "N TEXT", "comment on it", onChecklist, on((*Plain).comment)},
		{[]string{"step", "a"}, "NAME", "add a step", onChecklist, on(func(p *Plain, s *checklistScreen, args string) { p.typeIn(s, theLabel, args) })},
		{[]string{"followup", "F"}, "[N]", "a task for what a failed step left to do", onChecklist, on((*Plain).followUp)},
		{[]string{"steps"}, "", "all steps again", onChecklist, on(func(p *Plain, s *checklistScreen, _ string) { p.steps(s) })},
	}
}

// stepKey answers a step as the key does on the screen.
func (p *Plain) stepKey(s *checklistScreen, r rune, args string) {
	if len(s.items) == 0 {
		p.steps(s)
		return
	}
	p.renumber(s)
	n, value := numberFirst(args)
	if i, open := s.nextOpen(); n == 0 && open && r != 'x' {
		s.cur = i
	}
	if n != 0 && !p.step(s, n) {
		return
	}
	id := s.items[s.cur].ID
	if kind := s.item().Text("kind"); r == 'f' && value != "" && (kind == "number" || kind == "choice") {
		s.failing = true
		p.do(s.ask(p.a, theValue, ""))
	} else {
		p.do(s.answerKey(p.a, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}))
	}
	for s.asking == theValue && !p.ended {
		if value == "" {
			p.hush()
			var ok bool
			if value, ok = p.reply("The value that was found; an empty line leaves the step as it is.", s.detail(p.a, plainWidth)[1:]...); !ok || value == "" {
				s.stopAsking()
				p.a.say("The step stays as it is.")
				return
			}
		}
		p.do(s.entered(p.a, value))
		if s.asking == theValue && s.warned == value && !p.sure(s) {
			return
		}
		value = ""
	}
	if i := s.index(id); value != "" && i >= 0 && s.items[i].Fields.Text("outcome") != "" { // no value was wanted: it says what was found
		next := s.cur
		s.cur = i
		p.typeIn(s, theComment, value)
		s.cur = next
	}
	p.answered(s, id)
}

// sure asks whether a value outside its limits is a fail, and records it.
func (p *Plain) sure(s *checklistScreen) bool {
	value := s.warned
	x, _ := parseNumber(value)
	limits, _ := within(x, s.item())
	p.a.said = ""
	line, ok := p.reply("y records it as failed; n leaves the step as it is.", number(x)+" is outside "+p.a.text(limits)+". Record it as failed? Answer y or n.")
	if ok && isYes(line) {
		p.do(s.entered(p.a, value))
		return true
	}
	s.stopAsking()
	p.a.say("The step stays as it is.")
	return false
}

// answered reads out a step that has an answer now, and which one is next.
func (p *Plain) answered(s *checklistScreen, id string) {
	i := s.index(id)
	if i < 0 || p.a.top() != screen(s) && !p.asks() {
		return
	}
	p.print(p.numberOf(id) + "  " + p.a.itemLine(s.items[i].Fields, math.MaxInt))
	p.hush()
	if !p.asks() {
		p.upNext(s)
	}
}

func (s *checklistScreen) index(id string) int {
	return slices.IndexFunc(s.items, func(r localdb.Record) bool { return r.ID == id })
}

// numberOf is the number that was read out for a record.
func (p *Plain) numberOf(id string) string { return itoa(slices.Index(p.ids, id) + 1) }

// asks tells whether a question stands open.
func (p *Plain) asks() bool { _, ok := p.a.top().(*askScreen); return ok }

func (p *Plain) comment(s *checklistScreen, args string) {
	n, text := numberFirst(args)
	switch {
	case n == 0 || text == "":
		p.a.say(`Say which step and what: "comment 3 the seal is worn".`)
	case p.step(s, n):
		p.typeIn(s, theComment, text)
	}
}

// typeIn gives a text to the line that the screen would type it into.
func (p *Plain) typeIn(s *checklistScreen, what asking, text string) {
	p.do(s.ask(p.a, what, ""))
	if s.asking == nothing {
		return
	}
	p.do(s.entered(p.a, text))
	if s.asking != nothing { // refused, with the reason said
		s.stopAsking()
	}
}

func (p *Plain) followUp(s *checklistScreen, args string) {
	if n, _ := numberFirst(args); n != 0 && !p.step(s, n) {
		return
	}
	p.do(s.followUp(p.a))
}
