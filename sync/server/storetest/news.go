package storetest

import (
	"reflect"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// testNews: commits are told, heads and standing are those of now.
func testNews(t *testing.T, s server.Store) {
	r := NewRig(t, s)
	r.User("ann", op.Technician, "B", "A")
	r.User("eve", op.Technician, "A")
	ann, eve, gone := r.Enrol("ann"), r.Enrol("eve"), r.Enrol("ann")
	news := s.Watch(t.Context())
	version := ann.Must(ann.NewTask(NewID(), "New")).Version
	select {
	case <-news:
	case <-time.After(2 * time.Second):
		t.Fatal("a commit was not told")
	}
	heads, err := s.Heads(t.Context())
	if err != nil || heads["B"] != version || heads["A"] != 0 {
		t.Errorf("heads are %v, %v; want %d in B", heads, err, version)
	}
	if err := s.Revoke(t.Context(), gone.ID, 1); err != nil {
		t.Fatal(err)
	}
	if err := r.Server.DisableUser(t.Context(), "eve", true); err != nil {
		t.Fatal(err)
	}
	in, err := s.Standing(t.Context(), []string{ann.ID, eve.ID, gone.ID, "nobody"})
	if want := (map[string][]string{ann.ID: {"B", "A"}}); err != nil || !reflect.DeepEqual(in, want) {
		t.Errorf("standing is %v, %v; want %v", in, err, want)
	}
}
