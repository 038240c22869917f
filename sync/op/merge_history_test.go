package op_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/punchlist/sync/op"
)

// These tests play whole histories: several devices with screens, queues, slow
// pulls and lost answers, one server, one record. They know more than the merge
// does, namely whose value stood before whose eyes at each edit, and hold its
// verdicts against that.

// screen is a record as a device shows it, and which op (by number) last set
// each register: 0 is nobody's.
type screen struct {
	version int64
	deleted bool
	fields  op.Fields
	writers map[string]int
}

func (s screen) clone() screen {
	s.fields, s.writers = s.fields.Clone(), maps.Clone(s.writers)
	return s
}

// lay puts an op on top, as a device does with its unsent changes.
func (s *screen) lay(e edit) {
	if e.op.Action == op.Delete {
		s.deleted, s.writers[op.Deleted] = true, e.n
		return
	}
	for _, register := range e.registers() {
		s.writers[register] = e.n
	}
	for name, v := range e.op.Fields {
		switch {
		case name == op.Deleted:
			s.deleted = false
		case name != op.UpdatedAt && v == nil:
			delete(s.fields, name)
		case name != op.UpdatedAt:
			s.fields[name] = v
		}
	}
}

// edit is an op with what its author saw when making it.
type edit struct {
	n      int
	dev    int
	op     op.Op
	saw    map[string]int
	direct bool // its base says exactly what was on the screen
}

