package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// MaxListed is how many overdue tasks a report names.
const MaxListed = 25

// Office gathers the office's figures over tasks that are handed to it one by one.
type Office struct {
	scene    Scene
	from     int64 // the start of the period
	days     []time.Time
	crews    map[string]*crewFigures
	statuses map[op.Status]int
	ended    map[string]int // by day
	people   map[person]timeSums
	onSite   map[string]*siteTime // by type
	overdue  []late
	tasks    int
}

type crewFigures struct{ open, overdue, begun, unassigned, ended int }

type person struct{ crew, user string }

type timeSums map[string]int64

type siteTime struct {
	tasks int
	ms    int64
}

type late struct {
	task exchange.Task
	days int
}

// OfOffice begins the office's report on the last days days, today among them.
func OfOffice(days int, s Scene) *Office {
	now := time.UnixMilli(s.Now).In(s.Zone)
	o := &Office{scene: s, crews: map[string]*crewFigures{}, statuses: map[op.Status]int{}, ended: map[string]int{}, people: map[person]timeSums{}, onSite: map[string]*siteTime{}}
	for i := days - 1; i >= 0; i-- {
		o.days = append(o.days, time.Date(now.Year(), now.Month(), now.Day()-i, 0, 0, 0, 0, s.Zone))
	}
	o.from = o.days[0].UnixMilli()
	return o
}

// Add counts one task.
func (o *Office) Add(t exchange.Task) {
	f := t.Fields
	status, crew := op.Status(f.Text("status")), f.Text(op.CrewField)
	o.tasks++
	o.statuses[status]++
	c := o.crews[crew]
	if c == nil {
		c = &crewFigures{}
		o.crews[crew] = c
	}
	if status.Ended() {
		if at := f.Int("completed_at"); at >= o.from && at <= o.scene.Now {
			c.ended++
			o.ended[o.day(at)]++
		}
	} else {
		o.addOpen(t, c, status)
	}
	o.addTime(t, crew)
}

func (o *Office) day(ms int64) string {
	return time.UnixMilli(ms).In(o.scene.Zone).Format(time.DateOnly)
}

func (o *Office) addOpen(t exchange.Task, c *crewFigures, status op.Status) {
	c.open++
	if status != op.Pending {
		c.begun++
	}
	if t.Fields.Text("assignee") == "" {
		c.unassigned++
	}
	due := cmp.Or(t.Fields.Int("due_at"), t.Fields.Int("window_end"))
	if due == 0 || due >= o.scene.Now {
		return
	}
	c.overdue++
	o.overdue = append(o.overdue, late{exchange.Task{ID: t.ID, Fields: t.Fields}, int((o.scene.Now - due) / (24 * 3600 * 1000))})
	if len(o.overdue) >= 4*MaxListed {
		o.worst()
	}
}

// worst keeps the tasks that are overdue most.
func (o *Office) worst() {
	slices.SortStableFunc(o.overdue, func(a, b late) int {
		return cmp.Or(cmp.Compare(b.days, a.days), cmp.Compare(name(a.task), name(b.task)))
	})
	o.overdue = o.overdue[:min(len(o.overdue), MaxListed)]
}

func (o *Office) addTime(t exchange.Task, crew string) {
	work := int64(0)
	for _, e := range t.Time {
		start, end := e.Fields.Int("started_at"), e.Fields.Int("ended_at")
		if end == 0 {
			end = o.scene.Now
		}
		start, end = max(start, o.from), min(end, o.scene.Now)
		if end <= start {
			continue
		}
		p := person{crew, e.Fields.Text("user")}
		if o.people[p] == nil {
			o.people[p] = timeSums{}
		}
		kind := e.Fields.Text("kind")
		o.people[p][kind] += end - start
		if kind == "work" {
			work += end - start
		}
	}
	if work == 0 {
		return
	}
	kind := cmp.Or(t.Fields.Text("type"), "no type")
	if o.onSite[kind] == nil {
		o.onSite[kind] = &siteTime{}
	}
	o.onSite[kind].tasks++
	o.onSite[kind].ms += work
}

