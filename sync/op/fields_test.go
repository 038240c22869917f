package op_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/punchlist/sync/op"
)

func TestFieldsJSON(t *testing.T) {
	tests := []struct {
		name, in, want string // want "": refused
	}{
		{"an object", `{"a":"x","b":3,"c":true,"d":null}`, `a=string x, b=int64 3, c=bool true, d=<nil> <nil>`},
		{"the object in a string", `"{\"a\":\"x\",\"b\":3}"`, `a=string x, b=int64 3`},
		{"blanks in the string", `" { \"a\" : 1 } "`, `a=int64 1`},
		{"null", `null`, ``},
		{"a real", `{"a":1.5}`, `a=float64 1.5`},
		{"a whole real is an integer", `{"a":1000.0,"b":1e3}`, `a=int64 1000, b=int64 1000`},
		{"milliseconds keep every digit", `{"a":1763800000123}`, `a=int64 1763800000123`},
		{"the greatest integer", `{"a":9223372036854775807}`, `a=int64 9223372036854775807`},
		{"beyond it", `{"a":9223372036854775808}`, `a=float64 9.223372036854776e+18`},
		{"escapes", `{"a":"\u00e9\n"}`, "a=string é\n"},
		{"empty", `{}`, ``},
	}
	for _, tt := range tests {
		var f op.Fields
		if err := json.Unmarshal([]byte(tt.in), &f); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := typed(f); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	for _, bad := range []string{`{"a":[1]}`, `{"a":{"b":1}}`, `"{\"a\":[]}"`, `[1]`, `3`, `true`, `""`, `"x"`, `"\"{}\""`, `{"a":1e999}`, "{\"a\":\"\xff\"}", "\"{\\\"a\\\":\\\"\xff\\\"}\""} {
		var f op.Fields
		if err := json.Unmarshal([]byte(bad), &f); err == nil {
			t.Errorf("%s was taken as %s", bad, typed(f))
		}
	}
}

// typed is fields with their Go types, by name.
func typed(f op.Fields) string {
	out := ""
	for _, name := range []string{"a", "b", "c", "d"} {
		if v, ok := f[name]; ok {
			if out != "" {
				out += ", "
			}
			out += fmt.Sprintf("%s=%T %v", name, v, v)
		}
	}
	return out
}

// TestFieldsSurviveJSON: what is sent is what arrives, in both forms.
func TestFieldsSurviveJSON(t *testing.T) {
	scalar := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(i int64) any { return i }),
		rapid.Map(rapid.Float64(), func(x float64) any { return x }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil))
	rapid.Check(t, func(t *rapid.T) {
		f := op.Fields(rapid.MapOf(rapid.String(), scalar).Draw(t, "fields"))
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		quoted, _ := json.Marshal(string(text))
		for _, in := range [][]byte{text, quoted} {
			var got op.Fields
			if err := json.Unmarshal(in, &got); err != nil {
				t.Fatalf("%s: %v", in, err)
			}
			for name, v := range f {
				if !op.Equal(got[name], v) || len(got) != len(f) {
					t.Fatalf("%s: %q was %v and came back as %v", in, name, v, got[name])
				}
			}
		}
	})
}

// TestFieldsAreWrittenAsMaps: the quick way writes what encoding/json writes of a map.
func TestFieldsAreWrittenAsMaps(t *testing.T) {
	f := op.Fields{"a": "x", "b": int64(-3), "c": 1.5, "d": true, "e": nil, "f": "<é>\u2028\"\\\n\x7f", "g&": "\xff", "": "", "h": int64(math.MinInt64), "i": 1e21}
	for _, f := range []op.Fields{f, {}, nil} {
		want, err := json.Marshal(map[string]any(f))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(f)
		direct, err2 := f.MarshalJSON()
		if err != nil || err2 != nil || string(got) != string(want) || string(direct) != string(want) {
			t.Errorf("%s, %s, %v, %v; want %s", got, direct, err, err2, want)
		}
	}
	if text, err := json.Marshal(op.Fields{"x": math.Inf(1)}); err == nil {
		t.Errorf("infinity was written: %s", text)
	}
}

// FuzzFields: the quick way and the slow one read the same. A blank behind the
// bracket makes it the slow one.
func FuzzFields(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":"x","b":3,"c":true,"d":null,"e":false}`, `{"a":-0}`, `{"a":01}`, `{"a":1.5}`, `{"a":1E3}`, `{"a":-}`, `{"a":"\u00e9"}`, `{"a":"é"}`, "{\"a\":\"\xff\"}",
		`{"a":999999999999999999,"b":1000000000000000000}`, `{"a":9223372036854775808}`, `{"a":1,"a":2}`, `{"a":[1],"a":2}`, `{"a":{}}`, `{"a":1,}`, `{"a"}`, `{,}`, `{"a":truex}`, `{"a":nul`, `{"a":1}x`, `{"a":1`, `{"a":"x`, `{"":""}`, "{\"a\":\"\t\"}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.HasPrefix(text, "{") {
			return
		}
		quick, err := op.ParseFields(text)
		var slow op.Fields
		err2 := json.Unmarshal([]byte("{ "+text[1:]), &slow)
		if (err == nil) != (err2 == nil) || err == nil && !maps.Equal(quick, slow) {
			t.Errorf("%q: %#v, %v; slowly %#v, %v", text, quick, err, slow, err2)
		}
	})
}

