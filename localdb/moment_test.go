package localdb_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// meet is a short exchange with a server whose clock shows the given moment.
func (f *fixture) meet(server time.Time) {
	f.t.Helper()
	before := f.read
	f.pass(20 * time.Millisecond)
	f.must(f.LearnOffset(f.ctx, server.UnixMilli()-10, before, f.read))
}

// boot starts the machine anew with what its wall clock shows then.
func (f *fixture) boot(id string, wall time.Time) {
	f.read = op.Reading{Wall: wall.UnixMilli(), Boot: 30_000, BootID: id}
}

func (f *fixture) step(id string, s localdb.Step) {
	f.t.Helper()
	f.must(f.SetStatus(f.ctx, id, s))
}

// at is a field of a time, told as the distance from a moment.
func (f *fixture) at(id, name string, from time.Time) time.Duration {
	f.t.Helper()
	v, ok := f.field(id, name).(int64)
	if !ok {
		f.t.Fatalf("%s is %v", name, f.field(id, name))
	}
	return time.UnixMilli(v).Sub(from)
}

var wrongClocks = map[string]time.Time{
	"1970": time.Unix(3600, 0), "2030": time.Date(2030, 6, 1, 0, 0, 0, 0, time.UTC), "an hour slow": start.Add(-time.Hour), "right": start,
}

// Everything an action writes by a wrong wall clock is put right when the boot
// meets the server: in the queue, in the records, and for undo.
func TestF67MomentsArePutRightAtTheFirstContact(t *testing.T) {
	for name, wall := range wrongClocks {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.boot("boot-1", wall)
			id := f.add("Check the pump", "due_at", start.Add(time.Hour).UnixMilli())
			other := f.add("Another", "due_at", wall.UnixMilli()) // no moment, though it equals one
			f.pass(time.Minute)
			f.step(id, localdb.Step{To: op.InProgress})
			f.pass(time.Hour)
			item, err := f.AddItem(f.ctx, id, op.Fields{"label": "Oil"})
			f.must(err)
			f.must(f.AnswerItem(f.ctx, item, localdb.Answer{Outcome: "done"}))
			_, err = f.AddNote(f.ctx, id, "Oil was low", "")
			f.must(err)
			f.step(id, localdb.Step{To: op.Completed})
			f.pass(time.Hour)
			f.meet(start)
			// start is now: work began two hours before it and ended one before.
			began, ended := start.Add(-2*time.Hour), start.Add(-time.Hour)
			near := func(what string, got time.Duration) {
				t.Helper()
				if got.Abs() > 50*time.Millisecond {
					t.Errorf("%s is off by %v", what, got)
				}
			}
			check := func() {
				t.Helper()
				near("started_at", f.at(id, "started_at", began))
				near("completed_at", f.at(id, "completed_at", ended))
				near("due_at", f.at(id, "due_at", start.Add(time.Hour)))
				near("the other's due_at", f.at(other, "due_at", wall))
				v, err := f.Task(f.ctx, id)
				f.must(err)
				near("done_at", time.UnixMilli(v.Checklist[0].Fields.Int("done_at")).Sub(ended))
				near("the note's at", time.UnixMilli(v.Notes[0].Fields.Int("at")).Sub(ended))
				near("the work's start", time.UnixMilli(v.Time[0].Fields.Int("started_at")).Sub(began))
				near("the work's end", time.UnixMilli(v.Time[0].Fields.Int("ended_at")).Sub(ended))
			}
			check()
			for _, o := range f.batch() {
				if o.TimeUncertain || o.Time() > start.UnixMilli() || o.Time() < began.Add(-2*time.Minute).UnixMilli() {
					t.Errorf("%s of %s goes out with %v, uncertain %v", o.Action, o.Kind, time.UnixMilli(o.Time()).UTC(), o.TimeUncertain)
				}
			}
			f.settle(f.applied(0))
			check()
			if _, err := f.Undo(f.ctx); err != nil || f.field(id, "status") != "IN_PROGRESS" {
				t.Errorf("undo of the last step: %v, status %v", err, f.field(id, "status"))
			}
		})
	}
}

