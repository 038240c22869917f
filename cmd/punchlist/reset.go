package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
)

func (a *app) resetCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "reset", Short: "Forget this laptop's data, and that it belongs to a server",
		Long: `Forget this laptop's data, and that it belongs to a server. What the server has stays
there. It refuses (exit code 3) while there is unsent work that is in no file:
punchlist queue export FILE writes one, from which it can be sent later.`,
		Example: "  punchlist queue export unsent.json\n  punchlist reset --yes", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.reset(cmd.Context(), yes) }}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return a.JSONFlag(cmd)
}

func (a *app) reset(ctx context.Context, yes bool) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return &localdb.Error{Message: "there is no database at " + path, Hint: "name another file with --db"}
	}
	db, err := localdb.Open(ctx, path, localdb.Options{})
	if err != nil {
		return err
	}
	lost, err := a.lossOf(ctx, db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	release, alone, err := db.TryLock()
	if err == nil && !alone {
		err = &localdb.Error{Message: "another punchlist on this laptop uses the database", Hint: "close the screen and stop punchlist sync --watch first"}
	}
	if err == nil && !yes {
		if err = a.confirm("This forgets " + lost + " at " + path + "."); err == nil {
			lost, err = a.lossOf(ctx, db) // work may have come while the question stood
		}
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	release()
	if err := db.Close(); err != nil { // its log is folded into the file
		return err
	}
	if err := localdb.Remove(path); err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(map[string]any{"forgot": lost, "database": path})
	}
	a.Note("Forgot %s. The next command makes a new database.", lost)
	return nil
}

// lossOf says what would be forgotten; it refuses while unsent work is in no file.
func (a *app) lossOf(ctx context.Context, db *localdb.DB) (string, error) {
	s, err := db.Summary(ctx)
	if err != nil {
		return "", err
	}
	n, err := db.UnexportedOps(ctx)
	if err != nil {
		return "", err
	}
	if n > 0 {
		return "", cli.Exit{Code: 3, Err: &localdb.Error{Message: fmt.Sprintf("%s of %s would be lost", cli.Count(n, "unsent change"), cli.Count(max(s.PendingTasks+s.ParkedTasks, 1), "task")),
			Hint: "punchlist sync, or punchlist queue export FILE, and then the same again"}}
	}
	lost := cli.Count(s.Tasks, "task")
	if waits := s.Pending + s.Parked; waits > 0 {
		lost += ", " + cli.Count(waits, "change") + " that " + map[bool]string{true: "is", false: "are"}[waits == 1] + " in a file of unsent work"
	}
	if s.Device.ID != "" {
		lost += ", and that this laptop is " + s.Device.User + "'s at " + s.Device.ServerURL
	}
	return lost, nil
}

// confirm asks a person; where there is none it says how to go on.
func (a *app) confirm(what string) error {
	if !a.onTerminal() {
		return &localdb.Error{Message: what, Hint: "punchlist reset --yes, if that is what you want"}
	}
	fmt.Fprint(a.Err, cli.Plain(what)+" Type yes to go on: ")
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if strings.TrimSpace(line) == "yes" {
		return nil
	}
	return errors.Join(&localdb.Error{Message: "nothing was forgotten"}, err)
}
