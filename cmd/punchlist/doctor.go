package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
)

// Levels of what doctor finds.
const (
	fine    = "ok"
	notable = "note"    // worth knowing; nobody has to do anything
	trouble = "trouble" // somebody has to do something
)

// finding is one thing that doctor looked at. Check is a word for programs.
type finding struct {
	Check   string `json:"check"`
	Level   string `json:"level"`
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"`
}

// doctor gathers findings about one database.
type doctor struct {
	*app
	path  string
	found []finding
}

func (d *doctor) say(check, level, cure, format string, args ...any) {
	d.found = append(d.found, finding{check, level, fmt.Sprintf(format, args...), cure})
}

func (a *app) doctorCmd() *cobra.Command {
	var repair bool
	cmd := &cobra.Command{Use: "doctor", Short: "Look for everything that can be wrong, and say what to do",
		Long: `Look for everything that can be wrong on this laptop and on its way to the server,
and say what to do. Exit code 1 when something needs a person.

With --repair it makes a new database in the place of a damaged one: all unsent
work out of the second copy beside it, and of the damaged file what can still be
read. The next sync fetches all tasks anew. No file is deleted.`,
		Example: "  punchlist doctor\n  punchlist doctor --json\n  punchlist doctor --repair", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if repair {
				return a.repair(cmd.Context())
			}
			found, err := a.examine(cmd.Context())
			if err != nil {
				return err
			}
			return a.tellFindings(found)
		}}
	cmd.Flags().BoolVar(&repair, "repair", false, "make a new database out of the second copy of unsent work")
	return a.JSONFlag(cmd)
}

// tellFindings prints what was found; an error when somebody has to do something.
func (a *app) tellFindings(found []finding) error {
	var bad []finding
	for _, f := range found {
		if f.Level == trouble {
			bad = append(bad, f)
		}
	}
	if a.JSON {
		if err := a.PrintJSON(map[string]any{"ok": len(bad) == 0, "findings": found}); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			a.Printf("%-8s %-11s %s\n", f.Level, f.Check, f.Message)
			if f.Cure != "" {
				a.Printf("%-8s %-11s Try: %s\n", "", "", f.Cure)
			}
		}
	}
	if len(bad) == 0 {
		return nil
	}
	needs := "needs"
	if len(bad) > 1 {
		needs = "need"
	}
	return &localdb.Error{Message: fmt.Sprintf("%s %s a person", cli.Count(len(bad), "thing"), needs), Hint: bad[0].Cure}
}

// examine looks at everything. It does not make a database where there is none.
func (a *app) examine(ctx context.Context) ([]finding, error) {
	path, err := a.path()
	if err != nil {
		return nil, err
	}
	d := &doctor{app: a, path: path}
	m := a.Meter(time.Second)
	defer m.End()
	m.Say("Looking at the files")
	d.place()
	d.room()
	d.config()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		d.say("database", notable, "punchlist add, or punchlist enroll, makes it", "there is no database at %s yet", path)
		return d.found, nil
	}
	db, err := localdb.Open(ctx, path, localdb.Options{})
	if err != nil && toLookAt(err) {
		d.say("database", trouble, cli.Hint(err), "it can only be read: %s", err)
		db, err = localdb.Open(ctx, path, localdb.Options{ReadOnly: true})
	}
	if err != nil {
		cure := cli.Hint(err)
		if errors.Is(err, localdb.ErrDamaged) || errors.Is(err, localdb.ErrNotSQLite) {
			cure = "punchlist doctor --repair"
		}
		d.say("database", trouble, cure, "%s", err)
		return d.found, nil
	}
	m.Say("Looking at every page of the database")
	d.pages(ctx, db)
	if err := d.work(ctx, db); err != nil {
		d.say("database", trouble, localdb.Cure(err, path), "%s", err)
	}
	m.Say("Asking the server")
	d.server(ctx, db)
	return d.found, db.Close()
}

func (d *doctor) config() {
	_, found, faults := d.readConfig()
	for _, f := range faults {
		d.say("config", trouble, "punchlist config check", "%s", f.text("config.toml"))
	}
	if found && len(faults) == 0 {
		d.say("config", fine, "", "the configuration is understood")
	}
}

func (d *doctor) pages(ctx context.Context, db *localdb.DB) {
	h, err := db.Health(ctx)
	switch {
	case err != nil || len(h.Faults) > 0:
		what := ""
		if len(h.Faults) > 0 {
			what = h.Faults[0]
		} else {
			what = err.Error()
		}
		d.say("integrity", trouble, "punchlist doctor --repair", "the database is damaged: %s", what)
	default:
		d.say("integrity", fine, "", "every page of the database is whole (%s)", megabytes(h.Size))
	}
	if h.Schema > 0 {
		d.say("schema", fine, "", "the database's form is %d, this program knows %d", h.Schema, h.Knows)
	}
	search := "with an index"
	if !h.FTS5 {
		search = "without an index: slower from ten thousand tasks on (build with make build)"
	}
	d.say("sqlite", fine, "", "SQLite %s; search works %s", h.SQLite, search)
	if h.Log > maxWAL {
		d.say("wal", notable, "close the other programs that have "+d.path+" open", "the log beside the database has grown to %s: some program reads without end", megabytes(h.Log))
	}
}

