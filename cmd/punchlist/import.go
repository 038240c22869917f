package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
)

// importing is what the flags of import ask for.
type importing struct {
	read   exchange.Options
	plan   exchange.PlanOptions
	dryRun bool
}

const importHelp = `Import tasks, sites and checklists from a CSV or JSON file; - reads stdin.

A row is known again by its external_ref (a site by its code), so importing a
file twice changes nothing, and a changed row changes only what is different.
For what it says the file has the last word (--only-new leaves everything alone
that is there). Nothing is closed, emptied or deleted because a file lacks it.
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
	cmd := &cobra.Command{Use: "import FILE", Short: "Import tasks from a CSV or JSON file",
		Long: importHelp,
		Example: `  punchlist import tasks.csv --dry-run
  punchlist import work-orders.csv --map title=Text --map external_ref=Order --map 'due_at=Start date'
  punchlist import inspections.csv --map 'title=Inspect {SITE ADDRESS}' --map 'external_ref={RSN}-{YEAR}' \
      --map site.code=RSN --map 'site.name=SITE ADDRESS' --items 'ROOF..CELLAR' --item-values '3=pass,2=pass,1=fail,0=fail,N/A=na'`,
		Args: argRange(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.openInput(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
				return a.importFile(ctx, db, in, o)
			})
		}}
	o.flags(cmd)
	return a.jsonFlag(cmd)
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
		return nil, &localdb.Error{Message: fmt.Sprintf("there is no file %q", name), Hint: "name a file, or - for stdin", Cause: err}
	case err != nil:
		return nil, fmt.Errorf("open the file to import: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, &localdb.Error{Message: fmt.Sprintf("%q is a folder", name), Hint: "name one file in it"}
	}
	return f, nil
}

// importFile plans, tells and writes. A dry run ends with the exit code that
// the real one would have.
func (a *app) importFile(ctx context.Context, db *localdb.DB, in io.Reader, o importing) error {
	file, err := exchange.Read(in, o.read)
	if err != nil {
		return err
	}
	dev, err := db.Device(ctx)
	if err != nil {
		return err
	}
	if len(dev.Crews) > 0 {
		o.plan.Crew = dev.Crews[0]
	}
	target := exchange.Laptop(db)
	plan, err := file.Plan(ctx, target, o.plan)
	if err != nil {
		return err
	}
	refused := plan.Err()
	if refused == nil && !o.dryRun {
		done := a.progress("importing", plan.Changes)
		err = plan.Write(ctx, target, done)
		done(0)
		if err != nil {
			return err
		}
	}
	if err := a.tellPlan(plan, refused == nil && !o.dryRun); err != nil {
		return err
	}
	if o.dryRun {
		a.note("Dry run: nothing was written.")
	}
	return refused
}

func (a *app) tellPlan(plan *exchange.Plan, written bool) error {
	if a.json {
		return plan.PrintJSON(a.out, written)
	}
	return errors.Join(plan.PrintBad(a.err, false), plan.Print(a.out))
}

// progress tells how far a long work is: on a terminal only, and only once it
// has taken a second. Calling it with 0 ends it and clears its line.
func (a *app) progress(doing string, total int) func(done int) {
	f, ok := a.err.(*os.File)
	if !ok || !term.IsTerminal(f.Fd()) {
		return func(int) {}
	}
	last, width := time.Now().Add(time.Second-progressEvery), 0
	return func(done int) {
		switch {
		case done == 0 && width > 0:
			fmt.Fprintf(f, "\r%s\r", strings.Repeat(" ", width))
		case done > 0 && time.Since(last) >= progressEvery:
			last = time.Now()
			line := fmt.Sprintf("%s: %d of %d", doing, done, total)
			width = max(width, len(line))
			fmt.Fprintf(f, "\r%s", line)
		}
	}
}

const progressEvery = 250 * time.Millisecond
