package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// meetStream is what becomes of a request for a stream of pokes.
func (k *trip) meetStream(r *http.Request, _ []byte, what mishap) (*http.Response, error) {
	ctx := r.Context()
	switch what {
	case lost, delayed, answerLost, answerStalls: // or something gathers the stream
		return nil, silence(ctx)
	case resetEarly, answerReset, answerCut, brokenJSON, wrongType:
		return nil, syscall.ECONNRESET
	}
	if err := k.wait(ctx, k.dice.span(1, 150)); err != nil {
		return nil, err
	}
	if resp := k.stranger(r, nil, what); resp != nil {
		return resp, nil
	}
	return k.openStream(r)
}

// stream is one stream of pokes: the server writes it, a laptop reads it. It lives
// until one of its ends does, or the sky changes: then half of them break, and of
// the other half nothing is heard any more.
type stream struct {
	*trip
	client context.Context
	cancel context.CancelFunc // ends the server's side
	header http.Header
	began  chan int // the status
	chunks chan []byte
	broken chan struct{}
	breaks atomic.Bool
	deaf   atomic.Bool
	rest   []byte
}

func (k *trip) openStream(r *http.Request) (*http.Response, error) {
	s, done := k.w.office.serving()
	if s == nil {
		done()
		return nil, syscall.ECONNREFUSED
	}
	k.mu.Lock()
	sky := k.open
	k.mu.Unlock()
	st := &stream{trip: k, client: r.Context(), header: http.Header{}, began: make(chan int, 1), chunks: make(chan []byte, 4096), broken: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	ends := []func() bool{context.AfterFunc(s.streams, cancel)}
	if k.dice.one(2) {
		ends = append(ends, context.AfterFunc(sky, st.breakSoon))
	} else {
		ends = append(ends, context.AfterFunc(sky, func() { st.deaf.Store(true) }))
	}
	st.cancel = func() {
		for _, end := range ends {
			end()
		}
		cancel()
	}
	again := r.Clone(ctx)
	again.RemoteAddr = fmt.Sprintf("10.0.0.%d:4711", k.lap.n+1)
	k.lap.mu.Lock()
	device := k.lap.device
	k.lap.mu.Unlock()
	s.serves(device, 1)
	k.w.wg.Go(func() {
		defer done()
		s.handler.ServeHTTP(st, again)
		s.serves(device, -1)
		st.WriteHeader(http.StatusOK)
		st.breakSoon()
	})
	select {
	case status := <-st.began:
		if s.isDead() {
			st.cancel()
			return nil, syscall.ECONNRESET
		}
		if status == http.StatusOK {
			st.opened()
		}
		return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: st.header.Clone(), Body: st, ContentLength: -1, Request: r}, nil
	case <-st.client.Done():
		st.cancel()
		return nil, st.client.Err()
	}
}

// serves counts the streams of a device.
func (s *shop) serves(device string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served[device] += n
}

// breakSoon ends the laptop's side a moment of chance later, so that it does not
// happen at the moment in which something else does.
func (st *stream) breakSoon() {
	if st.deaf.Load() || st.breaks.Swap(true) {
		return
	}
	time.AfterFunc(time.Duration(st.dice.span(1, 2000))*time.Millisecond+time.Duration(st.dice.n(1_000_000)), func() { close(st.broken) })
}

// Header, WriteHeader, Write and Flush are the server's end.
func (st *stream) Header() http.Header { return st.header }

func (st *stream) WriteHeader(status int) {
	select {
	case st.began <- status:
	default: // it began
	}
}

func (st *stream) Write(b []byte) (int, error) {
	st.WriteHeader(http.StatusOK)
	if !st.deaf.Load() {
		st.chunks <- append([]byte{}, b...)
	}
	return len(b), nil
}

func (st *stream) Flush() {}

// Read and Close are the laptop's end.
func (st *stream) Read(b []byte) (int, error) {
	for len(st.rest) == 0 {
		if err := st.client.Err(); err != nil { // first: of two that are ready, select takes either
			return 0, err
		}
		select {
		case <-st.broken:
			return 0, io.ErrUnexpectedEOF
		default:
		}
		select {
		case st.rest = <-st.chunks:
		case <-st.broken:
			return 0, io.ErrUnexpectedEOF
		case <-st.client.Done():
			return 0, st.client.Err()
		}
		if err := st.wait(st.client, st.dice.span(1, 150)); err != nil {
			return 0, err
		}
	}
	n := copy(b, st.rest)
	st.rest = st.rest[n:]
	return n, nil
}

func (st *stream) Close() error {
	st.cancel()
	st.mu.Lock()
	delete(st.live, st.run)
	st.mu.Unlock()
	return nil
}

// opened notes that a program's stream is open from now on.
func (st *stream) opened() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.live[st.run] = time.Since(st.w.begun).Milliseconds()
}

// listens tells whether a stream of the laptop's has been open for a while.
func (k *link) listens() bool {
	now := time.Since(k.w.begun).Milliseconds()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, since := range k.live {
		if now-since > 2*second {
			return true
		}
	}
	return false
}

// turnedOut: a device that was revoked more than a second ago has no stream.
func (o *office) turnedOut(l *laptop, device string) {
	s, done := o.serving()
	defer done()
	if s == nil {
		return
	}
	s.mu.Lock()
	n := s.served[device]
	s.mu.Unlock()
	if n > 0 {
		o.w.violated("I37", "%s has a stream of pokes still, long after its device was revoked", l.name)
	}
}
