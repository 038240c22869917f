package localdb_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

func at(d time.Duration) int64 { return start.Add(d).UnixMilli() }

// fill makes 60 tasks over all sections, several with the same due time.
func fill(f *fixture) {
	for i := range 60 {
		due := []any{at(-time.Hour), at(3 * time.Hour), at(100 * time.Hour), nil, at(-30 * time.Hour), at(30 * time.Hour)}[i%6]
		id := f.add(fmt.Sprintf("Task %02d", i), "due_at", due)
		switch i % 10 {
		case 7:
			f.must(f.SetStatus(f.ctx, id, localdb.Step{To: op.InProgress}))
		case 8:
			f.must(f.SetStatus(f.ctx, id, localdb.Step{To: op.Cancelled, Reason: "duplicate"}))
		}
		f.pass(time.Millisecond)
	}
}

func TestPagingForwardAndBackShowsEveryRowOnce(t *testing.T) {
	f := newFixture(t)
	fill(f)
	whole, err := f.Tasks(f.ctx, localdb.Query{Limit: 500, Now: start})
	f.must(err)
	if len(whole.Rows) != 60 || whole.More {
		t.Fatalf("%d rows, more %v", len(whole.Rows), whole.More)
	}
	if !slices.IsSortedFunc(whole.Rows, func(a, b localdb.TaskRow) int { return int(a.Section) - int(b.Section) }) {
		t.Error("sections are mixed")
	}
	for _, r := range whole.Rows {
		if want := localdb.SectionOf(r.Status, r.DueAt, r.WindowEnd, start); r.Section != want {
			t.Errorf("%s stands in section %d, want %d", r.Title, r.Section, want)
		}
	}
	for _, size := range []int{1, 7, 59, 60} {
		for _, back := range []bool{false, true} {
			var got []string
			var from *localdb.Key
			for {
				p, err := f.Tasks(f.ctx, localdb.Query{Limit: size, From: from, Back: back, Now: start})
				f.must(err)
				var ids []string
				for _, r := range p.Rows {
					ids = append(ids, r.ID)
				}
				if back {
					got = append(ids, got...)
				} else {
					got = append(got, ids...)
				}
				if !p.More {
					break
				}
				from = &p.Keys[len(p.Keys)-1]
				if back {
					from = &p.Keys[0]
				}
			}
			var want []string
			for _, r := range whole.Rows {
				want = append(want, r.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d, back %v: %d rows in another order than the whole list", size, back, len(got))
			}
		}
	}
}

func TestFilters(t *testing.T) {
	f := newFixture(t)
	site, err := f.Do(f.ctx, localdb.Change{Kind: op.Site, Action: op.Insert, Fields: op.Fields{"code": "BLD22", "name": "Mill Lane", "city": "Münster"}})
	f.must(err)
	f.add("Pump check", "priority", "high", "assignee", "ann", "due_at", at(time.Hour), "site_id", site.IDs[0], "tag.urgent", true)
	f.add("Boiler", "priority", "emergency", "due_at", at(20*time.Hour), "x.meter", "007", "description", "the old PUMP room")
	f.add("Größe messen", "type", "inspection", "external_ref", "R-1")
	done := f.add("Lift")
	f.must(f.SetStatus(f.ctx, done, localdb.Step{To: op.InProgress}))
	f.must(f.SetStatus(f.ctx, done, localdb.Step{To: op.Completed}))
	f.settle(f.applied(0))
	f.must(f.EditTask(f.ctx, done, op.Fields{"asset": "L1"}))
	cases := map[string]string{
		"":                          "Pump check, Boiler, Größe messen, Lift",
		"pump":                      "Pump check, Boiler",
		"PUMP room":                 "Boiler",
		`"pump room"`:               "Boiler",
		`"room pump"`:               "",
		"GRÖSSE":                    "",
		"GRÖßE":                     "Größe messen",
		"münster":                   "Pump check",
		"status:open":               "Pump check, Boiler, Größe messen",
		"-status:open":              "Lift",
		"status:completed,pending":  "Pump check, Boiler, Größe messen, Lift",
		"priority:high,emergency":   "Pump check, Boiler",
		"assignee:me":               "Pump check",
		"assignee:none":             "Boiler, Größe messen, Lift",
		"due:today":                 "Pump check",
		"due:tomorrow":              "Boiler",
		"due:tue":                   "Boiler",
		"due:<TUE":                  "Pump check",
		"due:<2026-11-24":           "Pump check",
		"due:>=2026-11-24":          "Boiler",
		"due:none":                  "Größe messen, Lift",
		"site:bld22":                "Pump check",
		"tag:urgent":                "Pump check",
		"tag:roof,URGENT":           "Pump check",
		"-tag:urgent status:open":   "Boiler, Größe messen",
		"-tag:roof,urgent lift":     "Lift",
		"x.meter:007":               "Boiler",
		"ref:R-1":                   "Größe messen",
		"type:inspection":           "Größe messen",
		"is:pending":                "Lift",
		"-is:pending priority:high": "Pump check",
	}
	for text, want := range cases {
		filter, err := localdb.ParseFilter(text, start, "ann")
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		page, err := f.Tasks(f.ctx, localdb.Query{Filter: filter, Now: start})
		f.must(err)
		var got []string
		for _, r := range page.Rows {
			got = append(got, r.Title)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%q shows %q, want %q", text, s, want)
		}
		if n, _ := f.CountTasks(f.ctx, filter); n != len(got) {
			t.Errorf("%q counts %d", text, n)
		}
	}
	for text, word := range map[string]string{"colour:red": `"colour:red"`, "status:great": `"great"`, "due:someday": `"someday"`, "is:lost": `"lost"`, `"open`: "quote", "priority:": "colon", "ok priority:urgent": `"urgent"`} {
		if _, err := localdb.ParseFilter(text, start, "ann"); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: got %v, want it to name %s", text, err, word)
		}
	}
}

