package localdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// Repaired is what [Repair] did.
type Repaired struct {
	Changes  int      // unsent changes that are in the new database, refused ones too
	Tasks    int      // tasks that could be read still; the server tells all of them anew
	BadLines int      // damaged lines of the second copy; what they said is lost unless a later one says it again
	Aside    []string // where the old files are now
	Enrolled bool     // whether the new database knows whose it is, or has to be enrolled
}

// Repair makes a new database in the place of a damaged one: all unsent work out
// of the second copy beside it, under its old ids, and of the old file what can be
// read of the records and of that which is nowhere else (salvage.go); the server
// tells the records anew with the next pull. No file is deleted: the old database,
// its -wal and -shm and the log stand beside it under one name afterwards. It
// refuses while another program has the database open, and an interrupted one is
// begun again by calling it again.
//
//	make a new file under another name ─► link the old files aside ─► remove -wal,
//	-shm ─► rename the new file over the old ─► and its log over the old log
func Repair(ctx context.Context, path string, o Options) (out Repaired, err error) {
	held, err := holdAlone(path)
	if err != nil {
		return out, err
	}
	held.Close()
	defer func() { held.Close() }()
	withLog := func(fresh, path string) error {
		if err := os.Rename(fresh, path); err != nil {
			return err
		}
		// The old log has a second name by now, under which nothing is to be added to it.
		if err := os.Rename(logFile(fresh), logFile(path)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	err = InPlace(path, withLog, func(fresh string) error {
		o.ReadOnly = false
		db, err := Open(ctx, fresh, o)
		if err != nil {
			return fmt.Errorf("make a new database: %w", err)
		}
		// Before the lock: a file that is closed gives up all locks of its program.
		got, err := db.salvage(ctx, path)
		if err == nil {
			held, err = holdAlone(path)
		}
		if err == nil {
			err = db.refill(ctx, path, got, &out)
		}
		// Closed, all of it is in the one file.
		if err = errors.Join(err, db.Close()); err != nil {
			return err
		}
		return removeLogs(path)
	})
	return out, err
}

// refill puts into a new database what the second copy of unsent work says, and
// sets the old files aside.
func (db *DB) refill(ctx context.Context, path string, got salvaged, out *Repaired) error {
	state, err := readLog(logFile(path))
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{Message: "there is no second copy of unsent work beside " + path, Hint: "keep the file and ask for help; nothing was changed", Cause: err}
	}
	if err != nil {
		return err
	}
	out.BadLines, out.Tasks = state.bad, got.tasks
	state.with(got)
	if out.Aside, err = linkAside(path, ".damaged-"); err != nil {
		return fmt.Errorf("keep the old files: %w", err)
	}
	err = db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		if out.Changes, err = state.restore(tx); err != nil {
			return err
		}
		dev, err := loadDevice(tx)
		out.Enrolled = dev.ID != ""
		return errors.Join(err, putNotice(tx, NoticeRepaired, db.clock().Wall))
	})
	if err != nil {
		return fmt.Errorf("make a new database: %w", err)
	}
	return nil
}

func withLogs(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal", logFile(path)}
}

// removeLogs takes away what belongs to the file that had a name, before another one
// gets that. Neither may ever meet the new one, after a power cut either: so that
// they are gone is safe before the rename is.
func removeLogs(path string, more ...string) error {
	return errors.Join(removeAll(append([]string{path + "-wal", path + "-shm", path + "-journal"}, more...)), syncFolder(path))
}

func removeAll(names []string) (err error) {
	for _, name := range names {
		if e := os.Remove(name); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// SQLite holds a shared lock on these bytes of a file for as long as it is open.
const (
	sharedFirst = 0x40000000 + 2
	sharedSize  = 510
)

// holdAlone takes the file for this program alone, as long as the result is open.
func holdAlone(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("hold the database alone: %w", err)
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: sharedFirst, Len: sharedSize}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &lock); err != nil {
		f.Close()
		return nil, &Error{Message: "another program has " + path + " open", Hint: "close it (fuser " + path + " names it) and try again", Cause: ErrLocked}
	}
	return f, nil
}

// Remove deletes a database with all that belongs to it, unless another program
// has it open. The file itself goes last: without it nothing of the rest means anything.
func Remove(path string) error {
	held, err := holdAlone(path)
	if err != nil {
		return err
	}
	defer held.Close()
	files := Files(path)
	if err := removeAll(files[1:]); err != nil {
		return fmt.Errorf("remove the database: %w", err)
	}
	return os.Remove(path)
}

