package server

import (
	"encoding/base64"
	"encoding/json"
	"errors"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// cursor is how far a device has heard of each crew. Devices see it as an opaque
// text.
type cursor struct {
	// at is the version up to which it has heard, by crew.
	at map[string]int64
	// began is, while a device that began at a crew's start has not heard so much
	// yet, the newest version of then. What was deleted up to there it never held.
	began map[string]int64
}

func newCursor() cursor { return cursor{map[string]int64{}, map[string]int64{}} }

// holds is the version up to which no deletion is unheard of.
func (c cursor) holds(crew string) int64 { return max(c.at[crew], c.began[crew]) }

var (
	errCursor = errors.New("not a cursor")
	// errBehind says that a device may have missed deletions which are forgotten.
	errBehind = errors.New("the device was away for too long")
)

// near is [errBehind] unless the cursor lies behind no horizon. A crew of which
// the device has heard nothing begins at its start, wherever that is.
func (c cursor) near(crews map[string]Crew) error {
	for name, crew := range crews {
		if c.at[name] > 0 && c.holds(name) < crew.Horizon {
			return errBehind
		}
	}
	return nil
}

// next is the cursor of a device that has heard up to at.
func (c cursor) next(at map[string]int64, crews map[string]Crew) cursor {
	out := cursor{at, map[string]int64{}}
	for name := range at {
		began := c.began[name]
		if c.at[name] == 0 {
			began = crews[name].Version
		}
		if began > at[name] {
			out.began[name] = began
		}
	}
	return out
}

// advance is what a batch spares its device of hearing once more: where all of it
// took effect and nothing else changed in the author's crews, the results say how
// its records stand. nil otherwise; a conflict is told to other devices as well.
func advance(by Author, ops []incoming, results []wire.Result, e Effects, before, after map[string]Crew) *wire.Advance {
	if len(ops) == 0 || len(e.Conflicts) > 0 {
		return nil
	}
	named := map[Ref]bool{}
	for i, r := range results {
		if r.Outcome != op.Applied || r.Duplicate {
			return nil
		}
		named[Ref{ops[i].Kind, ops[i].Entity}] = true
	}
	for _, row := range e.Rows {
		if row.Gone || !named[Ref{row.Kind, row.ID}] {
			return nil
		}
	}
	from, to := newCursor(), newCursor()
	for _, name := range by.Crews {
		from.at[name], to.at[name] = before[name].Version, after[name].Version
	}
	return &wire.Advance{From: from.String(), To: to.String()}
}

// maxCursor bounds the text of a cursor, in bytes.
const maxCursor = 8 << 10

type cursorText struct {
	V int              `json:"v"` // the cursor's form, so that a later server knows an old one
	C map[string]int64 `json:"c"`
	B map[string]int64 `json:"b,omitempty"`
}

func (c cursor) String() string {
	b, err := json.Marshal(cursorText{1, c.at, c.began})
	if err != nil {
		return "" // cannot be; a device then asks from the start
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a cursor; none at all stands for the start.
func parseCursor(text string) (cursor, error) {
	out := newCursor()
	if text == "" {
		return out, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) > maxCursor {
		return out, errCursor
	}
	var c cursorText
	if err := json.Unmarshal(b, &c); err != nil || c.V != 1 || c.C == nil {
		return out, errCursor
	}
	for _, part := range []map[string]int64{c.C, c.B} {
		for _, version := range part {
			if version < 0 {
				return out, errCursor
			}
		}
	}
	out.at = c.C
	if c.B != nil {
		out.began = c.B
	}
	return out, nil
}
