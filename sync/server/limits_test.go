package server_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

func gzipped(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t *testing.T, body []byte, o ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, o...)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(body, nil)
}

func TestBodies(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	batch := func(ops ...op.Op) []byte {
		b, err := json.Marshal(wire.Batch{Ops: ops})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	task := func() op.Op { return ann.NewTask(storetest.NewID(), "Boiler") }
	noise := make([]byte, wire.MaxBody)
	rand.New(rand.NewSource(1)).Read(noise)
	bomb := bytes.Repeat([]byte(" "), wire.MaxExpanded+1)
	many := make([]op.Op, wire.MaxOps+1)
	for i := range many {
		many[i] = task()
	}
	deep := strings.Repeat("[", 9) + strings.Repeat("]", 9)
	for _, c := range []struct {
		name, encoding string
		body           []byte
		status         int
	}{
		{"plain", "", batch(task()), 200},
		{"gzip", "gzip", gzipped(t, batch(task())), 200},
		{"zstd", "zstd", zstded(t, batch(task())), 200},
		{"unknown encoding", "br", batch(task()), 415},
		{"not gzip", "gzip", batch(task()), 400},
		{"not zstd", "zstd", batch(task()), 400},
		{"cut gzip", "gzip", gzipped(t, batch(task()))[:40], 400},
		{"too large", "", []byte(`{"ops":[],"x":"` + strings.Repeat("a", wire.MaxBody) + `"}`), 413},
		{"too large, packed", "gzip", gzipped(t, noise), 413},
		{"gzip bomb", "gzip", gzipped(t, bomb), 413},
		{"zstd bomb", "zstd", zstded(t, bomb), 413},
		{"zstd window bomb", "zstd", zstded(t, bytes.Repeat(bomb, 4), zstd.WithWindowSize(32<<20)), 413},
		{"too many ops", "", batch(many...), 413},
		{"most ops", "", batch(many[1:]...), 200},
		{"too deep", "", []byte(`{"ops":[{"op_id":"x","payload":` + deep + `}]}`), 400},
		{"brackets in text", "", []byte(`{"ops":[{"op_id":"x","payload":{"title":"\"` + strings.Repeat("[", 20) + `"}}]}`), 200},
		{"empty", "", nil, 400},
		{"no ops", "", []byte(`{"ops":[]}`), 200},
	} {
		a := r.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathBatch, Token: ann.Token, Body: c.body, Header: map[string]string{"Content-Encoding": c.encoding}})
		if a.Status != c.status {
			t.Errorf("%s: status %d %.200s; want %d", c.name, a.Status, a.Body, c.status)
		}
	}
}

// TestBadOpNeverFailsTheBatch: not even one that cannot be decoded.
func TestBadOpNeverFailsTheBatch(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	good, err := json.Marshal(ann.NewTask(storetest.NewID(), "Boiler"))
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{`7`, `null`, `"x"`, `{}`, `{"op_id":"` + storetest.NewID() + `","payload":{"title":["x"]}}`,
		`{"op_id":"` + storetest.NewID() + `","seq":"first"}`, `{"op_id":"` + storetest.NewID() + `","payload":"{"}`}
	a := r.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathBatch, Token: ann.Token, Body: `{"ops":[` + strings.Join(bad, ",") + `,` + string(good) + `]}`})
	var got wire.Results
	a.Into(&got)
	if a.Status != 200 || len(got.Results) != len(bad)+1 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for i, res := range got.Results[:len(bad)] {
		if res.Outcome != op.Rejected || res.Message == "" {
			t.Errorf("%s: %+v", bad[i], res)
		}
	}
	if res := got.Results[len(bad)]; res.Outcome != op.Applied {
		t.Errorf("the good one: %+v", res)
	}
}

// TestAnswersArePacked: a long answer travels in the best encoding that the
// caller takes.
func TestAnswersArePacked(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	for i := range 30 {
		ann.Must(ann.NewTask(storetest.NewID(), fmt.Sprint("Boiler ", i)))
	}
	unpack := map[string]func(io.Reader) (io.Reader, error){
		"":     func(r io.Reader) (io.Reader, error) { return r, nil },
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
	}
	for accept, want := range map[string]string{"": "", "gzip": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "br": ""} {
		a := r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges, Token: ann.Token, Header: map[string]string{"Accept-Encoding": accept + ",identity"}})
		if got := a.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q is answered in %q", accept, got)
			continue
		}
		plain, err := unpack[want](bytes.NewReader(a.Body))
		if err != nil {
			t.Fatal(err)
		}
		var page wire.Changes
		if err := json.NewDecoder(plain).Decode(&page); err != nil || len(page.Changes) != 30 {
			t.Errorf("%q: %d changes, %v", accept, len(page.Changes), err)
		}
	}
}

// TestPagesAreBounded: a page ends at a number of bytes too, and the next one
// goes on where it stopped.
func TestPagesAreBounded(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	const tasks = 270
	long := strings.Repeat("x", op.MaxLong)
	for i := 0; i < tasks; i += 54 {
		var ops []op.Op
		for range 54 {
			insert := ann.NewTask(storetest.NewID(), "Boiler")
			insert.Fields["description"] = long
			ops = append(ops, insert)
		}
		ann.Must(ops...)
	}
	seen := 0
	for pages := 1; ; pages++ {
		page := ann.Page(wire.MaxPage)
		seen += len(page.Changes)
		if n := len(page.Changes) * op.MaxLong; n > 5<<20 {
			t.Errorf("a page of %d bytes", n)
		}
		if !page.More {
			if pages < 2 || seen != tasks {
				t.Errorf("%d tasks on %d pages; want %d on several", seen, pages, tasks)
			}
			return
		}
	}
}
