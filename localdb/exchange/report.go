package exchange

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/punchlist/sync/op"
)

// badShown is how many bad rows a person is shown before the rest is only counted.
const badShown = 20

// PrintBad names the bad rows, the first twenty of them, or all.
func (p *Plan) PrintBad(w io.Writer, all bool) error {
	shown := p.Bad
	if !all && len(shown) > badShown {
		shown = shown[:badShown]
	}
	for _, b := range shown {
		if _, err := fmt.Fprintln(w, op.Clean(b.Error(), false)); err != nil {
			return err
		}
	}
	if rest := len(p.Bad) - len(shown); rest > 0 {
		if _, err := fmt.Fprintf(w, "and %s (--json names them all)\n", count(rest, "more bad row", "more bad rows")); err != nil {
			return err
		}
	}
	return nil
}

// Print says what the plan changes, in words that fit before and after it was
// written.
func (p *Plan) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", count(p.Rows, "row", "rows"), count(len(p.Bad), "bad", "bad"))
	if p.Err() != nil {
		b.WriteString("; the good ones alone would be")
	}
	b.WriteString("\n")
	for _, kind := range [...]op.Kind{op.Task, op.Site, op.Item, op.Note, op.TimeEntry} {
		t := p.Records[kind]
		if t == nil || t.New+t.Changed+t.Unchanged == 0 && kind != op.Task {
			continue
		}
		fmt.Fprintf(&b, "%-16s %s new, %s changed, %s unchanged%s\n", plural[kind],
			thousands(t.New), thousands(t.Changed), thousands(t.Unchanged), p.changedFields(kind))
	}
	if p.Deleted > 0 {
		fmt.Fprintf(&b, "%s deleted here and stayed so\n", count(p.Deleted, "task of this file was", "tasks of this file were"))
	}
	if rest := p.Elsewhere - len(p.Pruned); rest > 0 && len(p.Pruned) > 0 {
		fmt.Fprintf(&b, "%s not in this file either, and left alone\n", count(rest, "other task here is", "other tasks here are"))
	} else if rest > 0 {
		fmt.Fprintf(&b, "%s not in this file; nothing was closed\n", count(rest, "task here is", "tasks here are"))
	}
	p.printPruned(&b)
	for _, r := range p.Remarks {
		fmt.Fprintf(&b, "note: %s\n", op.Clean(r, false))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var plural = map[op.Kind]string{
	op.Task: "tasks", op.Site: "sites", op.Item: "checklist items", op.Note: "notes", op.TimeEntry: "time entries",
}

// changedFields is " (status 3, title 9)".
func (p *Plan) changedFields(kind op.Kind) string {
	var names []string
	for name := range p.Fields {
		if strings.HasPrefix(name, string(kind)+".") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = op.Clean(strings.TrimPrefix(name, string(kind)+"."), false) + " " + thousands(p.Fields[name])
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// PrintJSON says the same as one JSON value; written tells a plan that was
// carried out from one that was not.
func (p *Plan) PrintJSON(w io.Writer, written bool) error {
	out := *p
	if out.Bad == nil {
		out.Bad = []Bad{}
	}
	if out.Pruned == nil {
		out.Pruned = []Pruned{}
	}
	if out.Remarks == nil {
		out.Remarks = []string{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Plan
		Written bool `json:"written"`
	}{out, written})
}
