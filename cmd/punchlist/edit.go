package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

func (a *app) addCmd() *cobra.Command {
	var site string
	cmd := &cobra.Command{Use: "add TITLE [FIELD=VALUE…]", Short: "Add a task; prints its id",
		Example: "  punchlist add 'Check the pump' --priority high --due 'tomorrow 14:00'\n  punchlist add 'Parcel for Ms Bell' --type delivery contact_phone=+49221123",
		Args:    cli.Args(1, -1)}
	flags := map[string]string{"type": "inspection, delivery, repair, maintenance or other", "priority": "emergency, high, normal or low", "due": "when it is due: today, tomorrow 14:00, 1.12.2026, 2026-12-01",
		"description": "what is to be done", "assignee": "who does it; me is you", "asset": "what it is about", "crew": "which crew, when you have several", "ref": "its number in another system (external_ref)"}
	for name, help := range flags {
		cmd.Flags().String(name, "", help)
	}
	cmd.Flags().StringVar(&site, "site", "", "the site's code")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
			pairs := args[1:]
			for name, field := range map[string]string{"type": "type", "priority": "priority", "due": "due_at", "description": "description", "assignee": "assignee", "asset": "asset", "crew": "crew", "ref": "external_ref"} {
				if cmd.Flags().Changed(name) {
					v, _ := cmd.Flags().GetString(name)
					pairs = append(pairs, field+"="+v)
				}
			}
			if site != "" {
				pairs = append(pairs, "site="+site)
			}
			return a.add(ctx, db, args[0], pairs)
		})
	}
	return a.JSONFlag(cmd)
}

func (a *app) add(ctx context.Context, db *localdb.DB, title string, pairs []string) error {
	fields, err := parseFields(ctx, db, pairs)
	if err != nil {
		return err
	}
	if fields["status"] != nil && fields["status"] != string(op.Pending) {
		return cli.Usage("", "a new task is PENDING; then use: punchlist status TASK STATUS")
	}
	fields["title"] = title
	id, err := db.AddTask(ctx, fields)
	if err != nil {
		return err
	}
	if a.JSON {
		rec, err := db.Record(ctx, op.Task, id)
		if err != nil {
			return err
		}
		return a.PrintJSON(taskJSON(rec, localdb.BadgePending))
	}
	a.Printf("%s\n", id)
	dev, err := db.Device(ctx)
	if err != nil {
		return err
	}
	goes := "It goes out when there is a connection."
	if dev.ID == "" {
		goes = "This laptop has joined no server yet (punchlist enroll); until then it stays here."
	}
	a.Note("Saved on this laptop as %s. %s", localdb.TempNumber(id), goes)
	return nil
}

func (a *app) setCmd() *cobra.Command {
	return &cobra.Command{Use: "set TASK FIELD=VALUE…", Short: "Change fields of a task",
		Long: `Change fields of a task, all of them in one step. FIELD= empties a field.

Times are written as today, tomorrow 14:00, 1.12.2026 (the day before the month),
2026-12-01 or +2d; tags as tag.NAME=true; a site by its code (site=BLD22), a window as
window='tomorrow 08:00-10:00'. A field may be called as on the screen: due, for,
contact, phone. The status has a command of its own.`,
		Example: "  punchlist set T-10423 priority=high due='tomorrow 14:00'\n  punchlist set T-10423 tag.urgent=true assignee=",
		Args:    cli.Args(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTask(cmd, args[0], func(ctx context.Context, db *localdb.DB, id string) error {
				fields, err := parseFields(ctx, db, args[1:])
				if err != nil {
					return err
				}
				if err := db.EditTask(ctx, id, fields); err != nil {
					return err
				}
				a.Note("Saved on this laptop.")
				return nil
			})
		}}
}

// parseFields reads FIELD=VALUE words for a task.
func parseFields(ctx context.Context, db *localdb.DB, pairs []string) (op.Fields, error) {
	return parseFieldsOf(ctx, db, op.Task, pairs)
}