func (e edit) registers() []string {
	if e.op.Action == op.Delete {
		return []string{op.Deleted}
	}
	var out []string
	for name := range e.op.Fields {
		if r := op.RegisterOf(op.Task, name); name != op.UpdatedAt && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// overlaps tells whether two edits touch a register in common; a deletion
// touches all.
func (e edit) overlaps(other edit) bool {
	if e.op.Action == op.Delete || other.op.Action == op.Delete {
		return true
	}
	for _, r := range e.registers() {
		if slices.Contains(other.registers(), r) {
			return true
		}
	}
	return false
}

type laptop struct {
	name  string
	skew  int64
	known screen // what the server last said
	queue []edit
}

func (l *laptop) screen() screen {
	s := l.known.clone()
	for _, e := range l.queue {
		s.lay(e)
	}
	return s
}

type answer struct {
	verdict op.Verdict
	state   screen
}

type office struct {
	now     int64
	version int64
	rec     *op.Record
	writers map[string]int
	answers map[int]answer
	edits   map[int]edit
	laptops []*laptop
}

func (o *office) state() screen {
	return screen{o.rec.Version, o.rec.Deleted, o.rec.Fields.Clone(), maps.Clone(o.writers)}
}

// make is a person's action on a laptop. The base it states is the version of
// what the screen showed: where an unsent op of its own covers what the server
// said, the base is that op's.
func (o *office) make(l *laptop, dev int, act step, time int64) {
	s := l.screen()
	if s.deleted && act.fields[op.Deleted] != false || !s.deleted && act.fields[op.Deleted] == false {
		return // the screen does not offer it
	}
	n := len(o.edits) + 1
	st := step{l.name, s.version, time, act.action, act.fields}
	e := edit{n: n, dev: dev, op: st.op(op.Task, n), saw: maps.Clone(s.writers), direct: true}
	for _, waiting := range l.queue {
		if e.overlaps(waiting) && waiting.op.Base < e.op.Base {
			e.op.Base, e.direct = waiting.op.Base, false
		}
	}
	o.edits[n] = e
	l.queue = append(l.queue, e)
}

// push sends a laptop's oldest op. A lost answer leaves it in the queue.
func (o *office) push(l *laptop, lost bool) error {
	if len(l.queue) == 0 {
		return nil
	}
	e := l.queue[0]
	a, repeat := o.answers[e.n]
	if !repeat {
		var err error
		if a, err = o.merge(e); err != nil {
			return fmt.Errorf("%+v: %w", e, err)
		}
		o.answers[e.n] = a
	}
	if lost {
		return nil
	}
	l.queue = l.queue[1:]
	switch {
	case a.state.version < l.known.version: // heard of a later state already
	case a.verdict.Outcome != op.Applied || a.verdict.Unseen:
		l.known = a.state.clone()
	default: // the device works out the state by itself: it must be the server's
		l.known.lay(e)
		l.known.version = a.state.version
		if got, want := text(l.known), text(a.state); got != want {
			return fmt.Errorf("%s works out %s, the server holds %s", l.name, got, want)
		}
		l.known = a.state.clone()
	}
	return nil
}

func text(s screen) string { return fmt.Sprint(s.deleted, s.fields) }

// merge is the server's part, and the place where its verdict is judged.
func (o *office) merge(e edit) (answer, error) {
	o.version++
	before, was := o.rec.Clone(), maps.Clone(o.writers)
	v := op.Merge(o.rec, e.op, author(o.laptops[e.dev].name), op.Moment{Now: o.now, Version: o.version})
	if v.Record != nil {
		o.rec = v.Record
	}
	loser := map[string]string{}
	for _, c := range v.Conflicts {
		loser[c.Register] = c.Loser.Device
		w := was[c.Register]
		if e.direct && e.saw[c.Register] == w && !before.Deleted && w != 0 {
			return answer{}, fmt.Errorf("told of a conflict over %s, whose value %d stood before its author's eyes", c.Register, w)
		}
	}
	mine := o.laptops[e.dev].name
	knew := func(w int) bool { return w == 0 || o.edits[w].dev == e.dev }
	for register, w := range was {
		covered := o.rec.Registers[register] != before.Registers[register] || o.rec.Deleted && !before.Deleted
		if !covered || knew(w) || o.hadSeen(e, register, w) {
			continue
		}
		if loser[register] != o.laptops[o.edits[w].dev].name && !sameValues(before, o.rec, register) {
			return answer{}, fmt.Errorf("the value that %d gave %s went unseen and untold", w, register)
		}
	}
	for _, register := range e.registers() {
		if o.rec.Registers[register] != before.Registers[register] {
			o.writers[register] = e.n
			continue
		}
		alone := before.Deleted && (knew(was[op.Deleted]) || e.op.Action == op.Delete)
		if loser[register] != mine && !alone && !holds(o.rec, e.op, register) {
			return answer{}, fmt.Errorf("its own value of %s was lost untold", register)
		}
	}
	return answer{v, o.state()}, nil
}

// hadSeen tells whether an edit's author had a value before its eyes: at this
// edit, or at the one of its own that this edit replaced.
func (o *office) hadSeen(e edit, register string, w int) bool {
	for {
		saw := e.saw[register]
		if saw == w {
			return true
		}
		next, own := o.edits[saw]
		if !own || next.dev != e.dev {
			return false
		}
		e = next
	}
}

// credit is who did it and when; no act of the domain is about that alone.
var credit = map[string]bool{"started_at": true, "completed_at": true, "completed_by": true}

// sameValues tells whether what a register showed before it shows after too.
func sameValues(a, b *op.Record, register string) bool {
	if b.Deleted && !a.Deleted || register == op.Deleted {
		return a.Deleted == b.Deleted
	}
	for _, name := range op.Members(op.Task, register) {
		if !credit[name] && !op.Equal(a.Fields[name], b.Fields[name]) {
			return false
		}
	}
	return true
}

// holds tells whether the op's values of a register stand in the record.
func holds(rec *op.Record, o op.Op, register string) bool {
	for _, name := range op.Members(op.Task, register) {
		v, named := o.Fields[name]
		if named && name != op.Deleted && !credit[name] && !op.Equal(rec.Fields[name], v) {
			return false
		}
	}
	return true
}

func newOffice(devices int) *office {
	o := &office{now: serverNow, version: 1, writers: map[string]int{}, answers: map[int]answer{}, edits: map[int]edit{}}
	start := insert("office", serverNow-50_000, fields{"title": "t", "status": "PENDING", "asset": "A"})
	o.rec = op.Merge(nil, start.op(op.Task, 0), author("office"), op.Moment{Now: o.now, Version: 1}).Record
	for i := range devices {
		l := &laptop{name: string(rune('A' + i)), known: o.state()}
		o.laptops = append(o.laptops, l)
	}
	return o
}

// quiet lets everybody send and hear everything.
func (o *office) quiet() error {
	for _, l := range o.laptops {
		for len(l.queue) > 0 {
			if err := o.push(l, false); err != nil {
				return err
			}
		}
	}
	for _, l := range o.laptops {
		l.known = o.state()
	}
	return nil
}

// TestMergeHistories plays random histories: edits in bursts, answers lost and
// asked for again, pulls at odd times, clocks a little or years off.
func TestMergeHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOffice(rapid.IntRange(2, 4).Draw(t, "devices"))
		for _, l := range o.laptops {
			l.skew = rapid.SampledFrom([]int64{0, 0, 0, 300, -4_000, 8_000, -far, 9 * far}).Draw(t, "skew")
		}
		play := slices.DeleteFunc(slices.Clone(acts), func(s step) bool { return s.action == op.Insert })
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			o.now += rapid.SampledFrom([]int64{0, 0, 1, 500, 20_000}).Draw(t, "wait")
			i := rapid.IntRange(0, len(o.laptops)-1).Draw(t, "who")
			l := o.laptops[i]
			switch what := rapid.SampledFrom([]string{"edit", "edit", "push", "lost", "pull"}).Draw(t, "what"); what {
			case "edit":
				o.make(l, i, rapid.SampledFrom(play).Draw(t, "act"), o.now+l.skew)
			case "pull":
				if l.known.version < o.rec.Version {
					l.known = o.state()
				}
			default:
				if err := o.push(l, what == "lost"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := o.quiet(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestMergeLiar: whatever a device that claims 2030 does, a later honest edit
// made without knowing of it stands, and both are told.
func TestMergeLiar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec, _ := play(op.Task, insert("A", serverNow-5, born))
		now, version := int64(serverNow), int64(1)
		for range rapid.IntRange(1, 5).Draw(t, "lies") {
			version++
			now += rapid.Int64Range(0, 100).Draw(t, "wait")
			lie := update("Z", rapid.Int64Range(unknown, version-1).Draw(t, "base"), now+rapid.Int64Range(op.FutureLimit+1, 1<<40).Draw(t, "ahead"),
				title(rapid.SampledFrom([]string{"z1", "z2"}).Draw(t, "title")))
			if v := op.Merge(rec, lie.op(op.Task, int(version)), author("Z"), op.Moment{Now: now, Version: version}); v.Record != nil {
				rec = v.Record
			}
		}
		if stamp := rec.UpdatedAt(); stamp > now+version {
			t.Fatalf("a stamp of %d at %d", stamp, now)
		}
		version++
		honest := update("B", 0, now+rapid.Int64Range(10, 1000).Draw(t, "later"), title("honest"))
		now = honest.time + rapid.Int64Range(0, 1<<40).Draw(t, "days offline")
		v := op.Merge(rec, honest.op(op.Task, int(version)), author("B"), op.Moment{Now: now, Version: version})
		if v.Outcome != op.Applied || v.Record.Fields.Text("title") != "honest" || len(v.Conflicts) != 1 {
			t.Fatalf("%s, told %q, title %q", v.Outcome, told(v), v.Record.Fields.Text("title"))
		}
	})
}
