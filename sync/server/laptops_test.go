package server

import (
	"context"
	"testing"
)

// lateStore is one whose list of devices does not come before it may.
type lateStore struct {
	Store
	asked, may chan struct{}
}

func (s *lateStore) Devices(context.Context) ([]Device, error) {
	s.asked <- struct{}{}
	<-s.may
	return []Device{{ID: "new", Name: "van"}}, nil
}

// TestALaptopsNameWaitsForNoOthers: who asks for one that is known does not wait
// until the database has told one that is not.
func TestALaptopsNameWaitsForNoOthers(t *testing.T) {
	store := &lateStore{asked: make(chan struct{}), may: make(chan struct{})}
	s := &Server{store: store}
	s.laptops.learn("gone", []Device{{ID: "old", Name: "desk"}})
	by := Author{User: "ann", Device: "here"}
	told := make(chan string)
	go func() { told <- s.laptop(t.Context(), by, "ann", "new") }()
	<-store.asked
	for device, want := range map[string]string{"old": "desk", "gone": anotherLaptop} {
		if got := s.laptop(t.Context(), by, "ann", device); got != want { // it would wait for ever
			t.Errorf("%s is %q, want %q", device, got, want)
		}
	}
	close(store.may)
	if got := <-told; got != "van" {
		t.Errorf("the new one is %q", got)
	}
}
