package op

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

func state() Fields {
	return Fields{"id": "0193540b-5e00-7c11-9a3c-0c5b8e1f2a44", "version": int64(19), UpdatedAt: int64(1763800500000), Deleted: false, CrewField: "north",
		"title": "Boiler inspection", "status": "ON_HOLD", "lat": 52.5}
}

// TestSumOf: what a record says changes its sum, how it is written does not.
func TestSumOf(t *testing.T) {
	base := SumOf(Task, state())
	same := map[string]func(Fields){
		"an empty field":        func(f Fields) { f["asset"] = nil },
		"a whole number's type": func(f Fields) { f["version"] = 19.0 },
	}
	for name, change := range same {
		f := state()
		if change(f); SumOf(Task, f) != base {
			t.Errorf("%s changes the sum", name)
		}
	}
	different := map[string]func(Fields){
		"a value":                 func(f Fields) { f["title"] = "Boiler inspectioN" },
		"an empty text":           func(f Fields) { f["asset"] = "" },
		"a field less":            func(f Fields) { delete(f, "lat") },
		"a number":                func(f Fields) { f["lat"] = 52.500001 },
		"a number as text":        func(f Fields) { f["version"] = "19" },
		"a truth value as text":   func(f Fields) { f[Deleted] = "false" },
		"a truth value":           func(f Fields) { f[Deleted] = true },
		"a version":               func(f Fields) { f["version"] = int64(20) },
		"a value in another's":    func(f Fields) { f["title"], f["status"] = f["status"], f["title"] },
		"a text with a line more": func(f Fields) { f["title"] = "Boiler inspection\nversion=n2:19" },
	}
	sums := map[Sum]string{base: "nothing"}
	for name, change := range different {
		f := state()
		change(f)
		sum := SumOf(Task, f)
		if other, taken := sums[sum]; taken {
			t.Errorf("%s comes to the same as %s", name, other)
		}
		sums[sum] = name
	}
	if _, taken := sums[SumOf(Site, state())]; taken {
		t.Error("a site comes to the same as a task")
	}
}

// TestDigest: a set comes to the same in whatever order it came to be.
func TestDigest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sums := make([]Sum, 300)
	for i := range sums {
		sums[i] = SumOf(Note, Fields{"id": fmt.Sprint(i)})
	}
	var whole Digest
	for _, s := range sums[:200] {
		whole = whole.With(s)
	}
	var other Digest
	for _, i := range r.Perm(300) {
		other = other.With(sums[i])
	}
	if other == whole {
		t.Error("300 records come to the same as 200")
	}
	for _, i := range r.Perm(100) {
		other = other.Without(sums[200+i])
	}
	if other != whole || whole.Count != 200 {
		t.Errorf("%+v, not %+v", other, whole)
	}
	if twice := whole.With(sums[0]).With(sums[0]); twice == whole {
		t.Error("a record twice counts for nothing")
	}
	text, err := json.Marshal(whole)
	var read Digest
	if err != nil || json.Unmarshal(text, &read) != nil || read != whole {
		t.Errorf("%s, %v, read back as %+v", text, err, read)
	}
	if err := json.Unmarshal([]byte(`{"count":1,"sum":"short"}`), &read); err == nil {
		t.Error("a short sum was read")
	}
}

func TestLeaves(t *testing.T) {
	for id, want := range map[string]uint8{"0193540b-5e00-7c11-9a3c-0c5b8e1f2a44": 0x44, "…ff": 0xff, "00": 0, "zz": 0, "x": 0, "": 0} {
		if got := LeafOf(id); got != want {
			t.Errorf("%q is in leaf %d, not %d", id, got, want)
		}
	}
	var a, b Tally
	for i := range Leaves {
		if name := LeafName(uint8(i)); LeafOf("x"+name) != uint8(i) || len(name) != 2 {
			t.Errorf("leaf %d is called %q", i, name)
		}
		a[i] = Digest{}.With(SumOf(Task, Fields{"id": fmt.Sprint(i)}))
	}
	b = a
	b[7], b[9] = b[9], b[7]
	if got := a.Differing(&b); fmt.Sprint(got) != "[7 9]" || a.Total() != b.Total() {
		t.Errorf("leaves %v differ", got)
	}
	if a.Total().Count != Leaves {
		t.Errorf("%d records in all", a.Total().Count)
	}
}
