package localdb

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// writeDurably writes a whole file (mode 0600), or none: under another name first,
// synced, renamed, and the folder synced.
func writeDurably(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".punchlist-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone under that name once all went well
	out := bufio.NewWriterSize(f, 64<<10)
	err = write(out)
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(path)
}

// syncFolder makes the names in a file's folder safe.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
