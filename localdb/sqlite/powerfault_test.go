package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// faulty does some actions on a good file while an operation of the disk fails,
// goes on when the disk is well again, and then the power goes.
type faulty struct {
	kind, nth int
	sticky    bool
}

// run returns how often the operation happened, and what is wrong.
func (f faulty) run(t *testing.T, p *power, seed uint64) (reached int, fault error) {
	dir := scratch(t)
	l := newLaptop(seed, filepath.Join(dir, "x.db"), p.mark)
	if err := l.session(15); err != nil {
		return 0, err
	}
	start, err := read(dir)
	if err != nil {
		return 0, err
	}
	before := len(l.actions)
	var wrong error
	events := p.record(dir, func() {
		p.mark(before)
		p.fault(f.kind, f.nth, f.sticky)
		reached, wrong = l.throughFault(p, f.kind)
	})
	if wrong != nil {
		return reached, wrong
	}
	if err := l.check(dir, len(l.actions), false); err != nil {
		return reached, fmt.Errorf("as it stands: %w", err)
	}
	rng := rand.New(rand.NewPCG(seed, uint64(f.nth)))
	faults := cuts(t, events, start, 2, rng, allModels[f.nth%4:][:1], func(dir string, acked, _ int) error { return l.check(dir, acked, false) })
	return reached, errors.Join(faults...)
}

// throughFault tries ten actions while the disk may fail, then four when it is
// well: on the same open file, without a restart, they have to be saved.
func (l *laptop) throughFault(p *power, kind int) (reached int, wrong error) {
	ctx := context.Background()
	var err error
	if l.db, err = localdb.Open(ctx, l.path, l.options()); err == nil {
		for range 10 {
			if err := l.act(ctx); errors.Is(err, errLied) { // it may fail; it must not lie
				wrong = err
			}
			if l.rng.IntN(4) == 0 {
				_ = l.send(ctx)
			}
		}
	}
	reached = p.count(kind)
	p.fault(failNone, 0, false)
	if wrong != nil {
		return reached, errors.Join(wrong, l.db.Close())
	}
	if err != nil {
		if l.db, err = localdb.Open(ctx, l.path, l.options()); err != nil {
			return reached, fmt.Errorf("open when the disk is well again: %w", err)
		}
	}
	for i := range 4 {
		if err := l.act(ctx); err != nil {
			return reached, errors.Join(fmt.Errorf("action %d when the disk is well again: %w", i, err), l.db.Close())
		}
	}
	return reached, l.db.Close()
}

// TestIOFaults (I3, I4, I8, G3): each operation of the disk fails
// once, or from then on: nothing is called saved that is not, nothing is damaged,
// also when the power goes after it, and when the disk is well again the same
// open file works on.
func TestIOFaults(t *testing.T) {
	p := takePower(t)
	for name, kind := range map[string]int{"F56WriteEIOAndF61Quota": failWrite, "F59ENOSPC": failFull, "F57FsyncEIO": failSync, "F58ReadEIO": failRead, "OpenEIO": failOpen} {
		t.Run(name, func(t *testing.T) {
			points, err := faulty{kind: kind, nth: 1 << 30}.run(t, p, 1)
			if err != nil {
				t.Fatal(err)
			}
			step := max(1, points/size(3, 1000))
			tried := 0
			for nth := 1; nth <= points; nth += step {
				for _, sticky := range []bool{false, true} {
					reached, err := faulty{kind, nth, sticky}.run(t, p, 1)
					if err != nil {
						t.Errorf("operation %d of %d, for good %v: %v", nth, points, sticky, err)
					}
					if reached >= nth {
						tried++
					}
				}
			}
			t.Logf("%d points, %d faults", points, tried)
			if tried == 0 {
				t.Error("no fault ever happened")
			}
		})
	}
}

// TestF59DiskFullIsSaid: the person hears that the disk is full, and reads on.
func TestF59DiskFullIsSaid(t *testing.T) {
	p := takePower(t)
	dir := scratch(t)
	l := newLaptop(1, filepath.Join(dir, "x.db"), p.mark)
	if err := l.session(5); err != nil {
		t.Fatal(err)
	}
	p.record(dir, func() {
		db, err := localdb.Open(t.Context(), l.path, l.options())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		p.fault(failFull, 1, true)
		_, err = db.Do(t.Context(), localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": "T", "status": "PENDING"}})
		if !errors.Is(err, sqlite.ErrFull) || !strings.Contains(localdb.Cure(err, l.path), "free some space") {
			t.Errorf("got %v", err)
		}
		if ids, err := db.IDs(t.Context(), op.Task); err != nil || len(ids) == 0 {
			t.Errorf("reading: %d tasks, %v", len(ids), err)
		}
	})
}

// TestF63F64LostWalAndStaleShm: a -wal that is lost takes the newest actions with
// it, but leaves a whole file; an old or foreign -shm changes nothing at all.
func TestF63F64LostWalAndStaleShm(t *testing.T) {
	p := takePower(t)
	l, events := p.run(7, 30)
	last := slices.IndexFunc(events, func(e event) bool { return e.kind == evMark && e.off == 30 })
	d := newDisk(allModels[0], rand.New(rand.NewPCG(7, 7)), nil)
	for _, e := range events[:last+1] {
		d.hear(e)
	}
	files := d.cut(keepAll)
	rng := rand.New(rand.NewPCG(7, 8))
	dir := filepath.Join(scratch(t), "cut")
	for i := range 8 {
		shm := make([]byte, 32768)
		for j := range shm {
			shm[j] = byte(rng.IntN(256))
		}
		files["x.db-shm"] = shm
		if err := put(dir, files); err != nil {
			t.Fatal(err)
		}
		if err := l.check(dir, d.acked, true); err != nil {
			t.Errorf("a -shm of noise, try %d: %v", i, err)
		}
	}
	delete(files, "x.db-wal")
	if err := put(dir, files); err != nil {
		t.Fatal(err)
	}
	if err := l.check(dir, 0, true); err != nil {
		t.Errorf("without its -wal: %v", err)
	}
}
