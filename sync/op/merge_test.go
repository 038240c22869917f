package op_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.com/punchlist/sync/op"
)

// These tests write a history as a list of steps. The n-th step gets version n,
// so that "base 1" reads "had seen the first step and no later one". Times are
// small numbers; the server's now is serverNow, and far is beyond it for good.
const (
	serverNow = 1_000_000
	far       = serverNow + op.FutureLimit + 1
	recordID  = "0193a000-0000-7000-8000-000000000001"
	unknown   = op.BaseUnknown
)

// step is one op of a history: who, having seen what, when, did what.
type step struct {
	dev    string
	base   int64
	time   int64
	action op.Action
	fields op.Fields
}

func insert(dev string, time int64, fields op.Fields) step {
	return step{dev, 0, time, op.Insert, fields}
}
func update(dev string, base, time int64, fields op.Fields) step {
	return step{dev, base, time, op.Update, fields}
}
func remove(dev string, base, time int64) step {
	return step{dev, base, time, op.Delete, op.Fields{}}
}
func restore(dev string, base, time int64) step {
	return update(dev, base, time, op.Fields{op.Deleted: false})
}

// op is the step as an op; its id tells the step's place in the history.
func (s step) op(kind op.Kind, n int) op.Op {
	fields := s.fields.Clone()
	fields[op.UpdatedAt] = s.time
	return op.Op{ID: fmt.Sprintf("op-%d", n), Seq: int64(n), Kind: kind, Entity: recordID,
		Action: s.action, Fields: fields, Base: s.base, CreatedAt: s.time}
}

func author(dev string) op.Author { return op.Author{Device: dev, User: "user of " + dev} }

// play merges a history and gives the record at its end and every verdict.
func play(kind op.Kind, steps ...step) (*op.Record, []op.Verdict) {
	var rec *op.Record
	var verdicts []op.Verdict
	for i, s := range steps {
		v := op.Merge(rec, s.op(kind, i+1), author(s.dev), op.Moment{Now: serverNow, Version: int64(i + 1)})
		if v.Record != nil {
			rec = v.Record
		}
		verdicts = append(verdicts, v)
	}
	return rec, verdicts
}

// told is a verdict's conflicts as text: "title B>A later" reads "of the
// register title, B's value stands, A's does not, because it was later".
func told(v op.Verdict) string {
	var out []string
	for _, c := range v.Conflicts {
		out = append(out, fmt.Sprintf("%s %s>%s %s", c.Register, c.Winner.Device, c.Loser.Device, c.Why))
	}
	return strings.Join(out, ", ")
}

// shown is a record's fields as text, sorted, "(deleted)" in front where it is.
func shown(r *op.Record) string {
	var out []string
	for name, v := range r.Fields {
		out = append(out, fmt.Sprintf("%s=%v", name, v))
	}
	slices.Sort(out)
	if r.Deleted {
		out = slices.Insert(out, 0, "(deleted)")
	}
	return strings.Join(out, " ")
}

type fields = op.Fields

var (
	born = fields{"title": "t", "status": "PENDING"}
	done = fields{"status": "COMPLETED", "reason": nil, "reason_text": nil, "started_at": int64(5), "completed_at": int64(9), "completed_by": "ann", "recipient_name": nil}
	// doneToo says the same as done, by somebody else at another time.
	doneToo = fields{"status": "COMPLETED", "reason": nil, "reason_text": nil, "started_at": int64(6), "completed_at": int64(8), "completed_by": "bob", "recipient_name": nil}
	onHold  = fields{"status": "ON_HOLD", "reason": "parts", "reason_text": nil, "started_at": int64(5), "completed_at": nil, "completed_by": nil, "recipient_name": nil}
)

func title(s string) fields { return fields{"title": s} }

