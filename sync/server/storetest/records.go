package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// row is a task's row at a version.
func row(crew, id string, version int64) server.Row {
	return server.Row{Crew: crew, Kind: op.Task, ID: id, Version: version, Fields: `{"title":"x"}`, Registers: `[]`}
}

// put writes effects whatever there is.
func put(t *testing.T, s server.Store, e server.Effects) {
	t.Helper()
	err := write(t, s, server.Needs{}, func(server.Needs, server.Loaded) (server.Effects, server.Needs, error) { return e, server.Needs{}, nil })
	if err != nil {
		t.Fatal(err)
	}
}

// write is a write of steps with the same needs.
func write(t *testing.T, s server.Store, needs server.Needs, steps ...server.Decide) error {
	return s.Write(t.Context(), func(yield func(server.Step) bool) {
		for _, decide := range steps {
			if !yield(server.Step{Needs: needs, Decide: decide}) {
				return
			}
		}
	})
}

func crew(t *testing.T, s server.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := s.PutCrew(t.Context(), name, 1); err != nil {
			t.Fatal(err)
		}
	}
}

func load(t *testing.T, s server.Store, n server.Needs) server.Loaded {
	t.Helper()
	l, err := s.Load(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testWriteAllOrNone(t *testing.T, s server.Store) {
	crew(t, s, "north")
	stop := errors.New("stop")
	err := write(t, s, server.Needs{Crews: []string{"north"}}, func(server.Needs, server.Loaded) (server.Effects, server.Needs, error) {
		return server.Effects{Rows: []server.Row{row("north", NewID(), 1)}}, server.Needs{}, stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("decide's error came back as %v", err)
	}
	a, b := row("north", NewID(), 1), row("north", NewID(), 1) // two rows at one version: the second is refused
	err = write(t, s, server.Needs{}, func(server.Needs, server.Loaded) (server.Effects, server.Needs, error) {
		return server.Effects{Crews: []server.Crew{{Name: "north", Version: 1}}, Rows: []server.Row{a, b}}, server.Needs{}, nil
	})
	if err == nil {
		t.Error("two records took one version of a crew")
	}
	l := load(t, s, server.Needs{Crews: []string{"north"}, Records: []server.Ref{{Kind: op.Task, ID: a.ID}, {Kind: op.Task, ID: b.ID}}})
	if len(l.Rows) != 0 || l.Crews["north"].Version != 0 {
		t.Errorf("half of a failed write stayed: %+v", l)
	}
}

func testWriteAsksAgain(t *testing.T, s server.Store) {
	crew(t, s, "north")
	r := row("north", NewID(), 1)
	put(t, s, server.Effects{Crews: []server.Crew{{Name: "north", Version: 1}}, Rows: []server.Row{r}})
	var seen []int
	err := write(t, s, server.Needs{Crews: []string{"north"}}, func(asked server.Needs, l server.Loaded) (server.Effects, server.Needs, error) {
		if seen = append(seen, len(l.Rows)); len(asked.Records) != len(l.Rows) {
			t.Errorf("asked says %v; %d rows were loaded", asked.Records, len(l.Rows))
		}
		if len(l.Rows) == 0 {
			return server.Effects{Rows: []server.Row{row("north", NewID(), 9)}}, server.Needs{Records: []server.Ref{{Kind: op.Task, ID: r.ID}}}, nil
		}
		return server.Effects{}, server.Needs{}, nil
	})
	if err != nil || !reflect.DeepEqual(seen, []int{0, 1}) {
		t.Errorf("decide saw %v rows, %v; want none, then one", seen, err)
	}
	if rows, err := s.Tasks(t.Context(), server.TaskQuery{Crews: []string{"north"}, Limit: 9}); err != nil || len(rows) != 1 {
		t.Errorf("the effects of a decision that wanted more were written: %+v, %v", rows, err)
	}
}

// testWriteSteps: later steps see what earlier ones wrote, and an error of the
// last leaves nothing of any.
func testWriteSteps(t *testing.T, s server.Store) {
	crew(t, s, "north")
	id, stop := NewID(), errors.New("stop")
	needs := server.Needs{Crews: []string{"north"}, Records: []server.Ref{{Kind: op.Task, ID: id}}}
	var seen []int64
	step := func(server.Needs, server.Loaded) (server.Effects, server.Needs, error) {
		return server.Effects{}, server.Needs{}, nil
	}
	count := func(_ server.Needs, l server.Loaded) (server.Effects, server.Needs, error) {
		version := l.Crews["north"].Version
		seen = append(seen, version, int64(len(l.Rows)))
		return server.Effects{Crews: []server.Crew{{Name: "north", Version: version + 1}}, Rows: []server.Row{row("north", id, version+1)}}, server.Needs{}, nil
	}
	fail := func(server.Needs, server.Loaded) (server.Effects, server.Needs, error) {
		return server.Effects{}, server.Needs{}, stop
	}
	if err := write(t, s, needs, count, step, count, fail); !errors.Is(err, stop) {
		t.Errorf("the last step's error came back as %v", err)
	}
	if err := write(t, s, needs, count, count); err != nil {
		t.Fatal(err)
	}
	if want := []int64{0, 0, 1, 1, 0, 0, 1, 1}; !reflect.DeepEqual(seen, want) {
		t.Errorf("steps saw versions and rows %v; want %v", seen, want)
	}
}

func testWriteReadsBack(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	task := row("north", NewID(), 1)
	task.Ref, task.Number, task.At = "R1", "T-10001", 77
	item := server.Row{Crew: "north", Kind: op.Item, ID: NewID(), Version: 2, TaskID: task.ID, Fields: `{"label":"naïve ☃"}`, Registers: `[]`}
	gone := server.Row{Crew: "south", Kind: op.Task, ID: task.ID, Version: 1, Gone: true, Fields: `{}`, Registers: `[]`}
	out := server.Outcome{User: "ann", OpID: NewID(), Device: NewID(), Seq: 7, Crew: "north", Version: 1, Kind: op.Task, Entity: task.ID, At: 5, Result: `{"outcome":"applied"}`, State: true}
	put(t, s, server.Effects{Crews: []server.Crew{{Name: "north", Version: 2, Number: 10001}, {Name: "south", Version: 1}},
		Rows: []server.Row{task, item, gone}, Outcomes: []server.Outcome{out}})

	l := load(t, s, server.Needs{Crews: []string{"north", "south"}, User: "ann", OpIDs: []string{out.OpID, NewID()}, Device: out.Device, Seqs: []int64{7, 8},
		Records: []server.Ref{{Kind: op.Task, ID: task.ID}, {Kind: op.Task, ID: NewID()}}, Children: []string{task.ID}, Refs: []string{"R1", "R2"}})
	if l.Crews["north"] != (server.Crew{Name: "north", Version: 2, Number: 10001}) {
		t.Errorf("crew read back as %+v", l.Crews["north"])
	}
	if len(l.Rows) != 2 || !contains(l.Rows, task) || !contains(l.Rows, item) {
		t.Errorf("rows read back as %+v; want the task once (not the gone one) and its item", l.Rows)
	}
	if len(l.Outcomes) != 1 || l.Outcomes[out.OpID] != out {
		t.Errorf("outcome read back as %+v", l.Outcomes)
	}
	if len(l.Seqs) != 1 || l.Seqs[7] != out.OpID {
		t.Errorf("seqs read back as %v", l.Seqs)
	}
	other := load(t, s, server.Needs{Crews: []string{"south"}, User: "bob", OpIDs: []string{out.OpID}, Device: NewID(), Seqs: []int64{7},
		Records: []server.Ref{{Kind: op.Task, ID: task.ID}}, Children: []string{task.ID}, Refs: []string{"R1"}})
	if len(other.Rows)+len(other.Outcomes)+len(other.Seqs) != 0 {
		t.Errorf("another crew, user and device see %+v", other)
	}
	next := task
	next.Version, next.Ref, next.Fields = 3, "", `{"title":"y"}`
	heir := row("north", NewID(), 4)
	heir.Ref = "R1"
	put(t, s, server.Effects{Crews: []server.Crew{{Name: "north", Version: 4, Number: 10001}}, Rows: []server.Row{heir, next}})
	l = load(t, s, server.Needs{Crews: []string{"north"}, Records: []server.Ref{{Kind: op.Task, ID: task.ID}}, Refs: []string{"R1"}})
	if len(l.Rows) != 2 || !contains(l.Rows, next) || !contains(l.Rows, heir) {
		t.Errorf("after a ref changed hands: %+v", l.Rows)
	}
}

func contains(rows []server.Row, r server.Row) bool {
	for _, x := range rows {
		if x == r {
			return true
		}
	}
	return false
}

func testChanges(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	me, you, him := NewID(), NewID(), NewID()
	e := server.Effects{Crews: []server.Crew{{Name: "north", Version: 5}, {Name: "south", Version: 2}}}
	for v := int64(1); v <= 4; v++ {
		e.Rows = append(e.Rows, row("north", fmt.Sprint("n", v), v))
	}
	e.Rows[1].Deleted, e.Rows[2].Gone = true, true
	e.Rows = append(e.Rows, row("south", "s2", 2))
	for i, c := range []struct{ winner, loser string }{{me, you}, {you, him}, {him, me}} {
		e.Conflicts = append(e.Conflicts, server.ConflictRow{Crew: "north", Version: 3 + int64(i), ID: NewID(), Winner: c.winner, Loser: c.loser, Body: `{}`})
	}
	put(t, s, e)

	for name, c := range map[string]struct {
		q         server.ChangesQuery
		rows      string
		conflicts string
	}{
		"start":    {server.ChangesQuery{Spans: []server.Span{{Crew: "north"}, {Crew: "south"}}, Rows: 9, Conflicts: 9, Devices: []string{me}}, "n1 n4 s2", "3 5"},
		"later":    {server.ChangesQuery{Spans: []server.Span{{Crew: "north", Since: 1}, {Crew: "south", Since: 2}}, Rows: 9, Conflicts: 9, Devices: []string{you}}, "n2 n3 n4", "3 4"},
		"cut":      {server.ChangesQuery{Spans: []server.Span{{Crew: "north", Since: 1}, {Crew: "south", Since: 1}}, Rows: 2, Conflicts: 1, Devices: []string{me}}, "n2 n3", "3"},
		"stranger": {server.ChangesQuery{Spans: []server.Span{{Crew: "south", Since: 1}}, Rows: 9, Conflicts: 9, Devices: []string{NewID()}}, "s2", ""},
		"no crew":  {server.ChangesQuery{Rows: 9, Conflicts: 9, Devices: []string{me}}, "", ""},
	} {
		feed, err := s.Changes(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		var rows, conflicts []string
		for _, r := range feed.Rows {
			rows = append(rows, r.ID)
		}
		for _, r := range feed.Conflicts {
			conflicts = append(conflicts, fmt.Sprint(r.Version))
		}
		if got := fmt.Sprint(rows, conflicts); got != "["+c.rows+"] ["+c.conflicts+"]" {
			t.Errorf("%s: %s; want [%s] [%s]", name, got, c.rows, c.conflicts)
		}
		for _, span := range c.q.Spans {
			if want := map[string]int64{"north": 5, "south": 2}[span.Crew]; feed.Crews[span.Crew].Version != want {
				t.Errorf("%s: head of %s is %d, not %d", name, span.Crew, feed.Crews[span.Crew].Version, want)
			}
		}
	}
}

func testTasks(t *testing.T, s server.Store) {
	crew(t, s, "north", "south")
	e := server.Effects{}
	for i, id := range []string{"aaaa1", "aaaa2", "bbbb3", "cccc4"} {
		r := row("north", id, int64(i+1))
		r.Number, r.Ref = fmt.Sprint("T-", i), fmt.Sprint("R", i)
		e.Rows = append(e.Rows, r)
	}
	e.Rows[3].Deleted, e.Rows[3].Ref = true, ""
	e.Rows = append(e.Rows, row("south", "aaaa5", 1))
	put(t, s, e)
	both := []string{"north", "south"}
	for name, c := range map[string]struct {
		q    server.TaskQuery
		want string
	}{
		"all":     {server.TaskQuery{Crews: both, Limit: 9}, "[aaaa1 aaaa2 bbbb3 aaaa5]"},
		"page":    {server.TaskQuery{Crews: both, Limit: 2, After: &server.Row{Crew: "north", ID: "aaaa2"}}, "[bbbb3 aaaa5]"},
		"crew":    {server.TaskQuery{Crews: []string{"south"}, Limit: 9}, "[aaaa5]"},
		"number":  {server.TaskQuery{Crews: both, Match: "T-1", Limit: 9}, "[aaaa2]"},
		"ref":     {server.TaskQuery{Crews: both, Match: "R2", Limit: 9}, "[bbbb3]"},
		"prefix":  {server.TaskQuery{Crews: both, Match: "aaaa", Limit: 9}, "[aaaa1 aaaa2 aaaa5]"},
		"deleted": {server.TaskQuery{Crews: both, Match: "cccc4", Limit: 9}, "[]"},
	} {
		rows, err := s.Tasks(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		if got := fmt.Sprint(ids); got != c.want {
			t.Errorf("%s: %s; want %s", name, got, c.want)
		}
	}
	crews, err := s.Crews(t.Context())
	if err != nil || len(crews) != 2 || crews[0].Records != 3 || crews[0].Tasks != 3 || crews[1].Records != 1 {
		t.Errorf("crews: %+v, %v", crews, err)
	}
}
