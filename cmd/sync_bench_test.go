package cmd_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// The figures of the exchange: the real programs beside clients that people would
// write instead, against the same server over the same line, in one run:
//
//	go test -tags sqlite_fts5 -run '^$' -bench Sync ./cmd
//
// Ratios count; a machine that has other work makes all of them slow.

// traffic counts what a line carries.
type traffic struct{ up, down atomic.Int64 }

func (c *traffic) total() int64 { return c.up.Load() + c.down.Load() }

// limited is a line with a delay each way: what is sent while something is under way
// is under way too. Each connection is cut after so many bytes; 0: never.
func limited(delay time.Duration, c *traffic, bytes int64) way {
	return func(_ context.Context, l *faultLine, near net.Conn) {
		var carried atomic.Int64
		through := func(count *atomic.Int64) func(io.Writer, []byte) bool {
			type parcel struct {
				due  time.Time
				data []byte
			}
			belt := make(chan parcel, 1<<16)
			var failed atomic.Bool
			var to atomic.Pointer[io.Writer]
			l.wait.Go(func() {
				for p := range belt {
					time.Sleep(time.Until(p.due))
					if _, err := (*to.Load()).Write(p.data); err != nil {
						failed.Store(true)
					}
				}
			})
			l.t.Cleanup(func() { close(belt) })
			return func(w io.Writer, piece []byte) bool {
				count.Add(int64(len(piece)))
				if n := carried.Add(int64(len(piece))); bytes > 0 && n > bytes {
					return false
				}
				if delay == 0 {
					return whole(w, piece)
				}
				to.Store(&w)
				belt <- parcel{time.Now().Add(delay), slices.Clone(piece)}
				return !failed.Load()
			}
		}
		l.pipe(near, through(&c.up), through(&c.down))
	}
}

// syncBench is an office with a line to it, and a person who may have laptops.
type syncBench struct {
	*world
	b    *testing.B
	line *faultLine
	c    *traffic
}

func newSyncBench(b *testing.B) *syncBench {
	b.Helper()
	w := newWorld(b)
	w.office("user", "add", "ann", "--crew", "north", "--role", "dispatcher")
	w.serveWith("--device-rate", "0", "--address-rate", "0") // the clients written by the way need thousands of requests
	return &syncBench{world: w, b: b, line: newFaultLine(b, w.address, "127.0.0.1:0"), c: &traffic{}}
}

// over sets the line, with its counters at nothing.
func (s *syncBench) over(delay time.Duration, cut int64) {
	s.c.up.Store(0)
	s.c.down.Store(0)
	s.line.set(limited(delay, s.c, cut))
}

// joins makes a database one of ann's laptops, over the line.
func (s *syncBench) joins(path string) {
	s.b.Helper()
	s.over(0, 0)
	var invite struct{ Invite string }
	s.decode(s.office("invite", "ann", "--url", "http://"+s.line.addr, "--json"), &invite)
	s.run("punchlist", "--db", path, "enroll", invite.Invite)
}

// synced is how long one sync takes, the start of the program included.
func (s *syncBench) synced(path string) time.Duration {
	s.b.Helper()
	began := time.Now()
	s.run("punchlist", "--db", path, "sync", "--timeout", "4m")
	return time.Since(began)
}

// plainOps are changes as somebody would write them who knows the plain form only.
func plainOps(n int) []map[string]any {
	out := make([]map[string]any, n)
	for i := range out {
		payload, _ := json.Marshal(map[string]any{"title": fmt.Sprintf("Inspect the boiler, unit %d", i), "status": "PENDING", "priority": "high", "due_at": 1763800000000 + i, "asset": "A-17", "assignee": "ann", "updated_at": time.Now().UnixMilli()}) // scalars
		out[i] = map[string]any{"id": i + 1, "entity_id": uuid.NewString(), "entity_type": "task", "action": "INSERT", "payload": string(payload), "created_at": time.Now().UnixMilli(), "retry_count": 0}
	}
	return out
}

// plainly sends changes over the line, so many a request, one request after the
// other, and says how long that took.
func (s *syncBench) plainly(token string, ops []map[string]any, size int) time.Duration {
	s.b.Helper()
	began := time.Now()
	for part := range slices.Chunk(ops, size) {
		path, body := "/sync", any(part[0])
		if size > 1 {
			path, body = "/sync/batch", map[string]any{"ops": part}
		}
		text, err := json.Marshal(body)
		if err != nil {
			s.b.Fatal(err)
		}
		req, err := http.NewRequestWithContext(s.b.Context(), http.MethodPost, "http://"+s.line.addr+path, bytes.NewReader(text))
		if err != nil {
			s.b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.b.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			s.b.Fatalf("%s: %d %v %.300s", path, resp.StatusCode, err, answer)
		}
	}
	return time.Since(began)
}

