package localdb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// A file of unsent work is JSON, one object a line: first whose work it is, then
// the changes in their order. Each line ends in a check over itself and all the
// lines before it, so that a line that was edited, left out or cut off is found.

// queueFormat is the number of that form.
const queueFormat = 1

// QueueFile is the first line of a file of unsent work: whose work it holds.
type QueueFile struct {
	Punchlist  string `json:"punchlist"` // "queue"
	Format     int    `json:"format"`
	Schema     int    `json:"schema"`     // of the ops
	ServerID   string `json:"server_id"`  // "" before enrolment
	ServerURL  string `json:"server_url"` // for people
	User       string `json:"user"`
	DeviceID   string `json:"device_id"` // "" before enrolment
	DeviceName string `json:"device_name"`
	ExportedAt int64  `json:"exported_at"` // wall clock, ms
	Count      int    `json:"count"`       // changes behind it
}

// queuedOp is one change in such a file: the op and what only a laptop knows of it.
type queuedOp struct {
	op.Op
	Payload  json.RawMessage `json:"payload"` // byte for byte
	TaskID   string          `json:"task_id,omitempty"`
	State    Badge           `json:"state"`
	Attempts int             `json:"attempts"`
	Error    string          `json:"last_error,omitempty"`
	Code     op.Code         `json:"code,omitempty"`
	Field    string          `json:"field,omitempty"`
	BootID   string          `json:"boot_id,omitempty"`
	Boot     int64           `json:"boot_ms,omitempty"`
	Tried    bool            `json:"tried,omitempty"`
}

// ExportQueue writes all unsent work to a new file (mode 0600) that [DB.ImportQueue]
// takes into the queue of this laptop or of another one of the same person. The
// work stays in the queue; it may from now on arrive from elsewhere, so what it
// says does not change any more. progress, where there is one, hears how many
// changes were written. In a database that is open for looking only nothing is marked.
func (db *DB) ExportQueue(ctx context.Context, path string, progress func(done, of int)) (QueueFile, error) {
	there := &Error{Message: fmt.Sprintf("there is a file %q already; it may hold work that is nowhere else", path), Hint: "name a new file"}
	if _, err := os.Lstat(path); err == nil {
		return QueueFile{}, there
	}
	mark := func(query string, args ...any) error {
		if db.sql.ReadOnly() {
			return nil
		}
		return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec(query, args...)
			return err
		})
	}
	if err := mark("UPDATE sync_queue SET exported = 1 WHERE exported = 0"); err != nil {
		return QueueFile{}, err
	}
	// What comes from now on may still change under its id: it stays out of the file.
	where := " WHERE q.exported > 0"
	if db.sql.ReadOnly() {
		where = ""
	}
	var head QueueFile
	var last int64
	err := writeDurably(path, NameNew, func(w io.Writer) error {
		return db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
			head, last, err = db.writeQueue(ctx, tx, &checkedLines{w: w}, where, progress)
			return err
		})
	})
	if errors.Is(err, fs.ErrExist) { // it came meanwhile
		return QueueFile{}, there
	}
	if err != nil {
		return head, fmt.Errorf("export unsent work: %w", err)
	}
	return head, mark("UPDATE sync_queue SET exported = 2 WHERE exported = 1 AND id <= ?", last)
}

func (db *DB) writeQueue(ctx context.Context, tx *sqlite.Tx, out *checkedLines, where string, progress func(done, of int)) (head QueueFile, last int64, err error) {
	dev, err := loadDevice(tx)
	if err != nil {
		return head, 0, err
	}
	known, err := loadTimes(tx, db.clock())
	if err != nil {
		return head, 0, err
	}
	head = QueueFile{Punchlist: "queue", Format: queueFormat, Schema: op.Schema, ServerID: dev.ServerID, ServerURL: dev.ServerURL,
		User: dev.User, DeviceID: dev.ID, DeviceName: dev.Name, ExportedAt: db.clock().Wall}
	if err := tx.Scan([]any{&head.Count}, "SELECT count(*) FROM sync_queue q"+where); err != nil {
		return head, 0, err
	}
	if err := out.write(head); err != nil {
		return head, 0, err
	}
	rows, err := tx.Query("SELECT " + queueColumns + `, q.payload, q.state, q.retry_count, coalesce(q.last_error, ''), coalesce(q.code, ''), coalesce(q.field, ''),
		coalesce(q.task_id, ''), q.tried, q.uncertain FROM sync_queue q` + where + " ORDER BY q.id")
	if err != nil {
		return head, 0, err
	}
	defer rows.Close()
	for done := 1; rows.Next(); done++ {
		if err := ctx.Err(); err != nil {
			return head, 0, err
		}
		var q queuedOp
		var payload string
		var read op.Reading
		q.Op, read, _, err = scanOp(rows, &payload, &q.State, &q.Attempts, &q.Error, &q.Code, &q.Field, &q.TaskID, &q.Tried, &q.TimeUncertain)
		if err != nil {
			return head, 0, err
		}
		q.Payload, q.BootID, q.Boot, last = json.RawMessage(payload), read.BootID, read.Boot, q.Seq
		if !q.Tried && q.State == BadgePending { // as it would be sent now
			q.Fields[op.UpdatedAt], q.TimeUncertain = known.sent(read, q.Fields.Int(op.UpdatedAt))
			if q.Payload, err = json.Marshal(q.Fields); err != nil {
				return head, 0, err
			}
		}
		if err := out.write(q); err != nil {
			return head, 0, err
		}
		if progress != nil {
			progress(done, head.Count)
		}
	}
	return head, last, rows.Err()
}

// UnexportedOps counts the unsent changes, refused ones too, that are in no file
// of unsent work: what would be lost with this database.
func (db *DB) UnexportedOps(ctx context.Context) (n int, err error) {
	err = db.sql.Read(ctx, func(tx *sqlite.Tx) error {
		return tx.Scan([]any{&n}, "SELECT count(*) FROM sync_queue WHERE exported < 2")
	})
	return n, err
}

// checkedLines writes lines that end in their check.
type checkedLines struct {
	w   io.Writer
	sum [sha256.Size]byte // of the line before
}

const checkMember = `,"check":"`

func (c *checkedLines) write(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("}\n"))
	c.sum = checkOf(c.sum, body)
	_, err := fmt.Fprintf(c.w, "%s%s%s\"}\n", body, checkMember, checkText(c.sum))
	return err
}

func checkOf(before [sha256.Size]byte, body []byte) [sha256.Size]byte {
	return sha256.Sum256(append(before[:], body...))
}

func checkText(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:12]) }

// verify tells whether a line is the one that was written behind the one before.
func (c *checkedLines) verify(line []byte) error {
	at := bytes.LastIndex(line, []byte(checkMember)) // a text may hold the words too
	if at < 0 {
		return errors.New("it is cut off, or no line of such a file")
	}
	body, check := line[:at], line[at+len(checkMember):]
	c.sum = checkOf(c.sum, body)
	if string(check) != checkText(c.sum)+`"}` {
		return errors.New("it, or a line before it, was changed or left out since the file was written")
	}
	return nil
}
