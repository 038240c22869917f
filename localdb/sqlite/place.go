package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Errors of a place that a database must not lie in, for errors.Is.
var (
	// ErrUnsafe says that others could read or change the file.
	ErrUnsafe = errors.New("not safe from other people")
	// ErrNetwork says that the file lies on another machine's disk.
	ErrNetwork = errors.New("lies on a network file system")
)

// PlaceError is one of them, with the file and the next step.
type PlaceError struct {
	Path  string
	What  string
	Cure  string
	Cause error // ErrUnsafe or ErrNetwork
}

// Error is the sentence for people.
func (e *PlaceError) Error() string { return e.Path + " " + e.What }

// Hint is the next step.
func (e *PlaceError) Hint() string { return e.Cure }

// Unwrap is the kind.
func (e *PlaceError) Unwrap() error { return e.Cause }

// siblings are the files that SQLite keeps beside a database.
var siblings = []string{"", "-wal", "-shm", "-journal"}

// OnNetwork tells whether a file system, as [Filesystem] names it, is a network's.
func OnNetwork(kind string) bool { return networks[kind] }

// CheckFile refuses a private file as ssh refuses a key: one that is a symbolic
// link, belongs to somebody else, or may be read or written by others. One that
// is not there is fine.
func CheckFile(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		return &PlaceError{path, "is a symbolic link: whoever can change it chooses the file", "name the file itself: " + target(path), ErrUnsafe}
	case !mode.IsRegular():
		return nil // a folder or device is refused with words of its own
	case !ok:
		return nil
	case int(stat.Uid) != os.Geteuid():
		return &PlaceError{path, fmt.Sprintf("belongs to another account (%d, this one is %d)", stat.Uid, os.Geteuid()), "use that account, or make it yours: chown", ErrUnsafe}
	case mode.Perm()&0o077 != 0:
		return &PlaceError{path, fmt.Sprintf("may be used by others (mode %04o)", mode.Perm()), "chmod 600 " + path, ErrUnsafe}
	}
	return nil
}

func target(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// CheckFolder refuses a folder in which others could put their files in the
// place of a private one. In a sticky folder, such as /tmp, they cannot. A group
// that bears the account's own number is the account's alone, by Debian's custom.
func CheckFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil // the file's own error says it better
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	uid := uint32(os.Geteuid())
	switch others := info.Mode().Perm() & 0o022; {
	case stat.Uid != uid && stat.Uid != 0:
		return &PlaceError{dir, fmt.Sprintf("belongs to another account (%d)", stat.Uid), "use a folder of your own: --db FILE", ErrUnsafe}
	case others&0o002 != 0, others != 0 && stat.Gid != uid:
		return &PlaceError{dir, fmt.Sprintf("lets others write into it (mode %04o)", info.Mode().Perm()), "chmod go-w " + dir, ErrUnsafe}
	}
	return nil
}

// checkPlace refuses a database that is not safe where it lies. What can only be
// read is looked at less closely: nothing secret is put into it.
func checkPlace(path string, o Options) error {
	dir := filepath.Dir(path)
	kind := o.Filesystem
	if kind == nil {
		kind = Filesystem
	}
	if name := kind(dir); networks[name] {
		return &PlaceError{path, "lies on a network file system (" + name + "), where two programs on it could damage it and a power cut lose what was saved",
			"keep it on a disk of this machine: --db FILE", ErrNetwork}
	}
	if o.ReadOnly {
		return nil
	}
	if err := CheckFolder(dir); err != nil {
		return err
	}
	for _, tail := range siblings {
		if err := CheckFile(path + tail); err != nil {
			return err
		}
	}
	return nil
}

// networks are file systems on other machines' disks, on which neither locks nor
// the shared memory of the write-ahead log work.
var networks = map[string]bool{"nfs": true, "smb": true, "smb2": true, "cifs": true, "ncp": true, "afs": true, "coda": true, "ceph": true, "9p": true,
	"fuse.sshfs": true, "fuse.s3fs": true, "fuse.rclone": true, "fuse.davfs": true, "fuse.glusterfs": true, "fuse.smbnetfs": true, "fuse.curlftpfs": true, "fuse.gvfsd-fuse": true}
