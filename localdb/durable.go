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

// InPlace lets write fill a file (mode 0600) under another name, makes it safe on the
// disk, and gives it its name by os.Rename or by [NameNew]: a half-written file
// never has it. An error of write's or name's comes back as it is.
func InPlace(path string, name func(temp, path string) error, write func(temp string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".punchlist-*")
	if err != nil {
		return err
	}
	temp := f.Name()
	defer func() {
		_ = removeAll(append(withLogs(temp), temp+".ballast")) // gone under that name once all went well
	}()
	if err := f.Close(); err != nil {
		return err
	}
	if err := write(temp); err != nil {
		return err
	}
	written, err := os.Open(temp)
	if err != nil {
		return err
	}
	if err := errors.Join(written.Sync(), written.Close()); err != nil {
		return err
	}
	if err := name(temp, path); err != nil {
		return err
	}
	return syncFolder(path)
}

// CopyFile fills a file that is there with all that another one holds. It is safe on
// the disk after that: a full disk is found here, not once the old file is away.
func CopyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// writeDurably is [InPlace] for what is written as a stream.
func writeDurably(path string, name func(temp, path string) error, write func(io.Writer) error) error {
	return InPlace(path, name, func(temp string) error {
		f, err := os.OpenFile(temp, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		out := bufio.NewWriterSize(f, 64<<10)
		if err = write(out); err == nil {
			err = out.Flush()
		}
		return errors.Join(err, f.Close())
	})
}

// syncFolder makes the names in a file's folder safe. It is a variable because a
// test has to see when.
var syncFolder = func(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
