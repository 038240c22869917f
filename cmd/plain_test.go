package cmd_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A client that knows nothing but the plain form is served: 200, 404, 409 with
// server_state, and a repeat that changes nothing.
func TestAPlainClient(t *testing.T) {
	w := newWorld(t)
	w.office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serve()
	base := "http://" + w.address
	device, other := w.plainToken(), w.plainToken()

	const id = "0193c2f0-0000-7000-8000-00000000aaaa"
	plain := func(action, payload string) string {
		body, _ := json.Marshal(map[string]any{"id": 7, "entity_id": id, "entity_type": "task", "action": action, "payload": payload, "created_at": 1763800000000, "retry_count": 3})
		return string(body)
	}
	type answer struct {
		Status                  any
		Outcome, Error, Message string
		Version                 int64
		State                   map[string]any `json:"server_state"`
	}
	var got answer
	sendAs := func(token, body string, status int) {
		t.Helper()
		got = answer{}
		post(t, base+"/sync", token, body, status, &got)
	}
	send := func(body string, status int) { t.Helper(); sendAs(device, body, status) }
	send(plain("UPDATE", `{"status":"COMPLETED","updated_at":1763800000000}`), 404)
	if got.Error != "Task not found" {
		t.Errorf("404 says %q", got.Error)
	}
	insert := plain("INSERT", `{"title":"Check the pump","status":"PENDING","updated_at":1763800001000}`)
	send(insert, 200)
	if got.Status != "success" {
		t.Errorf("INSERT: %+v", got)
	}
	update := plain("UPDATE", `{"status":"IN_PROGRESS","updated_at":1763800009000}`)
	send(update, 200)
	version := got.Version
	for range 2 {
		send(update, 200)
		if got.Version != version {
			t.Errorf("a repeat made version %d of %d", got.Version, version)
		}
	}
	stale := plain("UPDATE", `{"status":"COMPLETED","updated_at":1763800005000}`)
	for range 2 {
		send(stale, 409)
		if got.Status != "conflict" || got.Message == "" || got.State["status"] != "IN_PROGRESS" || got.State["id"] != id || got.State["updated_at"] != 1763800009000.0 {
			t.Errorf("409 says %+v", got)
		}
	}
	send(plain("UPDATE", `{"colour":"red","updated_at":1763800019000}`), 422)
	sendAs(other, plain("UPDATE", `{"status":"CANCELLED","updated_at":99999999999999}`), 409) // the year 5138
	send(plain("DELETE", `{"updated_at":1763800029000}`), 200)
	send(plain("UPDATE", `{"title":"x","updated_at":1763800039000}`), 409)
	if got.State["deleted"] != true {
		t.Errorf("state of a deleted task: %v", got.State)
	}
	sendAs("plk1_wrong", insert, 401)
}

// plainToken enrols by the protocol alone.
func (w *world) plainToken() string {
	w.t.Helper()
	var invite struct{ Invite string }
	w.decode(w.office("invite", "ann", "--url", "http://"+w.address, "--json"), &invite)
	code, _, _ := strings.Cut(invite.Invite[strings.Index(invite.Invite, "#")+1:], ".")
	var device struct{ Token string }
	post(w.t, "http://"+w.address+"/enroll", "", `{"code":"`+code+`","device_name":"curl","nonce":"n1"}`, 200, &device)
	return device.Token
}

// post sends a request and checks what every answer must carry.
func post(t testing.TB, url, token, body string, status int, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Errorf("%s: %d, want %d: %s", body, resp.StatusCode, status, text.String())
	}
	for _, h := range []string{"Punchlist-Protocol", "Punchlist-Server", "Punchlist-Time"} {
		if resp.Header.Get(h) == "" {
			t.Errorf("an answer of %d lacks the header %s", resp.StatusCode, h)
		}
	}
	if err := json.Unmarshal(text.Bytes(), into); err != nil {
		t.Errorf("%v in %s", err, text.String())
	}
}
