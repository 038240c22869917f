package exchange_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

const rounds = "external_ref,title,priority,site.code,site.name,asset\nA,One,high,M1,Mill,Pump\nB,Two,low,M1,Mill,\nC,Three,,,,\n"

func TestSecondImportChangesNothing(t *testing.T) {
	d := newDesk(t)
	p := d.take(rounds, exchange.Options{})
	wantTally(t, p, op.Task, exchange.Tally{New: 3})
	wantTally(t, p, op.Site, exchange.Tally{New: 1})
	if p.Changes != 4 || d.pending() != 4 {
		t.Fatalf("%d changes, %d ops, want 4", p.Changes, d.pending())
	}
	p = d.take(rounds, exchange.Options{})
	wantNothing(t, p)
	wantTally(t, p, op.Task, exchange.Tally{Unchanged: 3})
	wantTally(t, p, op.Site, exchange.Tally{Unchanged: 1})
	if d.pending() != 4 {
		t.Errorf("the second import left %d ops", d.pending())
	}
}

// Each change is an op of its own: a group would not fit into a batch.
func TestOpsAreNoGroup(t *testing.T) {
	d := newDesk(t)
	d.take(rounds, exchange.Options{})
	ops, err := d.db.NextBatch(t.Context(), 100, 1<<20)
	if err != nil || len(ops) != 4 {
		t.Fatalf("%d ops, %v", len(ops), err)
	}
	for _, o := range ops {
		if o.Group != "" {
			t.Errorf("%s %s is in a group", o.Action, o.Kind)
		}
	}
	if ops[0].Kind != op.Site {
		t.Errorf("the %s comes before the site that it names", ops[0].Kind)
	}
}

