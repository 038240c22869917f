package localdb

import (
	"context"
	"errors"
	"fmt"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Settle takes the server's word on a batch, all of it in one transaction: what
// took effect leaves the queue, what lost leaves it too and is put before the
// person as a conflict, what was refused is parked, the rest stays. results[i]
// speaks of ops[i]; seen is how the server says that its history stands.
func (db *DB) Settle(ctx context.Context, ops []op.Op, results []wire.Result, seen wire.Seen) (wire.Settled, error) {
	var done wire.Settled
	if len(ops) != len(results) {
		return done, fmt.Errorf("settle: %d results for %d ops", len(results), len(ops))
	}
	err := db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		done = wire.Settled{}
		s, err := db.settler(tx)
		if err != nil {
			return err
		}
		rest, err := s.settlePlain(ops, results, &done)
		if err != nil {
			return err
		}
		for _, i := range rest {
			if err := s.settle(ops[i], results[i], &done); err != nil {
				return fmt.Errorf("settle op %s: %w", ops[i].ID, err)
			}
		}
		if done.Forked > 0 {
			if err := s.newQueue(); err != nil {
				return err
			}
		}
		if err := remember(tx, seen); err != nil {
			return err
		}
		return s.forget([2]string{"sync_sent", "settled_at"}, [2]string{"taken_back", "taken_at"})
	})
	return done, err
}

func (s settler) settle(o op.Op, r wire.Result, done *wire.Settled) error {
	switch r.Outcome {
	case op.Retry:
		done.Retry++
		_, err := s.tx.Exec("UPDATE sync_queue SET retry_count = retry_count + 1, last_error = ? WHERE op_id = ?", r.Message, o.ID)
		return err
	case op.Rejected:
		if r.Code == op.CodeForked {
			done.Forked++
			return nil
		}
		done.Parked++
		_, err := s.tx.Exec("UPDATE sync_queue SET state = 'parked', last_error = ?, code = ?, field = ?, retry_count = retry_count + 1 WHERE op_id = ?",
			op.Clean(r.Message, true), r.Code, r.Field, o.ID)
		return err
	case op.Applied, op.Merged, op.Conflicted:
	default: // a newer server's word: one op must not hold up the batch
		done.Retry++
		_, err := s.tx.Exec("UPDATE sync_queue SET retry_count = retry_count + 1, last_error = ? WHERE op_id = ?",
			"the server answers with a word this program does not know; a newer punchlist may", o.ID)
		return err
	}
	done.Acked++
	if r.Outcome != op.Applied {
		done.Conflicts++
	}
	late, err := bringBack(s.tx, o.ID) // undone while it was on its way
	if err != nil {
		return err
	}
	moved, err := s.moveToSent(o, r)
	if err != nil || !moved {
		if !moved {
			done.Untold++
		}
		return err // settled before: the answer came twice
	}
	before, err := s.before(Record{Kind: o.Kind, ID: o.Entity, Fields: op.Fields{}})
	if err != nil {
		return err
	}
	told, err := s.base(o, r)
	if err != nil {
		return err
	}
	if !told {
		done.Untold++
	}
	if err := s.merged(o, r, before); err != nil {
		return err
	}
	if err := giveWay(s.tx, o); err != nil {
		return err
	}
	for _, c := range append(r.Lost, r.Overrode...) {
		if err := s.conflict(c, r.Outcome == op.Merged); err != nil {
			return err
		}
	}
	if err := rebuild(s.tx, o.Kind, o.Entity); err != nil {
		return err
	}
	if !late {
		return s.givenAway(o)
	}
	return s.db.undoLate(s.tx, o)
}

const sentColumns = "id, op_id, entity_id, entity_type, action, payload, prev, base, group_id, task_id, created_at, settled_at, outcome, version, user, server_id"

// moveToSent takes a settled op out of the queue; false when it is not there.
func (s settler) moveToSent(o op.Op, r wire.Result) (bool, error) {
	res, err := s.tx.Exec(`INSERT INTO sync_sent (`+sentColumns+`)
		SELECT q.id, op_id, entity_id, entity_type, action, json_set(payload, '$.updated_at', ?), prev, base, group_id, task_id, created_at, ?, ?, ?, d.user, d.server_id
		FROM sync_queue q, device d WHERE op_id = ?`, o.Time(), s.today(), r.Outcome, r.Version, o.ID)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); n == 0 || err != nil {
		return false, err
	}
	// What the server said last must stand in server_records before the op goes,
	// because the record's own row still has the op on top.
	_, err = s.tx.Exec("DELETE FROM sync_queue WHERE op_id = ?", o.ID)
	return true, err
}

// base brings what the server last said up to this result: its whole state
// where it sent one, else what it said before with this op on top. It tells
// whether this laptop knows the record as it is after that.
func (s settler) base(o op.Op, r wire.Result) (told bool, err error) {
	rec, err := serverRecord(s.tx, o.Kind, o.Entity)
	known := err == nil
	if err := ignoreMissing(err); err != nil {
		return false, err
	}
	rec, news, err := saidBy(rec, known, o, r)
	if errors.Is(err, errUnfit) { // one result must not hold up the batch
		return false, putNotice(s.tx, NoticeNewer, s.now)
	}
	if err != nil || !news {
		return known && rec.Version >= r.Version, err
	}
	return rec.Version >= r.Version, putServerState(s.tx, rec)
}

// saidBy is what the server says of a record after a result, and whether that is
// news. rec is what it said before, if that is known.
func saidBy(rec Record, known bool, o op.Op, r wire.Result) (Record, bool, error) {
	switch {
	case r.ServerState != nil:
		said, err := fromState(o.Kind, r.ServerState)
		if err != nil || known && said.Version < rec.Version {
			return rec, false, err
		}
		return said, true, nil
	case r.Outcome != op.Applied:
		return rec, false, nil // the record left this person's crews since: the pull says so
	case !known && o.Action != op.Insert:
		return rec, false, nil // it came in a file of unsent work: the pull tells the record
	case !known:
		rec = Record{Kind: o.Kind, ID: o.Entity, Fields: op.Fields{}}
	}
	if r.Version <= rec.Version {
		return rec, false, nil // a later state is here already
	}
	stamp := max(r.Stamp, rec.Fields.Int(op.UpdatedAt)) // the server's time, not the op's claim
	overlay(&rec, o.Fields)
	rec.Deleted = (rec.Deleted || o.Action == op.Delete) && o.Fields[op.Deleted] != false
	rec.Fields[op.UpdatedAt] = stamp
	// Where others wrote too, a repeat cannot tell what, for the record left this
	// person's crews since: the laptop does not know it as it is at that version.
	if r.By == "" {
		rec.Version = r.Version
	}
	return rec, true, nil
}
