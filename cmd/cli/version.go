package cli

import (
	"fmt"
	"runtime"

	"github.com/mattn/go-sqlite3"
	"github.com/spf13/cobra"

	"example.com/punchlist/sync/wire"
)

// VersionCmd prints what the program is and what it was made with. schema is
// the newest one of its database that it knows.
func (a *App) VersionCmd(built string, schema int) *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "version", Short: "Print the version, also of SQLite, schema and protocol", Example: "  " + a.Name + " version --json", Args: NoArgs,
		RunE: func(*cobra.Command, []string) error {
			library, _, _ := sqlite3.Version()
			if !a.JSON {
				_, err := fmt.Fprintf(a.Out, "%s %s (SQLite %s, schema %d, protocol %s, %s)\n", a.Name, a.Version, library, schema, wire.Protocol, runtime.Version())
				return err
			}
			var made any
			if t := Built(built); !t.IsZero() {
				made = t.UnixMilli()
			}
			return a.PrintJSON(map[string]any{"name": a.Name, "version": a.Version, "built": made, "sqlite": library, "schema": schema,
				"protocol": wire.Protocol, "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH})
		}})
}
