package reach_test

import (
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/punchlist/sync/reach"
)

// TestTheKernelTellsOfALink switches the loopback link of a network namespace
// of its own, so the machine's links stay as they are.
func TestTheKernelTellsOfALink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a network namespace of its own")
	}
	type result struct{ skip, fail string }
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- result{skip: "no new network namespace here: " + err.Error()}
			return
		}
		w := reach.Watch(reach.Options{})
		defer w.Close()
		if err := linkUp("lo"); err != nil {
			done <- result{skip: "no right to switch a link: " + err.Error()}
			return
		}
		select {
		case <-w.C():
			done <- result{}
		case <-time.After(3 * time.Second):
			done <- result{fail: "lo went up and nothing was reported"}
		}
	}()
	switch r := <-done; {
	case r.skip != "":
		t.Skip(r.skip)
	case r.fail != "":
		t.Fatal(r.fail)
	}
}

func linkUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var ifr struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(ifr.name[:], name)
	ifr.flags = unix.IFF_UP | unix.IFF_RUNNING
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&ifr))); e != 0 {
		return e
	}
	return nil
}
