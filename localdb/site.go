package localdb

import (
	"context"
	"fmt"
	"strings"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// Sites lists the sites whose code, name or address holds the words of search,
// by code. limit 0 means 50.
func (db *DB) Sites(ctx context.Context, search string, limit int) ([]Record, error) {
	if limit <= 0 {
		limit = 50
	}
	where, args := "WHERE deleted = 0", []any{}
	for _, word := range strings.Fields(strings.ToLower(search)) {
		where += " AND instr(search, ?) > 0"
		args = append(args, word)
	}
	var out []Record
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		out, err = loadRecords(tx, op.Site, where+" ORDER BY code, id LIMIT ?", append(args, limit)...)
		return err
	})
	return out, err
}

// RefIDs finds the records of a kind whose field (external_ref, code, number) has
// one of the values: value → id. Values that nothing carries are left out.
func (db *DB) RefIDs(ctx context.Context, kind op.Kind, field string, values []string) (map[string]string, error) {
	t := tables[kind]
	if t == nil || t.known[field].Name == "" {
		return nil, fmt.Errorf("a %s has no field %q", op.Word(kind), field)
	}
	out := make(map[string]string, len(values))
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		for _, v := range values {
			ids, err := scanIDs(tx, "SELECT id FROM "+t.name+" WHERE deleted = 0 AND "+field+" = ? ORDER BY id", v)
			if err != nil {
				return err
			}
			if len(ids) > 0 {
				out[v] = ids[0]
			}
		}
		return nil
	})
	return out, err
}

// ItemsOf reads the checklist of one task, by position.
func (db *DB) ItemsOf(ctx context.Context, taskID string) ([]Record, error) {
	var out []Record
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		out, err = loadRecords(tx, op.Item, "WHERE task_id = ? AND deleted = 0 ORDER BY position, id", taskID)
		return err
	})
	return out, err
}
