package wire_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/punchlist/sync/wire"
)

// piped is a client whose every connection is a pipe served by serve, so that
// deadlines pass in fake time.
func piped(t *testing.T, serve func(net.Conn)) (*wire.Client, func()) {
	t.Helper()
	done := make(chan struct{}, 100)
	started := 0
	transport := wire.NewTransport(wire.TransportOptions{Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		started++
		go func() { defer func() { there.Close(); done <- struct{}{} }(); serve(there) }()
		return here, nil
	}})
	c, err := wire.NewClient(wire.ClientOptions{BaseURL: "http://127.0.0.1:1", ServerID: serverID, ServerKey: publicKey, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c, func() {
		c.Hangup()
		for range started {
			<-done
		}
	}
}

// head is the start of a true answer whose body has n bytes.
func head(n int) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nPunchlist-Protocol: 1\r\nPunchlist-Server: " + serverID +
		"\r\nPunchlist-Time: 1\r\nContent-Length: " + strconv.Itoa(n) + "\r\n\r\n"
}

func readRequest(c net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

// drip writes text in pieces of n bytes, one each pause.
func drip(c net.Conn, text string, n int, pause time.Duration) {
	for len(text) > 0 {
		piece := text[:min(n, len(text))]
		if _, err := io.WriteString(c, piece); err != nil {
			return
		}
		text = text[len(piece):]
		time.Sleep(pause) // fake time
	}
}

func TestI31EveryExchangeEndsInTime(t *testing.T) {
	page := `{"cursor":"c","changes":[]` + strings.Repeat(" ", 60<<10) + "}"
	cases := []struct {
		name     string
		serve    func(net.Conn)
		atLeast  time.Duration
		atMost   time.Duration
		succeeds bool
	}{
		{"F16 no answer at all", func(c net.Conn) { readRequest(c); _, _ = c.Read(make([]byte, 1)) },
			15 * time.Second, 16 * time.Second, false},
		{"F18 the request is never taken", func(c net.Conn) { <-time.After(5 * time.Minute) },
			15 * time.Second, 16 * time.Second, false},
		{"F17 the answer stops", func(c net.Conn) { readRequest(c); drip(c, head(1000)+"{", 4096, 0); _, _ = c.Read(make([]byte, 1)) },
			15 * time.Second, 16 * time.Second, false},
		{"F20 a byte in five seconds", func(c net.Conn) { readRequest(c); drip(c, head(len(page)), 4096, 0); drip(c, page, 1, 5*time.Second) },
			60 * time.Second, 61 * time.Second, false},
		{"slow but alive: 500 B a second", func(c net.Conn) { readRequest(c); drip(c, head(len(page)), 4096, 0); drip(c, page, 500, time.Second) },
			100 * time.Second, 130 * time.Second, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, closeAll := piped(t, tc.serve)
				defer closeAll()
				begin := time.Now()
				_, err := c.Changes(t.Context(), wire.Self{}, "", 10)
				took := time.Since(begin)
				if tc.succeeds != (err == nil) || took < tc.atLeast || took > tc.atMost {
					t.Fatalf("took %v: %v", took, err)
				}
				var lost *wire.Unreachable
				if err != nil && (!errors.As(err, &lost) || !lost.Sent || !strings.Contains(err.Error(), "within")) {
					t.Fatalf("not a sentence about time: %v", err)
				}
			})
		})
	}
}

func TestADialThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := wire.NewClient(wire.ClientOptions{BaseURL: "http://127.0.0.1:1", Transport: wire.NewTransport(wire.TransportOptions{
			Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }})})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_, err = c.Ping(t.Context())
		var lost *wire.Unreachable
		if took := time.Since(begin); !errors.As(err, &lost) || lost.Sent || took != 10*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
	})
}
