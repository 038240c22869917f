package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

func (a *app) taskSetCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "set TASK FIELD=VALUE…", Short: "Change fields of a task, its status too",
		Long: `Change fields of a task, all of them in one step. FIELD= empties a field.

TASK is its number, its external_ref, or the beginning of its id.
status=ON_HOLD, INCOMPLETE and CANCELLED need a reason=…; crew=… moves the task.`,
		Example: "  punchlistd task set T-10423 priority=high assignee=bob\n  punchlistd task set T-10423 status=CANCELLED reason=customer", Args: cli.Args(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fields, err := parseFields(args[1:], time.Now())
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				crews, err := a.crews(ctx, store)
				if err != nil {
					return err
				}
				task, err := srv.FindTask(ctx, crews, args[0])
				if err != nil {
					return err
				}
				by, err := srv.Office(ctx, a.by, task.Crew)
				if err != nil {
					return err
				}
				if err := checkAssignee(ctx, store, cmp.Or(fields.Text(op.CrewField), task.Crew), fields); err != nil {
					return err
				}
				e, err := srv.SetTask(ctx, by, task, fields)
				if err != nil {
					return err
				}
				if _, given := fields["assignee"]; !given && fields.Text(op.CrewField) != "" { // it moved, with whoever had it
					var stranger *server.Fault
					if errors.As(checkAssignee(ctx, store, fields.Text(op.CrewField), e.Task.Fields), &stranger) {
						a.Note("It is still for %s: %s. Try: punchlistd task set %s %s", e.Task.Fields.Text("assignee"), stranger.Message, word(args[0]), stranger.Cure)
					}
				}
				return a.toldTask(e)
			})
		}}
	return a.JSONFlag(a.officeFlags(cmd))
}