// TestMergeRules names every rule of the protocol's section "The merge rule",
// one case each: the verdict on the last step, and the record at the end.
func TestMergeRules(t *testing.T) {
	tests := []struct {
		name    string
		steps   []step
		outcome op.Outcome
		told    string
		stamp   int64
		record  string
	}{
		// Rule 1: what was seen is knowingly replaced.
		{"a first edit of a new record", []step{insert("A", 10, born)},
			op.Applied, "", 10, "status=PENDING title=t"},
		{"seen by base: wins, nothing told", []step{insert("A", 10, born), update("B", 1, 20, title("b"))},
			op.Applied, "", 20, "status=PENDING title=b"},
		{"seen by base, clock behind: wins, stamp is current plus one", []step{insert("A", 100, born), update("B", 1, 20, title("b"))},
			op.Applied, "", 101, "status=PENDING title=b"},
		{"own earlier op, base old: a second edit never loses to the first", []step{insert("A", 100, born), update("A", 0, 50, title("a2"))},
			op.Applied, "", 101, "status=PENDING title=a2"},
		{"seen, and from 1970: corrected, never refused", []step{insert("A", 100, born), update("B", 1, 0, title("b"))},
			op.Applied, "", 101, "status=PENDING title=b"},
		{"a field that nobody ever set is seen by everybody", []step{insert("A", 100, born), update("B", 0, 50, fields{"priority": "high"})},
			op.Applied, "", 50, "priority=high status=PENDING title=t"},
		{"a field that was emptied unseen is a value like any other", []step{insert("A", 10, fields{"title": "t", "status": "PENDING", "asset": "P1"}), update("B", 1, 30, fields{"asset": nil}), update("C", 1, 20, fields{"asset": "P2"})},
			op.Conflicted, "asset B>C later", 20, "status=PENDING title=t"},

		// Rule 2: neither had seen the other: the later time.
		{"unseen and later: wins, the other is told", []step{insert("A", 10, born), update("B", 1, 20, title("b")), update("C", 1, 30, title("c"))},
			op.Applied, "title C>B later", 30, "status=PENDING title=c"},
		{"unseen and earlier: loses and is told", []step{insert("A", 10, born), update("B", 1, 30, title("b")), update("C", 1, 20, title("c"))},
			op.Conflicted, "title B>C later", 20, "status=PENDING title=b"},
		{"equal times: the greater device id wins", []step{insert("A", 10, born), update("B", 1, 20, title("b")), update("C", 1, 20, title("c"))},
			op.Applied, "title C>B tie", 20, "status=PENDING title=c"},
		{"equal times: the smaller device id loses", []step{insert("A", 10, born), update("C", 1, 20, title("c")), update("B", 1, 20, title("b"))},
			op.Conflicted, "title C>B tie", 20, "status=PENDING title=c"},
		{"equal values are no conflict", []step{insert("A", 10, born), update("B", 1, 20, title("x")), update("C", 1, 30, title("x"))},
			op.Applied, "", 30, "status=PENDING title=x"},
		{"3 and 3.0 are equal values", []step{insert("A", 10, fields{"title": "t", "status": "PENDING", "x.n": int64(3)}), update("C", 0, 30, fields{"x.n": 3.0})},
			op.Applied, "", 30, "status=PENDING title=t x.n=3"},
		{"different fields never meet", []step{insert("A", 10, born), update("B", 1, 20, fields{"priority": "high"}), update("C", 1, 15, title("c"))},
			op.Applied, "", 15, "priority=high status=PENDING title=c"},
		{"two tags never meet", []step{insert("A", 10, born), update("B", 1, 20, fields{"tag.hot": true}), update("C", 1, 20, fields{"tag.wet": true})},
			op.Applied, "", 20, "status=PENDING tag.hot=true tag.wet=true title=t"},
		{"one field wins, another loses: merged", []step{insert("A", 10, born), update("B", 1, 30, title("b")), update("C", 1, 20, fields{"title": "c", "priority": "low"})},
			op.Merged, "title B>C later", 20, "priority=low status=PENDING title=b"},

		// Groups win and lose as one.
		{"a group replaces the whole group", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, onHold)},
			op.Applied, "status C>B later", 30, "reason=parts started_at=5 status=ON_HOLD title=t"},
		{"a group loses as one", []step{insert("A", 10, born), update("B", 1, 30, onHold), update("C", 1, 20, done)},
			op.Conflicted, "status B>C later", 20, "reason=parts started_at=5 status=ON_HOLD title=t"},
		{"part of a group, leading field named: what it leaves out is emptied", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, fields{"status": "ON_HOLD", "reason": "parts"})},
			op.Applied, "status C>B later", 30, "reason=parts status=ON_HOLD title=t"},
		{"part of a group without its required field: what it leaves out stands", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, fields{"recipient_name": "Bob"})},
			op.Applied, "status C>B later", 30, "completed_at=9 completed_by=ann recipient_name=Bob started_at=5 status=COMPLETED title=t"},
		{"part of a group, seen: what it leaves out stands", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 2, 30, fields{"recipient_name": "Bob"})},
			op.Applied, "", 30, "completed_at=9 completed_by=ann recipient_name=Bob started_at=5 status=COMPLETED title=t"},
		{"half a window empties the other half", []step{insert("A", 10, fields{"title": "t", "status": "PENDING", "window_start": int64(1), "window_end": int64(2)}), update("C", 0, 30, fields{"window_end": int64(9)})},
			op.Applied, "window C>A later", 30, "status=PENDING title=t window_end=9"},

		// Who and when is no matter of opinion: equal answers are no conflict.
		{"the same answer by two people: the later one's name stands", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, doneToo)},
			op.Applied, "", 30, "completed_at=8 completed_by=bob started_at=6 status=COMPLETED title=t"},
		{"the same answer by two people, the earlier one arrives last", []step{insert("A", 10, born), update("B", 1, 30, done), update("C", 1, 20, doneToo)},
			op.Applied, "", 20, "completed_at=9 completed_by=ann started_at=5 status=COMPLETED title=t"},
		{"the same answer at the same time: the greater device id", []step{insert("A", 10, born), update("C", 1, 20, doneToo), update("B", 1, 20, done)},
			op.Applied, "", 20, "completed_at=8 completed_by=bob started_at=6 status=COMPLETED title=t"},
		{"the same answer from the future: what stands stays", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, far, doneToo)},
			op.Applied, "", serverNow, "completed_at=9 completed_by=ann started_at=5 status=COMPLETED title=t"},
		{"the same answer, of whose author the name is not told: nobody else's stays", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, fields{"status": "COMPLETED", "completed_at": int64(8)})},
			op.Applied, "", 30, "completed_at=8 status=COMPLETED title=t"},
		{"the same answer and no more: the credit stays", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, fields{"status": "COMPLETED"})},
			op.Applied, "", 30, "completed_at=9 completed_by=ann started_at=5 status=COMPLETED title=t"},
		{"the same status for another recipient is another answer", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, fields{"status": "COMPLETED", "completed_by": "bob", "recipient_name": "Eve"})},
			op.Applied, "status C>B later", 30, "completed_by=bob recipient_name=Eve status=COMPLETED title=t"},
		{"who and when alone, without the answer, is an answer", []step{insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, fields{"completed_by": "bob"})},
			op.Applied, "status C>B later", 30, "completed_at=9 completed_by=bob started_at=5 status=COMPLETED title=t"},
		{"plain and older, the same answer: a conflict by its outcome alone", []step{insert("A", 10, born), update("B", 1, 30, done), update("C", unknown, 20, doneToo)},
			op.Conflicted, "", 20, "completed_at=9 completed_by=ann started_at=5 status=COMPLETED title=t"},

		// Rule 3: the future is no time at all.
		{"the future loses what it had not seen", []step{insert("A", 10, born), update("B", 1, 20, title("b")), update("C", 1, far, title("c"))},
			op.Conflicted, "title B>C future", serverNow, "status=PENDING title=b"},
		{"the future wins what it had seen, stamped now", []step{insert("A", 10, born), update("C", 1, far, title("c"))},
			op.Applied, "", serverNow, "status=PENDING title=c"},
		{"the future where nothing stands, stamped now", []step{insert("C", far, born)},
			op.Applied, "", serverNow, "status=PENDING title=t"},
		{"after the future an honest edit wins", []step{insert("A", 10, born), update("C", 1, far, title("c")), update("B", 1, serverNow+1, title("b"))},
			op.Applied, "title B>C later", serverNow + 1, "status=PENDING title=b"},
		{"ten seconds ahead is still a time", []step{insert("A", 10, born), update("B", 1, serverNow, title("b")), update("C", 1, far-1, title("c"))},
			op.Applied, "title C>B later", far - 1, "status=PENDING title=c"},
		{"the future, equal value: nothing happens", []step{insert("A", 10, born), update("C", 0, far, title("t"))},
			op.Applied, "", serverNow, "status=PENDING title=t"},

		// Rule 4: deletion.
		{"a seen record is deleted, nothing told", []step{insert("A", 10, born), remove("B", 1, 20)},
			op.Applied, "", 20, "(deleted) status=PENDING title=t"},
		{"a deletion wins over an edit it had not seen, though earlier", []step{insert("A", 10, born), update("B", 1, 30, title("b")), remove("C", 1, 20)},
			op.Applied, "title C>B deleted", 31, "(deleted) status=PENDING title=b"},
		{"an edit that had not seen the deletion loses, though later", []step{insert("A", 10, born), remove("C", 1, 20), update("B", 1, 30, title("b"))},
			op.Conflicted, "title C>B deleted", 30, "(deleted) status=PENDING title=t"},
		{"an edit that its own laptop's deletion swallows is told: a restored server may have lost who brought it back", []step{insert("A", 10, born), remove("B", 1, 20), update("B", 2, 30, title("b"))},
			op.Conflicted, "title B>B deleted", 30, "(deleted) status=PENDING title=t"},
		{"an INSERT never revives a tombstone", []step{insert("A", 10, born), remove("C", 1, 20), insert("B", 30, born)},
			op.Conflicted, "status C>B deleted, title C>B deleted", 30, "(deleted) status=PENDING title=t"},
		{"deleting twice is no conflict", []step{insert("A", 10, born), remove("C", 1, 20), remove("B", 1, 30)},
			op.Applied, "", 30, "(deleted) status=PENDING title=t"},
		{"a deletion from the future loses to what it had not seen", []step{insert("A", 10, born), update("B", 1, 20, title("b")), remove("C", 1, far)},
			op.Conflicted, "title B>C future", serverNow, "status=PENDING title=b"},
		{"a deletion from the future takes what it had seen", []step{insert("A", 10, born), remove("C", 1, far)},
			op.Applied, "", serverNow, "(deleted) status=PENDING title=t"},
		{"restore by one who saw the deletion", []step{insert("A", 10, born), remove("C", 1, 20), restore("B", 2, 30)},
			op.Applied, "", 30, "status=PENDING title=t"},
		{"restore with an edit", []step{insert("A", 10, born), remove("C", 1, 20), update("B", 2, 30, fields{op.Deleted: false, "title": "b"})},
			op.Applied, "", 30, "status=PENDING title=b"},
		{"restore of a deletion that was not seen loses", []step{insert("A", 10, born), remove("C", 1, 20), restore("B", 1, 30)},
			op.Conflicted, "deleted C>B deleted", 30, "(deleted) status=PENDING title=t"},
		{"two restore: no conflict", []step{insert("A", 10, born), remove("C", 1, 20), restore("B", 2, 30), restore("A", 2, 25)},
			op.Applied, "", 25, "status=PENDING title=t"},
		{"a deletion that had not seen the restore undoes it, and tells", []step{insert("A", 10, born), remove("A", 1, 20), restore("B", 2, 30), remove("C", 1, 25)},
			op.Applied, "deleted C>B deleted", 31, "(deleted) status=PENDING title=t"},

		// INSERT of what exists is an UPDATE.
		{"INSERT of a record that exists is merged as an UPDATE", []step{insert("A", 10, born), insert("B", 20, fields{"title": "b", "status": "PENDING", "priority": "low"})},
			op.Applied, "title B>A later", 20, "priority=low status=PENDING title=b"},

		// The plain form.
		{"plain and newer: wins, and what it may not have seen is told", []step{insert("A", 10, born), update("B", unknown, 20, title("b"))},
			op.Applied, "title B>A later", 20, "status=PENDING title=b"},
		{"plain and older: nothing of it takes effect", []step{insert("A", 30, born), update("B", unknown, 20, fields{"title": "b", "status": "PENDING"})},
			op.Conflicted, "title A>B later", 20, "status=PENDING title=t"},
		{"plain and older than another field: the record's newest change is who won", []step{insert("A", 10, born), update("C", 1, 30, title("c")), update("B", unknown, 20, fields{"priority": "low"})},
			op.Conflicted, "priority C>B later", 20, "status=PENDING title=c"},
		{"plain, older, all values equal: a conflict by its outcome alone", []step{insert("A", 30, born), update("B", unknown, 20, title("t"))},
			op.Conflicted, "", 20, "status=PENDING title=t"},
		{"plain, one after the other from one device: no conflict with itself", []step{insert("A", 10, born), update("A", unknown, 20, title("a2")), update("A", unknown, 30, title("a3"))},
			op.Applied, "", 30, "status=PENDING title=a3"},
		{"plain, its own device's older change: knowingly replaced, not told", []step{insert("A", 10, born), update("A", unknown, 30, title("a3")), update("A", unknown, 20, title("a2"))},
			op.Conflicted, "", 20, "status=PENDING title=a3"},
		{"plain, later than its device's own value, older than another field: told", []step{insert("A", 10, born), update("C", 1, 30, fields{"priority": "low"}), update("A", unknown, 20, title("a"))},
			op.Conflicted, "title C>A later", 20, "priority=low status=PENDING title=t"},
		{"plain and at the same millisecond: the device id decides", []step{insert("B", 10, born), update("A", unknown, 10, title("a"))},
			op.Conflicted, "title B>A tie", 10, "status=PENDING title=t"},
		{"plain and from the future", []step{insert("A", 10, born), update("B", unknown, far, title("b"))},
			op.Conflicted, "title A>B future", serverNow, "status=PENDING title=t"},
		{"plain DELETE and newer", []step{insert("A", 10, born), remove("B", unknown, 20)},
			op.Applied, "", 20, "(deleted) status=PENDING title=t"},
		{"plain DELETE and older", []step{insert("A", 30, born), remove("B", unknown, 20)},
			op.Conflicted, "deleted A>B later", 20, "status=PENDING title=t"},
		{"plain DELETE, older, of what is deleted: nothing to tell", []step{insert("A", 10, born), remove("A", 1, 30), remove("B", unknown, 20)},
			op.Conflicted, "", 20, "(deleted) status=PENDING title=t"},
		{"plain edit of a deleted record", []step{insert("A", 10, born), remove("A", 1, 20), update("B", unknown, 30, title("b"))},
			op.Conflicted, "title A>B deleted", 30, "(deleted) status=PENDING title=t"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec, verdicts := play(op.Task, tt.steps...)
			v := verdicts[len(verdicts)-1]
			if v.Outcome != tt.outcome || told(v) != tt.told || v.Stamp != tt.stamp {
				t.Errorf("verdict: %s at %d, told %q; want %s at %d, told %q", v.Outcome, v.Stamp, told(v), tt.outcome, tt.stamp, tt.told)
			}
			if got := shown(rec); got != tt.record {
				t.Errorf("record: %s\nwant:   %s", got, tt.record)
			}
		})
	}
}

