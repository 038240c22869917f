package sqlitestore

import (
	"database/sql"

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
