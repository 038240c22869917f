package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// OfDay tells a person's day, which begins at from (ms) and ends at to: what was
// worked on, for how long, what was finished, and what was due and is open still.
func OfDay(tasks []exchange.Task, user string, from, to int64, s Scene) Sheet {
	day := time.UnixMilli(from).In(s.Zone)
	sheet := Sheet{Title: user + ", " + day.Format("Monday 2 January 2006"), Foot: "Made on " + s.time(s.Now) + " with punchlist."}
	worked := &Table{Head: []string{"Task", "What", "Site", "Status", "Time", "Steps", "Notes"}}
	open := &Table{Head: []string{"Task", "What", "Site", "Status", "Due"}}
	sums, done := map[string]int64{}, 0
	var entries []timed
	for _, t := range tasks {
		own, kinds := entriesOf(t, user, from, to, s)
		entries = append(entries, own...)
		total := int64(0)
		for kind, ms := range kinds {
			sums[kind] += ms
			total += ms
		}
		steps, notes := answered(t, user, from, to), written(t, user, from, to)
		at := t.Fields.Int("completed_at")
		ended := t.Fields.Text("completed_by") == user && at >= from && at < to
		if ended {
			done++
		}
		if len(own) > 0 || steps > 0 || notes > 0 || ended {
			worked.Rows = append(worked.Rows, Row{Cells: []string{name(t), t.Fields.Text("title"), site(t), statusWord(t.Fields), spanOrNone(total), countOrNone(steps), countOrNone(notes)}})
		} else if !op.Status(t.Fields.Text("status")).Ended() {
			due := cmp.Or(t.Fields.Int("due_at"), t.Fields.Int("window_start"))
			open.Rows = append(open.Rows, Row{Cells: []string{name(t), t.Fields.Text("title"), site(t), statusWord(t.Fields), s.time(due)}, Mark: "open"})
		}
	}
	sheet.Facts = add(sheet.Facts, "Worked on", fmt.Sprintf("%s, %d ended", tasksOf(len(worked.Rows)), done))
	for _, kind := range op.TimeKinds {
		if sums[kind] > 0 {
			sheet.Facts = add(sheet.Facts, strings.ToUpper(kind[:1])+kind[1:], span(sums[kind]))
		}
	}
	sheet.Sections = slices.DeleteFunc([]Section{{Title: "Worked on", Table: worked}, {Title: "Hours", Table: hours(entries, s)}, {Title: "Due and not begun", Table: open}}, Section.empty)
	return sheet
}

func spanOrNone(ms int64) string {
	if ms == 0 {
		return ""
	}
	return span(ms)
}

func tasksOf(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}

func countOrNone(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// timed is a time entry's part of a day.
type timed struct {
	task, kind string
	from, to   int64
	running    bool
}

// entriesOf is the time that a person spent on a task within the day.
func entriesOf(t exchange.Task, user string, from, to int64, s Scene) (out []timed, kinds map[string]int64) {
	kinds = map[string]int64{}
	for _, e := range t.Time {
		start, end := e.Fields.Int("started_at"), e.Fields.Int("ended_at")
		running := end == 0
		if running {
			end = max(s.Now, start)
		}
		start, end = max(start, from), min(end, to)
		if e.Fields.Text("user") != user || end < start || start >= to {
			continue
		}
		kind := e.Fields.Text("kind")
		kinds[kind] += end - start
		out = append(out, timed{name(t) + " " + t.Fields.Text("title"), kind, start, end, running})
	}
	return out, kinds
}

func answered(t exchange.Task, user string, from, to int64) (n int) {
	for _, it := range t.Checklist {
		if at := it.Fields.Int("done_at"); it.Fields.Text("done_by") == user && at >= from && at < to {
			n++
		}
	}
	return n
}

func written(t exchange.Task, user string, from, to int64) (n int) {
	for _, note := range t.Notes {
		if at := note.Fields.Int("at"); note.Fields.Text("author") == user && at >= from && at < to {
			n++
		}
	}
	return n
}

// hours is the day from its beginning to its end.
func hours(entries []timed, s Scene) *Table {
	slices.SortStableFunc(entries, func(a, b timed) int { return cmp.Compare(a.from, b.from) })
	table := &Table{Head: []string{"From", "To", "What", "Task", "Time"}}
	for _, e := range entries {
		until := s.clock(e.to)
		if e.running {
			until = "running"
		}
		table.Rows = append(table.Rows, Row{Cells: []string{s.clock(e.from), until, e.kind, e.task, span(e.to - e.from)}})
	}
	return table
}
