package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

func (a *app) queueCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "queue", Short: "Show what waits to be sent, and why", Example: "  punchlist queue\n  punchlist queue retry all", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.with(cmd, a.queue) }}
	retry := &cobra.Command{Use: "retry OP|all", Short: "Send a refused change again, as it stands", Example: "  punchlist queue retry 0193c2f0-…", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.retry(ctx, db, args[0]) })
		}}
	var yes bool
	discard := &cobra.Command{Use: "discard OP", Short: "Drop an unsent change; its record goes back to what it was", Example: "  punchlist queue discard 0193c2f0-… --yes", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.discard(ctx, db, args[0], yes) })
		}}
	discard.Flags().BoolVar(&yes, "yes", false, "do not ask")
	var drop []string
	edit := &cobra.Command{Use: "edit OP [FIELD=VALUE…]", Short: "Put right what was refused, and send it again",
		Example: "  punchlist queue edit 0193c2f0-… external_ref=WO-1042\n  punchlist queue edit 0193c2f0-… --drop external_ref", Args: cli.Args(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.editOp(ctx, db, args[0], args[1:], drop) })
		}}
	edit.Flags().StringSliceVar(&drop, "drop", nil, "fields to leave out of the change")
	cmd.AddCommand(retry, discard, edit, a.queueExportCmd(), a.queueImportCmd())
	return a.JSONFlag(cmd)
}

// eachQueued walks through the queue in bounded memory.
func eachQueued(ctx context.Context, db *localdb.DB, do func(localdb.QueueRow) error) error {
	for after := int64(0); ; {
		rows, err := db.Queue(ctx, after, 500)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			if err := do(r); err != nil {
				return err
			}
			after = r.Op.Seq
		}
	}
}

func (a *app) queue(ctx context.Context, db *localdb.DB) error {
	out := []map[string]any{}
	n := 0
	err := eachQueued(ctx, db, func(r localdb.QueueRow) error {
		n++
		if !a.JSON {
			a.Printf("%s\n", queueLine(r))
			return nil
		}
		out = append(out, map[string]any{"op_id": r.Op.ID, "seq": r.Op.Seq, "entity_type": r.Op.Kind, "entity_id": r.Op.Entity, "action": r.Op.Action,
			"payload": r.Op.Fields, "base": r.Op.Base, "group": r.Op.Group, "state": r.State, "attempts": r.Attempts, "last_error": r.LastError, "code": r.Code, "field": r.Field,
			"created_at": r.Op.CreatedAt, "task_id": r.TaskID, "behind": r.Behind, "sentence": r.Sentence})
		return nil
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(out)
	}
	if n == 0 {
		a.Note("Nothing waits: all changes are sent.")
	}
	return nil
}

func queueLine(r localdb.QueueRow) string {
	state := "waits"
	switch {
	case r.State == localdb.BadgeParked:
		state = "refused: " + r.LastError
		if r.Field != "" {
			state = "refused: " + r.Field + " " + r.LastError
		}
	case r.Behind != "":
		state = "waits behind a refused change"
	case r.Attempts > 0:
		state = fmt.Sprintf("waits, tried %s: %s", cli.Count(r.Attempts, "time"), r.LastError)
	}
	return fmt.Sprintf("%s  %s  %s  (%s)", r.Op.ID, when(r.Op.CreatedAt), r.Sentence, state)
}

func (a *app) retry(ctx context.Context, db *localdb.DB, id string) error {
	if id != "all" {
		if err := db.RetryOp(ctx, id); err != nil {
			return err
		}
		a.Note("It goes out again with the next sync.")
		return nil
	}
	n, err := db.RetryAll(ctx)
	if err != nil {
		return err
	}
	a.Note("%s will be sent again with the next sync.", cli.Count(n, "change"))
	return nil
}

func (a *app) editOp(ctx context.Context, db *localdb.DB, id string, pairs, drop []string) error {
	if len(pairs)+len(drop) == 0 {
		return cli.Usage("", "say what to change: FIELD=VALUE, or --drop FIELD")
	}
	kind := op.Task
	if err := eachQueued(ctx, db, func(r localdb.QueueRow) error {
		if r.Op.ID == id {
			kind = r.Op.Kind
		}
		return nil
	}); err != nil {
		return err
	}
	fields, err := parseFieldsOf(ctx, db, kind, pairs)
	if err != nil {
		return err
	}
	if err := db.ReplaceOp(ctx, id, fields, drop...); err != nil {
		return err
	}
	a.Note("Changed; it goes out with the next sync.")
	return nil
}

func (a *app) discard(ctx context.Context, db *localdb.DB, id string, yes bool) error {
	goes, err := db.Dependents(ctx, id)
	if err != nil {
		return err
	}
	if len(goes) > 0 && !yes {
		what := goes[slices.IndexFunc(goes, func(r localdb.QueueRow) bool { return r.Op.ID == id })].Sentence
		more := ""
		if len(goes) > 1 {
			more = fmt.Sprintf(", and %d more with it,", len(goes)-1)
		}
		fmt.Fprintf(a.Err, "Drop the unsent change %q%s for good? [y/N] ", cli.Plain(what), more)
		answer, _ := bufio.NewReader(a.In).ReadString('\n')
		if s := strings.ToLower(strings.TrimSpace(answer)); s != "y" && s != "yes" {
			return cli.Exit{Code: 3, Err: &localdb.Error{Message: "nothing was dropped", Hint: "punchlist queue discard " + id + " --yes"}}
		}
	}
	if err := db.DiscardOp(ctx, id); err != nil {
		return err
	}
	a.Note("Dropped: %d of what waited.", max(1, len(goes)))
	return nil
}

func (a *app) conflictsCmd() *cobra.Command {
	var all bool
	cmd := &cobra.Command{Use: "conflicts", Short: "Show which changes met somebody else's, and what stands", Example: "  punchlist conflicts\n  punchlist conflicts resolve 7d0c… mine", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.conflicts(ctx, db, all) })
		}}
	cmd.Flags().BoolVar(&all, "all", false, "resolved ones too")
	cmd.AddCommand(&cobra.Command{Use: "resolve ID mine|theirs", Short: "Write mine again, or keep theirs", Example: "  punchlist conflicts resolve 7d0c… theirs", Args: cli.Args(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] != "mine" && args[1] != "theirs" {
				return cli.Usage("", "%q is neither mine nor theirs", args[1])
			}
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.resolve(ctx, db, args[0], args[1] == "mine") })
		}})
	return a.JSONFlag(cmd)
}

