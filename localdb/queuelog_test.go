package localdb_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// instant is a laptop's files after one transaction, and what waits then.
type instant struct {
	path  string
	log   []byte
	queue string
	said  string // what was done
}

// logbook is a laptop at work, with its files after each transaction.
type logbook struct {
	*day
	dir      string
	path     string
	instants []instant
}

func newLogbook(t *testing.T, seed uint64) *logbook {
	dir := memory(t)
	b := &logbook{dir: dir, path: filepath.Join(dir, "x.db"), day: &day{t: t, rng: rand.New(rand.NewPCG(seed, 53))}}
	b.db = b.open(b.path)
	b.must(b.db.Enrol(t.Context(), localdb.Device{ID: "dev", User: "ann", Name: "laptop", Role: op.Technician, Crews: []string{"north"}, ServerURL: "https://x", ServerID: "s", ServerKey: "k", Token: "plk1_x"}))
	b.work()
	return b
}

func (b *logbook) open(path string) *localdb.DB {
	b.t.Helper()
	db, err := localdb.Open(b.t.Context(), path, localdb.Options{})
	b.must(err)
	b.t.Cleanup(func() { db.Close() })
	return db
}

// done notes the files as they are now.
func (b *logbook) done(said string) {
	b.t.Helper()
	n := instant{path: filepath.Join(b.dir, fmt.Sprint("at", len(b.instants)), "x.db"), said: said, queue: queueOf(b.t, b.path)}
	b.must(os.Mkdir(filepath.Dir(n.path), 0o700))
	copyDay(b.t, b.path, n.path)
	var err error
	n.log, err = os.ReadFile(b.path + ".queue.log")
	b.must(err)
	b.instants = append(b.instants, n)
}

// work does everything that touches the queue, a transaction at a time.
func (b *logbook) work() {
	ctx := b.t.Context()
	add := func(title string) string {
		id, err := b.db.AddTask(ctx, op.Fields{"title": title})
		b.must(err)
		b.done("added " + title)
		return id
	}
	newest := func() op.Op {
		rows, err := b.db.Queue(ctx, 0, 500)
		b.must(err)
		return rows[len(rows)-1].Op
	}
	pump, door := add("Pump"), add("Door")
	for i := range 3 { // the same row of the queue, as many changes wait as before
		b.must(b.db.EditTask(ctx, pump, op.Fields{"asset": fmt.Sprint("A", i)}))
		b.done(fmt.Sprint("the asset is A", i))
	}
	_, err := b.db.AddNote(ctx, door, "The key is at the gate", "")
	b.must(err)
	b.done("a note")
	_, err = b.db.Undo(ctx)
	b.must(err)
	b.done("undone")
	add("Refused")
	batch, err := b.db.NextBatch(ctx, 100, 1<<20)
	b.must(err)
	sent, err := b.db.Freeze(ctx, batch)
	b.must(err)
	b.done("on its way")
	results := make([]wire.Result, len(sent))
	for i, o := range sent {
		if results[i] = (wire.Result{OpID: o.ID, Outcome: op.Applied, Version: o.Seq}); i == len(sent)-1 {
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Rejected, Code: op.CodeBadValue, Message: "no"}
		}
	}
	_, err = b.db.Settle(ctx, sent, results, nil)
	b.must(err)
	b.done("settled")
	refused := newest()
	add("Roof")
	b.must(b.db.RetryOp(ctx, refused.ID))
	b.done("sent again")
	b.must(b.db.DiscardOp(ctx, newest().ID))
	b.done("discarded")
	b.must(b.db.DoEach(ctx, func(yield func(localdb.Change) bool) {
		for i := range 4 {
			yield(localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": fmt.Sprint("Imported ", i), "status": "PENDING"}})
		}
	}))
	b.done("imported")
	add("Last")
}

// repaired is what a repair makes of a log, the database being lost.
func (b *logbook) repaired(log []byte) string {
	b.t.Helper()
	dir := filepath.Join(b.dir, "repaired")
	b.must(os.Mkdir(dir, 0o700))
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.db")
	b.must(os.WriteFile(path, []byte("noise"), 0o600))
	b.must(os.WriteFile(path+".queue.log", log, 0o600))
	_, err := localdb.Repair(b.t.Context(), path, localdb.Options{})
	b.must(err)
	return queueOf(b.t, path)
}

