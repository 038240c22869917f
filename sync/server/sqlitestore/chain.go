package sqlitestore

import (
	"database/sql"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

const crewColumns = `name, version, number, fingerprint, horizon, entries, seal, count, sum`

// crewFields are where crewColumns go, but for the sum.
func crewFields(c *server.Crew) []any {
	return []any{&c.Name, &c.Version, &c.Number, &c.Fingerprint, &c.Horizon, &c.Entries, &c.Seal, &c.Digest.Count}
}

func scanCrew(rows *sql.Rows) (c server.Crew, err error) {
	var sum []byte
	err = rows.Scan(append(crewFields(&c), &sum)...)
	copy(c.Digest.Sum[:], sum)
	return c, err
}

// fingerprints reads those of the versions that exist.
func fingerprints(t *sqlite.Tx, marks []server.Mark) (map[server.Mark]string, error) {
	out := make(map[server.Mark]string, len(marks))
	if len(marks) == 0 {
		return out, nil
	}
	pairs := make([][2]any, len(marks))
	for i, m := range marks {
		pairs[i] = [2]any{m.Crew, m.Version}
	}
	err := each(t, func(r *sql.Rows) error {
		var m server.Mark
		var text string
		err := r.Scan(&m.Crew, &m.Version, &text)
		out[m] = text
		return err
	}, `SELECT c.crew, c.version, c.fingerprint FROM json_each(?) AS w CROSS JOIN chain AS c ON c.crew = w.value ->> 0 AND c.version = w.value ->> 1`, list(pairs))
	return out, err
}
