package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
)

func (a *app) taskListCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the tasks of a crew, or of all", Example: "  punchlistd task list --crew north --json", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				crews, err := a.knownCrews(ctx, srv, store)
				if err != nil {
					return err
				}
				return a.listTasks(ctx, srv, crews)
			})
		}}
	cmd.Flags().StringVar(&a.crew, "crew", "", "one crew only")
	return a.JSONFlag(cmd)
}

// listTasks writes the tasks as they are read, page by page.
func (a *app) listTasks(ctx context.Context, srv *server.Server, crews []string) error {
	out := bufio.NewWriter(a.Out)
	n := 0
	for rec, err := range srv.Tasks(ctx, crews) {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if !a.JSON {
			fmt.Fprintln(out, cli.Plain(taskLine(rec)))
			n++
			continue
		}
		text, err := json.Marshal(taskJSON(rec))
		if err != nil {
			return err
		}
		_, _ = io.WriteString(out, map[bool]string{true: "[\n", false: ",\n"}[n == 0]) // Flush tells of errors
		_, _ = out.Write(text)
		n++
	}
	if a.JSON {
		_, _ = io.WriteString(out, map[bool]string{true: "[]\n", false: "\n]\n"}[n == 0])
	}
	if n == 0 && !a.JSON {
		a.next("task add TITLE --crew CREW")
	}
	return out.Flush()
}
