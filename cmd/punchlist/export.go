package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
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
		return "", cli.Usage("", "there is no format %q; use csv or json", format)
	case strings.EqualFold(filepath.Ext(file), ".json"):
		return exchange.JSON, nil
	}
	return exchange.CSV, nil
}

func (a *app) export(tasks exchange.Tasks, format, file string) error {
	if file == "" || file == "-" {
		return exchange.Write(a.Out, format, tasks)
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
		return fmt.Errorf("export: %w", err)
	}
	a.Note("Exported %s to %s.", cli.Count(n, "task"), file)
	return nil
}

// writeFile writes a whole file or leaves the old one as it was. Nobody else
// may read it: it holds customers' names and numbers. What is no file (a pipe,
// /dev/null) is written to as it is.
func writeFile(name string, write func(io.Writer) error) error {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return &localdb.Error{Message: fmt.Sprintf("%q is a folder", name), Hint: "name a file in it, such as " + filepath.Join(name, "tasks.csv")}
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return writeFault(name, err)
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".punchlist-*") // mode 0600
	if err != nil {
		return writeFault(name, err)
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return writeFault(name, err)
	}
	return nil
}

// writeFault speaks of the file that the person named, not of the one beside it
// that is written first.
func writeFault(name string, err error) error {
	folder := filepath.Dir(name)
	_, noFolder := os.Stat(folder)
	switch {
	case errors.Is(noFolder, fs.ErrNotExist):
		return &localdb.Error{Message: fmt.Sprintf("there is no folder %q", folder), Hint: "make it first (mkdir -p), or name another file", Cause: err}
	case errors.Is(err, syscall.ENOTDIR):
		return &localdb.Error{Message: fmt.Sprintf("%q is no folder", folder), Hint: "name a file in a folder", Cause: err}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrNotExist): // the last is /proc's word for it
		return &localdb.Error{Message: fmt.Sprintf("you may not write %q", name), Hint: "name a file in a folder of your own", Cause: err}
	case errors.Is(err, syscall.ENOSPC):
		return &localdb.Error{Message: fmt.Sprintf("there is no room left for %q", name), Hint: "make room, or name a file on another disk", Cause: err}
	}
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &path) {
		err = path.Err
	} else if errors.As(err, &link) {
		err = link.Err
	}
	return fmt.Errorf("write %s: %w", name, err)
}
