package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
)

func (a *app) backupCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "backup FILE", Short: "Copy the whole database into a file, while the server serves",
		Long: `Copy the whole database into a new file, while the server serves: one moment of it, whole.
The file holds the server's key too: keep it as safe as the database.

A PostgreSQL database is copied with PostgreSQL's own pg_dump; this prints the command.`,
		Example: "  punchlistd backup punchlistd-monday.db", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if d := a.database(); d.postgres() {
				return postgresCopies(d, "copied", "pg_dump --format=custom --file="+word(args[0])+" "+word(d.String()))
			}
			return a.backup(cmd.Context(), args[0])
		}})
}

// postgresCopies says how PostgreSQL does it. Its commands ask for the password.
func postgresCopies(d database, what, command string) error {
	return &server.Fault{Message: fmt.Sprintf("a PostgreSQL database is %s by PostgreSQL's own tools", what), Cure: command}
}

func (a *app) backup(ctx context.Context, to string) error {
	from := string(a.database())
	if err := a.database().check(); err != nil {
		return err
	}
	if _, err := os.Stat(from); err != nil {
		return &server.Fault{Message: "there is no database at " + from, Cure: "name it with --db"}
	}
	there := &server.Fault{Message: fmt.Sprintf("there is a file %q already", to), Cure: "name a new one"}
	if _, err := os.Lstat(to); err == nil {
		return there
	}
	m := a.Meter(time.Second)
	defer m.End()
	m.Say("Writing the backup")
	err := localdb.InPlace(to, localdb.NameNew, func(temp string) error {
		store, err := sqlitestore.Open(ctx, from)
		if err != nil {
			return openFault(err)
		}
		if err := errors.Join(store.CopyTo(ctx, temp), store.Close()); err != nil {
			return err
		}
		m.Say("Checking the backup")
		return sqlitestore.Check(ctx, temp)
	})
	m.End()
	if errors.Is(err, fs.ErrExist) { // it came meanwhile
		return there
	}
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	info, err := os.Stat(to)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(map[string]any{"file": to, "bytes": info.Size(), "database": from})
	}
	a.Note("Wrote %s, %d KiB, and checked it. To put it back: punchlistd restore %s%s", to, (info.Size()+1023)>>10, word(to), a.dbFlag())
	return nil
}

func (a *app) restoreCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "restore FILE", Short: "Put a backup in the place of the database; the server must not run",
		Long: `Put a backup in the place of the database. The server must not run. The database as it
was is kept beside it. Laptops notice at their next contact, tell their people, and
offer again what the backup lacks.

A PostgreSQL database is put back with PostgreSQL's own pg_restore; this prints the command.`,
		Example: "  punchlistd restore punchlistd-monday.db", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d := a.database()
			if d.postgres() {
				return postgresCopies(d, "put back", "stop every punchlistd, then pg_restore --clean --if-exists --single-transaction --dbname="+word(d.String())+" "+word(args[0]))
			}
			if err := d.check(); err != nil {
				return err
			}
			release, err := d.lockServing()
			if err != nil {
				return err
			}
			return errors.Join(a.restore(cmd.Context(), args[0], string(d)), release())
		}})
}

func (a *app) restore(ctx context.Context, from, to string) error {
	if err := restorable(from, to); err != nil {
		return err
	}
	m := a.Meter(time.Second)
	defer m.End()
	m.Say("Checking the backup")
	if err := sqlitestore.Check(ctx, from); err != nil {
		return backupFault(from, err)
	}
	m.Say("Putting the backup in its place")
	aside := ""
	err := localdb.InPlace(to, os.Rename, func(temp string) (err error) {
		if err = localdb.CopyFile(from, temp); err != nil { // the disk may be full: all is as it was
			return err
		}
		if aside, err = setAside(ctx, to, time.Now()); err != nil {
			return fmt.Errorf("keep the database as it is: %w", err)
		}
		return nil
	})
	m.End()
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	err = a.reopened(ctx, to, func(srv *server.Server) error { return srv.Restored(ctx, filepath.Base(from)) })
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(map[string]any{"database": to, "from": from, "aside": aside})
	}
	if aside != "" {
		a.Note("The database as it was is kept: %s", aside)
	}
	a.Note("Restored %s from %s. Laptops notice at their next contact, and offer again what it lacks.", to, from)
	a.next("serve")
	return nil
}

// restorable refuses what would not be put back whole by copying one file.
func restorable(from, to string) error {
	backup, err := os.Stat(from)
	if err != nil {
		return backupFault(from, err)
	}
	if now, err := os.Stat(to); err == nil && os.SameFile(backup, now) {
		return &server.Fault{Message: from + " is the database itself", Cure: "name a file that punchlistd backup wrote"}
	}
	if log, err := os.Stat(from + "-wal"); err == nil && log.Size() > 0 {
		return &server.Fault{Message: "a part of the backup stands in " + from + "-wal beside it", Cure: "make one whole file of it: punchlistd backup NEW-FILE --db " + word(from)}
	}
	return nil
}

// backupFault adds the next step to what is wrong with a backup.
func backupFault(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &server.Fault{Message: "there is no file " + path, Cure: "name a file that punchlistd backup wrote"}
	}
	var known interface{ Hint() string }
	if fault := openFault(err); errors.As(fault, &known) {
		return &server.Fault{Message: "the backup cannot be used: " + err.Error(), Cure: "name a file that punchlistd backup wrote; the database was left as it is"}
	}
	return fmt.Errorf("the backup cannot be used (the database was left as it is): %w", err)
}

// setAside gives the database another name, with all that its log holds folded
// into the file: a log must never meet another database.
func setAside(ctx context.Context, path string, now time.Time) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if store, err := sqlitestore.Open(ctx, path); err == nil { // a damaged one is kept as it is, with its log
		if err := store.Close(); err != nil {
			return "", err
		}
	}
	// The logs go first, and never over a file that is there.
	base := path + "." + now.Format("20060102-150405")
	aside := base
	for n := 2; taken(aside); n++ {
		aside = fmt.Sprint(base, "-", n)
	}
	for _, tail := range []string{"-wal", "-shm", "-journal", ""} {
		if err := localdb.NameNew(path+tail, aside+tail); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return aside, nil
}

// taken tells whether something has the name of a database, or of one of its logs.
func taken(path string) bool {
	for _, tail := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(path + tail); err == nil {
			return true
		}
	}
	return false
}

// reopened opens the database anew, brings it to the newest schema, and does one thing.
func (a *app) reopened(ctx context.Context, path string, do func(*server.Server) error) error {
	store, err := sqlitestore.Open(ctx, path)
	if err != nil {
		return openFault(err)
	}
	srv, err := server.New(ctx, store, a.serverOptions())
	if err == nil {
		err = do(srv)
	}
	return errors.Join(err, store.Close())
}
