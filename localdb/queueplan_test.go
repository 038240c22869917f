package localdb_test

import (
	"database/sql"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
)

// What refused changes hold up is found by the indexes, from the refused ones on,
// however long the queue.
func TestWhatIsHeldUpIsFoundByIndexes(t *testing.T) {
	f := newFixture(t)
	f.add("Pump")
	db, err := sql.Open("sqlite3", f.path)
	f.must(err)
	defer db.Close()
	rows, err := db.QueryContext(f.ctx, "EXPLAIN QUERY PLAN "+localdb.HeldByRefused)
	f.must(err)
	defer rows.Close()
	refused := 0
	for rows.Next() {
		var id, parent, unused int
		var detail string
		f.must(rows.Scan(&id, &parent, &unused, &detail))
		switch {
		case detail == "SCAN q USING INDEX sync_queue_parked":
			refused++
		case detail == "SCAN h": // what was found so far
		case strings.HasPrefix(detail, "SCAN"), strings.Contains(detail, ">?)") && !strings.Contains(detail, "=?"):
			t.Errorf("a walk through the queue: %s", detail)
		}
	}
	if f.must(rows.Err()); refused != 2 {
		t.Errorf("the refused changes are looked up in %d ways, want 2", refused)
	}
}
