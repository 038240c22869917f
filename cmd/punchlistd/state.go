package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
)

// stateJSON is the server as state --json prints it.
type stateJSON struct {
	ServerID string     `json:"server_id"`
	DiskFull *bool      `json:"disk_full,omitempty"` // nothing can be written; of a file only
	Crews    []crewJSON `json:"crews"`
}

type crewJSON struct {
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Records int64  `json:"records"`
	Tasks   int64  `json:"tasks"`
}

func (a *app) stateCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "state", Short: "What the server holds", Example: "  punchlistd state --json", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reading(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				crews, err := store.Crews(ctx)
				if err != nil {
					return err
				}
				out := stateJSON{srv.ID(), a.database().full(), make([]crewJSON, 0, len(crews))}
				for _, c := range crews {
					out.Crews = append(out.Crews, crewJSON{c.Name, c.Version, c.Records, c.Tasks})
				}
				if a.JSON {
					return a.PrintJSON(out)
				}
				a.Printf("server %s\n", out.ServerID)
				if out.DiskFull != nil && *out.DiskFull {
					a.Printf("The database's disk is full: laptops are told to wait, nothing of theirs is lost. Free some space; it goes on by itself.\n")
				}
				for _, c := range out.Crews {
					a.Printf("%s: %d tasks, %d records, version %d\n", c.Name, c.Tasks, c.Records, c.Version)
				}
				if len(crews) == 0 {
					a.next("user add NAME --crew CREW")
				}
				return nil
			})
		}})
}
