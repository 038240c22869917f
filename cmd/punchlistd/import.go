package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
)

// importing is what the flags of import ask for.
type importing struct {
	read   exchange.Options
	plan   exchange.PlanOptions
	dryRun bool
}

const importHelp = `Import tasks, sites and checklists into a crew from a CSV or JSON file; - reads stdin.

A row is known again by its external_ref (a site by its code), so importing a
file twice changes nothing, and a changed row changes only what is different.
Nothing is ever closed, emptied or deleted because it is missing in the file.
All rows are checked first; with a bad one nothing is imported (--skip-bad takes
the good ones). What was exported by punchlist needs no --map.

--map FIELD=SOURCE, once a field. SOURCE is
  a column's name                --map 'due_at=Due date'
  a text with columns in it      --map 'title=Inspect {SITE ADDRESS}'
  = and a value for new tasks    --map 'type==inspection'
FIELD is a field of a task, site.FIELD (site.code makes and links the site),
tags (a list), tag.NAME, x.NAME (your own), or id.

--items and --item make each of those columns a checklist item; --item-values
says what its cells mean: done, pass, fail, na, open (no answer yet), skip.
--values translates words: 'priority:1 - Critical=emergency,*=normal', with
<60 and >5 for numbers and * for all the rest; the first that fits counts.`

func (a *app) importCmd() *cobra.Command {
	var o importing
	cmd := &cobra.Command{Use: "import FILE --crew CREW", Short: "Import tasks from a CSV or JSON file", Long: importHelp,
		Example: `  punchlistd import tasks.csv --crew north --dry-run
  punchlistd import inspections.csv --crew north --map 'title=Inspect {SITE ADDRESS}' --map 'external_ref={RSN}-{YEAR}' \
      --map site.code=RSN --map 'site.name=SITE ADDRESS' --items 'ROOF..CELLAR' --item-values '3=pass,2=pass,1=fail,0=fail,N/A=na'`,
		Args: a.args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.openInput(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			file, err := exchange.Read(in, o.read)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store *sqlitestore.Store) error {
				by, err := a.office(ctx, srv, store)
				if err != nil {
					return err
				}
				o.plan.Crew = by.Crews[0]
				return a.importFile(ctx, file, newCrewTarget(srv, store, by), o)
			})
		}}
	o.flags(cmd)
	return a.jsonFlag(a.officeFlags(cmd))
}

func (o *importing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.read.Format, "format", "", "csv or json (default: what the content looks like)")
	f.StringArrayVar(&o.read.Map, "map", nil, "FIELD=COLUMN, FIELD=text {COLUMN} or FIELD==value")
	f.StringVar(&o.read.Items, "items", "", "FROM..TO: each column of the range is a checklist item")
	f.StringArrayVar(&o.read.Item, "item", nil, "a column that is a checklist item")
	f.StringVar(&o.read.ItemValues, "item-values", "", "VALUE=OUTCOME,…: what the cells of items mean")
	f.StringVar(&o.read.ItemKind, "item-kind", "", "kind of those items: check, pass_fail, number, text, choice (default pass_fail)")
	f.StringArrayVar(&o.read.Values, "values", nil, "FIELD:VALUE=MEANING,…: what the file's words mean")
	f.StringArrayVar(&o.read.Null, "null", nil, "words that mean an empty cell, such as NULL,NA")
	f.StringVar(&o.read.Zone, "tz", "", "time zone of times that do not say theirs (default: this machine's)")
	f.StringVar(&o.read.Dates, "dates", "", "dmy or mdy: how 03/04/2026 is meant (default dmy)")
	f.StringVar(&o.read.Delimiter, "delimiter", "", "what parts the cells: , ; | or tab (default: found out)")
	f.StringVar(&o.read.Encoding, "encoding", "", "such as cp932 or windows-1252 (default UTF-8)")
	f.BoolVar(&o.read.MendQuotes, "mend-quotes", false, `read half-escaped quotes, \A\" as "A"`)
	f.BoolVar(&o.dryRun, "dry-run", false, "write nothing; say what would be done")
	f.BoolVar(&o.plan.SkipBad, "skip-bad", false, "import the good rows although there are bad ones")
	f.BoolVar(&o.plan.OnlyNew, "only-new", false, "leave everything alone that is there already")
}

func (a *app) openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.in), nil
	}
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &server.Fault{Message: fmt.Sprintf("there is no file %q", name), Cure: "name a file, or - for stdin"}
	case err != nil:
		return nil, fmt.Errorf("open the file to import: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(&server.Fault{Message: fmt.Sprintf("%q is a folder", name), Cure: "name one file in it"}, f.Close())
	}
	return f, nil
}

// importFile plans, tells and writes. A dry run ends with the exit code that
// the real one would have.
func (a *app) importFile(ctx context.Context, file *exchange.File, target exchange.Target, o importing) error {
	plan, err := file.Plan(ctx, target, o.plan)
	if err != nil {
		return err
	}
	refused := plan.Err()
	write := refused == nil && !o.dryRun
	if write {
		if err := plan.Write(ctx, target, nil); err != nil {
			return err
		}
	}
	if a.json {
		err = plan.PrintJSON(a.out, write)
	} else {
		err = errors.Join(plan.PrintBad(a.err, false), plan.Print(a.out))
	}
	if o.dryRun {
		a.note("Dry run: nothing was written.")
	}
	return errors.Join(err, refused)
}
