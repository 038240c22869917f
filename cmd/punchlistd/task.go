package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
)

func (a *app) taskCmd() *cobra.Command {
	return group("task", "The office's edits: add, set, list", a.taskAddCmd(), a.taskSetCmd(), a.taskListCmd())
}

// officeFlags are those of every command that edits for the office.
func (a *app) officeFlags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&a.crew, "crew", "", "the crew; may be left out while there is only one")
	cmd.Flags().StringVar(&a.by, "by", "", "the person in whose name it is done (default: the office)")
	return cmd
}

// office finds who edits: --by in --crew.
func (a *app) office(ctx context.Context, srv *server.Server, store *sqlitestore.Store) (server.Author, error) {
	crews, err := a.crews(ctx, store)
	if err != nil {
		return server.Author{}, err
	}
	if len(crews) > 1 {
		return server.Author{}, usageError{&server.Fault{Message: "there are several crews", Cure: "name one: --crew " + strings.Join(crews, ", or --crew ")}}
	}
	return srv.Office(ctx, a.by, strings.Join(crews, ""))
}

// crews is the one that --crew names, or all there are.
func (a *app) crews(ctx context.Context, store *sqlitestore.Store) (names []string, err error) {
	if a.crew != "" {
		return []string{a.crew}, nil
	}
	crews, err := store.Crews(ctx)
	for _, c := range crews {
		names = append(names, c.Name)
	}
	return names, err
}

// parseFields reads FIELD=VALUE words. The field's type says how to read the value.
func parseFields(pairs []string, now time.Time) (op.Fields, error) {
	fields := op.Fields{}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usageError{&server.Fault{Message: fmt.Sprintf("%q is not FIELD=VALUE", pair), Cure: "write it like priority=high"}}
		}
		f, known := op.FieldOf(op.Task, name)
		switch {
		case !known:
			return nil, unknownField(name)
		case f.Derived:
			return nil, &op.Refusal{Code: op.CodeDerived, Field: name, Message: "is given by the server and cannot be set"}
		}
		v, err := parseValue(f, text, now)
		if err != nil {
			return nil, err
		}
		fields[name] = v
	}
	return fields, nil
}

// checkAssignee refuses to give a task to somebody who will never see it: no
// user, none of the crew, or a disabled one.
func checkAssignee(ctx context.Context, store *sqlitestore.Store, crew string, fields op.Fields) error {
	who := fields.Text("assignee")
	if who == "" {
		return nil
	}
	users, err := store.Users(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, u := range users {
		if u.Disabled == 0 && slices.Contains(u.Crews, crew) {
			names = append(names, u.Name)
		}
	}
	if slices.Contains(names, who) {
		return nil
	}
	cure := "punchlistd user add NAME --crew " + word(crew)
	if len(names) > 0 {
		cure = "assignee=" + strings.Join(sorted(names), ", assignee=") + "; or assignee= for nobody"
	}
	return &server.Fault{Message: fmt.Sprintf("nobody called %q works in the crew %s", who, crew), Cure: cure}
}

func unknownField(name string) error {
	var names []string
	for _, f := range op.SchemaOf(op.Task) {
		if !f.Derived {
			names = append(names, f.Name)
		}
	}
	return &server.Fault{Message: fmt.Sprintf("a task has no field %q", name), Cure: "one of " + strings.Join(names, ", ") + ", tag.NAME, x.NAME"}
}

// parseValue reads a value as its field's type asks; nothing empties the field.
func parseValue(f op.Field, text string, now time.Time) (v any, err error) {
	if text == "" {
		return nil, nil
	}
	what := ""
	switch f.Type {
	case op.Time:
		v, err = parseTime(text, now)
		what = "no time; write 2026-12-01, 2026-12-01 14:30, today, tomorrow 14:30, or milliseconds since 1970"
	case op.Int:
		v, err = strconv.ParseInt(text, 10, 64)
		what = "no whole number"
	case op.Real:
		v, err = strconv.ParseFloat(text, 64)
		what = "no number"
	case op.Bool:
		v, err = strconv.ParseBool(text)
		what = "neither true nor false"
	default:
		if f.Name == "status" {
			text = strings.ToUpper(text)
		}
		return text, nil
	}
	if err != nil {
		return nil, &op.Refusal{Code: op.CodeBadValue, Field: f.Name, Message: fmt.Sprintf("%q is %s", text, what)}
	}
	return v, nil
}

// parseTime reads a time in this machine's zone; a day alone means its midnight.
func parseTime(text string, now time.Time) (int64, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 1e11 {
		return ms, nil
	}
	day, clock, _ := strings.Cut(text, " ")
	switch day {
	case "today":
		day = now.Format(time.DateOnly)
	case "tomorrow":
		day = now.AddDate(0, 0, 1).Format(time.DateOnly)
	}
	if clock == "" {
		clock = "00:00"
	}
	if t, err := time.ParseInLocation("2006-01-02 15:04", day+" "+clock, now.Location()); err == nil {
		return t.UnixMilli(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	return t.UnixMilli(), err
}

// taskJSON is a task as --json prints it: its id, every field that is set, its
// tags as a list, and the version. On the server nothing waits: sync is "sent".
func taskJSON(rec *op.Record) map[string]any {
	out := map[string]any{"sync": "sent"}
	tags := []string{}
	for name, v := range rec.State() {
		if tag, ok := strings.CutPrefix(name, op.TagPrefix); ok {
			if v == true {
				tags = append(tags, tag)
			}
			continue
		}
		if name != op.Deleted {
			out[name] = v
		}
	}
	out["tags"] = sorted(tags)
	return out
}

// toldTask shows an edited task.
func (a *app) toldTask(e server.Edited) error {
	for _, c := range e.Overrode {
		a.note("This replaced what %s wrote meanwhile: %s was %v.", c.Who, c.Field, c.Theirs)
	}
	if a.json {
		return a.printJSON(taskJSON(e.Task))
	}
	a.printf("%s\n", taskLine(e.Task))
	return nil
}

func taskLine(rec *op.Record) string {
	line := fmt.Sprintf("%s  %s  %s  %s", rec.Fields.Text(op.Number), rec.Crew, rec.Fields.Text("status"), rec.Fields.Text("title"))
	if who := rec.Fields.Text("assignee"); who != "" {
		line += "  (" + who + ")"
	}
	return line
}
