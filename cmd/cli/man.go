package cli

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// ManCmd writes a manual page for each command of the program.
func (a *App) ManCmd(built string) *cobra.Command {
	return &cobra.Command{Use: "man DIR", Short: "Write the manual pages into a folder", Example: "  " + a.Name + " man man1\n  man ./man1/" + a.Name + ".1", Args: Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := publicFolder(args[0]); err != nil {
				return err
			}
			date := Built(built)
			if date.IsZero() {
				date = time.Unix(0, 0)
			}
			date = date.UTC()
			root := cmd.Root()
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: a.Name, Manual: "punchlist"}, args[0]); err != nil {
				return err
			}
			pages, err := filepath.Glob(filepath.Join(args[0], a.Name+"*.1"))
			if err != nil {
				return err
			}
			for _, page := range pages { // they are for everybody, whatever the umask is
				if err := os.Chmod(page, 0o644); err != nil {
					return err
				}
			}
			a.Note("Wrote %s into %s.", Count(len(pages), "page"), args[0])
			return nil
		}}
}

// publicFolder makes a folder that everybody may read, whatever the umask is.
func publicFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}