func TestOnlyWhatChanged(t *testing.T) {
	d := newDesk(t)
	d.take(rounds, exchange.Options{})
	before := d.pending()
	p := d.take(strings.Replace(strings.Replace(rounds, "One,high", "One,low", 1), "Mill,Pump", "Old Mill,Pump", 1), exchange.Options{})
	wantTally(t, p, op.Task, exchange.Tally{Changed: 1, Unchanged: 2})
	wantTally(t, p, op.Site, exchange.Tally{Changed: 1})
	ops, err := d.db.NextBatch(t.Context(), 100, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range ops[before:] {
		delete(o.Fields, op.UpdatedAt)
		if len(o.Fields) != 1 || o.Action != op.Update {
			t.Errorf("%s %s says %v, want the one field that changed", o.Action, o.Kind, o.Fields)
		}
	}
	if d.task("A").Priority != "low" || d.task("A").SiteName != "Old Mill" {
		t.Errorf("A came out as %+v", d.task("A").TaskRow)
	}
}

// Rows that are gone and cells that are blank take nothing away.
func TestNothingIsTakenAway(t *testing.T) {
	d := newDesk(t)
	d.take(rounds, exchange.Options{})
	before := d.dump()
	p := d.take("external_ref,title,priority,site.code,site.name,asset\nA,One,,M1,,\n", exchange.Options{})
	wantNothing(t, p)
	if p.Elsewhere != 2 || d.tasks() != 3 || d.dump() != before {
		t.Errorf("%d elsewhere, %d tasks left", p.Elsewhere, d.tasks())
	}
	var said strings.Builder
	if err := p.Print(&said); err != nil || !strings.Contains(said.String(), "2 tasks here are not in this file; nothing was closed") {
		t.Errorf("the person was told:\n%s", said.String())
	}
}

// Constants are for new tasks: what the office changed since stays changed.
func TestConstantsAreForNewTasks(t *testing.T) {
	d := newDesk(t)
	o := exchange.Options{Map: []string{"title=T", "external_ref=R", "priority==low", "site.code=R", "site.city==York"}}
	d.take("R,T\nA,One\n", o)
	a := d.task("A")
	if a.Priority != "low" || a.Site.Fields["city"] != "York" {
		t.Fatalf("A came out as %v, %v", a.Fields, a.Site)
	}
	if err := d.db.EditTask(t.Context(), a.ID, op.Fields{"priority": "high"}); err != nil {
		t.Fatal(err)
	}
	p := d.take("R,T\nA,One\nB,Two\n", o)
	wantTally(t, p, op.Task, exchange.Tally{New: 1, Unchanged: 1})
	if d.task("A").Priority != "high" {
		t.Error("the import set back what a person had changed")
	}
}

func TestDeletedStaysDeleted(t *testing.T) {
	d := newDesk(t)
	d.take(rounds, exchange.Options{})
	if err := d.db.DeleteTask(t.Context(), d.task("B").ID); err != nil {
		t.Fatal(err)
	}
	p := d.take(rounds, exchange.Options{})
	wantNothing(t, p)
	if p.Deleted != 1 || d.tasks() != 2 {
		t.Errorf("%d told as deleted, %d tasks", p.Deleted, d.tasks())
	}
}

func TestOnlyNew(t *testing.T) {
	d := newDesk(t)
	d.take(rounds, exchange.Options{})
	text := strings.ReplaceAll(strings.ReplaceAll(rounds, "One", "Changed"), "Mill", "Other") + "D,Four,,M2,Dam,\n"
	p := d.write(readText(t, text, exchange.Options{}), exchange.PlanOptions{OnlyNew: true})
	wantTally(t, p, op.Task, exchange.Tally{New: 1, Unchanged: 3})
	wantTally(t, p, op.Site, exchange.Tally{New: 1, Unchanged: 1})
	if a := d.task("A"); a.Title != "One" || a.SiteName != "Mill" {
		t.Errorf("A was touched: %+v", a.TaskRow)
	}
}

func TestSkipBad(t *testing.T) {
	d := newDesk(t)
	text := rounds + "D,Four,soon,,,\nE,Five,high,,,\n"
	f := readText(t, text, exchange.Options{})
	if err := d.plan(f, exchange.PlanOptions{}).Write(t.Context(), d.target, nil); err == nil || d.tasks() != 0 {
		t.Fatalf("a file with a bad row was imported: %v, %d tasks", err, d.tasks())
	}
	p := d.write(f, exchange.PlanOptions{SkipBad: true})
	wantBad(t, p.Bad, "line 5, column 3 (priority)")
	wantTally(t, p, op.Task, exchange.Tally{New: 4})
}

// A plan alone writes nothing: that is the dry run.
func TestPlanWritesNothing(t *testing.T) {
	d := newDesk(t)
	p := d.plan(readText(t, rounds, exchange.Options{}), exchange.PlanOptions{})
	if p.Changes != 4 || d.tasks() != 0 || d.pending() != 0 {
		t.Errorf("%d changes planned, %d tasks and %d ops written", p.Changes, d.tasks(), d.pending())
	}
}

// An import that is stopped half-way leaves nothing behind.
func TestStoppedImportLeavesNothing(t *testing.T) {
	d := newDesk(t)
	p := d.plan(readText(t, rounds, exchange.Options{}), exchange.PlanOptions{})
	ctx, stop := context.WithCancel(t.Context())
	err := p.Write(ctx, d.target, func(done int) {
		if done == 2 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || d.tasks() != 0 || d.pending() != 0 {
		t.Errorf("%v, %d tasks, %d ops", err, d.tasks(), d.pending())
	}
}

// Two laptops of a crew that import one file make the same records; another
// crew's are others.
func TestIDsAreTheSameEverywhere(t *testing.T) {
	north, other, south := newDesk(t), newDesk(t), newDesk(t)
	o := exchange.Options{Item: []string{"asset"}, ItemValues: "*=open"}
	for d, crew := range map[*desk]string{north: "north", other: "north", south: "south"} {
		d.write(readText(t, rounds+",Four,,,,Well\n", o), exchange.PlanOptions{Crew: crew})
	}
	if north.dump() != other.dump() {
		t.Errorf("two laptops of a crew differ:\n%s\n%s", north.dump(), other.dump())
	}
	if north.task("A").ID == south.task("A").ID {
		t.Error("two crews share a record")
	}
}

func TestRowsWithoutAKey(t *testing.T) {
	d := newDesk(t)
	const text = "title,asset\nReplace tooth,E\nReplace tooth,E\nReplace tooth,D\n"
	p := d.take(text, exchange.Options{})
	wantTally(t, p, op.Task, exchange.Tally{New: 3})
	wantNothing(t, d.take("title,asset\nReplace tooth,D\nReplace tooth,E\nReplace tooth,E\n", exchange.Options{}))
	// The laptop has joined a crew since.
	p = d.plan(readText(t, text, exchange.Options{}), exchange.PlanOptions{Crew: "north"})
	wantTally(t, p, op.Task, exchange.Tally{Unchanged: 3})
	p = d.take("title,asset\nReplace tooth,E\nReplace bucket,E\n", exchange.Options{})
	wantTally(t, p, op.Task, exchange.Tally{New: 1, Unchanged: 1})
}

// A task that came another way is known by its external_ref too.
func TestTaskMadeByHand(t *testing.T) {
	d := newDesk(t)
	id, err := d.db.AddTask(t.Context(), op.Fields{"title": "One", "status": "PENDING", "external_ref": "A"})
	if err != nil {
		t.Fatal(err)
	}
	d.take(rounds, exchange.Options{})
	if a := d.task("A"); a.ID != id || a.Priority != "high" {
		t.Errorf("A is %s, want %s with the row's priority: %v", a.ID, id, a.Fields)
	}
}

const scored = "external_ref,title,ROOF,CELLAR,LIFT\nA,One, 3,0,N/A\nB,Two,,1,2\n"

var scores = exchange.Options{Map: []string{"title=title", "external_ref=external_ref"}, Items: "ROOF..LIFT", ItemValues: "3=pass,2=pass,1=fail,0=fail,N/A=na"}

func TestChecklist(t *testing.T) {
	d := newDesk(t)
	p := d.take(scored, scores)
	wantTally(t, p, op.Item, exchange.Tally{New: 5})
	got := ""
	for _, it := range d.task("A").Checklist {
		got += it.Fields.Text("label") + " " + it.Fields.Text("outcome") + " " + it.Fields.Text("kind") + ";"
	}
	if want := "ROOF pass pass_fail;CELLAR fail pass_fail;LIFT na pass_fail;"; got != want {
		t.Errorf("A's checklist is %q, want %q", got, want)
	}
	if roof := d.task("A").Checklist[0].Fields; roof["value"] != int64(3) {
		t.Errorf("the score itself is %v", roof["value"])
	}
	if n := len(d.task("B").Checklist); n != 2 {
		t.Errorf("B has %d items, want 2: a blank cell is none", n)
	}
	wantNothing(t, d.take(scored, scores))
	p = d.take(strings.Replace(scored, "One, 3,0", "One,3,2", 1), scores)
	wantTally(t, p, op.Item, exchange.Tally{Changed: 1, Unchanged: 4})
	if p.Changes != 1 || d.task("A").Checklist[1].Fields.Text("outcome") != "pass" {
		t.Errorf("%d changes; the cellar is %v", p.Changes, d.task("A").Checklist[1].Fields)
	}
}

// Who answered goes with the answer that is replaced.
func TestReplacedAnswer(t *testing.T) {
	d := newDesk(t)
	d.take(scored, scores)
	cellar := d.task("A").Checklist[1]
	if err := d.db.AnswerItem(t.Context(), cellar.ID, localdb.Answer{Outcome: "pass"}); err != nil {
		t.Fatal(err)
	}
	d.take(scored, scores)
	rec, err := d.db.Record(t.Context(), op.Item, cellar.ID)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Fields.Text("outcome") != "fail" || rec.Fields["done_at"] != nil {
		t.Errorf("the cellar is %v", rec.Fields)
	}
}

// An open item in a file never takes a technician's answer back.
func TestOpenItems(t *testing.T) {
	d := newDesk(t)
	o := scores
	o.ItemValues = "0=open,1=open,*=skip"
	p := d.take(scored, o)
	wantTally(t, p, op.Item, exchange.Tally{New: 2})
	cellar := d.task("A").Checklist[0]
	if cellar.Fields["outcome"] != nil || cellar.Fields["value"] != nil {
		t.Errorf("an open item holds %v", cellar.Fields)
	}
	if err := d.db.AnswerItem(t.Context(), cellar.ID, localdb.Answer{Outcome: "pass"}); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, d.take(scored, o))
}

func TestItemsOfOneLabel(t *testing.T) {
	d := newDesk(t)
	o := exchange.Options{Map: []string{"title=title", "external_ref=external_ref"}, Item: []string{"BOLT", "BOLT"}, ItemValues: "*=open"}
	const text = "external_ref,title,BOLT\nA,One,x\n"
	p := d.take(text, o)
	wantTally(t, p, op.Item, exchange.Tally{New: 2})
	wantNothing(t, d.take(text, o))
}

// Items that a person added are known by their label, one after the other.
func TestItemsAddedByHand(t *testing.T) {
	d := newDesk(t)
	d.take("external_ref,title\nA,One\n", exchange.Options{})
	for range 2 {
		if _, err := d.db.AddItem(t.Context(), d.task("A").ID, op.Fields{"label": "BOLT"}); err != nil {
			t.Fatal(err)
		}
	}
	p := d.take(`[{"external_ref":"A","title":"One","checklist":[{"label":"BOLT","outcome":"pass"},{"label":"BOLT","outcome":"fail"}]}]`, exchange.Options{})
	wantTally(t, p, op.Item, exchange.Tally{Changed: 2})
	if list := d.task("A").Checklist; len(list) != 2 || list[0].Fields["outcome"] != "pass" || list[1].Fields["outcome"] != "fail" {
		t.Errorf("the checklist is %v", list)
	}
}

func TestItemCellsWithoutATable(t *testing.T) {
	d := newDesk(t)
	o := exchange.Options{Map: []string{"title=title"}, Item: []string{"ROOF"}}
	d.take("title,ROOF\nOne,Pass\nTwo,n/a\nThree,open\n", o)
	f := readText(t, "title,ROOF\nOne,leaks\n", o)
	wantBad(t, f.Bad, `line 2, column 2 (ROOF): "leaks" is no outcome; --item-values "leaks"=pass`)
}

func TestSitesAlone(t *testing.T) {
	d := newDesk(t)
	o := exchange.Options{Map: []string{"site.code=NO", "site.name=NAME", "site.x.lifts=LIFTS"}}
	p := d.take("NO,NAME,LIFTS\n1,Mill,2\n2,Dam,\n", o)
	wantTally(t, p, op.Site, exchange.Tally{New: 2})
	if d.tasks() != 0 || p.Elsewhere != 0 {
		t.Errorf("%d tasks, %d elsewhere", d.tasks(), p.Elsewhere)
	}
	wantNothing(t, d.take("NO,NAME,LIFTS\n2,Dam,\n1,Mill,2\n", o))
	f := readText(t, "NO,NAME,LIFTS\n,Mill,2\n", o)
	wantBad(t, f.Bad, "line 2: the row describes a site but has no site.code")
}

// A task is worth more than its site: a row without the site's code is taken
// without the site, and told.
func TestRowsWithoutASiteCode(t *testing.T) {
	d := newDesk(t)
	o := exchange.Options{Map: []string{"title=WHAT", "external_ref=NO", "site.code=UPRN", "site.name=STREET", "site.city==London"}, Null: []string{"NULL"}}
	p := d.take("NO,WHAT,UPRN,STREET\n1,Cat,77,Mill Lane\n2,Dog,NULL,Dam Road\n3,Fox,,\n4,Owl,,Hill Road\n", o)
	wantTally(t, p, op.Task, exchange.Tally{New: 4})
	wantTally(t, p, op.Site, exchange.Tally{New: 1})
	if len(p.Remarks) != 1 || p.Remarks[0] != "2 rows tell of a site, but not its site.code: taken without a site" {
		t.Errorf("%q", p.Remarks)
	}
	f := readText(t, "NO,WHAT,UPRN,STREET\n2,Dog,,Dam Road\n2,Dog again,,Dam Road\n", o)
	if len(f.Bad) != 1 || len(f.Notes) != 1 || !strings.HasPrefix(f.Notes[0], "1 row tells") {
		t.Errorf("%v, %q", f.Bad, f.Notes)
	}
	if d.task("1").Fields["site_id"] == nil || d.task("2").Fields["site_id"] != nil {
		t.Error("a task at the wrong site")
	}
}