// maxWAL is from where on a write-ahead log is called large.
const maxWAL = 64 << 20

// work looks at what waits, and why.
func (d *doctor) work(ctx context.Context, db *localdb.DB) error {
	s, err := db.Summary(ctx)
	if err != nil {
		return err
	}
	notices, err := db.Notices(ctx)
	if err != nil {
		return err
	}
	_, sending, err := db.Sender()
	if err != nil && !db.ReadOnly() {
		return err
	}
	if s.Parked > 0 {
		d.say("refused", trouble, "punchlist queue", "the server refused %s; nothing of it is lost", cli.Count(s.Parked, "change"))
	}
	if s.Conflicts > 0 {
		d.say("conflicts", trouble, "punchlist conflicts", "%s %s to be looked at", cli.Count(s.Conflicts, "conflict"), map[bool]string{true: "has", false: "have"}[s.Conflicts == 1])
	}
	switch {
	case s.Pending == 0:
		d.say("waiting", fine, "", "nothing waits to be sent")
	case sending:
		d.say("waiting", fine, "", "%s; another program on this laptop sends", stillWait(s.Pending))
	case s.Device.ID == "":
		d.say("waiting", notable, "punchlist enroll, with an invite from the office", "%s for a server to join", stillWait(s.Pending))
	default:
		d.say("waiting", notable, "punchlist sync, or open the screen", "%s, and no program sends", stillWait(s.Pending))
	}
	d.kept()
	for _, n := range notices {
		d.say("notice", notable, "punchlist state --read, once you have read it", "%s", n.Message)
	}
	off := s.Device.ClockOffset
	if s.ClockOff != 0 {
		off = s.ClockOff
	}
	switch off := time.Duration(off) * time.Millisecond; {
	case !s.Device.OffsetKnown:
		d.say("clock", fine, "", "the clock was not compared with a server yet")
	case off.Abs() > wrongClock:
		d.say("clock", notable, "set the date and time of this laptop", "the clock is %s %s; changes are dated right all the same", off.Abs().Round(time.Second), map[bool]string{true: "slow", false: "fast"}[off > 0])
	default:
		d.say("clock", fine, "", "the clock is right within %s", off.Abs().Round(time.Millisecond))
	}
	return nil
}

// server asks once whether the server answers, and says precisely why not.
func (d *doctor) server(ctx context.Context, db *localdb.DB) {
	dev, err := db.Device(ctx)
	if err != nil {
		d.say("server", trouble, localdb.Cure(err, d.path), "%s", err)
		return
	}
	switch {
	case dev.ID == "":
		d.say("server", notable, "punchlist enroll, with an invite from the office", "this laptop has joined no server")
		return
	case dev.Unsafe != nil:
		d.say("token", trouble, cli.Hint(dev.Unsafe), "%s", dev.Unsafe)
		return
	case dev.Token == "":
		d.say("token", trouble, "ask the office for a new invite, and give it to: punchlist enroll", "the token by which the server knows this laptop is missing; local work goes on")
		return
	}
	d.reach(ctx, db, dev)
}

// repair is doctor --repair.
func (a *app) repair(ctx context.Context) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	got, err := localdb.Repair(ctx, path, localdb.Options{})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(map[string]any{"changes": got.Changes, "tasks": got.Tasks, "bad_lines": got.BadLines, "aside": got.Aside, "enrolled": got.Enrolled})
	}
	a.Note("A new database stands at %s, with %s that %s not sent yet.", path, cli.Count(got.Changes, "change"), map[bool]string{true: "was", false: "were"}[got.Changes == 1])
	if got.Tasks > 0 {
		a.Note("Of the old one %s could be read still.", cli.Count(got.Tasks, "task"))
	}
	if got.BadLines > 0 {
		a.Note("%s of the second copy %s damaged.", cli.Count(got.BadLines, "line"), map[bool]string{true: "is", false: "are"}[got.BadLines == 1])
	}
	for _, name := range got.Aside {
		a.Note("The old file is kept: %s", filepath.Base(name))
	}
	next := "punchlist sync, which fetches the crew's tasks"
	if !got.Enrolled {
		next = "punchlist enroll, with a new invite"
	}
	a.Note("Next: %s.", next)
	return nil
}

func megabytes(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
