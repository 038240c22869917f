package localdb

import (
	"encoding/json"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Of most batches the server says the same of each op: applied, and nothing else
// happened. What such ops leave behind can be worked out beforehand, and is then
// written with a few statements for all of them:
//
//	queue ──► sync_sent        server's last word + ops ──► the record's row
//
// All that is not so plain goes the long way, op by op: see [settler.settle].

// plainRecord is a record of which the server applied all that waited.
type plainRecord struct {
	kind  op.Kind
	ops   []int  // places in the batch
	said  Record // what the server says of it, in the end …
	known bool   // … and whether it said something before
}

// settlePlain settles what it can and returns the places of all other ops.
func (s settler) settlePlain(ops []op.Op, results []wire.Result, done *wire.Settled) (rest []int, err error) {
	records := map[string]*plainRecord{}
	for i, o := range ops {
		p, met := records[o.Entity]
		switch {
		case !isPlain(o, results[i]), met && (p == nil || p.kind != o.Kind):
			records[o.Entity] = nil
		case !met:
			records[o.Entity] = &plainRecord{kind: o.Kind, ops: []int{i}}
		default:
			p.ops = append(p.ops, i)
		}
	}
	for id, p := range records {
		if p == nil {
			delete(records, id)
		}
	}
	if err := s.dropUnplain(records, ops); err != nil {
		return nil, err
	}
	if err := s.foresee(records, ops, results); err != nil {
		return nil, err
	}
	var plain []int
	for i, o := range ops {
		if p := records[o.Entity]; p != nil {
			plain = append(plain, i)
		} else {
			rest = append(rest, i)
		}
	}
	if len(plain) == 0 {
		return rest, nil
	}
	done.Acked += len(plain)
	if err := s.moveAllToSent(plain, ops, results); err != nil {
		return nil, err
	}
	return rest, s.saveAll(records)
}

// isPlain tells whether a result says no more than that its op took effect.
func isPlain(o op.Op, r wire.Result) bool {
	return r.Outcome == op.Applied && !r.Duplicate && r.Version > 0 && len(r.Lost)+len(r.Overrode) == 0 &&
		tables[o.Kind] != nil && (r.ServerState == nil || o.Action == op.Insert)
}

// dropUnplain leaves out records of which something else waits, or was taken back
// meanwhile, and those on which another's change is expected to stand beside this one.
func (s settler) dropUnplain(records map[string]*plainRecord, ops []op.Op) error {
	ids, err := jsonKeys(records)
	if err != nil {
		return err
	}
	waiting := map[string][]string{}
	err = s.eachPair("SELECT entity_id, op_id FROM sync_queue WHERE entity_id IN (SELECT value FROM json_each(?)) ORDER BY id", ids,
		func(entity, opID string) { waiting[entity] = append(waiting[entity], opID) })
	if err != nil {
		return err
	}
	for id, p := range records {
		same := len(waiting[id]) == len(p.ops)
		for n := 0; same && n < len(p.ops); n++ {
			same = waiting[id][n] == ops[p.ops[n]].ID
		}
		if !same {
			delete(records, id)
		}
	}
	return s.eachPair("SELECT entity_id, '' FROM heard WHERE merged = 3 AND entity_id IN (SELECT value FROM json_each(?))", ids,
		func(entity, _ string) { delete(records, entity) })
}

func (s settler) eachPair(query, arg string, do func(a, b string)) error {
	rows, err := s.tx.Query(query, arg)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		do(a, b)
	}
	return rows.Err()
}

// foresee works out what the server says of each record in the end, and leaves
// out those of which this laptop cannot know.
func (s settler) foresee(records map[string]*plainRecord, ops []op.Op, results []wire.Result) error {
	if err := s.saidBefore(records); err != nil {
		return err
	}
	for id, p := range records {
		known := p.known
		for _, i := range p.ops {
			said, news, err := saidBy(p.said, known, ops[i], results[i])
			if err != nil || !known && !news { // the long way tells what is wrong
				delete(records, id)
				break
			}
			p.said, known = said, true
		}
		if p.said.Version <= 0 {
			delete(records, id)
		}
	}
	return nil
}

// saidBefore reads what the server said until now.
func (s settler) saidBefore(records map[string]*plainRecord) error {
	refs := make([][2]string, 0, len(records))
	for id, p := range records {
		refs = append(refs, [2]string{string(p.kind), id})
	}
	list, err := json.Marshal(refs)
	if err != nil {
		return err
	}
	err = s.eachPair(`SELECT s.entity_id, s.state FROM json_each(?) c CROSS JOIN server_records s
		ON s.entity_type = c.value ->> 0 AND s.entity_id = c.value ->> 1`, string(list), func(id, text string) {
		p := records[id]
		state, err := op.ParseFields(text)
		if err != nil {
			delete(records, id) // the long way says so
			return
		}
		p.said, p.known = readState(p.kind, state), true
	})
	return err
}

// moveAllToSent takes settled ops out of the queue; see [settler.moveToSent].
func (s settler) moveAllToSent(plain []int, ops []op.Op, results []wire.Result) error {
	moves := make([][3]any, len(plain))
	ids := make([]string, len(plain))
	for n, i := range plain {
		moves[n], ids[n] = [3]any{ops[i].ID, ops[i].Time(), results[i].Version}, ops[i].ID
	}
	list, err := json.Marshal(moves)
	if err != nil {
		return err
	}
	_, err = s.tx.Exec(`INSERT INTO sync_sent (`+sentColumns+`)
		SELECT q.id, op_id, entity_id, entity_type, action, json_set(payload, '$.updated_at', c.value ->> 1), prev, base, group_id, task_id, created_at, ?, ?, c.value ->> 2, d.user, d.server_id
		FROM json_each(?) c CROSS JOIN device d CROSS JOIN sync_queue q ON q.op_id = c.value ->> 0`, s.today(), op.Applied, string(list))
	if err != nil {
		return err
	}
	if list, err = json.Marshal(ids); err != nil {
		return err
	}
	_, err = s.tx.Exec("DELETE FROM sync_queue WHERE op_id IN (SELECT value FROM json_each(?))", string(list))
	return err
}

// saveAll makes the rows of records without unsent changes what the server says;
// its word needs no other place any more.
func (s settler) saveAll(records map[string]*plainRecord) error {
	byKind := map[op.Kind]map[string]*plainRecord{}
	for id, p := range records {
		if byKind[p.kind] == nil {
			byKind[p.kind] = map[string]*plainRecord{}
		}
		byKind[p.kind][id] = p
	}
	for _, kind := range op.Kinds {
		if byKind[kind] == nil {
			continue
		}
		ids, err := jsonKeys(byKind[kind])
		if err != nil {
			return err
		}
		if _, err := s.tx.Exec("DELETE FROM server_records WHERE entity_type = ? AND entity_id IN (SELECT value FROM json_each(?))", kind, ids); err != nil {
			return err
		}
		rows, err := loadRecords(s.tx, kind, "WHERE id IN (SELECT value FROM json_each(?))", ids)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := overwrite(s.tx, row, byKind[kind][row.ID].said); err != nil {
				return err
			}
			delete(byKind[kind], row.ID)
		}
		for _, p := range byKind[kind] {
			if err := saveRecord(s.tx, p.said); err != nil {
				return err
			}
		}
	}
	return nil
}

// jsonKeys is a map's keys as a JSON list.
func jsonKeys[V any](m map[string]V) (string, error) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sortStrings(keys)
	text, err := json.Marshal(keys)
	return string(text), err
}