// parseFieldsOf reads FIELD=VALUE words. The field's type says how to read the value.
func parseFieldsOf(ctx context.Context, db *localdb.DB, kind op.Kind, pairs []string) (op.Fields, error) {
	fields := op.Fields{}
	dev, err := db.Device(ctx)
	if err != nil {
		return nil, err
	}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, cli.Usage("", "%q is not FIELD=VALUE; for example priority=high", pair)
		}
		switch name = cli.FieldName(kind, name); {
		case name == "site" && kind == op.Task:
			if fields["site_id"], err = siteByCode(ctx, db, text); err != nil {
				return nil, err
			}
			continue
		case name == "window" && kind == op.Task:
			if err := readWindow(fields, text, db.Time()); err != nil {
				return nil, err
			}
			continue
		case name == "assignee" && text == "me":
			text = dev.User
		}
		f, known := op.FieldOf(kind, name)
		if !known {
			return nil, cli.UnknownField(kind, name, "site", "window")
		}
		if fields[name], err = cli.ParseValue(f, text, db.Time()); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// readWindow reads a time window as the screen does; nothing empties it.
func readWindow(fields op.Fields, text string, now time.Time) error {
	fields["window_start"], fields["window_end"] = nil, nil
	if text == "" {
		return nil
	}
	from, to, err := localdb.ParseWindow(text, now)
	if err != nil {
		what, hint, _ := strings.Cut(err.Error(), "; try: ")
		return &localdb.Error{Message: "window: " + what, Hint: hint}
	}
	fields["window_start"], fields["window_end"] = from.UnixMilli(), to.UnixMilli()
	return nil
}

func siteByCode(ctx context.Context, db *localdb.DB, code string) (any, error) {
	if code == "" {
		return nil, nil
	}
	found, err := db.RefIDs(ctx, op.Site, "code", []string{code})
	if err != nil {
		return nil, err
	}
	if found[code] == "" {
		return nil, &localdb.Error{Message: fmt.Sprintf("there is no site with the code %q on this laptop", code), Hint: "check the code; sites come from the office (punchlistd import) or from punchlist import"}
	}
	return found[code], nil
}

func (a *app) statusCmd() *cobra.Command {
	var s localdb.Step
	cmd := &cobra.Command{Use: "status TASK STATUS", Short: "Take a task to another status",
		Long: `Take a task to another status: ` + strings.ToLower(oneOf(statusWords())) + `.
on_hold, incomplete and cancelled need a reason; a delivery is completed with --recipient.`,
		Example: "  punchlist status T-10423 in_progress\n  punchlist status T-10423 on_hold --reason weather --text 'storm until noon'",
		Args:    cli.Args(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTask(cmd, args[0], func(ctx context.Context, db *localdb.DB, id string) error {
				s.To = op.Status(strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(args[1])))
				if to := meant[s.To]; to != "" {
					s.To = to
				}
				if err := db.SetStatus(ctx, id, s); err != nil {
					return withStep(ctx, db, id, withFlag(err, args))
				}
				a.Note("Saved on this laptop: %s.%s", s.To, leftBehind(ctx, db, id, s.To))
				return nil
			})
		}}
	cmd.Flags().StringVar(&s.Reason, "reason", "", "why, for on_hold, incomplete and cancelled")
	cmd.Flags().StringVar(&s.ReasonText, "text", "", "more about the reason")
	cmd.Flags().StringVar(&s.Recipient, "recipient", "", "who took the delivery")
	return cmd
}

// withFlag says with which flag the step would be given what it lacks.
func withFlag(err error, args []string) error {
	var r *op.Refusal
	if !errors.As(err, &r) || r.Code != op.CodeRequired {
		return err
	}
	flag := map[string]string{"reason": "--reason other --text '…'", "reason_text": "--reason other --text '…'", "recipient_name": "--recipient 'NAME'"}[r.Field]
	if flag == "" {
		return err
	}
	return &localdb.Error{Message: err.Error(), Hint: "punchlist status " + strings.Join(args, " ") + " " + flag, Cause: err}
}

