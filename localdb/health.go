package localdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"example.com/punchlist/localdb/sqlite"
)

// Health is what a look at the database file itself tells.
type Health struct {
	SQLite string   // the library's version
	FTS5   bool     // whether this build searches with an index
	Schema int      // of the file
	Knows  int      // the newest schema that this program knows
	Faults []string // what SQLite's own check finds, at most maxFaults; empty: whole
	Size   int64    // bytes of the file
	Log    int64    // bytes of the write-ahead log beside it
}

const maxFaults = 10

// Health looks at every page of the file.
func (db *DB) Health(ctx context.Context) (Health, error) {
	h := Health{}
	if info, err := os.Stat(db.Path()); err == nil {
		h.Size = info.Size()
	}
	if info, err := os.Stat(db.Path() + "-wal"); err == nil {
		h.Log = info.Size()
	}
	h.Knows = Schema()
	return h, db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		if err := tx.Scan([]any{&h.SQLite, &h.FTS5}, "SELECT sqlite_version(), sqlite_compileoption_used('ENABLE_FTS5')"); err != nil {
			return err
		}
		if err := tx.Scan([]any{&h.Schema}, "PRAGMA user_version"); err != nil {
			return err
		}
		rows, err := tx.Query(fmt.Sprintf("PRAGMA integrity_check(%d)", maxFaults))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			if text != "ok" {
				h.Faults = append(h.Faults, text)
			}
		}
		return rows.Err()
	})
}

// Schema is the newest form of the database that this program knows.
func Schema() int {
	files, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return 0 // cannot be: they are a part of the program
	}
	return len(files)
}

// Files are those that belong to a laptop's database, the file itself first,
// whether they are there or not. None of them may be used by others.
func Files(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal", path + ".token", path + ".token.older", path + ".ca", path + ".pins", path + ".sender", logFile(path), path + ".ballast"}
}

// KeptLogs are the second copies of unsent work that were put aside because they
// held changes which the database did not know.
func KeptLogs(path string) (out []string) {
	beside, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil // whoever looks at the folder itself says why
	}
	for _, e := range beside {
		if strings.HasPrefix(e.Name(), filepath.Base(logFile(path))+keptEnding) {
			out = append(out, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return out
}
