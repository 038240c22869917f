package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// PathHistory is where a device that was told [CodeReset] asks how much of what
// it knows the server still holds.
const PathHistory = "/sync/history"

// CodeReset: the server's history is not the one that the device was told of. It
// was restored from an older backup.
const CodeReset = "reset"

// Limits of what a device may say of a history. Over them the server answers 400.
const (
	MaxSeen   = 256 // crews
	MaxMarks  = 128 // of one crew, in one Past
	MaxQueues = 16  // identities of one device's queue
)

// Mark is a version of a crew, and the fingerprint of the crew's whole history
// up to it.
type Mark struct {
	Version     int64  `json:"version"`
	Fingerprint string `json:"fingerprint"`
}

// Seen is the newest version of each crew that a device was ever told.
type Seen map[string]Mark

// Self is what a device says of itself with each push and pull.
type Self struct {
	Seen Seen
	// Queues are the identities that the device's queue was given, newest last,
	// each after the device's data was found to be copied or put back. While
	// there is none the queue goes by the device's own id.
	Queues []string
	// All: what a server that was restored holds is being taken; records that were
	// deleted, or left, are to be told from the start too.
	All bool
}

// Past is the body of POST /sync/history: marks of each crew from different
// times, and the ids of ops that were settled.
type Past struct {
	Seen map[string][]Mark `json:"seen"`
	Ops  []string          `json:"ops,omitempty"` // at most MaxOps
}

// Common is its answer: of each crew asked for, the newest of those versions
// that is a part of the server's own history (0 for none); and those of the ops
// that it knows.
type Common struct {
	Common map[string]int64 `json:"common"`
	Known  []string         `json:"known,omitempty"`
}

// query puts what a device says of itself into a request that has no body.
func (s Self) query(q url.Values) error {
	if len(s.Seen) > 0 {
		text, err := json.Marshal(s.Seen)
		if err != nil {
			return err
		}
		q.Set("seen", string(text))
	}
	if len(s.Queues) > 0 {
		q.Set("queues", strings.Join(s.Queues, ","))
	}
	if s.All {
		q.Set("all", "1")
	}
	return nil
}

// History asks how much of a device's past the server still holds; about any
// number of ops.
func (c *Client) History(ctx context.Context, past Past) (out Common, err error) {
	for ops := range slices.Chunk(past.Ops, MaxOps) {
		var part Common
		if _, err := c.exchange(ctx, call{method: http.MethodPost, path: PathHistory, body: Past{Seen: map[string][]Mark{}, Ops: ops}, out: &part}); err != nil {
			return Common{}, err
		}
		out.Known = append(out.Known, part.Known...)
	}
	known := out.Known
	if _, err := c.exchange(ctx, call{method: http.MethodPost, path: PathHistory, body: Past{Seen: past.Seen}, out: &out}); err != nil {
		return Common{}, err
	}
	out.Known = known
	for crew, marks := range past.Seen {
		known := out.Common[crew] == 0
		for _, m := range marks {
			known = known || m.Version == out.Common[crew]
		}
		if !known {
			return Common{}, c.stranger(http.StatusOK, "it claims to hold a version that it was not asked for: "+strconv.FormatInt(out.Common[crew], 10))
		}
	}
	return out, nil
}
