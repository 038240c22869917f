package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
)

// version and built, the time of the source in seconds since 1970, are set by
// the Makefile.
var version, built = "dev", ""

// defaultDB is the database when neither --db nor $PUNCHLISTD_DB names one.
const defaultDB = "punchlistd.db"

// app is what the commands share: where the database is and how to speak.
type app struct {
	cli.App
	getenv func(string) string
	dbPath string // --db
	crew   string // --crew of the office's commands
	by     string // --by of the office's commands

	tokens  server.TokenRules // of serve; without them a server does not note that it is there
	limits  server.Limits     // likewise
	metrics *metrics          // serve --metrics; nil: nothing is measured
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
		Version:       a.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return cli.NoCommand(cmd, args[0])
		},
	}
	root.PersistentFlags().StringVar(&a.dbPath, "db", "", "the database: a file, or postgres://… (default $PUNCHLISTD_DB, else "+defaultDB+")")
	root.SetFlagErrorFunc(cli.FlagError)
	root.AddCommand(a.serveCmd(), a.userCmd(), a.inviteCmd(), a.deviceCmd(), a.taskCmd(), a.importCmd(), a.exportCmd(), a.stateCmd(), a.auditCmd(), a.caCmd(), a.pinCmd())
	root.AddCommand(a.reportCmd(), a.templateCmd(), a.recurCmd())
	root.AddCommand(a.backupCmd(), a.restoreCmd(), a.ManCmd(built), a.VersionCmd(built, sqlitestore.Schema()))
	return root
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: subs[0].Example, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return cli.NoCommand(cmd, args[0])
		}
		return cli.Usage(cmd.CommandPath()+" --help", "%s needs a command behind it", cmd.CommandPath())
	}}
	cmd.AddCommand(subs...)
	return cmd
}

// with opens the database for one command.
func (a *app) with(cmd *cobra.Command, do func(ctx context.Context, srv *server.Server, store server.Store) error) error {
	store, err := a.database().open(cmd.Context())
	return a.on(cmd, store, err, do)
}

// reading opens the database for a command that changes nothing.
func (a *app) reading(cmd *cobra.Command, do func(ctx context.Context, srv *server.Server, store server.Store) error) error {
	store, err := a.database().openToRead(cmd.Context())
	return a.on(cmd, store, err, do)
}

func (a *app) on(cmd *cobra.Command, store store, err error, do func(ctx context.Context, srv *server.Server, store server.Store) error) error {
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	o := a.serverOptions()
	if a.metrics != nil {
		store, o.Meter = timed{store, a.metrics}, a.metrics
	}
	srv, err := server.New(ctx, store, o)
	if err == nil {
		err = do(ctx, srv, store)
	}
	return errors.Join(err, store.Close())
}

func (a *app) serverOptions() server.Options {
	return server.Options{Now: time.Now, Rand: rand.Reader, Log: a.logger(), Lanes: a.database().lanes(), Tokens: a.tokens, Limits: a.limits}
}

func (a *app) logger() *slog.Logger {
	level := slog.LevelInfo
	if a.getenv("PUNCHLISTD_DEBUG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: level}))
}

// next tells the next step as a command on the same database.
func (a *app) next(format string, args ...any) {
	a.Note("Next: punchlistd %s%s", fmt.Sprintf(format, args...), a.dbFlag())
}

func (a *app) dbFlag() string {
	if a.dbPath == "" {
		return ""
	}
	return " --db " + word(database(a.dbPath).String())
}

// word is a word as a shell takes it.
func word(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@,+="
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// when is a time for people.
func when(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return time.UnixMilli(ms).Format("2006-01-02 15:04")
}