func TestFindTask(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5, "number", "T-10423")))
	mine := f.add("New one", "external_ref", "A/7")
	temp := localdb.TempNumber(mine)
	for ref, want := range map[string]string{"T-10423": remote, "t-10423": remote, "10423": remote, remote: remote, remote[:8]: remote, temp: mine, strings.ToLower(temp): mine, "A/7": mine} {
		if got, err := f.FindTask(f.ctx, ref); err != nil || got != want {
			t.Errorf("%s: %s %v", ref, got, err)
		}
	}
	for _, ref := range []string{"T-1", "019", "zzzz", "%%%%", ""} {
		if _, err := f.FindTask(f.ctx, ref); err == nil {
			t.Errorf("%q found something", ref)
		}
	}
	f.add("Another")
	if _, err := f.FindTask(f.ctx, "01930000"); err == nil || !strings.Contains(err.Error(), "fits 2 tasks") {
		t.Errorf("an ambiguous prefix: %v", err)
	}
}

func TestBadges(t *testing.T) {
	f := newFixture(t)
	f.hear("1", change(state(remote, 5)))
	row := func() localdb.TaskRow {
		v, err := f.Task(f.ctx, remote)
		f.must(err)
		return v.TaskRow
	}
	if row().Sync != localdb.BadgeSent {
		t.Error(row().Sync)
	}
	if _, err := f.AddNote(f.ctx, remote, "on it", ""); err != nil {
		t.Fatal(err)
	}
	if r := row(); r.Sync != localdb.BadgePending || r.Waiting != 1 || r.Notes != 1 {
		t.Errorf("%+v", r)
	}
}

func TestChangedTellsOfCommits(t *testing.T) {
	f := newFixture(t)
	ch := f.Changed(f.ctx)
	f.add("x")
	<-ch
	other := &fixture{t: t, ctx: f.ctx, path: f.path, read: f.read, n: 1000}
	other.open()
	other.add("y")
	<-ch
}
