package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

func (a *app) showCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "show TASK", Short: "Show one task with its checklist, notes, time and history",
		Example: "  punchlist show T-10423\n  punchlist show NEW-7F3A --json", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTask(cmd, args[0], a.show)
		}}
	return a.JSONFlag(cmd)
}

func (a *app) show(ctx context.Context, db *localdb.DB, id string) error {
	v, err := db.Task(ctx, id)
	if err != nil {
		return err
	}
	history, err := db.History(ctx, id, 200)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(viewJSON(v, history))
	}
	a.Printf("%s  %s\n", v.Number, v.Title)
	a.printFields(v)
	if v.Site != nil {
		a.Printf("\nSite %s\n", siteLine(v.Site.Fields))
		for _, name := range []string{"access_notes", "hazards", "contact_name", "contact_phone"} {
			if s := v.Site.Fields.Text(name); s != "" {
				a.Printf("  %-16s %s\n", label(name), indent(s))
			}
		}
	}
	a.printChecklist(v.Checklist)
	for _, n := range v.Notes {
		a.Printf("\n%s, %s\n  %s\n", n.Fields.Text("author"), when(n.Fields.Int("at")), indent(n.Fields.Text("body")))
	}
	a.printTime(v.Time)
	if len(history) > 0 {
		a.Printf("\nHistory\n")
	}
	for _, e := range history {
		a.Printf("  %s %s %s, %s\n", marks[e.Sync], pad(when(e.At), 16), e.What, localdb.Whose(e.Who, e.Laptop))
	}
	return nil
}

func viewJSON(v localdb.TaskView, history []localdb.Event) map[string]any {
	out := taskJSON(localdb.Record{Kind: op.Task, ID: v.ID, Version: v.Version, Fields: v.Fields}, v.Sync)
	out["checklist"], out["notes"], out["time"] = recordsJSON(v.Checklist), recordsJSON(v.Notes), recordsJSON(v.Time)
	if v.Site != nil {
		out["site"] = recordJSON(*v.Site)
	}
	events := make([]map[string]any, len(history))
	for i, e := range history {
		events[i] = map[string]any{"at": e.At, "who": e.Who, "laptop": e.Laptop, "what": e.What, "entity_type": e.Kind, "sync": e.Sync}
	}
	out["history"] = events
	return out
}

func (a *app) printFields(v localdb.TaskView) {
	shown := map[string]bool{"title": true, op.Number: true, "site_id": true, op.UpdatedAt: true}
	line := func(name string, value any) {
		shown[name] = true
		if value == nil {
			return
		}
		text := fmt.Sprint(value)
		if f, _ := op.FieldOf(op.Task, name); f.Type == op.Time {
			text = when(v.Fields.Int(name))
		}
		a.Printf("  %-16s %s\n", label(name), indent(text))
	}
	for _, f := range op.SchemaOf(op.Task) {
		if !shown[f.Name] {
			line(f.Name, v.Fields[f.Name])
		}
	}
	var rest []string
	for name := range v.Fields {
		if !shown[name] {
			rest = append(rest, name)
		}
	}
	sort.Strings(rest)
	for _, name := range rest {
		line(name, v.Fields[name])
	}
}

func (a *app) printChecklist(items []localdb.Record) {
	if len(items) == 0 {
		return
	}
	done := 0
	for _, it := range items {
		if it.Fields.Text("outcome") != "" {
			done++
		}
	}
	a.Printf("\nChecklist %d/%d\n", done, len(items))
	for i, it := range items {
		f := it.Fields
		said := f.Text("label")
		if v := f["value"]; v != nil {
			said += strings.TrimRight(fmt.Sprintf(": %v %s", v, f.Text("unit")), " ")
		}
		must := " "
		if f.Bool("required") {
			must = "*"
		}
		a.Printf("  %2d %s %s %s\n", i+1, must, pad(f.Text("outcome"), 4), indent(said))
		if c := f.Text("comment"); c != "" {
			a.Printf("                %s\n", indent(c))
		}
	}
}

func (a *app) printTime(entries []localdb.Record) {
	if len(entries) > 0 {
		a.Printf("\nTime\n")
	}
	for _, e := range entries {
		end, span := "still running", ""
		if t := e.Fields.Int("ended_at"); t != 0 {
			end = when(t)
			span = fmt.Sprintf("  %d min", (t-e.Fields.Int("started_at"))/60000)
		}
		a.Printf("  %-7s %s – %s%s, %s\n", e.Fields.Text("kind"), when(e.Fields.Int("started_at")), end, span, e.Fields.Text("user"))
	}
}

func siteLine(f op.Fields) string {
	parts := []string{f.Text("code"), f.Text("name")}
	for _, name := range []string{"address", "postal_code", "city", "country"} {
		if s := f.Text(name); s != "" && s != f.Text("name") {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "  ")
}

func label(name string) string { return strings.ReplaceAll(name, "_", " ") }

// indent keeps a text of several lines under its first one.
func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n                   ") }

// when shows a time on this machine's clock, to the minute.
func when(ms int64) string { return time.UnixMilli(ms).Format("2006-01-02 15:04") }

// whens are two moments, as exactly as tells them apart.
func whens(x, y int64) (string, string) {
	one, two := when(x), when(y)
	for _, layout := range []string{":05", ":05.000"} {
		if one == two && x != y {
			one, two = when(x)+time.UnixMilli(x).Format(layout), when(y)+time.UnixMilli(y).Format(layout)
		}
	}
	return one, two
}
