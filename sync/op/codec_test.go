package op_test

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"example.com/punchlist/sync/op"
)

// What is hashed must be the same bytes for ever, whoever writes them.
func TestFieldsAreWrittenAsEncodingJSONWrites(t *testing.T) {
	scalar := rapid.OneOf(
		rapid.String().AsAny(), rapid.StringOfN(rapid.RuneFrom([]rune("a<>&\"\\\u2028\u007f\x00é ")), 0, 8, -1).AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil))
	rapid.Check(t, func(t *rapid.T) {
		f := op.Fields{}
		for name, v := range rapid.MapOf(rapid.String(), scalar).Draw(t, "fields") {
			if raw, ok := v.([]byte); ok {
				v = string(raw) // text that is not valid UTF-8 too
			}
			f[name] = v
		}
		want, wantErr := json.Marshal(map[string]any(f))
		got, err := f.AppendJSON([]byte("x"))
		if (err == nil) != (wantErr == nil) || err == nil && string(got) != "x"+string(want) {
			t.Fatalf("%s, %v; want %s, %v", got, err, want, wantErr)
		}
	})
	for _, f := range []op.Fields{nil, {}, {"a": math.Inf(1)}, {"a": 1e21}, {"a": 0.1}} {
		want, wantErr := json.Marshal(map[string]any(f))
		got, err := f.AppendJSON(nil)
		if (err == nil) != (wantErr == nil) || err == nil && string(got) != string(want) {
			t.Errorf("%v: %s, %v; want %s, %v", f, got, err, want, wantErr)
		}
	}
}

// A record's sum is that of what the server tells of it.
func TestSumOfARecordIsThatOfItsState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := &op.Record{Kind: op.Kind(rapid.String().Draw(t, "kind")), ID: rapid.String().Draw(t, "id"), Crew: rapid.String().Draw(t, "crew"),
			Version: rapid.Int64().Draw(t, "version"), Deleted: rapid.Bool().Draw(t, "deleted"), Fields: op.Fields{},
			Registers: map[string]op.Register{"title": {Time: rapid.Int64().Draw(t, "time")}}}
		names := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"id", "crew", "title", "version", "deleted", "updated_at"}))
		values := rapid.OneOf(rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil))
		for name, v := range rapid.MapOf(names, values).Draw(t, "fields") {
			rec.Fields[name] = v
		}
		if got, want := rec.Sum(), op.SumOf(rec.Kind, rec.State()); got != want {
			t.Fatalf("%x; want %x", got, want)
		}
	})
}
