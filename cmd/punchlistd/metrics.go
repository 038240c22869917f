package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// metrics are what an operator watches: is work done, how soon, how old is what
// arrives, what waits on the laptops, and what the database costs. No label
// names a person, a device or a crew, so that their number stays small.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec // by path and status
	ops      *prometheus.CounterVec   // by outcome
	batch    prometheus.Histogram     // ops in a batch
	gathered prometheus.Histogram     // batches in a transaction
	age      prometheus.Histogram
	waiting  prometheus.Histogram
	offset   prometheus.Histogram
	database *prometheus.HistogramVec // by call
	failures *prometheus.CounterVec   // by call
	refused  *prometheus.CounterVec   // by what there was too much of
}

func newMetrics() *metrics {
	latency := prometheus.ExponentialBuckets(0.001, 2, 15) // 1 ms to 16 s
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "punchlist", Name: name, Help: help, Buckets: buckets})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "punchlist", Name: "request_seconds", Help: "Requests by path and status; streams count when they end.", Buckets: latency}, []string{"path", "status"}),
		ops:      prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "punchlist", Name: "ops_total", Help: "Changes by what became of them; repeat: it was known already."}, []string{"outcome"}),
		batch:    histogram("batch_ops", "Changes in one batch.", prometheus.ExponentialBuckets(1, 2, 10)),
		gathered: histogram("transaction_batches", "Batches that shared one transaction.", prometheus.ExponentialBuckets(1, 2, 8)),
		age:      histogram("op_age_seconds", "How old changes are when they arrive: how long they waited on their laptop.", prometheus.ExponentialBuckets(1, 4, 12)),
		waiting:  histogram("device_waiting_ops", "Changes that wait on a laptop, as it reports them.", append([]float64{0}, prometheus.ExponentialBuckets(1, 4, 9)...)),
		offset:   histogram("device_clock_offset_seconds", "Server time less the laptop's wall clock, as laptops report it.", []float64{-86400, -3600, -300, -30, -5, -1, 0, 1, 5, 30, 300, 3600, 86400}),
		database: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "punchlist", Name: "database_seconds", Help: "Time in the database, by what was asked of it.", Buckets: latency}, []string{"call"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "punchlist", Name: "refused_total", Help: "Requests that were more than a device or an address may make, by what there was too much of."}, []string{"why"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "punchlist", Name: "database_failures_total", Help: "What the database could not do, by what was asked of it."}, []string{"call"}),
	}
	m.registry.MustRegister(m.requests, m.ops, m.batch, m.gathered, m.age, m.waiting, m.offset, m.database, m.failures, m.refused,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Answered counts a request.
func (m *metrics) Answered(path string, status int, took time.Duration) {
	m.requests.WithLabelValues(path, strconv.Itoa(status)).Observe(took.Seconds())
}

// Decided counts the ops of a batch.
func (m *metrics) Decided(results []wire.Result, ages []time.Duration) {
	m.batch.Observe(float64(len(results)))
	for i, r := range results {
		if r.Duplicate {
			m.ops.WithLabelValues("repeat").Inc()
			continue
		}
		m.ops.WithLabelValues(string(r.Outcome)).Inc()
		m.age.Observe(ages[i].Seconds())
	}
}

// Refused counts a request that was one too many.
func (m *metrics) Refused(why string) { m.refused.WithLabelValues(why).Inc() }

// Gathered counts a transaction.
func (m *metrics) Gathered(batches int) { m.gathered.Observe(float64(batches)) }

// Reported counts what a laptop tells of itself.
func (m *metrics) Reported(r server.Report) {
	m.waiting.Observe(float64(r.Pending))
	if r.Offset != nil {
		m.offset.Observe(float64(*r.Offset) / 1000)
	}
}

// serve answers GET /metrics until stop.
func (m *metrics) serve(address string, srv *server.Server) (stop func() error, err error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenFault(address, err)
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "punchlist", Name: "streams", Help: "Laptops that listen for news now."},
		func() float64 { return float64(srv.Streams()) }))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	go func() { ended <- hs.Serve(ln) }()
	return func() error {
		err := hs.Close()
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, fmt.Errorf("serve metrics: %w", e))
		}
		return err
	}, nil
}

// timed is a store whose calls are timed.
type timed struct {
	store
	m *metrics
}

func (t timed) call(name string, start time.Time, err error) {
	t.m.database.WithLabelValues(name).Observe(time.Since(start).Seconds())
	if err != nil && !errors.Is(err, server.ErrUnknown) {
		t.m.failures.WithLabelValues(name).Inc()
	}
}

// Write is the store's, timed.
func (t timed) Write(ctx context.Context, steps iter.Seq[server.Step]) error {
	start := time.Now()
	err := t.store.Write(ctx, steps)
	t.call("write", start, err)
	return err
}

// Changes is the store's, timed.
func (t timed) Changes(ctx context.Context, q server.ChangesQuery) (server.Feed, error) {
	start := time.Now()
	feed, err := t.store.Changes(ctx, q)
	t.call("changes", start, err)
	return feed, err
}

// ByToken is the store's, timed.
func (t timed) ByToken(ctx context.Context, hash string) (server.Device, server.User, error) {
	start := time.Now()
	d, u, err := t.store.ByToken(ctx, hash)
	t.call("token", start, err)
	return d, u, err
}

// Heads is the store's, timed.
func (t timed) Heads(ctx context.Context) (map[string]int64, error) {
	start := time.Now()
	heads, err := t.store.Heads(ctx)
	t.call("heads", start, err)
	return heads, err
}

// Leaf is the store's, timed.
func (t timed) Leaf(ctx context.Context, crew string, leaf uint8, limit int) (server.Crew, []server.Row, error) {
	start := time.Now()
	c, rows, err := t.store.Leaf(ctx, crew, leaf, limit)
	t.call("leaf", start, err)
	return c, rows, err
}

var (
	_ server.Store = timed{}
	_ server.Meter = (*metrics)(nil)
)
