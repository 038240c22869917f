package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// faultLine is a piece of network between a laptop and a server, over real
// sockets, that can be spoilt in many ways.
type faultLine struct {
	t      testing.TB
	server string
	addr   string
	ln     net.Listener
	wait   sync.WaitGroup
	conns  atomic.Int64 // connections since the way it behaves was set

	mu    sync.Mutex // guards all below
	way   way
	stop  context.CancelFunc // ends what lives by the way before
	ctx   context.Context
	live  map[net.Conn]bool
	taken [][]byte // requests that keep took
}

// way is how the line treats one connection. It returns when ctx ends, at last.
type way func(ctx context.Context, l *faultLine, near net.Conn)

func newFaultLine(t testing.TB, server, listen string) *faultLine {
	t.Helper()
	l := &faultLine{t: t, server: server, live: map[net.Conn]bool{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.way = pass
	l.listen(listen)
	t.Cleanup(func() {
		l.set(pass)
		l.shut()
		l.mu.Lock()
		l.stop()
		for c := range l.live {
			c.Close()
		}
		l.mu.Unlock()
		l.wait.Wait()
	})
	return l
}

func (l *faultLine) listen(address string) {
	l.t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.ln, l.addr = ln, ln.Addr().String()
	l.wait.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			l.wait.Go(func() { l.carry(near) })
		}
	})
}

// shut refuses connections from now on; listen(l.addr) ends that.
func (l *faultLine) shut() { l.ln.Close() }

func (l *faultLine) carry(near net.Conn) {
	l.conns.Add(1)
	l.mu.Lock()
	w, ctx := l.way, l.ctx
	l.live[near] = true
	l.mu.Unlock()
	w(ctx, l, near)
	l.mu.Lock()
	delete(l.live, near)
	l.mu.Unlock()
	near.Close()
}

// set changes the line's ways. What was open is closed, as a link that goes does.
func (l *faultLine) set(w way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.way = w
	for c := range l.live {
		c.Close()
	}
	l.conns.Store(0)
}

func (l *faultLine) dial() (*net.TCPConn, error) {
	c, err := net.Dial("tcp", l.server)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// pipe carries both ways, pieces through up and down, until one side ends.
func (l *faultLine) pipe(near net.Conn, up, down func(w io.Writer, piece []byte) bool) {
	far, err := l.dial()
	if err != nil {
		return
	}
	defer far.Close()
	carry := func(to, from net.Conn, through func(io.Writer, []byte) bool) {
		defer near.Close()
		defer far.Close()
		piece := make([]byte, 1400)
		for {
			n, err := from.Read(piece)
			if n > 0 && !through(to, piece[:n]) || err != nil {
				return
			}
		}
	}
	l.wait.Go(func() { carry(near, far, down) })
	carry(far, near, up)
}

func whole(w io.Writer, piece []byte) bool {
	_, err := w.Write(piece)
	return err == nil
}

// pass is a good line.
func pass(_ context.Context, l *faultLine, near net.Conn) { l.pipe(near, whole, whole) }

// reset answers each connection with a RST.
func reset(_ context.Context, _ *faultLine, near net.Conn) {
	near.(*net.TCPConn).SetLinger(0)
}

// silent takes all and says nothing.
func silent(ctx context.Context, _ *faultLine, near net.Conn) {
	stop := context.AfterFunc(ctx, func() { near.Close() })
	defer stop()
	_, _ = io.Copy(io.Discard, near)
	<-ctx.Done()
}

// stuck reads a little of a request and then no more.
func stuck(ctx context.Context, _ *faultLine, near net.Conn) {
	_, _ = io.ReadFull(near, make([]byte, 60))
	<-ctx.Done()
}

// says answers every request with the same text, whoever was meant.
func says(text string) way {
	return func(_ context.Context, _ *faultLine, near net.Conn) {
		in := bufio.NewReader(near)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			if _, err := io.WriteString(near, text); err != nil || !strings.Contains(text, "Content-Length") {
				return
			}
			if strings.Contains(text, "Connection: close") {
				return
			}
		}
	}
}

// downTo cuts, with a RST, after so many bytes of answers.
func downTo(n int) way {
	return func(_ context.Context, l *faultLine, near net.Conn) {
		left := n
		l.pipe(near, whole, func(w io.Writer, piece []byte) bool {
			piece = piece[:min(left, len(piece))]
			if left -= len(piece); !whole(w, piece) || left > 0 {
				return left > 0
			}
			near.(*net.TCPConn).SetLinger(0)
			return false
		})
	}
}

// upTo cuts after so many bytes of requests.
func upTo(n int) way {
	return func(_ context.Context, l *faultLine, near net.Conn) {
		left := n
		l.pipe(near, func(w io.Writer, piece []byte) bool {
			piece = piece[:min(left, len(piece))]
			left -= len(piece)
			return whole(w, piece) && left > 0
		}, whole)
	}
}

// drips lets bytes through one by one.
func drips(up, down bool) way {
	slow := func(ctx context.Context, is bool) func(io.Writer, []byte) bool {
		return func(w io.Writer, piece []byte) bool {
			for i := range piece {
				if !is {
					return whole(w, piece)
				}
				timer := time.NewTimer(400 * time.Millisecond)
				select {
				case <-timer.C:
				case <-ctx.Done():
					timer.Stop()
					return false
				}
				if !whole(w, piece[i:i+1]) {
					return false
				}
			}
			return true
		}
	}
	return func(ctx context.Context, l *faultLine, near net.Conn) {
		l.pipe(near, slow(ctx, up), slow(ctx, down))
	}
}

