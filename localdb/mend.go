package localdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Mend makes what this laptop was told of one leaf what the server holds of
// it, in one transaction. Unsent changes stay on top; a record that the server
// does not hold goes, unless unsent work stands on it or beneath it. It returns
// how many records were not right.
func (db *DB) Mend(ctx context.Context, l wire.Leaf) (mended int, err error) {
	err = db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		mended = 0
		s, err := db.settler(tx)
		if err != nil {
			return err
		}
		wrong, extra, err := s.compare(l)
		if err != nil {
			return err
		}
		for _, r := range wrong {
			if err := s.restore(r); err != nil {
				return fmt.Errorf("restore %s %s: %w", op.Word(r.Kind), r.ID, err)
			}
		}
		for _, ref := range extra {
			if err := s.drop(ref); err != nil {
				return fmt.Errorf("drop %s %s: %w", op.Word(ref.kind), ref.id, err)
			}
		}
		if mended = len(wrong) + len(extra); mended == 0 {
			return nil
		}
		return putNotice(tx, NoticeMended, s.now)
	})
	return mended, err
}

// Wrong is one record on which laptop and server do not agree.
type Wrong struct {
	Kind   op.Kind
	ID     string
	Here   *Record // as this laptop was told; nil: it holds none
	There  *Record // as the server holds it; nil: it holds none
	Fields []string
}

// Explain lists the records of a leaf on which laptop and server do not agree.
func (db *DB) Explain(ctx context.Context, l wire.Leaf) (out []Wrong, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		out = nil
		held, err := heldIn(tx, l)
		if err != nil {
			return err
		}
		for _, c := range l.Records {
			there, ref := readState(c.EntityType, c.ServerState), recordRef{c.EntityType, c.EntityID}
			w := Wrong{Kind: ref.kind, ID: ref.id, There: &there}
			if here, ok := held[ref]; ok {
				w.Here, w.Fields = &here, differingFields(stateOf(here), c.ServerState)
			}
			if w.Here == nil || len(w.Fields) > 0 {
				out = append(out, w)
			}
			delete(held, ref)
		}
		for _, ref := range sortedRefs(held) {
			here := held[ref]
			out = append(out, Wrong{Kind: ref.kind, ID: ref.id, Here: &here})
		}
		return nil
	})
	return out, err
}

func differingFields(a, b op.Fields) (out []string) {
	for name, v := range a {
		if !op.Equal(v, b[name]) {
			out = append(out, name)
		}
	}
	for name, v := range b {
		if _, both := a[name]; !both && v != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func heldIn(tx *sqlite.Tx, l wire.Leaf) (map[recordRef]Record, error) {
	held := map[recordRef]Record{}
	return held, told(tx, l.Leaf, func(r Record) {
		if r.Crew == l.Crew {
			held[recordRef{r.Kind, r.ID}] = r
		}
	})
}

func sortedRefs[V any](m map[recordRef]V) []recordRef {
	refs := make([]recordRef, 0, len(m))
	for ref := range m {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b recordRef) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id)) })
	return refs
}

// compare tells which records of a leaf are to be as the server says, and which
// the server does not hold. What this program cannot keep is left alone.
func (s settler) compare(l wire.Leaf) (wrong []Record, extra []recordRef, err error) {
	held, err := heldIn(s.tx, l)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range l.Records {
		ref := recordRef{c.EntityType, c.EntityID}
		here, ok := held[ref]
		delete(held, ref)
		there, err := fromState(c.EntityType, c.ServerState)
		if errors.Is(err, errUnfit) {
			if err := putNotice(s.tx, NoticeNewer, s.now); err != nil {
				return nil, nil, err
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if !ok || op.SumOf(there.Kind, stateOf(here)) != op.SumOf(there.Kind, stateOf(there)) {
			wrong = append(wrong, there)
		}
	}
	return wrong, sortedRefs(held), nil
}

// restore makes a record what the server says, with its unsent changes on top.
func (s settler) restore(r Record) error {
	if _, err := s.tx.Exec("DELETE FROM server_records WHERE entity_type = ? AND entity_id = ?", r.Kind, r.ID); err != nil {
		return err
	}
	var waiting bool
	if err := s.tx.Scan([]any{&waiting}, "SELECT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = ?)", r.ID); err != nil {
		return err
	}
	if !waiting {
		return saveRecord(s.tx, r)
	}
	if err := putServerState(s.tx, r); err != nil {
		return err
	}
	return rebuild(s.tx, r.Kind, r.ID)
}

// drop takes away a record that the server does not hold. With unsent work on it,
// or beneath it, it stays and counts as one that the server has yet to hear of;
// what it says to that work decides.
func (s settler) drop(ref recordRef) error {
	name := tables[ref.kind].name
	for _, statement := range []string{
		"DELETE FROM " + name + " WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = ?1 OR task_id = ?1)",
		"UPDATE " + name + " SET version = 0 WHERE id = ?1",
		"DELETE FROM server_records WHERE entity_id = ?1 AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = ?1)",
		"UPDATE server_records SET version = 0, state = json_set(state, '$.version', 0) WHERE entity_id = ?1",
	} {
		if _, err := s.tx.Exec(statement, ref.id); err != nil {
			return err
		}
	}
	return nil
}

// NoteDiffers tells the person that what was put right is not right, or that it is now.
func (db *DB) NoteDiffers(ctx context.Context, on bool) error {
	if !on {
		var told bool
		err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
			return tx.Scan([]any{&told}, "SELECT EXISTS (SELECT 1 FROM notices WHERE code = ? AND read_at = 0)", NoticeDiffers)
		})
		if err != nil || !told {
			return err
		}
	}
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		if on {
			return putNotice(tx, NoticeDiffers, db.clock().Wall)
		}
		_, err := tx.Exec("UPDATE notices SET read_at = ? WHERE code = ?", max(db.clock().Wall, 1), NoticeDiffers)
		return err
	})
}
