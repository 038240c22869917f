package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Deadlines of one exchange. A slow but living link is given time in
// proportion to what it carries; a silent one never holds the engine for long.
const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	connectTimeout   = 25 * time.Second // looking up, dialling and TLS together
	answerTimeout    = 15 * time.Second // from the request's start to the answer's first byte …
	uploadRate       = 2 << 10          // … plus a second for so many bytes sent
	idleTimeout      = 15 * time.Second // between two pieces of the answer
	wholeTimeout     = 60 * time.Second // an exchange as a whole …
	wholeStep        = 16 << 10         // … and again for each so many bytes received
)

// errSlow is why the leash ended an exchange.
type errSlow struct {
	waited time.Duration
	what   string
}

func (e *errSlow) Error() string { return fmt.Sprintf("%s within %s", e.what, e.waited) }

// leash ends an exchange that stands still (quiet) or only crawls (whole).
type leash struct {
	cancel   context.CancelCauseFunc
	patience time.Duration // more, for an answer that is to come late; set before the request leaves

	mu    sync.Mutex // guards all below: the transport reports from its own goroutine
	quiet *time.Timer
	whole *time.Timer
	got   int // bytes since whole was last lengthened
	done  bool
	sent  bool // a connection stood and the request began to leave
}

func newLeash(cancel context.CancelCauseFunc) *leash {
	l := &leash{cancel: cancel}
	l.quiet = l.after(connectTimeout, "no connection")
	l.whole = l.after(wholeTimeout, "no complete answer")
	return l
}

func (l *leash) after(d time.Duration, what string) *time.Timer {
	return time.AfterFunc(d, func() { l.cancel(&errSlow{d, what}) })
}

// connected starts the wait for the answer to a request of so many bytes.
func (l *leash) connected(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return
	}
	l.sent = true
	extra := time.Duration(bytes/uploadRate)*time.Second + l.patience
	l.quiet.Stop()
	l.quiet = l.after(answerTimeout+extra, "no answer")
	l.whole.Stop()
	l.whole = l.after(wholeTimeout+extra, "no complete answer")
}

// limit puts one limit in place of the others, for an answer without an end.
func (l *leash) limit(d time.Duration, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return
	}
	l.quiet.Stop()
	l.whole.Stop()
	l.quiet = time.AfterFunc(d, func() { l.cancel(cause) })
}

// received notes n more bytes of the answer.
func (l *leash) received(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done || n == 0 {
		return
	}
	l.quiet.Stop()
	l.quiet = l.after(idleTimeout, "the answer stopped; nothing more")
	if l.got += n; l.got >= wholeStep {
		l.got = 0
		l.whole.Reset(wholeTimeout)
	}
}

// loose ends the watch.
func (l *leash) loose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	l.quiet.Stop()
	l.whole.Stop()
}

func (l *leash) wasSent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// leashed reads an answer's body and reports each piece to the leash.
type leashed struct {
	io.Reader
	l   *leash
	cut bool // the network ended it, not the server
}

func (r *leashed) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.l.received(n)
	r.cut = r.cut || err != nil && err != io.EOF
	return n, err
}

// ErrTooBig is inside the NotOurServer of an answer over MaxExpanded: ask for less.
var ErrTooBig = errors.New("the answer is larger than 8 MiB")

// readAll reads to the end, or to one byte over the limit.
func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxExpanded+1))
	if err == nil && len(b) > MaxExpanded {
		return nil, ErrTooBig
	}
	return b, err
}
