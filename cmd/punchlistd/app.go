package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
)

// version is set by the Makefile.
var version = "dev"

// defaultDB is the database when neither --db nor $PUNCHLISTD_DB names one.
const defaultDB = "punchlistd.db"

// app is what the commands share: where the database is and how to speak.
type app struct {
	streams
	getenv func(string) string
	dbPath string // --db
	json   bool   // --json
	crew   string // --crew of the office's commands
	by     string // --by of the office's commands
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "punchlistd",
		Short: "The sync server of punchlist, and its administration",
		Long: `The sync server of punchlist, and its administration.

The first steps:
  punchlistd user add ann --crew north     a person, and the crew it works in
  punchlistd serve                         the server, on this machine's port 8700
  punchlistd invite ann                    what ann gives to: punchlist enroll`,
		Example:       "  punchlistd serve --listen 127.0.0.1:8700",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return noCommand(cmd, args[0])
		},
	}
	root.PersistentFlags().StringVar(&a.dbPath, "db", "", "the database file (default $PUNCHLISTD_DB, else "+defaultDB+")")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{&server.Fault{Message: err.Error(), Cure: cmd.CommandPath() + " --help"}}
	})
	root.AddCommand(a.serveCmd(), a.userCmd(), a.inviteCmd(), a.deviceCmd(), a.taskCmd(), a.importCmd(), a.stateCmd(), a.versionCmd())
	return root
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Example: "  punchlistd version", Args: a.args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, "punchlistd", version)
			return err
		}}
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: subs[0].Example, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noCommand(cmd, args[0])
		}
		return usageError{&server.Fault{Message: cmd.CommandPath() + " needs a command behind it", Cure: cmd.CommandPath() + " --help"}}
	}}
	cmd.AddCommand(subs...)
	return cmd
}

func noCommand(cmd *cobra.Command, name string) error {
	return usageError{&server.Fault{Message: fmt.Sprintf("%q is no command of %s", name, cmd.CommandPath()), Cure: cmd.CommandPath() + " --help"}}
}

// args checks how many arguments there are; most < 0 means any number.
func (a *app) args(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		return usageError{&server.Fault{Message: "usage: " + cmd.UseLine(), Cure: cmd.CommandPath() + " --help"}}
	}
}

// path is where the database lies. This build has the embedded store only.
func (a *app) path() (string, error) {
	path := defaultDB
	for _, p := range []string{a.dbPath, a.getenv("PUNCHLISTD_DB")} {
		if p != "" {
			path = p
			break
		}
	}
	if u, err := url.Parse(path); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		return "", &server.Fault{Message: "this build has the embedded store only, not PostgreSQL", Cure: "name a file: --db " + defaultDB}
	}
	return path, nil
}

// with opens the database for one command.
func (a *app) with(cmd *cobra.Command, do func(ctx context.Context, srv *server.Server, store *sqlitestore.Store) error) error {
	ctx := cmd.Context()
	path, err := a.path()
	if err != nil {
		return err
	}
	store, err := sqlitestore.Open(ctx, path)
	if err != nil {
		return openFault(err)
	}
	srv, err := server.New(ctx, store, server.Options{Now: time.Now, Rand: rand.Reader, Log: a.logger()})
	if err == nil {
		err = do(ctx, srv, store)
	}
	return errors.Join(err, store.Close())
}

// openFault adds the next step to what can go wrong with a database file.
func openFault(err error) error {
	for known, cure := range map[error]string{
		sqlite.ErrNotSQLite: "name another file with --db; this one was left as it is",
		sqlite.ErrForeign:   "name another file with --db; a laptop's database is not a server's",
		sqlite.ErrNewer:     "use the version of punchlistd that wrote it, or a newer one",
		sqlite.ErrLocked:    "see which program has it open: fuser FILE",
		sqlite.ErrReadOnly:  "check who owns the file and its folder",
	} {
		if errors.Is(err, known) {
			return &server.Fault{Message: err.Error(), Cure: cure}
		}
	}
	return err
}

func (a *app) logger() *slog.Logger {
	level := slog.LevelInfo
	if a.getenv("PUNCHLISTD_DEBUG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
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

// next tells the next step as a command on the same database.
func (a *app) next(format string, args ...any) {
	a.note("Next: punchlistd %s%s", fmt.Sprintf(format, args...), a.dbFlag())
}

func (a *app) dbFlag() string {
	if a.dbPath == "" {
		return ""
	}
	return " --db " + word(a.dbPath)
}

// word is a word as a shell takes it.
func word(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@,+="
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
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
	return ""
}

// when is a time for people.
func when(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return time.UnixMilli(ms).Format("2006-01-02 15:04")
}