// A boot whose clock lies and that never meets the server: its changes are no
// earlier than the last contact, no later than the next one, and say that they
// are uncertain.
func TestF70F71ABootThatNeverMetTheServer(t *testing.T) {
	for name, wall := range wrongClocks {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.meet(start)
			f.boot("boot-2", wall.Add(10*time.Minute))
			id := f.add("Check the pump")
			f.pass(time.Minute)
			f.step(id, localdb.Step{To: op.InProgress})
			f.boot("boot-3", start.Add(3*time.Hour))
			f.meet(start.Add(3 * time.Hour))
			if d := f.at(id, "started_at", start); d < 0 || d > 3*time.Hour {
				t.Errorf("work began %v after the last contact", d)
			}
			ops := f.batch()
			for _, o := range ops {
				if !o.TimeUncertain || o.Time() < start.UnixMilli() || o.Time() > start.Add(3*time.Hour).UnixMilli() {
					t.Errorf("%s of %s goes out with %v, uncertain %v", o.Action, o.Kind, time.UnixMilli(o.Time()).UTC(), o.TimeUncertain)
				}
			}
			if ops[0].Time() >= ops[1].Time() {
				t.Error("two changes a minute apart have one time or go backwards")
			}
			if name == "right" && f.at(id, "started_at", start.Add(11*time.Minute)).Abs() > time.Second {
				t.Errorf("a good guess was thrown away: %v", f.at(id, "started_at", start))
			}
		})
	}
}

// Steps of the wall clock and suspend touch nothing once the boot met the server.
func TestF68ClockStepsAndF69Suspend(t *testing.T) {
	f := newFixture(t)
	f.meet(start)
	id := f.add("Check the pump")
	f.read.Wall += (5 * 365 * 24 * time.Hour).Milliseconds()
	f.read.Boot += time.Minute.Milliseconds()
	f.step(id, localdb.Step{To: op.InProgress})
	f.read.Wall = 0
	f.read.Boot += (7 * 24 * time.Hour).Milliseconds() // the boot clock ran through suspend
	f.step(id, localdb.Step{To: op.Completed})
	for name, want := range map[string]time.Time{"started_at": start.Add(time.Minute), "completed_at": start.Add(time.Minute + 7*24*time.Hour)} {
		if d := f.at(id, name, want); d.Abs() > time.Second {
			t.Errorf("%s is off by %v", name, d)
		}
	}
	for i, o := range f.batch() {
		if o.TimeUncertain || i > 0 && time.UnixMilli(o.Time()).Before(start) {
			t.Errorf("op %d: %v, uncertain %v", i, time.UnixMilli(o.Time()).UTC(), o.TimeUncertain)
		}
	}
	s, err := f.Summary(f.ctx)
	f.must(err)
	if want := start.Add(time.Minute + 7*24*time.Hour).UnixMilli(); s.ClockOff < want-1000 || s.ClockOff > want+1000 {
		t.Errorf("the summary says that the clock is off by %v", time.Duration(s.ClockOff)*time.Millisecond)
	}
	if now := f.Now(); now-s.ClockOff != f.read.Wall {
		t.Errorf("now is %v", time.UnixMilli(now).UTC())
	}
}

// What was sent keeps its time, whatever is learned later.
func TestTheTimeOfASentOpStays(t *testing.T) {
	f := newFixture(t)
	f.meet(start)
	f.add("Check the pump")
	first, err := f.Freeze(f.ctx, f.batch())
	f.must(err)
	f.pass(time.Hour)
	f.meet(start.Add(2 * time.Hour)) // the clocks drifted apart by an hour
	f.add("Another")
	again := f.batch()
	if again[0].Time() != first[0].Time() {
		t.Errorf("it went out with %d and would go again with %d", first[0].Time(), again[0].Time())
	}
	if d := time.UnixMilli(again[1].Time()).Sub(start.Add(2 * time.Hour)); d.Abs() > time.Second {
		t.Errorf("a new one is off by %v", d)
	}
}

// TestAnOpOfAnOlderBoot goes out with the offset that was learned in its own boot,
// whatever the clocks of the boots since say.
func TestAnOpOfAnOlderBoot(t *testing.T) {
	f := newFixture(t)
	server := start.UnixMilli()
	meet := func(now int64) {
		before := f.read
		f.pass(20 * time.Millisecond)
		f.must(f.LearnOffset(f.ctx, now, before, f.read))
	}
	f.read = op.Reading{Wall: 1, Boot: 1000, BootID: "boot-1"}
	meet(server)
	f.pass(time.Hour)
	f.add("made in the first boot")
	made := server + time.Hour.Milliseconds() + 10
	for i, wall := range []int64{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), 0} {
		f.read = op.Reading{Wall: wall, Boot: 500, BootID: fmt.Sprint("boot-", i+2)}
		meet(server + int64(i+1)*24*time.Hour.Milliseconds())
		if ops := f.batch(); len(ops) != 1 || ops[0].Time() != made || ops[0].TimeUncertain {
			t.Errorf("in boot %d it goes out as %+v; made at %d", i+2, ops, made)
		}
	}
}

