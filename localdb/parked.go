package localdb

import (
	"encoding/json"
	"slices"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// What a person writes last counts: a change that was refused, or that later ones
// went past because it waits for a refused one or the server could not look at it,
// gives up each register that a later change of the person's own touches. It must
// not cover the newer value on the screen, nor win over it when it is sent at last.
// Where the server has heard the older one whole, it knows by the places of both
// which is newer.

// giveWay takes the registers that a settled op touched out of all older changes of
// the same record that are still here.
func giveWay(tx *sqlite.Tx, o op.Op) error {
	older, err := loadOps(tx, "q.entity_id = ? AND q.action <> 'INSERT' AND q.id < ?", o.Entity, o.Seq)
	if err != nil {
		return err
	}
	for _, p := range older {
		if _, _, err := yieldTo(tx, p, []op.Op{o}); err != nil {
			return err
		}
	}
	return nil
}

// giveWayBehind does the same for changes that are to go to the end of the queue,
// behind later ones that wait there. What is left of one that only waited takes a
// later place, and says something else than the server may have heard: like a
// refused one it is to go out as a new op.
func giveWayBehind(tx *sqlite.Tx, moved []string) error {
	list, err := json.Marshal(moved)
	if err != nil {
		return err
	}
	for _, id := range moved {
		ops, err := loadOps(tx, "q.op_id = ? AND q.action <> 'INSERT'", id)
		if err != nil {
			return err
		}
		if len(ops) == 0 {
			continue
		}
		later, err := loadOps(tx, "q.entity_id = ?1 AND q.id > ?2 AND q.state = 'pending' AND "+
			"((SELECT state FROM sync_queue WHERE op_id = ?3) = 'parked' OR q.op_id NOT IN (SELECT value FROM json_each(?4)))", ops[0].Entity, ops[0].Seq, id, string(list))
		if err != nil {
			return err
		}
		gave, left, err := yieldTo(tx, ops[0], later)
		if err == nil && gave && left {
			_, err = tx.Exec("UPDATE sync_queue SET state = 'parked' WHERE op_id = ?", id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// yieldTo takes the registers that later changes touch out of one that waits or was
// refused. gave: there were some; left: there are others, or else it is gone.
func yieldTo(tx *sqlite.Tx, older op.Op, later []op.Op) (gave, left bool, err error) {
	touched := map[string]bool{}
	for _, o := range later {
		if o.Action == op.Delete {
			continue // it covers what brings the record back, if that goes out before it
		}
		for _, register := range registers(o) {
			touched[register] = true
		}
	}
	own := registers(older)
	rest := slices.DeleteFunc(slices.Clone(own), func(register string) bool { return touched[register] })
	switch {
	case len(rest) == len(own):
		return false, true, nil
	case len(rest) == 0:
		_, err := tx.Exec("DELETE FROM sync_queue WHERE op_id = ?", older.ID)
		return true, false, err
	}
	for name := range older.Fields {
		if name != op.UpdatedAt && touched[op.RegisterOf(older.Kind, name)] {
			delete(older.Fields, name)
			delete(older.Prev, name)
		}
	}
	payload, err := json.Marshal(older.Fields)
	if err != nil {
		return true, true, err
	}
	prev, err := json.Marshal(older.Prev)
	if err != nil {
		return true, true, err
	}
	_, err = tx.Exec("UPDATE sync_queue SET payload = ?, prev = ? WHERE op_id = ?", string(payload), string(prev), older.ID)
	return true, true, err
}

// registers are those that an op touches.
func registers(o op.Op) (names []string) {
	if o.Action == op.Delete {
		return []string{op.Deleted}
	}
	for name := range o.Fields {
		if register := op.RegisterOf(o.Kind, name); name != op.UpdatedAt && !slices.Contains(names, register) {
			names = append(names, register)
		}
	}
	return names
}

func loadOps(tx *sqlite.Tx, where string, args ...any) ([]op.Op, error) {
	rows, err := tx.Query("SELECT "+queueColumns+" FROM sync_queue q WHERE "+where+" ORDER BY q.id", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []op.Op
	for rows.Next() {
		o, _, _, err := scanOp(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, rows.Err()
}
