package cmd_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/sync/server/storetest"
)

// TestRollingRestart: three servers on one PostgreSQL under load. One after the
// other is stopped, in turn killed and asked to stop, and comes back. Laptops go
// on by the other ones; no change is lost, none takes effect twice.
func TestRollingRestart(t *testing.T) {
	w := newWorld(t)
	p := storetest.NewPostgres(t)
	db, err := p.Database()
	if err != nil {
		t.Fatal(err)
	}
	var servers []*member
	urls := []string{}
	for range 3 {
		m := &member{world: w, db: db, address: freeAddress(t)}
		m.start()
		servers = append(servers, m)
		urls = append(urls, "--url", "http://"+m.address)
	}
	load := w.command(t.Context(), "punchlistd", append([]string{"load", "--db", db, "--devices", "12", "--crews", "2", "--ops", "1000000", "--batch", "20", "--for", "6s", "--json"}, urls...)...)
	var out, errs bytes.Buffer
	load.Stdout, load.Stderr = &out, &errs
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- load.Wait() }()
	var over error
	for n, running := 0, true; running; n++ {
		select {
		case over = <-ended:
			running = false
		case <-time.After(800 * time.Millisecond): // the pace of the restarts, not a wait for something
			servers[n%3].restart([]os.Signal{syscall.SIGKILL, syscall.SIGTERM}[n%2])
		}
	}
	var tally struct {
		Ops, Lost, Doubled, Unsettled int
		Errors                        map[string]int
		Why                           []string
	}
	if err := json.Unmarshal(out.Bytes(), &tally); err != nil || over != nil {
		t.Fatalf("%v, %v in %s\n%s", over, err, out.Bytes(), errs.Bytes())
	}
	if tally.Lost+tally.Doubled+tally.Unsettled != 0 || tally.Ops < 100 || len(tally.Errors) == 0 {
		t.Errorf("%+v", tally)
	}
	t.Logf("%d changes, %v", tally.Ops, tally.Errors)
	for _, m := range servers {
		m.stop(syscall.SIGTERM)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// member is one server of several on a database.
type member struct {
	*world
	db, address string
	process     *exec.Cmd
	said        *bytes.Buffer
}

// start starts the server and waits until it is ready.
func (m *member) start() {
	m.t.Helper()
	m.said = &bytes.Buffer{}
	m.process = m.command(m.t.Context(), "punchlistd", "serve", "--db", m.db, "--listen", m.address)
	m.process.Stderr = m.said
	out, err := m.process.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.process.Start(); err != nil {
		m.t.Fatal(err)
	}
	line := make([]byte, 300)
	n, err := out.Read(line)
	if err != nil || !strings.Contains(string(line[:n]), "serving http://"+m.address) {
		_ = m.process.Wait()
		m.t.Fatalf("it says %q, %v\n%s", line[:n], err, m.said)
	}
	if strings.Contains(string(line[:n]), storetest.Password) {
		m.t.Errorf("the database's password is shown: %q", line[:n])
	}
}

// stop ends the server; one that was asked to stop must end well.
func (m *member) stop(how os.Signal) {
	m.t.Helper()
	if err := m.process.Process.Signal(how); err != nil {
		m.t.Error(err)
	}
	if err := m.process.Wait(); err != nil && how != syscall.SIGKILL {
		m.t.Errorf("a server that was to stop ended with %v\n%s", err, m.said)
	}
}

func (m *member) restart(how os.Signal) {
	m.t.Helper()
	m.stop(how)
	m.start()
}
