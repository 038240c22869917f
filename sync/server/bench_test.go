package server_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
)

// benchSpan is how long each way is measured.
const benchSpan = 3 * time.Second

// BenchmarkEmbedded (P15): 32 devices write batches of 50 to the embedded store
// through the server, beside the same rules with a transaction a batch (as the
// office's imports are written, which keep no outcomes and so do a little less).
func BenchmarkEmbedded(b *testing.B) {
	const devices, size = 32, 50
	ours, slow := race(b, devices, size, embeddedWay(b, func(ctx context.Context, srv *server.Server, by server.Author, ops []op.Op) error {
		results, err := srv.Apply(ctx, by, ops)
		if err == nil && results[0].Outcome != op.Applied {
			err = fmt.Errorf("%+v", results[0])
		}
		return err
	}))
	naive, naiveSlow := race(b, devices, size, embeddedWay(b, func(ctx context.Context, srv *server.Server, by server.Author, ops []op.Op) error {
		return srv.ApplyAll(ctx, by, slices.Values(ops))
	}))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours, "ops/s")
	b.ReportMetric(slow.Seconds()*1000, "p99_ms")
	b.ReportMetric(naive, "naive_ops/s")
	b.ReportMetric(naiveSlow.Seconds()*1000, "naive_p99_ms")
	b.ReportMetric(ours/naive, "x_naive")
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
func embeddedWay(b *testing.B, apply func(context.Context, *server.Server, server.Author, []op.Op) error) func(int) error {
	srv, err := server.New(b.Context(), openStore(b, filepath.Join(b.TempDir(), "d.db")), server.Options{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := srv.AddUser(b.Context(), server.User{Name: "ann", Role: op.Technician, Crews: []string{"north"}}); err != nil {
		b.Fatal(err)
	}
	return func(device int) error {
		by := server.Author{Device: fmt.Sprintf("0193a1b2-0000-7000-8000-%012d", device), User: "ann", Role: op.Technician, Crews: []string{"north"}}
		return apply(b.Context(), srv, by, fifty())
	}
}

// fifty are a note each on a task, and the task.
func fifty() []op.Op {
	task, now := storetest.NewID(), time.Now().UnixMilli()
	ops := []op.Op{{ID: storetest.NewID(), Kind: op.Task, Entity: task, Action: op.Insert, CreatedAt: now, Schema: op.Schema,
		Fields: op.Fields{"title": "Inspect 812 Broadview Ave", "status": "PENDING", "type": "inspection", "updated_at": now}}}
	for len(ops) < 50 {
		ops = append(ops, op.Op{ID: storetest.NewID(), Kind: op.Note, Entity: storetest.NewID(), Action: op.Insert, CreatedAt: now, Schema: op.Schema,
			Fields: op.Fields{"task_id": task, "body": "Elevator 2 was out of order; the superintendent has the key.", "author": "ann", "at": now, "updated_at": now}})
	}
	return ops
}
