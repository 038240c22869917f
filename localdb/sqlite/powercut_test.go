package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// laptop is a person at work on a laptop's real database, with a book of what
// was called saved.
type laptop struct {
	rng     *rand.Rand
	path    string
	db      *localdb.DB
	tasks   []string
	actions [][]string     // the op ids of each action, in order
	failed  map[int]int    // actions that were not called saved, and of how many changes
	folded  map[string]int // ops that Freeze folded, or may have, into later ones, and how many actions were saved before
	acked   int            // the last action that was called saved, counted from 1
	tick    int64
	mark    func(n int) // n actions are saved
}

func newLaptop(seed uint64, path string, mark func(int)) *laptop {
	return &laptop{rng: rand.New(rand.NewPCG(seed, 1)), path: path, failed: map[int]int{}, folded: map[string]int{}, mark: mark}
}

func (l *laptop) options() localdb.Options {
	return localdb.Options{
		Clock: func() op.Reading {
			l.tick += 1000
			return op.Reading{Wall: 1_793_000_000_000 + l.tick, Boot: l.tick, BootID: "boot"}
		},
		NewID: func() string {
			var b [16]byte
			for i := range b {
				b[i] = byte(l.rng.IntN(256))
			}
			b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
			return uuid.UUID(b).String()
		},
	}
}

// session opens the file, does n actions and closes it.
func (l *laptop) session(n int) (err error) {
	ctx := context.Background()
	if l.db, err = localdb.Open(ctx, l.path, l.options()); err != nil {
		return err
	}
	for range n {
		if err := l.act(ctx); err != nil {
			return errors.Join(err, l.db.Close())
		}
		if l.rng.IntN(12) == 0 {
			if err := l.send(ctx); err != nil {
				return errors.Join(err, l.db.Close())
			}
		}
	}
	return l.db.Close()
}

// act is one action of one to four changes. Each says its number, so that records
// and queue can be compared.
func (l *laptop) act(ctx context.Context) error {
	var changes []localdb.Change
	n := 1
	if l.rng.IntN(5) == 0 {
		n = 2 + l.rng.IntN(3)
	}
	for i := range n {
		text := fmt.Sprintf("%d.%d", len(l.actions), i)
		c := localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": "T " + text, "description": text, "status": "PENDING"}}
		if len(l.tasks) > 0 && l.rng.IntN(4) > 0 {
			id := l.tasks[l.rng.IntN(len(l.tasks))]
			c = localdb.Change{Kind: op.Task, ID: id, Action: op.Update, Fields: op.Fields{"description": text}}
			if l.rng.IntN(3) == 0 {
				c = localdb.Change{Kind: op.Note, Action: op.Insert, Fields: op.Fields{"task_id": id, "body": text, "author": "ann", "at": int64(1_793_000_000_000)}}
			}
		}
		changes = append(changes, c)
	}
	saved, err := l.db.Do(ctx, changes...)
	if err != nil {
		l.failed[len(l.actions)] = n
		l.actions = append(l.actions, nil)
		return errors.Join(err, l.lied(ctx, err))
	}
	l.actions = append(l.actions, saved.OpIDs)
	l.acked = len(l.actions)
	l.mark(l.acked)
	for i, c := range changes {
		if c.Kind == op.Task && c.Action == op.Insert {
			l.tasks = append(l.tasks, saved.IDs[i])
		}
	}
	return nil
}

// errLied: what a failed action says of itself is not so.
var errLied = errors.New("the error lies")

// lied holds what a commit that failed says of itself against what is there.
func (l *laptop) lied(ctx context.Context, failed error) error {
	if !errors.Is(failed, sqlite.ErrUnsure) {
		return nil
	}
	queue, err := l.db.Queue(ctx, 0, 0)
	if err != nil {
		return nil // nobody can tell, and it has not to be told
	}
	there := slices.ContainsFunc(queue, func(q localdb.QueueRow) bool {
		text := q.Op.Fields.Text("description") + q.Op.Fields.Text("body")
		return strings.HasPrefix(text, fmt.Sprint(len(l.actions)-1, "."))
	})
	says := strings.HasPrefix(failed.Error(), "it is in the file")
	if unknown := strings.HasPrefix(failed.Error(), "it cannot be told"); unknown || there == says {
		return nil
	}
	return fmt.Errorf("%w: there %v: %v", errLied, there, failed)
}

