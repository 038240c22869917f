package pgstore

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/punchlist/sync/server"
)

type commandTag = pgconn.CommandTag

const crewColumns = `name, version, number, fingerprint, horizon, entries, seal, count, sum`

func scanCrew(rows pgx.Rows) (c server.Crew, err error) {
	var print, sum []byte
	err = rows.Scan(&c.Name, &c.Version, &c.Number, &print, &c.Horizon, &c.Entries, &c.Seal, &c.Digest.Count, &sum)
	c.Fingerprint = unpackPrint(print)
	copy(c.Digest.Sum[:], sum)
	return c, err
}

const columns = `r.crew, r.kind, r.id, r.version, r.deleted, r.gone, r.task_id, r.ref, r.number, r.fields, r.registers, r.at`

func scanRow(rows pgx.Rows) (r server.Row, err error) {
	err = rows.Scan(&r.Crew, &r.Kind, &r.ID, &r.Version, &r.Deleted, &r.Gone, &r.TaskID, &r.Ref, &r.Number, &r.Fields, &r.Registers, &r.At)
	return r, err
}

// homeOf is the home of the user that a query's first parameter names.
const homeOf = `coalesce((SELECT u.home FROM users AS u WHERE u.name = $1), '')`

// queueReads queues the queries for what is asked, but for the crews themselves. Each
// looks up one key of its list after the other, in a subquery that is ordered by
// that key's last column, of which it asks for one value as for a span. So there
// is one plan only, whatever the planner believes: an index that holds no more
// than the crew would need a sort, and sorts are out (see [session]). Written as id = ANY($3), or joined, all that a
// crew or an author ever did looks as good while a table is new, or was when the
// plan was made, and each batch would cost as much as the history is long.
func queueReads(queue queuer, asked *server.Asked, seen *server.View) {
	for crew, versions := range asked.Marks {
		queue(`SELECT r.* FROM unnest($2::bigint[]) AS w (version) CROSS JOIN LATERAL
			(SELECT c.crew, c.version, c.fingerprint FROM chain AS c WHERE c.crew = $1 AND c.version BETWEEN w.version AND w.version ORDER BY c.version LIMIT 1) AS r`, plainText(crew), versions).Query(each(func(rows pgx.Rows) error {
			var m server.Mark
			var print []byte
			err := rows.Scan(&m.Crew, &m.Version, &print)
			seen.FoundPrint(m, unpackPrint(print))
			return err
		}))
	}
	queueOutcomes(queue, asked, seen)
	row := each(func(rows pgx.Rows) error {
		r, err := scanRow(rows)
		seen.FoundRow(r)
		return err
	})
	for _, c := range asked.Crews {
		for kind, ids := range c.Records {
			queue(`SELECT r.* FROM unnest($3::text[]) AS w (id) CROSS JOIN LATERAL
				(SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND r.kind = $2 AND r.id BETWEEN w.id AND w.id ORDER BY r.id LIMIT 1) AS r WHERE NOT r.gone`, c.Name, string(kind), ids).Query(row)
			queue(`SELECT r.* FROM unnest($3::text[]) AS w (id) CROSS JOIN LATERAL
				(SELECT f.crew, f.kind, f.id FROM forgotten AS f WHERE f.crew = $1 AND f.kind = $2 AND f.id BETWEEN w.id AND w.id ORDER BY f.id LIMIT 1) AS r`, c.Name, string(kind), ids).Query(each(func(rows pgx.Rows) error {
				var crew string
				var ref server.Ref
				err := rows.Scan(&crew, &ref.Kind, &ref.ID)
				seen.FoundForgotten(crew, ref)
				return err
			}))
		}
		if len(c.Children) > 0 {
			queue(`SELECT r.* FROM unnest($2::text[]) AS w (task_id) CROSS JOIN LATERAL
				(SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND r.task_id BETWEEN w.task_id AND w.task_id AND r.task_id <> '' ORDER BY r.task_id) AS r WHERE NOT r.gone`, c.Name, c.Children).Query(row)
		}
		if len(c.Refs) > 0 {
			queue(`SELECT r.* FROM unnest($2::text[]) AS w (ref) CROSS JOIN LATERAL
				(SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND r.ref BETWEEN w.ref AND w.ref AND r.ref <> '' ORDER BY r.ref) AS r WHERE NOT r.gone`, c.Name, c.Refs).Query(row)
		}
	}
}

func queueOutcomes(queue queuer, asked *server.Asked, seen *server.View) {
	for user, ids := range asked.Outcomes {
		packed := make([][]byte, len(ids))
		for i, id := range ids {
			packed[i] = packID(id)
		}
		queue(`SELECT r.* FROM unnest($2::bytea[]) AS w (op_id) CROSS JOIN LATERAL
			(SELECT `+outcomeColumns+` FROM outcomes AS o WHERE o.home = `+homeOf+` AND o.author = $1 AND o.op_id BETWEEN w.op_id AND w.op_id ORDER BY o.op_id LIMIT 1) AS r`, user, packed).Query(each(func(rows pgx.Rows) error {
			o, err := scanOutcome(rows)
			seen.FoundOutcome(o)
			return err
		}))
	}
	for of, seqs := range asked.Seqs {
		queue(`SELECT r.* FROM unnest($3::bigint[]) AS w (seq) CROSS JOIN LATERAL
			(SELECT o.seq, o.op_id FROM outcomes AS o WHERE o.home = `+homeOf+` AND o.device = $2 AND o.seq BETWEEN w.seq AND w.seq AND o.seq > 0 ORDER BY o.seq LIMIT 1) AS r`,
			of.User, packID(of.Device), seqs).Query(each(func(rows pgx.Rows) error {
			var id []byte
			var seq int64
			err := rows.Scan(&seq, &id)
			seen.FoundSeq(of.Device, seq, unpackID(id))
			return err
		}))
	}
}

const outcomeColumns = `o.author, o.op_id, o.device, o.seq, o.crew, o.version, o.kind, o.entity, o.at, o.stamp, o.result, o.state`

func scanOutcome(rows pgx.Rows) (o server.Outcome, err error) {
	var id, device, entity []byte
	var stamp int64
	var result *string
	err = rows.Scan(&o.User, &id, &device, &o.Seq, &o.Crew, &o.Version, &o.Kind, &entity, &o.At, &stamp, &result, &o.State)
	o.OpID, o.Device, o.Entity = unpackID(id), unpackID(device), unpackID(entity)
	if result != nil {
		o.Result = *result
	} else {
		o.Result = server.PlainResult(o.Version, stamp)
	}
	return o, err
}
