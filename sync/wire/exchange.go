package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"time"

	"example.com/punchlist/sync/op"
)

// call is one request and where its answer goes.
type call struct {
	method, path string
	query        url.Values
	body         any // nil: none
	out          any
	patience     time.Duration // how long the server may take by agreement
}

// answer is what the envelope of a true answer tells.
type answer struct {
	serverID      string
	before, after op.Reading
}

// exchange makes one request and decodes the answer of our server. Any error
// is a *ServerError (our server refused), a *NotOurServer (somebody else
// answered), an *Unreachable (nobody did), or the context's own.
func (c *Client) exchange(parent context.Context, k call) (answer, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	watch := newLeash(cancel)
	watch.patience = k.patience
	defer watch.loose()

	req, err := c.request(ctx, k)
	if err != nil {
		return answer{}, err
	}
	var t timing
	t.guardReplay(req)
	req = req.WithContext(httptrace.WithClientTrace(ctx, t.trace(c.o.Clock, func() { watch.connected(int(max(req.ContentLength, 0))) })))
	first := c.o.Clock()
	resp, err := c.o.Transport.RoundTrip(req) // not http.Client: a redirect is never followed
	if err != nil {
		return answer{}, c.broken(parent, ctx, err, watch)
	}
	defer resp.Body.Close()
	got := t.answer(first, c.o.Clock())
	if got.serverID, err = c.checkEnvelope(resp, "application/json"); err != nil {
		return answer{}, err
	}
	source := &leashed{Reader: resp.Body, l: watch}
	body, err := unsqueeze(source, resp.Header.Get("Content-Encoding"))
	switch {
	case err != nil && (source.cut || errors.Is(err, io.ErrUnexpectedEOF)):
		return answer{}, c.broken(parent, ctx, err, watch)
	case err != nil:
		return answer{}, &NotOurServer{Host: hostOnly(c.base.Host), Status: resp.StatusCode, What: line(err.Error()), Err: err}
	case resp.StatusCode != http.StatusOK:
		return answer{}, c.problem(resp, body)
	}
	if err := json.Unmarshal(body, k.out); err != nil {
		return answer{}, c.stranger(resp.StatusCode, "its answer is not whole JSON of this protocol")
	}
	return got, nil
}

// broken is the error of an exchange that got no answer: the caller's own end,
// the leash's reason, or what the network said.
func (c *Client) broken(parent, ctx context.Context, err error, watch *leash) error {
	if parent.Err() != nil {
		return parent.Err()
	}
	var slow *errSlow
	if cause := context.Cause(ctx); errors.As(cause, &slow) || errors.Is(cause, ErrHeldBack) {
		err = cause
	}
	return c.unreachable(err, watch.wasSent())
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	var body []byte
	var encoding string
	if k.body != nil {
		plain, err := json.Marshal(k.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		if body, encoding, err = squeeze(plain); err != nil {
			return nil, fmt.Errorf("compress request: %w", err)
		}
		if len(body) > MaxBody || len(plain) > MaxExpanded {
			return nil, &ServerError{Problem: Problem{Status: http.StatusRequestEntityTooLarge, Code: CodeTooLarge,
				Message: "the request is larger than the protocol allows"}}
		}
	}
	u := *c.base
	u.Path += k.path
	u.RawQuery = k.query.Encode()
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), bodyReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	c.fillHeaders(req, k, encoding)
	return req, nil
}

