package pgstore_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/pgstore"
	"example.com/punchlist/sync/server/storetest"
)

// exec runs statements at an address as the role that it names.
func exec(t testing.TB, address, statements string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// as is an address with another user, password or database.
func as(t testing.TB, address, user, password, name string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	if name != "" {
		u.Path = "/" + name
	}
	return u.String()
}

// TestOpenRefused: whatever is wrong with a database is said in a sentence, with
// what to do; the password is never a part of it, and nothing is changed.
func TestOpenRefused(t *testing.T) {
	address := database(t)
	const secret = "s3cr%et:with@signs"
	exec(t, address, `CREATE ROLE guest LOGIN PASSWORD '`+secret+`'; CREATE ROLE shut NOLOGIN PASSWORD '`+secret+`'`)
	foreign, newer, usable := database(t), database(t), database(t)
	exec(t, usable, `GRANT USAGE ON SCHEMA `+schemaOf(t, usable)+` TO guest`)
	exec(t, foreign, `CREATE TABLE invoices (id bigint)`)
	openAt(t, newer)
	exec(t, newer, `UPDATE punchlist_schema SET version = 99`)
	reader, standby, made := database(t), database(t), database(t)
	openAt(t, reader)
	openAt(t, made)
	exec(t, reader, `GRANT USAGE ON SCHEMA `+schemaOf(t, reader)+` TO guest; GRANT SELECT ON ALL TABLES IN SCHEMA `+schemaOf(t, reader)+` TO guest; GRANT INSERT, UPDATE ON settings TO guest`)
	const readOnly = "&default_transaction_read_only=on"
	half := database(t)
	exec(t, half, `CREATE TABLE punchlist_schema (name text)`)
	for name, c := range map[string]struct{ address, says, cure string }{
		"not an address":      {"postgres://u:" + secret + "@h:port/x", "cannot be read", "postgres://USER@HOST"},
		"nobody listens":      {"postgres://u:" + url.QueryEscape(secret) + "@127.0.0.1:1/x", "127.0.0.1:1 does not answer: ", "pg_isready -h 127.0.0.1 -p 1"},
		"wrong password":      {as(t, address, "postgres", secret, ""), "refuses the password of postgres", "PGPASSWORD"},
		"no such role":        {as(t, address, "nobody", secret, ""), "refuses the password of nobody", "PGPASSWORD"},
		"may not log in":      {as(t, address, "shut", secret, ""), "does not let shut in", "pg_hba.conf"},
		"no such database":    {as(t, address, "postgres", storetest.Password, "none"), "no database none", "createdb none"},
		"may not look":        {as(t, address, "guest", secret, ""), "no schema in which guest may make tables", "GRANT CREATE, USAGE"},
		"may not make tables": {as(t, usable, "guest", secret, ""), "guest may not do what is needed", "GRANT CREATE"},
		"no schema":           {strings.Replace(address, "search_path=", "search_path=no", 1), "no schema in which", "search_path"},
		"may only read":       {as(t, reader, "guest", secret, ""), "guest may not do all that is needed in the database postgres: no INSERT into audit, chain, conflicts, 10 more; UPDATE ", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schemaOf(t, reader) + " TO guest"},
		"takes no tables":     {standby + readOnly, "takes no writes", "the primary"},
		"takes no writes":     {made + readOnly, "takes no writes", "the primary"},
		"speaks no TLS":       {strings.Replace(address, "sslmode=disable", "sslmode=require", 1), "does not answer: server refused TLS connection", "sslmode"},
		"another program's":   {foreign, "belongs to another program", ""},
		"not our mark":        {half, "belongs to another program", ""},
		"newer":               {newer, "newer version", ""},
	} {
		s, err := pgstore.Open(t.Context(), c.address)
		if err == nil {
			t.Errorf("%s: opened", name)
			_ = s.Close()
			continue
		}
		var hinted interface{ Hint() string }
		hint := ""
		if errors.As(err, &hinted) {
			hint = hinted.Hint()
		}
		if !strings.Contains(err.Error(), c.says) || !strings.Contains(hint, c.cure) {
			t.Errorf("%s: %q, hint %q; want %q and %q", name, err, hint, c.says, c.cure)
		}
		for _, part := range []string{secret, url.QueryEscape(secret), "s3cr", "with@", storetest.Password} {
			if strings.Contains(err.Error()+hint, part) {
				t.Errorf("%s: the password is in %q, %q", name, err, hint)
			}
		}
	}
	if _, err := pgstore.Open(t.Context(), foreign); !errors.Is(err, pgstore.ErrForeign) {
		t.Errorf("another program's database: %v", err)
	}
	if _, err := pgstore.Open(t.Context(), newer); !errors.Is(err, pgstore.ErrNewer) {
		t.Errorf("a newer database: %v", err)
	}
	exec(t, foreign, `DO $$ BEGIN ASSERT (SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()) = 1; END $$`)
}

// TestRightsThatDo: a role that may do to the tables what the hint says, and no
// more, serves; so does one that may only add to what is only ever added to.
func TestRightsThatDo(t *testing.T) {
	address := database(t)
	owner := storetest.NewRig(t, openAt(t, address))
	owner.User("ann", op.Technician, "north")
	schema := schemaOf(t, address)
	exec(t, address, `CREATE ROLE worker LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA `+schema+` TO worker; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA `+schema+` TO worker;
		REVOKE UPDATE, DELETE ON audit, chain, conflicts, outcomes, forgotten FROM worker`)
	r := storetest.NewRig(t, openAt(t, as(t, address, "worker", "x", "")))
	ann := r.Enrol("ann")
	ann.Must(ann.NewTask(storetest.NewID(), "Boiler"))
	if got := ann.Pull(); len(got.Changes) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestOpenTooMany: more servers than the database takes connections is said so.
func TestOpenTooMany(t *testing.T) {
	address := database(t)
	exec(t, address, `CREATE ROLE single LOGIN PASSWORD 'x' CONNECTION LIMIT 0; GRANT ALL ON SCHEMA `+schemaOf(t, address)+` TO single`)
	_, err := pgstore.Open(t.Context(), as(t, address, "single", "x", ""))
	if err == nil || !strings.Contains(err.Error(), "is full") {
		t.Errorf("%v", err)
	}
}

func schemaOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("search_path")
}

// TestOpenTogether: servers that start at once on a new database agree on one
// schema, which is made once.
func TestOpenTogether(t *testing.T) {
	address := database(t)
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wait.Go(func() {
			s, err := pgstore.Open(t.Context(), address)
			if err == nil {
				_, err = s.PutCrew(t.Context(), fmt.Sprint("crew", i), 1)
				err = errors.Join(err, s.Close())
			}
			errs[i] = err
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var s server.Store = openAt(t, address)
	if crews, err := s.Crews(t.Context()); err != nil || len(crews) != len(errs) {
		t.Errorf("%d crews, %v", len(crews), err)
	}
}
