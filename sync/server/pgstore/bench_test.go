package pgstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/pgstore"
	"example.com/punchlist/sync/server/storetest"
)

// benchCluster keeps its promises: with fsync a commit costs what it costs.
var benchCluster = sync.OnceValues(func() (*storetest.Postgres, error) {
	benchStarted.Store(true)
	return storetest.StartPostgres("fsync=on", "shared_buffers=256MB", "max_wal_size=4GB")
})

var benchStarted atomic.Bool

func benchAddress(b *testing.B) string {
	b.Helper()
	p, err := benchCluster()
	if err != nil {
		storetest.NoPostgres(b, err)
	}
	address, err := p.Schema(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return address
}

// span is how long each of the three ways is measured.
const span = 3 * time.Second

// BenchmarkApply (P14): what devices write, by the server's whole write path,
// beside the limit (the same rows, made by the database itself from sets) and
// beside what is written first (a transaction an op, a statement a row). All
// three run in this run, on one cluster, by as many clients.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct{ devices, batch, crews int }{{8, 50, 8}, {32, 50, 4}, {8, 200, 4}, {32, 1, 4}} {
		b.Run(fmt.Sprintf("devices=%d/batch=%d/crews=%d", c.devices, c.batch, c.crews), func(b *testing.B) {
			ours := measure(b, c.devices, c.batch, applyWay(b, c.crews))
			limit := measure(b, c.devices, c.batch, limitWay(b, c.crews))
			naive := measure(b, c.devices, c.batch, naiveWay(b, c.crews))
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours, "ops/s")
			b.ReportMetric(limit, "limit_ops/s")
			b.ReportMetric(naive, "naive_ops/s")
			b.ReportMetric(ours/limit, "x_limit")
			b.ReportMetric(ours/naive, "x_naive")
		})
	}
}

// way writes one batch of a device.
type way func(ctx context.Context, device, n, size int) error

// measure runs a way by so many clients for a while, and returns ops a second.
func measure(b *testing.B, devices, batch int, do way) float64 {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), span)
	defer stop()
	var done atomic.Int64
	var wait sync.WaitGroup
	start := time.Now()
	for d := range devices {
		wait.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := do(b.Context(), d, n, batch); err != nil {
					b.Error(err)
					return
				}
				done.Add(int64(batch))
			}
		})
	}
	wait.Wait()
	return float64(done.Load()) / time.Since(start).Seconds()
}

func crewName(device, crews int) string { return fmt.Sprint("crew", device%crews) }

