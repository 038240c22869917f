package sqlitestore

import (
	"context"
	"database/sql"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

// Changes reads what is newer than the spans say.
func (s *Store) Changes(ctx context.Context, q server.ChangesQuery) (server.Feed, error) {
	feed := server.Feed{Crews: map[string]server.Crew{}}
	err := s.read(ctx, func(t *sqlite.Tx) (err error) {
		seen := server.NewView()
		if err := load(t, server.Ask(server.Needs{Marks: q.Marks}), seen); err != nil {
			return err
		}
		feed.Fingerprints = seen.Fingerprints()
		for _, span := range q.Spans {
			if err := readSpan(t, q, span, &feed); err != nil {
				return err
			}
		}
		return nil
	})
	return feed, err
}

func readSpan(t *sqlite.Tx, q server.ChangesQuery, span server.Span, feed *server.Feed) error {
	err := each(t, func(r *sql.Rows) error {
		c, err := scanCrew(r)
		feed.Crews[c.Name] = c
		return err
	}, `SELECT `+crewColumns+` FROM crews WHERE name = ?`, span.Crew)
	if err != nil || feed.Crews[span.Crew].Version <= span.Since {
		return err
	}
	if n := q.Rows - len(feed.Rows); n > 0 {
		err := each(t, func(r *sql.Rows) error {
			row, err := scanRow(r)
			feed.Rows = append(feed.Rows, row)
			return err
		}, `SELECT `+columns+` FROM records AS r WHERE r.crew = ? AND r.version > ? AND (? OR NOT (r.deleted OR r.gone))
			ORDER BY r.version LIMIT ?`, span.Crew, span.Since, q.All || span.Since > 0, n)
		if err != nil {
			return err
		}
	}
	n := q.Conflicts - len(feed.Conflicts)
	if n <= 0 {
		return nil
	}
	return each(t, func(r *sql.Rows) error {
		var c server.ConflictRow
		err := r.Scan(&c.Crew, &c.Version, &c.ID, &c.Winner, &c.Loser, &c.Body)
		feed.Conflicts = append(feed.Conflicts, c)
		return err
	}, `SELECT crew, version, id, winner, loser, body FROM conflicts WHERE winner IN (SELECT value FROM json_each(?1)) AND crew = ?2 AND version > ?3
		UNION SELECT crew, version, id, winner, loser, body FROM conflicts WHERE loser IN (SELECT value FROM json_each(?1)) AND crew = ?2 AND version > ?3
		ORDER BY 2, 3 LIMIT ?4`, list(q.Devices), span.Crew, span.Since, n)
}

// Tasks reads a page of tasks.
func (s *Store) Tasks(ctx context.Context, q server.TaskQuery) (out []server.Row, err error) {
	var crew, id string
	if q.After != nil {
		crew, id = q.After.Crew, q.After.ID
	}
	err = s.read(ctx, func(t *sqlite.Tx) error {
		return each(t, func(r *sql.Rows) error {
			row, err := scanRow(r)
			out = append(out, row)
			return err
		}, `SELECT `+columns+` FROM records AS r WHERE r.crew IN (SELECT value FROM json_each(?1)) AND r.kind = 'task' AND NOT r.deleted AND NOT r.gone
			AND (r.crew, r.id) > (?2, ?3) AND (?4 = '' OR r.number = ?4 OR r.ref = ?4 OR substr(r.id, 1, length(?4)) = ?4)
			ORDER BY r.crew, r.id LIMIT ?5`, list(q.Crews), crew, id, q.Match, q.Limit)
	})
	return out, err
}

// Crews lists all crews.
func (s *Store) Crews(ctx context.Context) (out []server.CrewSize, err error) {
	err = s.read(ctx, func(t *sqlite.Tx) error {
		return each(t, func(r *sql.Rows) error {
			var c server.CrewSize
			err := r.Scan(&c.Name, &c.Version, &c.Number, &c.Horizon, &c.Records, &c.Tasks)
			out = append(out, c)
			return err
		}, `SELECT c.name, c.version, c.number, c.horizon, count(r.id), coalesce(sum(r.kind = 'task'), 0)
			FROM crews AS c LEFT JOIN records AS r ON r.crew = c.name AND NOT r.deleted AND NOT r.gone GROUP BY c.name ORDER BY c.name`)
	})
	return out, err
}
