package server

import (
	"encoding/base64"
	"encoding/json"
	"errors"
)

// cursor is how far a device has heard of each crew, by version. Devices see
// it as an opaque text.
type cursor map[string]int64

var errCursor = errors.New("not a cursor")

// maxCursor bounds the text of a cursor, in bytes.
const maxCursor = 8 << 10

type cursorText struct {
	V int    `json:"v"` // the cursor's form, so that a later server knows an old one
	C cursor `json:"c"`
}

func (c cursor) String() string {
	b, err := json.Marshal(cursorText{1, c})
	if err != nil {
		return "" // cannot be; a device then asks from the start
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a cursor; none at all stands for the start.
func parseCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) > maxCursor {
		return nil, errCursor
	}
	var c cursorText
	if err := json.Unmarshal(b, &c); err != nil || c.V != 1 || c.C == nil {
		return nil, errCursor
	}
	for _, version := range c.C {
		if version < 0 {
			return nil, errCursor
		}
	}
	return c.C, nil
}