// meant are words that people have for statuses.
var meant = map[op.Status]op.Status{
	"DONE": op.Completed, "FINISHED": op.Completed, "COMPLETE": op.Completed, "STARTED": op.InProgress, "START": op.InProgress, "BEGIN": op.InProgress,
	"TRAVEL": op.EnRoute, "HOLD": op.OnHold, "PAUSED": op.OnHold, "CANCELED": op.Cancelled, "OPEN": op.Pending,
}

// withStep names a step that the task can take, where the one that was wanted is
// none: the one that was meant if that can be, else the likeliest.
func withStep(ctx context.Context, db *localdb.DB, id string, err error) error {
	var r *op.Refusal
	if !errors.As(err, &r) || r.Field != "status" {
		return err
	}
	task, err2 := db.Task(ctx, id)
	dev, err3 := db.Device(ctx)
	if err2 != nil || err3 != nil {
		return err
	}
	next, hint := op.NextStatuses(task.Status, dev.Role), "punchlist note "+task.Number+" TEXT: notes can still be added"
	if len(next) > 0 {
		hint = "punchlist status " + task.Number + " " + strings.ToLower(string(next[0]))
	}
	return &localdb.Error{Message: err.Error(), Hint: hint, Cause: err}
}

// leftBehind tells what a completed task's checklist leaves undone or failed, and
// whose clocks run beside the one that was started.
func leftBehind(ctx context.Context, db *localdb.DB, id string, to op.Status) string {
	if to != op.Completed {
		return otherClocks(ctx, db, id)
	}
	open, failed, err := db.StepsLeft(ctx, []string{id})
	if err != nil {
		return "" // it is completed all the same
	}
	out := ""
	if open > 0 {
		out += fmt.Sprintf(" %s of its checklist %s without an answer.", cli.Count(open, "step"), cli.Verb(open, "stay"))
	}
	if failed > 0 {
		out += fmt.Sprintf(" %s failed.", cli.Count(failed, "step"))
	}
	return out
}

func otherClocks(ctx context.Context, db *localdb.DB, id string) string {
	all, err := db.Running(ctx)
	if err != nil || !slices.ContainsFunc(all, func(r localdb.Running) bool { return r.TaskID == id }) {
		return ""
	}
	out, number := "", ""
	for _, r := range all {
		if r.TaskID == id {
			number = r.Number
			continue
		}
		out += fmt.Sprintf(" The clock of %s runs too, since %s.", r.Number, when(r.Since))
	}
	if out != "" {
		out += "\nTry: punchlist clock " + number
	}
	return out
}

func (a *app) clockCmd() *cobra.Command {
	return &cobra.Command{Use: "clock TASK", Short: "Let your clock run at this task and at no other", Long: `Let your clock run at this task and at no other. A task's status starts and stops its
own clock only; what it counts (travel, work, waiting) goes by the status.`,
		Example: "  punchlist clock T-10423", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTask(cmd, args[0], func(ctx context.Context, db *localdb.DB, id string) error {
				if err := db.ClockHere(ctx, id); err != nil {
					return err
				}
				a.Note("Saved on this laptop: your clock runs at no other task.")
				return nil
			})
		}}
}

func statusWords() []string {
	out := make([]string, len(op.Statuses))
	for i, s := range op.Statuses {
		out[i] = string(s)
	}
	return out
}