// inStep: after a write the log says what the database does.
func (b *logbook) inStep(db *localdb.DB, how string) {
	b.t.Helper()
	_, err := db.AddTask(b.t.Context(), op.Fields{"title": "Behind it"})
	b.must(err)
	log, err := os.ReadFile(db.Path() + ".queue.log")
	b.must(err)
	if got, want := b.repaired(log), queueOf(b.t, db.Path()); got != want {
		b.t.Errorf("%s: the log says\n%s\nthe database\n%s", how, got, want)
	}
}

// at makes a laptop with the database of one instant and the log of another.
func (b *logbook) at(name string, n instant, log []byte) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name, "x.db")
	b.must(os.Mkdir(filepath.Dir(path), 0o700))
	copyDay(b.t, n.path, path)
	b.must(os.WriteFile(path+".queue.log", log, 0o600))
	return path
}

// TestF53LogCutAnywhere: the log is not synced, so a power cut takes any part of its
// end, or leaves noise there. A repair brings what waited after the last transaction
// that is whole: never a part of one, nothing that was undone or discarded before.
func TestF53LogCutAnywhere(t *testing.T) {
	t.Parallel()
	b := newLogbook(t, 1)
	last := b.instants[len(b.instants)-1]
	first := slices.IndexFunc(b.instants, func(n instant) bool { return bytes.HasPrefix(last.log, n.log) })
	if first > 1 {
		t.Fatalf("the log was written anew %d transactions before its end", len(b.instants)-first)
	}
	ends := map[int]string{}
	for _, n := range b.instants[first:] {
		ends[len(n.log)] = n.queue
	}
	lengths := []int{}
	for n := len(b.instants[first].log); n <= len(last.log); n += 1 + b.rng.IntN(2*len(last.log)/tries(30, 600)) {
		lengths = append(lengths, n)
	}
	for _, n := range b.instants[first+1:] {
		lengths = append(lengths, len(n.log)-b.rng.IntN(3)) // the newline, and the line's last letter
	}
	slices.Sort(lengths)
	for _, n := range slices.Compact(lengths) {
		log := slices.Clone(last.log[:n])
		switch b.rng.IntN(4) {
		case 0: // the file had its length before it had its bytes
			log = append(log, make([]byte, b.rng.IntN(600))...)
		case 1:
			for range b.rng.IntN(600) {
				log = append(log, byte(b.rng.IntN(256)))
			}
		}
		want, end := "", n
		if len(log) == n {
			end++ // the line's end may be missing
		}
		for ; want == ""; end-- {
			want = ends[end]
		}
		if got := b.repaired(log); got != want {
			t.Fatalf("cut at %d of %d: the repair brings\n%s\nwant\n%s", n, len(last.log), got, want)
		}
	}
}

// TestF53LogOfAnotherMoment: the database came through a power cut and the log did
// not, or the other way round. However alike the two look, the first thing that is
// written brings them together: what a repair makes of the log then is what waits.
func TestF53LogOfAnotherMoment(t *testing.T) {
	t.Parallel()
	b := newLogbook(t, 2)
	for i, n := range b.instants {
		for j := max(0, i-4); j <= min(i+1, len(b.instants)-1); j++ {
			if b.rng.IntN(3) >= tries(1, 3) {
				continue
			}
			name := fmt.Sprintf("%d-%d", i, j)
			path := b.at(name, n, b.instants[j].log)
			db := b.open(path)
			b.inStep(db, fmt.Sprintf("the database knows %q, the log %q", n.said, b.instants[j].said))
			b.must(db.Close())
			if kept := localdb.KeptLogs(path); len(kept) > 0 {
				t.Errorf("%s: %v is kept, and holds nothing that was ever saved and is missed", name, kept)
			}
			b.must(os.RemoveAll(filepath.Dir(path)))
		}
	}
}

// TestF52LogOfAKilledProcess: one process is killed between its lines and its
// commit while another one has the database open. What the other writes then must
// not vouch for them.
func TestF52LogOfAKilledProcess(t *testing.T) {
	t.Parallel()
	b := newLogbook(t, 3)
	for i := 1; i < len(b.instants); i++ {
		before, after := b.instants[i-1], b.instants[i]
		path := b.at(fmt.Sprint("killed", i), before, before.log)
		db := b.open(path)
		b.must(db.SaveDraft(b.t.Context(), "add", map[string]string{"title": "it has looked at the log"}))
		b.must(os.WriteFile(path+".queue.log", after.log, 0o600))
		b.inStep(db, fmt.Sprintf("killed when it had %s", after.said))
		b.must(db.Close())
	}
}
