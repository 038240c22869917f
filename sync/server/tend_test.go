package server_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
)

// oneBroken cannot count one of its crews.
type oneBroken struct {
	server.Store
	crew    string
	counted []string
}

var errUncounted = errors.New("not in time")

func (s *oneBroken) Recount(ctx context.Context, crew string) (bool, error) {
	if crew == s.crew {
		return false, errUncounted
	}
	s.counted = append(s.counted, crew)
	return s.Store.Recount(ctx, crew)
}

func TestTendingGoesOnBehindACrewThatFails(t *testing.T) {
	store := &oneBroken{Store: openStore(t, filepath.Join(t.TempDir(), "d.db")), crew: "east"}
	r := storetest.NewRig(t, store)
	r.User("ann", op.Technician, "east", "north", "west")
	if err := r.Server.Tend(t.Context()); !errors.Is(err, errUncounted) {
		t.Errorf("%v", err)
	}
	if !slices.Equal(store.counted, []string{"north", "west"}) {
		t.Errorf("counted %v", store.counted)
	}
}
