package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

// OfTask tells what was done on one task, for its customer or a supervisor.
// waiting is how many changes to it the office has not received.
func OfTask(t exchange.Task, waiting int, s Scene) Sheet {
	f := t.Fields
	sheet := Sheet{Title: name(t) + " " + f.Text("title"), Foot: "Made on " + s.time(s.Now) + " with punchlist."}
	if waiting > 0 {
		sheet.Lines = append(sheet.Lines, fmt.Sprintf("Not final: %d of its changes have not reached the office.", waiting))
	}
	sheet.Facts = taskFacts(t, s)
	sheet.Sections = append(sheet.Sections, Section{Title: "Task", Text: f.Text("description")})
	if t.Site != nil {
		sheet.Sections = append(sheet.Sections, siteSection(t.Site.Fields))
	}
	sheet.Sections = append(sheet.Sections, checklistSections(t.Checklist, s)...)
	sheet.Sections = append(sheet.Sections, notesSection(t.Notes, s), timeSection(t.Time, s))
	sheet.Sections = slices.DeleteFunc(sheet.Sections, Section.empty)
	return sheet
}

func (s Section) empty() bool {
	return s.Text == "" && len(s.Facts) == 0 && len(s.Bars) == 0 && (s.Table == nil || len(s.Table.Rows) == 0)
}

func taskFacts(t exchange.Task, s Scene) (facts []Fact) {
	f := t.Fields
	facts = add(facts, "Status", statusWord(f))
	facts = add(facts, "Reason", f.Text("reason_text"))
	facts = add(facts, "Type", f.Text("type"))
	facts = add(facts, "Priority", f.Text("priority"))
	facts = add(facts, "Customer's reference", f.Text("external_ref"))
	facts = add(facts, "Customer", f.Text("contact_name"))
	facts = add(facts, "Phone", f.Text("contact_phone"))
	facts = add(facts, "Asset", f.Text("asset"))
	facts = add(facts, "Assigned to", f.Text("assignee"))
	if from, to := f.Int("window_start"), f.Int("window_end"); from != 0 {
		text := s.time(from)
		if to != 0 {
			text += " to " + s.clock(to)
		}
		facts = add(facts, "Appointment", text)
	}
	facts = add(facts, "Due", s.time(f.Int("due_at")))
	facts = add(facts, "Begun", s.time(f.Int("started_at")))
	if done := s.time(f.Int("completed_at")); done != "" {
		if who := f.Text("completed_by"); who != "" {
			done += ", " + who
		}
		facts = add(facts, "Ended", done)
	}
	return add(facts, "Received by", f.Text("recipient_name"))
}

func siteSection(f op.Fields) Section {
	s := Section{Title: "Site"}
	for _, field := range [...][2]string{{"code", "Code"}, {"name", "Name"}, {"address", "Address"}, {"postal_code", "Postal code"}, {"city", "City"}, {"country", "Country"},
		{"contact_name", "Contact"}, {"contact_phone", "Phone"}, {"access_notes", "Access"}, {"hazards", "Hazards"}} {
		s.Facts = add(s.Facts, field[1], f.Text(field[0]))
	}
	return s
}

// checklistSections is what the checklist came to, then its steps.
func checklistSections(items []exchange.Record, s Scene) []Section {
	if len(items) == 0 {
		return nil
	}
	steps := &Table{Head: []string{"", "Step", "Result", "By", "At", "Comment"}}
	counts := map[string]int{}
	section := ""
	for i, it := range items {
		f := it.Fields
		if sec := f.Text("section"); sec != section {
			section = sec
			steps.Rows = append(steps.Rows, Row{Cells: []string{"", cmp.Or(sec, "Other")}, Mark: "section"})
		}
		counts[f.Text("outcome")]++
		label := f.Text("label")
		if f.Bool("required") {
			label += " (required)"
		}
		steps.Rows = append(steps.Rows, Row{[]string{strconv.Itoa(i + 1), label, result(f), f.Text("done_by"), s.time(f.Int("done_at")), f.Text("comment")}, markOf(f.Text("outcome"))})
	}
	sum := Section{Title: "Checklist"}
	sum.Facts = add(sum.Facts, "Steps", strconv.Itoa(len(items)))
	for _, o := range [...][2]string{{"pass", "Passed"}, {"done", "Done"}, {"fail", "Failed"}, {"na", "Not applicable"}, {"", "Not answered"}} {
		if n := counts[o[0]]; n > 0 {
			sum.Facts = add(sum.Facts, o[1], strconv.Itoa(n))
		}
	}
	sum.Table = steps
	return []Section{sum}
}

func markOf(outcome string) string {
	switch outcome {
	case "fail", "pass":
		return outcome
	case "":
		return "open"
	}
	return ""
}

// result is an answer in words, with its value where that says more.
func result(f op.Fields) string {
	text := map[string]string{"pass": "passed", "done": "done", "fail": "FAILED", "na": "not applicable", "": "not answered"}[f.Text("outcome")]
	if v := f["value"]; v != nil {
		value := fmt.Sprint(v)
		if unit := f.Text("unit"); unit != "" {
			value += " " + unit
		}
		text += ": " + value
	}
	return text
}

func notesSection(notes []exchange.Record, s Scene) Section {
	table := &Table{Head: []string{"At", "By", "Note"}}
	for _, n := range notes {
		body := n.Fields.Text("body")
		if kind := n.Fields.Text("kind"); kind != "" && kind != "note" {
			body = kind + ": " + body
		}
		table.Rows = append(table.Rows, Row{Cells: []string{s.time(n.Fields.Int("at")), n.Fields.Text("author"), body}})
	}
	return Section{Title: "Notes", Table: table}
}

func timeSection(entries []exchange.Record, s Scene) Section {
	table := &Table{Head: []string{"Who", "What", "From", "To", "Time"}}
	sums := map[[2]string]int64{}
	for _, e := range entries {
		f := e.Fields
		from, to := f.Int("started_at"), f.Int("ended_at")
		end := to
		if end == 0 {
			end = max(s.Now, from)
		}
		sums[[2]string{f.Text("user"), f.Text("kind")}] += max(end-from, 0)
		until := s.time(to)
		if to == 0 {
			until = "running"
		}
		table.Rows = append(table.Rows, Row{Cells: []string{f.Text("user"), f.Text("kind"), s.time(from), until, span(max(end-from, 0))}})
	}
	section := Section{Title: "Time", Table: table}
	keys := make([][2]string, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, k := range keys {
		section.Facts = add(section.Facts, k[0]+", "+k[1], span(sums[k]))
	}
	return section
}
