package localdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	BadLines int      // damaged lines of the second copy; what they said is lost unless a later one says it again
	Aside    []string // where the old files are now
	Enrolled bool     // whether the new database knows whose it is, or has to be enrolled
}

// Repair makes a new database in the place of a damaged one: all unsent work out
// of the second copy beside it, under its old ids; the records come with the next
// pull. No file is deleted: the old database, its -wal and -shm and the log stand
// beside it under one name afterwards. It refuses while another program has the
// database open, and an interrupted one is begun again by calling it again.
//
//	link the old files aside ─► make a new file under another name ─► remove -wal,
//	-shm ─► rename the new file over the old ─► and its log over the old log
func Repair(ctx context.Context, path string, o Options) (Repaired, error) {
	var out Repaired
	device := salvageDevice(ctx, path) // before the lock: a file that is closed gives up all locks of its program
	held, err := holdAlone(path)
	if err != nil {
		return out, err
	}
	defer held.Close()
	state, err := readLog(logFile(path))
	if errors.Is(err, fs.ErrNotExist) {
		return out, &Error{Message: "there is no second copy of unsent work beside " + path, Hint: "keep the file and ask for help; nothing was changed", Cause: err}
	}
	if err != nil {
		return out, err
	}
	out.BadLines = state.bad
	if state.device == nil {
		state.device = device
	}
	if out.Aside, err = linkAside(path, ".damaged-"); err != nil {
		return out, fmt.Errorf("keep the old files: %w", err)
	}
	fresh := path + ".new"
	if err := removeAll(withLogs(fresh)); err != nil {
		return out, err
	}
	if out.Changes, out.Enrolled, err = build(ctx, fresh, o, state); err != nil {
		return out, fmt.Errorf("make a new database: %w", err)
	}
	// A -wal of the old file must never meet the new one.
	if err := errors.Join(removeAll([]string{path + "-wal", path + "-shm"}), syncFolder(path)); err != nil {
		return out, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return out, err
	}
	// The old log has a second name by now, under which nothing is to be added to it.
	if err := os.Rename(logFile(fresh), logFile(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	return out, syncFolder(path)
}

func withLogs(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal", logFile(path)}
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

// salvageDevice reads who this laptop is from the damaged file; nil when it cannot
// be told. A log always says so, unless it is damaged as well.
func salvageDevice(ctx context.Context, path string) (row json.RawMessage) {
	db, err := Open(ctx, path, Options{ReadOnly: true})
	if err != nil {
		return nil
	}
	defer db.Close()
	_ = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		return tx.Scan([]any{(*[]byte)(&row)}, "SELECT json_object('device_id', device_id, 'user', user, 'name', name, 'role', role, 'crews', crews, 'server_url', server_url, "+
			"'server_id', server_id, 'server_key', server_key, 'enrolled_at', enrolled_at, 'queues', queues) FROM device")
	})
	return row
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

// build makes the new database under another name and closes it, so that all of
// it is in the one file.
func build(ctx context.Context, path string, o Options, state logState) (n int, enrolled bool, err error) {
	o.ReadOnly = false
	db, err := Open(ctx, path, o)
	if err != nil {
		return 0, false, err
	}
	err = db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		if n, err = state.restore(tx); err != nil {
			return err
		}
		dev, err := loadDevice(tx)
		enrolled = dev.ID != ""
		return errors.Join(err, putNotice(tx, NoticeRepaired, db.clock().Wall))
	})
	return n, enrolled, errors.Join(err, db.Close())
}

// restore writes what the log knows into an empty database.
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
		if err := insertRow(tx, "boots", row); err != nil {
			return 0, err
		}
	}
	records := map[recordRef]bool{}
	for _, id := range sortedKeys(s.queue) {
		if err := insertRow(tx, "sync_queue", s.queue[id]); err != nil {
			return n, err
		}
		n++
		var ref recordRef
		if err := tx.Scan([]any{&ref.kind, &ref.id}, "SELECT entity_type, entity_id FROM sync_queue WHERE id = ?", id); err != nil {
			return n, err
		}
		if records[ref] || tables[ref.kind] == nil {
			continue
		}
		records[ref] = true
	}
	for ref := range records {
		if err := rebuild(tx, ref.kind, ref.id); err != nil {
			return n, fmt.Errorf("lay unsent changes on %s %s: %w", op.Word(ref.kind), ref.id, err)
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
func insertRow(tx *sqlite.Tx, table string, row json.RawMessage) error {
	columns, err := collectAll(tx, "SELECT name FROM pragma_table_info(?1) WHERE name IN (SELECT key FROM json_each(?2))", table, string(row))
	if err != nil {
		return err
	}
	values := make([]string, len(columns))
	for i, c := range columns {
		values[i] = "?1 ->> '$." + c + "'"
	}
	_, err = tx.Exec("INSERT OR REPLACE INTO "+table+" ("+strings.Join(columns, ", ")+") SELECT "+strings.Join(values, ", "), string(row))
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
