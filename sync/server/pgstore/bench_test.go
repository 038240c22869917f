package pgstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
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

// rounds is how often the ways take turns, and turn how long one is: whatever
// else the machine does meets them all.
const (
	rounds = 8
	turn   = 400 * time.Millisecond
)

// BenchmarkApply (P14): what devices write, by the server's whole write path,
// beside the limit (the same rows, made by the database itself from sets) and
// beside what is written first (a transaction an op, a statement a row). All
// three run in this run, on one cluster, by as many clients.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct{ devices, batch, crews int }{{8, 50, 8}, {32, 50, 4}, {8, 200, 4}, {32, 1, 4}} {
		b.Run(fmt.Sprintf("devices=%d/batch=%d/crews=%d", c.devices, c.batch, c.crews), func(b *testing.B) {
			ways := []*paced{newPaced(c.devices, c.batch, applyWay(b, c.crews)), newPaced(c.devices, c.batch, limitWay(b, c.crews, c.batch)), newPaced(c.devices, c.batch, naiveWay(b, c.crews, c.batch))}
			for range rounds {
				for _, w := range ways {
					w.work(b)
				}
			}
			ours, limit, naive := ways[0].rate(), ways[1].rate(), ways[2].rate()
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

// paced is a way and what came of it.
type paced struct {
	do    way
	batch int
	next  []int // by device: its next batch
	done  atomic.Int64
	took  time.Duration
}

func newPaced(devices, batch int, do way) *paced {
	return &paced{do: do, batch: batch, next: make([]int, devices)}
}

// work lets all devices write for a turn.
func (p *paced) work(b *testing.B) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), turn)
	defer stop()
	var wait sync.WaitGroup
	start := time.Now()
	for d := range p.next {
		wait.Go(func() {
			for ; ctx.Err() == nil; p.next[d]++ {
				if err := p.do(b.Context(), d, p.next[d], p.batch); err != nil {
					b.Error(err)
					return
				}
				p.done.Add(int64(p.batch))
			}
		})
	}
	wait.Wait()
	p.took += time.Since(start)
}

// rate is ops a second.
func (p *paced) rate() float64 { return float64(p.done.Load()) / p.took.Seconds() }

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

// rows is a schema with the server's tables and, in a crew of its own, what one
// batch of ours left there: the rows that the other ways write are copies of
// those, so all three write the same, and as wide.
type rows struct {
	pool  *pgxpool.Pool
	ops   int // of that batch
	began int64
}

const pattern = "pattern" // the crew, and its user

