package op_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"example.com/punchlist/sync/op"
)

// checkMerge merges one step and holds the verdict against what must be true of
// every merge, whatever the rule decides. It gives the record afterwards.
func checkMerge(rec *op.Record, s step, n int) (*op.Record, op.Verdict, error) {
	o, at := s.op(op.Task, n), op.Moment{Now: serverNow, Version: int64(n)}
	var before op.Record
	var clone *op.Record
	if rec.Exists() {
		before, clone = *rec.Clone(), rec.Clone()
	}
	payload := o.Fields.Clone()
	v := op.Merge(rec, o, author(s.dev), at)
	after := &before
	if v.Record != nil {
		after = v.Record
	}
	err := errors.Join(
		checkPure(rec, clone, o, payload, v, s, at),
		checkStamps(before, after, at),
		checkOutcome(v, before.Version > 0),
		checkSound(before, after),
		checkNotice(before, after, o, s, v),
		checkFuture(before, after, o, s))
	if after.Version == 0 {
		after = nil
	}
	return after, v, err
}

// checkPure: Merge changes neither argument and has one answer.
func checkPure(rec, clone *op.Record, o op.Op, payload op.Fields, v op.Verdict, s step, at op.Moment) error {
	if rec.Exists() && (!maps.Equal(rec.Fields, clone.Fields) || !maps.Equal(rec.Registers, clone.Registers) ||
		rec.Version != clone.Version || rec.Deleted != clone.Deleted) {
		return fmt.Errorf("the record passed in was changed")
	}
	if !maps.Equal(o.Fields, payload) {
		return fmt.Errorf("the payload passed in was changed")
	}
	if o.Action == op.Delete { // the one that walks all registers
		if again := op.Merge(rec, o, author(s.dev), at); !reflect.DeepEqual(again, v) {
			return fmt.Errorf("merged again, the verdict differs:\n%+v\n%+v", v, again)
		}
	}
	return nil
}

// checkStamps: a register's stamp never goes back, none disappears, and only
// those that carry the new version differ.
func checkStamps(before op.Record, after *op.Record, at op.Moment) error {
	for name, was := range before.Registers {
		is, there := after.Registers[name]
		if !there || is.Time < was.Time {
			return fmt.Errorf("register %s went from stamp %d to %d (there: %v)", name, was.Time, is.Time, there)
		}
	}
	for name, is := range after.Registers {
		if is != before.Registers[name] && is.Version != at.Version {
			return fmt.Errorf("register %s changed without the new version: %+v", name, is)
		}
	}
	return nil
}

// checkOutcome: the outcome is the one that what happened deserves.
func checkOutcome(v op.Verdict, existed bool) error {
	switch v.Outcome {
	case op.Applied:
		if v.Record == nil && !existed {
			return fmt.Errorf("applied, yet there is no record")
		}
	case op.Merged:
		if v.Record == nil || len(v.Conflicts) == 0 {
			return fmt.Errorf("merged with record %v and %d conflicts", v.Record != nil, len(v.Conflicts))
		}
	case op.Conflicted:
		if v.Record != nil {
			return fmt.Errorf("conflict, yet something took effect")
		}
	default:
		return fmt.Errorf("outcome %q", v.Outcome)
	}
	return nil
}

// checkSound: no merge makes a record that no action could have made.
func checkSound(before op.Record, after *op.Record) error {
	for name, v := range after.Fields {
		if v == nil || name == op.Deleted || name == op.UpdatedAt {
			return fmt.Errorf("field %s = %v is kept", name, v)
		}
	}
	for _, f := range op.SchemaOf(op.Task) {
		if f.Required && before.Fields[f.Name] != nil && after.Fields[f.Name] == nil {
			return fmt.Errorf("the required field %s is gone", f.Name)
		}
	}
	if after.Deleted && after.Registers[op.Deleted].Version == 0 {
		return fmt.Errorf("deleted by nobody")
	}
	return nil
}

// lookedAt tells whether the author of an op had the register's value before
// its eyes. It is the test's own reading of the protocol.
func lookedAt(reg op.Register, o op.Op, s step) bool {
	return reg.Version == 0 || reg.Device == s.dev || o.Base != unknown && o.Base >= reg.Version
}

