package localdb

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"example.com/punchlist/localdb/sqlite"
)

// A second copy of unsent work stands beside the database, in FILE.queue.log
// (mode 0600): one damaged page of a database can hold work that is nowhere else.
// It is lines, each with its CRC-32C before it: a row of sync_queue as it is now,
// the number of a row that is gone, and the rows that say who this laptop is.
//
//	a transaction ──► rows it touched ──► lines, then a mark ──► COMMIT
//	                  (TEMP triggers)     (one write, no sync)
//
// The lines are written under the database's lock, so their order is that of the
// commits, also with several processes. They are not synced: the flush of the
// commit is all that an action waits for, and the kernel writes them within half a
// minute. A power cut or a kill between the write and the commit can so leave the
// log ahead or behind by little; each process compares the mark when it first
// writes, and writes the log anew from the database where they differ: the number
// in it counts transactions, so that no two states look alike. What only
// the log then knows is kept in a file beside it. Where the log cannot be written
// (a full disk) the action goes on, and the log catches up with the next one.
//
// The limit: where a power cut takes the log's end and the same database is
// damaged before a program wrote to it again, a repair brings the queue of up to
// half a minute before the cut, whole transactions of it and never a part of one.

// logCompact is the size from which on a log is written anew once most of it is
// about rows that are gone.
const logCompact = 256 << 10

// queueLog is the log of one open database. Its methods run under the writer.
type queueLog struct {
	path    string
	behind  bool // the last lines could not be written whole
	size    int64
	objects map[string]string // by table: a row as a JSON object, in SQL
}

func logFile(path string) string { return path + ".queue.log" }

// logged are the tables of which the log keeps rows, by their keys.
var logged = map[string]string{"sync_queue": "id", "device": "one", "boots": "boot_id"}

// logTables are their names, in the order in which their rows are written.
var logTables = []string{"device", "boots", "sync_queue"}

// logLine is one line: a row of a table, a row of sync_queue that is gone, or the
// state of the queue behind a transaction.
type logLine struct {
	Table string          `json:"table,omitempty"`
	Row   json.RawMessage `json:"row,omitempty"`
	Gone  int64           `json:"gone,omitempty"`
	Mark  *logMark        `json:"mark,omitempty"`
}

// logMark is what the queue comes to, cheaply told.
type logMark struct {
	Seq     int64 `json:"seq"` // the highest ever given
	Pending int64 `json:"pending"`
	Parked  int64 `json:"parked"`
	N       int64 `json:"n,omitempty"` // of the transaction; 0: an earlier program wrote it
}

func readMark(tx *sqlite.Tx) (m logMark, err error) {
	err = tx.Scan([]any{&m.Seq, &m.Pending, &m.Parked, &m.N}, "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'sync_queue'), 0), pending, parked, logged FROM counters")
	return m, err
}

// identity are the columns of device that a change of which is logged: the others
// change with every round.
const identity = "device_id, user, name, role, crews, server_url, server_id, server_key, enrolled_at, queues"