func newRows(b *testing.B, crews, batch int) *rows {
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
	srv, err := server.New(b.Context(), s, server.Options{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	user := server.User{Name: pattern, Role: op.Technician, Crews: []string{pattern}}
	if _, err := srv.AddUser(b.Context(), user); err != nil {
		b.Fatal(err)
	}
	r := &rows{ops: max(batch, 10), began: time.Now().UnixMilli()} // ten are a visit
	visits := storetest.Visits{}
	if _, err := srv.Apply(b.Context(), server.Author{Device: storetest.NewID(), User: pattern, Role: op.Technician, Crews: user.Crews}, visits.Take(r.ops, time.Now())); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if r.pool, err = pgxpool.New(b.Context(), address+"&pool_max_conns=32"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.pool.Close)
	if _, err := r.pool.Exec(b.Context(), `ANALYZE`); err != nil { // the pattern is looked through whole
		b.Fatal(err)
	}
	return r
}

// head is how the ids of a device's n-th batch begin, in the order of time, as
// those do that devices make: the rest is the pattern's, which is chance.
func (r *rows) head(device, n int) string {
	at := r.began + int64(n)
	return fmt.Sprintf("%08x-%04x-7%03x", at>>16, at&0xffff, device)
}

// limitWay makes the same rows from sets that the database makes itself: of the
// pattern's records, outcomes, links and entries of the audit a copy each, and the
// leaves of the records and the crew's counter, in one transaction a batch and one
// round trip.
func limitWay(b *testing.B, crews, size int) way {
	r := newRows(b, crews, size)
	return func(ctx context.Context, device, n, size int) error {
		crew, batch := crewName(device, crews), &pgx.Batch{}
		from := n * size % r.ops                                // in the pattern
		base := int64(n*size-from) + 10_000_000*int64(device+1) // of the versions
		head := r.head(device, n*size/r.ops)
		packed := strings.ReplaceAll(head, "-", "")
		batch.Queue(`BEGIN`)
		batch.Queue(`UPDATE crews SET version = version + $2, fingerprint = sha256($3::text::bytea), entries = entries + $2, seal = $3 WHERE name = $1`, crew, size, head)
		batch.Queue(`INSERT INTO chain (crew, version, fingerprint) SELECT $1, $2 + version, fingerprint FROM chain WHERE crew = 'pattern' AND version BETWEEN $3::bigint + 1 AND $4::bigint`, crew, base, from, from+size)
		batch.Queue(`INSERT INTO leaves (crew, leaf, count, sum0, sum1, sum2, sum3) SELECT $1, (i * 7 + $2) % 256, 1, i, i, i, i FROM generate_series(1, least(256, $3::bigint)) AS i
			ON CONFLICT (crew, leaf) DO UPDATE SET count = leaves.count + excluded.count, sum0 = leaves.sum0 # excluded.sum0, sum1 = leaves.sum1 # excluded.sum1,
			sum2 = leaves.sum2 # excluded.sum2, sum3 = leaves.sum3 # excluded.sum3`, crew, base, max(1, size*6/10))
		batch.Queue(`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at)
			SELECT $1, kind, overlay(id PLACING $5 FROM 1 FOR 18), $2 + version, false, false, CASE task_id WHEN '' THEN '' ELSE overlay(task_id PLACING $5 FROM 1 FOR 18) END, '',
				CASE number WHEN '' THEN '' ELSE 'T-' || $2 + version END, fields, registers, at
			FROM records WHERE crew = 'pattern' AND id IN (SELECT entity FROM audit WHERE crew = 'pattern' AND no BETWEEN $3::bigint + 1 AND $4::bigint)
			ON CONFLICT (crew, kind, id) DO UPDATE SET version = excluded.version`, crew, base, from, from+size, head)
		batch.Queue(`INSERT INTO outcomes (home, author, op_id, device, entity, seq, version, at, stamp, state, crew, kind, result)
			SELECT $1, author, overlay(op_id PLACING decode($5, 'hex') FROM 1 FOR 8), sha256($6::text::bytea), overlay(entity PLACING decode($5, 'hex') FROM 1 FOR 8), $2 + seq, $2 + version, at, stamp, state, $1, kind, result
			FROM outcomes WHERE home = 'pattern' AND author = 'pattern' AND version BETWEEN $3::bigint + 1 AND $4::bigint`, crew, base, from, from+size, packed, fmt.Sprint(device))
		batch.Queue(`INSERT INTO audit (crew, no, at, what, author, device, op, kind, entity, detail, seal)
			SELECT $1, $2 + no, at, what, author, device, overlay(op PLACING $5 FROM 1 FOR 18), kind, overlay(entity PLACING $5 FROM 1 FOR 18), detail, seal
			FROM audit WHERE crew = 'pattern' AND no BETWEEN $3::bigint + 1 AND $4::bigint`, crew, base, from, from+size, head)
		batch.Queue(`COMMIT`)
		return r.pool.SendBatch(ctx, batch).Close()
	}
}

// naiveWay is what one would write first: a transaction an op, a statement a row.
func naiveWay(b *testing.B, crews, size int) way {
	r := newRows(b, crews, size)
	list := r.each(b)
	return func(ctx context.Context, device, n, size int) error {
		crew := crewName(device, crews)
		for i := range size {
			o, head := list[(n*size+i)%len(list)], r.head(device, (n*size+i)/len(list))
			err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error { return naiveOp(ctx, tx, crew, device, n*size+i, head, o) })
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// one is what one op of the pattern wrote.
type one struct {
	id, kind, entity, task, number, fields, registers, detail, seal string
}

func (r *rows) each(b *testing.B) []one {
	b.Helper()
	found, err := r.pool.Query(b.Context(), `SELECT a.op, a.kind, a.entity, r.task_id, r.number, r.fields, r.registers, a.detail, a.seal
		FROM audit AS a JOIN records AS r ON r.crew = a.crew AND r.kind = a.kind AND r.id = a.entity WHERE a.crew = 'pattern' ORDER BY a.no`)
	if err != nil {
		b.Fatal(err)
	}
	list, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (o one, err error) {
		return o, row.Scan(&o.id, &o.kind, &o.entity, &o.task, &o.number, &o.fields, &o.registers, &o.detail, &o.seal)
	})
	if err != nil || len(list) != r.ops {
		b.Fatalf("%d rows of %d ops, %v", len(list), r.ops, err)
	}
	return list
}

func naiveOp(ctx context.Context, tx pgx.Tx, crew string, device, n int, head string, o one) error {
	var version int64
	if err := tx.QueryRow(ctx, `SELECT version FROM crews WHERE name = $1 FOR UPDATE`, crew).Scan(&version); err != nil {
		return err
	}
	version++
	id, entity, task, number := head+o.id[len(head):], head+o.entity[len(head):], o.task, o.number
	if task != "" {
		task = head + task[len(head):]
	}
	if number != "" {
		number = fmt.Sprint("T-", version)
	}
	packedID, packedEntity, who := uuid.MustParse(id), uuid.MustParse(entity), fmt.Sprintf("device %9d", device)
	var known int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM outcomes WHERE home = $1 AND author = 'user' AND op_id = $2`, crew, packedID[:]).Scan(&known); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT fields FROM records WHERE crew = $1 AND kind = $2 AND id = $3`, crew, o.kind, entity)
	if err != nil {
		return err
	}
	rows.Close()
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at) VALUES ($1, $2, $3, $4, false, false, $5, '', $6, $7, $8, 1)
			ON CONFLICT (crew, kind, id) DO UPDATE SET version = excluded.version, fields = excluded.fields, registers = excluded.registers`, []any{crew, o.kind, entity, version, task, number, o.fields, o.registers}},
		{`INSERT INTO outcomes (home, author, op_id, device, entity, seq, version, at, stamp, state, crew, kind, result) VALUES ($1, 'user', $2, $3, $4, $5, $6, 1, 1, false, $1, $7, NULL)`, []any{crew, packedID[:], []byte(who), packedEntity[:], n + 1, version, o.kind}},
		{`INSERT INTO chain (crew, version, fingerprint) VALUES ($1, $2, sha256($3::bytea))`, []any{crew, version, []byte(id)}},
		{`INSERT INTO leaves (crew, leaf, count, sum0, sum1, sum2, sum3) VALUES ($1, $2, 1, 1, 1, 1, 1) ON CONFLICT (crew, leaf) DO UPDATE SET count = leaves.count + 1`, []any{crew, n % 256}},
		{`INSERT INTO audit (crew, no, at, what, author, device, op, kind, entity, detail, seal) VALUES ($1, $2, 1, 'applied', 'user', $3, $4, $5, $6, $7, $8)`, []any{crew, version, who, id, o.kind, entity, o.detail, o.seal}},
		{`UPDATE crews SET version = $2 WHERE name = $1`, []any{crew, version}},
	} {
		if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}