// resolve settles a conflict and says what stands now.
func (a *app) resolve(ctx context.Context, db *localdb.DB, id string, mine bool) error {
	open, err := db.Conflicts(ctx, false)
	if err != nil {
		return err
	}
	if err := db.ResolveConflict(ctx, id, mine); err != nil {
		return err
	}
	left, err := db.Conflicts(ctx, false)
	if err != nil {
		return err
	}
	for _, c := range open {
		if slices.ContainsFunc(left, func(l localdb.Conflict) bool { return l.ID == c.ID }) {
			continue
		}
		a.Note("Resolved: %s", resolvedText(c, mine))
	}
	if len(left) > 0 {
		a.Note("Still open: %s.", cli.Count(len(left), "conflict"))
	}
	return nil
}

func resolvedText(c localdb.Conflict, mine bool) string {
	what, who := fmt.Sprintf("%s %s, %s", c.Number, c.Title, label(c.Field)), localdb.Whose(c.Who, c.Laptop)
	switch {
	case mine && c.MineAll[op.Deleted] == true:
		return what + ": deleted again; that goes out with the next sync."
	case c.Kind == "deleted" && mine:
		return what + ": it is back with what you wrote; that goes out with the next sync."
	case c.Kind == "deleted":
		return fmt.Sprintf("%s: it stays deleted, as %s left it.", what, who)
	case mine:
		return fmt.Sprintf("%s: yours, %q, is written again and goes out with the next sync.", what, fmt.Sprint(c.Mine))
	case c.Kind == "overrode":
		return fmt.Sprintf("%s: nothing changes; what %s wrote was %q.", what, who, fmt.Sprint(c.Theirs))
	}
	return fmt.Sprintf("%s: %q, which %s wrote, stays.", what, fmt.Sprint(c.Theirs), who)
}

func (a *app) conflicts(ctx context.Context, db *localdb.DB, all bool) error {
	list, err := db.Conflicts(ctx, all)
	if err != nil {
		return err
	}
	out := []map[string]any{}
	for _, c := range list {
		out = append(out, map[string]any{"id": c.ID, "entity_type": c.EntityType, "entity_id": c.EntityID, "task_id": c.TaskID, "title": c.Title, "field": c.Field,
			"mine": c.Mine, "theirs": c.Theirs, "kind": c.Kind, "who": c.Who, "laptop": c.Laptop, "at": c.At, "mine_at": c.MineAt, "why": c.Why, "state": c.State, "resolution": c.Resolution, "stands": c.Stands[c.Field]})
	}
	if a.JSON {
		return a.PrintJSON(out)
	}
	for _, c := range list {
		a.Printf("%s\n", conflictText(c))
	}
	if len(list) == 0 {
		a.Note("No conflicts.")
	}
	return nil
}

// valueText is a value of a conflict's field for people.
func valueText(c localdb.Conflict, v any) string {
	f, _ := op.FieldOf(c.EntityType, c.Field)
	if ms, isInt := v.(int64); isInt && f.Type == op.Time {
		return when(ms)
	}
	if v == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q", fmt.Sprint(v))
}

// conflictText tells one conflict in sentences.
func conflictText(c localdb.Conflict) string {
	mine, theirs, who := valueText(c, c.Mine), valueText(c, c.Theirs), localdb.Whose(c.Who, c.Laptop)
	at, mineAt := whens(c.At, c.MineAt)
	text := fmt.Sprintf("%s  %s %s, %s:\n    ", c.ID, c.Number, c.Title, label(c.Field))
	won, now := "won", ""
	switch holds := c.Holds(); { // what was lost since is not said to have won
	case !holds && c.Stands == nil:
		won, now = "had won", " By now it is deleted."
	case !holds:
		won, now = "had won", " By now "+valueText(c, c.Stands[c.Field])+" stands."
	}
	switch {
	case c.Kind == "deleted":
		text += fmt.Sprintf("%s deleted it (%s); you wrote %s (%s).", who, at, mine, mineAt)
	case c.Kind == "overrode":
		text += fmt.Sprintf("yours %s: %s (%s), over %s that %s wrote (%s) and you had not seen.", won, mine, mineAt, theirs, who, at)
	default:
		text += fmt.Sprintf("you wrote %s (%s); %s that %s wrote (%s) %s.", mine, mineAt, theirs, who, at, won)
	}
	text += now
	if c.State == "resolved" {
		return text + " Resolved: " + c.Resolution + "."
	}
	return text + "\n    punchlist conflicts resolve " + c.ID + " mine|theirs"
}
