package exchange_test

import (
	"strings"
	"testing"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

const noteID = "0199a000-0000-7000-8000-0000000000a1"

const oneTask = `{"id":"0199a000-0000-7000-8000-000000000001","title":"Fix the pump","status":"IN_PROGRESS","priority":"high",
"external_ref":"A","tags":["roof","wet"],"x.cost":12.5,"number":"T-7","version":4,"sync":"sent","updated_at":1,"crew":"north",
"site":{"id":"0199a000-0000-7000-8000-0000000000b1","code":"M1","name":"Mill","lat":53,"version":2,"updated_at":5},
"checklist":[{"id":"0199a000-0000-7000-8000-0000000000c1","label":"Valve","kind":"number","value":3.5,"outcome":"done","task_id":"x","version":1},{"label":"Seal"}],
"notes":[{"id":"` + noteID + `","body":"two\nlines","author":"ann","at":1763800000000}],
"time":[{"user":"ann","kind":"work","started_at":1763800000000,"ended_at":1763803600000}],
"history":[{"at":1,"what":"x"}]}`

func TestJSONTask(t *testing.T) {
	for name, text := range map[string]string{
		"an object": oneTask, "an array": "[\n" + oneTask + "\n]", "a line": strings.ReplaceAll(oneTask, "\n", ""),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			p := d.take(text, exchange.Options{})
			a := d.task("A")
			if a.ID != "0199a000-0000-7000-8000-000000000001" || a.Title != "Fix the pump" || a.Status != op.InProgress || a.Fields["tag.wet"] != true || a.Fields["x.cost"] != 12.5 {
				t.Errorf("the task came out as %s %v", a.ID, a.Fields)
			}
			if a.Site == nil || a.Site.ID != "0199a000-0000-7000-8000-0000000000b1" || a.Site.Fields["lat"] != 53.0 {
				t.Errorf("the site came out as %v", a.Site)
			}
			if len(a.Checklist) != 2 || len(a.Notes) != 1 || len(a.Time) != 1 || a.Notes[0].ID != noteID {
				t.Fatalf("%d items, %d notes, %d time entries", len(a.Checklist), len(a.Notes), len(a.Time))
			}
			if p.Changes != 6 {
				t.Errorf("%d changes, want 6", p.Changes)
			}
			wantNothing(t, d.take(text, exchange.Options{}))
		})
	}
}

func TestJSONUpdates(t *testing.T) {
	d := newDesk(t)
	d.take(oneTask, exchange.Options{})
	text := strings.NewReplacer(`"priority":"high"`, `"priority":null`, `"label":"Valve"`, `"label":"Main valve"`, `1763803600000}`, `1763803700000}`,
		`"two\nlines"`, `"another text"`).Replace(oneTask)
	p := d.take(text, exchange.Options{})
	a := d.task("A")
	if a.Fields["priority"] != nil {
		t.Error("null did not empty the priority")
	}
	if a.Checklist[0].Fields.Text("label") != "Main valve" || a.Time[0].Fields.Int("ended_at") != 1763803700000 {
		t.Errorf("%v, %v", a.Checklist[0].Fields, a.Time[0].Fields)
	}
	if a.Notes[0].Fields.Text("body") != "two\nlines" {
		t.Error("a note was changed")
	}
	if p.Changes != 3 {
		t.Errorf("%d changes, want 3", p.Changes)
	}
}

