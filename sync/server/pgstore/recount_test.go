package pgstore_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server/pgstore"
)

// TestRecountOfManyPages: rows that came, changed and went without the server are
// counted however many there are, leaf by leaf; and a total that is wrong alone.
func TestRecountOfManyPages(t *testing.T) {
	defer pgstore.RecountPages(100)()
	address := database(t)
	s := openAt(t, address)
	if _, err := s.PutCrew(t.Context(), "north", 1); err != nil {
		t.Fatal(err)
	}
	raw, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close(t.Context())
	do := func(statement string) {
		t.Helper()
		if _, err := raw.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	counts := func(what string, want int64, changes bool) op.Tally {
		t.Helper()
		for _, changes := range []bool{changes, false} {
			if changed, err := s.Recount(t.Context(), "north"); changed != changes || err != nil {
				t.Errorf("%s: changed %v, %v; want %v", what, changed, err, changes)
			}
		}
		c, tally, err := s.Leaves(t.Context(), "north")
		if err != nil || c.Digest.Count != want || tally.Total() != c.Digest {
			t.Errorf("%s: %+v, %v; want %d", what, c.Digest, err, want)
		}
		return tally
	}
	counts("nothing", 0, false)
	insert := `INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at)
		SELECT 'north', CASE mod(n, 2) WHEN 0 THEN 'task' ELSE 'note' END, 'r' || n || '-' || lpad(to_hex(mod(n, 256)), 2, '0'), n, mod(n, 10) = 3, mod(n, 10) = 7, '', '', '', '{"title":"x"}', '[]', 1 FROM generate_series(%d, %d) AS n`
	do(fmt.Sprintf(insert, 1, 1000))
	first := counts("a thousand rows, a fifth of them deleted or gone", 800, true)
	do(fmt.Sprintf(insert, 1001, 1003))
	second := counts("three more, one of them deleted", 802, true)
	if diff := first.Differing(&second); len(diff) != 2 {
		t.Errorf("leaves %v changed", diff)
	}
	do(`UPDATE crews SET count = 1, sum = '' WHERE name = 'north'`)
	if third := counts("a wrong total", 802, true); third != second {
		t.Error("its leaves changed")
	}
	do(`DELETE FROM leaves WHERE crew = 'north' AND leaf = 7`)
	counts("a leaf that is not there", 802, true)
	do(`DELETE FROM records`)
	counts("all gone", 0, true)
}
