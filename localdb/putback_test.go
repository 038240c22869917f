package localdb_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// TestWhatCameAlongIsStillToBeMended: a change that never went into a file may be
// replaced in the database that was put back, as it could be before; one of which
// a file was begun may not.
func TestWhatCameAlongIsStillToBeMended(t *testing.T) {
	f := newFixture(t)
	f.read.BootID = op.SystemClock().BootID // of this boot, as what was written a moment ago is
	backup := filepath.Join(t.TempDir(), "x.bak")
	f.must(f.Backup(f.ctx, backup))
	begun := f.add("Of this one a file was begun")
	raw, err := sql.Open("sqlite3", f.path)
	f.must(err)
	_, err = raw.Exec("UPDATE sync_queue SET exported = 1")
	f.must(errors.Join(err, raw.Close()))
	never := f.add("In no file")
	f.must(f.Close())
	done, err := localdb.PutBack(f.ctx, backup, f.path)
	f.must(err)
	f.open()
	queue := f.queue()
	if done.Back != 2 || len(queue) != 2 || queue[0].Op.Entity != begun || queue[1].Op.Entity != never {
		t.Fatalf("%+v, %+v", done, queue)
	}
	if err := f.ReplaceOp(f.ctx, queue[1].Op.ID, op.Fields{"title": "Right"}); err != nil || f.field(never, "title") != "Right" {
		t.Errorf("%v, it is called %v", err, f.field(never, "title"))
	}
	var told *localdb.Error
	if err := f.ReplaceOp(f.ctx, queue[0].Op.ID, op.Fields{"title": "Wrong"}); !errors.As(err, &told) || !strings.Contains(told.Message, "went into a file") {
		t.Errorf("of a change that may be in a file: %v", err)
	}
}

// TestLeftInADamagedDatabase: a backup is put back over a damaged database. What
// its log speaks of and no file holds is told, and nothing else.
func TestLeftInADamagedDatabase(t *testing.T) {
	f := newFixture(t)
	backup := filepath.Join(t.TempDir(), "x.bak")
	f.must(f.Backup(f.ctx, backup))
	f.add("In a file")
	f.export()
	f.add("In none")
	f.add("In none either")
	f.must(f.Close())
	f.must(os.WriteFile(f.path, []byte(strings.Repeat("noise", 4000)), 0o600))
	done, err := localdb.PutBack(f.ctx, backup, f.path)
	if err != nil || done.Left != 2 || done.Back != 0 || len(done.Aside) == 0 {
		t.Errorf("%+v, %v; want 2 left", done, err)
	}
}

// TestLogsAreGoneBeforeTheNewFileIsThere: a power cut may keep the rename and lose
// what was removed before it, and the old -wal would then be read into the new file;
// so the folder is synced in between.
func TestLogsAreGoneBeforeTheNewFileIsThere(t *testing.T) {
	f := newFixture(t)
	f.add("Waits")
	backup := filepath.Join(t.TempDir(), "x.bak")
	f.must(f.Backup(f.ctx, backup))
	f.must(f.Close())
	for name, do := range map[string]func() error{
		"restore": func() error { _, err := localdb.PutBack(f.ctx, backup, f.path); return err },
		"repair":  func() error { _, err := localdb.Repair(f.ctx, f.path, localdb.Options{}); return err },
	} {
		f.must(os.WriteFile(f.path+"-wal", []byte("of the old file"), 0o600))
		old, err := os.Stat(f.path)
		f.must(err)
		safe := false
		undo := localdb.OnSync(func(path string) {
			now, err := os.Stat(f.path)
			_, log := os.Lstat(f.path + "-wal")
			safe = safe || filepath.Dir(path) == filepath.Dir(f.path) && err == nil && os.SameFile(old, now) && errors.Is(log, fs.ErrNotExist)
		})
		err = do()
		undo()
		if err != nil || !safe {
			t.Errorf("%s: %v, the folder was synced between the two: %v", name, err, safe)
		}
	}
}