// TestMergeSameReading: two people who read the same on one gauge are of one
// mind, whoever did it and when; another reading, or the same one with another
// outcome, is a conflict.
func TestMergeSameReading(t *testing.T) {
	item := fields{"task_id": recordID, "label": "Pressure"}
	read := func(outcome string, value any, by string, at int64) fields {
		return fields{"outcome": outcome, "value": value, "done_by": by, "done_at": at}
	}
	for _, tt := range []struct {
		name   string
		second fields
		told   string
		by     string
	}{
		{"the same", read("pass", 2.4, "bob", 30), "", "bob"},
		{"another number", read("pass", 2.5, "bob", 30), "outcome C>B later", "bob"},
		{"another outcome", read("fail", 2.4, "bob", 30), "outcome C>B later", "bob"},
		{"no number", fields{"outcome": "pass", "done_by": "bob", "done_at": int64(30)}, "outcome C>B later", "bob"},
		{"who and when alone", fields{"done_by": "bob", "done_at": int64(30)}, "outcome C>B later", "bob"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec, v := play(op.Item, insert("A", 10, item), update("B", 1, 20, read("pass", 2.4, "ann", 20)), update("C", 1, 30, tt.second))
			if told(v[2]) != tt.told || rec.Fields.Text("done_by") != tt.by || v[2].Outcome != op.Applied {
				t.Errorf("told %q, done by %q, %s; want %q, %q", told(v[2]), rec.Fields.Text("done_by"), v[2].Outcome, tt.told, tt.by)
			}
		})
	}
}

