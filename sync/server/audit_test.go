package server_test

import (
	"path/filepath"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
)

// TestAuditInTheOrderOfTimes: the entries of many chains, each longer than a
// page, come in the order of their times, and each chain's in its own.
func TestAuditInTheOrderOfTimes(t *testing.T) {
	r := storetest.NewRig(t, openStore(t, filepath.Join(t.TempDir(), "d.db")))
	crews := []string{"east", "north", "west"}
	var devices []*storetest.Device
	for _, crew := range crews {
		r.User("of-"+crew, op.Technician, crew)
		devices = append(devices, r.Enrol("of-"+crew))
	}
	const rounds, batch = 9, 70
	for range rounds {
		for _, d := range devices {
			r.Pass(time.Second)
			var ops []op.Op
			for range batch {
				ops = append(ops, d.NewTask(storetest.NewID(), "Boiler"))
			}
			d.Must(ops...)
		}
	}
	since := r.Now.Load() - 3000
	var last server.Entry
	all, late, at := 0, 0, map[string]int64{}
	for e, err := range r.Server.Audit(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.At < last.At || e.No != at[e.Crew]+1 {
			t.Fatalf("entry %d of %q at %d after %d of %q at %d", e.No, e.Crew, e.At, last.No, last.Crew, last.At)
		}
		all, last, at[e.Crew] = all+1, e, e.No
		if e.At >= since {
			late++
		}
	}
	if want := len(crews) * rounds * batch; all != want+int(at[""]) || at["north"] != rounds*batch {
		t.Errorf("%d entries, %v", all, at)
	}
	n := 0
	for _, err := range r.Server.Audit(t.Context(), since) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == late-1 {
			break // whoever has seen enough ends it
		}
	}
	if n != late-1 || late != 4*batch {
		t.Errorf("%d since then, %d in all of that time", n, late)
	}
}