func (c *Client) fillHeaders(req *http.Request, k call, encoding string) {
	h := req.Header
	h.Set("Accept", "application/json")
	if k.path != PathPing {
		h.Set("Accept-Encoding", "zstd, gzip")
	}
	if k.body != nil {
		h.Set("Content-Type", "application/json")
		// Not sent: it tells the transport that a repeat is harmless, so that a
		// connection which died while idle is replaced without a word.
		h["Idempotency-Key"] = nil
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set(HeaderProtocol, Protocol)
	h.Set(HeaderClient, c.o.Version)
	h.Set("User-Agent", "punchlist/"+c.o.Version)
	if c.o.Token == "" {
		return
	}
	h.Set("Authorization", "Bearer "+c.o.Token)
	if c.o.Report != nil {
		r := c.o.Report(req.Context())
		h.Set(HeaderPending, strconv.Itoa(r.Pending))
		if r.OffsetKnown {
			h.Set(HeaderOffset, strconv.FormatInt(r.Offset, 10))
		}
	}
}

// checkEnvelope decides from status and headers alone whether our server
// speaks, and returns its id. want is the content type of a success.
func (c *Client) checkEnvelope(resp *http.Response, want string) (string, error) {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e := &NotOurServer{Host: hostOnly(c.base.Host), Status: resp.StatusCode, What: "it sends us elsewhere"}
		if to, err := resp.Location(); err == nil && to.Host != "" {
			e.Host = line(to.Hostname())
		}
		return "", e
	}
	h := resp.Header
	id := h.Get(HeaderServer)
	_, timeErr := strconv.ParseInt(h.Get(HeaderTime), 10, 64)
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK {
		want = "application/problem+json"
	}
	switch {
	case h.Get(HeaderProtocol) == "" || id == "" || timeErr != nil:
		return "", c.stranger(resp.StatusCode, fmt.Sprintf("%d %s, and not a word of punchlist", resp.StatusCode, http.StatusText(resp.StatusCode)))
	case c.o.ServerID != "" && id != c.o.ServerID:
		return "", c.stranger(resp.StatusCode, "it is another punchlist server than the one this laptop joined")
	case h.Get(HeaderProtocol) != Protocol && resp.StatusCode != http.StatusUpgradeRequired:
		return "", c.stranger(resp.StatusCode, "it speaks protocol “"+line(h.Get(HeaderProtocol))+"”, this program "+Protocol)
	case media != want:
		return "", c.stranger(resp.StatusCode, "its answer is “"+line(media)+"”")
	}
	return id, nil
}

// problem turns our server's refusal into an error.
func (c *Client) problem(resp *http.Response, body []byte) error {
	var p Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Code == "" {
		return c.stranger(resp.StatusCode, "its refusal is not one of this protocol")
	}
	p.Status = resp.StatusCode
	p.Title, p.Message, p.Hint, p.Code = line(p.Title), line(p.Message), line(p.Hint), line(p.Code)
	return &ServerError{Problem: p, RetryAfter: retryAfter(resp.Header)}
}

// retryAfter reads both forms of the header; a date is taken against the
// answer's own Date, so that this machine's clock does not matter.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if s, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(s)*time.Second)
	}
	at, err := http.ParseTime(text)
	now, err2 := http.ParseTime(h.Get("Date"))
	if err != nil || err2 != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// timing reads the clocks when a request leaves and its answer begins.
type timing struct {
	mu            sync.Mutex // the transport reports from its own goroutine
	before, after *op.Reading
	idle          time.Duration // how long the connection lay idle before
}

const (
	replayBytes = 4 << 10     // a body that is cheap to send twice
	replayIdle  = time.Second // a connection that lay idle so long may have died then
)

// guardReplay lets the transport send a large body a second time, without a
// word, only where the connection died while it lay idle. One that broke under
// the request is for the caller to hear of: it sends less next time.
func (t *timing) guardReplay(req *http.Request) {
	again := req.GetBody
	if again == nil || req.ContentLength <= replayBytes {
		return
	}
	req.GetBody = func() (io.ReadCloser, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.idle < replayIdle {
			return nil, io.ErrUnexpectedEOF
		}
		return again()
	}
}

func (t *timing) trace(clock op.Clock, connected func()) *httptrace.ClientTrace {
	note := func(p **op.Reading) {
		r := clock()
		t.mu.Lock()
		defer t.mu.Unlock()
		*p = &r
	}
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			note(&t.before)
			t.mu.Lock()
			t.idle = i.IdleTime
			t.mu.Unlock()
			connected()
		},
		GotFirstResponseByte: func() { note(&t.after) },
	}
}

// answer falls back to the readings around the whole call where the transport
// does not report.
func (t *timing) answer(first, last op.Reading) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := answer{before: first, after: last}
	if t.before != nil && t.after != nil {
		a.before, a.after = *t.before, *t.after
	}
	return a
}
