package main

import (
	"path/filepath"
	"testing"
	"time"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// TestADeadClockBatteryLocksNobodyOut: certificates are held against a time that
// is no earlier than the program's making, nor than what the server said last.
func TestADeadClockBatteryLocksNobodyOut(t *testing.T) {
	server := time.Now().AddDate(10, 0, 0) // this machine's clock is ten years slow
	clock := op.Reading{Wall: 5000, Boot: 60_000, BootID: "one"}
	db, err := localdb.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), localdb.Options{Clock: func() op.Reading { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	trust, err := trustOf(db, wire.Trust{})
	if err != nil {
		t.Fatal(err)
	}
	if got := trust.Time(); time.Since(got).Abs() > time.Hour {
		t.Errorf("before any contact: %s", got)
	}
	if err := db.LearnOffset(t.Context(), server.UnixMilli(), clock, clock); err != nil {
		t.Fatal(err)
	}
	clock.Boot += 3_600_000
	if got := trust.Time(); got.Sub(server) != time.Hour-time.Duration(server.Nanosecond()%1e6) {
		t.Errorf("an hour after the contact: %s, the server said %s", got, server)
	}
	clock = op.Reading{Wall: 5000, Boot: 120_000, BootID: "two"} // a new boot, and the battery is dead still
	if got := trust.Time(); got.Before(server) {
		t.Errorf("in the next boot: %s, the server said %s", got, server)
	}
}

func TestBuilt(t *testing.T) {
	if got := cli.Built("1764000000"); !got.Equal(time.Unix(1764000000, 0)) {
		t.Error(got)
	}
	if got := cli.Built("no number"); !got.IsZero() && got.Year() < 2020 {
		t.Error(got)
	}
}