// TestMergeFacts: notes and time entries are a union. Nothing that two devices
// add can meet, because each addition is a record of its own.
func TestMergeFacts(t *testing.T) {
	note := fields{"task_id": recordID, "body": "b", "author": "ann", "at": int64(7)}
	rec, v := play(op.Note, insert("A", 10, note), insert("A", 10, note))
	if told(v[1]) != "" || v[1].Outcome != op.Applied || rec.Fields.Text("body") != "b" {
		t.Errorf("the same note twice: %+v", v[1])
	}
	entry := fields{"task_id": recordID, "user": "ann", "kind": "work", "started_at": int64(1)}
	rec, v = play(op.TimeEntry, insert("A", 10, entry), update("A", 1, 20, fields{"ended_at": int64(2)}), update("B", 1, 15, fields{"source": "manual"}))
	if told(v[2]) != "" || rec.Fields.Int("ended_at") != 2 || rec.Fields.Text("source") != "manual" {
		t.Errorf("time entry: %s, told %q", shown(rec), told(v[2]))
	}
}

// TestMergeCrew: the crew is a register like any other, but it stands beside the
// record's fields; an INSERT does not move what exists.
func TestMergeCrew(t *testing.T) {
	move := func(crew string) fields { return fields{op.CrewField: crew} }
	tests := []struct {
		name       string
		last       step
		told, crew string
	}{
		{"seen", update("B", 2, 30, move("west")), "", "west"},
		{"unseen and later", update("C", 1, 30, move("west")), "crew C>B later", "west"},
		{"unseen and earlier", update("C", 1, 15, move("west")), "crew B>C later", "south"},
		{"the same", update("C", 1, 15, move("south")), "", "south"},
		{"in an INSERT", insert("C", 30, fields{"title": "t", "status": "PENDING", op.CrewField: "west"}), "", "south"},
	}
	for _, tt := range tests {
		rec, v := play(op.Task, insert("A", 10, born), update("B", 1, 20, move("south")), tt.last)
		if rec.Crew != tt.crew || told(v[2]) != tt.told || rec.Fields[op.CrewField] != nil {
			t.Errorf("%s: crew %q, told %q, fields %v; want %q, %q", tt.name, rec.Crew, told(v[2]), rec.Fields, tt.crew, tt.told)
		}
	}
}

