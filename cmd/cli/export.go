package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
)

// Exporting is what the flags of export ask for.
type Exporting struct{ Format, File string }

// ExportHelp is what export says of its formats.
const ExportHelp = `csv          one row a task, for spreadsheets: every field, tags, the site. Text
             that would run as a formula gets an apostrophe in front
json         everything: checklist, notes, time and the site too; ndjson is the
             same, one task a line
taskwarrior  for task import: notes as annotations, your own fields as attributes.
             What is changed there comes back with punchlist import; checklists
             and time stay here
ics          a calendar: each task a to-do, each appointment an event
geojson      a map: each task at its site
todotxt      one line a task, as todo.txt has it

punchlist import takes the first three back without further words.`

// Flags gives a command the flags that fill it.
func (o *Exporting) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.Format, "format", "", strings.Join(exchange.Formats(), ", ")+" (default: the file's ending, else csv)")
	cmd.Flags().StringVarP(&o.File, "output", "o", "", "the file to write (default stdout)")
}

// Choose settles the format: the one asked for, or the one that the file's name says.
func (o *Exporting) Choose() error {
	switch {
	case o.Format == "":
		o.Format = exchange.FormatOf(o.File)
		if o.Format == "" {
			o.Format = exchange.CSV
		}
	case !slices.Contains(exchange.Formats(), o.Format):
		return Usage("", "there is no format %q; use one of %s", o.Format, strings.Join(exchange.Formats(), ", "))
	}
	return nil
}

// Export writes tasks to stdout or to a file, which is whole or not there.
func (a *App) Export(tasks exchange.Tasks, o Exporting) error {
	m := a.Meter(time.Second)
	defer m.End()
	n := 0
	counted := func(yield func(exchange.Task, error) bool) {
		n = 0 // a table is walked through twice
		for t, err := range tasks {
			n++
			m.Say("exporting: %s", Count(n, "task"))
			if !yield(t, err) {
				return
			}
		}
	}
	if o.File == "" || o.File == "-" {
		return exchange.Write(a.Out, o.Format, counted)
	}
	if err := WriteFile(o.File, func(w io.Writer) error { return exchange.Write(w, o.Format, counted) }); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	m.End()
	a.Note("Exported %s to %s.", Count(n, "task"), o.File)
	return nil
}

// WriteFile writes a whole file or leaves the old one as it was. Nobody else
// may read it: it holds customers' names and numbers. What is no file (a pipe,
// /dev/null) is written to as it is.
func WriteFile(name string, write func(io.Writer) error) error {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return &localdb.Error{Message: fmt.Sprintf("%q is a folder", name), Hint: "name a file in it, such as " + filepath.Join(name, "tasks.csv")}
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return WriteFault(name, err)
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".punchlist-*") // mode 0600
	if err != nil {
		return WriteFault(name, err)
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
		return WriteFault(name, err)
	}
	return nil
}

// WriteFault speaks of the file that the person named, not of the one beside it
// that is written first.
func WriteFault(name string, err error) error {
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
