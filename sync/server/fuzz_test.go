package server_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// fuzzServer is one server for a whole fuzz run, and a device's token.
func fuzzServer(f *testing.F) (http.Handler, *storetest.Device) {
	dir := f.TempDir()
	if quick, err := os.MkdirTemp("/dev/shm", "punchlistd-fuzz-"); err == nil { // no disk to wait for
		f.Cleanup(func() { os.RemoveAll(quick) })
		dir = quick
	}
	r := storetest.NewRig(f, openStore(f, filepath.Join(dir, "d.db")))
	r.User("ann", op.Technician, "North")
	return r.Server.Handler(), r.Enrol("ann")
}

// answered makes a request and looks at what holds for every answer.
func answered(t *testing.T, h http.Handler, req *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code >= 500 || w.Header().Get(wire.HeaderServer) == "" || w.Header().Get(wire.HeaderTime) == "" {
		t.Fatalf("%s %s: %d %v %.300s", req.Method, req.URL, w.Code, w.Header(), w.Body)
	}
	if bytes.ContainsFunc(w.Body.Bytes(), func(c rune) bool { return c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 }) && w.Header().Get("Content-Encoding") == "" {
		t.Fatalf("%s %s: a control character in %q", req.Method, req.URL, w.Body)
	}
	return w
}

// FuzzRequest: no body makes the server fail, or answer with what a terminal takes
// for a command.
func FuzzRequest(f *testing.F) {
	h, ann := fuzzServer(f)
	for _, s := range []string{
		`{"ops":[]}`, `{"ops":[{"op_id":"` + storetest.NewID() + `","entity_type":"task","entity_id":"` + storetest.NewID() + `","action":"INSERT","payload":{"title":"t","status":"PENDING","updated_at":5}}]}`,
		`{"seen":{"North":{"version":1,"fingerprint":"x"}},"ops":[null,7,{}]}`, `{"entity_id":"x","payload":"{\"updated_at\":1}","created_at":-1}`, `{"seen":{"North":[{"version":-1}]},"ops":["x"]}`,
		`{"code":"BCDF-GHJK-LMNP","device_name":"\u202e","nonce":"0123456789"}`, "[[[[[[[[[[", `{"ops":[{"payload":{"title":"\u001b]0;x\u0007"}}]}`, "\x1f\x8b\x08", "(\xb5/\xfd",
	} {
		for path := range uint8(4) {
			f.Add(path, "", []byte(s))
		}
	}
	f.Add(uint8(1), "gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, path uint8, encoding string, body []byte) {
		paths := []string{wire.PathSync, wire.PathBatch, wire.PathHistory, wire.PathEnroll}
		req := httptest.NewRequest(http.MethodPost, paths[int(path)%len(paths)], bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+ann.Token)
		req.Header.Set("Content-Encoding", encoding)
		ann.Pass(time.Minute) // so that wrong codes are looked at again
		answered(t, h, req)
	})
}

// FuzzCursor: whatever a device says where it stands, it is told, or told that it
// makes no sense.
func FuzzCursor(f *testing.F) {
	h, ann := fuzzServer(f)
	page := ann.Page(10)
	for _, s := range []string{"", page.Cursor, "eyJ2IjoyfQ", "x", strings.Repeat("A", 5000), page.Cursor + "A", "\x00"} {
		f.Add(s, "10")
	}
	f.Fuzz(func(t *testing.T, since, limit string) {
		req := httptest.NewRequest(http.MethodGet, wire.PathChanges+"?"+url.Values{"since": {since}, "limit": {limit}}.Encode(), nil)
		req.Header.Set("Authorization", "Bearer "+ann.Token)
		if w := answered(t, h, req); w.Code != 200 && w.Code != 400 && w.Code != 410 {
			t.Fatalf("since %q: %d %s", since, w.Code, w.Body)
		}
	})
}

// FuzzToken: nothing but the token itself lets anybody in.
func FuzzToken(f *testing.F) {
	h, ann := fuzzServer(f)
	for _, s := range []string{"", "Bearer ", "Bearer " + ann.Token[:30], "bearer\t" + ann.Token[1:], "Basic " + ann.Token, "Bearer plk1_" + strings.Repeat("a", 59), "Bearer ' OR 1 --"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		req := httptest.NewRequest(http.MethodGet, wire.PathChanges, nil)
		req.Header["Authorization"] = []string{authorization}
		if w := answered(t, h, req); w.Code != 401 && !strings.Contains(authorization, ann.Token) {
			t.Fatalf("%q is let in: %d", authorization, w.Code)
		}
	})
}
