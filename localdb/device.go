package localdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/op"
)

// Device says who this laptop is. Before enrolment the user is the account's
// own name and the role is dispatcher: a list without an office is its owner's.
func (db *DB) Device(ctx context.Context) (Device, error) {
	var d Device
	err := db.sql.Read(ctx, func(tx *sqlite.Tx) (err error) {
		d, err = loadDevice(tx)
		return err
	})
	if err != nil {
		return d, err
	}
	if d.ID != "" {
		d.Token, d.Unsafe = db.token()
	}
	return d, nil
}

func loadDevice(tx *sqlite.Tx) (Device, error) {
	var d Device
	var crews string
	err := tx.Scan([]any{&d.ID, &d.User, &d.Name, &d.Role, &crews, &d.ServerURL, &d.ServerID, &d.ServerKey, &d.EnrolledAt, &d.Cursor, &d.ClockOffset, &d.OffsetKnown},
		`SELECT device_id, user, name, role, crews, server_url, server_id, server_key, enrolled_at, cursor, clock_offset, offset_known FROM device`)
	if err != nil {
		return d, fmt.Errorf("read device: %w", err)
	}
	if d.User == "" {
		d.User = op.Clean(os.Getenv("USER"), false)
	}
	if d.User == "" {
		d.User = "me"
	}
	if d.Role == "" {
		d.Role = op.Dispatcher
	}
	return d, json.Unmarshal([]byte(crews), &d.Crews)
}

// Enrol makes this laptop a device of a server: the token goes to a file of its
// own (mode 0600, beside the database), everything else into the database. The
// queue stays as it is: work done before enrolment is sent like any other.
func (db *DB) Enrol(ctx context.Context, d Device) error {
	crews, err := json.Marshal(d.Crews)
	if err != nil {
		return err
	}
	return db.sql.Write(ctx, func(tx *sqlite.Tx) error {
		if err := foreign(tx, d.ServerID); err != nil {
			return err
		}
		// Another server has another history, another device another queue.
		if _, err := tx.Exec("DELETE FROM seen WHERE (SELECT server_id FROM device) <> ?", d.ServerID); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE device SET queues = '[]' WHERE device_id <> ?", d.ID); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE device SET device_id = ?, user = ?, name = ?, role = ?, crews = ?, server_url = ?, server_id = ?, server_key = ?, enrolled_at = ?,
			cursor = CASE WHEN server_id = ? THEN cursor ELSE '' END`,
			d.ID, d.User, d.Name, d.Role, string(crews), d.ServerURL, d.ServerID, d.ServerKey, d.EnrolledAt, d.ServerID)
		if err != nil {
			return err
		}
		return db.writeTokens(d.Token, nil) // last: without it all of the rest goes back
	})
}

// foreign takes what another server than this one told out of all comparing: it
// stays to be read and exported, and nothing of it goes because this server does
// not hold it. Versions of there mean nothing here.
func foreign(tx *sqlite.Tx, serverID string) error {
	const elsewhere = " AND (SELECT server_id FROM device) NOT IN ('', ?)"
	statements := []string{"UPDATE server_records SET version = -1, state = json_set(state, '$.version', -1) WHERE version > 0" + elsewhere,
		"UPDATE sync_queue SET base = 0 WHERE base > 0" + elsewhere,
		"DELETE FROM unheard WHERE true" + elsewhere, "UPDATE device SET rebasing = 0, anew = 0 WHERE true" + elsewhere}
	for _, kind := range op.Kinds {
		statements = append(statements, "UPDATE "+tables[kind].name+" SET version = -1 WHERE version > 0"+elsewhere)
	}
	for _, statement := range statements {
		if _, err := tx.Exec(statement, serverID); err != nil {
			return err
		}
	}
	return nil
}

func keepFile(path, text string) error {
	return writeDurably(path, os.Rename, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

func (db *DB) authorityFile() string { return db.Path() + ".ca" }

// KeepAuthority keeps the certificates (PEM) of the authorities to trust in
// place of the system's, in a file beside the database; without any it is
// removed.
func (db *DB) KeepAuthority(pem []byte) error {
	if len(pem) > 0 {
		return keepFile(db.authorityFile(), string(pem))
	}
	if err := os.Remove(db.authorityFile()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Authority is what KeepAuthority kept; nil: nothing.
func (db *DB) Authority() ([]byte, error) {
	if err := sqlite.CheckFile(db.authorityFile()); err != nil {
		return nil, &Error{Message: "the authority's certificate is not safe: " + err.Error(), Hint: Cure(err, db.authorityFile()), Cause: err}
	}
	b, err := os.ReadFile(db.authorityFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
