package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
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
func (a *app) office(ctx context.Context, srv *server.Server, store server.Store) (server.Author, error) {
	crews, err := a.crews(ctx, store)
	if err != nil {
		return server.Author{}, err
	}
	if len(crews) > 1 {
		return server.Author{}, cli.Usage("name one: --crew "+strings.Join(crews, ", or --crew "), "there are several crews")
	}
	return srv.Office(ctx, a.by, strings.Join(crews, ""))
}

// crews is the one that --crew names, or all there are.
func (a *app) crews(ctx context.Context, store server.Store) (names []string, err error) {
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
			return nil, cli.Usage("write it like priority=high", "%q is not FIELD=VALUE", pair)
		}
		name = cli.FieldName(op.Task, name)
		f, known := op.FieldOf(op.Task, name)
		switch {
		case !known:
			return nil, cli.UnknownField(op.Task, name)
		case f.Derived:
			return nil, &op.Refusal{Code: op.CodeDerived, Field: name, Message: "is given by the server and cannot be set"}
		}
		v, err := cli.ParseValue(f, text, now)
		if err != nil {
			return nil, err
		}
		fields[name] = v
	}
	return fields, nil
}

// people are those who see what is given to them in a crew, by name.
func people(ctx context.Context, store server.Store, crew string) ([]string, error) {
	users, err := store.Users(ctx)
	names := []string{}
	for _, u := range users {
		if u.Disabled == 0 && slices.Contains(u.Crews, crew) {
			names = append(names, u.Name)
		}
	}
	return sorted(names), err
}

// checkAssignee refuses to give a task to somebody who will never see it: no
// user, none of the crew, or a disabled one.
func checkAssignee(ctx context.Context, store server.Store, crew string, fields op.Fields) error {
	who := fields.Text("assignee")
	if who == "" {
		return nil
	}
	names, err := people(ctx, store, crew)
	if err != nil || slices.Contains(names, who) {
		return err
	}
	cure := "punchlistd user add NAME --crew " + word(crew)
	if len(names) > 0 {
		cure = "assignee=" + strings.Join(names, ", assignee=") + "; or assignee= for nobody"
	}
	return &server.Fault{Message: fmt.Sprintf("nobody called %q works in the crew %s", who, crew), Cure: cure}
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
		a.Note("This replaced what %s wrote meanwhile: %s was %v.", c.Who, c.Field, c.Theirs)
	}
	if a.JSON {
		return a.PrintJSON(taskJSON(e.Task))
	}
	a.Printf("%s\n", taskLine(e.Task))
	return nil
}

func taskLine(rec *op.Record) string {
	line := fmt.Sprintf("%s  %s  %-11s  %-9s  %s", rec.Fields.Text(op.Number), rec.Crew, rec.Fields.Text("status"), rec.Fields.Text("priority"), rec.Fields.Text("title"))
	if who := rec.Fields.Text("assignee"); who != "" {
		line += "  (" + who + ")"
	}
	if due := rec.Fields.Int("due_at"); due != 0 {
		line += "  due " + time.UnixMilli(due).Format("2006-01-02 15:04")
	}
	return line
}
