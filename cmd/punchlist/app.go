package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
)

// version and built, the time of the source in seconds since 1970, are set by
// the Makefile.
var version, built = "dev", ""

// app is what the commands share: where the database is and how to speak.
type app struct {
	cli.App
	getenv func(string) string
	dbPath string // --db
	plain  bool   // --plain
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "punchlist",
		Short: "Tasks for technicians, with or without a network",
		Long: `Tasks for technicians, with or without a network.

Without a command it opens the screen on this laptop's database and syncs
beside it. Everything works offline from the first minute.

With --plain, and wherever no screen can be shown (a pipe, TERM=dumb), the same is
done line by line, for screen readers and scripts; "help" lists the commands.`,
		Example:       "  punchlist\n  printf 'list\\nopen 1\\n' | punchlist --plain\n  punchlist demo\n  punchlist add 'Check the pump' --due tomorrow",
		Version:       a.Version,
		Args:          cli.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return a.screen(cmd.Context()) },
	}
	root.PersistentFlags().StringVar(&a.dbPath, "db", "", "the database file (default $PUNCHLIST_DB, else $XDG_DATA_HOME/punchlist/punchlist.db)")
	a.plainFlag(root)
	root.SetFlagErrorFunc(cli.FlagError)
	root.AddCommand(a.addCmd(), a.listCmd(), a.showCmd(), a.setCmd(), a.statusCmd(), a.clockCmd(), a.noteCmd(), a.checkCmd(), a.undoCmd(),
		a.syncCmd(), a.verifyCmd(), a.stateCmd(), a.queueCmd(), a.conflictsCmd(), a.enrollCmd(), a.pinCmd(), a.demoCmd(), a.importCmd(), a.exportCmd(), a.reportCmd(), a.configCmd())
	root.AddCommand(a.doctorCmd(), a.bundleCmd(), a.backupCmd(), a.restoreCmd(), a.resetCmd(), a.ManCmd(built), a.VersionCmd(built, localdb.Schema()))
	return root
}

// plainFlag is for the commands that open the screen.
func (a *app) plainFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.plain, "plain", false, "no screen: read commands and answer line by line")
}

// path is where the database lies.
func (a *app) path() (string, error) {
	for _, p := range []string{a.dbPath, a.getenv("PUNCHLIST_DB")} {
		if p != "" {
			return p, nil
		}
	}
	dir, err := a.home("XDG_DATA_HOME", ".local/share")
	return filepath.Join(dir, "punchlist.db"), err
}

// home is punchlist's folder under one of the XDG base directories.
func (a *app) home(variable, fallback string) (string, error) {
	if dir := a.getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, "punchlist"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", &localdb.Error{Message: "your home folder is not known: " + err.Error(), Hint: "name a file with --db"}
	}
	return filepath.Join(home, fallback, "punchlist"), nil
}

// open opens the database; where it can only be looked at, it says why.
func (a *app) open(ctx context.Context) (*localdb.DB, error) {
	return a.openTelling(ctx, func(text string) { a.Note("%s", text) })
}

// openTelling says the same in the caller's way: the screen has no stderr.
func (a *app) openTelling(ctx context.Context, tell func(string)) (*localdb.DB, error) {
	path, err := a.path()
	if err != nil {
		return nil, err
	}
	db, err := localdb.Open(ctx, path, localdb.Options{Ballast: true, Clock: seams.clock})
	if err == nil || !toLookAt(err) {
		return db, err
	}
	look, err2 := localdb.Open(ctx, path, localdb.Options{ReadOnly: true})
	if err2 != nil {
		return nil, err
	}
	tell("Nothing can be changed here now: " + strings.TrimPrefix(err.Error(), "open database: ") + ".")
	if hint := cli.Hint(err); hint != "" {
		tell("Try: " + hint)
	}
	return look, nil
}

// toLookAt tells whether a database that cannot be written may still be read:
// one of a newer program, on a medium that is only for reading, or on a full disk.
func toLookAt(err error) bool {
	return errors.Is(err, localdb.ErrNewer) || errors.Is(err, localdb.ErrReadOnly) || errors.Is(err, localdb.ErrFull) || errors.Is(err, fs.ErrPermission)
}

// with opens the database for one command.
func (a *app) with(cmd *cobra.Command, do func(ctx context.Context, db *localdb.DB) error) error {
	db, err := a.open(cmd.Context())
	if err != nil {
		return err
	}
	return errors.Join(do(cmd.Context(), db), db.Close())
}

// withTask opens the database and finds the task that the person names.
func (a *app) withTask(cmd *cobra.Command, ref string, do func(ctx context.Context, db *localdb.DB, id string) error) error {
	return a.with(cmd, func(ctx context.Context, db *localdb.DB) error {
		id, err := db.FindTask(ctx, ref)
		if err != nil {
			return err
		}
		return do(ctx, db, id)
	})
}

// logger writes to the log file; the screen never sees it. Without a place for
// the file nothing is logged.
func (a *app) logger() (*slog.Logger, func()) {
	path, err := a.logFile()
	if err != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return slog.New(slog.DiscardHandler), func() {}
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		_ = os.Rename(path, path+".1")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return slog.New(slog.DiscardHandler), func() {}
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { f.Close() }
}

const maxLog = 5 << 20

// logFile is where the log lies.
func (a *app) logFile() (string, error) {
	dir, err := a.home("XDG_STATE_HOME", ".local/state")
	return filepath.Join(dir, "punchlist.log"), err
}

func oneOf(words []string) string { return strings.Join(words, ", ") }