// checkNotice: nobody's value disappears without a conflict that names it,
// unless it was knowingly replaced; and there is no conflict over nothing.
func checkNotice(before op.Record, after *op.Record, o op.Op, s step, v op.Verdict) error {
	loses := map[string]bool{}
	for _, c := range v.Conflicts {
		swallowed := before.Deleted && o.Action == op.Update && c.Winner.Device == s.dev && c.Loser.Device == s.dev
		if (c.Winner.Device == s.dev) == (c.Loser.Device == s.dev) && !swallowed {
			return fmt.Errorf("conflict over %s is between %s and %s", c.Register, c.Winner.Device, c.Loser.Device)
		}
		if maps.Equal(c.Winner.Values, c.Loser.Values) || c.Register == "status" && credited(before, o, c.Register) {
			return fmt.Errorf("conflict over %s, where both say %v", c.Register, c.Winner.Values)
		}
		if c.Winner.Device == "" || c.Loser.Device == "" {
			return fmt.Errorf("conflict over %s with nobody: %+v", c.Register, c)
		}
		wholly := o.Base == unknown || before.Deleted || c.Register == op.Deleted
		if lookedAt(before.Registers[c.Register], o, s) && !wholly {
			return fmt.Errorf("conflict over %s, which its author had seen", c.Register)
		}
		loses[c.Register+" "+c.Loser.Device] = true
	}
	for name, was := range before.Fields {
		register := op.RegisterOf(op.Task, name)
		reg := before.Registers[register]
		gone := !op.Equal(after.Fields[name], was) || after.Deleted && !before.Deleted && o.Base != unknown
		if gone && !lookedAt(reg, o, s) && !loses[register+" "+reg.Device] && !credited(before, o, register) {
			return fmt.Errorf("%s's %s=%v disappeared unseen and untold", reg.Device, name, was)
		}
	}
	for name, want := range o.Fields {
		if o.Action == op.Delete || name == op.UpdatedAt {
			continue
		}
		register := op.RegisterOf(op.Task, name)
		var is any = after.Fields[name]
		if name == op.Deleted {
			is = after.Deleted
		}
		ownLater := ownWord(before, o, s)
		if (!op.Equal(is, want) || after.Deleted) && !loses[register+" "+s.dev] && !ownLater && !credited(before, o, register) {
			return fmt.Errorf("%s's %s=%v did not take effect and nobody told", s.dev, name, want)
		}
	}
	return nil
}

// credited tells whether an op says of the status what the record says already,
// so that the two can only differ in who did it and when.
func credited(before op.Record, o op.Op, register string) bool {
	if register != "status" || o.Fields["status"] == nil || before.Deleted {
		return false
	}
	for _, name := range []string{"status", "reason", "reason_text", "recipient_name"} {
		if !op.Equal(before.Fields[name], o.Fields[name]) {
			return false
		}
	}
	return true
}

// ownWord tells whether what stands against an op is its own device's word: its
// deletion of what it inserts, or, in the plain form, a later change to the same record.
func ownWord(before op.Record, o op.Op, s step) bool {
	if before.Deleted {
		return before.Registers[op.Deleted].Device == s.dev && o.Action != op.Update
	}
	for _, reg := range before.Registers {
		if o.Base == unknown && reg.Device == s.dev && reg.Time > min(s.time, serverNow) {
			return true
		}
	}
	return false
}

// checkFuture: an op from the future changes nothing that it had not seen.
func checkFuture(before op.Record, after *op.Record, o op.Op, s step) error {
	if s.time < far {
		return nil
	}
	for name, was := range before.Registers {
		if !lookedAt(was, o, s) && after.Registers[name] != was {
			return fmt.Errorf("an op from the future changed %s", name)
		}
		if after.Registers[name].Time > max(serverNow, was.Time+1) && name != op.Deleted {
			return fmt.Errorf("an op from the future left the stamp %d", after.Registers[name].Time)
		}
	}
	return nil
}

// acts are what a person may do in the small domain: a lone field, a group
// whole and in parts, several registers at once, deletion and its opposite.
// The first eight name whole registers.
var acts = []step{
	{action: op.Update, fields: title("x")},
	{action: op.Update, fields: title("y")},
	{action: op.Update, fields: fields{"asset": nil}},
	{action: op.Update, fields: fields{"asset": "P"}},
	{action: op.Update, fields: done},
	{action: op.Update, fields: onHold},
	{action: op.Update, fields: doneToo},
	{action: op.Delete, fields: fields{}},
	{action: op.Update, fields: fields{"recipient_name": "Bob"}},
	{action: op.Update, fields: fields{"title": "x", "asset": "Q", "status": "PENDING"}},
	{action: op.Update, fields: fields{op.Deleted: false}},
	{action: op.Update, fields: fields{op.Deleted: false, "title": "z"}},
	{action: op.Insert, fields: fields{"title": "n", "status": "PENDING", "asset": "N"}},
}