// send is a round: the server takes all that it is given.
func (l *laptop) send(ctx context.Context) error {
	batch, err := l.db.NextBatch(ctx, 20, 1<<20)
	if err != nil {
		return err
	}
	sent, err := l.db.Freeze(ctx, batch)
	results := make([]wire.Result, len(sent))
	there := map[string]bool{}
	for i, o := range sent {
		there[o.ID] = true
		results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: o.Seq}
	}
	for _, o := range batch { // of a Freeze that failed nobody knows
		if _, known := l.folded[o.ID]; !known && !there[o.ID] {
			l.folded[o.ID] = l.acked
		}
	}
	if err != nil {
		return err
	}
	_, err = l.db.Settle(ctx, sent, results, nil)
	return err
}

// check opens what a cut left, with the real code, and compares it with the book.
func (l *laptop) check(dir string, acked int, goOn bool) error {
	path := filepath.Join(dir, filepath.Base(l.path))
	db, err := localdb.Open(context.Background(), path, localdb.Options{})
	if err != nil {
		return fmt.Errorf("it does not open: %w", err)
	}
	defer db.Close()
	if goOn {
		if _, err := db.Do(context.Background(), localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": "goes on", "status": "PENDING"}}); err != nil {
			return fmt.Errorf("nothing more can be saved: %w", err)
		}
	}
	return look(path, func(raw *sql.DB) error { return l.compare(raw, acked) })
}

func look(path string, f func(*sql.DB) error) error {
	raw, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		return err
	}
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	var whole string
	if err := raw.QueryRow("PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
		return fmt.Errorf("integrity: %s %w", whole, err)
	}
	return f(raw)
}

// halfDone finds records that do not hold what the newest op on them says, and
// ops that made a record which is not there.
const halfDone = `WITH ops AS (SELECT id, entity_id, entity_type, action, payload FROM sync_queue UNION ALL SELECT id, entity_id, entity_type, action, payload FROM sync_sent)
	SELECT (SELECT count(*) FROM tasks t WHERE t.description IS NOT (SELECT payload ->> '$.description' FROM ops WHERE entity_id = t.id AND payload ->> '$.description' IS NOT NULL ORDER BY id DESC LIMIT 1) AND t.title <> 'goes on')
	+ (SELECT count(*) FROM ops WHERE action = 'INSERT' AND entity_id NOT IN (SELECT id FROM tasks UNION ALL SELECT id FROM notes))
	+ (SELECT count(*) FROM notes WHERE id NOT IN (SELECT entity_id FROM ops))`

// compare looks for lost and half-done actions: those that are there must be the
// first ones, whole, and at least the acknowledged ones.
func (l *laptop) compare(raw *sql.DB, acked int) error {
	rows, err := raw.Query(`SELECT op_id, coalesce(payload ->> '$.description', payload ->> '$.body') FROM (SELECT op_id, payload FROM sync_queue UNION ALL SELECT op_id, payload FROM sync_sent)`)
	if err != nil {
		return err
	}
	defer rows.Close()
	there, unsaid := map[string]bool{}, map[int]int{}
	for rows.Next() {
		var id string
		var text *string
		if err := rows.Scan(&id, &text); err != nil {
			return err
		}
		there[id] = true
		var action, part int
		if text == nil {
			continue // what check itself wrote
		}
		if _, err := fmt.Sscanf(*text, "%d.%d", &action, &part); err != nil {
			return err
		}
		if l.failed[action] > 0 {
			unsaid[action]++
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for action, n := range unsaid {
		if n != l.failed[action] {
			return fmt.Errorf("action %d, not called saved, is there in part: %d of %d", action, n, l.failed[action])
		}
	}
	ended := false
	for i, ops := range l.actions {
		n := 0
		for _, id := range ops {
			if before, folded := l.folded[id]; there[id] || folded && before <= acked {
				n++
			}
		}
		switch {
		case n == 0 && len(ops) > 0:
			if ended = true; i < acked {
				return fmt.Errorf("action %d of %d is lost, %d were called saved", i, len(l.actions), acked)
			}
		case n < len(ops):
			return fmt.Errorf("action %d is there in part: %d of %d", i, n, len(ops))
		case ended && len(ops) > 0:
			return fmt.Errorf("action %d is there without those before it", i)
		}
	}
	var n int
	if err := raw.QueryRow(halfDone).Scan(&n); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("%d records and ops do not fit", n))
	}
	return nil
}

