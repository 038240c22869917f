package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"example.com/punchlist/localdb/sqlite"
)

var v1 = fstest.MapFS{"0001_first.sql": {Data: []byte("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT) STRICT;")}}
var v2 = fstest.MapFS{"0001_first.sql": v1["0001_first.sql"], "0002_more.sql": {Data: []byte("ALTER TABLE t ADD COLUMN w TEXT;")}}

func options(m fs.FS) sqlite.Options { return sqlite.Options{Migrations: m, AppID: 77} }

func open(t *testing.T, path string, o sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func insert(db *sqlite.DB, v string) error {
	return db.Write(context.Background(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO t (v) VALUES (?)", v)
		return err
	})
}

func count(t *testing.T, db *sqlite.DB) (n int) {
	t.Helper()
	if err := db.Read(t.Context(), func(tx *sqlite.Tx) error { return tx.Scan([]any{&n}, "SELECT count(*) FROM t") }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEveryConnectionHasThePragmas(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a", "b.db"), options(v1))
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "0"}
	look := func(tx *sqlite.Tx) error {
		for pragma, value := range want {
			var got string
			if err := tx.Scan([]any{&got}, "PRAGMA "+pragma); err != nil {
				return err
			}
			if got != value {
				t.Errorf("PRAGMA %s is %s, want %s", pragma, got, value)
			}
		}
		return nil
	}
	if err := db.Write(t.Context(), look); err != nil {
		t.Fatal(err)
	}
	// Nested reads take several reader connections.
	err := db.Read(t.Context(), func(a *sqlite.Tx) error {
		return db.Read(t.Context(), func(b *sqlite.Tx) error { return errors.Join(look(a), look(b)) })
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "x.db")
	db := open(t, path, options(v1))
	if err := insert(db, "a"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(name), info.Mode().Perm())
		}
	}
	if info, _ := os.Stat(filepath.Dir(path)); info.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %v, want 0700", info.Mode().Perm())
	}
}

func TestAFailedWriteLeavesNothing(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), options(v1))
	boom := errors.New("boom")
	err := db.Write(t.Context(), func(tx *sqlite.Tx) error {
		if _, err := tx.Exec("INSERT INTO t (v) VALUES ('x')"); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Write(t.Context(), func(tx *sqlite.Tx) error {
			_, _ = tx.Exec("INSERT INTO t (v) VALUES ('x')")
			panic("half way")
		})
	}()
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows stayed", n)
	}
	if err := insert(db, "after"); err != nil {
		t.Fatal("the writer must live on:", err)
	}
}

func TestTwoProcessesWriteWithoutBusyErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	a, b := open(t, path, options(v1)), open(t, path, options(v1))
	var wg sync.WaitGroup
	for _, db := range []*sqlite.DB{a, b, a, b} {
		wg.Go(func() {
			for range 25 {
				if err := insert(db, "v"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, b); n != 100 {
		t.Errorf("%d rows, want 100", n)
	}
}

func TestWatchTellsOfBothProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	a, b := open(t, path, options(v1)), open(t, path, options(v1))
	ctx, cancel := context.WithCancel(t.Context())
	ch := a.Watch(ctx, 5*time.Millisecond)
	for _, db := range []*sqlite.DB{a, b} {
		for len(ch) > 0 {
			<-ch
		}
		if err := insert(db, "v"); err != nil {
			t.Fatal(err)
		}
		<-ch // the test's own deadline is the bound
	}
	cancel()
	for range ch { // closed in the end
	}
}

// Where the kernel tells of writes nobody has to look every so often, and still no
// commit of another process is missed, however close it follows another.
func TestWatchHearsOfEveryCommit(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nothing tells of writes here")
	}
	path := filepath.Join(t.TempDir(), "x.db")
	hearing := options(v1)
	hearing.Hear = true
	a, b := open(t, path, hearing), open(t, path, options(v1))
	ch := a.Watch(t.Context(), time.Hour)
	for i := range 30 {
		if err := insert(b, "v"); err != nil {
			t.Fatal(err)
		}
		for seen := 0; seen <= i; seen = count(t, a) {
			<-ch // the test's own deadline is the bound
		}
	}
}

func TestAnyNumberOfReadersWait(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), options(v1))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { count(t, db) })
	}
	wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Read(ctx, func(*sqlite.Tx) error { return nil }); err == nil {
		t.Error("a read with a dead context went on")
	}
}

