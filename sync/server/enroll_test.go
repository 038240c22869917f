package server_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

func TestEnrolment(t *testing.T) {
	r := newRig(t)
	code := r.Code("ann")
	a := r.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathEnroll,
		Body: wire.Enroll{Code: " " + strings.ToLower(code), DeviceName: "Ann's\x1b[2J laptop", Nonce: "n1"}})
	var e wire.Enrolled
	a.Into(&e)
	if a.Status != 200 || e.User != "ann" || e.Role != op.Technician || len(e.Crews) != 1 || e.Crews[0] != "North" || e.ServerID != r.Server.ID() || e.Time != storetest.Start {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if e.ServerKey != base64.RawURLEncoding.EncodeToString(r.Server.Key()) || !strings.HasPrefix(e.Token, "plk1_") {
		t.Errorf("key %s, token %s", e.ServerKey, e.Token)
	}
	devices, err := r.Store.Devices(t.Context())
	if err != nil || len(devices) != 1 || devices[0].Name != "Ann's[2J laptop" {
		t.Fatalf("devices %+v, %v", devices, err)
	}
	if d := devices[0]; d.ID != e.DeviceID || strings.Contains(d.TokenHash, e.Token) {
		t.Errorf("device %+v", d)
	}
	if got := (&storetest.Device{Rig: r, Token: e.Token}).Pull(); got.User != "ann" {
		t.Errorf("the token does not work: %+v", got)
	}
}

// TestEnrolmentRace: of many that use one code at once, one becomes a device.
func TestEnrolmentRace(t *testing.T) {
	r := newRig(t)
	code := r.Code("ann")
	var wait sync.WaitGroup
	status := make([]int, 8)
	for i := range status {
		wait.Go(func() {
			a, err := r.Try(storetest.Request{Method: http.MethodPost, Path: wire.PathEnroll, Body: wire.Enroll{Code: code, Nonce: storetest.NewID()}})
			if err != nil {
				t.Error(err)
			}
			status[i] = a.Status
		})
	}
	wait.Wait()
	won := 0
	for _, s := range status {
		switch s {
		case http.StatusOK:
			won++
		case http.StatusForbidden, http.StatusTooManyRequests:
		default:
			t.Errorf("status %d", s)
		}
	}
	if devices, err := r.Store.Devices(t.Context()); won != 1 || len(devices) != 1 || err != nil {
		t.Errorf("%d enrolments, %d devices, %v; want one", won, len(devices), err)
	}
}

func TestEnrolmentRefused(t *testing.T) {
	r := newRig(t)
	says := func(code, nonce, want string) {
		t.Helper()
		r.Pass(2 * time.Minute) // so that the count of failed tries starts anew
		a := r.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathEnroll, Body: wire.Enroll{Code: code, Nonce: nonce}})
		var p wire.Problem
		a.Into(&p)
		if a.Status != http.StatusForbidden || p.Code != wire.CodeBadCode || !strings.Contains(p.Message, want) || p.Hint == "" {
			t.Errorf("%d %+v; want something about %q", a.Status, p, want)
		}
	}
	says("BCDF-GHJK-LMNP", "n", "not known")
	says("", "n", "not known")
	late := r.Code("ann")
	r.Pass(time.Hour)
	says(late, "n", "expired")
	used := r.Code("ann")
	if _, status := r.Redeem(used, "first"); status != 200 {
		t.Fatal(status)
	}
	says(used, "other", "used already")
	says(used, "first", "used already") // the time of its nonce is over as well
	if err := r.Server.DisableUser(t.Context(), "ann", true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Server.Invite(t.Context(), "ann", r.URL, time.Hour); err == nil {
		t.Error("an invite for a disabled user")
	}
}

// TestF12EnrolmentTwice: the same nonce may ask again for a short while. It is
// the same device with the same token, so that it does not matter which of the
// answers arrives, nor whether the request itself arrives again behind them.
func TestF12EnrolmentTwice(t *testing.T) {
	r := newRig(t)
	code := r.Code("ann")
	first, _ := r.Redeem(code, "nonce")
	r.Pass(time.Minute)
	second, status := r.Redeem(code, "nonce")
	if status != 200 || second.DeviceID != first.DeviceID || second.Token != first.Token {
		t.Fatalf("%d: %+v after %+v", status, second, first)
	}
	if a := r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges, Token: first.Token}); a.Status != 200 {
		t.Errorf("status %d; want 200", a.Status)
	}
	if other := r.Enrol("ann"); other.Token == first.Token || other.ID == first.DeviceID {
		t.Error("another invite made the same device")
	}
}

func TestEnrolmentGuessing(t *testing.T) {
	r := newRig(t)
	code := r.Code("ann")
	for range 5 {
		if _, status := r.Redeem("BCDF-GHJK-LMNP", "n"); status != http.StatusForbidden {
			t.Fatal(status)
		}
	}
	if _, status := r.Redeem(code, "n"); status != http.StatusTooManyRequests {
		t.Errorf("the sixth try: status %d", status)
	}
	r.Pass(time.Minute)
	if _, status := r.Redeem(code, "n"); status != http.StatusOK {
		t.Errorf("a minute later: status %d", status)
	}
}

