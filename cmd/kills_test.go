package cmd_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"example.com/punchlist/sync/server/storetest"
)

// TestF44F45F48KillsOverPostgreSQL (I12, I13, G2): laptops work a server over
// PostgreSQL. Again and again the server is killed with -9, now and then the
// database's first process as well, each at any moment. What was acknowledged is
// there once, what was not is sent again and is there once, and the audit fits.
func TestF44F45F48KillsOverPostgreSQL(t *testing.T) {
	t.Parallel()
	cycles := size(12, 500)
	w := newWorld(t)
	p := storetest.NewPostgres(t, "fsync=on")
	db, err := p.Database()
	if err != nil {
		t.Fatal(err)
	}
	const seed = 48
	k := &killer{t: t, p: p, server: &member{world: w, db: db, address: freeAddress(t)}, chance: rand.New(rand.NewPCG(seed, 1))}
	k.server.start()
	ops, tries := 0, 0
	for k.kills < cycles {
		tally := k.duringLoad(min(cycles-k.kills, 60))
		if tally.Lost+tally.Doubled+tally.Unsettled != 0 || tally.Ops == 0 {
			t.Fatalf("seed %d, after %d kills: %+v", seed, k.kills, tally)
		}
		ops += tally.Ops
		for _, n := range tally.Errors {
			tries += n
		}
	}
	w.run("punchlistd", "audit", "verify", "--db", db)
	k.server.stop(syscall.SIGTERM)
	t.Logf("%d kills of the server, %d of the database; %d changes, each there once; %d tries failed", k.kills, k.crashes, ops, tries)
	if tries == 0 || k.crashes == 0 {
		t.Error("no try failed: the test tests nothing")
	}
}

// killer ends a server, or its database too, and starts it again.
type killer struct {
	t              *testing.T
	p              *storetest.Postgres
	server         *member
	chance         *rand.Rand
	kills, crashes int
}

// loadTally is what punchlistd load says that it found.
type loadTally struct {
	Ops, Lost, Doubled, Unsettled int
	Errors                        map[string]int
	Why                           []string
}

// duringLoad kills n times while laptops work, and lets them check in peace.
func (k *killer) duringLoad(n int) (tally loadTally) {
	k.t.Helper()
	lasting := time.Duration(n) * 500 * time.Millisecond
	load := k.server.command(k.t.Context(), "punchlistd", "load", "--db", k.server.db, "--devices", "6", "--crews", "2", "--ops", "1000000", "--batch", "20",
		"--for", lasting.String(), "--json", "--url", "http://"+k.server.address)
	var out, errs bytes.Buffer
	load.Stdout, load.Stderr = &out, &errs
	before := k.settled()
	if err := load.Start(); err != nil {
		k.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- load.Wait() }()
	k.server.until(time.Minute, "the first change", func() bool { return k.settled() > before })
	for range n {
		<-time.After(time.Duration(k.chance.IntN(60_000)) * time.Microsecond) // from when it was ready
		k.kill()
	}
	err := <-ended
	if bad := json.Unmarshal(out.Bytes(), &tally); bad != nil || err != nil {
		k.t.Fatalf("%v, %v in %s\n%s", bad, err, out.Bytes(), errs.Bytes())
	}
	return tally
}

func (k *killer) kill() {
	k.t.Helper()
	if err := k.server.process.Process.Kill(); err != nil {
		k.t.Fatal(err)
	}
	_ = k.server.process.Wait()
	if k.kills++; k.kills%8 == 5 {
		k.crashes++
		if err := k.p.Kill(); err != nil {
			k.t.Fatal(err)
		}
		if err := k.p.Start(); err != nil {
			k.t.Fatal(err)
		}
	}
	k.server.start()
}

// settled is how many changes the server has decided.
func (k *killer) settled() int {
	k.t.Helper()
	var s struct {
		Crews []struct{ Version int }
	}
	k.server.decode(k.server.run("punchlistd", "state", "--db", k.server.db, "--json"), &s)
	n := 0
	for _, c := range s.Crews {
		n += c.Version
	}
	return n
}