// connected makes the triggers that note which rows a transaction touches. 0
// stands for the whole log. A row may be noted twice: touched has no key, because
// an upsert of the caller's would forbid its triggers to ignore a second note.
func (l *queueLog) connected(tx *sqlite.Tx) error {
	for _, statement := range []string{
		"PRAGMA temp_store = MEMORY",
		"CREATE TEMP TABLE IF NOT EXISTS touched (name TEXT, id)",
		"DELETE FROM touched",
		"CREATE TEMP TRIGGER IF NOT EXISTS queue_in AFTER INSERT ON main.sync_queue BEGIN INSERT INTO touched VALUES ('sync_queue', NEW.id); END",
		"CREATE TEMP TRIGGER IF NOT EXISTS queue_out AFTER DELETE ON main.sync_queue BEGIN INSERT INTO touched VALUES ('sync_queue', OLD.id); END",
		"CREATE TEMP TRIGGER IF NOT EXISTS queue_on AFTER UPDATE ON main.sync_queue BEGIN INSERT INTO touched VALUES ('sync_queue', OLD.id), ('sync_queue', NEW.id); END",
		"CREATE TEMP TRIGGER IF NOT EXISTS device_on AFTER UPDATE OF " + identity + " ON main.device BEGIN INSERT INTO touched VALUES ('device', NEW.one); END",
		"CREATE TEMP TRIGGER IF NOT EXISTS boots_in AFTER INSERT ON main.boots BEGIN INSERT INTO touched VALUES ('boots', NEW.boot_id); END",
		"CREATE TEMP TRIGGER IF NOT EXISTS boots_on AFTER UPDATE ON main.boots BEGIN INSERT INTO touched VALUES ('boots', NEW.boot_id); END",
	} {
		if _, err := tx.Exec(statement); err != nil {
			return fmt.Errorf("second copy of unsent work: %w", err)
		}
	}
	now, err := readMark(tx)
	if err != nil {
		return err
	}
	if last, size := l.lastMark(); last != nil && *last == now && !l.behind {
		l.size = size
		return nil
	}
	_, err = tx.Exec("INSERT INTO touched VALUES ('', 0)")
	return err
}

// lastMark reads the end of the log; nil when it does not end in a mark.
func (l *queueLog) lastMark() (*logMark, int64) {
	f, err := openLog(l.path, os.O_RDONLY)
	if err != nil {
		return nil, 0
	}
	defer f.Close()
	return markAtEnd(f)
}

func markAtEnd(f *os.File) (*logMark, int64) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0
	}
	tail := make([]byte, min(size, 512))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil || !bytes.HasSuffix(tail, []byte("\n")) {
		return nil, 0
	}
	tail = bytes.TrimSuffix(tail, []byte("\n"))
	line, ok := parseLine(tail[bytes.LastIndexByte(tail, '\n')+1:])
	if !ok {
		return nil, 0
	}
	return line.Mark, size
}

func openLog(path string, flags int) (*os.File, error) {
	return os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0o600)
}