// cuts tries n cuts of a recorded run, spread over all models and damages, and
// calls check for each. It returns the first faults.
func cuts(t *testing.T, events []event, start map[string][]byte, n int, rng *rand.Rand, models []model, check func(dir string, acked, i int) error) (faults []error) {
	t.Helper()
	dir := filepath.Join(scratch(t), "cut")
	for m, mod := range models {
		at := make([]int, n/len(models))
		for i := range at {
			at[i] = rng.IntN(len(events) + 1)
		}
		slices.Sort(at)
		d, done := newDisk(mod, rng, start), 0
		for i, moment := range at {
			for ; done < moment; done++ {
				d.hear(events[done])
			}
			how := damage((i + m) % int(damages))
			if err := put(dir, d.cut(how)); err != nil {
				t.Fatal(err)
			}
			if err := check(dir, d.acked, i); err != nil {
				faults = append(faults, fmt.Errorf("cut before event %d of %d, %v, %v: %w", moment, len(events), mod, how, err))
			}
		}
	}
	return faults
}

var allModels = []model{{false, 512, false}, {true, 4096, false}, {true, 512, false}, {false, 4096, false}}

// run records a laptop's day of three sessions.
func (p *power) run(seed uint64, sessions ...int) (*laptop, []event) {
	p.t.Helper()
	dir := scratch(p.t)
	l := newLaptop(seed, filepath.Join(dir, "x.db"), p.mark)
	events := p.record(dir, func() {
		for _, n := range sessions {
			if err := l.session(n); err != nil {
				p.t.Fatalf("seed %d: %v", seed, err)
			}
		}
	})
	return l, events
}

func report(t *testing.T, seed uint64, faults []error) {
	t.Helper()
	for _, err := range faults[:min(len(faults), 5)] {
		t.Errorf("seed %d: %v", seed, err)
	}
	if len(faults) > 5 {
		t.Errorf("seed %d: and %d more", seed, len(faults)-5)
	}
}

// TestF53PowerCut (I1, I2, I4, G1): whenever the power goes, what was called
// saved is there, whole, and the laptop works on.
func TestF53PowerCut(t *testing.T) {
	p := takePower(t)
	for seed := range uint64(size(2, 20)) {
		l, events := p.run(seed, 120, 60, 40)
		rng := rand.New(rand.NewPCG(seed, 2))
		report(t, seed, cuts(t, events, nil, size(100, 500), rng, allModels, func(dir string, acked, i int) error { return l.check(dir, acked, i%8 == 0) }))
	}
}

// TestF54DoublePowerCut: the power goes again while the laptop comes back.
func TestF54DoublePowerCut(t *testing.T) {
	p := takePower(t)
	for seed := range uint64(size(1, 10)) {
		l, events := p.run(seed, 80, 40)
		rng := rand.New(rand.NewPCG(seed, 3))
		for i := range size(8, 20) {
			mod, how := allModels[i%len(allModels)], damage(rng.IntN(int(damages)))
			d := newDisk(mod, rng, nil)
			for _, e := range events[:rng.IntN(len(events)+1)] {
				d.hear(e)
			}
			first, acked := d.cut(how), d.acked
			dir := scratch(t)
			if err := put(dir, first); err != nil {
				t.Fatal(err)
			}
			back := p.record(dir, func() {
				if err := l.check(dir, acked, true); err != nil {
					t.Errorf("seed %d, first cut, %v, %v: %v", seed, mod, how, err)
				}
			})
			report(t, seed, cuts(t, back, first, size(4, 10), rng, []model{mod}, func(dir string, _, _ int) error { return l.check(dir, acked, false) }))
		}
	}
}

