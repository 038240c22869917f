package localdb_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// TestF85TextOfAMegabyte: a text that no server would take is refused where it is
// typed, and nothing of it is kept.
func TestF85TextOfAMegabyte(t *testing.T) {
	db, err := localdb.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, field := range []string{"title", "description", "x.long"} {
		_, err := db.AddTask(t.Context(), op.Fields{"title": "T", field: strings.Repeat("ü", 1<<19)})
		var refusal *op.Refusal
		if !errors.As(err, &refusal) || refusal.Code != op.CodeTooLong {
			t.Errorf("%s: %.200v", field, err)
		}
	}
	if s, err := db.Summary(t.Context()); err != nil || s.Pending != 0 || s.Tasks != 0 {
		t.Errorf("%+v %v", s, err)
	}
}

// TestF75TokenHalfWritten: what a write of the token left when it was cut off is not
// the token; the one before stays.
func TestF75TokenHalfWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := localdb.Open(t.Context(), path, localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	enrol := func(token string) error {
		return db.Enrol(t.Context(), localdb.Device{ID: "dev", User: "ann", Role: op.Technician, ServerURL: "https://x", ServerID: "s", ServerKey: "k", Token: token})
	}
	if err := enrol("plk1_first"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), ".punchlist-123"), []byte("plk1_sec"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := db.Device(t.Context()); err != nil || d.Token != "plk1_first" {
		t.Errorf("%q %v", d.Token, err)
	}
	if err := enrol("plk1_second"); err != nil {
		t.Fatal(err)
	}
	if d, err := db.Device(t.Context()); err != nil || d.Token != "plk1_second" {
		t.Errorf("%q %v", d.Token, err)
	}
}

// TestF86LongQueue: very many waiting changes are counted, shown and sent in their
// order, each once.
func TestF86LongQueue(t *testing.T) {
	n := tries(3000, 100_000)
	db, err := localdb.Open(t.Context(), filepath.Join(memory(t), "x.db"), localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.DoEach(t.Context(), func(yield func(localdb.Change) bool) {
		for i := range n {
			if !yield(localdb.Change{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": fmt.Sprint("T", i), "status": "PENDING"}}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := db.Summary(t.Context()); err != nil || s.Pending != n || s.PendingTasks != n {
		t.Fatalf("%+v %v", s, err)
	}
	var last int64
	for sent := 0; sent < n; {
		batch, err := db.NextBatch(t.Context(), 500, 1<<20)
		if err != nil || len(batch) == 0 {
			t.Fatalf("behind %d: %d, %v", sent, len(batch), err)
		}
		results := make([]wire.Result, len(batch))
		for i, o := range batch {
			if o.Seq <= last {
				t.Fatalf("op %d behind op %d", o.Seq, last)
			}
			last = o.Seq
			results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: o.Seq}
		}
		if _, err := db.Settle(t.Context(), batch, results, nil); err != nil {
			t.Fatal(err)
		}
		sent += len(batch)
	}
	if left, err := db.PendingOps(t.Context()); err != nil || left != 0 {
		t.Errorf("%d left, %v", left, err)
	}
}
