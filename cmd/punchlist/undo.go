package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
)

func (a *app) undoCmd() *cobra.Command {
	var redo bool
	cmd := &cobra.Command{Use: "undo", Short: "Take the last action back, or do it again",
		Long: `Take the last action on this laptop back, whichever session it was made in, and
say which one it was. What was not sent yet is as if it had not happened; for
what was sent a change back is queued, which acts only where the value is still
yours. Again for the action before; imports and sent notes stay.`,
		Example: "  punchlist undo\n  punchlist undo --redo", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.undo(ctx, db, redo) })
		}}
	cmd.Flags().BoolVar(&redo, "redo", false, "do again what was undone last")
	return a.JSONFlag(cmd)
}

func (a *app) undo(ctx context.Context, db *localdb.DB, redo bool) error {
	turn, word := (*localdb.DB).Undo, "Undone"
	if redo {
		turn, word = (*localdb.DB).Redo, "Done again"
	}
	done, err := turn(db, ctx)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(map[string]any{"what": done.What, "task_id": done.TaskID, "left": done.Left, "queued": done.Queued})
	}
	a.Note("%s: %s.", word, done.What)
	if done.Left != "" {
		a.Note("But %s.", done.Left)
	}
	return nil
}
