package localdb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// tries picks a number: few, or (make torture) as many as
// a release asks for, or such a share of that: TORTURE=0.1.
func tries(ci, release int) int {
	if share, err := strconv.ParseFloat(os.Getenv("TORTURE"), 64); err == nil {
		return max(ci, int(share*float64(release)))
	}
	return ci
}

// memory is a folder in memory where there is one.
func memory(t testing.TB) string {
	if dir, err := os.MkdirTemp("/dev/shm", "punchlist-test-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

// queueOf is every row of the queue, whole, and the next place in it.
func queueOf(t *testing.T, path string) string {
	t.Helper()
	raw, err := sql.Open("sqlite3", "file:"+path+"?mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	columns := ""
	err = raw.QueryRow("SELECT group_concat('''' || name || ''', ' || name) FROM pragma_table_info('sync_queue')").Scan(&columns)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := raw.Query("SELECT json_object(" + columns + ") FROM sync_queue UNION ALL SELECT max(seq) FROM sqlite_sequence WHERE name = 'sync_queue'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// copyDay copies the files of a database that is open, as they stand.
func copyDay(t *testing.T, from, to string) {
	t.Helper()
	for _, ending := range []string{"", "-wal", ".queue.log", ".token"} {
		text, err := os.ReadFile(from + ending)
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(to+ending, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// day is a laptop at work: all kinds of changes, rounds with every outcome, edits
// that are folded, parked ones that are mended, retried and dropped.
type day struct {
	t     *testing.T
	rng   *rand.Rand
	db    *localdb.DB
	tasks []string
}

func (d *day) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *day) step(ctx context.Context, n int) {
	d.t.Helper()
	if len(d.tasks) == 0 || d.rng.IntN(4) == 0 {
		id, err := d.db.AddTask(ctx, op.Fields{"title": fmt.Sprintf("Pump “%d” \\ \"", n), "description": strings.Repeat("ü ", d.rng.IntN(200))})
		d.must(err)
		d.tasks = append(d.tasks, id)
		return
	}
	id := d.tasks[d.rng.IntN(len(d.tasks))]
	if _, err := d.db.Task(ctx, id); errors.Is(err, localdb.ErrNotFound) {
		return // undone, or dropped
	}
	switch d.rng.IntN(8) {
	case 0:
		_, err := d.db.AddNote(ctx, id, fmt.Sprint("note ", n), "")
		d.must(err)
	case 1, 2, 3:
		d.must(d.db.EditTask(ctx, id, op.Fields{"asset": fmt.Sprint("A", n)}))
	case 4:
		item, err := d.db.AddItem(ctx, id, op.Fields{"label": fmt.Sprint("step ", n)})
		d.must(err)
		d.must(d.db.AnswerItem(ctx, item, localdb.Answer{Outcome: "done"}))
	case 5:
		d.round(ctx)
	case 6:
		_, err := d.db.Undo(ctx)
		if err != nil {
			d.t.Log("undo:", err)
		}
	case 7:
		d.parked(ctx)
	}
}

// round sends a batch; each op is taken, refused, or waits.
func (d *day) round(ctx context.Context) {
	batch, err := d.db.NextBatch(ctx, 1+d.rng.IntN(20), 1<<20)
	d.must(err)
	sent, err := d.db.Freeze(ctx, batch)
	d.must(err)
	results := make([]wire.Result, len(sent))
	var tried []string
	for i, o := range sent {
		switch d.rng.IntN(4) {
		case 0:
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Rejected, Code: op.CodeBadValue, Message: "no"}
		case 1:
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Retry}
			tried = append(tried, o.ID)
		default:
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: o.Seq}
		}
	}
	_, err = d.db.Settle(ctx, sent, results, nil)
	d.must(err)
	d.must(d.db.MarkTried(ctx, tried, "not now"))
}

func (d *day) parked(ctx context.Context) {
	rows, err := d.db.Queue(ctx, 0, 500)
	d.must(err)
	for _, r := range rows {
		if r.State != localdb.BadgeParked {
			continue
		}
		if d.rng.IntN(2) == 0 {
			d.must(d.db.RetryOp(ctx, r.Op.ID))
		} else {
			d.must(d.db.DiscardOp(ctx, r.Op.ID))
		}
		return
	}
}

// spoil writes noise over pages of a file, or cuts it off.
func spoil(t *testing.T, rng *rand.Rand, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return
	}
	for range 1 + rng.IntN(3) {
		page := rng.IntN((len(text) + 4095) / 4096)
		end := min(len(text), (page+1)*4096)
		for i := page * 4096; i < end; i++ {
			text[i] = byte(rng.IntN(256))
		}
	}
	if rng.IntN(10) == 0 {
		text = text[:rng.IntN(len(text))]
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestF62PageDamage (I5, G20): whatever pages of the database are spoilt, every
// unsent change is there after the repair, exactly as it was, and no file is gone.
func TestF62PageDamage(t *testing.T) {
	t.Parallel()
	const moments = 10
	for m := range moments {
		rng := rand.New(rand.NewPCG(uint64(m), 62))
		dir := memory(t)
		path := filepath.Join(dir, "x.db")
		db, err := localdb.Open(t.Context(), path, localdb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d := &day{t: t, rng: rng, db: db}
		d.must(db.Enrol(t.Context(), localdb.Device{ID: "dev", User: "ann", Name: "laptop", Role: op.Technician, Crews: []string{"north"}, ServerURL: "https://x", ServerID: "s", ServerKey: "k", Token: "plk1_x"}))
		for n := range 20 + 12*m {
			d.step(t.Context(), n)
		}
		if m%2 == 0 {
			d.must(db.Close())
		}
		want := queueOf(t, path)
		for i := range tries(30, 1000) / moments {
			copied := filepath.Join(dir, fmt.Sprint("copy", i))
			d.must(os.Mkdir(copied, 0o700))
			there := filepath.Join(copied, "x.db")
			copyDay(t, path, there)
			spoil(t, rng, there)
			if rng.IntN(2) == 0 {
				spoil(t, rng, there+"-wal")
			}
			before := contents(t, copied)
			done, err := localdb.Repair(t.Context(), there, localdb.Options{})
			if err != nil {
				t.Fatalf("moment %d, damage %d: %v", m, i, err)
			}
			if got := queueOf(t, there); got != want {
				t.Errorf("moment %d, damage %d: the queue is\n%s\nwant\n%s", m, i, got, want)
			}
			if !done.Enrolled || done.BadLines > 0 {
				t.Errorf("moment %d, damage %d: %+v", m, i, done)
			}
			after := contents(t, copied)
			for name, text := range before {
				if name != "x.db.token" && !slices.Contains(slices.Collect(maps.Values(after)), text) {
					t.Errorf("moment %d, damage %d: what was in %s is gone", m, i, name)
				}
			}
			d.must(os.RemoveAll(copied))
		}
		d.must(db.Close())
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(text)
	}
	return out
}

// TestRepairGoesOn: after a repair the laptop is the same device, shows what it
// made itself, sends, hears the rest from the server, and gives no place in the
// queue a second time.
func TestRepairGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := localdb.Open(t.Context(), path, localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &day{t: t, rng: rand.New(rand.NewPCG(1, 1)), db: db}
	d.must(db.Enrol(t.Context(), localdb.Device{ID: "dev", User: "ann", Name: "laptop", Role: op.Technician, Crews: []string{"north"}, ServerURL: "https://x", ServerID: "s", ServerKey: "k", Token: "plk1_x"}))
	known := "0198aaaa-0000-7000-8000-00000000000a"
	state := op.Fields{"id": known, "version": int64(5), op.UpdatedAt: int64(5), op.Deleted: false, op.CrewField: "north", "title": "From the office", "status": "PENDING"}
	page := wire.Changes{Cursor: "c1", User: "ann", Role: op.Technician, Crews: []string{"north"}, Changes: []wire.Change{{EntityType: op.Task, EntityID: known, Crew: "north", Version: 5, ServerState: state}}}
	_, err = db.ApplyChanges(t.Context(), page)
	d.must(err)
	own, err := db.AddTask(t.Context(), op.Fields{"title": "My own"})
	d.must(err)
	d.must(db.EditTask(t.Context(), known, op.Fields{"asset": "A1"}))
	d.must(db.Close())
	spoil(t, d.rng, path)
	done, err := localdb.Repair(t.Context(), path, localdb.Options{})
	d.must(err)
	if done.Changes != 2 || !done.Enrolled || len(done.Aside) < 2 {
		t.Fatalf("%+v", done)
	}
	aside := func() (out string) {
		for _, name := range done.Aside {
			text, err := os.ReadFile(name)
			d.must(err)
			out += name + "\n" + string(text)
		}
		return out
	}
	kept := aside()
	defer func() {
		if aside() != kept {
			t.Error("what was kept aside changed")
		}
	}()
	db, err = localdb.Open(t.Context(), path, localdb.Options{})
	d.must(err)
	t.Cleanup(func() { db.Close() })
	dev, err := db.Device(t.Context())
	d.must(err)
	if dev.ID != "dev" || dev.User != "ann" || dev.Token != "plk1_x" || dev.Cursor != "" || len(dev.Crews) != 1 {
		t.Errorf("%+v", dev)
	}
	if task, err := db.Task(t.Context(), own); err != nil || task.Title != "My own" {
		t.Errorf("%+v %v", task, err)
	}
	_, err = db.ApplyChanges(t.Context(), page)
	d.must(err)
	task, err := db.Task(t.Context(), known)
	if err != nil || task.Title != "From the office" || task.Asset != "A1" {
		t.Errorf("%+v %v", task, err)
	}
	if notes, err := db.Notices(t.Context()); err != nil || len(notes) != 1 || notes[0].Code != localdb.NoticeRepaired {
		t.Errorf("%+v %v", notes, err)
	}
	batch, err := db.NextBatch(t.Context(), 10, 1<<20)
	d.must(err)
	_, err = db.AddNote(t.Context(), own, "after", "")
	d.must(err)
	rows, err := db.Queue(t.Context(), 0, 0)
	d.must(err)
	if len(batch) != 2 || len(rows) != 3 || rows[2].Op.Seq <= rows[1].Op.Seq {
		t.Errorf("%d to send, queue %+v", len(batch), rows)
	}
}

// TestQueueLogKeepsStep: several programs, a log that is lost, cut off or cannot be
// written: the log comes back into step with the next change, and what only it
// knows is kept aside.
func TestQueueLogKeepsStep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	log := path + ".queue.log"
	open := func() *localdb.DB {
		db, err := localdb.Open(t.Context(), path, localdb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	a, b := open(), open()
	add := func(db *localdb.DB, title string) {
		if _, err := db.AddTask(t.Context(), op.Fields{"title": title}); err != nil {
			t.Fatal(err)
		}
	}
	inStep := func(when string) {
		t.Helper()
		want := queueOf(t, path)
		copied := filepath.Join(t.TempDir(), "x.db")
		copyDay(t, path, copied)
		os.WriteFile(copied, []byte("noise"), 0o600)
		os.Remove(copied + "-wal")
		if _, err := localdb.Repair(t.Context(), copied, localdb.Options{}); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := queueOf(t, copied); got != want {
			t.Errorf("%s: the log knows\n%s\nwant\n%s", when, got, want)
		}
	}
	for i := range 6 {
		add([]*localdb.DB{a, b}[i%2], fmt.Sprint("both ", i))
	}
	inStep("two programs")
	if info, err := os.Stat(log); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	a.Close()
	b.Close()

	os.Remove(log)
	c := open()
	add(c, "the log was gone")
	inStep("a log that was lost")
	c.Close()

	text, _ := os.ReadFile(log)
	os.WriteFile(log, text[:len(text)-30], 0o600)
	c = open()
	add(c, "the log was cut")
	inStep("a log that was cut off")

	os.Remove(log)
	os.Mkdir(log, 0o700) // nothing can be written there
	add(c, "without a log")
	os.Remove(log)
	add(c, "with one again")
	inStep("a log that could not be written")
	c.Close()

	// An older copy of the database comes back: the work that only the log knows
	// of is not thrown away.
	old, _ := os.ReadFile(path)
	c = open()
	for i := range 3 {
		add(c, fmt.Sprint("newer ", i))
	}
	c.Close()
	os.WriteFile(path, old, 0o600)
	c = open()
	add(c, "after the old copy")
	inStep("an older copy")
	c.Close()
	if kept, err := os.ReadFile(log + ".kept-1"); err != nil || !strings.Contains(string(kept), "newer 1") {
		t.Errorf("the log that knew more was not kept: %v", err)
	}
}

// TestQueueLogStaysSmall: what was sent leaves it.
func TestQueueLogStaysSmall(t *testing.T) {
	path := filepath.Join(memory(t), "x.db")
	db, err := localdb.Open(t.Context(), path, localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	d := &day{t: t, rng: rand.New(rand.NewPCG(3, 3)), db: db}
	for range 60 {
		err := db.DoEach(t.Context(), func(yield func(localdb.Change) bool) {
			for range 40 {
				yield(localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": "T", "status": "PENDING"}})
			}
		})
		d.must(err)
		batch, err := db.NextBatch(t.Context(), 100, 1<<20)
		d.must(err)
		results := make([]wire.Result, len(batch))
		for i, o := range batch {
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: 1}
		}
		_, err = db.Settle(t.Context(), batch, results, nil)
		d.must(err)
	}
	info, err := os.Stat(path + ".queue.log")
	if err != nil || info.Size() > 512<<10 {
		t.Errorf("%v %v", info.Size(), err)
	}
}
