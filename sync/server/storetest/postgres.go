package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is a throw-away PostgreSQL on this machine: a cluster of its own in a
// temporary folder, listening on the loopback only, without fsync (its process
// is killed in tests, the machine is not).
type Postgres struct {
	Dir  string
	Port int
	bin  string
	made atomic.Int64
}

// Password is that of the cluster's superuser, postgres.
const Password = "only-for-tests"

// ErrNoPostgres says that PostgreSQL is not installed.
var ErrNoPostgres = errors.New("PostgreSQL is not installed")

// NoPostgres skips a test for want of PostgreSQL, and fails it in CI.
func NoPostgres(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrNoPostgres) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// NewPostgres starts a cluster for one test.
func NewPostgres(t testing.TB, options ...string) *Postgres {
	t.Helper()
	p, err := StartPostgres(options...)
	if err != nil {
		NoPostgres(t, err)
	}
	t.Cleanup(func() {
		if err := p.Remove(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// StartPostgres makes a cluster and starts it; options are settings like
// "fsync=on". Whoever calls it calls [Postgres.Remove].
func StartPostgres(options ...string) (p *Postgres, err error) {
	p = &Postgres{}
	if p.bin, err = postgresBin(); err != nil {
		return nil, err
	}
	if p.Dir, err = os.MkdirTemp("", "punchlist-pg-"); err != nil {
		return nil, err
	}
	if err := p.prepare(options); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.Dir))
	}
	if err := p.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.Dir))
	}
	return p, nil
}

func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real // a link may stand alone, the other programs lie beside what it leads to
		}
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", ErrNoPostgres
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func (p *Postgres) data() string { return filepath.Join(p.Dir, "data") }

func (p *Postgres) prepare(options []string) error {
	secret := filepath.Join(p.Dir, "secret")
	if err := os.WriteFile(secret, []byte(Password), 0o644); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		if err := p.run("chown", "", "-R", "postgres", p.Dir); err != nil {
			return err
		}
	}
	err := p.run(filepath.Join(p.bin, "initdb"), "postgres", "-D", p.data(), "-U", "postgres", "--pwfile", secret, "--no-sync",
		"--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C")
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.Port = ln.Addr().(*net.TCPAddr).Port
	settings := []string{"fsync=off", "listen_addresses='127.0.0.1'", fmt.Sprint("port=", p.Port), fmt.Sprintf("unix_socket_directories='%s'", p.Dir), "max_connections=100"}
	f, err := os.OpenFile(filepath.Join(p.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	_, err = f.WriteString("\n" + strings.Join(append(settings, options...), "\n") + "\n")
	return errors.Join(err, f.Close(), ln.Close())
}

// run runs a command, as another user where that is needed and possible.
func (p *Postgres) run(name, user string, args ...string) error {
	if user != "" && os.Geteuid() == 0 {
		name, args = "runuser", append([]string{"-u", user, "--", name}, args...)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = p.Dir
	log, err := os.CreateTemp("", "punchlist-pg-log-") // a file: a server that stays must not hold a pipe open
	if err != nil {
		return err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, bytes.TrimSpace(text))
	}
	return nil
}

// Start starts the cluster again after [Postgres.Stop] or [Postgres.Kill].
func (p *Postgres) Start() error {
	for n := 1; ; n++ {
		err := p.run(filepath.Join(p.bin, "pg_ctl"), "postgres", "-D", p.data(), "-w", "-t", "120", "-l", filepath.Join(p.Dir, "log"), "start")
		if err == nil || n == 100 { // after Kill, processes that have not noticed yet hold its memory
			return err
		}
		<-time.After(50 * time.Millisecond)
	}
}

// Stop stops the cluster: "fast", or "immediate", which is a crash.
func (p *Postgres) Stop(mode string) error {
	return p.run(filepath.Join(p.bin, "pg_ctl"), "postgres", "-D", p.data(), "-w", "-t", "120", "-m", mode, "stop")
}

// Kill kills the cluster's first process and waits until it is gone. The others
// end by themselves when they notice.
func (p *Postgres) Kill() error {
	text, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || pid < 2 {
		return fmt.Errorf("no process of the cluster: %q, %v", line, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	for syscall.Kill(pid, 0) == nil && !zombie(pid) {
		<-time.After(time.Millisecond)
	}
	return nil
}

// zombie tells whether a process has ended and nobody has asked how.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z")
}

// Remove stops the cluster and takes its folder away.
func (p *Postgres) Remove() error {
	err := p.Stop("immediate")
	return errors.Join(err, os.RemoveAll(p.Dir))
}

// Tool runs one of PostgreSQL's programs, like pg_dump.
func (p *Postgres) Tool(name string, args ...string) error {
	return p.run(filepath.Join(p.bin, name), "postgres", append([]string{"-h", p.Dir, "-p", fmt.Sprint(p.Port), "-U", "postgres"}, args...)...)
}

// SQL runs statements in a database as the superuser.
func (p *Postgres) SQL(database, statements string) error {
	return p.Tool("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statements)
}

// Database makes a new, empty database and returns its address.
func (p *Postgres) Database() (address string, err error) {
	name := fmt.Sprint("test", p.made.Add(1))
	err = p.SQL("postgres", "CREATE DATABASE "+name+" TEMPLATE template0")
	return p.Address(name), err
}

// Schema makes a new, empty schema, which is to a server what a database is but
// made sooner, and returns its address.
func (p *Postgres) Schema(ctx context.Context) (address string, err error) {
	name := fmt.Sprint("schema", p.made.Add(1))
	c, err := pgx.Connect(ctx, p.Address("postgres"))
	if err != nil {
		return "", err
	}
	_, err = c.Exec(ctx, "CREATE SCHEMA "+name)
	return p.Address("postgres") + "&search_path=" + name, errors.Join(err, c.Close(ctx))
}

// Address is a database's address, for the superuser.
func (p *Postgres) Address(name string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", Password), Host: fmt.Sprintf("127.0.0.1:%d", p.Port), Path: "/" + name, RawQuery: "sslmode=disable"}
	return u.String()
}
