package server_test

import (
	"path/filepath"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/sqlitestore"
	"example.com/punchlist/sync/server/storetest"
	"example.com/punchlist/sync/wire"
)

// TestF50ServerClockStep: the server's clock jumps a year ahead and back again, or
// a year back and ahead. Everything goes on: versions rise, nothing that was
// overwritten is untold, devices that work on what they see win, and nobody is
// locked out.
func TestF50ServerClockStep(t *testing.T) {
	for name, step := range map[string]time.Duration{"ahead": 365 * day, "back": -365 * day} {
		t.Run(name, func(t *testing.T) { clockStep(t, step) })
	}
}

const day = 24 * time.Hour

func clockStep(t *testing.T, step time.Duration) {
	store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "punchlistd.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := storetest.NewRigWith(t, store, server.Options{Limits: server.DefaultLimits, Tokens: server.TokenRules{Renew: 30 * day, Unused: 90 * day}})
	r.User("ann", op.Technician, "North")
	r.User("bob", op.Technician, "North")
	ann, bob := r.Enrol("ann"), r.Enrol("bob")
	ids := []string{storetest.NewID(), storetest.NewID(), storetest.NewID()}
	for _, id := range ids {
		ann.Must(ann.NewTask(id, "Boiler"))
	}
	seen := bob.Pull().Seen["North"].Version
	title := func(id string) string {
		t.Helper()
		fresh := *bob
		fresh.Cursor = ""
		for _, c := range fresh.Pull().Changes {
			if c.EntityID == id {
				return c.ServerState.Text("title")
			}
		}
		t.Fatalf("%s is gone", id)
		return ""
	}

	r.Pass(step) // devices time their edits by the server's clock
	if a := r.Do(storetest.Request{Method: "GET", Path: wire.PathChanges, Token: ann.Token}); a.Status != 200 {
		t.Errorf("while the clock is wrong: %d %s", a.Status, a.Body)
	}
	desk, err := r.Server.Office(t.Context(), "", "North") // the office works on
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[:2] {
		task, err := r.Server.FindTask(t.Context(), desk.Crews, id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Server.SetTask(t.Context(), desk, task, op.Fields{"title": "Office"}); err != nil {
			t.Fatal(err)
		}
	}
	late := r.Enrol("ann") // joins while the clock is wrong

	r.Pass(-step)
	r.Pass(time.Minute)
	for _, d := range []*storetest.Device{ann, bob, late} {
		if a := r.Do(storetest.Request{Method: "GET", Path: wire.PathChanges, Token: d.Token}); a.Status != 200 {
			t.Errorf("%s, with the clock right again: %d %s", d.User, a.Status, a.Body)
		}
	}
	// Whoever has seen the office's title wins over it, whatever its time.
	page := ann.Pull()
	if res := ann.Push(ann.Set(ids[0], page.Seen["North"].Version, op.Fields{"title": "Ann"})); res[0].Outcome != op.Applied || title(ids[0]) != "Ann" {
		t.Errorf("ann, who had seen it: %+v; the title is %q", res[0], title(ids[0]))
	}
	// Whoever has not is told, or the office is: one of the two stands, and the
	// other is not forgotten.
	res := bob.Push(bob.Set(ids[1], seen, op.Fields{"title": "Bob"}))[0]
	switch got := title(ids[1]); {
	case got == "Office" && len(res.Lost) == 1 && res.Lost[0].Theirs == "Office":
	case got == "Bob" && len(res.Overrode) == 1 && res.Overrode[0].Theirs == "Office":
	default:
		t.Errorf("bob, who had not: the title is %q, %+v", got, res)
	}
	if step > 0 && title(ids[1]) != "Office" || step < 0 && title(ids[1]) != "Bob" {
		t.Errorf("the title is %q", title(ids[1]))
	}
	ann.Must(ann.Set(ids[2], page.Seen["North"].Version, op.Fields{"title": "Third"}))
	if v := bob.Pull().Seen["North"].Version; v != seen+5 {
		t.Errorf("version %d after %d and five changes", v, seen)
	}
	if v, err := r.Server.VerifyAudit(t.Context()); err != nil || len(v.Faults) > 0 {
		t.Errorf("the audit: %+v, %v", v, err)
	}
}
