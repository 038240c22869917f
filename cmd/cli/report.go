package cli

import (
	"io"
	"path/filepath"
	"strings"

	"example.com/punchlist/localdb/report"
)

// Reporting is what the flags of report ask for.
type Reporting struct{ Format, File string }

// Choose settles how the report is set: as asked for, as the file's name says, or
// the program's own way.
func (r *Reporting) Choose(own string) error {
	byName := map[string]string{".md": "md", ".markdown": "md", ".html": "html", ".htm": "html", ".txt": "text"}[strings.ToLower(filepath.Ext(r.File))]
	switch {
	case r.Format == "" && byName != "":
		r.Format = byName
	case r.Format == "":
		r.Format = own
	case report.Formats[r.Format] == nil:
		return Usage("--format html", "there is no format %q; use md, html or text", r.Format)
	}
	return nil
}

// Report writes a sheet to stdout or to a file, which is whole or not there.
func (a *App) Report(s report.Sheet, r Reporting) error {
	set := report.Formats[r.Format]
	if r.File == "" || r.File == "-" {
		return set(a.Out, s)
	}
	if err := WriteFile(r.File, func(w io.Writer) error { return set(w, s) }); err != nil {
		return err
	}
	a.Note("Written to %s.", r.File)
	return nil
}
