package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
)

func (a *app) queueExportCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "export FILE", Short: "Write all unsent work to a new file",
		Long: `Write all unsent work, refused changes too, to a new file that only you may read.
The work stays in the queue as well: whichever way it reaches the server first
counts, and it takes effect once. From then on it cannot be changed in the queue
any more; undo goes out behind it.

punchlist queue import takes the file into this laptop's queue, or into another
laptop's of the same person and server.`,
		Example: "  punchlist queue export unsent.json\n  punchlist queue import unsent.json", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withReadable(cmd, func(ctx context.Context, db *localdb.DB) error { return a.exportQueue(ctx, db, args[0]) })
		}})
}

// withReadable opens the database for a command that saves work from it: one that
// may not be written, or that a newer program wrote, is as good for that.
func (a *app) withReadable(cmd *cobra.Command, do func(ctx context.Context, db *localdb.DB) error) error {
	db, err := a.open(cmd.Context())
	if errors.Is(err, localdb.ErrReadOnly) || errors.Is(err, localdb.ErrNewer) || errors.Is(err, fs.ErrPermission) {
		path, fault := a.path()
		if fault != nil {
			return fault
		}
		if looking, fault := localdb.Open(cmd.Context(), path, localdb.Options{ReadOnly: true}); fault == nil {
			db, err = looking, nil
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(do(cmd.Context(), db), db.Close())
}

func (a *app) exportQueue(ctx context.Context, db *localdb.DB, file string) error {
	m := a.Meter(time.Second)
	defer m.End()
	head, err := db.ExportQueue(ctx, file, func(done, of int) { m.Say("exporting: %d of %d", done, of) })
	m.End()
	var fault *localdb.Error
	switch {
	case errors.As(err, &fault):
		return err
	case err != nil:
		return cli.WriteFault(file, err)
	case a.JSON:
		return a.PrintJSON(map[string]any{"file": file, "count": head.Count, "user": head.User, "server": head.ServerURL, "server_id": head.ServerID, "device_id": head.DeviceID})
	case head.Count == 0:
		a.Note("Nothing waits: all changes are sent. %s says so.", file)
		return nil
	}
	a.Note("Exported %s to %s.", cli.Count(head.Count, "unsent change"), file)
	return nil
}

func (a *app) queueImportCmd() *cobra.Command {
	return a.JSONFlag(&cobra.Command{Use: "import FILE", Short: "Take exported unsent work into this laptop's queue",
		Long: `Take a file that punchlist queue export wrote into this laptop's queue, all of it
or nothing. Changes that are in the queue or were sent already are left as they
are: importing a file twice, or on two laptops, has no further effect.

The file must be of the same person and the same server, and just as it was
written: it ends each line with a check.`,
		Example: "  punchlist queue import unsent.json && punchlist sync", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, db *localdb.DB) error { return a.importQueue(ctx, db, args[0]) })
		}})
}

func (a *app) importQueue(ctx context.Context, db *localdb.DB, file string) error {
	m := a.Meter(time.Second)
	defer m.End()
	done, err := db.ImportQueue(ctx, file, func(done, of int) { m.Say("importing: %d of %d", done, of) })
	m.End()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &localdb.Error{Message: fmt.Sprintf("there is no file %q", file), Hint: "punchlist queue export FILE writes one", Cause: err}
	case err != nil:
		return err
	case a.JSON:
		return a.PrintJSON(map[string]any{"taken": done.Taken, "waiting": done.Waiting, "sent": done.Sent, "undone": done.Undone, "count": done.File.Count,
			"user": done.File.User, "device_id": done.File.DeviceID})
	}
	a.Note("Taken: %s of %s.", cli.Count(done.Taken, "change"), cli.Count(done.File.Count, "change"))
	for _, left := range []struct {
		n   int
		why string
	}{{done.Waiting, "in the queue already"}, {done.Sent, "sent from here already"}, {done.Undone, "undone here since"}} {
		if left.n > 0 {
			a.Note("Left as it is: %s, %s.", cli.Count(left.n, "change"), left.why)
		}
	}
	if done.Taken > 0 {
		a.Note("It goes out with the next sync.")
	}
	return nil
}
