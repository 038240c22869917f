package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// version is set by the Makefile.
var version = "dev"

// app is what the commands share: where the database is and how to speak.
type app struct {
	streams
	getenv func(string) string
	dbPath string // --db
	json   bool   // --json
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "punchlist",
		Short: "Tasks for technicians, with or without a network",
		Long: `Tasks for technicians, with or without a network.

Without a command it opens the screen on this laptop's database and syncs
beside it. Everything works offline from the first minute.`,
		Example:       "  punchlist\n  punchlist demo\n  punchlist add 'Check the pump' --due tomorrow",
		Version:       version,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return a.screen(cmd.Context()) },
	}
	root.PersistentFlags().StringVar(&a.dbPath, "db", "", "the database file (default $PUNCHLIST_DB, else $XDG_DATA_HOME/punchlist/punchlist.db)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitCode{2, &localdb.Error{Message: err.Error(), Hint: cmd.CommandPath() + " --help"}}
	})
	root.AddCommand(a.addCmd(), a.listCmd(), a.showCmd(), a.setCmd(), a.statusCmd(), a.noteCmd(), a.checkCmd(), a.undoCmd(),
		a.syncCmd(), a.stateCmd(), a.queueCmd(), a.conflictsCmd(), a.enrollCmd(), a.demoCmd(), a.importCmd(), a.exportCmd(), a.versionCmd())
	return root
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Example: "  punchlist version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, "punchlist", version)
			return err
		}}
}

// Argument counts, with wrong ones as wrong usage (exit code 2).
func noArgs(cmd *cobra.Command, args []string) error { return argCount(cmd, args, 0, 0) }

func argRange(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return argCount(cmd, args, least, most) }
}

func argCount(cmd *cobra.Command, args []string, least, most int) error {
	if len(args) >= least && (most < 0 || len(args) <= most) {
		return nil
	}
	msg := fmt.Sprintf("usage: %s", cmd.UseLine())
	if most == 0 {
		msg = fmt.Sprintf("%q is no command of %s", args[0], cmd.CommandPath())
	}
	return exitCode{2, &localdb.Error{Message: msg, Hint: cmd.CommandPath() + " --help"}}
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

func (a *app) open(ctx context.Context) (*localdb.DB, error) {
	path, err := a.path()
	if err != nil {
		return nil, err
	}
	return localdb.Open(ctx, path, localdb.Options{})
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

func (a *app) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printf writes a line for people; what it is given is made safe for a terminal.
func (a *app) printf(format string, args ...any) {
	fmt.Fprint(a.out, plain(fmt.Sprintf(format, args...)))
}

// note tells the person something that is no data.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.err, plain(fmt.Sprintf(format, args...)))
}

// plain takes out whatever could steer a terminal.
func plain(s string) string { return op.Clean(s, true) }

// hintOf finds the next step that an error knows.
func hintOf(err error) string {
	var local *localdb.Error
	if errors.As(err, &local) {
		return local.Hint
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return localdb.Cure(err, "the database file")
}

// logger writes to the log file; the screen never sees it. Without a place for
// the file nothing is logged.
func (a *app) logger() (*slog.Logger, func()) {
	dir, err := a.home("XDG_STATE_HOME", ".local/state")
	if err != nil || os.MkdirAll(dir, 0o700) != nil {
		return slog.New(slog.DiscardHandler), func() {}
	}
	path := filepath.Join(dir, "punchlist.log")
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		_ = os.Rename(path, path+".1")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return slog.New(slog.DiscardHandler), func() {}
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { f.Close() }
}

const maxLog = 5 << 20

func oneOf(words []string) string { return strings.Join(words, ", ") }
