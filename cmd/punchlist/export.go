package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
)

func (a *app) exportCmd() *cobra.Command {
	var format, file string
	cmd := &cobra.Command{Use: "export [FILTER]", Short: "Export tasks as CSV or JSON",
		Long: `Export the tasks that fit a filter (as in list) to stdout or to a file.

csv   one row a task, for spreadsheets: every field, tags, the site. Text that a
      spreadsheet would run as a formula gets an apostrophe in front.
json  everything: checklist, notes, time and the site too.

punchlist import takes both back without further words.`,
		Example: "  punchlist export > tasks.csv\n  punchlist export status:open --format json -o open.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := exportFormat(format, file)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				filter, err := parseFilter(ctx, db, "", args)
				if err != nil {
					return err
				}
				return a.export(exchange.Stored(ctx, db, filter, format == exchange.JSON), format, file)
			})
		}}
	cmd.Flags().StringVar(&format, "format", "", "csv or json (default: the file's ending, else csv)")
	cmd.Flags().StringVarP(&file, "output", "o", "", "the file to write (default stdout)")
	return cmd
}

// exportFormat is the one asked for, or the one that the file's name says.
func exportFormat(format, file string) (string, error) {
	switch {
	case format == exchange.CSV || format == exchange.JSON:
		return format, nil
	case format != "":
		return "", usage("there is no format %q; use csv or json", format)
	case strings.EqualFold(filepath.Ext(file), ".json"):
		return exchange.JSON, nil
	}
	return exchange.CSV, nil
}

func (a *app) export(tasks exchange.Tasks, format, file string) error {
	if file == "" || file == "-" {
		return exchange.Write(a.out, format, tasks)
	}
	n := 0
	counted := func(yield func(exchange.Task, error) bool) {
		n = 0 // a table is walked through twice
		for t, err := range tasks {
			n++
			if !yield(t, err) {
				return
			}
		}
	}
	if err := writeFile(file, func(w io.Writer) error { return exchange.Write(w, format, counted) }); err != nil {
		return fmt.Errorf("export to %s: %w", file, err)
	}
	a.note("Exported %d tasks to %s.", n, file)
	return nil
}

// writeFile writes a whole file or leaves the old one as it was. Nobody else
// may read it: it holds customers' names and numbers.
func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".punchlist-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