// The boot clock drifts through a weekend of sleep, and the first exchange after
// it is a long one: too long to teach the time, short enough to prove that what
// was known is wrong.
func TestLongExchangeMendsAnOffsetThatItDisproves(t *testing.T) {
	for _, tt := range []struct {
		name       string
		drift, rtt time.Duration
		off        time.Duration // how far an edit's time may be from the truth
	}{
		{"fast clock", 40 * time.Second, 5 * time.Second, 2500 * time.Millisecond},
		{"slow clock", -40 * time.Second, 5 * time.Second, 2500 * time.Millisecond},
		{"within what the exchange allows", 2 * time.Second, 5 * time.Second, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.meet(start)
			f.pass(60*time.Hour + tt.drift)
			now := start.Add(60 * time.Hour)
			before := f.read
			f.pass(tt.rtt)
			f.must(f.LearnOffset(f.ctx, now.Add(tt.rtt/2).UnixMilli(), before, f.read))
			f.add("Check the pump")
			off := f.batch()[0].Time() - now.Add(tt.rtt).UnixMilli()
			if time.Duration(off)*time.Millisecond > tt.off || time.Duration(-off)*time.Millisecond > tt.off {
				t.Errorf("an edit is %d ms off", off)
			}
			f.pass(20 * time.Millisecond)
			f.meet(now.Add(tt.rtt + 40*time.Millisecond))
			if off := f.batch()[0].Time() - now.Add(tt.rtt).UnixMilli(); off < -30 || off > 30 {
				t.Errorf("after a short exchange an edit is still %d ms off", off)
			}
		})
	}
}

// A machine that sleeps for a week drifts by a minute or two. What was done just
// before is timed by what was known then, what was done after by what is known now.
func TestAWeekOfDriftMovesNoEdit(t *testing.T) {
	for _, ppm := range []int64{-200, 200} {
		f := newFixture(t)
		f.meet(start)
		f.pass(20 * time.Minute)
		f.add("on Friday")
		f.meet(start.Add(20*time.Minute + 20*time.Millisecond)) // reached, but not sent
		f.add("later on Friday")
		const week = 7 * 24 * time.Hour
		f.pass(week + week*time.Duration(ppm)/1_000_000)
		f.add("on the next Friday")
		f.reopen()
		f.meet(start.Add(20*time.Minute + week))
		for i, want := range []time.Duration{20 * time.Minute, 20 * time.Minute, 20*time.Minute + week} {
			if off := time.UnixMilli(f.batch()[i].Time()).Sub(start.Add(want)); off.Abs() > 50*time.Millisecond {
				t.Errorf("%d ppm: change %d is %v off", ppm, i, off)
			}
		}
	}
}

// All the time of a long exchange may have gone by on one way. It proves a good
// offset wrong by next to nothing, and moves it by no more.
func TestALongExchangeOnOneWaySpoilsNoOffset(t *testing.T) {
	const drift = 72 * time.Millisecond // an hour at 20 ppm
	for name, at := range map[string]time.Duration{"the answer": 0, "the request": 14 * time.Second} {
		for _, fast := range []time.Duration{drift, -drift} {
			f := newFixture(t)
			f.meet(start)
			f.pass(time.Hour + fast)
			before := f.read
			f.pass(14 * time.Second)
			f.must(f.LearnOffset(f.ctx, start.Add(time.Hour+at).UnixMilli(), before, f.read))
			f.add("Check the pump")
			if off := time.UnixMilli(f.batch()[0].Time()).Sub(start.Add(time.Hour + 14*time.Second)); off.Abs() > drift+20*time.Millisecond {
				t.Errorf("%s took 14 s, the clock is %v fast: an edit is %v off", name, fast, off)
			}
		}
	}
}

// However long a queue waits while the server can be reached, what is kept of the
// clocks stays small; and once the queue went out, nothing of it is.
func TestFewAnchorsAreKept(t *testing.T) {
	f := newFixture(t)
	f.meet(start)
	f.add("never sent")
	for n := range 500 {
		f.pass(11 * time.Minute)
		f.meet(start.Add(time.Duration(n+1) * (11*time.Minute + 20*time.Millisecond)))
	}
	raw, err := sql.Open("sqlite3", "file:"+f.path+"?mode=ro")
	f.must(err)
	defer raw.Close()
	var text string
	f.must(raw.QueryRow("SELECT earlier FROM boots").Scan(&text))
	if len(text) > 64*40 {
		t.Errorf("%d bytes of earlier exchanges", len(text))
	}
	if off := time.UnixMilli(f.batch()[0].Time()).Sub(start); off.Abs() > 50*time.Millisecond {
		t.Errorf("the change is %v off", off)
	}
	f.settle(f.applied(1))
	f.pass(11 * time.Minute)
	f.meet(start.Add(501 * (11*time.Minute + 20*time.Millisecond)))
	f.must(raw.QueryRow("SELECT coalesce(earlier, '') FROM boots").Scan(&text))
	if text != "" {
		t.Errorf("still there: %s", text)
	}
}
