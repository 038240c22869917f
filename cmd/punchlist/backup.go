package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
)

func (a *app) backupCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "backup FILE", Short: "Copy the whole database into a new file, while the screen and sync go on",
		Long: `Copy the whole database into a new file that only you may read: one moment of it, whole
and checked, while the screen and sync go on. The token that lets this laptop sync is
not in it. What is sent is on the server in any case; unsent work alone: queue export.`,
		Example: "  punchlist backup monday.db\n  punchlist restore monday.db", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withReadable(cmd, func(ctx context.Context, db *localdb.DB) error { return a.backup(ctx, db, args[0]) })
		}})
}

func (a *app) backup(ctx context.Context, db *localdb.DB, file string) error {
	m := a.Meter(time.Second)
	defer m.End()
	m.Say("writing and checking the backup")
	err := db.Backup(ctx, file)
	m.End()
	var fault *localdb.Error
	switch {
	case errors.As(err, &fault):
		return err
	case err != nil:
		return cli.WriteFault(file, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(map[string]any{"file": file, "bytes": info.Size(), "database": db.Path()})
	}
	a.Note("Wrote %s, %d KiB, and checked it. To put it back: punchlist restore %s", file, (info.Size()+1023)>>10, file)
	return nil
}

func (a *app) restoreCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "restore FILE", Short: "Put a backup in the place of the database; close the screen first",
		Long: `Put a backup of this laptop in the place of its database. The screen and sync --watch
must be closed. The database as it was is kept beside it. It refuses (exit code 3) while
there is unsent work that is in no file. The next sync fetches what came since.`,
		Example: "  punchlist restore monday.db && punchlist sync", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.restore(cmd.Context(), args[0]) }})
}

func (a *app) restore(ctx context.Context, from string) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		if err := a.nothingLost(ctx, path); err != nil {
			return err
		}
	} else if db, err := localdb.Open(ctx, path, localdb.Options{}); err != nil { // its folder
		return err
	} else if err := db.Close(); err != nil {
		return err
	}
	m := a.Meter(time.Second)
	defer m.End()
	m.Say("checking the backup and putting it in its place")
	done, err := localdb.PutBack(ctx, from, path)
	m.End()
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(map[string]any{"database": path, "from": from, "aside": done.Aside, "back": done.Back, "left": done.Left})
	}
	for _, name := range done.Aside {
		a.Note("Kept as it was: %s", name)
	}
	if done.Back > 0 {
		a.Note("Back in the queue, as it was written meanwhile: %s.", cli.Count(done.Back, "unsent change"))
	}
	if done.Left > 0 {
		a.Note("The old database was damaged, and holds %s. To send that too:", cli.Count(done.Left, "unsent change"))
		a.Note("  punchlist --db %[1]s doctor --repair && punchlist --db %[1]s queue export unsent.json && punchlist queue import unsent.json", done.Aside[0])
	}
	a.Note("Restored %s from %s. punchlist sync fetches what came since.", path, from)
	return nil
}

// nothingLost refuses to give a database up while unsent work is in no file. One
// that cannot be read any more is given up: it is kept, and doctor --repair saves
// what waits in it.
func (a *app) nothingLost(ctx context.Context, path string) error {
	db, err := localdb.Open(ctx, path, localdb.Options{})
	if localdb.Spoilt(err, path) {
		return nil
	}
	if err != nil {
		return err
	}
	release, alone, err := db.TryLock()
	switch {
	case err != nil:
	case !alone:
		err = &localdb.Error{Message: "another punchlist on this laptop uses the database", Hint: "close the screen and stop punchlist sync --watch first"}
	default:
		_, err = a.lossOf(ctx, db)
		release()
	}
	return errors.Join(err, db.Close())
}