// TestMergeConflictIDs: both sides are told under one id, which is the same
// whenever and wherever the op is merged, and another for each register.
func TestMergeConflictIDs(t *testing.T) {
	history := []step{insert("A", 30, born), update("B", 0, 20, fields{"title": "b", "status": "ON_HOLD"})}
	_, first := play(op.Task, history...)
	_, again := play(op.Task, history...)
	one, two := first[1].Conflicts, again[1].Conflicts
	if len(one) != 2 || len(two) != 2 {
		t.Fatalf("conflicts: %d and %d, want 2 and 2", len(one), len(two))
	}
	if one[0].ID != two[0].ID || one[1].ID != two[1].ID || one[0].ID == one[1].ID {
		t.Errorf("ids %s %s, again %s %s", one[0].ID, one[1].ID, two[0].ID, two[1].ID)
	}
}

// TestMergeConflictSides: each side carries its author, its values and its time.
func TestMergeConflictSides(t *testing.T) {
	_, v := play(op.Task, insert("A", 10, born), update("B", 1, 20, done), update("C", 1, 30, onHold))
	c := v[2].Conflicts[0]
	if c.Kind != op.Task || c.Entity != recordID || c.Register != "status" {
		t.Errorf("conflict is of %s %s %s", c.Kind, c.Entity, c.Register)
	}
	if c.Winner.User != "user of C" || c.Winner.Time != 30 || c.Winner.Values.Text("reason") != "parts" {
		t.Errorf("winner: %+v", c.Winner)
	}
	if c.Loser.User != "user of B" || c.Loser.Time != 20 || c.Loser.Values.Int("completed_at") != 9 {
		t.Errorf("loser: %+v", c.Loser)
	}
}

