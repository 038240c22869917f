package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// TestNobodyIsSentElsewhere (I32): an address that is not one of the protocol's, in
// however strange a form, is answered like any other fault: no redirect, no HTML.
func TestNobodyIsSentElsewhere(t *testing.T) {
	r := newRig(t)
	address := strings.TrimPrefix(r.URL, "http://")
	for _, path := range []string{"/sync/../ping", "//ping", "/sync//batch", "/healthz/../sync/changes", "/./ping?nonce=a", "/sync/batch/", "/sync/batch/.", "/%2e%2e/ping", "/ping%00", "/\x7f"} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		body, err := io.ReadAll(a.Body)
		c.Close()
		if path == "/\x7f" && a.StatusCode == http.StatusBadRequest { // refused before it reached the handler
			continue
		}
		if err != nil || a.StatusCode != http.StatusNotFound || a.Header.Get("Content-Type") != "application/problem+json" || a.Header.Get(wire.HeaderServer) == "" || !strings.Contains(string(body), wire.CodeNoRoute) {
			t.Errorf("%q is answered %d %s %.100s, %v", path, a.StatusCode, a.Header.Get("Content-Type"), body, err)
		}
	}
}

// TestFaultsTellNothingOfTheProgram: what stands wrong in a body is named in the
// protocol's words, not by the types of the program behind it.
func TestFaultsTellNothingOfTheProgram(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	for path, bodies := range map[string][]any{
		wire.PathBatch:   {[]int{1}, "text", 7, map[string]any{"seen": 1}, map[string]any{"ops": "x"}, map[string]any{"queues": 1}},
		wire.PathHistory: {[]int{1}, map[string]any{"seen": map[string]any{"north": 1}}},
		wire.PathEnroll:  {[]int{1}, map[string]any{"code": 1}},
		wire.PathSync:    {[]int{1}, "x"},
	} {
		for _, body := range bodies {
			a := r.Do(storetest.Request{Method: http.MethodPost, Path: path, Token: ann.Token, Body: body})
			if text := string(a.Body); a.Status != http.StatusBadRequest || strings.Contains(text, "Go ") || strings.Contains(text, "wire.") || strings.Contains(text, "struct") || !strings.Contains(text, "the body is not") {
				t.Errorf("%s %v is answered %d %s", path, body, a.Status, text)
			}
		}
	}
}
