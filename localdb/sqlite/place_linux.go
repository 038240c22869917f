package sqlite

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// magic is how the kernel numbers them (statfs(2)).
var magic = map[int64]string{0x6969: "nfs", 0x517b: "smb", 0xfe534d42: "smb2", 0xff534d42: "cifs", 0x564c: "ncp", 0x5346414f: "afs", 0x6b414653: "afs",
	0x73757245: "coda", 0x00c36400: "ceph", 0x01021997: "9p", 0x65735546: "fuse"}

// Filesystem names the file system that a folder lies on, as far as that matters
// here: those of a network by name, one in user space as fuse.NAME, any other "".
func Filesystem(dir string) string {
	for ; ; dir = filepath.Dir(dir) { // the folder may have to be made yet
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return ""
		}
		name := magic[int64(uint32(st.Type))]
		if name == "fuse" {
			return fuseName(dir)
		}
		return name
	}
}

// fuseName asks the list of mounts which program is behind a folder.
func fuseName(dir string) string {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "fuse"
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "fuse"
	}
	defer f.Close()
	return mountOf(bufio.NewScanner(f), real)
}

// mountOf finds the innermost mount around a folder and returns its type:
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
func mountOf(list *bufio.Scanner, dir string) string {
	best, name := -1, "fuse"
	for list.Scan() {
		front, back, ok := strings.Cut(list.Text(), " - ")
		place, kind := strings.Fields(front), strings.Fields(back)
		if !ok || len(place) < 5 || len(kind) == 0 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(place[4])
		if inside := dir == point || strings.HasPrefix(dir, strings.TrimSuffix(point, "/")+"/"); inside && len(point) >= best {
			best, name = len(point), kind[0]
		}
	}
	return name
}

// reserve gives a file its space without writing it.
func reserve(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = f.Write(make([]byte, size))
	}
	return err
}
