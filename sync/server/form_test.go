package server

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// What is hashed or stored is written by hand for speed. It must be the bytes
// that encoding/json writes: those are what older files hold.
func TestFormsAreThoseOfEncodingJSON(t *testing.T) {
	same := func(t *rapid.T, got string, of any) {
		t.Helper()
		if want, err := json.Marshal(of); err != nil || got != string(want) {
			t.Fatalf("%s\nwant %s (%v)", got, want, err)
		}
	}
	text, number := rapid.String(), rapid.OneOf(rapid.Just(int64(0)), rapid.Int64())
	rapid.Check(t, func(t *rapid.T) {
		d := opDetail{Action: op.Action(text.Draw(t, "action")), Fields: rapid.SliceOf(text).Draw(t, "fields"), Code: op.Code(text.Draw(t, "code")),
			Stamp: number.Draw(t, "stamp"), Content: text.Draw(t, "content")}
		for range rapid.IntRange(0, 3).Draw(t, "links") {
			d.Links = append(d.Links, linkNote{text.Draw(t, "crew"), number.Draw(t, "version"), number.Draw(t, "after"), text.Draw(t, "before")})
		}
		same(t, d.text(), d)
		registers := []stampOf{}
		for range rapid.IntRange(0, 3).Draw(t, "registers") {
			registers = append(registers, stampOf{op.Register{Time: number.Draw(t, "t"), Device: text.Draw(t, "d"), User: text.Draw(t, "u"),
				Version: number.Draw(t, "v"), Seq: number.Draw(t, "q")}, rapid.SliceOfN(text, 1, 3).Draw(t, "of")})
		}
		same(t, string(appendRegisters(nil, registers)), registers)
		plain := wire.Result{Outcome: op.Applied, Version: number.Draw(t, "version"), Stamp: number.Draw(t, "stamp")}
		same(t, PlainResult(plain.Version, plain.Stamp), plain)
	})
}

// No member of a result may be forgotten because the result looks plain.
func TestEveryMemberOfAResultIsStored(t *testing.T) {
	whole := reflect.TypeFor[wire.Result]()
	for i := range whole.NumField() {
		r := wire.Result{Outcome: op.Applied, Version: 3, Stamp: 4}
		field := reflect.ValueOf(&r).Elem().Field(i)
		switch field.Kind() {
		case reflect.String:
			field.SetString("x")
		case reflect.Bool:
			field.SetBool(true)
		case reflect.Int64:
			field.SetInt(7)
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.Map:
			field.Set(reflect.ValueOf(op.Fields{"a": "b"}))
		default:
			t.Fatalf("%s is of a kind that this test does not know", whole.Field(i).Name)
		}
		got := stored(r)
		r.OpID, r.ServerState = "", nil
		if want, err := json.Marshal(r); err != nil || got != string(want) {
			t.Errorf("%s: %s; want %s (%v)", whole.Field(i).Name, got, want, err)
		}
	}
}