const (
	eachWay = 50 * time.Millisecond // each way: 100 ms there and back
	// alone is how many changes the client that sends each by itself is given: the
	// rest would take as long each.
	alone = 200
)

// BenchmarkSyncDrain (P11, P12, P20): what waited goes out, beside a client that
// sends one change a request (measured with 200, told for all), and one that sends
// 500, over loopback and over 100 ms.
func BenchmarkSyncDrain(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for name, delay := range map[string]time.Duration{"loopback": 0, "100ms": eachWay} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				s := newSyncBench(b)
				path, token := benchTasks(b, n), s.plainToken()
				s.joins(path)
				s.over(delay, 0)
				ours, sent := s.synced(path), s.c.total()
				if left := s.pendingIn(path); left != 0 {
					b.Fatalf("%d changes wait still", left)
				}
				s.over(delay, 0)
				single := s.plainly(token, plainOps(alone), 1) * time.Duration(n/alone)
				singleBytes := s.c.total() * int64(n/alone)
				s.over(delay, 0)
				batch := s.plainly(token, plainOps(n), 500)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(ours.Seconds(), "s")
				b.ReportMetric(single.Seconds(), "one_by_one_s")
				b.ReportMetric(batch.Seconds(), "by_500_s")
				b.ReportMetric(single.Seconds()/ours.Seconds(), "x_one_by_one")
				b.ReportMetric(ours.Seconds()/batch.Seconds(), "of_by_500")
				b.ReportMetric(float64(sent), "bytes")
				b.ReportMetric(float64(sent)/float64(singleBytes), "bytes_of_one_by_one")
				if delay > 0 {
					b.ReportMetric(ours.Seconds()/(2*delay).Seconds(), "round_trips")
				}
			})
		}
	}
}

func (s *syncBench) pendingIn(path string) int {
	s.b.Helper()
	var state struct{ Pending int }
	s.decode(s.run("punchlist", "--db", path, "state", "--json"), &state)
	return state.Pending
}

// BenchmarkSyncCut (P21): the line is cut after every 200 KB, which no request of
// 500 changes survives; and how much more was sent for it.
func BenchmarkSyncCut(b *testing.B) {
	const n = 10_000
	clear, cut := benchTasks(b, n), benchTasks(b, n)
	s := newSyncBench(b)
	s.joins(clear)
	s.over(0, 0)
	well := s.synced(clear)
	sent := s.c.total()
	s = newSyncBench(b) // of an office that holds the first one's tasks they would be heard too
	s.joins(cut)
	s.over(0, 200_000)
	began := time.Now()
	for s.pendingIn(cut) > 0 {
		_, _, _ = s.try("punchlist", "--db", cut, "sync", "--timeout", "4m") // it may end before all is sent
		if time.Since(began) > 4*time.Minute {
			b.Fatalf("%d changes wait still", s.pendingIn(cut))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(time.Since(began).Seconds(), "s")
	b.ReportMetric(well.Seconds(), "uncut_s")
	b.ReportMetric(float64(sent), "uncut_bytes")
	b.ReportMetric(float64(s.c.total())/float64(sent)-1, "sent_again")
}

// BenchmarkSyncFresh (P13, P22): a new laptop takes everything and can search it,
// beside the same rows written in one transaction.
func BenchmarkSyncFresh(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := newSyncBench(b)
			first := benchTasks(b, n)
			s.joins(first)
			s.synced(first)
			fresh := filepath.Join(b.TempDir(), "fresh.db")
			s.joins(fresh)
			s.over(0, 0)
			took := s.synced(fresh)
			down := s.c.down.Load()
			if got := s.searchable(fresh); got != n/7+min(n%7, 1) {
				b.Fatalf("a search finds %d", got)
			}
			rows := copied(b, fresh)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(took.Seconds(), "s")
			b.ReportMetric(rows.Seconds(), "rows_s")
			b.ReportMetric(took.Seconds()/rows.Seconds(), "x_rows")
			b.ReportMetric(float64(down), "bytes_down")
		})
	}
}

// searchable counts what a search for the first of the words finds.
func (s *syncBench) searchable(path string) int {
	s.b.Helper()
	var list []json.RawMessage
	s.decode(s.run("punchlist", "--db", path, "list", "boiler", "--json"), &list)
	return len(list)
}

