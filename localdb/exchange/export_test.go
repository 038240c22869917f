package exchange_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/punchlist/localdb"
	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

func (d *desk) export(format string) string {
	d.t.Helper()
	var b bytes.Buffer
	if err := exchange.Write(&b, format, exchange.Stored(d.t.Context(), d.db, localdb.Filter{}, format == exchange.JSON)); err != nil {
		d.t.Fatal(err)
	}
	return b.String()
}

func TestJSONRoundTrip(t *testing.T) {
	from := newDesk(t)
	from.take(oneTask, exchange.Options{})
	from.take(scored, scores)
	from.take(rounds, exchange.Options{})
	text := from.export(exchange.JSON)
	to := newDesk(t)
	to.take(text, exchange.Options{})
	if to.dump() != from.dump() {
		t.Errorf("exported\n%sand got back\n%s", from.dump(), to.dump())
	}
	wantNothing(t, to.take(text, exchange.Options{}))
	wantNothing(t, from.take(text, exchange.Options{}))
}

func TestCSVRoundTrip(t *testing.T) {
	from := newDesk(t)
	from.take(rounds, exchange.Options{})
	from.take(`[{"title":"=1+1","external_ref":"-5","contact_phone":"+41 44 000 00 00","description":"@home\n\"quoted\", it's","due_at":1763800000123,
		"tags":["wet","on the roof"],"x.a":"007","x.b":7,"x.c":"7","x.d":true,"x.e":"true","x.f":-0.5,"x.g":"-0.5","x.h":"'=x","x.i":"'7","x.j":"TRUE","x.k":1e30,
		"asset":"'quoted'","site":{"code":"+1","name":"=S","lat":-43.5,"lon":79,"x.note":"'+y"}}]`, exchange.Options{})
	text := from.export(exchange.CSV)
	to := newDesk(t)
	to.take(text, exchange.Options{})
	if to.dump() != from.dump() {
		t.Errorf("exported\n%s\n%sand got back\n%s", text, from.dump(), to.dump())
	}
	wantNothing(t, to.take(text, exchange.Options{}))
}

// No cell may begin like a formula, and numbers stay numbers.
func TestFormulasAreNeutralised(t *testing.T) {
	d := newDesk(t)
	d.take(`[{"title":"=HYPERLINK(\"http://x\")","contact_phone":"+41 44","asset":"@SUM(1)","recipient_name":"-1+1","description":"\ttab","tags":["=cmd"],
		"x.text":"=1","x.number":-3,"site":{"code":"=a","name":"+b","lon":-79.5,"lat":1}}]`, exchange.Options{})
	rows, err := csv.NewReader(strings.NewReader(d.export(exchange.CSV))).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	cell := func(name string) string { return rows[1][slices.Index(rows[0], name)] }
	for name, want := range map[string]string{
		"title": `'=HYPERLINK("http://x")`, "contact_phone": "'+41 44", "asset": "'@SUM(1)", "recipient_name": "'-1+1", "description": "'\ttab",
		"tags": "'=cmd", "x.text": "'=1", "x.number": "-3", "site.code": "'=a", "site.name": "'+b", "site.lon": "-79.5",
	} {
		if got := cell(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// The columns do not depend on what the tasks hold, but for the customer's own.
func TestStableColumns(t *testing.T) {
	empty, full := newDesk(t), newDesk(t)
	full.take(rounds, exchange.Options{})
	if a, b := empty.export(exchange.CSV), full.export(exchange.CSV); !strings.HasPrefix(b, a) {
		t.Errorf("the header changed:\n%s\n%s", a, b)
	}
	header := empty.export(exchange.CSV)
	for _, f := range op.SchemaOf(op.Task) {
		if !strings.Contains(","+header, ","+f.Name+",") {
			t.Errorf("%s has no column", f.Name)
		}
	}
	if got := empty.export(exchange.JSON); got != "[\n]\n" {
		t.Errorf("no tasks are %q", got)
	}
}

func TestExportTellsErrors(t *testing.T) {
	broken := errors.New("the disk is gone")
	tasks := func(yield func(exchange.Task, error) bool) { yield(exchange.Task{}, broken) }
	for _, format := range []string{exchange.CSV, exchange.JSON} {
		if err := exchange.Write(&bytes.Buffer{}, format, tasks); !errors.Is(err, broken) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if err := exchange.Write(&bytes.Buffer{}, "xml", tasks); err == nil {
		t.Error("xml was written")
	}
}

// Whatever a field may hold, both formats bring back. Cells are trimmed, so a
// text that begins or ends with a blank is the one thing a table changes.
func TestAnyTextSurvives(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("a7 =+-@'\",;|\n\tü点{}.x")), 1, 12, -1)
	from := newDesk(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		line := strings.TrimSpace(strings.NewReplacer("\n", "", "\t", "").Replace(text.Draw(rt, "line")))
		if line == "" {
			line = "-"
		}
		f := op.Fields{"title": line, "status": "PENDING", "x.a": strings.TrimSpace(text.Draw(rt, "x")), "asset": line, "description": strings.TrimSpace(text.Draw(rt, "long")),
			"x.n": rapid.OneOf(rapid.Map(rapid.Int64(), func(i int64) any { return i }), rapid.Map(rapid.Float64(), func(x float64) any { return x }), rapid.Map(rapid.Bool(), func(b bool) any { return b })).Draw(rt, "n")}
		for name, v := range f {
			if v == "" {
				delete(f, name)
			}
		}
		if _, err := from.db.AddTask(t.Context(), f); err != nil {
			rt.Fatalf("%v: %v", f, err)
		}
		n++
	})
	for _, format := range []string{exchange.CSV, exchange.JSON} {
		to := newDesk(t)
		out := from.export(format)
		p := to.take(out, exchange.Options{})
		if p.Records[op.Task].New != n || to.dump() != from.dump() {
			a, b := strings.Split(from.dump(), "\n"), strings.Split(to.dump(), "\n")
			for i := range a {
				if i >= len(b) || a[i] != b[i] {
					t.Fatalf("%s: exported %s", format, a[i])
				}
			}
		}
		wantNothing(t, from.take(out, exchange.Options{}))
	}
}