// applyWay is the server's own.
func applyWay(b *testing.B, crews int) way {
	s, err := pgstore.Open(b.Context(), benchAddress(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	srv, err := server.New(b.Context(), s, server.Options{Now: time.Now, Rand: rand.Reader, Lanes: pgstore.Lanes})
	if err != nil {
		b.Fatal(err)
	}
	for i := range crews {
		if _, err := srv.AddUser(b.Context(), server.User{Name: fmt.Sprint("user", i), Role: op.Technician, Crews: []string{crewName(i, crews)}}); err != nil {
			b.Fatal(err)
		}
	}
	queues := make([]struct {
		visits storetest.Visits
		id     string
	}, 64)
	for i := range queues {
		queues[i].id = storetest.NewID()
	}
	return func(ctx context.Context, device, _, size int) error {
		q := &queues[device]
		by := server.Author{Device: q.id, User: fmt.Sprint("user", device%crews), Role: op.Technician, Crews: []string{crewName(device, crews)}}
		results, err := srv.Apply(ctx, by, q.visits.Take(size, time.Now()))
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Outcome != op.Applied {
				return fmt.Errorf("%+v", r)
			}
		}
		return nil
	}
}

// tables opens a schema of its own with the server's tables.
func tables(b *testing.B, crews, conns int) *pgxpool.Pool {
	address := benchAddress(b)
	s, err := pgstore.Open(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	for i := range crews {
		if _, err := s.PutCrew(b.Context(), crewName(i, crews), 1); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	pool, err := pgxpool.New(b.Context(), address+fmt.Sprint("&pool_max_conns=", conns))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}

// limitWay makes the same rows from sets that the database makes itself: six
// records of ten ops, an outcome, a link and an entry of the audit an op, the leaves of the records,
// and the crew's counter, in one transaction a batch and one round trip.
func limitWay(b *testing.B, crews int) way {
	pool := tables(b, crews, 32)
	return func(ctx context.Context, device, n, size int) error {
		crew, batch := crewName(device, crews), &pgx.Batch{}
		records, from := max(1, size*6/10), int64(n*size)
		batch.Queue(`BEGIN`)
		batch.Queue(`UPDATE crews SET version = version + $2, fingerprint = sha256($3::text::bytea) WHERE name = $1`, crew, size, fmt.Sprint(n))
		batch.Queue(`INSERT INTO chain (crew, version, fingerprint) SELECT $1, $2 + 10000000 * $3::bigint + i, sha256(i::text::bytea) FROM generate_series(1, $4::bigint) AS i`, crew, from, device, size)
		batch.Queue(`INSERT INTO leaves (crew, leaf, count, sum0, sum1, sum2, sum3) SELECT $1, (i * 7 + $2) % 256, 1, i, i, i, i FROM generate_series(1, least(256, $3::bigint)) AS i
			ON CONFLICT (crew, leaf) DO UPDATE SET count = leaves.count + excluded.count, sum0 = leaves.sum0 # excluded.sum0, sum1 = leaves.sum1 # excluded.sum1,
			sum2 = leaves.sum2 # excluded.sum2, sum3 = leaves.sum3 # excluded.sum3`, crew, from, records)
		batch.Queue(`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at)
			SELECT $1, 'checklist_item', gen_random_uuid()::text, $2 + 10000000 * $3::bigint + i, false, false, '0193a1b2-0000-7000-8000-0000000000' || (10 + i % 80), '', '', repeat('f', 220), repeat('r', 260), 1
			FROM generate_series(1, $4::bigint) AS i ON CONFLICT (crew, kind, id) DO UPDATE SET version = excluded.version`, crew, from, device, records)
		batch.Queue(`INSERT INTO outcomes (home, author, op_id, device, entity, seq, version, at, stamp, state, crew, kind, result)
			SELECT $1, 'user', decode(replace(gen_random_uuid()::text, '-', ''), 'hex'), sha256($3::text::bytea), sha256(i::text::bytea), $2 + i, $2 + i, 1, 1, false, $1, 'task', NULL
			FROM generate_series(1, $4::bigint) AS i`, crew, from, fmt.Sprint(device), size)
		batch.Queue(`INSERT INTO audit (crew, no, at, what, author, device, op, kind, entity, detail, seal)
			SELECT $1, $2 + 10000000 * $3::bigint + i, 1, 'applied', 'user', gen_random_uuid()::text, gen_random_uuid()::text, 'task', gen_random_uuid()::text, repeat('d', 100), repeat('s', 43)
			FROM generate_series(1, $4::bigint) AS i`, crew, from, device, size)
		batch.Queue(`COMMIT`)
		return pool.SendBatch(ctx, batch).Close()
	}
}

// naiveWay is what one would write first: a transaction an op, a statement a row.
func naiveWay(b *testing.B, crews int) way {
	pool := tables(b, crews, 32)
	return func(ctx context.Context, device, n, size int) error {
		crew := crewName(device, crews)
		for i := range size {
			if ctx.Err() != nil {
				return nil
			}
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return naiveOp(ctx, tx, crew, device, n*size+i) })
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func naiveOp(ctx context.Context, tx pgx.Tx, crew string, device, n int) error {
	var version int64
	if err := tx.QueryRow(ctx, `SELECT version FROM crews WHERE name = $1 FOR UPDATE`, crew).Scan(&version); err != nil {
		return err
	}
	version++
	id := storetest.NewID()
	var known int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM outcomes WHERE home = $1 AND author = 'user' AND op_id = $2`, crew, []byte(id)).Scan(&known); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT fields FROM records WHERE crew = $1 AND kind = 'task' AND id = $2`, crew, id)
	if err != nil {
		return err
	}
	rows.Close()
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at) VALUES ($1, 'task', $2, $3, false, false, '', '', '', repeat('f', 220), repeat('r', 260), 1)`, []any{crew, id, version}},
		{`INSERT INTO outcomes (home, author, op_id, device, entity, seq, version, at, stamp, state, crew, kind, result) VALUES ($1, 'user', $2, $3, $4, $5, $6, 1, 1, false, $1, 'task', NULL)`, []any{crew, []byte(id), []byte(fmt.Sprintf("device %8d", device)), []byte(id), n + 1, version}},
		{`INSERT INTO chain (crew, version, fingerprint) VALUES ($1, $2, sha256($3::bytea))`, []any{crew, version, []byte(id)}},
		{`INSERT INTO leaves (crew, leaf, count, sum0, sum1, sum2, sum3) VALUES ($1, $2, 1, 1, 1, 1, 1) ON CONFLICT (crew, leaf) DO UPDATE SET count = leaves.count + 1`, []any{crew, n % 256}},
		{`INSERT INTO audit (crew, no, at, what, author, device, op, kind, entity, detail, seal) VALUES ($1, $2, 1, 'applied', 'user', $3, $3, 'task', $3, repeat('d', 100), repeat('s', 43))`, []any{crew, version, id}},
		{`UPDATE crews SET version = $2 WHERE name = $1`, []any{crew, version}},
	} {
		if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}
