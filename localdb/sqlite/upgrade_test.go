package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// Each schema that ever was stands in testdata/schemas, as sqlite3's .dump of a file
// with some rows in it: a migration that is edited after its time is found out. A new
// migration needs a fixture of the schema before it; FIXTURES=1 makes those that
// are missing, from the migrations as they stand.

var kinds = map[string]struct {
	migrations string
	appID      int
}{"laptop": {"../migrations", 0x706e6368}, "server": {"../../sync/server/sqlitestore/migrations", 0x504C6401}}

// fixtures names those of a kind, oldest first: every schema but the newest needs one.
func fixtures(t *testing.T, kind string) (out []string, newest int) {
	t.Helper()
	k := kinds[kind]
	steps, err := filepath.Glob(k.migrations + "/*.sql")
	if err != nil || len(steps) == 0 {
		t.Fatalf("no migrations of a %s: %v", kind, err)
	}
	slices.Sort(steps)
	for n := 1; n < len(steps); n++ {
		path := fmt.Sprintf("testdata/schemas/%s-%04d.sql", kind, n)
		if _, err := os.Stat(path); err != nil && os.Getenv("FIXTURES") != "" {
			makeFixture(t, path, kind, steps[:n])
		}
		out = append(out, path)
	}
	return out, len(steps)
}

func makeFixture(t *testing.T, path, kind string, steps []string) {
	t.Helper()
	text := ""
	for _, name := range append(slices.Clone(steps), "testdata/schemas/"+kind+".sql") {
		part, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text += string(part)
	}
	cmd := exec.Command("sqlite3", filepath.Join(t.TempDir(), "x.db"), ".bail on", ".read /dev/stdin", ".dump")
	cmd.Stdin = strings.NewReader(text)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	dump, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("%v %s", err, &complaints)
	}
	head := fmt.Sprintf("PRAGMA application_id=%d;\nPRAGMA user_version=%d;\n", kinds[kind].appID, len(steps))
	if err := os.WriteFile(path, append([]byte(head), dump...), 0o644); err != nil {
		t.Fatal(err)
	}
}

// load makes a database out of a fixture.
func load(t *testing.T, fixture string) string {
	t.Helper()
	text, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatalf("%v: run this test with FIXTURES=1 before you add a migration", err)
	}
	path := filepath.Join(scratch(t), "x.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil { // SQLite would let others read it
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	if _, err := raw.Exec(string(text)); err != nil {
		t.Fatalf("%s: %v", fixture, err)
	}
	return path
}

// TestUpgradeLaptop (I11, G17): a laptop of every schema so far opens, shows and
// sends what it held, and works on.
func TestUpgradeLaptop(t *testing.T) {
	names, _ := fixtures(t, "laptop")
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) { upgraded(t, load(t, name)) })
	}
}

func upgraded(t *testing.T, path string) {
	t.Helper()
	ctx := context.Background()
	db, err := localdb.Open(ctx, path, localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := db.Summary(ctx)
	if err != nil || s.Pending != 2 || s.Parked != 1 || s.Tasks != 2 || s.Device.User != "ann" {
		t.Errorf("%+v %v", s, err)
	}
	batch, err := db.NextBatch(ctx, 10, 1<<20)
	if err != nil || len(batch) != 2 || batch[0].ID != "0198bbbb-0000-7000-8000-000000000005" || batch[0].Seq != 5 || batch[1].Fields.Text("title") != "My own" {
		t.Errorf("%+v %v", batch, err)
	}
	if found, err := db.FindTask(ctx, "T-10001"); err != nil || found != "0198aaaa-0000-7000-8000-000000000001" {
		t.Errorf("%s %v", found, err)
	}
	saved, err := db.Do(ctx, localdb.Change{Kind: op.Task, ID: "0198aaaa-0000-7000-8000-000000000001", Action: op.Update, Fields: op.Fields{"asset": "A2"}})
	if err != nil || len(saved.OpIDs) != 1 {
		t.Errorf("%+v %v", saved, err)
	}
	if err := look(path, func(*sql.DB) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestUpgradeServer: a server of every schema so far starts, knows what it settled,
// and takes what is new.
func TestUpgradeServer(t *testing.T) {
	names, _ := fixtures(t, "server")
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			s, closer, err := serve(load(t, name))
			if err != nil {
				t.Fatal(err)
			}
			defer closer.Close()
			by := ann
			by.Device = "dev"
			task := "0198aaaa-0000-7000-8000-000000000001"
			results, err := s.Apply(t.Context(), by, []op.Op{
				{ID: "0198bbbb-0000-7000-8000-000000000001", Seq: 1, Kind: op.Task, Entity: task, Action: op.Update, Fields: op.Fields{"title": "Inspect", op.UpdatedAt: int64(1_790_000_000_000)}, CreatedAt: 1, Schema: op.Schema},
				{ID: "0198bbbb-0000-7000-8000-000000000002", Seq: 2, Kind: op.Task, Entity: task, Action: op.Update, Base: 2, Fields: op.Fields{"asset": "A1", op.UpdatedAt: int64(1_790_000_000_500)}, CreatedAt: 1, Schema: op.Schema},
			})
			if err != nil || len(results) != 2 || !results[0].Duplicate || results[0].Version != 1 || results[1].Outcome != op.Applied || results[1].Version != 3 {
				t.Errorf("%+v %v", results, err)
			}
		})
	}
}

