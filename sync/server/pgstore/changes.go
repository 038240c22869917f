package pgstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"example.com/punchlist/sync/server"
)

// Changes reads what is newer than the spans say. Every span is asked for the
// whole page, so that all of them are one round trip; what is over is cut off.
func (s *Store) Changes(ctx context.Context, q server.ChangesQuery) (server.Feed, error) {
	feed := server.Feed{Crews: map[string]server.Crew{}}
	r, seen := newReads(), server.NewView()
	queueReads(r.Queue, server.Ask(server.Needs{Marks: q.Marks}), seen)
	for _, span := range q.Spans {
		queueSpan(r, q, span, &feed)
	}
	if err := s.read(ctx, r); err != nil {
		return server.Feed{}, err
	}
	feed.Fingerprints = seen.Fingerprints()
	feed.Rows = feed.Rows[:min(len(feed.Rows), max(q.Rows, 0))]
	feed.Conflicts = feed.Conflicts[:min(len(feed.Conflicts), max(q.Conflicts, 0))]
	return feed, nil
}

func queueSpan(r *reads, q server.ChangesQuery, span server.Span, feed *server.Feed) {
	r.Queue(`SELECT `+crewColumns+` FROM crews WHERE name = $1`, span.Crew).Query(each(func(rows pgx.Rows) error {
		c, err := scanCrew(rows)
		feed.Crews[c.Name] = c
		return err
	}))
	r.Queue(`SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND r.version > $2 AND ($3 OR NOT (r.deleted OR r.gone)) ORDER BY r.version LIMIT $4`,
		span.Crew, span.Since, q.All || span.Since > 0, q.Rows).Query(each(func(rows pgx.Rows) error {
		row, err := scanRow(rows)
		feed.Rows = append(feed.Rows, row)
		return err
	}))
	if len(q.Devices) == 0 {
		return
	}
	r.Queue(`SELECT crew, version, id, winner, loser, body FROM conflicts WHERE winner = ANY($1::text[]) AND crew = $2 AND version > $3
		UNION SELECT crew, version, id, winner, loser, body FROM conflicts WHERE loser = ANY($1::text[]) AND crew = $2 AND version > $3
		ORDER BY 2, 3 LIMIT $4`, q.Devices, span.Crew, span.Since, q.Conflicts).Query(each(func(rows pgx.Rows) error {
		var c server.ConflictRow
		err := rows.Scan(&c.Crew, &c.Version, &c.ID, &c.Winner, &c.Loser, &c.Body)
		feed.Conflicts = append(feed.Conflicts, c)
		return err
	}))
}

// Tasks reads a page of tasks, crew by crew: so their order is that of Go's
// strings, whatever the database thinks of letters.
func (s *Store) Tasks(ctx context.Context, q server.TaskQuery) (out []server.Row, err error) {
	crews := slices.Sorted(slices.Values(q.Crews))
	r := newReads()
	for _, crew := range slices.Compact(crews) {
		after := ""
		if q.After != nil {
			if crew < q.After.Crew {
				continue
			}
			if crew == q.After.Crew {
				after = q.After.ID
			}
		}
		r.Queue(`SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND r.kind = 'task' AND NOT r.deleted AND NOT r.gone AND r.id > $2
			AND ($3 = '' OR r.number = $3 OR r.ref = $3 OR substr(r.id, 1, length($3)) = $3) ORDER BY r.id LIMIT $4`,
			crew, after, plainText(q.Match), q.Limit).Query(each(func(rows pgx.Rows) error {
			row, err := scanRow(rows)
			out = append(out, row)
			return err
		}))
	}
	if err := s.read(ctx, r); err != nil {
		return nil, err
	}
	return out[:min(len(out), q.Limit)], nil
}

// Crews lists all crews.
func (s *Store) Crews(ctx context.Context) (out []server.CrewSize, err error) {
	err = s.query(ctx, func(rows pgx.Rows) error {
		var c server.CrewSize
		err := rows.Scan(&c.Name, &c.Version, &c.Number, &c.Horizon, &c.Records, &c.Tasks)
		out = append(out, c)
		return err
	}, `SELECT c.name, c.version, c.number, c.horizon, count(r.id), coalesce(sum(CASE WHEN r.kind = 'task' THEN 1 ELSE 0 END), 0)::bigint
		FROM crews AS c LEFT JOIN records AS r ON r.crew = c.name AND NOT r.deleted AND NOT r.gone GROUP BY c.name, c.version, c.number, c.horizon`)
	slices.SortFunc(out, func(a, b server.CrewSize) int { return cmp.Compare(a.Name, b.Name) })
	return out, err
}
