package localdb_test

import (
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// closes tells whether do closes the sender's file. The kernel tells in order, so
// the test's own close behind it, of a file open for reading, is what it says first
// if do closes none.
func (f *fixture) closes(do func()) bool {
	f.t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	f.must(err)
	defer unix.Close(fd)
	_, err = unix.InotifyAddWatch(fd, f.path+".sender", unix.IN_CLOSE)
	f.must(err)
	do()
	last, err := os.Open(f.path + ".sender")
	f.must(err)
	f.must(last.Close())
	told := make([]byte, 4096)
	_, err = unix.Read(fd, told)
	f.must(err)
	return binary.NativeEndian.Uint32(told[4:])&unix.IN_CLOSE_WRITE != 0
}

// TestTryingInVainTellsNobody: who waits for the sender's end is not woken by all
// who wait with him.
func TestTryingInVainTellsNobody(t *testing.T) {
	f := newFixture(t)
	other := f.second()
	inVain := func() {
		for range 3 {
			if _, ok, err := f.TryLock(); ok || err != nil {
				t.Fatal("two senders", err)
			}
		}
	}
	release, ok, err := other.TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if f.closes(inVain) {
		t.Error("trying in vain closes the file")
	}
	if !f.closes(release) {
		t.Error("the sender's end does not close the file")
	}
	mine, ok, err := f.TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer mine()
	if f.closes(inVain) {
		t.Error("trying in vain beside the sender of the same program closes the file")
	}
}
