package localdb

import (
	"context"
	"encoding/json"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/wire"
)

// Self is what this laptop says of itself with each push and pull: the newest
// version that it was ever told of each crew, and the identities of its queue.
func (db *DB) Self(ctx context.Context) (wire.Self, error) {
	self := wire.Self{Seen: wire.Seen{}}
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		var queues string
		if err := tx.Scan([]any{&queues, &self.All}, "SELECT queues, rebasing FROM device"); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(queues), &self.Queues); err != nil {
			return err
		}
		// SQLite takes the other columns from the row that holds the maximum.
		return eachMark(tx, func(crew string, m wire.Mark) { self.Seen[crew] = m },
			"SELECT crew, max(version), fingerprint FROM seen GROUP BY crew ORDER BY crew LIMIT ?", wire.MaxSeen)
	})
	return self, err
}

// Past is all that this laptop remembers of the crews' histories, and what was
// settled in the last 30 days.
func (db *DB) Past(ctx context.Context) (wire.Past, error) {
	past := wire.Past{Seen: map[string][]wire.Mark{}}
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		s, err := db.settler(tx)
		if err != nil {
			return err
		}
		if past.Ops, err = collectAll(tx, "SELECT op_id"+sentByUs+" ORDER BY id", s.keptSince()); err != nil {
			return err
		}
		return eachMark(tx, func(crew string, m wire.Mark) {
			if len(past.Seen[crew]) < wire.MaxMarks && (len(past.Seen) < wire.MaxSeen || past.Seen[crew] != nil) {
				past.Seen[crew] = append(past.Seen[crew], m)
			}
		}, "SELECT crew, version, fingerprint FROM seen ORDER BY crew, version DESC")
	})
	return past, err
}

func eachMark(tx *sqlite.Tx, do func(crew string, m wire.Mark), query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var crew string
		var m wire.Mark
		if err := rows.Scan(&crew, &m.Version, &m.Fingerprint); err != nil {
			return err
		}
		do(crew, m)
	}
	return rows.Err()
}

// remember keeps how the server says that its history stands. An older word that
// comes late says nothing new.
func remember(tx *sqlite.Tx, seen wire.Seen) error {
	for crew, m := range seen {
		if m.Version <= 0 || m.Fingerprint == "" {
			continue
		}
		res, err := tx.Exec("INSERT INTO seen (crew, version, fingerprint) SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM seen WHERE crew = ?1 AND version >= ?2)",
			crew, m.Version, m.Fingerprint)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			continue
		}
		if err := thin(tx, crew); err != nil {
			return err
		}
	}
	return nil
}

// keepNewest is how many of the newest marks are kept in any case.
const keepNewest = 8

// thin forgets most of what is long past: the gap between two marks may be a
// quarter of their age. So a few dozen marks tell to within a quarter how much
// a restored server lost.
func thin(tx *sqlite.Tx, crew string) error {
	var versions []int64
	err := eachMark(tx, func(_ string, m wire.Mark) { versions = append(versions, m.Version) },
		"SELECT crew, version, fingerprint FROM seen WHERE crew = ? ORDER BY version DESC", crew)
	if err != nil || len(versions) <= keepNewest {
		return err
	}
	newest, kept := versions[0], versions[keepNewest-1]
	for i := keepNewest; i < len(versions); i++ {
		// What stands between two that are near enough to each other goes; the
		// oldest stays.
		if i+1 < len(versions) && kept-versions[i+1] <= (newest-kept)/4 {
			if _, err := tx.Exec("DELETE FROM seen WHERE crew = ? AND version = ?", crew, versions[i]); err != nil {
				return err
			}
			continue
		}
		kept = versions[i]
	}
	return nil
}
