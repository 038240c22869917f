package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/localdb/report"
)

func (a *app) reportCmd() *cobra.Command {
	var r cli.Reporting
	var day bool
	cmd := &cobra.Command{Use: "report TASK | report --day [DATE]", Short: "Tell what was done: on one task, or on one of your days",
		Long: `Tell what was done on a task (customer, site, checklist, notes, time, who) or on one
of your days (today, or the DATE), as Markdown, as one HTML page to print or to
mail, or as plain text.`,
		Example: `  punchlist report T-10423
  punchlist report T-10423 -o T-10423.html
  punchlist report --day
  punchlist report --day 2026-11-26 --format html -o thursday.html`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.Choose("md"); err != nil {
				return err
			}
			if day {
				if len(args) > 1 {
					return cli.Usage("punchlist report --day 2026-11-26", "--day takes one date")
				}
				return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.reportDay(ctx, db, args, r) })
			}
			if len(args) != 1 {
				return cli.Usage("punchlist report T-10423, or punchlist report --day", "name one task")
			}
			return a.withTask(cmd, args[0], func(ctx context.Context, db *localdb.DB, id string) error { return a.reportTask(ctx, db, id, r) })
		}}
	cmd.Flags().BoolVar(&day, "day", false, "your day instead of a task")
	cmd.Flags().StringVar(&r.Format, "format", "", "md, html or text (default: the file's ending, else md)")
	cmd.Flags().StringVarP(&r.File, "output", "o", "", "the file to write (default stdout)")
	return cmd
}

func (a *app) reportTask(ctx context.Context, db *localdb.DB, id string, r cli.Reporting) error {
	t, err := exchange.One(ctx, db, id)
	if err != nil {
		return err
	}
	v, err := db.Task(ctx, id)
	if err != nil {
		return err
	}
	return a.Report(report.OfTask(t, v.Waiting, report.Scene{Zone: time.Local, Now: db.Now()}), r)
}

// reportDay tells a day by this machine's calendar, so 23 or 25 hours of it where
// the clocks change.
func (a *app) reportDay(ctx context.Context, db *localdb.DB, args []string, r cli.Reporting) error {
	at := db.Time().Local()
	if len(args) == 1 {
		var err error
		switch args[0] {
		case "today":
		case "yesterday":
			at = at.AddDate(0, 0, -1)
		default:
			if at, err = localdb.ParseStart(args[0], at); err != nil {
				return cli.Usage("punchlist report --day 2026-11-26", "%q is no day; write 26.11.2026, 2026-11-26, today or yesterday", args[0])
			}
		}
	}
	from := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.Local)
	to := time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, time.Local)
	dev, err := db.Device(ctx)
	if err != nil {
		return err
	}
	ids, err := db.DayTasks(ctx, dev.User, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return fmt.Errorf("look for the day's tasks: %w", err)
	}
	tasks := make([]exchange.Task, 0, len(ids))
	for _, id := range ids {
		t, err := exchange.One(ctx, db, id)
		if err != nil {
			return err
		}
		tasks = append(tasks, t)
	}
	return a.Report(report.OfDay(tasks, dev.User, from.UnixMilli(), to.UnixMilli(), report.Scene{Zone: time.Local, Now: db.Now()}), r)
}
