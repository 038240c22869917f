package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// kill -9: the test binary starts itself as the program that is killed. What that
// one printed it has called saved.

const childRole = "PUNCHLIST_TEST_CHILD"

func runChild(role string) {
	path, seed := os.Args[len(os.Args)-1], uint64(os.Getpid())
	var err error
	switch role {
	case "laptop":
		err = childLaptop(path, seed)
	case "server":
		err = childServer(path)
	case "open":
		fmt.Println("ready")
		var db *localdb.DB
		if db, err = localdb.Open(context.Background(), path, localdb.Options{}); err == nil {
			err = db.Close()
		}
	}
	if err != nil {
		fmt.Println("error", err)
	}
}

// childLaptop works until it is killed: groups and single changes, and rounds in
// which the server takes everything. No edit of it may be folded into another.
func childLaptop(path string, seed uint64) error {
	ctx, rng := context.Background(), rand.New(rand.NewPCG(seed, 9))
	db, err := localdb.Open(ctx, path, localdb.Options{})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var task string
	for n := 0; ; n++ {
		text := fmt.Sprintf("%d.%d", seed, n)
		changes := []localdb.Change{{Kind: op.Task, Action: op.Insert, Fields: op.Fields{"title": text, "description": text, "status": "PENDING"}}}
		if task != "" && rng.IntN(2) == 0 {
			changes = []localdb.Change{{Kind: op.Task, ID: task, Action: op.Update, Fields: op.Fields{"description": text}},
				{Kind: op.Note, Action: op.Insert, Fields: op.Fields{"task_id": task, "body": text, "author": "ann", "at": int64(1)}}}
		}
		saved, err := db.Do(ctx, changes...)
		if err != nil {
			return err
		}
		fmt.Println("saved", strings.Join(saved.OpIDs, " "))
		task = saved.IDs[0]
		if rng.IntN(6) == 0 {
			if err := childRound(ctx, db); err != nil {
				return err
			}
		}
	}
}

func childRound(ctx context.Context, db *localdb.DB) error {
	release, mine, err := db.TryLock()
	if err != nil || !mine {
		return err
	}
	defer release()
	batch, err := db.NextBatch(ctx, 10, 1<<20)
	if err != nil {
		return err
	}
	sent, err := db.Freeze(ctx, batch)
	if err != nil {
		return err
	}
	results := make([]wire.Result, len(sent))
	for i, o := range sent {
		results[i] = wire.Result{OpID: o.ID, Outcome: op.Applied, Version: o.Seq}
	}
	_, err = db.Settle(ctx, sent, results, nil)
	return err
}

// childServer takes batches that its parent knows, and prints its answers.
func childServer(path string) error {
	o := &office{rng: rand.New(rand.NewPCG(44, 44)), path: path}
	fmt.Println("ready")
	return o.session(1<<30, func(n int) {
		text, _ := json.Marshal(o.answers[n-1])
		fmt.Printf("saved %s\n", text)
	})
}

// killed starts this binary in a role and kills it after a moment; out hears each
// line that it had said. An error that it spoke of is returned.
func killed(role, path string, after time.Duration, out func(string)) error {
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), childRole+"="+role)
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(said)
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() }) // it must come so far as to be ready
	defer timer.Stop()
	defer cmd.Wait() // killed: no news
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // a line without its end was not said
			if err == io.EOF {
				return nil
			}
			return err
		}
		switch word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case "ready":
			timer.Reset(after)
		case "saved":
			out(rest)
		default:
			cmd.Process.Kill()
			return fmt.Errorf("the program says: %s", line)
		}
	}
}

// TestF52F65KillLaptop (I1, I2, I4, I9, G2): two programs on one file, killed again
// and again: nothing that they called saved is lost, nothing is half done, and no
// locked file is shown to anybody.
func TestF52F65KillLaptop(t *testing.T) {
	const seed = 52
	rng := rand.New(rand.NewPCG(seed, 1))
	path := filepath.Join(scratch(t), "x.db")
	saved, unchecked := map[string]bool{}, 0
	for cycle := range size(20, 1000) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 2 {
			after := time.Duration(rng.IntN(60_000)) * time.Microsecond
			wg.Go(func() {
				err := killed("laptop", path, after, func(ids string) {
					mu.Lock()
					defer mu.Unlock()
					for _, id := range strings.Fields(ids) {
						saved[id] = true
						unchecked++
					}
				})
				if err != nil {
					t.Errorf("cycle %d: %v", cycle, err)
				}
			})
		}
		wg.Wait()
		if cycle%10 != 9 {
			continue
		}
		if err := look(path, func(raw *sql.DB) error { return noneMissing(raw, saved) }); err != nil {
			t.Fatalf("seed %d, cycle %d: %v", seed, cycle, err)
		}
		path, saved = filepath.Join(scratch(t), "x.db"), map[string]bool{}
	}
	t.Logf("%d ops were called saved", unchecked)
	if unchecked == 0 {
		t.Error("nothing was ever saved")
	}
}

func noneMissing(raw *sql.DB, saved map[string]bool) error {
	rows, err := raw.Query("SELECT op_id, group_id, count(*) OVER (PARTITION BY group_id) FROM (SELECT op_id, group_id FROM sync_queue UNION ALL SELECT op_id, group_id FROM sync_sent)")
	if err != nil {
		return err
	}
	defer rows.Close()
	there := map[string]bool{}
	for rows.Next() {
		var id string
		var group *string
		var n int
		if err := rows.Scan(&id, &group, &n); err != nil {
			return err
		}
		if there[id] = true; group != nil && n != 2 {
			return fmt.Errorf("%d of the 2 changes of an action are there", n)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for id := range saved {
		if !there[id] {
			return fmt.Errorf("op %s was called saved and is lost", id)
		}
	}
	var n int
	if err := raw.QueryRow(halfDone).Scan(&n); err != nil || n > 0 {
		return fmt.Errorf("%d records and ops do not fit: %w", n, err)
	}
	return nil
}

// TestF44F45KillServer (I13, G2): a server that is killed knows afterwards what it
// acknowledged, and each batch whole or not at all.
func TestF44F45KillServer(t *testing.T) {
	const seed = 45
	rng := rand.New(rand.NewPCG(seed, 1))
	acked := 0
	for cycle := range size(12, 500) {
		dir := scratch(t)
		o := &office{rng: rand.New(rand.NewPCG(44, 44)), path: filepath.Join(dir, "d.db")}
		err := killed("server", o.path, time.Duration(rng.IntN(60_000))*time.Microsecond, func(text string) {
			var answer []wire.Result
			if err := json.Unmarshal([]byte(text), &answer); err != nil {
				t.Error(err)
			}
			o.answers = append(o.answers, answer)
		})
		if err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		for range len(o.answers) + 3 {
			o.batches = append(o.batches, o.batch())
		}
		if _, err := os.Stat(o.path); err != nil && len(o.answers) == 0 {
			continue // killed before it made its file
		}
		if err := o.check(dir, len(o.answers)); err != nil {
			t.Fatalf("seed %d, cycle %d, %d acknowledged: %v", seed, cycle, len(o.answers), err)
		}
		acked += len(o.answers)
		os.RemoveAll(dir)
	}
	t.Logf("%d batches were acknowledged", acked)
	if acked == 0 {
		t.Error("nothing was ever acknowledged")
	}
}
