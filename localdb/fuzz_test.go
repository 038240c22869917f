package localdb_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// FuzzFilter: whatever is typed is a filter that the database can answer, or is
// refused in words; none of it reaches SQL.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"", "pump boiler", "status:open", "due:today", "due:<2026-12-01", "priority:high,emergency", "-status:completed", `"two words"`, "x.NAME:1", "is:pending", "'; DROP TABLE tasks --", "%_", "\"", "NEAR(a b)", "a*", "\x00", "\xff", "due:>", "site:", "-"} {
		f.Add(s)
	}
	db, err := localdb.Open(f.Context(), filepath.Join(f.TempDir(), "x.db"), localdb.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	if _, err := db.AddTask(f.Context(), op.Fields{"title": "Pump"}); err != nil {
		f.Fatal(err)
	}
	now := time.UnixMilli(1_793_000_000_000)
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := localdb.ParseFilter(text, now, "ann")
		if err != nil {
			if !utf8.ValidString(err.Error()) || strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 }) {
				t.Fatalf("%q is not safe to show", err)
			}
			return
		}
		if _, err := db.Tasks(t.Context(), localdb.Query{Filter: filter, Now: now}); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if n, err := db.CountTasks(t.Context(), localdb.Filter{}); err != nil || n != 1 {
			t.Fatalf("%q left %d tasks: %v", text, n, err)
		}
	})
}
