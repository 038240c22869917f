package wire

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"example.com/punchlist/sync/op"
)

// PathDigest is where a device asks what a crew's records come to.
const PathDigest = "/sync/digest"

// Codes of the answers that belong to it.
const (
	// CodeNoCrew: the user is in no crew of that name, whether there is one or not.
	CodeNoCrew = "no_such_crew"
	// CodeBehind comes with 410: the device heard so little that the server may
	// have forgotten deletions which it did not hear of. It begins anew.
	CodeBehind = "too_far_behind"
)

// MaxLeaf bounds the records of a leaf that is told.
const MaxLeaf = 4000

// Stand is what a crew's records come to at a version: those that are neither
// deleted nor gone.
type Stand struct {
	Version int64 `json:"version"`
	op.Digest
}

// Digest is the answer to GET /sync/digest?crew=C.
type Digest struct {
	Crew string `json:"crew"`
	Stand
	Leaves []op.Sum `json:"leaves"` // op.Leaves of them
}

// Leaf is the answer when a leaf is named: its records at that version.
type Leaf struct {
	Crew    string   `json:"crew"`
	Version int64    `json:"version"`
	Leaf    string   `json:"leaf"` // the two digits that the ids end in
	Records []Change `json:"records"`
}

// readThrough is how long the server may take to read a crew's records through.
const readThrough = 45 * time.Second

// Digest asks what a crew's records come to. With check the server reads its
// records through first, so that damage there is seen too.
func (c *Client) Digest(ctx context.Context, crew string, check bool) (Digest, error) {
	var out Digest
	k := call{method: http.MethodGet, path: PathDigest, query: url.Values{"crew": {crew}}, out: &out}
	if check {
		k.query.Set("check", "1")
		k.patience = readThrough
	}
	if _, err := c.exchange(ctx, k); err != nil {
		return Digest{}, err
	}
	if out.Crew != crew || len(out.Leaves) != op.Leaves {
		return Digest{}, c.stranger(http.StatusOK, "its digest is not that of the crew asked for")
	}
	return out, nil
}

// Leaf asks for the records of one leaf.
func (c *Client) Leaf(ctx context.Context, crew, leaf string) (Leaf, error) {
	var out Leaf
	if _, err := c.exchange(ctx, call{method: http.MethodGet, path: PathDigest, query: url.Values{"crew": {crew}, "leaf": {leaf}}, out: &out}); err != nil {
		return Leaf{}, err
	}
	if out.Crew != crew || out.Leaf != leaf {
		return Leaf{}, c.stranger(http.StatusOK, "its records are not those of the leaf asked for")
	}
	for i := range out.Records {
		cleanFields(out.Records[i].ServerState)
	}
	return out, nil
}