func TestOpJSON(t *testing.T) {
	in := `{"op_id":"o","seq":42,"group":"g","entity_type":"task","entity_id":"e","action":"UPDATE",
	 "payload":{"status":"COMPLETED","updated_at":1763800000123},"prev":{"status":"IN_PROGRESS"},"base":17,"created_at":5,"schema":1}`
	var o op.Op
	if err := json.Unmarshal([]byte(in), &o); err != nil {
		t.Fatal(err)
	}
	if o.Seq != 42 || o.Base != 17 || o.Kind != op.Task || o.Time() != 1763800000123 || o.Prev.Text("status") != "IN_PROGRESS" {
		t.Errorf("%+v", o)
	}
	delete(o.Fields, op.UpdatedAt)
	if o.Time() != 5 {
		t.Errorf("without updated_at the time is %d, want created_at", o.Time())
	}
}

func TestFieldReaders(t *testing.T) {
	f := op.Fields{"s": "x", "i": int64(3), "r": 2.75, "b": true, "n": nil}
	if f.Text("s") != "x" || f.Text("i") != "" || f.Text("none") != "" {
		t.Error("Text")
	}
	if f.Int("i") != 3 || f.Int("r") != 2 || f.Int("s") != 0 || f.Int("n") != 0 {
		t.Error("Int")
	}
	if x, ok := f.Real("r"); x != 2.75 || !ok {
		t.Error("Real of a real")
	}
	if x, ok := f.Real("i"); x != 3 || !ok {
		t.Error("Real of an integer")
	}
	if _, ok := f.Real("s"); ok {
		t.Error("Real of text")
	}
	if !f.Bool("b") || f.Bool("s") || f.Bool("none") {
		t.Error("Bool")
	}
}

func TestEqual(t *testing.T) {
	for _, pair := range [][2]any{{int64(3), 3.0}, {3.0, int64(3)}, {nil, op.Fields{}["absent"]}, {"a", "a"}, {true, true}} {
		if !op.Equal(pair[0], pair[1]) {
			t.Errorf("%v and %v differ", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]any{{int64(3), "3"}, {int64(1), true}, {nil, ""}, {nil, int64(0)}, {nil, false}, {3.5, int64(3)}, {"a", "A"}} {
		if op.Equal(pair[0], pair[1]) {
			t.Errorf("%v and %v are equal", pair[0], pair[1])
		}
	}
}

// TestSchema holds the tables of fields against the rules that they rest on.
func TestSchema(t *testing.T) {
	registers := map[op.Kind]map[string]string{ // the groups, as the model names them
		op.Task: {"status": "status", "reason": "status", "reason_text": "status", "started_at": "status", "completed_at": "status",
			"completed_by": "status", "recipient_name": "status", "window_start": "window", "window_end": "window"},
		op.Item: {"outcome": "outcome", "value": "outcome", "done_by": "outcome", "done_at": "outcome"},
		op.Site: {"lat": "position", "lon": "position"},
	}
	for _, kind := range op.Kinds {
		if len(op.SchemaOf(kind)) == 0 {
			t.Errorf("%s has no fields", kind)
		}
		for _, f := range op.SchemaOf(kind) {
			want := registers[kind][f.Name]
			if want == "" {
				want = f.Name
			}
			if got := op.RegisterOf(kind, f.Name); got != want {
				t.Errorf("%s.%s is of the register %s, want %s", kind, f.Name, got, want)
			}
			again, ok := op.FieldOf(kind, f.Name)
			if !ok || again.Name != f.Name || f.Name == op.Deleted || f.Name == op.UpdatedAt {
				t.Errorf("%s.%s: %+v", kind, f.Name, again)
			}
		}
		if parent := op.ParentField(kind); parent != "" {
			if f, _ := op.FieldOf(kind, parent); f.Type != op.ID || !f.Required {
				t.Errorf("%s hangs on %s, which is %+v", kind, parent, f)
			}
		}
	}
	for register, first := range map[string]string{"status": "status", "window": "window_start", "title": "title", "tag.x": "tag.x", op.Deleted: op.Deleted} {
		if got := op.Members(op.Task, register)[0]; got != first {
			t.Errorf("the register %s leads with %s, want %s", register, got, first)
		}
	}
	if _, ok := op.FieldOf("invoice", "title"); ok || op.SchemaOf("invoice") != nil {
		t.Error("a kind that is none has fields")
	}
}