// TestPowerCutHarnessSeesBadSettings: a folder that is not synced, a disk that
// lies of its syncs, synchronous=NORMAL, and a record and its op in two
// transactions must be found out, or the harness proves nothing.
func TestPowerCutHarnessSeesBadSettings(t *testing.T) {
	p := takePower(t)
	l, events := p.run(1, 40)
	check := func(dir string, acked, _ int) error { return l.check(dir, acked, false) }
	rng := rand.New(rand.NewPCG(1, 4))
	// SQLite syncs the folder of a new -wal too; so each is tried without that.
	ours := slices.DeleteFunc(slices.Clone(events), func(e event) bool { return e.kind == evDirSync && e.name == "" })
	if faults := cuts(t, ours, nil, 40, rng, []model{{true, 4096, false}}, check); len(faults) > 0 {
		t.Errorf("with the folder synced by us alone: %v", faults[0])
	}
	nobody := slices.DeleteFunc(slices.Clone(events), func(e event) bool { return e.kind == evDirSync })
	if len(cuts(t, nobody, nil, 80, rng, []model{{true, 4096, false}}, check)) == 0 {
		t.Error("a folder that nobody synced was not found out")
	}
	if len(cuts(t, events, nil, 80, rng, []model{{false, 4096, true}}, check)) == 0 {
		t.Error("F55: a disk that lies was not found out")
	}
	for name, plain := range map[string]plainRun{
		"control": {sync: "FULL"}, "NORMAL": {sync: "NORMAL"}, "two transactions": {sync: "FULL", apart: true},
	} {
		dir := scratch(t)
		events := p.record(dir, func() {
			if err := plain.run(p, filepath.Join(dir, "x.db")); err != nil {
				t.Fatal(err)
			}
		})
		faults := cuts(t, events, nil, 160, rng, allModels, func(dir string, acked, _ int) error { return plain.check(filepath.Join(dir, "x.db"), acked) })
		if found := len(faults) > 0; found != (name != "control") {
			t.Errorf("%s: found out %v: %v", name, found, errors.Join(faults...))
		}
	}
}

// plainRun writes pairs of rows with settings of its own.
type plainRun struct {
	sync  string
	apart bool // the two in transactions of their own
}

func (r plainRun) run(p *power, path string) error {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous="+r.sync)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE record (v INTEGER PRIMARY KEY, x); CREATE TABLE op (v INTEGER PRIMARY KEY, x)"); err != nil {
		return err
	}
	p.do("SELECT power_dirsync()")
	p.mark(1) // the tables
	for i := range 40 {
		statements := []string{"BEGIN IMMEDIATE", "INSERT INTO record VALUES (?1, zeroblob(300))", "INSERT INTO op VALUES (?1, zeroblob(300))", "COMMIT"}
		if r.apart {
			statements = statements[1:3]
		}
		for _, s := range statements {
			if _, err := db.Exec(s, i+1); err != nil {
				return err
			}
		}
		p.mark(i + 2)
	}
	return nil
}

func (r plainRun) check(path string, acked int) error {
	return look(path, func(raw *sql.DB) error {
		var records, ops int
		err := raw.QueryRow("SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM op)").Scan(&records, &ops)
		switch {
		case acked == 0:
			return nil
		case err != nil:
			return err
		case records != ops:
			return fmt.Errorf("%d records, %d ops", records, ops)
		case ops < acked-1:
			return fmt.Errorf("%d ops, %d were called saved", ops, acked-1)
		}
		return nil
	})
}
