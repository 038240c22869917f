package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"time"

	"example.com/punchlist/sync/op"
)

const (
	// firstSign is how soon a stream must show its first byte once its request
	// has left. The server sends one at once, so a longer wait means that
	// something on the way gathers the answer first.
	firstSign = 5 * time.Second
	// streamIdle is how long a stream may then be silent: the server gives a sign
	// of life every [Heartbeat].
	streamIdle = 45 * time.Second
	// maxEvent bounds one line of a stream.
	maxEvent = 4 << 10
)

// ErrHeldBack is inside the Unreachable of a stream that did not begin in time,
// most often because a proxy waits for the end of an answer before it passes it
// on. Such a network still carries [Client.Await].
var ErrHeldBack = errors.New("something on the way holds the stream back")

// Listen opens the server's stream of pokes and hands each to heard, and the
// zero Poke at the first sign of life. It holds a connection of its own and
// ends, always with an error, when ctx does, when the stream is cut or silent
// for too long, or when what comes is not our server's.
func (c *Client) Listen(parent context.Context, heard func(Poke)) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	watch := newLeash(cancel)
	defer watch.loose()
	req, err := c.request(ctx, call{method: http.MethodGet, path: PathEvents})
	if err != nil {
		return err
	}
	req.Header.Set("Accept", EventType)
	req.Header.Del("Accept-Encoding")
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { watch.connected(0); watch.limit(firstSign, ErrHeldBack) },
	}))
	resp, err := c.o.Transport.RoundTrip(req)
	if err != nil {
		return c.broken(parent, ctx, err, watch)
	}
	defer resp.Body.Close()
	if _, err := c.checkEnvelope(resp, EventType); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		body, err := unsqueeze(resp.Body, resp.Header.Get("Content-Encoding"))
		if err != nil {
			return c.broken(parent, ctx, err, watch)
		}
		return c.problem(resp, body)
	}
	err = readEvents(&pieces{resp.Body, watch}, heard)
	if errors.Is(err, errNoEvents) {
		return c.stranger(resp.StatusCode, err.Error())
	}
	return c.broken(parent, ctx, err, watch)
}

// pieces reads a stream and gives it time again with each piece.
type pieces struct {
	io.Reader
	l *leash
}

func (r *pieces) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.l.limit(streamIdle, &errSlow{streamIdle, "no sign of life"})
	}
	return n, err
}

var errNoEvents = errors.New("its stream is not one of this protocol")

// readEvents reads server-sent events until the stream ends, which is an error
// like any other. Events of kinds that it does not know are left out.
func readEvents(r io.Reader, heard func(Poke)) error {
	lines := bufio.NewReaderSize(r, maxEvent)
	var event, data string
	for alive := false; ; {
		text, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return errNoEvents
		case err != nil:
			return err
		case !alive:
			alive = true
			heard(Poke{})
		}
		text = bytes.TrimRight(text, "\r\n")
		name, value, _ := bytes.Cut(text, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(text) > 0 && string(name) == "event":
			event = string(value)
		case len(text) > 0 && string(name) == "data":
			data = string(value)
		case len(text) == 0:
			if event == "poke" {
				var p Poke
				if err := json.Unmarshal([]byte(data), &p); err != nil || p.Crew == "" {
					return errNoEvents
				}
				p.Crew = op.Clean(p.Crew, false)
				heard(p)
			}
			event, data = "", ""
		}
	}
}

// Await is the long poll, for a network that holds streams back: it returns as
// soon as there may be something newer than the cursor, or when wait has passed. A
// server that was restored refuses it as it refuses a pull.
func (c *Client) Await(ctx context.Context, self Self, cursor string, wait time.Duration) (news bool, err error) {
	wait = min(wait, MaxWait)
	q := url.Values{"limit": {"1"}, "wait": {strconv.Itoa(int(wait / time.Second))}}
	if err := self.query(q); err != nil {
		return false, fmt.Errorf("encode request: %w", err)
	}
	if cursor != "" {
		q.Set("since", cursor)
	}
	var out Changes
	if _, err := c.exchange(ctx, call{method: http.MethodGet, path: PathChanges, query: q, patience: wait, out: &out}); err != nil {
		return false, err
	}
	return out.More || out.Cursor != cursor || len(out.Changes)+len(out.Conflicts) > 0, nil
}
