package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

func testSettings(t *testing.T, s server.Store) {
	var wait sync.WaitGroup
	values := make([]string, 8)
	for i := range values { // many servers start on one new store: they agree
		wait.Go(func() {
			v, err := s.Setting(t.Context(), "identity", fmt.Sprint("value", i))
			if err != nil {
				t.Error(err)
			}
			values[i] = v
		})
	}
	wait.Wait()
	for _, v := range values {
		if v == "" || v != values[0] {
			t.Fatalf("the first value did not stay: %q", values)
		}
	}
	if v, err := s.Setting(t.Context(), "none", ""); v != "" || err != nil {
		t.Errorf("a setting that is not there: %q, %v", v, err)
	}
	for _, want := range []string{"a", "b"} {
		if err := s.SetSetting(t.Context(), "url", want); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Setting(t.Context(), "url", "initial"); v != want || err != nil {
			t.Errorf("setting is %q, %v; want %q", v, err, want)
		}
	}
	refusal := errors.New("not so")
	if err := s.ChangeSetting(t.Context(), "url", func(string) (string, []server.Entry, error) { return "c", nil, refusal }); !errors.Is(err, refusal) {
		t.Errorf("a change that refuses: %v", err)
	}
	if v, err := s.Setting(t.Context(), "url", ""); v != "b" || err != nil {
		t.Errorf("a refused change left %q, %v", v, err)
	}
	for range 20 {
		wait.Go(func() {
			err := s.ChangeSetting(t.Context(), "count", func(old string) (string, []server.Entry, error) { return old + "i", nil, nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if v, err := s.Setting(t.Context(), "count", ""); len(v) != 20 || err != nil {
		t.Errorf("of 20 changes at once %q is left, %v", v, err)
	}
}

func testUsers(t *testing.T, s server.Store) {
	ann := server.User{Name: "ann", Role: op.Technician, Crews: []string{"south", "north"}, Created: 3}
	made, err := s.PutUser(t.Context(), ann, true)
	if err != nil || !reflect.DeepEqual(made, []string{"south", "north"}) {
		t.Fatalf("made %v, %v", made, err)
	}
	if _, err := s.PutUser(t.Context(), ann, true); !errors.Is(err, server.ErrExists) {
		t.Errorf("a second ann: %v", err)
	}
	ann.Role, ann.Disabled, ann.Crews = op.Viewer, 9, []string{"north", "east"}
	if made, err = s.PutUser(t.Context(), ann, false); err != nil || !reflect.DeepEqual(made, []string{"east"}) {
		t.Errorf("made %v, %v", made, err)
	}
	users, err := s.Users(t.Context())
	if err != nil || !reflect.DeepEqual(users, []server.User{ann}) {
		t.Errorf("users are %+v, %v; want %+v", users, err, ann)
	}
	if made, err := s.PutCrew(t.Context(), "north", 1); made || err != nil {
		t.Errorf("north again: %v, %v", made, err)
	}
}

func invite(t *testing.T, s server.Store, hash string) {
	t.Helper()
	if _, err := s.PutUser(t.Context(), server.User{Name: "ann", Role: op.Technician, Crews: []string{"north"}}, false); err != nil {
		t.Fatal(err)
	}
	if err := s.AddInvite(t.Context(), server.Invite{CodeHash: hash, User: "ann", Expires: 100}); err != nil {
		t.Fatal(err)
	}
}

func testRedeemOnce(t *testing.T, s server.Store) {
	invite(t, s, "hash")
	used := errors.New("used")
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wait.Go(func() {
			errs[i] = s.Redeem(t.Context(), "hash", func(in server.Invite, u server.User) (server.Invite, server.Device, []server.Entry, error) {
				if in.Used != 0 {
					return in, server.Device{}, nil, used
				}
				in.Used, in.Device = 5, fmt.Sprint("device", i)
				return in, server.Device{ID: in.Device, User: u.Name, Name: "n", TokenHash: fmt.Sprint("token", i)}, []server.Entry{{What: server.DidEnrol}}, nil
			})
		})
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, used) {
			t.Errorf("redeem: %v", err)
		}
	}
	devices, err := s.Devices(t.Context())
	if log := chain(t, s, ""); len(log) != 1 || log[0].What != server.DidEnrol {
		t.Errorf("one enrolment and those that failed are logged as %+v", log)
	}
	if won != 1 || err != nil || len(devices) != 1 {
		t.Errorf("%d redeemed one invite and made %d devices, %v", won, len(devices), err)
	}
	if err := s.Redeem(t.Context(), "other", nil); !errors.Is(err, server.ErrUnknown) {
		t.Errorf("an unknown code: %v", err)
	}
}

func testDevices(t *testing.T, s server.Store) {
	invite(t, s, "hash")
	redeem := func(token string) {
		err := s.Redeem(t.Context(), "hash", func(in server.Invite, u server.User) (server.Invite, server.Device, []server.Entry, error) {
			in.Used = 1
			return in, server.Device{ID: "d", User: u.Name, Name: "laptop", TokenHash: token, Created: 4}, nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	redeem("first")
	redeem("second") // the answer was lost: the same device gets another token
	if _, _, err := s.ByToken(t.Context(), "first"); !errors.Is(err, server.ErrUnknown) {
		t.Errorf("the lost token still works: %v", err)
	}
	offset := int64(-40)
	for _, r := range []server.Report{{Seen: 6, Pending: 2, Offset: &offset, Client: "v1", Cursor: "far"}, {Seen: 7, Pending: 3, Client: "v2"}} {
		if err := s.Touch(t.Context(), "d", r); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Revoke(t.Context(), "d", 8, server.Entry{What: server.DidRevoke}); err != nil {
			t.Fatal(err)
		}
	}
	d, u, err := s.ByToken(t.Context(), "second")
	if err != nil || u.Name != "ann" || !reflect.DeepEqual(u.Crews, []string{"north"}) {
		t.Fatalf("by token: %+v, %v", u, err)
	}
	want := server.Device{ID: "d", User: "ann", Name: "laptop", TokenHash: "second", Created: 4, Revoked: 8,
		Report: server.Report{Seen: 7, Pending: 3, Offset: &offset, Client: "v2", Cursor: "far"}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("device is %+v; want %+v", d, want)
	}
	if log := chain(t, s, ""); len(log) != 1 {
		t.Errorf("one revocation is logged as %+v", log)
	}
	if err := s.Revoke(t.Context(), "none", 8); !errors.Is(err, server.ErrUnknown) {
		t.Errorf("revoking nobody: %v", err)
	}
}

func testCloseInvites(t *testing.T, s server.Store) {
	invite(t, s, "used")
	redeem := func(hash string) (got server.Invite) {
		err := s.Redeem(t.Context(), hash, func(in server.Invite, u server.User) (server.Invite, server.Device, []server.Entry, error) {
			got, in.Used = in, 7
			return in, server.Device{ID: hash, User: u.Name, TokenHash: hash}, nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	redeem("used")
	invite(t, s, "open")
	invite(t, s, "open too")
	for _, want := range []int{2, 0} {
		if n, err := s.CloseInvites(t.Context(), 9, server.Entry{What: server.DidClose}); n != want || err != nil {
			t.Errorf("%d closed, %v; want %d", n, err, want)
		}
	}
	if in := redeem("open"); in.Expires != 9 || in.Used != 0 {
		t.Errorf("%+v", in)
	}
	if in := redeem("used"); in.Expires != 100 || in.Used != 7 {
		t.Errorf("one that was used is %+v", in)
	}
	if log := chain(t, s, ""); len(log) != 1 || log[0].What != server.DidClose {
		t.Errorf("logged: %+v", log)
	}
}
