package localdb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// QueueImport is what became of the changes of a file of unsent work.
type QueueImport struct {
	File    QueueFile
	Taken   int // now in the queue
	Waiting int // were in the queue already
	Sent    int // were sent from here already
	Undone  int // were undone here since
}

// maxQueueLine bounds one line: an op, its previous values and what is around them.
const maxQueueLine = 4*op.MaxOpBytes + 64<<10

// maxQueueFile bounds a whole file, which is held in memory while it is taken in:
// more than a million changes of the usual size.
const maxQueueFile = 1 << 30

// ImportQueue takes a file that [DB.ExportQueue] wrote into this laptop's queue:
// all of it, or nothing. The changes keep their ids, so that none takes effect
// twice, from wherever else it is sent too; what this laptop sent, or has in its
// queue, is left as it is. Work of another person or for another server is
// refused. Changes that were imported cannot be undone as actions. Errors that
// speak of the file: *[Error], with the line. The file is read and checked to its
// end before the database is locked: a slow disk keeps nobody else waiting.
func (db *DB) ImportQueue(ctx context.Context, path string, progress func(done, of int)) (QueueImport, error) {
	text, err := readQueueFile(path)
	if err != nil {
		return QueueImport{}, err
	}
	return db.takeQueue(ctx, text, nil, progress)
}

// takeQueue takes the content of such a file; exported is what the queue says of a
// change by its id, nil where all of it is in a whole file.
func (db *DB) takeQueue(ctx context.Context, text []byte, exported map[string]int, progress func(done, of int)) (QueueImport, error) {
	none := func(queuedOp, int, int) error { return nil }
	if err := eachExported(ctx, text, QueueFile.readable, none); err != nil {
		return QueueImport{}, err
	}
	var out QueueImport
	err := db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		q := queueTaker{tx: tx, here: db.clock().BootID, exported: exported, touched: map[recordRef]bool{}}
		err := eachExported(ctx, text, q.fits, func(o queuedOp, done, of int) error {
			if progress != nil {
				progress(done, of)
			}
			return q.op(o)
		})
		if err == nil {
			err = q.finish()
		}
		out = q.out
		return err
	})
	if err != nil {
		return QueueImport{}, err
	}
	return out, nil
}

// readQueueFile reads a file whole. What is no file (a pipe, a device) is refused
// before it is opened: reading from it might never end.
func readQueueFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("import unsent work: %w", err)
	case !info.Mode().IsRegular():
		return nil, &Error{Message: fmt.Sprintf("%q is no file", path), Hint: "name a file that punchlist queue export wrote"}
	case info.Size() > maxQueueFile:
		return nil, &Error{Message: fmt.Sprintf("%q is larger than any file of unsent work", path), Hint: "name a file that punchlist queue export wrote"}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("import unsent work: %w", err)
	}
	return text, nil
}

// queueReader reads a file of unsent work line by line.
type queueReader struct {
	lines *bufio.Reader
	sums  checkedLines
	line  int
}

// next reads one line into v; io.EOF behind the last one.
func (r *queueReader) next(v any) error {
	var line []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxQueueLine:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			r.line++
			return r.fault(errors.New("it is longer than any change"))
		case errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) == 0:
			return io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read unsent work: %w", err)
		}
		break
	}
	r.line++
	line = bytes.TrimRight(line, "\r\n")
	if err := r.sums.verify(line); err != nil {
		return r.fault(err)
	}
	if err := json.Unmarshal(line, v); err != nil {
		return r.fault(err)
	}
	return nil
}

func (r *queueReader) fault(why error) error {
	if r.line == 1 {
		return &Error{Message: fmt.Sprintf("this is no whole file of unsent work: line 1: %s", why), Hint: "punchlist queue export FILE writes one; nothing was taken"}
	}
	return &Error{Message: fmt.Sprintf("line %d: %s", r.line, why), Hint: "nothing was taken; fetch or export the file again"}
}

// queueTaker is one ImportQueue while its transaction runs.
type queueTaker struct {
	tx       *sqlite.Tx
	here     string // this boot of this machine
	exported map[string]int
	touched  map[recordRef]bool
	order    []recordRef
	out      QueueImport
}

// eachExported walks through a file of unsent work: its head first, then each change.
func eachExported(ctx context.Context, text []byte, fits func(QueueFile) error, each func(o queuedOp, done, of int) error) error {
	in := &queueReader{lines: bufio.NewReaderSize(bytes.NewReader(text), 64<<10)}
	var head QueueFile
	if err := in.next(&head); err != nil {
		if errors.Is(err, io.EOF) {
			in.line = 1
			err = in.fault(errors.New("it is empty"))
		}
		return err
	}
	if err := fits(head); err != nil {
		return err
	}
	for done := 1; ; done++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		var o queuedOp
		err := in.next(&o)
		if errors.Is(err, io.EOF) {
			if done <= head.Count {
				return &Error{Message: fmt.Sprintf("the file breaks off behind line %d: %d of its %d changes are missing", in.line, head.Count-done+1, head.Count), Hint: "nothing was taken; fetch or export the file again"}
			}
			return nil
		}
		if err == nil {
			err = o.check(in)
		}
		if err == nil {
			err = each(o, done, head.Count)
		}
		if err != nil {
			return err
		}
	}
}

func refuseFile(hint, format string, args ...any) error {
	return &Error{Message: op.Clean(fmt.Sprintf(format, args...), false), Hint: hint}
}

// readable refuses what this program cannot read, whoever's work it is.
func (h QueueFile) readable() error {
	switch {
	case h.Punchlist != "queue":
		return refuseFile("punchlist queue export FILE writes one", "this is no file of unsent work")
	case h.Format != queueFormat || h.Schema > op.Schema:
		return refuseFile("install the newest punchlist on this laptop", "a newer punchlist wrote this file")
	}
	return nil
}