// copied is how long the tasks of a database take to be written into a new one of
// the same schema, in one transaction.
func copied(b *testing.B, path string) time.Duration {
	b.Helper()
	ctx := b.Context()
	to := filepath.Join(b.TempDir(), "copy.db")
	empty, err := localdb.Open(ctx, to, localdb.Options{})
	if err == nil {
		err = empty.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	columns, rows := rowsOf(b, path)
	db, err := sql.Open("sqlite3", "file:"+to+"?_synchronous=FULL&_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "PRAGMA temp_store = MEMORY"); err != nil { // as the laptop does: twice as fast with these triggers
		b.Fatal(err)
	}
	insert := "INSERT INTO tasks (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	began := time.Now()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	one, err := tx.PrepareContext(ctx, insert)
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range rows {
		if _, err := one.ExecContext(ctx, row...); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// rowsOf reads the tasks of a database, but for what SQLite works out itself.
func rowsOf(b *testing.B, path string) (columns []string, out [][]any) {
	b.Helper()
	var list string
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(b.Context(), "SELECT group_concat(name) FROM pragma_table_xinfo('tasks') WHERE hidden = 0").Scan(&list); err != nil {
		b.Fatal(err)
	}
	columns = strings.Split(list, ",")
	rows, err := db.QueryContext(b.Context(), "SELECT "+list+" FROM tasks")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		row, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			b.Fatal(err)
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return columns, out
}

// BenchmarkSyncSeen (P17): two laptops that sync by themselves; how soon what one
// person saves stands in the other's database, and how soon the queue moves when
// the line comes back.
func BenchmarkSyncSeen(b *testing.B) {
	s := newSyncBench(b)
	here, there := benchTasks(b, 1), filepath.Join(b.TempDir(), "there.db")
	for _, path := range []string{here, there} {
		s.joins(path)
		s.synced(path)
		watch := s.command(b.Context(), "punchlist", "--db", path, "sync", "--watch")
		if err := watch.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = watch.Process.Kill(); _ = watch.Wait() })
	}
	mine, theirs := s.opened(here), s.opened(there)
	time.Sleep(3 * time.Second) // both listen by then
	var took []time.Duration
	for i := range 21 {
		began := time.Now()
		id := s.adds(mine, i)
		s.until(10*time.Second, func() bool { _, err := theirs.Task(b.Context(), id); return err == nil })
		took = append(took, time.Since(began))
	}
	s.line.shut()
	s.line.set(reset)
	s.adds(mine, 99)
	time.Sleep(5 * time.Second)
	s.line.listen(s.line.addr)
	s.line.set(pass)
	began := time.Now()
	s.until(3*time.Minute, func() bool { n, err := mine.PendingOps(b.Context()); return err == nil && n == 0 })
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "seen_ms")
	b.ReportMetric(took[len(took)-1].Seconds()*1000, "seen_slowest_ms")
	b.ReportMetric(time.Since(began).Seconds()*1000, "back_ms")
}

func (s *syncBench) opened(path string) *localdb.DB {
	s.b.Helper()
	db, err := localdb.Open(s.b.Context(), path, localdb.Options{})
	if err != nil {
		s.b.Fatal(err)
	}
	s.b.Cleanup(func() { db.Close() })
	return db
}

func (s *syncBench) adds(db *localdb.DB, i int) string {
	s.b.Helper()
	id, err := db.AddTask(s.b.Context(), op.Fields{"title": fmt.Sprintf("Seen %d", i), "status": "PENDING"})
	if err != nil {
		s.b.Fatal(err)
	}
	return id
}

func (s *syncBench) until(limit time.Duration, done func() bool) {
	s.b.Helper()
	for began := time.Now(); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > limit {
			s.b.Fatal("it never came")
		}
	}
}

// BenchmarkSyncStreams (P18): what an idle device with a stream costs the server's
// memory.
func BenchmarkSyncStreams(b *testing.B) {
	const devices, each = 100, 4 // streams of one device, as many as it may have
	s := newSyncBench(b)
	var tokens []string
	for range devices {
		tokens = append(tokens, s.plainToken())
	}
	before := s.memory()
	for i := range devices * each {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET /sync/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n", tokens[i/each])
		if _, err := c.Read(make([]byte, 1024)); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(2 * time.Second)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(s.memory()-before)/devices/each/1024, "KiB/stream")
	b.ReportMetric(float64(before)/1024/1024, "MiB_without")
}

// memory is the server's resident memory, in bytes.
func (s *syncBench) memory() int64 {
	s.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.server.Process.Pid))
	if err != nil {
		s.b.Skip(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		s.b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
