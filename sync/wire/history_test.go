package wire_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"example.com/punchlist/sync/wire"
)

// TestSelfTravels: what a device says of itself arrives with each push and pull,
// as it was said.
func TestSelfTravels(t *testing.T) {
	self := wire.Self{Seen: wire.Seen{"crew & söhne, \"1\"": {Version: 7, Fingerprint: "f7"}, "north": {Version: 1 << 40, Fingerprint: "x"}}, Queues: []string{"q1", "q2"}}
	var got wire.Batch
	var query map[string][]string
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == wire.PathBatch {
			got = readBatch(r)
			answer(w, wire.Results{Seen: self.Seen, Results: []wire.Result{{OpID: "op0", Outcome: "applied"}}})
			return
		}
		query = r.URL.Query()
		answer(w, wire.Changes{Cursor: "c", Seen: self.Seen})
	})
	out, err := c.Push(t.Context(), self, someOps(1))
	if err != nil || !reflect.DeepEqual(got.Seen, self.Seen) || !reflect.DeepEqual(got.Queues, self.Queues) || !reflect.DeepEqual(out.Seen, self.Seen) {
		t.Errorf("push: %+v, answered %+v, %v", got, out, err)
	}
	self.All = true
	page, err := c.Changes(t.Context(), self, "c0", 5)
	var seen wire.Seen
	if len(query["seen"]) == 1 {
		_ = json.Unmarshal([]byte(query["seen"][0]), &seen)
	}
	if err != nil || !reflect.DeepEqual(seen, self.Seen) || !reflect.DeepEqual(query["queues"], []string{"q1,q2"}) || !reflect.DeepEqual(query["all"], []string{"1"}) || !reflect.DeepEqual(page.Seen, self.Seen) {
		t.Errorf("pull: %v, answered %+v, %v", query, page, err)
	}
	if _, err := c.Changes(t.Context(), wire.Self{}, "c0", 5); err != nil || query["seen"] != nil || query["queues"] != nil {
		t.Errorf("a device that was told nothing: %v, %v", query, err)
	}
}

// TestHistoryBelievesOnlyWhatWasAsked: an answer may name no version that the
// device did not.
func TestHistoryBelievesOnlyWhatWasAsked(t *testing.T) {
	var common map[string]int64
	c := start(t, func(w http.ResponseWriter, r *http.Request) { answer(w, wire.Common{Common: common}) })
	past := wire.Past{Seen: map[string][]wire.Mark{"north": {{Version: 9, Fingerprint: "n"}, {Version: 4, Fingerprint: "f"}}}}
	for _, test := range []struct {
		common map[string]int64
		ok     bool
	}{{map[string]int64{"north": 4}, true}, {map[string]int64{"north": 0}, true}, {nil, true}, {map[string]int64{"north": 5}, false}, {map[string]int64{"north": -1}, false}} {
		common = test.common
		got, err := c.History(t.Context(), past)
		if (err == nil) != test.ok || err == nil && got.Common["north"] != test.common["north"] {
			t.Errorf("%v: %v, %v", test.common, got, err)
		}
	}
}

// TestReadmeHistory: the README's examples of a reset are messages of this protocol.
func TestReadmeHistory(t *testing.T) {
	past, common := one[wire.Past](t, "Past"), one[wire.Common](t, "Common")
	known := false
	for _, m := range past.Seen["north"] {
		known = known || m.Version == common.Common["north"]
	}
	if !known {
		t.Errorf("%+v has nothing of %+v", common, past)
	}
	asked, told := one[wire.Batch](t, "Batch").Seen["north"], one[wire.Results](t, "Results").Seen["north"]
	if page := one[wire.Changes](t, "Changes").Seen["north"]; asked.Version >= told.Version || page != told || len(told.Fingerprint) != 43 {
		t.Errorf("seen in the examples: %+v, %+v, %+v", asked, told, page)
	}
}

// TestHistoryOfManyOps: about ever so many ops it asks in several requests.
func TestHistoryOfManyOps(t *testing.T) {
	asked := 0
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		var p wire.Past
		if err := json.NewDecoder(unpacked(r)).Decode(&p); err != nil || len(p.Ops) > wire.MaxOps {
			t.Errorf("%d ops in one request, %v", len(p.Ops), err)
		}
		asked++
		answer(w, wire.Common{Common: map[string]int64{"north": int64(len(p.Seen))}, Known: p.Ops})
	})
	past := wire.Past{Seen: map[string][]wire.Mark{"north": {{Version: 1, Fingerprint: "f"}}}}
	for _, o := range someOps(2*wire.MaxOps + 7) {
		past.Ops = append(past.Ops, o.ID)
	}
	got, err := c.History(t.Context(), past)
	if err != nil || !reflect.DeepEqual(got.Known, past.Ops) || got.Common["north"] != 1 || asked != 4 {
		t.Errorf("%d of %d known, %v, %v in %d requests", len(got.Known), len(past.Ops), got.Common, err, asked)
	}
}