// Sheet is the report over all that was added.
func (o *Office) Sheet() Sheet {
	o.worst()
	s := Sheet{Title: "Open work and the last " + fmt.Sprint(len(o.days)) + " days", Foot: "Made on " + o.scene.time(o.scene.Now) + " with punchlist."}
	sum := crewFigures{}
	for _, c := range o.crews {
		sum.open, sum.overdue, sum.begun, sum.unassigned, sum.ended = sum.open+c.open, sum.overdue+c.overdue, sum.begun+c.begun, sum.unassigned+c.unassigned, sum.ended+c.ended
	}
	for _, f := range []struct {
		name string
		n    int
	}{{"Tasks", o.tasks}, {"Open", sum.open}, {"Overdue", sum.overdue}, {"Begun", sum.begun}, {"Nobody's", sum.unassigned}, {"Ended in this time", sum.ended}} {
		s.Facts = add(s.Facts, f.name, fmt.Sprint(f.n))
	}
	s.Sections = slices.DeleteFunc([]Section{o.crewSection(), o.statusSection(), o.endedSection(), o.peopleSection(), o.onSiteSection(), o.overdueSection(sum.overdue)}, Section.empty)
	return s
}

func (o *Office) crewSection() Section {
	t := &Table{Head: []string{"Crew", "Open", "Overdue", "Begun", "Nobody's", "Ended"}}
	for _, crew := range slices.Sorted(maps.Keys(o.crews)) {
		c := o.crews[crew]
		t.Rows = append(t.Rows, Row{Cells: []string{crew, fmt.Sprint(c.open), fmt.Sprint(c.overdue), fmt.Sprint(c.begun), fmt.Sprint(c.unassigned), fmt.Sprint(c.ended)}})
	}
	return Section{Title: "By crew", Table: t}
}

func (o *Office) statusSection() Section {
	s := Section{Title: "By status"}
	for _, status := range op.Statuses {
		if n := o.statuses[status]; n > 0 {
			s.Bars = append(s.Bars, Bar{Label: statusWords[status], Value: float64(n), Text: fmt.Sprint(n)})
		}
	}
	return s
}

func (o *Office) endedSection() Section {
	s := Section{Title: "Ended, by day"}
	some := false
	for _, day := range o.days {
		n := o.ended[day.Format(time.DateOnly)]
		some = some || n > 0
		s.Bars = append(s.Bars, Bar{Label: day.Format("Mon 2 Jan"), Value: float64(n), Text: fmt.Sprint(n), Mark: "pass"})
	}
	if !some {
		s.Bars = nil
	}
	return s
}

func (o *Office) peopleSection() Section {
	t := &Table{Head: []string{"Crew", "Who", "Work", "Travel", "Waiting"}}
	keys := slices.SortedFunc(maps.Keys(o.people), func(a, b person) int { return cmp.Or(cmp.Compare(a.crew, b.crew), cmp.Compare(a.user, b.user)) })
	for _, p := range keys {
		sums := o.people[p]
		t.Rows = append(t.Rows, Row{Cells: []string{p.crew, p.user, spanOrNone(sums["work"]), spanOrNone(sums["travel"]), spanOrNone(sums["wait"])}})
	}
	return Section{Title: "Hours in this time", Table: t}
}

func (o *Office) onSiteSection() Section {
	s := Section{Title: "Time on site a task, by type"}
	for _, kind := range slices.Sorted(maps.Keys(o.onSite)) {
		st := o.onSite[kind]
		mean := st.ms / int64(st.tasks)
		s.Bars = append(s.Bars, Bar{Label: kind, Value: float64(mean), Text: fmt.Sprintf("%s (%d)", span(mean), st.tasks)})
	}
	return s
}

func (o *Office) overdueSection(all int) Section {
	s := Section{Title: "Overdue", Table: &Table{Head: []string{"Task", "What", "Crew", "Whose", "Days"}}}
	if all > len(o.overdue) {
		s.Title = fmt.Sprintf("Overdue, the worst %d of %d", len(o.overdue), all)
	}
	for _, l := range o.overdue {
		f := l.task.Fields
		s.Table.Rows = append(s.Table.Rows, Row{Cells: []string{name(l.task), f.Text("title"), f.Text(op.CrewField), f.Text("assignee"), fmt.Sprint(l.days)}, Mark: "fail"})
	}
	return s
}
