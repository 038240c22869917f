package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

func (a *app) importCmd() *cobra.Command {
	var o cli.Importing
	cmd := &cobra.Command{Use: "import FILE --crew CREW", Short: "Import tasks from a CSV, JSON or Taskwarrior file", Long: cli.ImportHelp + "\n\nNew tasks without a checklist get that of their type: punchlistd template.",
		Example: `  punchlistd import tasks.csv --crew north --dry-run
  punchlistd import inspections.csv --crew north --map 'title=Inspect {SITE ADDRESS}' --map 'external_ref={RSN}-{YEAR}' \
      --map site.code=RSN --map 'site.name=SITE ADDRESS' --items 'ROOF..CELLAR' --item-values '3=pass,2=pass,1=fail,0=fail,N/A=na'`,
		Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.ReadImport(args[0], o)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				by, err := a.office(ctx, srv, store)
				if err != nil {
					return err
				}
				o.Plan.Crew, o.Plan.Templates = by.Crews[0], map[string][]op.Fields{}
				for _, kind := range op.TaskTypes {
					if o.Plan.Templates[kind], err = srv.TemplateOf(ctx, o.Plan.Crew, kind); err != nil {
						return err
					}
				}
				if o.Plan.People, err = people(ctx, store, o.Plan.Crew); err != nil {
					return err
				}
				return a.Import(ctx, file, newCrewTarget(srv, store, by), o)
			})
		}}
	o.Flags(cmd)
	return a.JSONFlag(a.officeFlags(cmd))
}
