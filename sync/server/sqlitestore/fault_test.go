package sqlitestore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

var errGone = errors.New("the disk is gone")

// folder is one in memory where there is such.
func folder(t *testing.T) string {
	if dir, err := os.MkdirTemp("/dev/shm", "punchlistd-test-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

// TestF56F58EveryStatementFails (I3, I12, I13): whichever statement of whatever is
// asked of the server fails, the answer says so; the same again succeeds, and all
// of it is there once, with the audit whole.
func TestF56F58EveryStatementFails(t *testing.T) {
	t.Parallel()
	var left atomic.Int64          // statements until the fault; below 1: none comes
	var hit atomic.Pointer[string] // the statement that failed
	store, err := sqlitestore.OpenFaulty(t.Context(), filepath.Join(folder(t), "d.db"), func(query string) error {
		if left.Add(-1) != 0 {
			return nil
		}
		hit.Store(&query)
		return errGone
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := storetest.NewRigWith(t, store, server.Options{Tokens: server.TokenRules{Renew: time.Hour}})
	r.User("ann", op.Technician, "North")
	ann := r.Enrol("ann")
	shared := storetest.NewID()
	ann.Must(ann.NewTask(shared, "Everybody's"))
	by, err := r.Server.Office(t.Context(), "", "North")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	made, users := 1, 1
	status := func(a storetest.Answer) error {
		if a.Status != http.StatusOK {
			return fmt.Errorf("status %d: %.200s", a.Status, a.Body)
		}
		return nil
	}
	// Each makes something that is then asked for again and again until it is done.
	asks := map[string]func() func() error{
		"push": func() func() error {
			made++
			ops := []op.Op{ann.NewTask(storetest.NewID(), "Once"), ann.Set(shared, 0, op.Fields{"asset": fmt.Sprint("A", made)})}
			return func() error {
				results, err := ann.TryPush(ops...)
				for i := range results {
					if results[i].Outcome != op.Applied && results[i].Outcome != op.Merged {
						err = errors.Join(err, fmt.Errorf("%+v", results[i]))
					}
				}
				return err
			}
		},
		"pull": func() func() error {
			return func() error {
				ann.Cursor = ""
				_, err := ann.TryPage(5)
				return err
			}
		},
		"history": func() func() error {
			return func() error {
				return status(r.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathHistory, Token: ann.Token, Body: wire.Past{Seen: map[string][]wire.Mark{"North": {{Version: 1, Fingerprint: "x"}}}}}))
			}
		},
		"enroll": func() func() error {
			code, nonce := r.Code("ann"), storetest.NewID()
			return func() error {
				return status(r.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathEnroll, Body: wire.Enroll{Code: code, DeviceName: "new", Nonce: nonce}}))
			}
		},
		"user": func() func() error {
			users++
			name := fmt.Sprint("user", users)
			return func() error {
				_, err := r.Server.AddUser(ctx, server.User{Name: name, Role: op.Technician, Crews: []string{"North", name}})
				return err
			}
		},
		"office": func() func() error {
			made++
			title := fmt.Sprint("From the office ", made)
			return func() error { // it has no id to be known by: who hears of a fault looks first
				for task, err := range r.Server.Tasks(ctx, by.Crews) {
					if err != nil || task.Fields.Text("title") == title {
						return err
					}
				}
				_, err := r.Server.AddTask(ctx, by, op.Fields{"title": title})
				return err
			}
		},
		"revoke": func() func() error {
			other := r.Enrol("ann")
			return func() error { return r.Server.Revoke(ctx, other.ID) }
		},
		"tend": func() func() error {
			return func() error { r.Pass(25 * time.Hour); return r.Server.Tend(ctx) }
		},
		"look": func() func() error {
			return func() error {
				_, err := store.Users(ctx)
				_, err2 := store.Crews(ctx)
				_, err3 := store.Devices(ctx)
				_, err4 := store.Entries(ctx, "", 0, 100)
				return errors.Join(err, err2, err3, err4)
			}
		},
	}
	names := make([]string, 0, len(asks))
	for name := range asks {
		names = append(names, name)
	}
	slices.Sort(names)
	statements := 0
	for _, name := range names {
		for n := int64(1); ; n++ {
			do := asks[name]()
			hit.Store(nil)
			left.Store(n)
			err := do()
			left.Store(0)
			if hit.Load() == nil {
				if err != nil {
					t.Errorf("%s: without a fault: %v", name, err)
				}
				break
			}
			if statements++; err == nil { // a statement that may fail in silence would be named here, with the reason
				t.Errorf("%s: statement %d failed (%.200s), and nobody was told", name, n, *hit.Load())
			}
			if err := do(); err != nil {
				t.Errorf("%s: again after statement %d had failed: %v", name, n, err)
			}
		}
	}
	ann.Cursor = ""
	tasks := 0
	for _, c := range ann.Pull().Changes {
		if c.EntityType == op.Task {
			tasks++
		}
	}
	if tasks != made {
		t.Errorf("%d tasks are there, %d were made", tasks, made)
	}
	t.Logf("%d statements failed one by one", statements)
}

// TestCheck: a whole file of this program's is told from all others.
func TestCheck(t *testing.T) {
	path := filepath.Join(folder(t), "d.db")
	store, err := sqlitestore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sqlitestore.Check(t.Context(), path); err != nil {
		t.Error(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(text []byte, statement string) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if statement == "" {
			return
		}
		raw, err := sql.Open("sqlite3", path)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if _, err := raw.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	noise := slices.Clone(whole)
	for i := 8192; i < 12288; i++ {
		noise[i] = byte(i * 7)
	}
	spoil(noise, "")
	if err := sqlitestore.Check(t.Context(), path); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("a spoilt page: %v", err)
	}
	spoil(whole, fmt.Sprintf("PRAGMA user_version = %d", sqlitestore.Schema()+1))
	if err := sqlitestore.Check(t.Context(), path); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("a newer program's: %v", err)
	}
	spoil(whole, "PRAGMA application_id = 7")
	if err := sqlitestore.Check(t.Context(), path); !errors.Is(err, sqlite.ErrForeign) {
		t.Errorf("another program's: %v", err)
	}
	spoil([]byte(strings.Repeat("a letter ", 1000)), "")
	if err := sqlitestore.Check(t.Context(), path); !errors.Is(err, sqlite.ErrNotSQLite) {
		t.Errorf("no database: %v", err)
	}
}