// TestF73KillInMigration (I11): killed at any moment of a migration, the file has
// the old schema or the new one, with all that was in it.
func TestF73KillInMigration(t *testing.T) {
	names, newest := fixtures(t, "laptop")
	rng := rand.New(rand.NewPCG(73, 1))
	found := map[int]int{}
	for cycle := range size(16, 400) {
		n := cycle % len(names)
		path := load(t, names[n])
		if err := killed("open", path, time.Duration(rng.IntN(25_000))*time.Microsecond, func(string) {}); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		err := look(path, func(raw *sql.DB) error {
			var version int
			err := raw.QueryRow("PRAGMA user_version").Scan(&version)
			if found[version]++; version != n+1 && version != newest {
				err = fmt.Errorf("schema %d, neither %d nor %d", version, n+1, newest)
			}
			return err
		})
		if err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		upgraded(t, path)
		os.RemoveAll(filepath.Dir(path))
	}
	t.Logf("schemas that the kills left: %v", found)
}

// TestF73PowerCutInMigration: the same when the power goes.
func TestF73PowerCutInMigration(t *testing.T) {
	p := takePower(t)
	names, _ := fixtures(t, "laptop")
	for i, name := range names {
		if i%4 >= size(1, 4) {
			continue
		}
		path := load(t, name)
		start, err := read(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		events := p.record(filepath.Dir(path), func() {
			db, err := localdb.Open(t.Context(), path, localdb.Options{})
			if err != nil {
				t.Fatal(err)
			}
			db.Close()
		})
		rng := rand.New(rand.NewPCG(uint64(i), 73))
		report(t, uint64(i), cuts(t, events, start, size(24, 200), rng, allModels, func(dir string, _, _ int) error {
			db, err := localdb.Open(context.Background(), filepath.Join(dir, "x.db"), localdb.Options{})
			if err != nil {
				return err
			}
			defer db.Close()
			if s, err := db.Summary(context.Background()); err != nil || s.Pending != 2 || s.Parked != 1 || s.Tasks != 2 {
				return fmt.Errorf("%+v %w", s, err)
			}
			return nil
		}))
	}
}

// TestF72NewerSchema (I11): a file of a newer program is refused for work, opens for
// looking, and stays as it is, byte for byte.
func TestF72NewerSchema(t *testing.T) {
	names, newest := fixtures(t, "laptop")
	path := load(t, names[len(names)-1])
	db, err := localdb.Open(t.Context(), path, localdb.Options{})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(fmt.Sprintf("ALTER TABLE tasks ADD COLUMN later TEXT; PRAGMA user_version=%d", newest+1)); err != nil {
		t.Fatal(err)
	}
	raw.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := localdb.Open(t.Context(), path, localdb.Options{}); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("opened for work: %v", err)
	}
	db, err = localdb.Open(t.Context(), path, localdb.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "unsent")
	head, err := db.ExportQueue(t.Context(), file, nil)
	if err != nil || head.Count != 3 {
		t.Errorf("%+v %v", head, err)
	}
	db.Close()
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
}
