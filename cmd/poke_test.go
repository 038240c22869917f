package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watch runs punchlist sync --watch on a laptop until the test ends.
func (w *world) watch(name string) *exec.Cmd {
	w.t.Helper()
	cmd := w.command(context.WithoutCancel(w.t.Context()), "punchlist", "--db", name+".db", "sync", "--watch")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("sync --watch of %s: %v\n%s", name, err, out.String())
		}
	})
	return cmd
}

// until looks every 50 ms and tells how long it took until good was true.
func (w *world) until(limit time.Duration, what string, good func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	for !good() {
		if time.Since(began) > limit {
			w.t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

func (w *world) has(name, title string) func() bool {
	return func() bool { return strings.Contains(w.laptop(name, "list", "--json"), title) }
}

// Three processes: a change made on one laptop, or in the office by a command
// beside the running server, is on the other laptop within two seconds, when both
// have been quiet for longer than a poll.
func TestP17AnothersChangeIsSeenWithinTwoSeconds(t *testing.T) {
	for _, network := range []string{"plain", "a proxy that holds streams back"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
			w.office("user", "add", "bob", "--crew", "north", "--role", "technician")
			w.serve()
			if network != "plain" {
				w.address = bufferingProxy(t, w.address)
			}
			for user, name := range map[string]string{"ann": "a", "bob": "b"} {
				w.enrol(user, name)
				w.watch(name)
			}
			w.laptop("a", "add", "The first")
			w.until(15*time.Second, "the first change", w.has("b", "The first"))
			time.Sleep(8 * time.Second) // the stream stands, or was given up for a long poll
			var worst time.Duration
			for i := range 4 {
				title := fmt.Sprintf("From ann, %d", i)
				w.laptop("a", "add", title)
				took := w.until(10*time.Second, title, w.has("b", title))
				w.office("task", "add", title+" office", "--crew", "north")
				took2 := w.until(10*time.Second, title+" office", w.has("b", title+" office"))
				worst = max(worst, took, took2)
				time.Sleep(time.Duration(i) * 300 * time.Millisecond)
			}
			t.Logf("%s: seen after at most %v (with the looks' own time)", network, worst.Round(10*time.Millisecond))
			if worst > 2*time.Second {
				t.Errorf("seen after %v", worst)
			}
		})
	}
}

// bufferingProxy passes requests on and hands an answer back only when it is
// whole, as some companies' proxies do.
func bufferingProxy(t *testing.T, server string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	carry := func(from net.Conn) {
		defer from.Close()
		to, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer to.Close()
		var up sync.WaitGroup
		up.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
		defer up.Wait()
		defer from.Close()
		var held []byte
		piece := make([]byte, 4096)
		for {
			// An answer is taken for whole when no more comes for 30 ms; that of a stream never is.
			_ = to.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
			n, err := to.Read(piece)
			held = append(held, piece[:n]...)
			if err == nil {
				continue
			}
			if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
				_, _ = from.Write(held)
				return
			}
			if len(held) > 0 && !bytes.Contains(held, []byte("text/event-stream")) {
				if _, err := from.Write(held); err != nil {
					return
				}
				held = held[:0]
			}
		}
	}
	wait.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { carry(conn) })
		}
	})
	t.Cleanup(func() { ln.Close() }) // the connections end with the programs
	return ln.Addr().String()
}