// before writes the lines of a transaction.
func (l *queueLog) before(tx *sqlite.Tx) error {
	var touched, whole int
	if err := tx.Scan([]any{&touched, &whole}, "SELECT count(*), coalesce(sum(name = ''), 0) FROM touched"); err != nil || touched == 0 {
		return err
	}
	if _, err := tx.Exec("UPDATE counters SET logged = logged + 1"); err != nil {
		return err
	}
	mark, err := readMark(tx)
	if err != nil {
		return err
	}
	if whole > 0 || l.size > logCompact && l.size > 4*600*(mark.Pending+mark.Parked) {
		err = l.rewrite(tx, mark, whole > 0)
	} else {
		err = l.append(tx, mark)
	}
	var fault *os.PathError
	if l.behind = err != nil; errors.As(err, &fault) || errors.Is(err, errLog) {
		// The next one tries again. Nothing of this is a reason to refuse the action.
		_, err = tx.Exec("INSERT INTO touched VALUES ('', 0)")
		return err
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec("DELETE FROM touched")
	return err
}

// errLog: the log could not be written; the cause says why.
var errLog = errors.New("write the second copy of unsent work")

// append adds the rows that were touched, in one write.
func (l *queueLog) append(tx *sqlite.Tx, mark logMark) error {
	var b bytes.Buffer
	touched, err := collectAll(tx, "SELECT DISTINCT name FROM touched")
	if err != nil {
		return err
	}
	for _, table := range logTables {
		if !slices.Contains(touched, table) {
			continue
		}
		if err := l.writeRows(tx, &b, table, "IN (SELECT id FROM touched WHERE name = '"+table+"')"); err != nil {
			return err
		}
	}
	rows, err := tx.Query("SELECT DISTINCT id FROM touched WHERE name = 'sync_queue' AND id NOT IN (SELECT id FROM sync_queue)")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		writeLine(&b, logLine{Gone: id})
	}
	if err := rows.Err(); err != nil {
		return err
	}
	writeLine(&b, logLine{Mark: &mark})
	f, err := openLog(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	// Behind lines of which the database does not know, those of another process that
	// was killed before its commit, these would vouch for them.
	if last, _ := markAtEnd(f); last == nil || last.N != mark.N-1 {
		return errors.Join(f.Close(), l.rewrite(tx, mark, true))
	}
	if _, err := f.Write(b.Bytes()); err != nil {
		return errors.Join(errLog, err, f.Close())
	}
	l.size, _ = f.Seek(0, io.SeekEnd)
	return f.Close()
}

// rewrite makes the log anew. What it holds and the database does not know of is
// kept aside when the two should have been in step.
func (l *queueLog) rewrite(tx *sqlite.Tx, mark logMark, differs bool) error {
	if differs {
		if err := l.keepUnknown(tx, mark); err != nil {
			return err
		}
	}
	err := writeDurably(l.path, os.Rename, func(w io.Writer) error {
		for _, table := range logTables {
			if err := l.writeRows(tx, w, table, "IS NOT NULL"); err != nil {
				return err
			}
		}
		// Twice: these rows are not those of a last transaction that may have failed.
		return errors.Join(writeLine(w, logLine{Mark: &mark}), writeLine(w, logLine{Mark: &mark}))
	})
	if err != nil {
		return errors.Join(errLog, err)
	}
	l.size = 0 // until the next one is added: what is in it now is not in vain
	return nil
}

// keepUnknown renames a log with changes that the database never heard of: the
// database is an older copy, or lost its -wal. The last transaction of the log is
// no such sign; a kill may have come before its commit.
func (l *queueLog) keepUnknown(tx *sqlite.Tx, now logMark) error {
	old, err := readLog(l.path)
	if err != nil || len(old.queue) == 0 {
		return nil // none, or unreadable: nothing to keep
	}
	if old.n != 0 && old.n < now.N {
		return nil // the database knew all of it, and what became of it
	}
	for n, row := range old.queue {
		if old.last[n] {
			continue
		}
		var id struct {
			Op string `json:"op_id"`
		}
		if err := json.Unmarshal(row, &id); err != nil {
			continue
		}
		var known bool
		err := tx.Scan([]any{&known}, `SELECT EXISTS (SELECT 1 FROM sync_queue WHERE op_id = ?1) OR EXISTS (SELECT 1 FROM sync_sent WHERE op_id = ?1)
			OR EXISTS (SELECT 1 FROM taken_back WHERE op_id = ?1)`, id.Op)
		if err != nil {
			return err
		}
		if !known {
			for { // until nobody else took the name meanwhile
				if err := NameNew(l.path, freeName(l.path, keptEnding)); !errors.Is(err, fs.ErrExist) {
					return err
				}
			}
		}
	}
	return nil
}

// keptEnding, with a number, ends the name of a log that was put aside.
const keptEnding = ".kept-"

// freeName is a name with a number at which nothing stands.
func freeName(path, ending string) string {
	for n := 1; ; n++ {
		name := fmt.Sprint(path, ending, n)
		if _, err := os.Lstat(name); err != nil {
			return name
		}
	}
}

// object is a row of a logged table as a JSON object, in SQL.
func (l *queueLog) object(tx *sqlite.Tx, table string) (string, error) {
	if text := l.objects[table]; text != "" {
		return text, nil
	}
	columns, err := collectAll(tx, "SELECT name FROM pragma_table_info('"+table+"')")
	if err != nil {
		return "", err
	}
	for i, c := range columns {
		columns[i] = "'" + c + "', " + c
	}
	if l.objects == nil {
		l.objects = map[string]string{}
	}
	l.objects[table] = "json_object(" + strings.Join(columns, ", ") + ")"
	return l.objects[table], nil
}

// writeRows writes rows of a logged table; which is what their keys are to be.
func (l *queueLog) writeRows(tx *sqlite.Tx, w io.Writer, table, which string) error {
	object, err := l.object(tx, table)
	if err != nil {
		return err
	}
	key := logged[table]
	rows, err := tx.Query("SELECT " + object + " FROM " + table + " WHERE " + key + " " + which + " ORDER BY " + key)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row []byte
		if err := rows.Scan(&row); err != nil {
			return err
		}
		if err := writeLine(w, logLine{Table: table, Row: row}); err != nil {
			return err
		}
	}
	return rows.Err()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func writeLine(w io.Writer, line logLine) error {
	text, err := line.text()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%08x %s\n", crc32.Checksum(text, castagnoli), text)
	return err
}

// text is the line as JSON. A row is JSON already, and is not read for it again.
func (l logLine) text() ([]byte, error) {
	if l.Row == nil {
		return json.Marshal(l)
	}
	return slices.Concat([]byte(`{"table":"`+l.Table+`","row":`), l.Row, []byte("}")), nil
}

// parseLine tells whether a line is one that was written.
func parseLine(text []byte) (line logLine, ok bool) {
	var sum uint32
	if len(text) < 10 || text[8] != ' ' {
		return line, false
	}
	if _, err := fmt.Sscanf(string(text[:8]), "%08x", &sum); err != nil || sum != crc32.Checksum(text[9:], castagnoli) {
		return line, false
	}
	return line, json.Unmarshal(text[9:], &line) == nil
}

// logState is what a log comes to.
type logState struct {
	queue  map[int64]json.RawMessage
	device json.RawMessage // nil: it does not say
	boots  map[string]json.RawMessage
	seq    int64
	n      int64          // the number of the last transaction; 0: it does not say
	bad    int            // lines that are damaged, or whose transaction is not whole
	last   map[int64]bool // the rows of the last transaction

	batch  []logLine // the transaction being read
	behind bool      // what it came to is older than the database beside it
}

// readLog reads a whole log. A damaged line spoils no other.
func readLog(path string) (logState, error) {
	s := logState{queue: map[int64]json.RawMessage{}, boots: map[string]json.RawMessage{}, last: map[int64]bool{}}
	f, err := openLog(path, os.O_RDONLY)
	if err != nil {
		return s, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		text, err := in.ReadBytes('\n')
		if text = bytes.TrimSpace(text); len(text) > 0 {
			if line, ok := parseLine(text); ok {
				s.take(line)
			} else {
				s.bad++
			}
		}
		if errors.Is(err, io.EOF) {
			s.bad += len(s.batch) // no mark: half of an action would be worse than none
			return s, nil
		}
		if err != nil {
			return s, fmt.Errorf("read the second copy of unsent work: %w", err)
		}
	}
}

// take reads one line. The lines of a transaction count together, once the mark
// behind them is there.
func (s *logState) take(line logLine) {
	if line.Mark == nil {
		s.batch = append(s.batch, line)
		return
	}
	s.seq, s.n = max(s.seq, line.Mark.Seq), line.Mark.N
	clear(s.last)
	for _, said := range s.batch {
		if id := s.put(said); id != 0 {
			s.last[id] = true
		}
	}
	s.batch = nil
}

// put takes one line for true. It returns the row of the queue that it is of.
func (s *logState) put(line logLine) int64 {
	var key struct {
		ID   int64  `json:"id"`
		Boot string `json:"boot_id"`
	}
	_ = json.Unmarshal(line.Row, &key) // a row of another form has no key
	switch {
	case line.Gone != 0:
		delete(s.queue, line.Gone)
	case line.Table == "sync_queue" && key.ID != 0:
		s.queue[key.ID] = line.Row
		s.seq = max(s.seq, key.ID)
		return key.ID
	case line.Table == "device":
		s.device = line.Row
	case line.Table == "boots":
		s.boots[key.Boot] = line.Row
	}
	return 0
}