func (a *app) noteCmd() *cobra.Command {
	var kind string
	cmd := &cobra.Command{Use: "note TASK TEXT", Short: "Write a note on a task (- reads it from stdin)",
		Example: "  punchlist note T-10423 'Key is at the gate'\n  dmesg | punchlist note T-10423 - --kind system", Args: cli.Args(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			text := args[1]
			if text == "-" {
				b, err := io.ReadAll(io.LimitReader(a.In, op.MaxLong+1))
				if err != nil {
					return fmt.Errorf("read the note: %w", err)
				}
				text = strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
			}
			return a.withTask(cmd, args[0], func(ctx context.Context, db *localdb.DB, id string) error {
				noteID, err := db.AddNote(ctx, id, text, kind)
				if err != nil {
					return err
				}
				a.Printf("%s\n", noteID)
				a.Note("Saved on this laptop.")
				return nil
			})
		}}
	cmd.Flags().StringVar(&kind, "kind", "note", oneOf(op.NoteKinds))
	return cmd
}

func (a *app) checkCmd() *cobra.Command {
	var value, comment string
	cmd := &cobra.Command{Use: "check TASK ITEM OUTCOME", Short: "Answer a checklist item: done, pass, fail, na, or open to take the answer back",
		Long: `Answer a checklist item. ITEM is its number in the list, its id, or words of its label.
An item that asks for a number, a text or a choice takes it with --value.`,
		Example: "  punchlist check T-10423 3 pass\n  punchlist check T-10423 pressure done --value 2.4", Args: cli.Args(3, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTask(cmd, args[0], func(ctx context.Context, db *localdb.DB, id string) error {
				item, err := findItem(ctx, db, id, args[1])
				if err != nil {
					return err
				}
				ans := localdb.Answer{Outcome: strings.ToLower(args[2])}
				if ans.Outcome == "open" {
					ans.Outcome = ""
				}
				if value != "" {
					ans.Value = itemValue(item.Fields, value)
				}
				if cmd.Flags().Changed("comment") {
					ans.Comment = &comment
				}
				if err := db.AnswerItem(ctx, item.ID, ans); err != nil {
					return err
				}
				a.Note("Saved on this laptop: %s.", item.Fields.Text("label"))
				return nil
			})
		}}
	cmd.Flags().StringVar(&value, "value", "", "the number, text or choice that the item asks for")
	cmd.Flags().StringVar(&comment, "comment", "", "a remark on the answer")
	return cmd
}

// itemValue is an answer's value; a number may have a decimal comma, as on the screen.
func itemValue(item op.Fields, text string) any {
	if item.Text("kind") == "number" {
		if x, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64); err == nil {
			return x
		}
	}
	return text
}

func findItem(ctx context.Context, db *localdb.DB, task, ref string) (localdb.Record, error) {
	items, err := db.ItemsOf(ctx, task)
	if err != nil {
		return localdb.Record{}, err
	}
	if n, err := strconv.Atoi(ref); err == nil && n >= 1 && n <= len(items) {
		return items[n-1], nil
	}
	matches := slices.DeleteFunc(slices.Clone(items), func(r localdb.Record) bool {
		return r.ID != ref && !strings.Contains(strings.ToLower(r.Fields.Text("label")), strings.ToLower(ref))
	})
	for _, m := range matches {
		if m.ID == ref || strings.EqualFold(m.Fields.Text("label"), ref) {
			return m, nil
		}
	}
	switch {
	case len(items) == 0:
		return localdb.Record{}, &localdb.Error{Message: "the task has no checklist", Hint: "c on the screen, and there a, adds steps; the office gives them by type (punchlistd template)"}
	case len(matches) == 1:
		return matches[0], nil
	case len(matches) == 0:
		return localdb.Record{}, &localdb.Error{Message: fmt.Sprintf("no item of the checklist fits %q", ref), Hint: "a number from 1 to " + strconv.Itoa(len(items)) + ", or words of a label (punchlist show TASK lists them)"}
	}
	return localdb.Record{}, &localdb.Error{Message: fmt.Sprintf("%q fits %d items of the checklist", ref, len(matches)), Hint: "use the item's number (punchlist show TASK lists them)"}
}
