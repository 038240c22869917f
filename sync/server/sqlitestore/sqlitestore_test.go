package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/server/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

func open(t testing.TB) server.Store {
	s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "punchlistd.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

func BenchmarkHotStore(b *testing.B) { storetest.Bench(b, open) }
