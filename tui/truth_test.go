package tui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// TestTruthLine: what the person reads of each state, with work waiting.
func TestTruthLine(t *testing.T) {
	ago := ms(morning.Add(-12 * time.Minute))
	last := ms(morning.Add(-15 * time.Minute))
	for _, c := range []struct {
		st   engine.Status
		want string
	}{
		{engine.Status{Reach: reach.Online, LastSync: last}, "ONLINE  2 tasks, 3 changes waiting"},
		{engine.Status{Reach: reach.Online, Activity: engine.Sending, Done: 4, Total: 11}, "SENDING 4 of 11"},
		{engine.Status{Reach: reach.Offline, Since: ago, LastSync: last}, "OFFLINE 12 min  2 tasks, 3 changes waiting  last sent 08:45"},
		{engine.Status{Reach: reach.Offline, Since: ago, LastSync: last, Activity: engine.Waiting, NextTry: ms(morning.Add(5 * time.Minute))},
			"OFFLINE 12 min  2 tasks, 3 changes waiting  last sent 08:45  next try 09:05"},
		{engine.Status{Reach: reach.Paused, Since: ago, LastSync: last}, "WORKING OFFLINE 12 min  2 tasks, 3 changes waiting  last sent 08:45"},
		{engine.Status{Reach: reach.Portal, Detail: "hotel-wifi.example answers instead of the server"}, "PORTAL  hotel-wifi.example answers instead of the server"},
		{engine.Status{Reach: reach.Unauthorised}, "SIGN IN AGAIN  3 changes safe on this laptop"},
		{engine.Status{Reach: reach.Outdated}, "UPDATE PUNCHLIST  3 changes safe on this laptop"},
		{engine.Status{Reach: reach.ServerDown, Since: ago, LastSync: last}, "SERVER DOWN 12 min  2 tasks, 3 changes waiting  last sent 08:45"},
		{engine.Status{}, "LOOKING FOR THE SERVER  2 tasks, 3 changes waiting"},
	} {
		t.Run(string(c.st.Reach)+" "+string(c.st.Activity), func(t *testing.T) {
			s := newStory(t)
			s.now = morning.Add(-15 * time.Minute)
			ids := s.day()
			s.must(s.db.EditTask(s.ctx(), ids["T-10423"], op.Fields{"asset": "B-3"}))
			s.must(s.db.EditTask(s.ctx(), ids["T-10423"], op.Fields{"asset": "B-4"}))
			s.must(s.db.EditTask(s.ctx(), ids["T-10425"], op.Fields{"asset": "D"}))
			s.now = morning
			s.open(100, 24).status(c.st)
			got := s.line(-1)
			if c.st.LastSync == 0 && len(got) > len(c.want) { // the file knows when all was sent last
				got = got[:len(c.want)]
			}
			if got != c.want {
				t.Errorf("it says  %q\nnot      %q", got, c.want)
			}
		})
	}
}

// TestTruthLineNames what needs the person, on any screen.
func TestTruthLineNamesWhatNeedsThePerson(t *testing.T) {
	s := newStory(t)
	parked(s)
	s.open(80, 24).online()
	for _, keys := range [][]string{{}, {"enter"}, {"c"}, {"a"}, {"q"}} {
		s.keys(keys...).sees("1 task needs you (press O)")
	}
	s.settle(s.applied)
	s.changed()
	s.seesNot("all sent").sees("1 task needs you (press O)")
}

// TestARefusalIsToldWhenItComes, by a sentence.
func TestARefusalIsToldWhenItComes(t *testing.T) {
	s := newStory(t)
	ids := s.day()
	s.open(80, 24).online()
	s.must(s.db.EditTask(s.ctx(), ids["T-10425"], op.Fields{"external_ref": "WO-7"}))
	s.settle(func(op.Op) wire.Result {
		return wire.Result{Outcome: op.Rejected, Code: op.CodeDuplicateRef, Message: "WO-7 belongs to T-10377 already."}
	})
	s.changed()
	s.sees("The server refused 1 change: press O to see why.")
	s.keys("j").seesNot("The server refused")
}

