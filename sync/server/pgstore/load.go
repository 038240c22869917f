package pgstore

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/punchlist/sync/op"
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
// Each query names its table's key with all that is constant in it and one list:
// such a query finds its rows by the key however little is known of the table,
// where a join would be planned as if a new table were empty for ever.
type queryFor struct {
	crews       []string
	records     map[op.Kind][]string
	tasks, refs []string
	ops         map[string][][]byte // by user
	seqs        map[placeOwner][]int64
	marks       map[string][]int64 // by crew
}

type placeOwner struct{ user, device string }

func union(asks []server.Needs) *queryFor {
	q := &queryFor{records: map[op.Kind][]string{}, ops: map[string][][]byte{}, seqs: map[placeOwner][]int64{}, marks: map[string][]int64{}}
	crews, records, tasks, refs, marks := map[string]bool{}, map[server.Ref]bool{}, map[string]bool{}, map[string]bool{}, map[server.Mark]bool{}
	for _, n := range asks {
		add(crews, n.Crews)
		add(records, n.Records)
		add(tasks, n.Children)
		add(refs, n.Refs)
		add(marks, n.Marks)
		for _, id := range n.OpIDs {
			q.ops[n.User] = append(q.ops[n.User], packID(id))
		}
		if owner := (placeOwner{n.User, n.Device}); len(n.Seqs) > 0 {
			q.seqs[owner] = append(q.seqs[owner], n.Seqs...)
		}
	}
	q.crews, q.tasks, q.refs = slices.Sorted(maps.Keys(crews)), slices.Sorted(maps.Keys(tasks)), slices.Sorted(maps.Keys(refs))
	for ref := range records {
		q.records[ref.Kind] = append(q.records[ref.Kind], ref.ID)
	}
	for m := range marks {
		crew := plainText(m.Crew)
		q.marks[crew] = append(q.marks[crew], m.Version)
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

// homeOf is the home of the user that a query's first parameter names.
const homeOf = `coalesce((SELECT u.home FROM users AS u WHERE u.name = $1), '')`

// queue queues the queries for all that is needed.
func (q *queryFor) queue(queue queuer, to loader) {
	for crew, versions := range q.marks {
		queue(`SELECT crew, version, fingerprint FROM chain WHERE crew = $1 AND version = ANY($2::bigint[])`, crew, versions).Query(each(to.mark))
	}
	for user, ids := range q.ops {
		queue(`SELECT `+outcomeColumns+` FROM outcomes AS o WHERE o.home = `+homeOf+` AND o.author = $1 AND o.op_id = ANY($2::bytea[])`, user, ids).Query(each(to.outcome))
	}
	for owner, seqs := range q.seqs {
		queue(`SELECT o.device, o.seq, o.op_id FROM outcomes AS o WHERE o.home = `+homeOf+` AND o.device = $2 AND o.seq = ANY($3::bigint[]) AND o.seq > 0`,
			owner.user, packID(owner.device), seqs).Query(each(to.seq))
	}
	for _, crew := range q.crews {
		for kind, ids := range q.records {
			queue(`SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND r.kind = $2 AND r.id = ANY($3::text[]) AND NOT r.gone`, crew, string(kind), ids).Query(each(to.row))
			queue(`SELECT crew, kind, id FROM forgotten WHERE crew = $1 AND kind = $2 AND id = ANY($3::text[])`, crew, string(kind), ids).Query(each(to.forgotten))
		}
		if len(q.tasks) > 0 {
			queue(`SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND r.task_id = ANY($2::text[]) AND r.task_id <> '' AND NOT r.gone`, crew, q.tasks).Query(each(to.row))
		}
		if len(q.refs) > 0 {
			queue(`SELECT `+columns+` FROM records AS r WHERE r.crew = $1 AND r.ref = ANY($2::text[]) AND r.ref <> '' AND NOT r.gone`, crew, q.refs).Query(each(to.row))
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
