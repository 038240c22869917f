package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/wire"
)

// office is a server over a real store, with a book of what it acknowledged.
type office struct {
	rng     *rand.Rand
	path    string
	batches [][]op.Op
	answers [][]wire.Result
	seq     int64
	tasks   []string
}

var ann = server.Author{Device: "0198aaaa-0000-7000-8000-000000000001", User: "ann", Role: op.Technician, Crews: []string{"north"}}

func (o *office) id() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(o.rng.IntN(256))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

// serve opens a file as a starting server does.
func serve(path string) (*server.Server, io.Closer, error) {
	store, err := sqlitestore.Open(context.Background(), path)
	if err != nil {
		return nil, nil, err
	}
	s, err := server.New(context.Background(), store, server.Options{
		Now: func() time.Time { return time.UnixMilli(1_793_000_000_000) }, Rand: bytes.NewReader(make([]byte, 4096))})
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return s, store, nil
}

func (o *office) batch() (out []op.Op) {
	for range 1 + o.rng.IntN(4) {
		o.seq++
		x := op.Op{ID: o.id(), Seq: o.seq, Kind: op.Task, Action: op.Insert, Entity: o.id(), CreatedAt: 1, Schema: op.Schema,
			Fields: op.Fields{"title": fmt.Sprint("T", o.seq), "status": "PENDING", op.UpdatedAt: int64(1_792_000_000_000) + o.seq}}
		if len(o.tasks) > 0 && o.rng.IntN(2) == 0 {
			x.Action, x.Entity, x.Base = op.Update, o.tasks[o.rng.IntN(len(o.tasks))], op.BaseUnknown
			x.Fields = op.Fields{"title": fmt.Sprint("T", o.seq), op.UpdatedAt: int64(1_792_000_000_000) + o.seq}
		} else {
			o.tasks = append(o.tasks, x.Entity)
		}
		out = append(out, x)
	}
	return out
}

func (o *office) session(n int, acked func(int)) error {
	s, closer, err := serve(o.path)
	if err != nil {
		return err
	}
	if len(o.batches) == 0 {
		if _, err := s.AddUser(context.Background(), server.User{Name: "ann", Role: op.Technician, Crews: []string{"north"}}); err != nil {
			return errors.Join(err, closer.Close())
		}
	}
	for range n {
		b := o.batch()
		results, err := s.Apply(context.Background(), ann, b)
		if err != nil {
			return errors.Join(err, closer.Close())
		}
		o.batches, o.answers = append(o.batches, b), append(o.answers, results)
		acked(len(o.batches))
	}
	return closer.Close()
}

// check sends everything again to what a cut left: what was acknowledged gets its
// first answer; a batch is known whole or not at all, and none behind an unknown one.
func (o *office) check(dir string, acked int) error {
	path := filepath.Join(dir, filepath.Base(o.path))
	s, closer, err := serve(path)
	if err != nil {
		return fmt.Errorf("it does not start: %w", err)
	}
	defer closer.Close()
	if acked == 0 {
		return nil
	}
	ended := false
	for i, b := range o.batches[:min(len(o.batches), acked+3)] {
		results, err := s.Apply(context.Background(), ann, b)
		if err != nil {
			return err
		}
		again := 0
		for j, r := range results {
			if !r.Duplicate {
				continue
			}
			if again++; i < len(o.answers) && (r.Version != o.answers[i][j].Version || r.Outcome != o.answers[i][j].Outcome) {
				return fmt.Errorf("batch %d, op %d: %s %d was %s %d", i, j, r.Outcome, r.Version, o.answers[i][j].Outcome, o.answers[i][j].Version)
			}
		}
		switch {
		case again < len(b) && i < acked:
			return fmt.Errorf("batch %d of %d acknowledged ones is lost, or in part: %d of %d", i, acked, again, len(b))
		case again > 0 && again < len(b):
			return fmt.Errorf("batch %d took effect in part: %d of %d", i, again, len(b))
		case again > 0 && ended:
			return fmt.Errorf("batch %d is there without those before it", i)
		}
		ended = again == 0
	}
	return look(path, func(raw *sql.DB) error {
		var version, chain int
		err := raw.QueryRow("SELECT version, (SELECT count(*) FROM chain WHERE crew = 'north') FROM crews WHERE name = 'north'").Scan(&version, &chain)
		if err == nil && version != chain {
			err = fmt.Errorf("version %d, but a history of %d", version, chain)
		}
		return err
	})
}

// TestF44F45ServerPowerCut (I13): what the server acknowledged it knows after any
// power cut, and a batch takes effect whole or not at all.
func TestF44F45ServerPowerCut(t *testing.T) {
	p := takePower(t)
	for seed := range uint64(size(1, 4)) {
		dir := scratch(t)
		o := &office{rng: rand.New(rand.NewPCG(seed, 5)), path: filepath.Join(dir, "d.db")}
		events := p.record(dir, func() {
			for _, n := range []int{80, 40} {
				if err := o.session(n, p.mark); err != nil {
					t.Fatal(err)
				}
			}
		})
		faults := cuts(t, events, nil, size(64, 500), o.rng, allModels, func(dir string, acked, _ int) error { return o.check(dir, acked) })
		report(t, seed, faults)
	}
}
