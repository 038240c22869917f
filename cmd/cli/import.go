package cli

import (
	"bufio"
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

// Importing is what the flags of import ask for.
type Importing struct {
	Read   exchange.Options
	Plan   exchange.PlanOptions
	DryRun bool
	Yes    bool // cancel what --prune finds without asking
}

// ImportHelp is what import says of itself.
const ImportHelp = `Import tasks, sites and checklists from a file; - reads stdin. CSV, JSON (an
array, or one object a line) and Taskwarrior's task export are told apart by
their content.

A row is known again by its external_ref (a site by its code), so importing a
file twice changes nothing, and a changed row changes only what is different.
For what it says the file has the last word (--only-new leaves everything alone
that is there). Nothing is closed, emptied or deleted because a file lacks it.
All rows are checked first; with a bad one nothing is imported (--skip-bad takes
the good ones). What was exported by punchlist needs no --map.

--prune cancels what was imported before, was not begun, and is not in the file
any more; it shows what that is and asks, or wants --yes. --prune-ref keeps it to
references that begin so, where a crew has several sources.

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

// Flags gives a command the flags that fill it.
func (o *Importing) Flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.Read.Format, "format", "", "csv, json, ndjson or taskwarrior (default: what the content looks like)")
	f.StringArrayVar(&o.Read.Map, "map", nil, "FIELD=COLUMN, FIELD=text {COLUMN} or FIELD==value")
	f.StringVar(&o.Read.Items, "items", "", "FROM..TO: each column of the range is a checklist item")
	f.StringArrayVar(&o.Read.Item, "item", nil, "a column that is a checklist item")
	f.StringVar(&o.Read.ItemValues, "item-values", "", "VALUE=OUTCOME,…: what the cells of items mean")
	f.StringVar(&o.Read.ItemKind, "item-kind", "", "kind of those items: check, pass_fail, number, text, choice (default pass_fail)")
	f.StringArrayVar(&o.Read.Values, "values", nil, "FIELD:VALUE=MEANING,…: what the file's words mean")
	f.StringArrayVar(&o.Read.Null, "null", nil, "words that mean an empty cell, such as NULL,NA")
	f.StringVar(&o.Read.Zone, "tz", "", "time zone of times that do not say theirs (default: this machine's)")
	f.StringVar(&o.Read.Dates, "dates", "", "dmy or mdy: how 03/04/2026 is meant (default dmy)")
	f.StringVar(&o.Read.Delimiter, "delimiter", "", "what parts the cells: , ; | or tab (default: found out)")
	f.StringVar(&o.Read.Encoding, "encoding", "", "such as cp932 or windows-1252 (default UTF-8)")
	f.BoolVar(&o.Read.MendQuotes, "mend-quotes", false, `read half-escaped quotes, \A\" as "A"`)
	f.BoolVar(&o.DryRun, "dry-run", false, "write nothing; say what would be done")
	f.BoolVar(&o.Plan.SkipBad, "skip-bad", false, "import the good rows although there are bad ones")
	f.BoolVar(&o.Plan.Prune, "prune", false, "cancel imported tasks that are not begun and not in the file any more")
	f.StringVar(&o.Plan.PruneRef, "prune-ref", "", "with --prune: only those whose external_ref begins so")
	f.BoolVar(&o.Yes, "yes", false, "with --prune: do not ask")
	f.BoolVar(&o.Plan.OnlyNew, "only-new", false, "leave everything alone that is there already")
}

// ReadImport understands the file that the person names; - is stdin.
func (a *App) ReadImport(name string, o Importing) (*exchange.File, error) {
	in, err := a.openInput(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	m := a.Meter(time.Second)
	defer m.End()
	m.Say("reading %s", name)
	return exchange.Read(in, o.Read)
}

func (a *App) openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.In), nil
	}
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &localdb.Error{Message: fmt.Sprintf("there is no file %q", name), Hint: "name a file, or - for stdin", Cause: err}
	case err != nil:
		return nil, fmt.Errorf("open the file to import: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(&localdb.Error{Message: fmt.Sprintf("%q is a folder", name), Hint: "name one file in it"}, f.Close())
	}
	return f, nil
}

// Import plans, writes and tells. A dry run ends with the exit code that the
// real one would have.
func (a *App) Import(ctx context.Context, file *exchange.File, to exchange.Target, o Importing) error {
	plan, written, err := a.carryOut(ctx, file, to, o)
	if err != nil {
		return err
	}
	if a.JSON {
		err = plan.PrintJSON(a.Out, written)
	} else {
		err = errors.Join(plan.PrintBad(a.Err, false), plan.Print(a.Out))
	}
	if o.DryRun {
		a.Note("Dry run: nothing was written.")
	}
	return errors.Join(err, plan.Err())
}

// sure asks whether what --prune found shall be cancelled. Where nobody can be
// asked, only --yes says so.
func (a *App) sure(plan *exchange.Plan, o Importing) error {
	if len(plan.Pruned) == 0 || o.Yes {
		return nil
	}
	no := &localdb.Error{Message: "nothing was imported: it would cancel " + Count(len(plan.Pruned), "task"), Hint: "--dry-run names them; --yes cancels them"}
	in, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(in.Fd()) {
		return no
	}
	if err := plan.Print(a.Err); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "Cancel %s? [y/N] ", Count(len(plan.Pruned), "task"))
	answer, _ := bufio.NewReader(in).ReadString('\n')
	if s := strings.ToLower(strings.TrimSpace(answer)); s != "y" && s != "yes" {
		return no
	}
	return nil
}

func (a *App) carryOut(ctx context.Context, file *exchange.File, to exchange.Target, o Importing) (*exchange.Plan, bool, error) {
	m := a.Meter(time.Second)
	defer m.End()
	m.Say("comparing %s with what is here", Count(file.Rows, "row"))
	plan, err := file.Plan(ctx, to, o.Plan)
	if err != nil || plan.Err() != nil || o.DryRun {
		return plan, false, err
	}
	m.End()
	if err := a.sure(plan, o); err != nil {
		return plan, false, err
	}
	m = a.Meter(time.Second)
	defer m.End()
	return plan, true, plan.Write(ctx, to, func(done int) { m.Say("importing: %d of %d", done, plan.Changes) })
}
