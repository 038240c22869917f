package main

import (
	"context"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// views are the filters that --view names; the screen has them on its number keys.
var views = map[string]string{"open": "status:open", "mine": "status:open assignee:me", "today": "status:open due:<=today", "waiting": "is:pending", "conflicts": "is:conflict", "done": "status:ended"}

func (a *app) listCmd() *cobra.Command {
	var view string
	cmd := &cobra.Command{Use: "list [FILTER]", Short: "List tasks",
		Long: `List tasks, in the order of the screen.

The filter's words are looked for in title, description, number, site and asset;
status:open, due:today, due:<2026-12-01, priority:high,emergency, assignee:me,
site:BLD22, tag:urgent, is:pending, is:conflict narrow it; - in front turns a
term round. All terms must fit. Days are written as today, fri, 1.12.2026 (the day
before the month), 2026-12-01 or +2d.`,
		Example: "  punchlist list status:open due:today\n  punchlist list 'boiler -priority:low' --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				filter, err := parseFilter(ctx, db, view, args)
				if err != nil {
					return err
				}
				return a.list(ctx, db, filter)
			})
		}}
	cmd.Flags().StringVar(&view, "view", "", "a named filter: open, mine, today, waiting, conflicts, done")
	return a.JSONFlag(cmd)
}

// parseFilter joins a view's filter and the words of a command line. A word
// that the shell took the quotes from is one term still.
func parseFilter(ctx context.Context, db *localdb.DB, view string, args []string) (localdb.Filter, error) {
	if view != "" {
		text, ok := views[view]
		if !ok {
			return localdb.Filter{}, cli.Usage("", "there is no view %q; use one of open, mine, today, waiting, conflicts, done", view)
		}
		args = append([]string{text}, args...)
	}
	dev, err := db.Device(ctx)
	if err != nil {
		return localdb.Filter{}, err
	}
	return localdb.ParseFilter(strings.Join(args, " "), db.Time(), dev.User)
}

// eachPage walks through the list, page by page.
func eachPage(ctx context.Context, db *localdb.DB, f localdb.Filter, do func([]localdb.TaskRow) error) error {
	q := localdb.Query{Filter: f, Limit: 500, Now: db.Time()}
	for {
		page, err := db.Tasks(ctx, q)
		if err != nil {
			return err
		}
		if err := do(page.Rows); err != nil || !page.More {
			return err
		}
		q.From = &page.Keys[len(page.Keys)-1]
	}
}

func (a *app) list(ctx context.Context, db *localdb.DB, f localdb.Filter) error {
	out := []map[string]any{}
	shown := 0
	err := eachPage(ctx, db, f, func(rows []localdb.TaskRow) error {
		shown += len(rows)
		if !a.JSON {
			for _, r := range rows {
				a.Printf("%s\n", taskLine(r))
			}
			return nil
		}
		ids := make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		recs, err := db.Records(ctx, op.Task, ids)
		for _, r := range rows {
			out = append(out, taskJSON(recs[r.ID], r.Sync))
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.PrintJSON(out)
	case shown == 0 && f.String() == "":
		dev, err := db.Device(ctx)
		if err != nil {
			return err
		}
		next := "punchlist add 'Check the pump', or punchlist enroll, or punchlist demo"
		if dev.ID != "" {
			next = "punchlist sync, or punchlist add 'Check the pump'"
		}
		a.Note("No tasks on this laptop yet.\nTry: %s", next)
	case shown == 0:
		a.Note("No task fits %q.\nTry: punchlist list", f.String())
	}
	return nil
}

// marks stand for what became of a task's changes; they are the screen's badges.
var marks = map[localdb.Badge]string{localdb.BadgeSent: " ", localdb.BadgePending: "+", localdb.BadgeParked: "!", localdb.BadgeConflict: "≠", localdb.BadgeMerged: "="}

func taskLine(r localdb.TaskRow) string {
	due := ""
	switch {
	case r.DueAt != 0:
		due = when(r.DueAt)
	case r.WindowEnd != 0:
		due = when(r.WindowEnd)
	}
	prio := r.Priority
	if prio == "normal" {
		prio = ""
	}
	title := op.Clean(r.Title, false)
	if r.Found != "" { // why a search found it
		title += "  (" + op.Clean(r.Found, false) + ")"
	}
	return marks[r.Sync] + " " + strings.TrimRight(strings.Join([]string{pad(r.Number, 9), pad(string(r.Status), 11), pad(prio, 9), pad(due, 16), pad(r.SiteCode, 10), title}, " "), " ")
}

// pad cuts or fills a text to a width in cells.
func pad(s string, cells int) string {
	s = ansi.Truncate(op.Clean(s, false), cells, "…")
	return s + strings.Repeat(" ", max(0, cells-ansi.StringWidth(s)))
}
