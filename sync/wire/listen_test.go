package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/punchlist/sync/wire"
)

// streamHead is the start of a true stream, which ends with its connection.
func streamHead(media string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: " + media + "\r\nPunchlist-Protocol: 1\r\nPunchlist-Server: " + serverID + "\r\nPunchlist-Time: 1\r\n\r\n"
}

const north17 = "event: poke\ndata: {\"crew\":\"north\",\"version\":17}\n\n"

func TestListenHearsPokes(t *testing.T) {
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wire.PathEvents || r.Header.Get("Authorization") == "" || r.Header.Get("Accept") != wire.EventType {
			t.Errorf("asked %s with %v", r.URL, r.Header)
		}
		envelope(w, wire.EventType)
		_, _ = io.WriteString(w, ":\n\nevent: other\ndata: {}\n\ndata: {\"crew\":\"unnamed\"}\n\n"+north17+":\r\n\r\nevent: poke\r\ndata:{\"crew\":\"s\\u001b[2Jouth\",\"version\":3}\r\n\r\n")
	})
	var got []wire.Poke
	err := c.Listen(t.Context(), func(p wire.Poke) { got = append(got, p) })
	var lost *wire.Unreachable
	if !errors.As(err, &lost) {
		t.Errorf("the stream's end is %v", err)
	}
	if want := []wire.Poke{{}, {Crew: "north", Version: 17}, {Crew: "s[2Jouth", Version: 3}}; !reflect.DeepEqual(got, want) {
		t.Errorf("heard %+v; want %+v", got, want)
	}
}

// Nothing of a stranger's stream is believed.
func TestI32ListenBelievesOurServerOnly(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"portal": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", wire.EventType)
			_, _ = io.WriteString(w, north17)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"another server": func(w http.ResponseWriter, _ *http.Request) {
			envelope(w, wire.EventType)
			w.Header().Set(wire.HeaderServer, "another")
			_, _ = io.WriteString(w, north17)
		},
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			envelope(w, "text/html")
			_, _ = io.WriteString(w, north17)
		},
		"packed": func(w http.ResponseWriter, _ *http.Request) {
			envelope(w, "application/json")
			_, _ = io.WriteString(w, north17)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) {
			envelope(w, wire.EventType)
			_, _ = io.WriteString(w, "event: poke\ndata: x\n\n")
		},
		"long line": func(w http.ResponseWriter, _ *http.Request) {
			envelope(w, wire.EventType)
			_, _ = io.WriteString(w, strings.Repeat("a", 1<<20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := start(t, h).Listen(t.Context(), func(p wire.Poke) {
				if p.Crew != "" {
					t.Errorf("believed %+v", p)
				}
			})
			var stranger *wire.NotOurServer
			if !errors.As(err, &stranger) {
				t.Errorf("%T %v", err, err)
			}
		})
	}
	c := start(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusUnauthorized, wire.CodeRevoked) })
	var refused *wire.ServerError
	if err := c.Listen(t.Context(), func(wire.Poke) {}); !errors.As(err, &refused) || refused.Problem.Code != wire.CodeRevoked {
		t.Errorf("a refusal is %v", err)
	}
}

func TestI31ListenEndsInTime(t *testing.T) {
	hold := func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }
	for name, tc := range map[string]struct {
		serve    func(net.Conn)
		heldBack bool
		after    time.Duration
	}{
		"F27 a proxy holds all of it back": {func(c net.Conn) { readRequest(c); hold(c) }, true, 5 * time.Second},
		"F27 a proxy holds the body back":  {func(c net.Conn) { readRequest(c); drip(c, streamHead(wire.EventType), 4096, 0); hold(c) }, true, 5 * time.Second},
		"F16 silence after the first sign": {func(c net.Conn) { readRequest(c); drip(c, streamHead(wire.EventType)+":\n\n", 4096, 0); hold(c) }, false, 45 * time.Second},
		"a sign of life each twenty seconds": {func(c net.Conn) {
			readRequest(c)
			drip(c, streamHead(wire.EventType), 4096, 0)
			drip(c, strings.Repeat(":\n\n", 50), 3, wire.Heartbeat)
			hold(c)
		}, false, 49*wire.Heartbeat + 45*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, closeAll := piped(t, tc.serve)
				defer closeAll()
				begin := time.Now()
				err := c.Listen(t.Context(), func(wire.Poke) {})
				var lost *wire.Unreachable
				if !errors.As(err, &lost) || errors.Is(err, wire.ErrHeldBack) != tc.heldBack || time.Since(begin) != tc.after {
					t.Errorf("after %v: %v", time.Since(begin), err)
				}
			})
		})
	}
}

func TestListenEndsWithItsContext(t *testing.T) {
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		envelope(w, wire.EventType)
		_, _ = io.WriteString(w, ":\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Listen(ctx, func(wire.Poke) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := `{"cursor":"c2","changes":[]}`
		c, closeAll := piped(t, func(c net.Conn) { readRequest(c); time.Sleep(20 * time.Second); drip(c, head(len(page))+page, 4096, 0) })
		defer closeAll()
		for cursor, want := range map[string]bool{"c1": true, "c2": false} {
			if news, err := c.Await(t.Context(), wire.Self{}, cursor, 20*time.Second); err != nil || news != want {
				t.Errorf("behind %s: %v %v", cursor, news, err)
			}
		}
	})
}

// A long poll says what the device was told of the server's history, so that one
// that was restored is found out by it too.
func TestAwaitTellsWhatWasSeen(t *testing.T) {
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("seen") != `{"north":{"version":17,"fingerprint":"f"}}` || q.Get("wait") != "20" {
			t.Errorf("asked %s", r.URL)
		}
		envelope(w, "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"status":409,"code":"reset","message":"restored"}`)
	})
	var refused *wire.ServerError
	self := wire.Self{Seen: wire.Seen{"north": {Version: 17, Fingerprint: "f"}}}
	if _, err := c.Await(t.Context(), self, "c1", 20*time.Second); !errors.As(err, &refused) || refused.Problem.Code != wire.CodeReset {
		t.Error(err)
	}
}
