package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
)

func (a *app) taskAddCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "add TITLE [FIELD=VALUE…]", Short: "Add a task to a crew",
		Example: "  punchlistd task add 'Check the pump' --crew north priority=high assignee=ann due_at='tomorrow 14:00'", Args: cli.Args(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fields, err := parseFields(args[1:], time.Now())
			if err != nil {
				return err
			}
			fields["title"] = args[0]
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				by, err := a.office(ctx, srv, store)
				if err != nil {
					return err
				}
				if err := checkAssignee(ctx, store, by.Crews[0], fields); err != nil {
					return err
				}
				e, err := srv.AddTask(ctx, by, fields)
				if err != nil {
					return err
				}
				return a.toldTask(e)
			})
		}}
	return a.JSONFlag(a.officeFlags(cmd))
}

func sorted(words []string) []string {
	slices.Sort(words)
	return words
}
