package cmd_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// network is a network namespace with one device, whose packets come to the test.
type network struct {
	t       *testing.T
	ns      *os.File
	packets *os.File // of the TUN device
}

// newNetwork makes a namespace whose only neighbour is who reads its packets.
func newNetwork(t *testing.T, address string) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("namespaces and TUN devices are root's alone")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip (iproute2) is not here")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mine, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("this machine makes no network namespaces: %v", err)
	}
	defer goBack(t, mine)
	n := &network{t: t}
	if n.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.ns.Close() })
	n.packets = tunDevice(t)
	t.Cleanup(func() { n.packets.Close() })
	for _, args := range []string{"link set lo up", "addr add " + address + " dev tun0", "link set tun0 mtu 1400 up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	return n
}

func goBack(t *testing.T, ns *os.File) {
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // this thread is of no use to anybody else
	}
}

// tunDevice makes tun0 in the thread's namespace.
func tunDevice(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this machine has no TUN devices: %v", err)
	}
	request, err := unix.NewIfreq("tun0")
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		t.Skipf("this machine makes no TUN device: %v", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that Close ends a Read
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "tun0")
}

// in does something in the namespace; the programs that it starts stay there.
func (n *network) in(do func()) {
	n.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mine, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		n.t.Fatal(err)
	}
	defer mine.Close()
	if err := unix.Setns(int(n.ns.Fd()), unix.CLONE_NEWNET); err != nil {
		n.t.Fatal(err)
	}
	defer goBack(n.t, mine)
	do()
}

// air carries packets between two networks, and loses and delays them. Those
// that are delayed differently overtake each other.
type air struct {
	t               *testing.T
	loss            atomic.Int64 // of a thousand
	delay, jitter   time.Duration
	carried, failed atomic.Int64
	wait            sync.WaitGroup
}

// between carries until the test ends.
func (a *air) between(x, y *network) {
	for _, way := range [][2]*os.File{{x.packets, y.packets}, {y.packets, x.packets}} {
		a.wait.Go(func() { a.carry(way[0], way[1]) })
	}
	a.t.Cleanup(func() { x.packets.Close(); y.packets.Close(); a.wait.Wait() })
}

func (a *air) carry(from, to *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			if !errors.Is(err, fs.ErrClosed) {
				a.t.Errorf("read packets: %v", err)
			}
			return
		}
		if rand.Int64N(1000) < a.loss.Load() {
			a.failed.Add(1)
			continue
		}
		a.carried.Add(1)
		packet := append([]byte(nil), buf[:n]...)
		a.wait.Add(1)
		time.AfterFunc(a.delay+rand.N(a.jitter), func() {
			defer a.wait.Done()
			_, _ = to.Write(packet) // a device that is closed loses it
		})
	}
}

// TestF22LossAndJitter: the laptop and the server in network namespaces of their
// own, over a link that loses a tenth of all packets and delays the others by 40
// to 100 ms, each differently. Everything arrives once, on both sides. Where all
// packets are lost the laptop gives up in time, and goes on when they come again.
func TestF22LossAndJitter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	laptop, office := newNetwork(t, "10.77.0.1/24"), newNetwork(t, "10.77.0.2/24")
	link := &air{t: t, delay: 40 * time.Millisecond, jitter: 60 * time.Millisecond}
	link.loss.Store(100)
	link.between(laptop, office)
	w.address = "10.77.0.2:8443"
	rows := w.morning(false)
	office.in(func() { w.serveWith("--tls-auto") })
	var invite struct{ Invite string }
	w.decode(w.office("invite", "ann", "--url", "https://"+w.address, "--json"), &invite)
	laptop.in(func() { w.laptop("a", "enroll", invite.Invite) })
	sync := func() (problem string) {
		began := time.Now()
		laptop.in(func() {
			if _, errs, code := w.try("punchlist", "--db", "a.db", "sync"); code != 0 {
				problem = errs
			}
		})
		t.Logf("a round: %v %s", time.Since(began).Round(time.Millisecond), problem)
		return problem
	}
	settled := func(what string) {
		t.Helper()
		for n := 0; ; n++ {
			problem := sync()
			if problem == "" {
				return
			}
			if n == 5 {
				t.Fatalf("%s: %s", what, problem)
			}
		}
	}
	settled("the first round")
	if got := len(w.tasks("a")); got != rows {
		t.Errorf("the laptop holds %d of %d tasks", got, rows)
	}
	made := 0
	for range 4 {
		for range 5 {
			made++
			w.laptop("a", "add", fmt.Sprint("over the air ", made))
		}
		settled("a round of work")
	}
	link.loss.Store(1000)
	w.laptop("a", "add", "while nothing goes through")
	if problem := sync(); !strings.Contains(problem, "10.77.0.2") {
		t.Errorf("with no packet carried: %q", problem)
	}
	link.loss.Store(100)
	settled("the link is back")
	titles := map[string]int{}
	var list []struct{ Title string }
	w.decode(w.office("task", "list", "--crew", "north", "--json"), &list)
	for _, task := range list {
		titles[task.Title]++
	}
	for n := range made {
		if got := titles[fmt.Sprint("over the air ", n+1)]; got != 1 {
			t.Errorf("the server holds task %d %d times", n+1, got)
		}
	}
	if titles["while nothing goes through"] != 1 || len(w.tasks("a")) != rows+made+1 {
		t.Errorf("the server holds the last one %d times, the laptop %d tasks", titles["while nothing goes through"], len(w.tasks("a")))
	}
	laptop.in(func() { w.laptop("a", "verify") })
	t.Logf("%d packets carried, %d lost", link.carried.Load(), link.failed.Load())
	if link.failed.Load() < 20 {
		t.Error("the link lost next to nothing: the test tests nothing")
	}
}
