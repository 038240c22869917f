package localdb_test

import (
	"database/sql"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
)

// Each change of a long queue is looked at once, whatever stands before it: the
// refused one that it waits for is found by an index over the refused ones.
func TestALongQueueIsReadInOneWalk(t *testing.T) {
	f := newFixture(t)
	f.add("Pump")
	db, err := sql.Open("sqlite3", f.path)
	f.must(err)
	defer db.Close()
	rows, err := db.QueryContext(f.ctx, "EXPLAIN QUERY PLAN SELECT q.id, "+localdb.Behind+" FROM sync_queue q WHERE q.id > 0 ORDER BY q.id LIMIT 500")
	f.must(err)
	defer rows.Close()
	parked := 0
	for rows.Next() {
		var id, parent, unused int
		var detail string
		f.must(rows.Scan(&id, &parent, &unused, &detail))
		if strings.HasPrefix(detail, "SEARCH p USING INDEX sync_queue_parked (entity_id=?") {
			parked++
		} else if strings.Contains(detail, " p ") || strings.HasPrefix(detail, "SCAN") {
			t.Errorf("a walk through the queue for each change: %s", detail)
		}
	}
	if f.must(rows.Err()); parked != 2 {
		t.Errorf("the refused changes are looked up in %d ways, want 2", parked)
	}
}
