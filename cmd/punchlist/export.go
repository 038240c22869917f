package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
)

func (a *app) exportCmd() *cobra.Command {
	var o cli.Exporting
	cmd := &cobra.Command{Use: "export [FILTER]", Short: "Export tasks for other programs, or for punchlist import",
		Long: "Export the tasks that fit a filter (as in list) to stdout or to a file.\n\n" + cli.ExportHelp,
		Example: `  punchlist export > tasks.csv
  punchlist export status:open -o open.json
  punchlist export due:today --format taskwarrior | task import -
  punchlist export -o calendar.ics`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Choose(); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				filter, err := parseFilter(ctx, db, "", args)
				if err != nil {
					return err
				}
				return a.Export(exchange.Stored(ctx, db, filter, exchange.Deep(o.Format)), o)
			})
		}}
	o.Flags(cmd)
	return cmd
}
