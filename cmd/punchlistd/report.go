package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb/report"
	"example.com/punchlist/sync/server"
)

// maxReportDays is how far back a report goes.
const maxReportDays = 366

func (a *app) reportCmd() *cobra.Command {
	var r cli.Reporting
	var days int
	cmd := &cobra.Command{Use: "report", Short: "Tell what is open, overdue and done, by crew, status and person",
		Long: `Tell what is open and overdue now, and what was ended and worked in the last days,
for one crew or for all: as text with small plots, as one HTML page, or as Markdown.`,
		Example: `  punchlistd report --crew north
  punchlistd report --days 31 -o november.html`, Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.Choose("text"); err != nil {
				return err
			}
			if days < 1 || days > maxReportDays {
				return cli.Usage("--days 14", "--days must be 1 to %d", maxReportDays)
			}
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				crews, err := a.knownCrews(ctx, srv, store)
				if err != nil {
					return err
				}
				m := a.Meter(time.Second)
				defer m.End()
				office := report.OfOffice(days, report.Scene{Zone: time.Local, Now: time.Now().UnixMilli()})
				n := 0
				for t, err := range crewTasks(ctx, srv, store, crews, true) {
					if err != nil {
						return err
					}
					office.Add(t)
					n++
					m.Say("reading: %s", cli.Count(n, "task"))
				}
				m.End()
				return a.Report(office.Sheet(), r)
			})
		}}
	cmd.Flags().StringVar(&a.crew, "crew", "", "one crew only")
	cmd.Flags().IntVar(&days, "days", 14, "how many days back, today among them")
	cmd.Flags().StringVar(&r.Format, "format", "", "text, html or md (default: the file's ending, else text)")
	cmd.Flags().StringVarP(&r.File, "output", "o", "", "the file to write (default stdout)")
	return cmd
}
