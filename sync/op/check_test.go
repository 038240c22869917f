package op_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"example.com/punchlist/sync/op"
)

func goodOp() op.Op {
	return op.Op{ID: "x", Kind: op.Task, Entity: recordID, Action: op.Insert, CreatedAt: 5,
		Fields: op.Fields{"title": "t", "status": "PENDING", op.UpdatedAt: int64(7)}}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(*op.Op)
		code   op.Code // "" means accepted
		field  string
	}{
		{"a good one", func(*op.Op) {}, "", ""},
		{"unknown kind", func(o *op.Op) { o.Kind = "invoice" }, op.CodeUnknownKind, "entity_type"},
		{"no kind", func(o *op.Op) { o.Kind = "" }, op.CodeUnknownKind, "entity_type"},
		{"unknown action", func(o *op.Op) { o.Action = "insert" }, op.CodeUnknownAction, "action"},
		{"id that is no UUID", func(o *op.Op) { o.Entity = "42" }, op.CodeBadID, "entity_id"},
		{"id as a URN", func(o *op.Op) { o.Entity = "urn:uuid:" + recordID }, op.CodeBadID, "entity_id"},
		{"a note is not changed", func(o *op.Op) { o.Kind, o.Action = op.Note, op.Update }, op.CodeAppendOnly, ""},
		{"a note is not taken back", func(o *op.Op) { o.Kind, o.Action = op.Note, op.Delete }, op.CodeAppendOnly, ""},
		{"no time at all", func(o *op.Op) { delete(o.Fields, op.UpdatedAt); o.CreatedAt = 0 }, op.CodeNoTime, op.UpdatedAt},
		{"a dead clock's time", func(o *op.Op) { o.Fields[op.UpdatedAt] = int64(0); o.CreatedAt = 0 }, "", ""},
		{"a time before 1970", func(o *op.Op) { o.Fields[op.UpdatedAt] = int64(-5) }, "", ""},
		{"timed by created_at", func(o *op.Op) { delete(o.Fields, op.UpdatedAt) }, "", ""},
		{"time as text", func(o *op.Op) { o.Fields[op.UpdatedAt] = "7" }, op.CodeBadValue, op.UpdatedAt},
		{"time null", func(o *op.Op) { o.Fields[op.UpdatedAt] = nil }, op.CodeBadValue, op.UpdatedAt},
		{"INSERT without title", func(o *op.Op) { delete(o.Fields, "title") }, op.CodeRequired, "title"},
		{"INSERT with a title of blanks", func(o *op.Op) { o.Fields["title"] = " \u00a0" }, op.CodeRequired, "title"},
		{"UPDATE without title", func(o *op.Op) { o.Action = op.Update; delete(o.Fields, "title") }, "", ""},
		{"UPDATE that empties the title", func(o *op.Op) { o.Action = op.Update; o.Fields["title"] = nil }, op.CodeRequired, "title"},
		{"DELETE needs no field", func(o *op.Op) { o.Action = op.Delete; o.Fields = nil }, "", ""},
		{"unknown field", func(o *op.Op) { o.Fields["colour"] = "red" }, op.CodeUnknownField, "colour"},
		{"derived field", func(o *op.Op) { o.Fields[op.Number] = "T-1" }, op.CodeDerived, op.Number},
		{"restore", func(o *op.Op) { o.Action = op.Update; o.Fields[op.Deleted] = false }, "", ""},
		{"deleted=true is not a way to delete", func(o *op.Op) { o.Action = op.Update; o.Fields[op.Deleted] = true }, op.CodeBadValue, op.Deleted},
		{"restore in an INSERT", func(o *op.Op) { o.Fields[op.Deleted] = false }, op.CodeBadValue, op.Deleted},
		{"too much text in all", func(o *op.Op) {
			for _, n := range []string{"x.a", "x.b", "x.c", "x.d", "x.e"} {
				o.Fields[n] = strings.Repeat("é", op.MaxLong/2)
			}
		}, op.CodeTooLarge, ""},
		{"too many fields in all", func(o *op.Op) {
			for i := range op.MaxOpBytes / 8 {
				o.Fields["tag."+strings.Repeat("n", i%90+1)+string(rune('a'+i%26))+string(rune(0x4e00+i))] = true
			}
		}, op.CodeTooLarge, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := goodOp()
			tt.change(&o)
			r := op.Check(&o)
			switch {
			case r == nil && tt.code != "":
				t.Errorf("accepted; want %s", tt.code)
			case r != nil && (r.Code != tt.code || r.Field != tt.field):
				t.Errorf("%s of %q (%v); want %s of %q", r.Code, r.Field, r, tt.code, tt.field)
			case r != nil && r.Message == "":
				t.Error("refused without a sentence")
			}
		})
	}
}

