package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// post sends what somebody typed to POST /sync.
func post(d *storetest.Device, body string) (int, map[string]any) {
	d.T.Helper()
	a := d.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathSync, Token: d.Token, Body: body, Header: map[string]string{"Content-Type": "application/json"}})
	return a.Status, a.Object()
}

// plainOf is an op as the plain form writes it: the payload is text.
func plainOf(action, kind, id string, payload op.Fields, created any) string {
	text, _ := json.Marshal(payload)
	b, _ := json.Marshal(map[string]any{"id": 12, "retry_count": 3, "entity_id": id, "entity_type": kind, "action": action, "payload": string(text), "created_at": created})
	return string(b)
}

func TestPlainForm(t *testing.T) {
	r := newRig(t)
	ann, other := r.Enrol("ann"), r.Enrol("ann")
	now, id := r.Now.Load(), storetest.NewID()

	status, got := post(ann, plainOf("UPDATE", "task", id, op.Fields{"status": "COMPLETED", "updated_at": now}, now))
	if status != 404 || got["error"] != "Task not found" {
		t.Errorf("an unknown task: %d %v", status, got)
	}
	insert := plainOf("INSERT", "task", id, op.Fields{"title": "Boiler", "status": "PENDING", "updated_at": now}, now)
	status, got = post(ann, insert)
	state, _ := got["server_state"].(map[string]any)
	if status != 200 || got["status"] != "success" || got["outcome"] != "applied" || state["title"] != "Boiler" || state["id"] != id {
		t.Errorf("a new task: %d %v", status, got)
	}
	status, got = post(ann, plainOf("UPDATE", "task", id, op.Fields{"status": "COMPLETED", "updated_at": now}, now))
	if status != 200 || got["duplicate"] != false {
		t.Errorf("what was refused, tried again: %d %v", status, got)
	}
	later := plainOf("UPDATE", "task", id, op.Fields{"status": "IN_PROGRESS", "updated_at": now + 2000}, now+2000)
	if status, got = post(other, later); status != 200 || got["status"] != "success" {
		t.Errorf("a newer change: %d %v", status, got)
	}
	older := plainOf("UPDATE", "task", id, op.Fields{"status": "ON_HOLD", "updated_at": now + 1000}, now+1000)
	for range 2 {
		status, got = post(ann, older)
		state, _ = got["server_state"].(map[string]any)
		if status != 409 || got["status"] != "conflict" || got["message"] == "" || state["status"] != "IN_PROGRESS" || fmt.Sprint(state["updated_at"]) != fmt.Sprint(float64(now+2000)) {
			t.Errorf("an older change: %d %v", status, got)
		}
	}
	before := ann.Pull().Changes[0].Version
	for _, body := range []string{insert, later} {
		if status, got = post(map[string]*storetest.Device{insert: ann, later: other}[body], body); status != 200 || got["duplicate"] != true {
			t.Errorf("a repeat: %d %v", status, got)
		}
	}
	if got := ann.Pull(); len(got.Changes) != 0 {
		t.Errorf("repeats changed something after version %d: %+v", before, got.Changes)
	}
}

func TestPlainFormIsLiberal(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	at := r.Time().Add(-time.Hour)
	for name, times := range map[string][2]string{
		"numbers":  {fmt.Sprint(at.UnixMilli()), fmt.Sprint(at.UnixMilli())},
		"text":     {fmt.Sprintf("%q", fmt.Sprint(at.UnixMilli())), fmt.Sprintf("%q", fmt.Sprint(at.UnixMilli()))},
		"RFC 3339": {fmt.Sprintf("%q", at.Format(time.RFC3339)), fmt.Sprintf("%q", at.Format(time.RFC3339))},
		"created":  {"", fmt.Sprint(at.UnixMilli())},
		"updated":  {fmt.Sprint(at.UnixMilli()), ""},
	} {
		payload := `{"title":"x","status":"PENDING"`
		if times[0] != "" {
			payload += `,"updated_at":` + times[0]
		}
		body := fmt.Sprintf(`{"entity_id":%q,"entity_type":"task","action":"insert","payload":%s}`, storetest.NewID(), payload+"}")
		if times[1] != "" {
			body = body[:len(body)-1] + `,"created_at":` + times[1] + `}`
		}
		status, got := post(ann, body)
		state, _ := got["server_state"].(map[string]any)
		if want := float64(at.Truncate(time.Second).UnixMilli()); status != 200 || state["updated_at"] != want {
			t.Errorf("%s: %d %v; want it at %v", name, status, got, want)
		}
	}
	task := storetest.NewID()
	ann.Must(ann.NewTask(task, "Boiler"))
	for body, want := range map[string]int{
		`{`:  400,
		`[]`: 400,
		`{"entity_id":"x","entity_type":"task","action":"UPDATE","payload":{},"created_at":1}`:                                          422,
		`{"entity_id":"` + task + `","entity_type":"task","action":"UPDATE","payload":{"a":[1]},"created_at":1}`:                        400,
		`{"entity_id":"` + task + `","entity_type":"task","action":"UPDATE","payload":{"title":""},"created_at":1}`:                     422,
		`{"entity_id":"` + task + `","entity_type":"task","action":"UPDATE","payload":{"title":"y"},"created_at":"soon"}`:               400,
		`{"entity_id":"` + task + `","entity_type":"task","action":"UPDATE","payload":{"title":"y"}}`:                                   422,
		`{"entity_id":"` + storetest.NewID() + `","entity_type":"checklist_item","action":"DELETE","payload":{},"created_at":1}`:        404,
		`{"entity_id":"` + task + `","entity_type":"task","action":"UPDATE","payload":{"title":"y","updated_at":"x"},"created_at":1}`:   422,
		`{"op_id":"7","entity_id":"` + task + `","entity_type":"task","action":"UPDATE","payload":{"title":"y"},"created_at":1}`:        422,
		`{"entity_id":"` + task + `","entity_type":"task","action":"UPDATE","payload":"{\"title\":\"y\"}","base":1,"created_at":17e11}`: 200,
	} {
		if status, got := post(ann, body); status != want || want != 200 && got["error"] == "" {
			t.Errorf("%s: %d %v; want %d", body, status, got, want)
		}
	}
}

// TestPlainMerged: an op that names what it saw is merged by fields in the
// single form too.
func TestPlainMerged(t *testing.T) {
	r := newRig(t)
	ann, bob := r.Enrol("ann"), r.Enrol("ann")
	task := storetest.NewID()
	ann.Must(ann.NewTask(task, "Boiler"))
	r.Pass(time.Minute)
	mine := ann.Set(task, 1, op.Fields{"title": "by ann", "asset": "B-7"})
	r.Pass(time.Minute)
	bob.Must(bob.Set(task, 1, op.Fields{"title": "by bob"}))
	text, err := json.Marshal(mine)
	if err != nil {
		t.Fatal(err)
	}
	status, got := post(ann, string(text))
	lost, _ := got["lost"].([]any)
	if status != 200 || got["outcome"] != "merged" || len(lost) != 1 || got["op_id"] != mine.ID {
		t.Errorf("%d %v", status, got)
	}
}
