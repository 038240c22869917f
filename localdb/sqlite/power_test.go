package sqlite_test

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/mattn/go-sqlite3"
	"go.uber.org/goleak"

	"example.com/punchlist/localdb/sqlite"
)

// The power-cut harness. A run of the real code writes real files; a VFS beside
// the driver's (testdata/powervfs.c) writes down in what order the disk hears of
// them. From that log a disk is made as it may be after the power went at any
// moment, and the real code has to open it and find all that was called saved.

// size picks a number of tries: few, or (make torture) as many as
// a release asks for, or such a share of that: TORTURE=0.1.
func size(ci, release int) int {
	if share, err := strconv.ParseFloat(os.Getenv("TORTURE"), 64); err == nil {
		return max(ci, int(share*float64(release)))
	}
	return ci
}

// The kinds of faults, as powervfs.c has them.
const (
	failNone = iota
	failWrite
	failFull
	failSync
	failRead
	failTruncate
	failOpen
	failKinds
)

// power is a connection that commands the VFS. The VFS belongs to the process,
// so one test has it at a time.
type power struct {
	t  testing.TB
	db *sql.DB
}

var (
	powerTurn  sync.Mutex // one test at a time; guards built
	built      bool
	powerBuilt = sync.OnceValues(buildPower)
)

// buildPower compiles the VFS against the headers of the driver that is linked
// into this very test, and names a driver that loads it.
func buildPower() (dir string, err error) {
	f := runtime.FuncForPC(reflect.ValueOf(sqlite3.Version).Pointer())
	file, _ := f.FileLine(f.Entry())
	headers := filepath.Dir(file)
	if _, err := os.Stat(filepath.Join(headers, "sqlite3ext.h")); err != nil {
		return "", fmt.Errorf("the driver's headers: %w", err)
	}
	if dir, err = os.MkdirTemp("", "powervfs-"); err != nil {
		return "", err
	}
	lib := filepath.Join(dir, "powervfs.so")
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-I", headers, "testdata/powervfs.c", "-o", lib).CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("compile the VFS: %w\n%s", err, out)
	}
	sql.Register("sqlite3_power", &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error { return c.LoadExtension(lib, "sqlite3_powervfs_init") }})
	return dir, nil
}

// TestMain also is the program that kill -9 meets, and takes away what buildPower made.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		runChild(role)
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if built {
			dir, _ := powerBuilt()
			os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}