// fits refuses work that is not this laptop's to send.
func (q *queueTaker) fits(h QueueFile) error {
	q.out.File = h
	dev, err := loadDevice(q.tx)
	if err != nil {
		return err
	}
	var rebasing bool
	if err := q.tx.Scan([]any{&rebasing}, "SELECT rebasing FROM device"); err != nil {
		return err
	}
	switch {
	case h.DeviceID != "" && dev.ID == "":
		return refuseFile("punchlist enroll, then import it again", "this is the work of %s for the server %s, and this laptop has not joined it", h.User, h.ServerURL)
	case h.DeviceID != "" && h.ServerID != dev.ServerID:
		return refuseFile("import it on a laptop of that server", "this work is for the server %s; this laptop belongs to %s", h.ServerURL, dev.ServerURL)
	case h.DeviceID != "" && h.User != dev.User:
		return refuseFile("import it on a laptop of "+h.User, "this is the work of %s; what this laptop sends goes out in the name of %s", h.User, dev.User)
	case dev.Role == op.Viewer:
		return refuseFile("ask the office for the role technician", "your account may only look")
	case rebasing:
		return refuseFile("punchlist sync, then import it again", "this laptop is fetching everything anew from a restored server")
	}
	return nil
}

// check refuses a line that no laptop can have written.
func (o *queuedOp) check(in *queueReader) error {
	if o.Fields == nil {
		o.Fields = op.Fields{}
	}
	if err := json.Unmarshal(o.Payload, &o.Fields); err != nil {
		return in.fault(fmt.Errorf("payload: %w", err))
	}
	id, err := uuid.Parse(o.ID)
	switch {
	case err != nil || id.String() != o.ID:
		return in.fault(errors.New("its op_id is not a UUID"))
	case o.State != BadgePending && o.State != BadgeParked:
		return in.fault(errors.New("its state is neither pending nor parked"))
	}
	checked := o.Op
	checked.Fields = o.Fields.Clone()
	if r := op.Check(&checked); r != nil {
		return in.fault(r)
	}
	return nil
}

// op puts one change at the end of the queue, unless it is known here.
func (q *queueTaker) op(o queuedOp) error {
	if known, err := q.known(o); err != nil || known {
		return err
	}
	cur, err := loadRecord(q.tx, o.Kind, o.Entity)
	if err == nil {
		err = keepServerState(q.tx, cur)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if o.BootID != q.here { // another machine's, or an earlier boot: nothing more will be known of its time
		o.BootID, o.Boot, o.Tried = "", 0, true
	}
	var prev any
	if len(o.Prev) > 0 {
		text, err := json.Marshal(o.Prev)
		if err != nil {
			return err
		}
		prev = string(text)
	}
	exported := 2
	if q.exported != nil {
		exported = q.exported[o.ID]
	}
	_, err = q.tx.Exec(`INSERT INTO sync_queue (op_id, entity_id, entity_type, action, payload, prev, base, group_id, task_id, created_at, boot_id, boot_ms,
		state, retry_count, last_error, code, field, tried, uncertain, exported) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		o.ID, o.Entity, o.Kind, o.Action, string(o.Payload), prev, o.Base, nullText(o.Group), nullText(o.TaskID), o.CreatedAt, o.BootID, o.Boot,
		o.State, o.Attempts, nullText(op.Clean(o.Error, false)), nullText(string(o.Code)), nullText(op.Clean(o.Field, false)), o.Tried, o.TimeUncertain, exported)
	if err != nil {
		return fmt.Errorf("queue op %s: %w", o.ID, err)
	}
	q.out.Taken++
	if ref := (recordRef{o.Kind, o.Entity}); !q.touched[ref] {
		q.touched[ref] = true
		q.order = append(q.order, ref)
	}
	return q.yield(o)
}

// maxRetries is how many times in a row a refused change is followed under the
// ids that it was sent again with.
const maxRetries = 50

// known tells whether a change is here or was: under its own id, or, refused and
// sent again since, under the one of then.
func (q *queueTaker) known(o queuedOp) (bool, error) {
	for id, n := o.ID, 0; n < maxRetries; n++ {
		var waiting, sent, undone bool
		err := q.tx.Scan([]any{&waiting, &sent, &undone}, `SELECT EXISTS (SELECT 1 FROM sync_queue WHERE op_id = ?1),
			EXISTS (SELECT 1 FROM sync_sent WHERE op_id = ?1), EXISTS (SELECT 1 FROM taken_back WHERE op_id = ?1)`, id)
		switch {
		case err != nil:
			return false, err
		case waiting:
			q.out.Waiting++
		case sent:
			q.out.Sent++
		case undone:
			q.out.Undone++
		case o.State != BadgeParked:
			return false, nil
		default:
			id = retryID(id, string(o.Payload))
			continue
		}
		return true, nil
	}
	return false, nil
}

// yield: a refused change does not cover what the person wrote after it.
func (q *queueTaker) yield(o queuedOp) error {
	if o.State != BadgeParked || o.Action == op.Insert {
		return nil
	}
	later, err := loadOps(q.tx, "q.entity_id = ? AND q.state = 'pending' AND q.created_at > ? AND q.op_id <> ?", o.Entity, o.CreatedAt, o.ID)
	if err != nil || len(later) == 0 {
		return err
	}
	_, _, err = yieldTo(q.tx, o.Op, later)
	return err
}

func (q *queueTaker) finish() error {
	for _, ref := range q.order {
		if err := rebuild(q.tx, ref.kind, ref.id); err != nil {
			return fmt.Errorf("lay unsent changes on %s %s: %w", op.Word(ref.kind), ref.id, err)
		}
	}
	return lookForLost(q.tx)
}
