package pgstore_test

import (
	"errors"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server/pgstore"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// trouble is a server that works as a role of its own on a small cluster.
type trouble struct {
	*storetest.Device
	p       *storetest.Postgres
	address string // of the database, for the superuser
	worker  string // the same, for the role
	made    int    // changes that were acknowledged
}

func newTrouble(t *testing.T) *trouble {
	p := storetest.NewPostgres(t, "max_connections=12", "superuser_reserved_connections=4")
	w := &trouble{p: p, address: p.Address("field")}
	if err := p.SQL("postgres", `CREATE DATABASE field`); err != nil {
		t.Fatal(err)
	}
	owner, err := pgstore.Open(t.Context(), w.address) // makes the tables
	if err == nil {
		err = owner.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	w.sql(t, `CREATE ROLE worker LOGIN PASSWORD 'pass-of-worker'; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker`)
	w.worker = as(t, w.address, "worker", "pass-of-worker", "")
	r := storetest.NewRig(t, openAt(t, w.worker))
	r.User("ann", op.Technician, "north")
	w.Device = r.Enrol("ann")
	w.is(t, w.Must(w.NewTask(storetest.NewID(), "before")).Version)
	return w
}

func (w *trouble) is(t *testing.T, version int64) {
	t.Helper()
	if w.made++; version != int64(w.made) {
		t.Errorf("change %d stands at version %d", w.made, version)
	}
}

// sql runs statements as the superuser, in the database postgres or that one.
func (w *trouble) sql(t *testing.T, statements string) {
	t.Helper()
	database := "field"
	if strings.Contains(statements, "DATABASE") {
		database = "postgres"
	}
	if err := w.p.SQL(database, statements); err != nil {
		t.Fatal(err)
	}
}

// dropped ends the server's connections.
const dropped = `; SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'worker'`

// TestF48DatabaseShut: what a person does to the database of a server that runs.
// Laptops hear that they may come again, nothing is acknowledged that is not
// kept, and when the database is open again all goes on without a restart.
func TestF48DatabaseShut(t *testing.T) {
	t.Parallel()
	w := newTrouble(t)
	for _, c := range []struct{ name, shut, open string }{
		{"another password", `ALTER ROLE worker PASSWORD 'x'` + dropped, `ALTER ROLE worker PASSWORD 'pass-of-worker'`},
		{"no login", `ALTER ROLE worker NOLOGIN` + dropped, `ALTER ROLE worker LOGIN`},
		{"no right to add", `REVOKE INSERT ON outcomes FROM worker`, `GRANT INSERT ON outcomes TO worker`},
		{"no right to look", `REVOKE SELECT ON crews, devices FROM worker`, `GRANT SELECT ON crews, devices TO worker`},
		{"no connections of its own", `ALTER ROLE worker CONNECTION LIMIT 0` + dropped, `ALTER ROLE worker CONNECTION LIMIT -1`},
		{"read only", `ALTER ROLE worker SET default_transaction_read_only = on` + dropped, `ALTER ROLE worker RESET default_transaction_read_only` + dropped},
		{"another name", dropped[2:] + `; ALTER DATABASE field RENAME TO moved`, `ALTER DATABASE moved RENAME TO field`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.suffers(t, "1", func() { w.sql(t, c.shut) }, func() { w.sql(t, c.open) })
		})
	}
	t.Run("no connection left by others", func(t *testing.T) {
		var others []*pgx.Conn
		w.suffers(t, "1", func() {
			w.sql(t, `CREATE ROLE other LOGIN PASSWORD 'o'`+dropped)
			for {
				c, err := pgx.Connect(t.Context(), as(t, w.address, "other", "o", ""))
				if err != nil {
					break
				}
				others = append(others, c)
			}
		}, func() {
			for _, c := range others {
				_ = c.Close(t.Context())
			}
		})
		if len(others) == 0 {
			t.Error("nobody took a connection")
		}
	})
	if page := w.Pull(); len(page.Changes) != w.made || page.Seen["north"].Version != int64(w.made) {
		t.Errorf("%d records at version %d; %d were acknowledged", len(page.Changes), page.Seen["north"].Version, w.made)
	}
}

// suffers pushes a change while the database is shut, and again when it is open.
func (w *trouble) suffers(t *testing.T, retry string, shut, open func()) {
	t.Helper()
	ask := storetest.Request{Method: http.MethodPost, Path: wire.PathBatch, Token: w.Token, Body: wire.Batch{Ops: []op.Op{w.NewTask(storetest.NewID(), strings.Repeat("x", 150))}}}
	shut()
	for range 3 { // the first one may find a broken connection, the next ones make new ones
		a := w.Do(ask)
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != retry || strings.Contains(string(a.Body), "pass-of") {
			t.Errorf("while it is shut: %d %v %s", a.Status, a.Header, a.Body)
		}
	}
	open()
	late := func() storetest.Answer { // a connection may be found broken once more
		for range 5 {
			if a := w.Do(ask); a.Status == http.StatusOK {
				return a
			}
		}
		return w.Do(ask)
	}
	a := late()
	var out wire.Results
	if a.Status != http.StatusOK {
		t.Fatalf("open again: %d %s", a.Status, a.Body)
	}
	a.Into(&out)
	if r := out.Results[0]; r.Outcome != op.Applied || r.Duplicate {
		t.Errorf("what was answered with 503 had been kept, or was not taken: %+v", r)
	}
	w.is(t, out.Results[0].Version)
}

// TestF59DatabasesDiskIsFull: the disk of PostgreSQL's tables is full. Nothing is
// acknowledged, laptops are told why, and with space again all goes on.
func TestF59DatabasesDiskIsFull(t *testing.T) {
	t.Parallel()
	w := newTrouble(t)
	dir := filepath.Join(w.p.Dir, "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, "mode=0777,size=16m"); err != nil {
		t.Skip("this account may not mount: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	account, err := user.Lookup("postgres") // who may mount is root, and PostgreSQL is not
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(account.Uid)
	if err == nil {
		err = os.Chown(dir, id, -1)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.sql(t, `CREATE TABLESPACE small LOCATION '`+dir+`'`)
	w.sql(t, `ALTER TABLE outcomes SET TABLESPACE small`)
	w.sql(t, `ALTER INDEX outcomes_pkey SET TABLESPACE small`)
	hog := filepath.Join(dir, "hog")
	w.suffers(t, "30", func() {
		fill(t, hog)
		for { // until the room inside the table's last page is used up too
			a := w.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathBatch, Token: w.Token, Body: wire.Batch{Ops: []op.Op{w.NewTask(storetest.NewID(), "fills")}}})
			if a.Status != http.StatusOK {
				if !strings.Contains(string(a.Body), "disk is full") {
					t.Errorf("%d %s", a.Status, a.Body)
				}
				return
			}
			w.made++
		}
	}, func() {
		if err := os.Remove(hog); err != nil {
			t.Fatal(err)
		}
	})
	if page := w.Pull(); page.Seen["north"].Version != int64(w.made) {
		t.Errorf("version %d; %d were acknowledged", page.Seen["north"].Version, w.made)
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err = f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