// takePower gives the test the VFS until its end.
func takePower(t testing.TB) *power {
	t.Helper()
	powerTurn.Lock()
	built = true
	if _, err := powerBuilt(); err != nil {
		powerTurn.Unlock()
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3_power", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	p := &power{t, db}
	sqlite.OnSyncDir(func(string) bool { p.do("SELECT power_dirsync()"); return true })
	t.Cleanup(func() {
		p.do("SELECT power_end()")
		db.Close()
		sqlite.ResetSyncDir()
		powerTurn.Unlock()
	})
	return p
}

func (p *power) do(query string, args ...any) {
	p.t.Helper()
	if _, err := p.db.Exec(query, args...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *power) mark(n int) { p.do("SELECT power_mark(?)", n) }

func (p *power) fault(kind, nth int, sticky bool) {
	p.do("SELECT power_fault(?, ?, ?)", kind, nth, sticky)
}

func (p *power) count(kind int) (n int) {
	if err := p.db.QueryRow("SELECT power_count(?)", kind).Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// record runs f while what happens in dir is written down.
func (p *power) record(dir string, f func()) []event {
	p.t.Helper()
	path := filepath.Join(scratch(p.t), "log")
	p.do("SELECT power_begin(?, ?)", dir, path)
	f()
	p.do("SELECT power_end()")
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return readEvents(text)
}

// scratch is a folder in memory where there is one: nothing here rests on a real
// disk, and cuts are many.
func scratch(t testing.TB) string {
	if dir, err := os.MkdirTemp("/dev/shm", "punchlist-power-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

// The events, as powervfs.c has them.
const (
	evCreate = 1 + iota
	evWrite
	evTruncate
	evSync
	evDirSync
	evUnlink
	evMark
	evSyncFailed
)

type event struct {
	kind int
	name string
	off  int64
	data []byte
}

func readEvents(b []byte) (out []event) {
	for len(b) > 0 {
		kind, name, size := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[8:])
		e := event{kind: int(kind), off: int64(binary.NativeEndian.Uint64(b[12:])), name: string(b[20 : 20+name])}
		b = b[20+name:]
		e.data, b = b[:size:size], b[size:]
		out = append(out, e)
	}
	return out
}

// damage is what becomes of all that no sync has made safe.
type damage int

const (
	loseAll damage = iota
	keepAll
	tornPrefix  // some first part of it is there, the last write of that only in part
	eachForSelf // each sector of it is there or not
	damages
)

func (d damage) String() string {
	return [...]string{"lose all", "keep all", "torn prefix", "each for itself"}[d]
}

// model is a kind of disk.
type model struct {
	strict bool // a name is safe only once its folder was synced; else with its file too
	sector int  // bytes that are written whole or not at all
	lies   bool // a sync does nothing
}

func (m model) String() string { return fmt.Sprintf("strict %v, sector %d", m.strict, m.sector) }

// inode is a file's safe content.
type inode struct{ safe []byte }

// change is one that is not safe yet, in the order in which the disk heard of it.
type change struct {
	kind int
	name string
	file *inode
	off  int64
	data []byte
}

func (c change) ofFolder() bool { return c.kind == evCreate || c.kind == evUnlink }

// disk follows the events up to some moment.
type disk struct {
	model
	rng     *rand.Rand
	live    map[string]*inode // names as programs see them
	safe    map[string]*inode // names that are safe
	pending []change
	acked   int // the highest mark
}

// newDisk starts with files that are safe.
func newDisk(m model, rng *rand.Rand, files map[string][]byte) *disk {
	d := &disk{model: m, rng: rng, live: map[string]*inode{}, safe: map[string]*inode{}}
	for name, content := range files {
		f := &inode{slices.Clone(content)}
		d.live[name], d.safe[name] = f, f
	}
	return d
}

// hear takes one event.
func (d *disk) hear(e event) {
	f := d.live[e.name]
	switch e.kind {
	case evCreate:
		if f == nil {
			d.live[e.name] = &inode{}
			d.pending = append(d.pending, change{kind: evCreate, name: e.name, file: d.live[e.name]})
		}
	case evUnlink:
		delete(d.live, e.name)
		d.pending = append(d.pending, change{kind: evUnlink, name: e.name, file: f})
	case evWrite, evTruncate:
		d.pending = append(d.pending, change{e.kind, e.name, f, e.off, e.data})
	case evSync:
		if !d.lies {
			d.settle(func(c change) bool { return !c.ofFolder() && c.file == f || c.ofFolder() && !d.strict })
		}
	case evDirSync:
		if !d.lies {
			d.settle(change.ofFolder)
		}
	case evSyncFailed: // some of it was written, the rest is forgotten
		d.pending = slices.DeleteFunc(d.pending, func(c change) bool { return !c.ofFolder() && c.file == f && d.rng.IntN(2) == 0 })
		d.settle(func(c change) bool { return !c.ofFolder() && c.file == f })
	case evMark:
		d.acked = int(e.off)
	}
}

// settle makes changes safe.
func (d *disk) settle(which func(change) bool) {
	left := d.pending[:0]
	for _, c := range d.pending {
		if which(c) {
			d.safe = c.lay(d.safe)
		} else {
			left = append(left, c)
		}
	}
	clear(d.pending[len(left):])
	d.pending = left
}

// lay does a change to a folder.
func (c change) lay(names map[string]*inode) map[string]*inode {
	switch c.kind {
	case evCreate:
		names[c.name] = c.file
	case evUnlink:
		delete(names, c.name)
	case evTruncate:
		c.file.resize(c.off)
	case evWrite:
		c.file.write(c.off, c.data)
	}
	return names
}

func (f *inode) resize(n int64) {
	if n <= int64(len(f.safe)) {
		f.safe = f.safe[:n:n]
		return
	}
	f.safe = append(f.safe, make([]byte, n-int64(len(f.safe)))...)
}

func (f *inode) write(off int64, data []byte) {
	if end := off + int64(len(data)); end > int64(len(f.safe)) {
		f.resize(end)
	}
	copy(f.safe[off:], data)
}

// cut is what the disk holds if the power goes now.
func (d *disk) cut(how damage) map[string][]byte {
	copies := map[*inode]*inode{}
	dup := func(f *inode) *inode {
		if copies[f] == nil {
			copies[f] = &inode{slices.Clone(f.safe)}
		}
		return copies[f]
	}
	names := map[string]*inode{}
	for name, f := range d.safe {
		names[name] = dup(f)
	}
	pending := slices.Clone(d.pending)
	for i := range pending {
		if pending[i].file != nil {
			pending[i].file = dup(pending[i].file)
		}
	}
	for _, c := range d.survivors(pending, how) {
		names = c.lay(names)
	}
	out := map[string][]byte{}
	for name, f := range names {
		out[name] = f.safe
	}
	return out
}

// survivors are the changes, or parts of them, that are there after all.
func (d *disk) survivors(pending []change, how damage) []change {
	switch how {
	case loseAll:
		return nil
	case tornPrefix:
		if len(pending) == 0 {
			return nil
		}
		n := d.rng.IntN(len(pending))
		parts := pending[n].sectors(d.sector)
		return append(slices.Clone(pending[:n]), parts[:d.rng.IntN(len(parts)+1)]...)
	case eachForSelf:
		return d.scatter(pending)
	}
	return pending
}

// scatter lets each sector keep what was written to it up to a moment of its
// own. Names obey an order, except on a strict disk.
func (d *disk) scatter(pending []change) (out []change) {
	type place struct {
		file   *inode
		sector int64
	}
	until := map[place]int{}
	names := d.rng.IntN(len(pending) + 1)
	for i, c := range pending {
		if c.ofFolder() {
			if i < names || d.strict && d.rng.IntN(2) == 0 {
				out = append(out, c)
			}
			continue
		}
		for _, part := range c.sectors(d.sector) {
			at := place{part.file, part.off / int64(d.sector)}
			if c.kind == evTruncate {
				at.sector = -1
			}
			if _, drawn := until[at]; !drawn {
				until[at] = len(pending)
				if d.rng.IntN(2) == 0 {
					until[at] = d.rng.IntN(len(pending) + 1)
				}
			}
			if i < until[at] {
				out = append(out, part)
			}
		}
	}
	return out
}

// sectors cuts a write where sectors end.
func (c change) sectors(size int) (out []change) {
	if c.kind != evWrite {
		return []change{c}
	}
	for off, data := c.off, c.data; len(data) > 0; {
		n := min(int64(len(data)), int64(size)-off%int64(size))
		out = append(out, change{c.kind, c.name, c.file, off, data[:n]})
		off, data = off+n, data[n:]
	}
	return out
}

// put writes a platter into a folder, which holds nothing else afterwards.
func put(dir string, files map[string][]byte) error {
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// read takes a folder as a platter.
func read(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	out := map[string][]byte{}
	for _, e := range entries {
		content, readErr := os.ReadFile(filepath.Join(dir, e.Name()))
		if out[e.Name()] = content; readErr != nil {
			return nil, readErr
		}
	}
	return out, err
}
