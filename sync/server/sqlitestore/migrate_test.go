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

// TestOldDatabaseIsCounted: what a database from before there were digests holds
// counts once the file is open.
func TestOldDatabaseIsCounted(t *testing.T) {
	old := fstest.MapFS{}
	for _, name := range []string{"0001_server.sql", "0002_chain.sql"} {
		text, err := os.ReadFile("migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		old[name] = &fstest.MapFile{Data: text}
	}
	path := filepath.Join(t.TempDir(), "punchlistd.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: old, AppID: 0x504C6401})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *sqlite.Tx) error {
		for _, statement := range []string{
			"INSERT INTO crews (name, version, number, created_at) VALUES ('north', 2, 10001, 1), ('fresh', 0, 0, 1)",
			"INSERT INTO records VALUES ('north', 'task', 'a07', 1, 0, 0, '', '', '', '{}', '[]'), ('north', 'task', 'b07', 2, 1, 0, '', '', '', '{}', '[]')",
			"INSERT INTO outcomes VALUES ('ann', 'o', 'd', 1, 'north', 1, 'task', 'a07', 55, '{}', 0)",
		} {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	s, err := sqlitestore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, tally, err := s.Leaves(t.Context(), "north")
	if err != nil || c.Digest.Count != 1 || tally[7] != c.Digest || c.Version != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	if changed, err := s.Recount(t.Context(), "north"); changed || err != nil {
		t.Errorf("counted again: %v, %v", changed, err)
	}
	if _, rows, err := s.Leaf(t.Context(), "north", 7, 9); err != nil || len(rows) != 1 || rows[0].At != 55 {
		t.Errorf("%+v, %v", rows, err)
	}
	if n, err := s.Forget(t.Context(), server.Forget{Crew: "north", Before: 55, Limit: 9}); n != 0 || err != nil {
		t.Errorf("%d tombstones are older than the newest outcome, %v", n, err)
	}
}
