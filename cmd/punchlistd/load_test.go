package main

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// TestLoadAndMetrics: a load finds nothing lost or doubled, and the server's
// metrics tell of the same work.
func TestLoadAndMetrics(t *testing.T) {
	p := newProgram(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	base, stop := p.served("--metrics", address)
	var tally loadTally
	p.json(&tally, "load", "--devices", "4", "--crews", "2", "--ops", "60", "--batch", "20", "--pull-every", "1", "--url", base)
	if tally.Ops != 240 || tally.Batches < 12 || tally.Lost+tally.Doubled+tally.Unsettled != 0 || tally.Outcomes["applied"] < 200 || tally.P50 <= 0 || tally.P99 > tally.Max || tally.Pulled == 0 {
		t.Errorf("%+v", tally)
	}
	if out := p.ok("load", "--devices", "1", "--ops", "20"); !strings.Contains(out, "lost: 0  doubled: 0  not settled: 0") {
		t.Errorf("for people: %s", out)
	}
	res, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`punchlist_ops_total\{outcome="repeat"\} 2\d\d\n`, `punchlist_ops_total\{outcome="applied"\} 2\d\d\n`,
		`punchlist_request_seconds_count\{path="/sync/batch",status="200"\} \d\d`, `punchlist_database_seconds_count\{call="write"\} [1-9]`,
		`punchlist_op_age_seconds_count 2\d\d\n`, `punchlist_device_waiting_ops_count [1-9]`, `punchlist_streams 0\n`, `punchlist_transaction_batches_sum [1-9]`, `go_goroutines \d`,
	} {
		if !regexp.MustCompile(want).Match(text) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if strings.Contains(string(text), "load-") {
		t.Error("metrics name people or crews")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + address + "/metrics"); err == nil {
		t.Error("metrics are told after the server stopped")
	}
}

// TestCheckFindsFaults: what is lost or doubled is counted. A check that finds
// nothing where there is something would be worth nothing.
func TestCheckFindsFaults(t *testing.T) {
	p := newProgram(t)
	base, _ := p.served()
	a := &app{App: cli.App{Streams: cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}}, getenv: func(string) string { return "" }, dbPath: p.db}
	store, err := a.database().open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	srv, err := server.New(t.Context(), store, server.Options{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(loading{urls: []string{base}, devices: 1, crews: 1, ops: 40, batch: 20, pulls: 1}, srv)
	if err := f.enrol(t.Context(), srv); err != nil {
		t.Fatal(err)
	}
	l := f.laptops[0]
	l.work(t.Context(), t.Context())
	run := func(damage func()) loadTally {
		damage()
		tally := f.tally(1)
		f.check(t.Context(), &tally)
		return tally
	}
	if tally := run(func() {}); tally.Lost+tally.Doubled+tally.Unsettled != 0 {
		t.Fatalf("%+v", tally)
	}
	ghost := op.Op{ID: l.id(), Kind: op.Task, Entity: l.id(), Action: op.Insert, Fields: op.Fields{"title": "x", "status": "PENDING", "updated_at": 1}, Schema: op.Schema}
	doubled := run(func() { // it took effect, and nobody counted it
		if _, err := l.clients[0].Push(t.Context(), wire.Self{}, []op.Op{ghost}); err != nil {
			t.Fatal(err)
		}
	})
	if doubled.Doubled == 0 || doubled.Lost != 0 {
		t.Errorf("one more effect than changes: %+v", doubled)
	}
	lost := run(func() { // it was acknowledged, and the server does not have it
		gone := ghost
		gone.ID, gone.Entity = l.id(), l.id()
		l.note([]op.Op{gone, ghost}, []wire.Result{{Outcome: op.Applied, Version: 1 << 30}, {Outcome: op.Applied, Version: 1 << 31}})
	})
	if lost.Lost == 0 {
		t.Errorf("a change that is not there: %+v", lost)
	}
	if text, err := json.Marshal(lost); err != nil || len(lost.Why) == 0 {
		t.Errorf("%s, %v", text, err)
	}
}
