package server_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
)

// benchSpan is how long each way is measured.
const benchSpan = 3 * time.Second

// BenchmarkEmbedded (P15): 32 devices write batches of 50 to the embedded store
// through the server, beside two references in this run, on files of their own:
//
//   - what one would write first: a pool of connections, a transaction a batch, a
//     statement a row. It writes the same rows with the same promise (WAL, FULL)
//     and looks for repeats, but merges, checks and hashes nothing.
//   - the server's own path with a transaction a batch: what gathering alone gains.
func BenchmarkEmbedded(b *testing.B) {
	const devices, size = 32, 50
	ours, slow := race(b, devices, size, embeddedWay(b))
	naive, naiveSlow := race(b, devices, size, naiveWay(b))
	single, singleSlow := race(b, devices, size, oneByOne(embeddedWay(b)))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours, "ops/s")
	b.ReportMetric(slow.Seconds()*1000, "p99_ms")
	b.ReportMetric(naive, "naive_ops/s")
	b.ReportMetric(naiveSlow.Seconds()*1000, "naive_p99_ms")
	b.ReportMetric(single, "ungathered_ops/s")
	b.ReportMetric(singleSlow.Seconds()*1000, "ungathered_p99_ms")
	b.ReportMetric(ours/naive, "x_naive")
	b.ReportMetric(ours/single, "x_ungathered")
}

// oneByOne lets one batch in at a time, so that none can be gathered.
func oneByOne(do func(int) error) func(int) error {
	var turn sync.Mutex
	return func(device int) error {
		turn.Lock()
		defer turn.Unlock()
		return do(device)
	}
}

// race runs a way by so many clients for a while: ops a second, and how long the
// slowest hundredth of batches took.
func race(b *testing.B, devices, size int, do func(device int) error) (perSecond float64, p99 time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var times []time.Duration
	var wait sync.WaitGroup
	start := time.Now()
	for d := range devices {
		wait.Go(func() {
			for time.Since(start) < benchSpan {
				from := time.Now()
				if err := do(d); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				times = append(times, time.Since(from))
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	took := time.Since(start)
	slices.Sort(times)
	if len(times) == 0 {
		return 0, 0
	}
	return float64(len(times)*size) / took.Seconds(), times[len(times)*99/100]
}

// embeddedWay is a server on a file of its own.
func embeddedWay(b *testing.B) func(device int) error {
	srv, err := server.New(b.Context(), openStore(b, filepath.Join(b.TempDir(), "d.db")), server.Options{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := srv.AddUser(b.Context(), server.User{Name: "ann", Role: op.Technician, Crews: []string{"north"}}); err != nil {
		b.Fatal(err)
	}
	queues := make([]storetest.Visits, 64)
	return func(device int) error {
		by := server.Author{Device: deviceID(device), User: "ann", Role: op.Technician, Crews: []string{"north"}}
		results, err := srv.Apply(b.Context(), by, queues[device].Take(50, time.Now()))
		for _, r := range results {
			if r.Outcome != op.Applied {
				return fmt.Errorf("%+v", r)
			}
		}
		return err
	}
}

func deviceID(n int) string { return fmt.Sprintf("0193a1b2-0000-7000-8000-%012d", n) }

// naiveWay writes the rows that ops come to without the server.
func naiveWay(b *testing.B) func(device int) error {
	path := filepath.Join(b.TempDir(), "naive.db")
	if _, err := openStore(b, path).PutCrew(b.Context(), "north", 1); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite3", "file:"+path+"?_busy_timeout=30000&_txlock=immediate&_synchronous=FULL&_foreign_keys=on")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxIdleConns(32)
	b.Cleanup(func() { _ = db.Close() })
	queues := make([]storetest.Visits, 64)
	return func(device int) error {
		tx, err := db.BeginTx(b.Context(), nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		for _, o := range queues[device].Take(50, time.Now()) {
			if err := naiveOp(b.Context(), tx, device, o); err != nil {
				return err
			}
		}
		return tx.Commit()
	}
}

func naiveOp(ctx context.Context, tx *sql.Tx, device int, o op.Op) error {
	var version, known int64
	if err := tx.QueryRowContext(ctx, `SELECT version FROM crews WHERE name = 'north'`).Scan(&version); err != nil {
		return err
	}
	version++
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM outcomes WHERE user = 'ann' AND op_id = ?`, o.ID).Scan(&known)
	if err != nil || known > 0 {
		return err
	}
	fields, err := json.Marshal(o.Fields)
	if err != nil {
		return err
	}
	number := ""
	if o.Kind == op.Task {
		number = fmt.Sprint("T-", version)
	}
	const print = "0123456789012345678901234567890123456789012"
	who := deviceID(device)
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at) VALUES ('north', ?, ?, ?, 0, 0, ?, '', ?, ?, json_array(?, ?, 'ann'), 1)
			ON CONFLICT (crew, kind, id) DO UPDATE SET version = excluded.version, fields = json_patch(fields, excluded.fields), registers = excluded.registers`,
			[]any{o.Kind, o.Entity, version, o.Fields.Text("task_id"), number, string(fields), o.Time(), who}},
		{`INSERT INTO outcomes (user, op_id, device, seq, crew, version, kind, entity, at, result, state) VALUES ('ann', ?, ?, ?, 'north', ?, ?, ?, 1, '{"outcome":"applied"}', 0)`, []any{o.ID, who, o.Seq, version, o.Kind, o.Entity}},
		{`INSERT INTO chain (crew, version, fingerprint) VALUES ('north', ?, ?)`, []any{version, print}},
		{`INSERT INTO leaves (crew, leaf, count, sum) VALUES ('north', ?, 1, zeroblob(32)) ON CONFLICT (crew, leaf) DO UPDATE SET count = leaves.count + 1`, []any{op.LeafOf(o.Entity)}},
		{`INSERT INTO audit (crew, no, at, what, user, device, op, kind, entity, detail, seal) VALUES ('north', ?, 1, 'applied', 'ann', ?, ?, ?, ?, json_object('fields', 'title status type', 'content', ?, 'before', ?), ?)`,
			[]any{version, who, o.ID, o.Kind, o.Entity, print, print, print}},
		{`UPDATE crews SET version = ? WHERE name = 'north'`, []any{version}},
	} {
		if _, err := tx.ExecContext(ctx, s.sql, s.args...); err != nil {
			return fmt.Errorf("%w in %s", err, s.sql)
		}
	}
	return nil
}
