package pgstore

import (
	"example.com/punchlist/sync/server"
)

// store queues all that a portion changed, a statement a table.
func (t *transaction) store(e server.Effects, freed []server.Row) {
	for _, c := range e.Crews {
		t.queue(`UPDATE crews SET version = $2, number = $3, fingerprint = $4, entries = $5, seal = $6, count = $7, sum = $8 WHERE name = $1`,
			c.Name, c.Version, c.Number, packPrint(c.Fingerprint), c.Entries, c.Seal, c.Digest.Count, c.Digest.Sum[:])
	}
	t.storeLinks(e.Links)
	t.storeLeaves(e.Leaves)
	t.letGo(freed)
	t.storeRows(e.Rows)
	t.storeOutcomes(e.Outcomes)
	t.storeConflicts(e.Conflicts)
	t.storeEntries(e.Entries)
}

func (t *transaction) storeLinks(links []server.Link) {
	if len(links) == 0 {
		return
	}
	var crews []string
	var versions []int64
	var prints [][]byte
	for _, l := range links {
		crews, versions, prints = append(crews, l.Crew), append(versions, l.Version), append(prints, packPrint(l.Fingerprint))
	}
	t.queue(`INSERT INTO chain (crew, version, fingerprint) SELECT crew, version, fingerprint
		FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS w (crew, version, fingerprint)`, crews, versions, prints)
}

func (t *transaction) storeRows(list []server.Row) {
	if len(list) == 0 {
		return
	}
	n := len(list)
	crews, kinds, ids, versions := make([]string, n), make([]string, n), make([]string, n), make([]int64, n)
	deleted, gone := make([]bool, n), make([]bool, n)
	tasks, refs, numbers, fields, registers, ats := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]int64, n)
	for i, r := range list {
		crews[i], kinds[i], ids[i], versions[i], deleted[i], gone[i] = r.Crew, string(r.Kind), r.ID, r.Version, r.Deleted, r.Gone
		tasks[i], refs[i], numbers[i], fields[i], registers[i], ats[i] = r.TaskID, r.Ref, r.Number, r.Fields, r.Registers, r.At
	}
	t.queue(`INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at)
		SELECT crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::boolean[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[])
			AS w (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers, at)
		ON CONFLICT (crew, kind, id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted, gone = excluded.gone,
			task_id = excluded.task_id, ref = excluded.ref, number = excluded.number, fields = excluded.fields, registers = excluded.registers, at = excluded.at`,
		crews, kinds, ids, versions, deleted, gone, tasks, refs, numbers, fields, registers, ats)
}

// letGo frees the refs that tasks give up, before others take them: a ref may
// pass from one task to another in the same write.
func (t *transaction) letGo(freed []server.Row) {
	ids := map[string][]string{} // by crew
	for _, r := range freed {
		ids[r.Crew] = append(ids[r.Crew], r.ID)
	}
	for crew, list := range ids {
		t.queue(`UPDATE records SET ref = '' WHERE crew = $1 AND kind = 'task' AND id = ANY($2::text[]) AND ref <> ''`, crew, list)
	}
}

func (t *transaction) storeOutcomes(list []server.Outcome) {
	n := len(list)
	if n == 0 {
		return
	}
	users, ops, devices, entities := make([]string, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	seqs, versions, ats, stamps, states := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]bool, n)
	crews, kinds, results := make([]string, n), make([]string, n), make([]*string, n)
	for i, o := range list {
		users[i], ops[i], devices[i], entities[i] = o.User, packID(o.OpID), packID(o.Device), packID(o.Entity)
		stamp := stampOf(o.Result)
		seqs[i], versions[i], ats[i], stamps[i], states[i] = o.Seq, o.Version, o.At, stamp, o.State
		crews[i], kinds[i], results[i] = o.Crew, plainText(string(o.Kind)), packResult(o.Result, o.Version, stamp)
	}
	t.queue(`INSERT INTO outcomes (home, author, op_id, device, entity, seq, version, at, stamp, state, crew, kind, result)
		SELECT coalesce((SELECT u.home FROM users AS u WHERE u.name = w.author), ''), w.author, w.op_id, w.device, w.entity, w.seq, w.version, w.at, w.stamp, w.state, w.crew, w.kind, w.result
		FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::boolean[], $10::text[], $11::text[], $12::text[])
			AS w (author, op_id, device, entity, seq, version, at, stamp, state, crew, kind, result) LEFT JOIN users AS u ON u.name = w.author`,
		users, ops, devices, entities, seqs, versions, ats, stamps, states, crews, kinds, results)
}

func (t *transaction) storeConflicts(list []server.ConflictRow) {
	n := len(list)
	if n == 0 {
		return
	}
	crews, versions, ids, winners, losers, bodies := make([]string, n), make([]int64, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, c := range list {
		crews[i], versions[i], ids[i], winners[i], losers[i], bodies[i] = c.Crew, c.Version, c.ID, c.Winner, c.Loser, c.Body
	}
	t.queue(`INSERT INTO conflicts (crew, version, id, winner, loser, body) SELECT crew, version, id, winner, loser, body
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[]) AS w (crew, version, id, winner, loser, body)`,
		crews, versions, ids, winners, losers, bodies)
}
