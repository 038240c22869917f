package wire

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"example.com/punchlist/sync/op"
)

// ClientOptions are what a client needs; the zero value of a hook means the real thing.
type ClientOptions struct {
	BaseURL   string // https://host:port; http:// only to this machine itself
	ServerID  string // the enrolled server's UUID; "" before enrolment
	ServerKey string // its Ed25519 public key, base64url without padding; "" before enrolment
	Token     string // the device's token; "" before enrolment
	Version   string // the program's version, told to the server

	// Transport carries the requests; nil: a fresh NewTransport, which takes a
	// certificate of ServerKey too. Clients made one after the other should share
	// one, so that connections live on.
	Transport http.RoundTripper
	Clock     op.Clock                     // the machine's clocks, for timing a ping
	Report    func(context.Context) Report // what the device tells of itself; nil: nothing
	Nonce     func() string                // a fresh, unguessable text of at most MaxNonce characters
}

// Report is what a device tells of itself with every request that it signs.
type Report struct {
	Pending     int   // ops that wait on the device
	Offset      int64 // server time − the device's wall clock, ms
	OffsetKnown bool
}

// Client is the device's end of the protocol. It is safe for concurrent use.
//
// No method retries (but Enroll, whose repeat is harmless) and none takes
// longer than the deadlines in deadline.go allow. What a method returns without
// an error came whole from the server with the id of ClientOptions.ServerID.
type Client struct {
	o    ClientOptions
	base *url.URL
	key  ed25519.PublicKey // nil before enrolment
}

// NewClient checks the address and the key; it talks to nobody yet.
func NewClient(o ClientOptions) (*Client, error) {
	base, err := ParseAddress(o.BaseURL)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, base: base}
	if o.ServerKey != "" {
		if c.key, err = parseKey(o.ServerKey); err != nil {
			return nil, err
		}
	}
	if c.o.Transport == nil {
		c.o.Transport = NewTransport(TransportOptions{Trust: TrustIn(o.BaseURL, o.ServerKey)})
	}
	if c.o.Clock == nil {
		c.o.Clock = op.SystemClock
	}
	if c.o.Nonce == nil {
		c.o.Nonce = rand.Text
	}
	return c, nil
}

func parseKey(text string) (ed25519.PublicKey, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, &AddressError{"the server's key that this laptop keeps is damaged", "enroll again with a new invite"}
	}
	return ed25519.PublicKey(b), nil
}

// Host is whom the client talks to, as host:port.
func (c *Client) Host() string { return c.base.Host }

// Token is what the client shows; "" before enrolment.
func (c *Client) Token() string { return c.o.Token }

// Hangup closes connections that carry nothing now. After a change of links
// they may be dead without anybody having said so.
func (c *Client) Hangup() {
	if t, ok := c.o.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Pong is a verified answer to a ping, and the clocks around it: Before is read
// when the connection stands and the request leaves, After at the answer's
// first byte, so that looking up and connecting do not blur the offset.
type Pong struct {
	Ping
	Before, After op.Reading
}

// Ping asks whether the enrolled server answers. With a key at hand the answer
// counts only when it is signed over the fresh nonce.
func (c *Client) Ping(ctx context.Context) (Pong, error) {
	nonce := c.o.Nonce()
	var p Ping
	got, err := c.exchange(ctx, call{method: http.MethodGet, path: PathPing,
		query: url.Values{"nonce": {nonce}}, out: &p})
	if err != nil {
		return Pong{}, err
	}
	if what := c.pingFault(p, nonce, got.serverID); what != "" {
		return Pong{}, c.stranger(http.StatusOK, what)
	}
	return Pong{Ping: p, Before: got.before, After: got.after}, nil
}

func (c *Client) pingFault(p Ping, nonce, headerID string) string {
	switch {
	case p.Service != "punchlist" || strconv.Itoa(p.Protocol) != Protocol:
		return "it does not say that it is punchlist, protocol " + Protocol
	case p.ServerID != headerID:
		return "it gives two different server ids"
	case p.Nonce != nonce:
		return "it answers an older question"
	case c.key != nil && !signed(c.key, p):
		return "its signature is not the enrolled server's"
	}
	return ""
}

func signed(key ed25519.PublicKey, p Ping) bool {
	sig, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(p.Signature, "="))
	return err == nil && ed25519.Verify(key, PingText(p.Nonce, p.ServerID, p.Time), sig)
}

// Push sends ops in order and returns one result an op, in the same order.
func (c *Client) Push(ctx context.Context, self Self, ops []op.Op) (out Results, err error) {
	b := Batch{Seen: self.Seen, Queues: self.Queues, Ops: ops}
	if _, err := c.exchange(ctx, call{method: http.MethodPost, path: PathBatch, body: b, out: &out}); err != nil {
		return Results{}, err
	}
	if len(out.Results) != len(ops) {
		return Results{}, c.stranger(http.StatusOK, "it gives "+strconv.Itoa(len(out.Results))+" results for "+strconv.Itoa(len(ops))+" changes")
	}
	for i := range out.Results {
		r := &out.Results[i]
		if r.OpID != ops[i].ID {
			return Results{}, c.stranger(http.StatusOK, "its results are not those of the changes sent")
		}
		if !knownOutcome(r.Outcome) {
			return Results{}, c.stranger(http.StatusOK, "it gives an outcome that does not exist")
		}
		cleanResult(r)
	}
	return out, nil
}

func knownOutcome(o op.Outcome) bool {
	switch o {
	case op.Applied, op.Merged, op.Conflicted, op.Rejected, op.Retry:
		return true
	}
	return false
}

// Changes fetches one page of what changed behind the cursor; "" starts from the start.
func (c *Client) Changes(ctx context.Context, self Self, cursor string, limit int) (Changes, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if err := self.query(q); err != nil {
		return Changes{}, fmt.Errorf("encode request: %w", err)
	}
	if cursor != "" {
		q.Set("since", cursor)
	}
	var out Changes
	if _, err := c.exchange(ctx, call{method: http.MethodGet, path: PathChanges, query: q, out: &out}); err != nil {
		return Changes{}, err
	}
	if out.Cursor == "" {
		return Changes{}, c.stranger(http.StatusOK, "its page of changes has no cursor")
	}
	if !presentable(out.Next) {
		return Changes{}, c.stranger(http.StatusOK, "it offers a token that is none")
	}
	if out.More && out.Cursor == cursor {
		return Changes{}, c.stranger(http.StatusOK, "it promises more changes but does not move on")
	}
	for i := range out.Changes {
		cleanFields(out.Changes[i].ServerState)
	}
	cleanConflicts(out.Conflicts)
	return out, nil
}

// presentable tells whether a text can be shown as a token, and kept as a line.
func presentable(token string) bool {
	return len(token) <= 128 && !strings.ContainsFunc(token, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
