package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/punchlist/localdb"
)

// What somebody puts at the place of a file that is being written stays.
func TestABackupNeverTakesAnotherFilesName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "monday.db")
	err := localdb.InPlace(path, localdb.NameNew, func(temp string) error {
		return errors.Join(os.WriteFile(temp, []byte("ours"), 0o600), os.WriteFile(path, []byte("theirs"), 0o600))
	})
	if text, _ := os.ReadFile(path); !errors.Is(err, fs.ErrExist) || string(text) != "theirs" {
		t.Errorf("%q, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	at := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	aside := path + ".20261201-080000"
	for _, name := range []string{aside, aside + "-2-wal"} {
		if err := os.WriteFile(name, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := setAside(t.Context(), path, at)
	if err != nil || got != aside+"-3" {
		t.Errorf("%s, %v", got, err)
	}
	for name, want := range map[string]string{aside: "kept", aside + "-2-wal": "kept", got: "theirs"} {
		if text, err := os.ReadFile(name); err != nil || string(text) != want {
			t.Errorf("%s holds %q, %v", name, text, err)
		}
	}
}
