package exchange_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

const rows = "external_ref,title\nA,One\nB,Two\nC,Three\nD,Four\n"

func TestAShrunkenSourceCancelsOnlyWhenTold(t *testing.T) {
	d := newDesk(t)
	d.take(rows, exchange.Options{})
	own, err := d.db.AddTask(t.Context(), op.Fields{"title": "By hand"})
	if err != nil {
		t.Fatal(err)
	}
	d.take(`[{"external_ref":"OTHER-1","title":"Of another source"}]`, exchange.Options{})
	if err := d.db.SetStatus(t.Context(), d.task("C").ID, localdb.Step{To: op.InProgress}); err != nil {
		t.Fatal(err)
	}
	if err := d.db.SetStatus(t.Context(), d.task("D").ID, localdb.Step{To: op.Cancelled, Reason: "customer"}); err != nil {
		t.Fatal(err)
	}
	shrunk := readText(t, "external_ref,title\nA,One\n", exchange.Options{})
	wantNothing(t, d.plan(shrunk, exchange.PlanOptions{}))
	p := d.plan(shrunk, exchange.PlanOptions{Prune: true, PruneRef: "B"})
	if fmt.Sprint(p.Pruned[0].Ref, len(p.Pruned), p.Begun) != "B1 0" {
		t.Errorf("%+v", p.Pruned)
	}
	p = d.plan(shrunk, exchange.PlanOptions{Prune: true})
	if len(p.Pruned) != 2 || p.Begun != 1 || p.Changes != 2 {
		t.Errorf("%+v, %d begun, %d changes", p.Pruned, p.Begun, p.Changes)
	}
	var b strings.Builder
	if err := p.Print(&b); err != nil || !strings.Contains(b.String(), "does not speak of them any more: 2 tasks") || !strings.Contains(b.String(), "  B    Two") {
		t.Errorf("%v:\n%s", err, b.String())
	}
	d.write(shrunk, exchange.PlanOptions{Prune: true, PruneRef: "B"})
	if v := d.task("B"); v.Status != op.Cancelled || v.Fields["reason"] != "other" || v.Fields.Text("reason_text") == "" {
		t.Errorf("B is %v", v.Fields)
	}
	if v := d.task("C"); v.Status != op.InProgress {
		t.Errorf("what was begun is %s", v.Status)
	}
	if v, err := d.db.Task(t.Context(), own); err != nil || v.Status != op.Pending {
		t.Errorf("what no import made is %s, %v", v.Status, err)
	}
	wantNothing(t, d.plan(shrunk, exchange.PlanOptions{Prune: true, PruneRef: "B"}))
	d.take(rows, exchange.Options{}) // it is back in the source, and stays cancelled: nobody said otherwise
	if v := d.task("B"); v.Status != op.Cancelled {
		t.Errorf("B is %s", v.Status)
	}
}

func TestWhatCannotBeToldPrunesNothing(t *testing.T) {
	d := newDesk(t)
	d.take(rows, exchange.Options{})
	for name, c := range map[string]struct {
		text string
		o    exchange.PlanOptions
		want string
	}{
		"no rows":      {"external_ref,title\n", exchange.PlanOptions{Prune: true}, "no task with an external_ref"},
		"no keys":      {"title\nOne\n", exchange.PlanOptions{Prune: true}, "no task with an external_ref"},
		"a bad row":    {"external_ref,title,due_at\nA,One,soon\nB,Two,\n", exchange.PlanOptions{Prune: true, SkipBad: true}, "1 row is bad"},
		"sites alone":  {"site.code,site.name\nM1,Mill\n", exchange.PlanOptions{Prune: true}, "no task with an external_ref"},
		"a technician": {"external_ref,title\nA,One\n", exchange.PlanOptions{Prune: true, Role: op.Technician}, "cannot become CANCELLED"},
	} {
		_, err := readText(t, c.text, exchange.Options{}).Plan(t.Context(), d.target, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(withHint(err), "Try:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A row that is not taken leaves nothing behind, its site neither.
func TestARefusedRowMakesNoSite(t *testing.T) {
	d := newDesk(t)
	const text = "external_ref,title,site.code,site.name,site.city\nA,One,M1,Mill,\nB,,M2,Barn,\nC,,M1,Mill,Elsewhere\n"
	p := d.write(readText(t, text, exchange.Options{}), exchange.PlanOptions{SkipBad: true})
	wantTally(t, p, op.Site, exchange.Tally{New: 1})
	if len(p.Bad) != 2 || d.task("A").Site.Fields["city"] != nil {
		t.Errorf("%v; the site is %v", p.Bad, d.task("A").Site.Fields)
	}
	if ids, err := d.db.RefIDs(t.Context(), op.Site, "code", []string{"M2"}); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
}
