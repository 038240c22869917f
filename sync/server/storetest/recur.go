package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// rule is recurring work that is sound.
func rule(name string) server.Rule {
	return server.Rule{Name: name, Crew: "north", Every: "day", From: "2026-01-01", Due: "17:00", Ahead: 20, Zone: "Europe/Berlin",
		Task: op.Fields{"title": "Round of {date}", "type": "inspection", "external_ref": name + "-{date}"}}
}

// Administrators who add and remove recurring work in one instant lose none of it.
func testRulesTogether(t *testing.T, r *Rig) {
	r.User("ann", op.Technician, "north")
	other := NewRig(t, r.Store)
	for n := range 4 {
		if err := r.Server.AddRule(t.Context(), rule(fmt.Sprint("old", n))); err != nil {
			t.Fatal(err)
		}
	}
	var wait sync.WaitGroup
	for n := range 8 {
		at := []*Rig{r, other}[n%2].Server
		wait.Go(func() {
			if err := at.AddRule(t.Context(), rule(fmt.Sprint("new", n))); err != nil {
				t.Error(err)
			}
		})
		if n < 4 {
			wait.Go(func() {
				if err := at.RemoveRule(t.Context(), "north", fmt.Sprint("old", n)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	rules, err := other.Server.Rules(t.Context(), "north")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	if want := []string{"new0", "new1", "new2", "new3", "new4", "new5", "new6", "new7"}; !slices.Equal(names, want) {
		t.Errorf("the rules are %v, want %v", names, want)
	}
	var taken, told int
	var mu sync.Mutex
	for n := range 4 { // one name, wanted by several at once
		at := []*Rig{r, other}[n%2].Server
		wait.Go(func() {
			if at.AddRule(t.Context(), rule("same")) == nil {
				mu.Lock()
				defer mu.Unlock()
				taken++
			}
		})
	}
	wait.Wait()
	for e, err := range r.Server.Audit(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.What == server.DidRule {
			told++
		}
	}
	if taken != 1 || told != 4+8+4+1 {
		t.Errorf("a name was taken %d times; the audit tells of %d changes", taken, told)
	}
}

// RecurringOnce lets two servers, each with a store of its own on one database,
// make the same recurring work at the same time: each task is there once.
func RecurringOnce(t *testing.T, open func() server.Store) {
	r := NewRig(t, open())
	other := NewRig(t, open())
	r.User("ann", op.Technician, "north")
	if err := r.Server.SetTemplate(t.Context(), server.Template{Type: "inspection", Items: []op.Fields{{"label": "Look"}, {"label": "Listen"}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Server.AddRule(t.Context(), rule("round")); err != nil {
		t.Fatal(err)
	}
	for range 3 { // from day to day, some dates each
		var wait sync.WaitGroup
		for n := range 6 {
			wait.Go(func() {
				if _, err := []*Rig{r, other}[n%2].Server.Recur(t.Context(), false); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		r.Pass(5 * 24 * time.Hour)
		other.Pass(5 * 24 * time.Hour)
	}
	refs := map[string]int{}
	for rec, err := range other.Server.Tasks(t.Context(), []string{"north"}) {
		if err != nil {
			t.Fatal(err)
		}
		refs[rec.Fields.Text("external_ref")]++
		if steps, err := other.Server.Hanging(t.Context(), rec); err != nil || len(steps) != 2 {
			t.Errorf("%v has %d steps, %v", rec.Fields["title"], len(steps), err)
		}
	}
	for ref, n := range refs {
		if n != 1 {
			t.Errorf("%s is there %d times", ref, n)
		}
	}
	if want := 31; len(refs) != want { // 21 dates on the first day, and 5 more with each of the two steps
		t.Errorf("%d tasks, want %d", len(refs), want)
	}
}
