package localdb

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/wire"
)

func (db *DB) pinFile() string { return db.Path() + ".pins" }

// KeepPins keeps the pins of the server's keys in a file beside the database, a
// line each, in place of those that were there. Without any it is removed.
func (db *DB) KeepPins(pins []wire.Pin) error {
	if len(pins) == 0 {
		if err := os.Remove(db.pinFile()); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	text := ""
	for _, p := range pins {
		text += p.String() + "\n"
	}
	return keepFile(db.pinFile(), text)
}

// Pins are those that KeepPins kept. A file that cannot be read is an error, never
// "no pins": nobody would be held to them.
func (db *DB) Pins() (pins []wire.Pin, err error) {
	if err := sqlite.CheckFile(db.pinFile()); err != nil {
		return nil, &Error{Message: "the pins are not safe: " + err.Error(), Hint: Cure(err, db.pinFile()), Cause: err}
	}
	text, err := os.ReadFile(db.pinFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the pins: %w", err)
	}
	for _, word := range strings.Fields(string(text)) {
		pin, err := wire.ParsePin(word)
		if err != nil {
			return nil, pinsDamaged(db.pinFile())
		}
		pins = append(pins, pin)
	}
	if len(pins) == 0 {
		return nil, pinsDamaged(db.pinFile())
	}
	return pins, nil
}

func pinsDamaged(path string) error {
	return &Error{Message: path + " holds something else than the pins of the server's keys", Hint: "ask the office for a new invite: punchlist enroll"}
}
