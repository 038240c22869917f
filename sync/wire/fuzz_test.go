package wire_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// canned answers every request with the same bytes in a true envelope.
type canned struct {
	status   int
	encoding string
	body     []byte
}

// RoundTrip gives the canned answer.
func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	h := http.Header{}
	h.Set(wire.HeaderProtocol, wire.Protocol)
	h.Set(wire.HeaderServer, serverID)
	h.Set(wire.HeaderTime, "1763800000000")
	h.Set("Content-Type", "application/json")
	if c.status != http.StatusOK {
		h.Set("Content-Type", "application/problem+json")
	}
	if c.encoding != "" {
		h.Set("Content-Encoding", c.encoding)
	}
	return &http.Response{StatusCode: c.status, Header: h, Body: io.NopCloser(bytes.NewReader(c.body)), Request: r}, nil
}

// safe tells whether a sentence may be shown.
func safe(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool {
		return c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069
	})
}

// FuzzAnswer: whatever stands in an answer in the server's name, the client takes
// it as one of this protocol or refuses it; what it says is safe to show.
func FuzzAnswer(f *testing.F) {
	const id = "0193aaaa-0000-7000-8000-00000000000a"
	for _, s := range []string{
		`{"results":[{"op_id":"` + id + `","outcome":"applied","version":3}],"time":1}`, `{"results":[{"op_id":"` + id + `","outcome":"rejected","message":"\u001b[2J\u202e","code":"x"}]}`,
		`{"changes":[{"entity_type":"task","entity_id":"` + id + `","version":1,"server_state":{"title":"\u0007","x.y":[1]}}],"cursor":"c"}`, `{"changes":null,"cursor":""}`,
		`{"common":{"North":5},"known":["x"]}`, `{"service":"punchlist","protocol":1}`, `{"code":"reset","error":"\u009b","hint":"h"}`, "", "null", "[]", `{"results":`,
	} {
		f.Add(uint8(0), uint8(0), []byte(s))
		f.Add(uint8(1), uint8(0), []byte(s))
	}
	f.Fuzz(func(t *testing.T, status, packed uint8, body []byte) {
		c, err := wire.NewClient(wire.ClientOptions{BaseURL: "http://127.0.0.1:1", ServerID: serverID, ServerKey: publicKey, Token: "t",
			Transport: canned{[]int{200, 409, 401, 500, 422}[status%5], []string{"", "gzip", "zstd"}[packed%3], body}})
		if err != nil {
			t.Fatal(err)
		}
		told := func(err error) {
			if err != nil && !safe(err.Error()) {
				t.Fatalf("%q is not safe to show", err)
			}
		}
		_, err = c.Ping(context.Background())
		if err == nil {
			t.Fatal("a ping that nobody signed was believed")
		}
		told(err)
		got, err := c.Push(context.Background(), wire.Self{}, []op.Op{{ID: id, Kind: op.Task, Action: op.Update, Entity: id}})
		told(err)
		for _, r := range got.Results {
			if r.OpID != id || !safe(r.Message) {
				t.Fatalf("%+v", r)
			}
		}
		page, err := c.Changes(context.Background(), wire.Self{}, "", 10)
		told(err)
		for _, ch := range page.Changes {
			for name, v := range ch.ServerState {
				if s, ok := v.(string); ok && !safe(s) {
					t.Fatalf("%s is %q", name, s)
				}
			}
		}
		_, err = c.History(context.Background(), wire.Past{})
		told(err)
	})
}

// FuzzInvite: a text is an invite, whole and normal, or it is refused in a sentence
// that is safe to show.
func FuzzInvite(f *testing.F) {
	for _, s := range []string{"punchlist://sync.example:8443/#BCDF-GHJK-LMNP.abc", "punchlist://127.0.0.1/#bcdfghjklmnp", "https://x/#", "punchlist://\x1b[2J/#BCDF-GHJK-LMNP", "", " punchlist://a:b@c/#x.y "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := wire.ParseInvite(text)
		if err != nil {
			if !safe(err.Error()) {
				t.Fatalf("%q is not safe to show", err)
			}
			return
		}
		if _, err := wire.ParseAddress(i.URL); err != nil || !safe(i.URL) || len(strings.ReplaceAll(i.Code, "-", "")) != 12 {
			t.Fatalf("%q became %+v: %v", text, i, err)
		}
	})
}
