package pgstore_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// TestReadsByKey: what a batch has to see, and what a look hears, is found by keys, also while the
// database knows nothing of its tables yet, or knew them empty, when a plan that goes through all
// that an author ever did looks as good: each op would then cost as much as the
// history is long.
func TestReadsByKey(t *testing.T) {
	const history, batch = 8000, 200
	address := database(t)
	s := openAt(t, address)
	r := storetest.NewRig(t, s)
	r.User("ann", op.Technician, "north")
	ann := r.Enrol("ann")
	var seen wire.Seen
	refs, visits := 0, storetest.Visits{First: 5_000_000}
	work := func() {
		t.Helper()
		for range 8 { // more than the executions after which a plan may stay
			ops := visits.Take(batch-4, r.Time())
			for len(ops) < batch {
				refs++
				ops = append(ops, ann.Op(op.Insert, op.Task, storetest.NewID(), 0, op.Fields{"title": "next", "status": "PENDING", "external_ref": fmt.Sprint("W-", refs)}))
			}
			out, a := ann.TryBatch(wire.Self{Seen: seen}, ops...)
			if a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			seen = out.Seen
			if page := ann.Page(20); len(page.Changes) != 20 { // from the start on
				t.Fatalf("%d changes in a page", len(page.Changes))
			}
		}
	}
	work() // while the tables are as good as empty
	exec(t, address, fmt.Sprintf(`
		INSERT INTO outcomes (home, author, op_id, device, entity, seq, version, at, stamp, state, crew, kind, result)
			SELECT home, author, decode(md5(i::text), 'hex'), device, entity, 1000000 + i, version, at, stamp, state, crew, kind, result FROM (SELECT * FROM outcomes LIMIT 1) AS o, generate_series(1, %[1]d) AS i;
		INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at)
			SELECT crew, kind, gen_random_uuid()::text, 1000000 + i, false, false, '', 'H-' || i, 'T-' || 1000000 + i, fields, registers, at FROM (SELECT * FROM records LIMIT 1) AS r, generate_series(1, %[1]d) AS i;
		INSERT INTO chain (crew, version, fingerprint) SELECT crew, 1000000 + i, fingerprint FROM (SELECT * FROM chain LIMIT 1) AS c, generate_series(1, %[1]d) AS i`, history))
	read := func() (rows map[string]int64) {
		t.Helper()
		c, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		list, err := c.Query(t.Context(), `SELECT relname, sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = current_schema() GROUP BY relname`)
		if err != nil {
			t.Fatal(err)
		}
		rows = map[string]int64{}
		var table string
		var n int64
		if _, err := pgx.ForEachRow(list, []any{&table, &n}, func() error { rows[table] = n; return nil }); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	from := read()
	work()
	if err := s.(interface{ Close() error }).Close(); err != nil { // its connections tell what they counted
		t.Fatal(err)
	}
	to := read()
	for _, table := range []string{"outcomes", "records", "chain"} {
		if n := to[table] - from[table]; n > 4*history { // most were found by one row each
			t.Errorf("8 batches of %d ops read %d rows of %s, which holds %d", batch, n, table, history)
		}
	}
}
