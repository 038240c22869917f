package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/reach"
)

// place looks at who may use the files, and on what they lie.
func (d *doctor) place() {
	bad := len(d.found)
	for _, path := range localdb.Files(d.path) {
		if err := sqlite.CheckFile(path); err != nil {
			d.say("files", trouble, cli.Hint(err), "%s", err)
		}
	}
	dir := filepath.Dir(d.path)
	if err := sqlite.CheckFolder(dir); err != nil {
		d.say("files", trouble, cli.Hint(err), "%s", err)
	}
	if log, err := d.logFile(); err == nil {
		if err := sqlite.CheckFile(log); err != nil {
			d.say("files", trouble, cli.Hint(err), "%s", err)
		}
	}
	if len(d.found) == bad {
		d.say("files", fine, "", "nobody else can use the files")
	}
	switch kind := sqlite.Filesystem(dir); {
	case sqlite.OnNetwork(kind):
		d.say("disk", trouble, "keep the database on a disk of this machine: --db FILE", "the database lies on a network file system (%s)", kind)
	case inMemory(dir):
		d.say("disk", trouble, "keep the database on a disk: --db FILE", "the database lies in memory (%s): it is gone when the laptop is switched off", dir)
	}
	if crypted, known := encrypted(dir); known && !crypted {
		d.say("encryption", notable, "encrypt the disk (LUKS): whoever steals the laptop can read the tasks", "the disk is not encrypted")
	} else if known {
		d.say("encryption", fine, "", "the disk is encrypted")
	}
}

// Free space from which on it is called little, and too little.
const (
	littleSpace = 256 << 20
	noSpace     = 32 << 20
)

// room looks at the space, and at how long a flush takes: a disk that says
// "written" quicker than disks can has not written.
func (d *doctor) room() {
	dir := filepath.Dir(d.path)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return
	}
	switch free := int64(st.Bavail) * int64(st.Bsize); {
	case free < noSpace:
		d.say("space", trouble, "free some space", "%s are left on the disk", megabytes(free))
	case free < littleSpace:
		d.say("space", notable, "free some space before it is needed", "%s are left on the disk", megabytes(free))
	default:
		d.say("space", fine, "", "%s are left on the disk", megabytes(free))
	}
	if took, err := flushTime(dir); err == nil && took < quickFlush {
		d.say("flush", notable, "if this is a real disk, its cache lies: what is called saved may be lost in a power cut; switch the cache off (hdparm -W 0), or use another disk",
			"a flush to the disk takes %s, which is less than disks need", took.Round(time.Microsecond))
	}
}

// quickFlush is less than a flush takes on a disk that does it.
const quickFlush = 15 * time.Microsecond

// flushTime is the shortest of a few flushes of a small file.
func flushTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".flush-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	shortest := time.Hour
	for i := range 8 {
		if _, err := f.WriteAt([]byte{byte(i)}, 0); err != nil {
			return 0, err
		}
		began := time.Now()
		if err := f.Sync(); err != nil {
			return 0, err
		}
		shortest = min(shortest, time.Since(began))
	}
	return shortest, nil
}

func inMemory(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && (int64(uint32(st.Type)) == unix.TMPFS_MAGIC || int64(uint32(st.Type)) == unix.RAMFS_MAGIC)
}

// encrypted tells whether a folder lies on an encrypted disk, as far as that is
// known: it follows the device down to what it is made of.
func encrypted(dir string) (crypted, known bool) {
	info, err := os.Stat(dir)
	if err != nil {
		return false, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false, false
	}
	return encryptedDevice("/sys", fmt.Sprintf("dev/block/%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev)))
}

func encryptedDevice(sys, device string) (crypted, known bool) {
	at := filepath.Join(sys, device)
	if _, err := os.Stat(at); err != nil {
		return false, false // no disk of this machine
	}
	if id, err := os.ReadFile(filepath.Join(at, "dm", "uuid")); err == nil && strings.HasPrefix(string(id), "CRYPT-") {
		return true, true
	}
	below, err := os.ReadDir(filepath.Join(at, "slaves"))
	if errors.Is(err, os.ErrNotExist) {
		below = nil
	}
	for _, e := range below {
		if c, _ := encryptedDevice(sys, filepath.Join(device, "slaves", e.Name())); !c {
			return false, true
		}
	}
	return len(below) > 0, true
}

// kept names the second copies of unsent work that were put aside because they
// held changes which the database did not know.
func (d *doctor) kept() {
	for _, path := range localdb.KeptLogs(d.path) {
		d.say("kept", notable, "show it to whoever looks after this program; once nothing in it is missed, remove it",
			"%s holds changes that this database did not know when it was opened; they are not sent", filepath.Base(path))
	}
}

// reach says whether the server answers, and what is in the way.
func (d *doctor) reach(ctx context.Context, db *localdb.DB, dev localdb.Device) {
	r, detail, cure := reach.Online, "", ""
	if err := newRemotes(db, nil).ping(ctx); err != nil {
		r, detail, cure = engine.ReachOf(err), err.Error(), cli.Hint(err)
	}
	switch r {
	case reach.Online:
		d.say("server", fine, "", "the server at %s answers and knows this laptop", dev.ServerURL)
	case reach.Offline:
		d.say("server", notable, cure, "no way to the server at %s: %s; work goes on and waits", dev.ServerURL, detail)
	case reach.Portal:
		d.say("server", trouble, "open a web page to sign in to this network", "%s", detail)
	case reach.Unauthorised:
		d.say("server", trouble, "ask the office for a new invite, and give it to: punchlist enroll", "%s; nothing on this laptop is lost", detail)
	default:
		d.say("server", trouble, "tell whoever looks after the server", "the server at %s: %s", dev.ServerURL, detail)
	}
}
