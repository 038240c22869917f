package cmd_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/localdb"
)

// lodge is a real sshd of the test's own: its own keys, configuration and port on
// loopback, run as whoever runs the test, who is also the one that logs in.
type lodge struct {
	w       *world
	user    string
	address string
}

func (w *world) lodge() *lodge {
	w.t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd = "/usr/sbin/sshd"; exec.Command(sshd, "-V").Err != nil {
			w.t.Skip(err)
		}
	}
	for _, tool := range []string{sshd, "ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				w.t.Fatal(err)
			}
			w.t.Skip(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		w.t.Fatal(err)
	}
	if os.Getuid() == 0 { // the folder that a start by the system makes
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	dir := filepath.Join(w.dir, "ssh")
	if err := os.Mkdir(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	for _, key := range []string{"host", "person"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			w.t.Fatalf("%v: %s", err, out)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	l := &lodge{w: w, user: me.Username, address: ln.Addr().String()}
	ln.Close()
	host, port, _ := net.SplitHostPort(l.address)
	config := w.file("ssh/sshd_config", fmt.Sprintf(`ListenAddress %s
Port %s
HostKey %s/host
AuthorizedKeysFile %s/person.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
PrintLastLog no
AcceptEnv *
`, host, port, dir, dir))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(sshd, "-D", "-e", "-f", config)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
		if w.t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			w.t.Logf("sshd: %s", text)
		}
	})
	w.eventually("sshd to listen", func() bool {
		c, err := net.Dial("tcp", l.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return l
}

// eventually waits for a condition.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	over := time.NewTimer(patience)
	defer over.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-over.C:
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// badLine is a link in user space between ssh and sshd: 300 ms there and back and
// 64 kbit/s, which can stall, and be cut.
type badLine struct {
	ln net.Listener
	to string

	mu    sync.Mutex // guards all below
	good  bool       // as fast as loopback is
	stall chan struct{}
	conns []net.Conn
	down  int // bytes brought to the person
}

const (
	lineDelay = 150 * time.Millisecond // one way
	lineRate  = 64_000 / 8             // bytes a second
)

func (w *world) badLine(to string) *badLine {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	b := &badLine{ln: ln, to: to, good: true}
	go b.accept()
	w.t.Cleanup(func() { ln.Close(); b.cut() })
	return b
}

func (b *badLine) accept() {
	for {
		near, err := b.ln.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", b.to)
		if err != nil {
			near.Close()
			continue
		}
		b.mu.Lock()
		b.conns = append(b.conns, near, far)
		b.mu.Unlock()
		go b.carry(far, near, nil)
		go b.carry(near, far, &b.down)
	}
}

// packet is what is on its way.
type packet struct {
	bytes []byte
	due   time.Time
}

// carry takes bytes from one end to the other: each packet leaves when the one
// before has passed, and arrives the delay later.
func (b *badLine) carry(to, from net.Conn, count *int) {
	way := make(chan packet, 4096)
	go func() {
		defer close(way)
		free := time.Time{} // when the line has room again
		for {
			buf := make([]byte, 1400)
			n, err := from.Read(buf)
			if n > 0 {
				b.mu.Lock()
				good := b.good
				if count != nil {
					*count += n
				}
				b.mu.Unlock()
				p := packet{bytes: buf[:n], due: time.Now()}
				if !good {
					if free.Before(p.due) {
						free = p.due
					}
					free = free.Add(time.Duration(n) * time.Second / lineRate)
					p.due = free.Add(lineDelay)
				}
				way <- p
			}
			if err != nil {
				return
			}
		}
	}()
	defer to.Close()
	for p := range way {
		<-time.After(time.Until(p.due))
		b.mu.Lock()
		stall := b.stall
		b.mu.Unlock()
		if stall != nil {
			<-stall
		}
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	for range way { // what nobody takes any more
	}
}

// set makes the line a good or a bad one.
func (b *badLine) set(good bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.good = good
}

// stalls stops all that is on the line, both ways, until flows.
func (b *badLine) stalls() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stall == nil {
		b.stall = make(chan struct{})
	}
}

func (b *badLine) flows() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stall != nil {
		close(b.stall)
		b.stall = nil
	}
}

// cut breaks all connections.
func (b *badLine) cut() {
	b.flows()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
	b.conns = nil
}

func (b *badLine) brought() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down
}

