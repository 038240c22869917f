package sqlite

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// writesTo can be read from after each write to a file, by any process: inotify.
func writesTo(path string) (io.ReadCloser, error) { return told(path, unix.IN_MODIFY) }

// closesOf can be read from after each close of a file, by any process, its end
// included.
func closesOf(path string) (io.ReadCloser, error) { return told(path, unix.IN_CLOSE) }

func told(path string, of uint32) (io.ReadCloser, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if _, err := unix.InotifyAddWatch(fd, path, of); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}
