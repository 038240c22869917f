package localdb_test

import (
	"path/filepath"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// TestPutBackTakesUnsentWorkAlong: a command wrote between the look for unsent work
// and the moment in which the backup took the place: its change is in the queue of
// that, once, under its own id. Work that is in a file is not taken.
func TestPutBackTakesUnsentWorkAlong(t *testing.T) {
	f := newFixture(t)
	f.must(f.Enrol(f.ctx, localdb.Device{ID: f.id(), User: "ann", Name: "laptop", Role: op.Technician, Crews: []string{"north"}, ServerURL: "https://x", ServerID: "s", ServerKey: "k", Token: "plk1_x"}))
	both := f.add("Waits in both")
	backup := filepath.Join(t.TempDir(), "x.bak")
	f.must(f.Backup(f.ctx, backup))
	exported := f.add("In a file")
	f.export()
	meanwhile := f.add("Written meanwhile")
	f.must(f.EditTask(f.ctx, both, op.Fields{"asset": "A1"}))
	want := f.queue()
	f.must(f.Close())
	done, err := localdb.PutBack(f.ctx, backup, f.path)
	f.must(err)
	f.open()
	if done.Back != 2 || done.Left != 0 || len(done.Aside) == 0 {
		t.Errorf("%+v", done)
	}
	if !f.has(meanwhile) || f.field(both, "asset") != "A1" || f.has(exported) {
		t.Errorf("there: %v, asset %v, of a file: %v", f.has(meanwhile), f.field(both, "asset"), f.has(exported))
	}
	got := f.queue()
	if len(got) != 3 || got[0].Op.ID != want[0].Op.ID || got[1].Op.ID != want[2].Op.ID || got[2].Op.ID != want[3].Op.ID {
		t.Errorf("the queue is %+v", got)
	}
	if n := f.unexported(); n != 3 {
		t.Errorf("%d changes are in no file; want 3", n)
	}
}
