package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/server"
)

func (a *app) templateCmd() *cobra.Command {
	return group("template", "Checklists that new tasks of a type get", a.templateAddCmd(), a.templateListCmd(), a.templateRemoveCmd())
}

func (a *app) templateAddCmd() *cobra.Command {
	var o exchange.Options
	cmd := &cobra.Command{Use: "add TYPE FILE", Short: "Give new tasks of a type the checklist in a file",
		Long: `Give new tasks of a type (inspection, delivery, repair, maintenance, other) the
checklist in a file, in one crew or in all that have none of their own. Tasks that
the office adds or imports without a checklist get it, and recurring work; tasks
that are there already stay as they are. It replaces the template that was there.

FILE is a table with a column label, and any of section, kind (check, pass_fail,
number, text, choice), required, unit, min, max, choices (parted by |) and help; or
JSON: a list of such objects, or a task from punchlist show --json. - reads stdin.`,
		Example: "  punchlistd template add inspection boiler.csv --crew north\n  printf 'label,kind,required\\nPressure,number,yes\\n' | punchlistd template add repair -", Args: cli.Args(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := a.In
			if args[1] != "-" {
				f, err := os.Open(args[1])
				if err != nil {
					return &server.Fault{Message: "the template cannot be read: " + err.Error(), Cure: "name a file, or - for stdin"}
				}
				defer f.Close()
				in = f
			}
			items, err := exchange.ReadItems(in, o)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, srv *server.Server, _ server.Store) error {
				if err := srv.SetTemplate(ctx, server.Template{Type: args[0], Crew: a.crew, Items: items}); err != nil {
					return err
				}
				a.Note("New tasks of the type %s get %s.", args[0], cli.Count(len(items), "step"))
				return nil
			})
		}}
	cmd.Flags().StringVar(&a.crew, "crew", "", "for one crew only")
	cmd.Flags().StringVar(&o.Format, "format", "", "csv or json (default: what the content looks like)")
	cmd.Flags().StringVar(&o.Delimiter, "delimiter", "", "what parts the cells: , ; | or tab (default: found out)")
	cmd.Flags().StringVar(&o.Encoding, "encoding", "", "such as cp932 or windows-1252 (default UTF-8)")
	return cmd
}

func (a *app) templateListCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Show the templates and their steps", Example: "  punchlistd template list --json", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, _ server.Store) error {
				list, err := srv.Templates(ctx)
				if err != nil {
					return err
				}
				if a.JSON {
					if list == nil {
						list = []server.Template{}
					}
					return a.PrintJSON(list)
				}
				for _, t := range list {
					where := "all crews"
					if t.Crew != "" {
						where = t.Crew
					}
					a.Printf("%s, %s: %s\n", t.Type, where, cli.Count(len(t.Items), "step"))
					for i, item := range t.Items {
						must := " "
						if item.Bool("required") {
							must = "*"
						}
						a.Printf("  %3d %s %s\n", i+1, must, item.Text("label"))
					}
				}
				if len(list) == 0 {
					a.next("template add inspection FILE")
				}
				return nil
			})
		}}
	return a.JSONFlag(cmd)
}

func (a *app) templateRemoveCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "remove TYPE", Short: "Take a template away; tasks keep their checklists", Example: "  punchlistd template remove inspection --crew north", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, srv *server.Server, _ server.Store) error {
				list, err := srv.Templates(ctx)
				if err != nil {
					return err
				}
				for _, t := range list {
					if t.Type == args[0] && t.Crew == a.crew {
						return srv.SetTemplate(ctx, server.Template{Type: t.Type, Crew: t.Crew})
					}
				}
				return &server.Fault{Message: "there is no such template", Cure: "punchlistd template list shows all" + a.dbFlag()}
			})
		}}
	cmd.Flags().StringVar(&a.crew, "crew", "", "that of one crew")
	return cmd
}
