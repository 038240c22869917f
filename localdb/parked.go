package localdb

import (
	"encoding/json"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// What a person writes after an edit was refused counts: a parked edit gives up
// each register that a later change of the person's own touches. It must not
// cover the newer value on the screen, nor win over it when it is sent again.

// giveWay takes the registers that a settled op touched out of the older parked
// edits of the same record.
func giveWay(tx *sqlite.Tx, o op.Op) error {
	parked, err := loadOps(tx, "q.entity_id = ? AND q.state = 'parked' AND q.action = 'UPDATE' AND q.id < ?", o.Entity, o.Seq)
	if err != nil {
		return err
	}
	for _, p := range parked {
		if err := yieldTo(tx, p, []op.Op{o}); err != nil {
			return err
		}
	}
	return nil
}

// giveWayBehind does the same for edits that are to go to the end of the queue,
// behind later changes that wait there. Of what only waited, one that gives way
// says something else than the server may have heard: like a refused one it is to
// go out as a new op.
func giveWayBehind(tx *sqlite.Tx, moved []string) error {
	list, err := json.Marshal(moved)
	if err != nil {
		return err
	}
	for _, id := range moved {
		edits, err := loadOps(tx, "q.op_id = ? AND q.action = 'UPDATE'", id)
		if err != nil {
			return err
		}
		if len(edits) == 0 {
			continue
		}
		later, err := loadOps(tx, "q.entity_id = ?1 AND q.id > ?2 AND q.state = 'pending' AND "+
			"((SELECT state FROM sync_queue WHERE op_id = ?3) = 'parked' OR q.op_id NOT IN (SELECT value FROM json_each(?4)))", edits[0].Entity, edits[0].Seq, id, string(list))
		if err != nil {
			return err
		}
		if err := yieldTo(tx, edits[0], later); err != nil {
			return err
		}
	}
	return nil
}

func yieldTo(tx *sqlite.Tx, parked op.Op, later []op.Op) error {
	touched := map[string]bool{}
	for _, o := range later {
		for name := range o.Fields {
			if name != op.UpdatedAt {
				touched[op.RegisterOf(o.Kind, name)] = true
			}
		}
	}
	left, gave := 0, false
	for name := range parked.Fields {
		switch {
		case name == op.UpdatedAt:
		case touched[op.RegisterOf(parked.Kind, name)]:
			delete(parked.Fields, name)
			delete(parked.Prev, name)
			gave = true
		default:
			left++
		}
	}
	if !gave {
		return nil
	}
	if left == 0 {
		_, err := tx.Exec("DELETE FROM sync_queue WHERE op_id = ?", parked.ID)
		return err
	}
	payload, err := json.Marshal(parked.Fields)
	if err != nil {
		return err
	}
	prev, err := json.Marshal(parked.Prev)
	if err != nil {
		return err
	}
	// Parked also where it only waited: so it is given a new id when it is moved.
	_, err = tx.Exec("UPDATE sync_queue SET payload = ?, prev = ?, state = 'parked' WHERE op_id = ?", string(payload), string(prev), parked.ID)
	return err
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