func TestPing(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	ping := func(token string) wire.Ping {
		t.Helper()
		a := r.Do(storetest.Request{Method: http.MethodGet, Path: "/ping?nonce=N-1", Token: token})
		var p wire.Ping
		a.Into(&p)
		sig, err := base64.RawURLEncoding.DecodeString(p.Signature)
		if err != nil || !ed25519.Verify(r.Server.Key(), wire.PingText("N-1", r.Server.ID(), p.Time), sig) {
			t.Errorf("the signature of %s does not hold: %v", a.Body, err)
		}
		if a.Status != 200 || len(a.Body) > 400 || p.Service != "punchlist" || p.Protocol != 1 || p.Nonce != "N-1" || p.ServerID != r.Server.ID() {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		return p
	}
	if p := ping(""); p.Auth != "" {
		t.Errorf("without a token: %q", p.Auth)
	}
	if p := ping(ann.Token); p.Auth != "ok" {
		t.Errorf("with a token: %q", p.Auth)
	}
	if p := ping("plk1_unknown"); p.Auth != "expired" {
		t.Errorf("with an unknown one: %q", p.Auth)
	}
	if err := r.Store.Revoke(t.Context(), ann.ID, 1); err != nil {
		t.Fatal(err)
	}
	if p := ping(ann.Token); p.Auth != "revoked" {
		t.Errorf("revoked: %q", p.Auth)
	}
}

// TestRevoked: a revoked device and a disabled user are out at their next
// request, and a user who is let in again goes on where it stopped.
func TestRevoked(t *testing.T) {
	r := newRig(t)
	ann, other := r.Enrol("ann"), r.Enrol("ann")
	task := storetest.NewID()
	ann.Must(ann.NewTask(task, "Boiler"))
	edit := ann.Set(task, 1, op.Fields{"title": "x"})
	status := func(d *storetest.Device) (int, string) {
		a := r.Do(storetest.Request{Method: http.MethodPost, Path: wire.PathBatch, Token: d.Token, Body: wire.Batch{Ops: []op.Op{edit}}})
		var p wire.Problem
		a.Into(&p)
		return a.Status, p.Code
	}
	if err := r.Store.Revoke(t.Context(), ann.ID, 1); err != nil {
		t.Fatal(err)
	}
	if s, code := status(ann); s != 401 || code != wire.CodeRevoked {
		t.Errorf("revoked: %d %s", s, code)
	}
	if err := r.Server.DisableUser(t.Context(), "ann", true); err != nil {
		t.Fatal(err)
	}
	if s, code := status(other); s != 401 || code != wire.CodeRevoked {
		t.Errorf("disabled: %d %s", s, code)
	}
	if err := r.Server.DisableUser(t.Context(), "ann", false); err != nil {
		t.Fatal(err)
	}
	if got := other.Pull(); len(got.Changes) != 1 || got.Changes[0].ServerState.Text("title") != "Boiler" {
		t.Errorf("a refused request changed something: %+v", got.Changes)
	}
	edit.Seq = 0
	if s, _ := status(other); s != 200 {
		t.Errorf("let in again: %d", s)
	}
}

// TestReports: what a device says of itself is kept, but not written each time.
func TestReports(t *testing.T) {
	r := newRig(t)
	ann := r.Enrol("ann")
	ask := func(pending string) server.Device {
		t.Helper()
		a := r.Do(storetest.Request{Method: http.MethodGet, Path: wire.PathChanges, Token: ann.Token,
			Header: map[string]string{wire.HeaderPending: pending, wire.HeaderOffset: "-250", wire.HeaderClient: "punchlist v1\u202e"}})
		devices, err := r.Store.Devices(t.Context())
		if a.Status != 200 || err != nil || len(devices) != 1 {
			t.Fatal(a.Status, devices, err)
		}
		return devices[0]
	}
	if d := ask("7"); d.Pending != 7 || d.Offset == nil || *d.Offset != -250 || d.Client != "punchlist v1" || d.Seen != storetest.Start {
		t.Errorf("%+v", d)
	}
	if d := ask("6"); d.Pending != 7 {
		t.Errorf("written twice within a moment: %+v", d)
	}
	r.Pass(time.Second)
	if d := ask("0"); d.Pending != 0 || d.Seen != storetest.Start+1_000 {
		t.Errorf("all has arrived, and work is shown as waiting: %+v", d)
	}
	r.Pass(time.Second)
	if d := ask("0"); d.Seen != storetest.Start+1_000 {
		t.Errorf("that all has arrived was written twice: %+v", d)
	}
	if d := ask("3"); d.Pending != 0 {
		t.Errorf("written again within a moment: %+v", d)
	}
	if d := ask("0"); d.Seen != storetest.Start+1_000 {
		t.Errorf("written although nothing else was: %+v", d)
	}
	r.Pass(8 * time.Second)
	if d := ask("-5 or so"); d.Pending != 0 || d.Seen != storetest.Start+10_000 {
		t.Errorf("%+v", d)
	}
}
