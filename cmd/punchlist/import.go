package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
)

func (a *app) importCmd() *cobra.Command {
	var o cli.Importing
	cmd := &cobra.Command{Use: "import FILE", Short: "Import tasks from a CSV, JSON or Taskwarrior file",
		Long: cli.ImportHelp,
		Example: `  punchlist import tasks.csv --dry-run
  punchlist import work-orders.csv --map title=Text --map external_ref=Order --map 'due_at=Start date'
  punchlist import inspections.csv --map 'title=Inspect {SITE ADDRESS}' --map 'external_ref={RSN}-{YEAR}' \
      --map site.code=RSN --map 'site.name=SITE ADDRESS' --items 'ROOF..CELLAR' --item-values '3=pass,2=pass,1=fail,0=fail,N/A=na'`,
		Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.ReadImport(args[0], o)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				dev, err := db.Device(ctx)
				if err != nil {
					return err
				}
				o.Plan.Role = dev.Role
				if len(dev.Crews) > 0 {
					o.Plan.Crew = dev.Crews[0]
				}
				return a.Import(ctx, file, exchange.Laptop(db), o)
			})
		}}
	o.Flags(cmd)
	return a.JSONFlag(cmd)
}