func TestJSONBadTasks(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no object":       {"[\n{\"title\":\"a\"},\n17]", "line 3: is no JSON object"},
		"unknown member":  {"[{\"title\":\"a\",\"priorty\":\"high\"}]", "line 1: priorty: a task has no such field; did you mean priority?"},
		"bad status":      {"[\n\n{\"title\":\"a\",\"status\":\"DONE\"}]", `line 3: status: "DONE" is none of PENDING`},
		"text for a time": {`[{"title":"a","due_at":"tomorrow"}]`, "line 1: due_at: is a whole number"},
		"a list":          {`[{"title":["a"]}]`, `line 1: field "title": holds a list or an object`},
		"foreign id":      {`[{"id":17,"title":"a"}]`, "--map external_ref=id"},
		"no uuid":         {`[{"id":"17","title":"a"}]`, `line 1: id: "17" is not a UUID`},
		"tags":            {`[{"title":"a","tags":"wet"}]`, "tags: is no list of words"},
		"site":            {`[{"title":"a","site":{"name":"Mill"}}]`, "site: has no code"},
		"site id":         {`[{"title":"a","site":{"id":"x","code":"Mill"}}]`, "site: id:"},
		"item":            {`[{"title":"a","checklist":[{"label":"b","outcome":"good"}]}]`, `checklist, item 1: outcome: "good" is none of`},
		"item label":      {`[{"title":"a","checklist":[{"outcome":"pass"}]}]`, "checklist, item 1: label"},
		"items":           {`[{"title":"a","checklist":["b"]}]`, "checklist: is no list of objects"},
		"note":            {`[{"title":"a","notes":[{"body":"b","author":"ann"}]}]`, "notes, entry 1: at: a new note needs it"},
		"time":            {`[{"title":"a","time":[{"user":"ann","kind":"nap","started_at":5}]}]`, `time, entry 1: kind: "nap" is none of`},
		"no title":        {`[{"status":"PENDING"}]`, "line 1: has no title"},
		"a broken line":   {"{\"title\":\"a\"}\n{\"title\":\n{\"title\":\"b\"}\n", "line 2: is broken JSON"},
		"same id twice": {"{\"id\":\"0199a000-0000-7000-8000-000000000001\",\"title\":\"a\"}\n" +
			"{\"id\":\"0199A000-0000-7000-8000-000000000001\",\"title\":\"b\"}\n", `is already in line 1`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			p := d.plan(readText(t, c.text, exchange.Options{}), exchange.PlanOptions{SkipBad: true})
			wantBad(t, p.Bad, c.want)
		})
	}
}

// A file that breaks off is refused as a whole: its rest is missing.
func TestJSONBreaksOff(t *testing.T) {
	for text, want := range map[string]string{
		"[\n{\"title\":\"a\"},\n{\"title\":\"b\"":   "the JSON breaks off in line 3",
		"[\n{\"title\":\"a\"}":                      "the JSON breaks off in line 2",
		"[\n{\"title\":\"a\"},\n{\"title\" \"b\"}]": "line 3 is broken JSON",
		"[{\"title\":\"a\"}]\n{}":                   "there is more behind the end",
	} {
		_, err := exchange.Read(strings.NewReader(text), exchange.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(withHint(err), "Try: ") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Two tasks of the file cannot be one task here, nor one task two.
func TestIDAndReferenceDisagree(t *testing.T) {
	d := newDesk(t)
	d.take(oneTask, exchange.Options{})
	d.take(`[{"id":"0199a000-0000-7000-8000-000000000002","title":"b","external_ref":"B"}]`, exchange.Options{})
	p := d.plan(readText(t, `[{"id":"0199a000-0000-7000-8000-000000000002","title":"b","external_ref":"A"}]`, exchange.Options{}), exchange.PlanOptions{})
	wantBad(t, p.Bad, `its id and its external_ref "A" belong to two tasks`)
	// Another database's export of the same task: the reference decides.
	p = d.take(`[{"id":"0199a000-0000-7000-8000-000000000009","title":"Fix the big pump","external_ref":"A"}]`, exchange.Options{})
	wantTally(t, p, op.Task, exchange.Tally{Changed: 1})
	if d.task("A").ID != "0199a000-0000-7000-8000-000000000001" {
		t.Error("the task changed its id")
	}
	p = d.plan(readText(t, `[{"id":"0199a000-0000-7000-8000-000000000002","title":"b","notes":[{"id":"`+noteID+`","body":"x","author":"y","at":1}]}]`, exchange.Options{}), exchange.PlanOptions{})
	wantBad(t, p.Bad, "belongs to another task")
}

// Any program's flat objects are rows for --map.
func TestForeignJSON(t *testing.T) {
	const text = `[
{"key":1,"what":"Lamp out","state":"open","deep":{"a":1},"gone":null},
{"key":2,"what":"Hole\r\nin the road","state":"closed","more":"x"}]`
	d := newDesk(t)
	o := exchange.Options{Map: []string{"title=what", "external_ref=key", "status=state", "x.more=more", "x.deep=deep"}, Values: []string{"status:open=PENDING,closed=CLOSED"}}
	d.take(text, o)
	one, two := d.task("1"), d.task("2")
	if one.Title != "Lamp out" || one.Fields["x.deep"] != `{"a":1}` || one.Fields["x.more"] != nil {
		t.Errorf("1 came out as %v", one.Fields)
	}
	if two.Title != "Hole in the road" || two.Status != op.Closed {
		t.Errorf("2 came out as %v", two.Fields)
	}
	f := readText(t, strings.Replace(text, "closed", "lost", 1), o)
	wantBad(t, f.Bad, `line 3, column 4 (state): status: "lost" is none of`)
}
