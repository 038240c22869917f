package pgstore_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/pgstore"
	"example.com/punchlist/sync/server/storetest"
)

// cluster serves all tests but those that kill theirs; each has a database of its own.
var (
	cluster    *storetest.Postgres
	clusterErr error
)

func TestMain(m *testing.M) {
	cluster, clusterErr = storetest.StartPostgres()
	code := m.Run()
	if clusterErr == nil {
		if err := cluster.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if benchStarted.Load() {
		if p, err := benchCluster(); err == nil {
			_ = p.Remove()
		}
	}
	if code == 0 {
		err := goleak.Find(goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// database makes an empty database and returns its address.
func database(t testing.TB) string {
	t.Helper()
	if clusterErr != nil {
		storetest.NoPostgres(t, clusterErr)
	}
	address, err := cluster.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func openAt(t testing.TB, address string) server.Store {
	t.Helper()
	s, err := pgstore.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t testing.TB) server.Store { return openAt(t, database(t)) }

func TestStore(t *testing.T) { storetest.Run(t, open) }

func BenchmarkHotStore(b *testing.B) { storetest.Bench(b, open) }

func TestServersOnOneDatabaseMakeRecurringWorkOnce(t *testing.T) {
	address := database(t)
	storetest.RecurringOnce(t, func() server.Store { return openAt(t, address) })
}