// TestTheTruthLineSaysWhyWorkStandsStill, and when it goes on.
func TestTheTruthLineSaysWhyWorkStandsStill(t *testing.T) {
	for want, st := range map[string]engine.Status{
		"ONLINE  1 task, 1 change waiting  next try 09:05  waits: the server says 503":    {Reach: reach.Online, Why: "the server says 503", NextTry: ms(morning.Add(5 * time.Minute))},
		"ONLINE  1 task, 1 change waiting  waits: another punchlist on this laptop sends": {Reach: reach.Online, Why: "another punchlist on this laptop sends"},
		"ONLINE  1 task, 1 change waiting":                                                {Reach: reach.Online, Why: "gathering", NextTry: ms(morning.Add(time.Second))},
		"OFFLINE  1 task, 1 change waiting  no route  next try within a minute":           {Reach: reach.Offline, Activity: engine.Waiting, Detail: "no route", Why: "no route", NextTry: ms(morning.Add(30 * time.Second))},
	} {
		t.Run(want, func(t *testing.T) {
			s := newStory(t)
			ids := s.day()
			s.must(s.db.EditTask(s.ctx(), ids["T-10423"], op.Fields{"asset": "B-3"}))
			s.open(120, 24).status(st)
			if got := strings.ReplaceAll(s.line(-1), "  last sent 09:00", ""); got != want {
				t.Errorf("it says  %q", got)
			}
		})
	}
}

// TestTheTruthLineSaysHowWrongTheClockIs, from two minutes on.
func TestTheTruthLineSaysHowWrongTheClockIs(t *testing.T) {
	for off, want := range map[time.Duration]string{
		time.Minute: "", -time.Minute: "", 3 * time.Minute: "clock 3 min slow", -5 * time.Hour: "clock 5 h fast", 20000 * 24 * time.Hour: "clock 20000 days slow",
	} {
		s := newStory(t)
		s.day()
		read := s.read()
		s.must(s.db.LearnOffset(s.ctx(), read.Wall+off.Milliseconds(), read, read))
		s.open(120, 24).online()
		s.changed()
		if got := s.line(-1); want == "" && strings.Contains(got, "clock") || !strings.Contains(got, want) {
			t.Errorf("off by %v it says %q", off, got)
		}
	}
}

// TestTheReasonOfBeingOfflineStays at 80 columns, with a clock running.
func TestTheReasonOfBeingOfflineStays(t *testing.T) {
	for detail, want := range map[string]string{
		"no route to host": "OFFLINE 12 min  1 task, 2 changes waiting  T-10425 work  no route to host",
		"the server at 10.0.0.1:8470 refuses the connection": "OFFLINE 12 min  2 waiting  T-10425 work since 09:00  the server at 10.0.0.1:…",
	} {
		s := newStory(t)
		s.day()
		s.open(80, 24).online().keys("jjj", "s", "3")
		s.status(engine.Status{Reach: reach.Offline, Since: ms(morning.Add(-12 * time.Minute)), LastSync: ms(morning), Detail: detail})
		if got := s.line(-1); got != want {
			t.Errorf("it says  %q\nnot      %q", got, want)
		}
	}
}

// TestManyClocksAreAllCounted, and stopped by one key.
func TestManyClocksAreAllCounted(t *testing.T) {
	s := newStory(t)
	s.day()
	for i := range 25 {
		id, err := s.db.AddTask(s.ctx(), op.Fields{"title": fmt.Sprint("Job ", i)})
		s.must(err)
		s.must(s.db.SetStatus(s.ctx(), id, localdb.Step{To: op.InProgress}))
	}
	s.open(120, 24).online().sees("25 clocks run")
	s.keys("jjj", "T").seesNot("clocks run")
}