// TestMergeUnseen: whoever cannot know the record from its own ops is told so.
func TestMergeUnseen(t *testing.T) {
	tests := []struct {
		name  string
		steps []step
		want  bool
	}{
		{"alone", []step{insert("A", 10, born), update("A", 0, 20, title("a"))}, false},
		{"all seen", []step{insert("A", 10, born), update("B", 1, 20, title("b"))}, false},
		{"another field changed meanwhile", []step{insert("A", 10, born), update("B", 1, 20, title("b")), update("A", 1, 30, fields{"priority": "low"})}, true},
		{"won over what it had not seen", []step{insert("A", 10, born), update("B", 1, 20, done), update("A", 1, 30, onHold)}, true},
		{"equal value, unseen, not taken", []step{insert("A", 10, born), update("B", 1, 30, title("b")), update("A", 1, 20, title("b"))}, true},
		{"plain, nobody else there", []step{insert("A", 10, born), update("A", unknown, 20, title("a"))}, false},
		{"plain, somebody else there", []step{insert("A", 10, born), update("B", unknown, 20, title("b"))}, true},
	}
	for _, tt := range tests {
		_, v := play(op.Task, tt.steps...)
		if got := v[len(v)-1].Unseen; got != tt.want {
			t.Errorf("%s: Unseen = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestRecordState: what the server tells of a record is one flat object.
func TestRecordState(t *testing.T) {
	rec, _ := play(op.Task, insert("A", 10, born), update("B", 1, 20, fields{"title": "b", "asset": nil}))
	rec.Crew = "north"
	want := fields{"id": recordID, "version": int64(2), "updated_at": int64(20), "deleted": false, "crew": "north", "title": "b", "status": "PENDING"}
	got := rec.State()
	if len(got) != len(want) {
		t.Errorf("State() = %v", got)
	}
	for name, v := range want {
		if !op.Equal(got[name], v) {
			t.Errorf("%s = %v, want %v", name, got[name], v)
		}
	}
	got["title"] = "changed by the reader"
	if rec.Fields.Text("title") != "b" {
		t.Error("the state shares its map with the record")
	}
}

// A laptop whose old data was put back sends from old places of its queue what its
// person replaced since: the own later word stays, and nobody is told of a conflict.
func TestMergeOldPlaces(t *testing.T) {
	rec, _ := play(op.Task, insert("A", 100, title("first")), update("A", 1, 300, title("later")))
	late := update("A", 1, 200, title("old")).op(op.Task, 9)
	for seq, want := range map[int64]string{1: "later", 2: "old", 0: "old", 7: "old"} {
		late.Seq = seq
		v := op.Merge(rec, late, author("A"), op.Moment{Now: serverNow, Version: 3})
		got := rec
		if v.Record != nil {
			got = v.Record
		}
		if got.Fields["title"] != want || len(v.Conflicts) != 0 || v.Unseen != (want == "later") {
			t.Errorf("from place %d: %v stands, conflicts %s, to be told: %t", seq, got.Fields["title"], told(v), v.Unseen)
		}
	}
}

// What an op says that it replaced proves nothing: somebody may have changed it and
// set it back since, and is told that this was undone unseen.
func TestMergeSetBackMeanwhile(t *testing.T) {
	_, all := play(op.Task, insert("A", 100, title("one")), update("B", 1, 200, title("two")), update("C", 2, 300, title("one")), update("D", 1, 400, title("mine")))
	if got := told(all[3]); got != "title D>C later" {
		t.Errorf("told %q", got)
	}
}
