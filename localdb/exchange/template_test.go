package exchange_test

import (
	"reflect"
	"strings"
	"testing"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
)

func TestReadItems(t *testing.T) {
	want := []op.Fields{{"label": "Pressure", "kind": "number", "required": true, "unit": "bar", "min": 1.5, "max": 3.0, "section": "Boiler"},
		{"label": "Colour", "kind": "choice", "choices": "red\ngreen", "help": "of the flame"}, {"label": "=Seal"}}
	for name, text := range map[string]string{
		"a table":         "Step;Kind;Mandatory;Unit;Min;Max;Section;Options;Help\nPressure;number;yes;bar;1,5;3;Boiler;;\nColour;choice;;;;;;red|green;of the flame\n'=Seal;;;;;;;;\n",
		"a list":          `[{"label":"Pressure","kind":"number","required":true,"unit":"bar","min":1.5,"max":3.0,"section":"Boiler"},{"label":"Colour","kind":"choice","choices":["red","green"],"help":"of the flame"},{"label":"=Seal","outcome":"pass","done_by":"ann","id":"x"}]`,
		"a task with one": `{"title":"Old","status":"CLOSED","checklist":[{"label":"Pressure","kind":"number","required":true,"unit":"bar","min":1.5,"max":3,"section":"Boiler","outcome":"pass","value":2},{"label":"Colour","kind":"choice","choices":"red\ngreen","help":"of the flame"},{"label":"=Seal"}]}`,
	} {
		got, err := exchange.ReadItems(strings.NewReader(text), exchange.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, withHint(err))
			continue
		}
		for i := range got {
			for k, v := range want[i] {
				if !op.Equal(got[i][k], v) {
					t.Errorf("%s, step %d: %s is %v, want %v", name, i+1, k, got[i][k], v)
				}
			}
			if len(got[i]) != len(want[i]) {
				t.Errorf("%s, step %d: %v", name, i+1, got[i])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d steps", name, len(got))
		}
	}
	for text, bad := range map[string]string{
		"label,kind\nA,number\nB,colour\n":     "line 3, column 2 (kind): kind: \"colour\" is none of",
		"label,kind\nA,number\n,text\n":        "line 3: the step has no label",
		"label,weight\nA,3\n":                  `a step has no field "weight"`,
		"kind\nnumber\n":                       "no column is headed label",
		"label\n":                              "the file holds no step",
		`[{"label":"A"},{"kind":"number"}]`:    "has no label",
		`[{"label":"A","nonsense":1}]`:         "nonsense",
		`{"title":"A","checklist":"nonsense"}`: "checklist",
		"":                                     "empty",
	} {
		if _, err := exchange.ReadItems(strings.NewReader(text), exchange.Options{}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v, want %q", text, err, bad)
		}
	}
}

// A template has no --values: what can be done about a word is to write another.
func TestBadKindOfAStep(t *testing.T) {
	_, err := exchange.ReadItems(strings.NewReader("label,kind\nA,colour\n"), exchange.Options{})
	if said := withHint(err); !strings.Contains(said, "none of check, pass_fail, number, text, choice") || !strings.Contains(said, "mend the file") || strings.Contains(said, "--values") {
		t.Errorf("%s", said)
	}
}

// New tasks that bring no checklist get their type's; all others keep what they have.
func TestTemplatesInAnImport(t *testing.T) {
	d := newDesk(t)
	o := exchange.PlanOptions{Templates: map[string][]op.Fields{"inspection": {{"label": "Look", "required": true}, {"label": "Look"}, {"label": "Listen"}}}}
	const text = `[{"title":"Boiler","type":"inspection","external_ref":"A"},{"title":"Own","type":"inspection","external_ref":"B","checklist":[{"label":"Mine"}]},{"title":"Pump","type":"repair","external_ref":"C"}]`
	p := d.write(readText(t, text, exchange.Options{}), o)
	wantTally(t, p, op.Item, exchange.Tally{New: 4})
	labels := func(ref string) (out []string) {
		for _, it := range d.task(ref).Checklist {
			out = append(out, it.Fields.Text("label"))
		}
		return out
	}
	for ref, want := range map[string][]string{"A": {"Look", "Look", "Listen"}, "B": {"Mine"}, "C": nil} {
		if got := labels(ref); !reflect.DeepEqual(got, want) {
			t.Errorf("%s has %v, want %v", ref, got, want)
		}
	}
	wantNothing(t, d.write(readText(t, text, exchange.Options{}), o))
}
