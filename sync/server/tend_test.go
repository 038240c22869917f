package server_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// oneBroken cannot count one of its crews.
type oneBroken struct {
	server.Store
	crew    string
	counted []string
	takes   func() // what counting takes
}

var errUncounted = errors.New("not in time")

func (s *oneBroken) Recount(ctx context.Context, crew string) (bool, error) {
	if crew == s.crew {
		return false, errUncounted
	}
	s.counted = append(s.counted, crew)
	if s.takes != nil {
		s.takes()
	}
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

// A crew is read through for its devices a fiftieth of the time, however often they
// ask; a small one whenever they do.
func TestDevicesHaveACrewReadSeldom(t *testing.T) {
	store := &oneBroken{Store: openStore(t, filepath.Join(t.TempDir(), "d.db"))}
	r := storetest.NewRig(t, store)
	r.User("ann", op.Technician, "east", "north")
	ann, other := r.Enrol("ann"), r.Enrol("ann")
	ask := func(d *storetest.Device, crew string) {
		t.Helper()
		if a := r.Do(storetest.Request{Method: "GET", Path: wire.PathDigest + "?check=1&crew=" + crew, Token: d.Token}); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	ask(ann, "north")
	ask(ann, "north")
	store.takes = func() { r.Pass(time.Second) }
	for range 5 {
		ask(ann, "north")
		ask(other, "north")
	}
	ask(ann, "east")
	r.Pass(49 * time.Second)
	ask(other, "north")
	if want := []string{"north", "north", "north", "east", "north"}; !slices.Equal(store.counted, want) {
		t.Errorf("counted %v, want %v", store.counted, want)
	}
}
