package cmd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// hostile are 200 connections that want nothing but to be in the way.
type hostile struct {
	address, token string
	ctx            context.Context
	wait           sync.WaitGroup
	mu             sync.Mutex     // guards ends
	ends           map[string]int // how the server got rid of them
}

func (h *hostile) dial() (net.Conn, error) {
	return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}}).DialContext(h.ctx, "tcp", h.address)
}

func (h *hostile) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends[what]++
}

// dripper opens connections, one after the other, and sends a byte now and then.
func (h *hostile) dripper(head string) {
	for h.ctx.Err() == nil {
		c, err := h.dial()
		if err != nil {
			continue
		}
		stop := context.AfterFunc(h.ctx, func() { c.Close() })
		_, err = io.WriteString(c, head)
		for err == nil {
			timer := time.NewTimer(300 * time.Millisecond)
			select {
			case <-timer.C:
			case <-h.ctx.Done():
				timer.Stop()
			}
			_, err = io.WriteString(c, "a")
		}
		h.note("dripping connections cut")
		stop()
		c.Close()
	}
}

// poster sends the same harmful body again and again.
func (h *hostile) poster(path string, body []byte, encoding string) {
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return h.dial() }}}
	defer client.CloseIdleConnections()
	for h.ctx.Err() == nil {
		req, err := http.NewRequestWithContext(h.ctx, http.MethodPost, "http://"+h.address+path, bytes.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Content-Encoding", encoding)
		req.Header.Set("Authorization", "Bearer "+h.token)
		resp, err := client.Do(req)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		h.note(path + " " + strconv.Itoa(resp.StatusCode))
	}
}

func (h *hostile) begin(w *world) {
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 100 {
		if _, err := z.Write(zeros); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		w.t.Fatal(err)
	}
	deep := []byte(`{"ops":` + strings.Repeat("[", 400_000))
	for i := range 100 {
		head := "POST /sync/batch HTTP/1.1\r\nHost: x\r\nX-"
		if i%2 == 0 {
			head = "POST /enroll HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"
		}
		h.wait.Go(func() { h.dripper(head) })
	}
	for i := range 100 {
		body, encoding, path := bomb.Bytes(), "gzip", wire.PathBatch
		if i%4 == 0 {
			path = wire.PathEnroll
		}
		if i%4 == 1 {
			body, encoding = deep, ""
		}
		h.wait.Go(func() { h.poster(path, body, encoding) })
	}
}

// honest is a device at work: it sends and asks, each time a little, and measures.
func honest(t *testing.T, address, token string, rounds int) (took []time.Duration) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for i := range rounds {
		id := uuid.NewString()
		body, _ := json.Marshal(wire.Batch{Ops: []op.Op{{ID: uuid.NewString(), Kind: op.Task, Action: op.Insert, Entity: id, CreatedAt: 1, Schema: op.Schema,
			Fields: op.Fields{"title": fmt.Sprint("honest ", i), "status": "PENDING", op.UpdatedAt: time.Now().UnixMilli()}}}})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+wire.PathBatch, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return took
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		for {
			began := time.Now()
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("an honest device: %v", err)
				return took
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusTooManyRequests { // it waits its turn, as a laptop does
				time.Sleep(100 * time.Millisecond)
				req.Body, _ = req.GetBody()
				continue
			}
			took = append(took, time.Since(began))
			if resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"outcome":"applied"`)) {
				t.Errorf("an honest device: %d %.200s", resp.StatusCode, text)
			}
			break
		}
	}
	return took
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

// peak is the most memory that a process ever held, in MiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb / 1024
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestF90F91F92HostileLoad (I44, G16): while 200 connections drip headers and
// bodies, and send bombs and deep JSON with a good token too, honest devices are
// served, and the server's memory stays small.
func TestF90F91F92HostileLoad(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	tokens := make([]string, 4)
	for i := range tokens {
		name := fmt.Sprint("laptop", i)
		w.enrol("ann", name)
		text, err := os.ReadFile(w.dir + "/" + name + ".db.token")
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = strings.TrimSpace(string(text))
	}
	rounds := size(20, 400)
	work := func() (took []time.Duration) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, token := range tokens[1:] {
			wg.Go(func() {
				mine := honest(t, w.address, token, rounds)
				mu.Lock()
				defer mu.Unlock()
				took = append(took, mine...)
			})
		}
		wg.Wait()
		return took
	}
	idle := work()
	ctx, end := context.WithCancel(t.Context())
	h := &hostile{address: w.address, token: tokens[0], ctx: ctx, ends: map[string]int{}}
	h.begin(w)
	loaded := work()
	end()
	h.wait.Wait()
	most := peak(t, w.server.Process.Pid)
	t.Logf("p99 of honest devices %v alone, %v under load; at most %d MiB; %v", p99(idle), p99(loaded), most, h.ends)
	if len(loaded) != 3*rounds {
		t.Errorf("%d of %d honest requests were answered", len(loaded), 3*rounds)
	}
	if most > 100 {
		t.Errorf("the server took %d MiB", most)
	}
	for what := range h.ends {
		if strings.HasSuffix(what, " 200") || strings.HasSuffix(what, " 500") {
			t.Errorf("a harmful request was answered %s", what)
		}
	}
}
