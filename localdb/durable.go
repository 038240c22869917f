package localdb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// NameNew gives a file its name, unless something has that name already: then it
// is fs.ErrExist and nothing is touched, whoever else makes files there meanwhile.
func NameNew(temp, path string) error {
	err := os.Link(temp, path)
	switch {
	case err == nil:
		return os.Remove(temp)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	// A file system without second names (FAT): nothing there does both in one.
	if _, there := os.Lstat(path); there == nil {
		return fmt.Errorf("name %s: %w", path, fs.ErrExist)
	}
	return os.Rename(temp, path)
}

// writeDurably writes a whole file (mode 0600), or none: under another name first,
// synced, given its name by os.Rename or by [NameNew], and the folder synced.
func writeDurably(path string, name func(temp, path string) error, write func(io.Writer) error) error {
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
	if err := name(f.Name(), path); err != nil {
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