// linkAside gives the old files second names, all under one that is new, so that
// SQLite finds them together there.
func linkAside(path, ending string) (made []string, err error) {
	aside := freeName(path, ending)
	for _, part := range []string{"", "-wal", "-shm", ".queue.log"} {
		err := os.Link(path+part, aside+part)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return made, err
		default:
			made = append(made, aside+part)
		}
	}
	return made, syncFolder(path)
}

// with adds what the damaged file said itself. Where it knew of more transactions
// than the log, a power cut took the log's end, or the disk was full: what the file
// says of the queue is newer then.
func (s *logState) with(got salvaged) {
	if s.device == nil {
		s.device = got.device
	}
	if s.behind = s.n < got.logged; s.behind {
		maps.Copy(s.queue, got.queue)
	}
}

// settled tells, where the log is behind, whether a change was sent or undone after
// all, by what could be read.
func (s logState) settled(tx *sqlite.Tx, opID string) (gone bool, err error) {
	if s.behind {
		err = tx.Scan([]any{&gone}, "SELECT EXISTS (SELECT 1 FROM sync_sent WHERE op_id = ?1) OR EXISTS (SELECT 1 FROM taken_back WHERE op_id = ?1)", opID)
	}
	return gone, err
}

// restore writes what the log knows into a database without a queue.
func (s logState) restore(tx *sqlite.Tx) (n int, err error) {
	if s.device != nil {
		set := make([]string, 0, 10)
		for _, column := range strings.Split(identity, ", ") {
			set = append(set, column+" = coalesce(?1 ->> '$."+column+"', "+column+")")
		}
		if _, err := tx.Exec("UPDATE device SET "+strings.Join(set, ", "), string(s.device)); err != nil {
			return 0, err
		}
	}
	for _, row := range s.boots {
		if err := insertRow(tx, "INSERT OR REPLACE", "boots", row); err != nil {
			return 0, err
		}
	}
	records := map[recordRef]bool{}
	for _, id := range sortedKeys(s.queue) {
		var row struct {
			OpID   string  `json:"op_id"`
			Kind   op.Kind `json:"entity_type"`
			Entity string  `json:"entity_id"`
		}
		_ = json.Unmarshal(s.queue[id], &row) // of another form: the table refuses it
		if gone, err := s.settled(tx, row.OpID); err != nil || gone {
			if err != nil {
				return n, err
			}
			continue
		}
		ref := recordRef{row.Kind, row.Entity}
		if !records[ref] && tables[ref.kind] != nil {
			records[ref] = true
			cur, err := loadRecord(tx, ref.kind, ref.id)
			if err == nil {
				err = keepServerState(tx, cur) // with the unsent changes in it already where no more could be read
			}
			if err != nil && !errors.Is(err, ErrNotFound) {
				return n, err
			}
		}
		if err := insertRow(tx, "INSERT OR REPLACE", "sync_queue", s.queue[id]); err != nil {
			return n, err
		}
		n++
	}
	for ref := range records {
		if err := rebuild(tx, ref.kind, ref.id); err != nil {
			return n, fmt.Errorf("lay unsent changes on %s %s: %w", op.Word(ref.kind), ref.id, err)
		}
	}
	for _, statement := range []string{
		"DELETE FROM sync_sent WHERE op_id IN (SELECT op_id FROM sync_queue)",
		"DELETE FROM taken_back WHERE op_id IN (SELECT op_id FROM sync_queue)",
		"DELETE FROM server_records WHERE entity_id NOT IN (SELECT entity_id FROM sync_queue)",
	} {
		if _, err := tx.Exec(statement); err != nil {
			return n, err
		}
	}
	// A place in the queue is never given twice.
	_, err = tx.Exec("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'sync_queue'", s.seq)
	if err == nil && n == 0 {
		_, err = tx.Exec("INSERT INTO sqlite_sequence (name, seq) SELECT 'sync_queue', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'sync_queue')", s.seq)
	}
	return n, err
}

// insertRow writes a row as it was logged. A column that the table does not have
// any more is left out, one that it has got since takes its default.
func insertRow(tx *sqlite.Tx, insert, table string, row json.RawMessage) error {
	columns, err := collectAll(tx, "SELECT name FROM pragma_table_info(?1) WHERE name IN (SELECT key FROM json_each(?2))", table, string(row))
	if err != nil {
		return err
	}
	values := make([]string, len(columns))
	for i, c := range columns {
		values[i] = "?1 ->> '$." + c + "'"
	}
	_, err = tx.Exec(insert+" INTO "+table+" ("+strings.Join(columns, ", ")+") SELECT "+strings.Join(values, ", "), string(row))
	return err
}

func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