// requests reads the requests of a connection one by one; handle tells whether to
// go on.
func requests(near net.Conn, handle func(raw []byte, r *http.Request) bool) {
	in := bufio.NewReader(near)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		raw, err := httputil.DumpRequest(r, true)
		if err != nil || !handle(raw, r) {
			return
		}
	}
}

// ask brings a raw request to the server on a connection of its own.
func (l *faultLine) ask(raw []byte, r *http.Request) ([]byte, error) {
	far, err := l.dial()
	if err != nil {
		return nil, err
	}
	defer far.Close()
	if _, err := far.Write(raw); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(far), r)
	if err != nil {
		return nil, err
	}
	return httputil.DumpResponse(resp, true)
}

// lost lets requests through and loses every answer.
func lost(_ context.Context, l *faultLine, near net.Conn) {
	requests(near, func(raw []byte, r *http.Request) bool {
		_, _ = l.ask(raw, r)
		near.(*net.TCPConn).SetLinger(0)
		return false
	})
}

// twice brings each request to the server two times at once.
func twice(_ context.Context, l *faultLine, near net.Conn) {
	requests(near, func(raw []byte, r *http.Request) bool {
		first := make(chan struct{})
		go func() {
			defer close(first)
			_, _ = l.ask(raw, r)
		}()
		answer, err := l.ask(raw, r)
		<-first
		return err == nil && whole(near, answer)
	})
}

// holds answers only after a while, as a buffering proxy does: whole answers, so
// that a stream never comes.
func holds(d time.Duration) way {
	return func(ctx context.Context, l *faultLine, near net.Conn) {
		requests(near, func(raw []byte, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/events") {
				<-ctx.Done()
				return false
			}
			answer, err := l.ask(raw, r)
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
				return false
			}
			return err == nil && whole(near, answer)
		})
	}
}

// keep takes what is posted and cuts; it may be delivered later.
func keep(_ context.Context, l *faultLine, near net.Conn) {
	requests(near, func(raw []byte, r *http.Request) bool {
		if r.Method != http.MethodPost {
			answer, err := l.ask(raw, r)
			return err == nil && whole(near, answer)
		}
		l.mu.Lock()
		l.taken = append(l.taken, raw)
		l.mu.Unlock()
		near.(*net.TCPConn).SetLinger(0)
		return false
	})
}

// deliver brings what keep took to the server now, newest first or all at once.
func (l *faultLine) deliver(atOnce bool) (n int) {
	l.t.Helper()
	l.mu.Lock()
	taken := l.taken
	l.taken = nil
	l.mu.Unlock()
	var wg sync.WaitGroup
	for i := len(taken) - 1; i >= 0; i-- {
		send := func() {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(taken[i])))
			if err == nil {
				_, err = l.ask(taken[i], r)
			}
			if err != nil {
				l.t.Errorf("deliver a late request: %v", err)
			}
		}
		if atOnce {
			wg.Go(send)
		} else {
			send()
		}
		n++
	}
	wg.Wait()
	return n
}

// asProxy speaks HTTP proxy: connect is what it answers to CONNECT, "" lets it through.
func asProxy(connect string) way {
	return func(_ context.Context, l *faultLine, near net.Conn) {
		in := bufio.NewReader(near)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if connect != "" {
			_, _ = io.WriteString(near, connect)
			return
		}
		if r.Method != http.MethodConnect {
			return
		}
		if whole(near, []byte("HTTP/1.1 200 Connection established\r\n\r\n")) {
			l.pipe(near, whole, whole)
		}
	}
}

// blackHole is an address that answers no SYN: its queue of connections is full
// and stays so.
func blackHole(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	for range 4 {
		c, err := net.DialTimeout("tcp", at.String(), 300*time.Millisecond)
		if err != nil {
			return at.String()
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue of a listener never fills")
	return ""
}

// nameServer is a DNS server of one name.
type nameServer struct {
	conn net.PacketConn
	mode atomic.Value // "", "unknown" or "silent"
}

func newNameServer(t testing.TB) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{conn: conn}
	n.mode.Store("")
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer := n.answer(packet[:size]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return n
}

// answer tells 127.0.0.1 for any name, over IPv4 only (RFC 1035).
func (n *nameServer) answer(q []byte) []byte {
	mode := n.mode.Load().(string)
	end := 12
	for end < len(q) && q[end] != 0 {
		end += int(q[end]) + 1
	}
	if end += 5; mode == "silent" || len(q) < end {
		return nil
	}
	out := append([]byte{}, q[:end]...)
	kind := binary.BigEndian.Uint16(q[end-4:])
	binary.BigEndian.PutUint16(out[2:], 0x8180)
	clear(out[6:12])
	switch {
	case mode == "unknown":
		binary.BigEndian.PutUint16(out[2:], 0x8183)
	case kind == 1:
		binary.BigEndian.PutUint16(out[6:], 1)
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return out
}

// dialer resolves names at this server alone.
func (n *nameServer) dialer() func(context.Context, string, string) (net.Conn, error) {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
	return (&net.Dialer{Resolver: resolver}).DialContext
}
