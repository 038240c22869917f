package pgstore

import (
	"maps"
	"slices"

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

// queryFor are the needs of several steps, as lists that the database takes whole.
type queryFor struct {
	crews        []string
	kinds, ids   []string // records
	tasks, refs  []string
	users        []string // beside ops
	ops          [][]byte
	owners       []string // beside devices and seqs
	devices      [][]byte
	seqs         []int64
	markCrews    []string
	markVersions []int64
}

func union(asks []server.Needs) *queryFor {
	q := &queryFor{}
	crews, records, tasks, refs, marks := map[string]bool{}, map[server.Ref]bool{}, map[string]bool{}, map[string]bool{}, map[server.Mark]bool{}
	for _, n := range asks {
		add(crews, n.Crews)
		add(records, n.Records)
		add(tasks, n.Children)
		add(refs, n.Refs)
		add(marks, n.Marks)
		for _, id := range n.OpIDs {
			q.users, q.ops = append(q.users, n.User), append(q.ops, packID(id))
		}
		for _, seq := range n.Seqs {
			q.owners, q.devices, q.seqs = append(q.owners, n.User), append(q.devices, packID(n.Device)), append(q.seqs, seq)
		}
	}
	q.crews, q.tasks, q.refs = slices.Sorted(maps.Keys(crews)), slices.Sorted(maps.Keys(tasks)), slices.Sorted(maps.Keys(refs))
	for ref := range records {
		q.kinds, q.ids = append(q.kinds, string(ref.Kind)), append(q.ids, ref.ID)
	}
	for m := range marks {
		q.markCrews, q.markVersions = append(q.markCrews, plainText(m.Crew)), append(q.markVersions, m.Version)
	}
	return q
}

func add[T comparable](set map[T]bool, list []T) {
	for _, v := range list {
		set[v] = true
	}
}

// loader takes what the queries find.
type loader struct{ row, outcome, seq, mark, forgotten func(pgx.Rows) error }

// queue queues one query for each sort of need that there is.
func (q *queryFor) queue(queue func(string, ...any) *pgx.QueuedQuery, to loader) {
	if len(q.markCrews) > 0 {
		queue(`SELECT c.crew, c.version, c.fingerprint FROM unnest($1::text[], $2::bigint[]) AS w (crew, version)
			JOIN chain AS c ON c.crew = w.crew AND c.version = w.version`, q.markCrews, q.markVersions).Query(each(to.mark))
	}
	if len(q.ops) > 0 {
		queue(`SELECT `+outcomeColumns+` FROM unnest($1::text[], $2::bytea[]) AS w (author, op_id) LEFT JOIN users AS u ON u.name = w.author
			JOIN outcomes AS o ON o.home = coalesce(u.home, '') AND o.author = w.author AND o.op_id = w.op_id`, q.users, q.ops).Query(each(to.outcome))
	}
	if len(q.seqs) > 0 {
		queue(`SELECT o.device, o.seq, o.op_id FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS w (author, device, seq) LEFT JOIN users AS u ON u.name = w.author
			JOIN outcomes AS o ON o.home = coalesce(u.home, '') AND o.device = w.device AND o.seq = w.seq AND o.seq > 0`, q.owners, q.devices, q.seqs).Query(each(to.seq))
	}
	for _, crew := range q.crews { // a crew a query: its rows are in one place, wherever that is
		if len(q.ids) > 0 {
			queue(`SELECT `+columns+` FROM unnest($1::text[], $2::text[]) AS w (kind, id)
				JOIN records AS r ON r.crew = $3 AND r.kind = w.kind AND r.id = w.id WHERE NOT r.gone`, q.kinds, q.ids, crew).Query(each(to.row))
			queue(`SELECT f.crew, f.kind, f.id FROM unnest($1::text[], $2::text[]) AS w (kind, id)
				JOIN forgotten AS f ON f.crew = $3 AND f.kind = w.kind AND f.id = w.id`, q.kinds, q.ids, crew).Query(each(to.forgotten))
		}
		if len(q.tasks) > 0 {
			queue(`SELECT `+columns+` FROM unnest($1::text[]) AS w (task_id)
				JOIN records AS r ON r.crew = $2 AND r.task_id = w.task_id AND r.task_id <> '' WHERE NOT r.gone`, q.tasks, crew).Query(each(to.row))
		}
		if len(q.refs) > 0 {
			queue(`SELECT `+columns+` FROM unnest($1::text[]) AS w (ref)
				JOIN records AS r ON r.crew = $2 AND r.ref = w.ref AND r.ref <> '' WHERE NOT r.gone`, q.refs, crew).Query(each(to.row))
		}
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
		o.Result = plainResult(o.Version, stamp)
	}
	return o, err
}