func TestMigrations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, options(v1))
	if err := insert(db, "kept"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	db = open(t, path, options(v2))
	if n := count(t, db); n != 1 {
		t.Fatalf("%d rows after migration", n)
	}
	db.Close()
	_, err := sqlite.Open(t.Context(), path, options(v1))
	if !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("an older program got %v, want ErrNewer", err)
	}
	looking := options(v1)
	looking.ReadOnly = true
	if n := count(t, open(t, path, looking)); n != 1 {
		t.Errorf("an older program that only looks sees %d rows", n)
	}
	broken := fstest.MapFS{"0003_bad.sql": {Data: []byte("CREATE TABLE u (x); nonsense;")}}
	for name, f := range v2 {
		broken[name] = f
	}
	if _, err := sqlite.Open(t.Context(), path, options(broken)); err == nil {
		t.Error("a broken migration passed")
	}
	db = open(t, path, options(v2)) // the old schema stands
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// A number that stands twice, or is left out, would be skipped in silence by
// every file that has passed it.
func TestMigrationNumbersHaveNoGapsAndNoTwins(t *testing.T) {
	more := &fstest.MapFile{Data: []byte("CREATE TABLE more (x);")}
	for name, m := range map[string]fstest.MapFS{
		"gap":   {"0001_first.sql": v1["0001_first.sql"], "0003_more.sql": more},
		"twins": {"0001_first.sql": v1["0001_first.sql"], "0002_a.sql": more, "0002_b.sql": more},
		"zero":  {"0000_first.sql": v1["0001_first.sql"]},
	} {
		if db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), options(m)); err == nil {
			db.Close()
			t.Errorf("%s: opened", name)
		}
	}
}

func TestWhatIsNotOursStaysAsItIs(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	foreign := filepath.Join(dir, "foreign.db")
	os.WriteFile(text, []byte("this is a shopping list, quite a long one, and no database at all"), 0o600)
	raw, err := sql.Open("sqlite3", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec("CREATE TABLE other (x)"); err != nil {
		t.Fatal(err)
	}
	raw.Close()
	if err := os.Chmod(foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{text: sqlite.ErrNotSQLite, foreign: sqlite.ErrForeign} {
		before, _ := os.ReadFile(path)
		_, err := sqlite.Open(t.Context(), path, options(v1))
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", filepath.Base(path), err, want)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s was changed", filepath.Base(path))
		}
	}
	if _, err := sqlite.Open(t.Context(), dir, options(v1)); err == nil {
		t.Error("a folder was opened")
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: v1, AppID: 77, ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	w := open(t, path, options(v1))
	if err := insert(w, "a"); err != nil {
		t.Fatal(err)
	}
	r := open(t, path, sqlite.Options{Migrations: v1, AppID: 77, ReadOnly: true})
	if n := count(t, r); n != 1 {
		t.Errorf("%d rows", n)
	}
	if err := insert(r, "b"); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("got %v, want ErrReadOnly", err)
	}
}

func TestCloseTwiceAndAfterwards(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), options(v1))
	db.Close()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := insert(db, "x"); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A reader connection that is used again must see what was committed meanwhile.
func TestEachReadIsAFreshSnapshot(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), options(v1))
	for want := range 9 { // more reads than there are reader connections
		if n := count(t, db); n != want {
			t.Fatalf("read %d sees %d rows", want, n)
		}
		if err := insert(db, "v"); err != nil {
			t.Fatal(err)
		}
	}
}