// login runs the screen through ssh over a line. The login itself goes over a good
// one, to spare the test's time.
func (l *lodge) login(line *badLine) *session {
	l.w.t.Helper()
	line.set(true)
	host, port, _ := net.SplitHostPort(line.ln.Addr().String())
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		l.w.t.Fatal(err)
	}
	dir := filepath.Join(l.w.dir, "ssh")
	remote := fmt.Sprintf("cd %s && exec env LANG=C.UTF-8 LC_ALL=C.UTF-8 NO_COLOR= HOME=%s XDG_DATA_HOME=%s XDG_STATE_HOME=%s/state %s --db a.db", l.w.dir, l.w.dir, l.w.dir, l.w.dir, filepath.Join(l.w.bin, "punchlist"))
	s := l.w.session(80, 24, nil, ssh, "-tt", "-F", "/dev/null", "-i", filepath.Join(dir, "person"), "-p", port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-o", "EscapeChar=none", l.user+"@"+host, remote)
	s.mu.Lock()
	s.plain = false
	s.mu.Unlock()
	s.sees("Inspect the boiler", "ON THIS LAPTOP").forgive()
	line.set(false)
	return s
}

// A technician over a line of 300 ms and 64 kbit/s that stalls: keys typed ahead do
// what they say, a session that is killed keeps what was typed, and the next one
// offers it.
func TestThroughSSHOverABadLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tasksOn("a")
	l := w.lodge()
	line := w.badLine(l.address)
	s := l.login(line)

	before, began := line.brought(), time.Now()
	s.types("j").until("the next row to be marked", func(shown string) bool {
		return strings.Contains(shown, "> NEW-") && !strings.Contains(strings.SplitN(shown, "\n", 4)[2], "> ")
	})
	t.Logf("a key over 300 ms: %v and %d bytes with what ssh adds", time.Since(began), line.brought()-before)

	s.types("knKey is at the gate.\r").sees("Note added. Saved on this laptop.", "1n") // one packet, typed ahead
	s.types("\x1b[B").types("\x1b").types("[A").sees("Inspect the boiler")             // a sequence in pieces

	line.stalls() // nothing gets through: what is typed meanwhile counts afterwards
	s.types("n").types("Typed into a ").types("stalled line.").types("\r")
	line.flows()
	s.sees("2n", "Note added.")

	s.types("nHalf a th").sees("Half a th")
	line.stalls() // and never comes back: the client is killed, the line cut
	_ = s.cmd.Process.Kill()
	<-s.exited
	line.cut()
	w.eventually("the draft of the lost session", func() bool { return w.draft("a") == "Half a th" })

	again := l.login(line)
	again.sees("2n").types("n").sees("Half a th", "Here is what you typed").types("ought.\r").sees("3n", "Note added.")
	again.types("q")
	took := again.ends(0)
	t.Logf("q to the end of ssh over that line: %v", took)
	if got := w.laptop("a", "show", strings.Fields(w.laptop("a", "list"))[1]); !strings.Contains(got, "Half a thought.") || !strings.Contains(got, "Typed into a stalled line.") || !strings.Contains(got, "Key is at the gate.") {
		t.Error(got)
	}
}

// draft is the text of a lost note on a laptop.
func (w *world) draft(laptop string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	db, err := localdb.Open(ctx, filepath.Join(w.dir, laptop+".db"), localdb.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	page, err := db.Tasks(ctx, localdb.Query{})
	if err != nil {
		w.t.Fatal(err)
	}
	d, _, err := db.FindDraft(ctx, "note:"+page.Rows[0].ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return d.Texts["body"]
}
