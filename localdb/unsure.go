package localdb

import (
	"context"
	"encoding/json"
	"fmt"

	"example.com/punchlist/localdb/sqlite"
)

// lookAgain tells the truth about an action whose commit failed: the file is read
// anew. It is never called saved, for the disk did not confirm it.
func (db *DB) lookAgain(ctx context.Context, saved Saved, failed error) error {
	var n int
	ids, err := json.Marshal(append([]string{}, saved.OpIDs...))
	if err == nil {
		err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
			return tx.Scan([]any{&n}, "SELECT count(*) FROM sync_queue WHERE op_id IN (SELECT value FROM json_each(?))", string(ids))
		})
	}
	switch {
	case err != nil:
		return &Error{Message: fmt.Sprintf("it cannot be told whether this was saved: %v", failed), Hint: "look whether it is there before you do it again", Cause: failed}
	case n == 0:
		return &Error{Message: fmt.Sprintf("nothing was saved: %v", failed), Hint: Cure(failed, db.Path()), Cause: failed}
	}
	return &Error{Message: fmt.Sprintf("it is in the file, but may be lost when the power goes: %v", failed), Hint: "do not do it again; sync soon, and look after the disk", Cause: failed}
}