// TestCheckFieldValues: what each type of field takes and what it refuses.
func TestCheckFieldValues(t *testing.T) {
	tests := []struct {
		kind  op.Kind
		field string
		in    any
		want  any // nil: as given
		code  op.Code
	}{
		{op.Task, "title", strings.Repeat("日", 200), nil, ""},
		{op.Task, "title", strings.Repeat("日", 201), nil, op.CodeTooLong},
		{op.Task, "title", "e\u0301", "\u00e9", ""},
		{op.Task, "title", "two\nlines", nil, op.CodeBadText},
		{op.Task, "title", "bell\a", nil, op.CodeBadText},
		{op.Task, "title", "nul\x00", nil, op.CodeBadText},
		{op.Task, "title", "c1\u009b31m", nil, op.CodeBadText},
		{op.Task, "title", "right\u202eleft", nil, op.CodeBadText},
		{op.Task, "title", "broken\xff", nil, op.CodeBadText},
		{op.Task, "title", int64(5), nil, op.CodeBadValue},
		{op.Task, "description", "two\n\tlines", nil, ""},
		{op.Task, "description", "carriage\r", nil, op.CodeBadText},
		{op.Task, "description", strings.Repeat("x", op.MaxLong), nil, ""},
		{op.Task, "description", strings.Repeat("x", op.MaxLong+1), nil, op.CodeTooLong},
		{op.Task, "status", "DONE", nil, op.CodeBadValue},
		{op.Task, "priority", "high", nil, ""},
		{op.Task, "priority", "urgent", nil, op.CodeBadValue},
		{op.Task, "priority", nil, nil, ""},
		{op.Task, "due_at", int64(1763800000123), nil, ""},
		{op.Task, "due_at", 1.5, nil, op.CodeBadValue},
		{op.Task, "due_at", "tomorrow", nil, op.CodeBadValue},
		{op.Task, "estimate_minutes", int64(-1), nil, op.CodeBadValue},
		{op.Task, "site_id", strings.ToUpper(recordID), recordID, ""},
		{op.Task, "site_id", "BLD22", nil, op.CodeBadID},
		{op.Task, "tag.hot", true, nil, ""},
		{op.Task, "tag.hot", "yes", nil, op.CodeBadValue},
		{op.Task, "tag.", true, nil, op.CodeUnknownField},
		{op.Task, "tag. x", true, nil, op.CodeUnknownField},
		{op.Task, "x.ref", "a\nb", nil, ""},
		{op.Task, "x.ref", 2.5, nil, ""},
		{op.Task, "x.ref", "esc\x1b[2J", nil, op.CodeBadText},
		{op.Item, "required", int64(1), nil, op.CodeBadValue},
		{op.Item, "min", int64(3), 3.0, ""},
		{op.Item, "min", math.NaN(), nil, op.CodeBadValue},
		{op.Item, "min", math.Inf(1), nil, op.CodeBadValue},
		{op.Item, "value", 7.25, nil, ""},
		{op.Item, "value", "ok", nil, ""},
		{op.Item, "tag.hot", true, nil, op.CodeUnknownField},
		{op.Item, "x.ref", "a", nil, op.CodeUnknownField},
		{op.Site, "lat", 90.0, nil, ""},
		{op.Site, "lat", -90.5, nil, op.CodeBadValue},
		{op.Site, "lon", 180.5, nil, op.CodeBadValue},
		{op.Site, "lon", "12", nil, op.CodeBadValue},
		{op.TimeEntry, "kind", "pause", nil, op.CodeBadValue},
	}
	for _, tt := range tests {
		f := op.Fields{tt.field: tt.in}
		r := op.CheckFields(tt.kind, op.Update, f)
		want := tt.want
		if want == nil {
			want = tt.in
		}
		switch {
		case r == nil && tt.code != "":
			t.Errorf("%s.%s = %.40q accepted; want %s", tt.kind, tt.field, tt.in, tt.code)
		case r != nil && r.Code != tt.code:
			t.Errorf("%s.%s = %.40q: %s (%v); want %q", tt.kind, tt.field, tt.in, r.Code, r, tt.code)
		case r == nil && !op.Equal(f[tt.field], want):
			t.Errorf("%s.%s = %q became %q; want %q", tt.kind, tt.field, tt.in, f[tt.field], want)
		}
	}
}

