package sqlitestore_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
)

// TestOldDatabaseGetsAHistory: a database from before the chain begins one with
// what it holds. Two that grew out of one copy begin differently: what either
// tells of itself is not the other's.
func TestOldDatabaseGetsAHistory(t *testing.T) {
	text, err := os.ReadFile("migrations/0001_server.sql")
	if err != nil {
		t.Fatal(err)
	}
	begin := func() server.Loaded {
		path := filepath.Join(t.TempDir(), "punchlistd.db")
		old, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: fstest.MapFS{"0001_server.sql": {Data: text}}, AppID: 0x504C6401})
		if err != nil {
			t.Fatal(err)
		}
		err = old.Write(t.Context(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec("INSERT INTO crews (name, version, number, created_at) VALUES ('north', 7, 10001, 1), ('fresh', 0, 0, 1)")
			return err
		})
		if err != nil || old.Close() != nil {
			t.Fatal(err)
		}
		s, err := sqlitestore.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		l, err := s.Load(t.Context(), server.Needs{Crews: []string{"fresh", "north"}, Marks: []server.Mark{{Crew: "north", Version: 7}, {Crew: "north", Version: 6}}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a, b := begin(), begin()
	north := a.Crews["north"]
	if north.Version != 7 || north.Number != 10001 || len(north.Fingerprint) < 22 || len(a.Fingerprints) != 1 || a.Fingerprints[server.Mark{Crew: "north", Version: 7}] != north.Fingerprint {
		t.Errorf("%+v", a)
	}
	if a.Crews["fresh"].Fingerprint != "" {
		t.Errorf("a crew without a history: %+v", a.Crews["fresh"])
	}
	if b.Crews["north"].Fingerprint == north.Fingerprint {
		t.Error("two databases begin with the same fingerprint")
	}
}