// each calls f with every act by every one of the devices, having seen nothing,
// any version before n, or with its base unknown, at each of the times.
func each(n int, devices []string, times []int64, acts []step, f func(step)) {
	for _, act := range acts {
		for _, dev := range devices {
			for _, time := range times {
				for base := int64(unknown); base < int64(n); base++ {
					if act.action == op.Insert && base > 0 {
						continue
					}
					f(step{dev, base, time, act.action, act.fields})
				}
			}
		}
	}
}

// TestMergeEveryPair merges every pair of ops of the domain, with ties and the
// future among their times, onto a record in each of its states: none, new,
// changed, deleted, restored. The first is by the record's author or a stranger
// to it, the second by the first's author or a stranger to both.
func TestMergeEveryPair(t *testing.T) {
	first := insert("B", 100, fields{"title": "t", "status": "PENDING", "asset": "A", "started_at": int64(5)})
	starts := map[string][]step{
		"none":     {},
		"new":      {first},
		"changed":  {first, update("A", 1, 120, fields{"title": "t2", "status": "EN_ROUTE"})},
		"deleted":  {first, remove("A", 1, 120)},
		"restored": {first, remove("A", 1, 120), restore("B", 2, 130)},
	}
	times := []int64{100, 150, far}
	merges := 0
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			base, _ := play(op.Task, start...)
			n := len(start) + 1
			each(n, []string{"A", "B"}, times, acts[1:], func(one step) {
				if base == nil && one.action != op.Insert {
					return
				}
				rec, _, err := checkMerge(base, one, n)
				if err != nil {
					t.Fatalf("%+v\nafter %v: %v", one, start, err)
				}
				each(n+1, []string{"A", "C"}, times, acts, func(two step) {
					merges++
					if _, _, err := checkMerge(rec, two, n+1); err != nil {
						t.Fatalf("%+v\nafter %+v\nafter %v: %v", two, one, start, err)
					}
				})
			})
		})
	}
	t.Logf("%d pairs", merges)
}

// TestMergeOrderOfArrival: three ops of three devices, none having seen
// another's, end in the same record in whatever order they arrive, as long as
// their clocks are not behind the value that all of them had seen.
func TestMergeOrderOfArrival(t *testing.T) {
	start := insert("B", 100, fields{"title": "t", "status": "PENDING", "asset": "A"})
	whole := acts[:8]
	var by [3][]step
	for i, dev := range []string{"A", "C", "D"} {
		for _, act := range whole {
			for _, time := range []int64{150, 160} {
				by[i] = append(by[i], step{dev, 1, time, act.action, act.fields})
			}
		}
	}
	orders := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for _, a := range by[0] {
		for _, b := range by[1] {
			for _, c := range by[2] {
				ops, first := []step{a, b, c}, ""
				for _, order := range orders {
					rec, _ := play(op.Task, start, ops[order[0]], ops[order[1]], ops[order[2]])
					got := shown(rec)
					if rec.Deleted { // what a deleted record still holds is the server's own matter
						got = "(deleted)"
					}
					if first == "" {
						first = got
					}
					if got != first {
						t.Fatalf("%+v\n%+v\n%+v\nin order %v: %s\nin order 0 1 2: %s", a, b, c, order, got, first)
					}
				}
			}
		}
	}
}

// TestMergeBothSidesEitherWay: two ops that meet give one conflict with the same
// winner, loser and reason, whichever of them arrives first.
func TestMergeBothSidesEitherWay(t *testing.T) {
	start := insert("B", 100, fields{"title": "t", "status": "PENDING", "asset": "A"})
	texts := func(steps ...step) []string {
		_, verdicts := play(op.Task, steps...)
		var out []string
		for _, v := range verdicts {
			for _, c := range v.Conflicts {
				// A deletion's stamp depends on what it covers; who and why do not.
				out = append(out, fmt.Sprint(c.Register, c.Winner.Author, set(c.Winner.Values), c.Loser.Author, set(c.Loser.Values), c.Why))
			}
		}
		slices.Sort(out)
		return out
	}
	for _, one := range []step{acts[0], acts[3], acts[4], acts[7]} {
		for _, two := range []step{acts[1], acts[2], acts[5], acts[6], acts[7]} {
			for _, times := range [][2]int64{{150, 160}, {160, 150}, {150, 150}} {
				a := step{"A", 1, times[0], one.action, one.fields}
				c := step{"C", 1, times[1], two.action, two.fields}
				if ab, ba := texts(start, a, c), texts(start, c, a); !slices.Equal(ab, ba) {
					t.Fatalf("%+v\n%+v\ntold one way %q, the other %q", a, c, ab, ba)
				}
			}
		}
	}
}

// set leaves out the fields that are null: absent and null are the same.
func set(f op.Fields) op.Fields {
	maps.DeleteFunc(f, func(_ string, v any) bool { return v == nil })
	return f
}