// TestRefusalIsSafeToShow: what a refusal quotes of hostile input cannot steer a
// terminal or fill a screen.
func TestRefusalIsSafeToShow(t *testing.T) {
	hostile := "\x1b[31m\u202e" + strings.Repeat("x", 5000) + "\xff"
	ops := []func(*op.Op){
		func(o *op.Op) { o.Kind = op.Kind(hostile) },
		func(o *op.Op) { o.Action = op.Action(hostile) },
		func(o *op.Op) { o.Entity = hostile },
		func(o *op.Op) { o.Fields[hostile] = true },
		func(o *op.Op) { o.Fields["x."+hostile] = true },
		func(o *op.Op) { o.Fields["priority"] = hostile },
		func(o *op.Op) { o.Fields["due_at"] = hostile },
		func(o *op.Op) { o.Kind, o.Fields = op.Site, op.Fields{"lat": hostile} },
		func(o *op.Op) { o.Fields["tag.a"] = hostile },
	}
	for i, change := range ops {
		o := goodOp()
		change(&o)
		r := op.Check(&o)
		if r == nil {
			t.Errorf("case %d: accepted", i)
			continue
		}
		text := r.Error() + r.Field
		if text != op.Clean(text, false) || len(text) > 400 {
			t.Errorf("case %d: %.200q", i, text)
		}
	}
}

// TestCheckIsStable: the same op is refused for the same reason every time.
func TestCheckIsStable(t *testing.T) {
	first := ""
	for range 50 {
		o := goodOp()
		for _, name := range []string{"b", "a", "d", "c", "e"} {
			o.Fields[name] = true
		}
		r := op.Check(&o)
		if first == "" {
			first = r.Field
		}
		if r.Field != first {
			t.Fatalf("refused for %s, then for %s", first, r.Field)
		}
	}
}

func TestF83F84Clean(t *testing.T) {
	tests := []struct {
		in, line, long string
	}{
		{"plain", "plain", "plain"},
		{"a\r\nb\rc\n", "a b c ", "a\nb\nc\n"},
		{"tab\there", "tab here", "tab\there"},
		{"\x1b[31mred\x07", "[31mred", "[31mred"},
		{"c1 \u009b2J", "c1 2J", "c1 2J"},
		{"\u202eevil\u2066", "evil", "evil"},
		{"bad\xffbyte", "bad\ufffdbyte", "bad\ufffdbyte"},
		{"e\u0301", "\u00e9", "\u00e9"},
		{"del\x7f", "del", "del"},
		{"one\u2028two\u2029three", "one two three", "one\ntwo\nthree"},
		{"ไทย العربية 日本", "ไทย العربية 日本", "ไทย العربية 日本"},
	}
	for _, tt := range tests {
		if got := op.Clean(tt.in, false); got != tt.line {
			t.Errorf("Clean(%q, line) = %q, want %q", tt.in, got, tt.line)
		}
		if got := op.Clean(tt.in, true); got != tt.long {
			t.Errorf("Clean(%q, long) = %q, want %q", tt.in, got, tt.long)
		}
	}
}

// FuzzClean: cleaned text is accepted by Check, stays as it is when cleaned
// again, and is valid NFC.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a\r\n\tb", "\x1b]0;t\x07", "\u202e\u0085", "\xff\xc0", "e\u0301\u0323", "\u1100\u1161\u11a8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, long := range []bool{false, true} {
			got := op.Clean(s, long)
			if !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) || op.Clean(got, long) != got {
				t.Fatalf("Clean(%q, %v) = %q", s, long, got)
			}
			field := map[bool]string{false: "asset", true: "description"}[long]
			r := op.CheckFields(op.Task, op.Update, op.Fields{field: got})
			if r != nil && r.Code != op.CodeTooLong {
				t.Fatalf("Clean(%q, %v) = %q is refused: %v", s, long, got, r)
			}
		}
	})
}

// FuzzCheck: whatever arrives as an op is refused with a sentence that is safe
// to show, or accepted in a form that is accepted again unchanged and survives
// the way through JSON.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		`{"op_id":"a","entity_type":"task","entity_id":"` + recordID + `","action":"INSERT","payload":{"title":"t","status":"PENDING","updated_at":5}}`,
		`{"entity_type":"site","entity_id":"` + recordID + `","action":"UPDATE","payload":"{\"lat\":1e2,\"updated_at\":1}","created_at":3}`,
		`{"entity_type":"note","entity_id":"` + recordID + `","action":"DELETE","payload":null}`,
		`{"entity_type":"task","entity_id":"` + recordID + `","action":"UPDATE","payload":{"tag.x":true,"x.y":1.5,"deleted":false,"updated_at":-1},"base":-1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var o op.Op
		if json.Unmarshal(b, &o) != nil {
			return
		}
		if r := op.Check(&o); r != nil {
			if text := r.Error(); text != op.Clean(text, false) {
				t.Fatalf("%q is not safe to show", text)
			}
			return
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var again op.Op
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if r := op.Check(&again); r != nil {
			t.Fatalf("accepted once, then refused: %v", r)
		}
		for name, v := range o.Fields {
			if !op.Equal(again.Fields[name], v) {
				t.Fatalf("%s was %v and came back as %v", name, v, again.Fields[name])
			}
		}
		op.Merge(nil, o, author("A"), op.Moment{Now: serverNow, Version: 1})
	})
}
