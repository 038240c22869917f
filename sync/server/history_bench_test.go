package server_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
)

// BenchmarkHistory (P16): what an op costs the embedded store behind a long
// history and among many devices, beside a short one and few. The long one is
// 200,000 ops unless $PUNCHLIST_BENCH_HISTORY says how many (10000000: 25 GB).
func BenchmarkHistory(b *testing.B) {
	long, err := strconv.Atoi(os.Getenv("PUNCHLIST_BENCH_HISTORY"))
	if err != nil {
		long = 200_000
	}
	small, large := historyWay(b, 10_000, 1_000), historyWay(b, long, 100_000)
	var took [2]time.Duration
	const rounds, size = 60, 200
	for range rounds { // in turn, so that whatever else the machine does meets both
		for i, do := range []func(int) error{small, large} {
			from := time.Now()
			if err := do(size); err != nil {
				b.Fatal(err)
			}
			took[i] += time.Since(from)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(long), "history")
	b.ReportMetric(float64(took[0].Microseconds())/(rounds*size), "small_us/op")
	b.ReportMetric(float64(took[1].Microseconds())/(rounds*size), "large_us/op")
	b.ReportMetric(float64(took[1])/float64(took[0]), "x_small")
}

// historyWay is a server with so many ops behind it and so many devices, of which
// one after the other, by chance, sends a batch.
func historyWay(b *testing.B, ops, devices int) func(size int) error {
	path := filepath.Join(b.TempDir(), "d.db")
	srv, err := server.New(b.Context(), openStore(b, path), server.Options{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := srv.AddUser(b.Context(), server.User{Name: "ann", Role: op.Technician, Crews: []string{"north"}}); err != nil {
		b.Fatal(err)
	}
	fillHistory(b, path, ops, devices)
	chance, queues := mathrand.New(mathrand.NewPCG(1, 2)), map[int]*storetest.Visits{}
	return func(size int) error {
		device := chance.IntN(devices)
		if queues[device] == nil {
			queues[device] = &storetest.Visits{First: 1_000_000}
		}
		by := server.Author{Device: deviceID(device), User: "ann", Role: op.Technician, Crews: []string{"north"}}
		results, err := srv.Apply(b.Context(), by, queues[device].Take(size, time.Now()))
		for _, r := range results {
			if r.Outcome != op.Applied {
				return fmt.Errorf("%+v", r)
			}
		}
		return err
	}
}

// fillHistory makes rows of the size and with the keys that so many ops leave,
// without the work: six records, and an outcome, a link and an entry of the audit
// for each of ten ops. Ids are in the order of time, as devices make them.
func fillHistory(b *testing.B, path string, ops, devices int) {
	db, err := sql.Open("sqlite3", "file:"+path+"?_synchronous=OFF&_busy_timeout=10000")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	const (
		id   = `printf('%08x-%04x-7000-8000-%012x', 0x0180a1b2 + (i >> 12), (i << 4) & 0xffff, (i * 2654435761) & 0xffffffffffff)`
		from = ` FROM (WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) SELECT i FROM n) `
	)
	device := fmt.Sprintf(`printf('0193a1b2-0000-7000-8000-%%012d', (i / 50 * 7919) %% %d)`, devices)
	const part = 100_000
	for first := 1; first <= ops; first += part {
		last := min(first+part-1, ops)
		for _, s := range []string{
			`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at)
				SELECT 'north', 'checklist_item', ` + id + `, i, 0, 0, printf('0193a1b2-0000-7000-8000-%012x', i / 10), '', '', json_object('label', printf('%.*c', 200, 'f')), json_array(printf('%.*c', 180, 'r')), 1` + from + `WHERE i % 10 < 6`,
			`INSERT INTO outcomes (user, op_id, device, seq, crew, version, kind, entity, at, result, state)
				SELECT 'ann', ` + id + `, ` + device + `, i, 'north', i, 'checklist_item', ` + id + `, 1, '{"op_id":"","outcome":"applied","duplicate":false,"version":123456,"stamp":1763800000123}', 0` + from + `WHERE true`,
			`INSERT INTO chain (crew, version, fingerprint) SELECT 'north', i, '0123456789012345678901234567890123456789012'` + from + `WHERE true`,
			`INSERT INTO audit (crew, no, at, what, user, device, op, kind, entity, detail, seal)
				SELECT 'north', i, 1, 'applied', 'ann', ` + device + `, ` + id + `, 'checklist_item', ` + id + `, json_object('fields', printf('%.*c', 260, 'd')), '0123456789012345678901234567890123456789012'` + from + `WHERE true`,
			`UPDATE crews SET version = ?2, entries = ?2, number = ?2 WHERE name = 'north' AND ?1 > 0`,
		} {
			if _, err := db.ExecContext(b.Context(), s, first, last); err != nil {
				b.Fatalf("%v in %s", err, s)
			}
		}
	}
	if _, err := db.ExecContext(b.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		b.Fatal(err)
	}
}
