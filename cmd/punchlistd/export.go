package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

func (a *app) exportCmd() *cobra.Command {
	var o cli.Exporting
	var open bool
	cmd := &cobra.Command{Use: "export", Short: "Export the tasks of a crew, or of all, for other programs",
		Long: "Export the tasks of a crew, or of all crews, to stdout or to a file.\n\n" + cli.ExportHelp,
		Example: `  punchlistd export --crew north -o north.csv
  punchlistd export --open --format geojson -o open.geojson`, Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Choose(); err != nil {
				return err
			}
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				crews, err := a.knownCrews(ctx, srv, store)
				if err != nil {
					return err
				}
				tasks := crewTasks(ctx, srv, store, crews, exchange.Deep(o.Format))
				if open {
					tasks = openOnly(tasks)
				}
				return a.Export(tasks, o)
			})
		}}
	o.Flags(cmd)
	cmd.Flags().StringVar(&a.crew, "crew", "", "one crew only")
	cmd.Flags().BoolVar(&open, "open", false, "only tasks that have not ended")
	return cmd
}

// knownCrews is the crew that --crew names, which must be one, or all there are.
func (a *app) knownCrews(ctx context.Context, srv *server.Server, store server.Store) ([]string, error) {
	if a.crew != "" {
		if _, err := srv.Office(ctx, "", a.crew); err != nil { // says which crews there are
			return nil, err
		}
	}
	return a.crews(ctx, store)
}

func openOnly(tasks exchange.Tasks) exchange.Tasks {
	return func(yield func(exchange.Task, error) bool) {
		for t, err := range tasks {
			if err == nil && op.Status(t.Fields.Text("status")).Ended() {
				continue
			}
			if !yield(t, err) {
				return
			}
		}
	}
}
