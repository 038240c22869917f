package tui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

// many brings in n tasks, over all sections, and returns their numbers in the
// list's order.
func (s *story) many(n int) []string {
	s.t.Helper()
	s.enrol()
	var changes []wire.Change
	for i := range n {
		status := op.Pending
		switch i % 10 {
		case 7:
			status = op.InProgress
		case 8, 9:
			status = op.Completed
		}
		due := morning.Add(time.Duration((i*7919)%20000-5000) * time.Minute)
		changes = append(changes, s.record(op.Task, "", op.Fields{"number": fmt.Sprintf("T-%05d", i), "title": fmt.Sprintf("Task %d", i), "status": string(status), "due_at": ms(due)}))
	}
	s.hears(changes...)
	return s.order()
}

// order is the whole list, read page by page.
func (s *story) order() []string {
	s.t.Helper()
	var out []string
	q := localdb.Query{Now: s.now, Limit: 500}
	for {
		page, err := s.db.Tasks(s.ctx(), q)
		s.must(err)
		for _, r := range page.Rows {
			out = append(out, r.Number)
		}
		if !page.More {
			return out
		}
		q.From = &page.Keys[len(page.Keys)-1]
	}
}

// at is the number of the task under the cursor.
func (s *story) at() string {
	for _, l := range strings.Split(s.frame(), "\n") {
		if rest, ok := strings.CutPrefix(l, "> "); ok {
			return strings.Fields(rest)[0]
		}
	}
	return ""
}

// TestTheListIsTheTable: wherever the keys lead in a list much longer than what
// is held of it, the task under the cursor is the one that stands there in the table.
func TestTheListIsTheTable(t *testing.T) {
	s := newStory(t)
	order := s.many(1500)
	rapid.Check(t, func(rt *rapid.T) {
		w, h := 80, rapid.IntRange(12, 60).Draw(rt, "h")
		s.open(w, h)
		half := (h - 4) / 2
		at := 0
		for range rapid.IntRange(1, 20).Draw(rt, "moves") {
			n := rapid.IntRange(1, 12).Draw(rt, "times")
			key, by := "j", 1
			switch rapid.IntRange(0, 6).Draw(rt, "key") {
			case 0:
				key, by = "k", -1
			case 1:
				key, by = "ctrl+d", half
			case 2:
				key, by = "ctrl+u", -half
			case 3:
				key, by = "G", len(order)
			case 4:
				key, by = "g", -len(order)
			}
			keys := make([]string, n)
			for i := range keys {
				keys[i] = key
				at = max(0, min(at+by, len(order)-1))
			}
			s.ahead(keys...)
			if got := s.at(); got != order[at] {
				rt.Fatalf("after %d× %s the cursor is on %s, the table has %s there", n, key, got, order[at])
			}
			checkFrame(rt, s.app.View(), w, h)
		}
	})
}

// TestThePlaceIsKept while others change the list, and over a resize.
func TestThePlaceIsKept(t *testing.T) {
	s := newStory(t)
	order := s.many(700)
	s.open(80, 24)
	for range 30 {
		s.keys("ctrl+d")
	}
	here := s.at()
	if here != order[300] {
		t.Fatalf("the cursor is on %s, not on %s", here, order[300])
	}
	id, err := s.db.FindTask(s.ctx(), order[2])
	s.must(err)
	s.must(s.db.DeleteTask(s.ctx(), id))
	_, err = s.db.AddTask(s.ctx(), op.Fields{"title": "A new first one", "due_at": ms(morning.AddDate(-1, 0, 0))})
	s.must(err)
	s.changed()
	if got := s.at(); got != here {
		t.Errorf("the cursor went from %s to %s", here, got)
	}
	s.send(tea.WindowSizeMsg{Width: 60, Height: 14})
	s.send(tea.WindowSizeMsg{Width: 200, Height: 50})
	if got := s.at(); got != here {
		t.Errorf("the resize took the cursor from %s to %s", here, got)
	}
}

// TestThePaneIsNoOlderThanTheList, also when others changed the task while the
// terminal was too narrow for a pane.
func TestThePaneIsNoOlderThanTheList(t *testing.T) {
	s := newStory(t)
	id, err := s.db.AddTask(s.ctx(), op.Fields{"title": "Read the meters"})
	s.must(err)
	s.open(80, 24).keys("e", "esc") // the form reads the task
	s.must(s.db.EditTask(s.ctx(), id, op.Fields{"title": "Read all of the meters"}))
	s.changed()
	s.send(tea.WindowSizeMsg{Width: 200, Height: 50})
	if n := strings.Count(s.frame(), "Read all of the meters"); n < 2 {
		t.Errorf("list and pane tell different things:\n%s", s.frame())
	}
	s.seesNot("  Read the meters")
}

// TestDoneWithATask: the next one comes under the cursor; one that was begun keeps it.
func TestDoneWithATask(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jjj", "s", "3")
	if got := s.at(); got != "T-10425" {
		t.Fatalf("the begun task is not under the cursor, %s is", got)
	}
	s.sees("T-10425 is in progress")
	s.keys("s", "5").sees("T-10425 is completed")
	if got := s.at(); got == "T-10425" {
		t.Error("the cursor followed a task that is done with")
	}
}

// TestASupersededSearchIsGivenUp: of the keys of a word only the last one's page
// is read to its end.
func TestASupersededSearchIsGivenUp(t *testing.T) {
	s := newStory(t)
	s.many(300)
	s.open(80, 24).online().keys("/")
	var cmds []tea.Cmd
	for _, r := range "task 29" {
		_, cmd := s.app.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
		cmds = append(cmds, cmd)
	}
	var msgs []tea.Msg
	var collect func(tea.Cmd)
	collect = func(cmd tea.Cmd) {
		if cmd == nil {
			return
		}
		msg := cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for _, c := range batch {
				collect(c)
			}
			return
		}
		msgs = append(msgs, msg)
	}
	for _, cmd := range cmds {
		collect(cmd)
	}
	given, whole := 0, 0
	for _, msg := range msgs {
		switch text := fmt.Sprintf("%T %+v", msg, msg); {
		case !strings.HasPrefix(text, "tui.pageMsg"):
		case strings.Contains(text, "Rows:[]"):
			given++
		default:
			whole++
		}
	}
	if given == 0 || whole != 1 {
		t.Errorf("%d pages given up and %d read, of %d keys", given, whole, len(cmds))
	}
	for _, msg := range msgs {
		s.send(msg)
	}
	s.sees("Tasks matching: task 29", "Task 29").seesNot("Task 31 ", "context canceled")
}

// TestASearchSaysWhyItFound: a word that stands where the line does not show it.
func TestASearchSaysWhyItFound(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online()
	for words, why := range map[string]string{"harbour": "(site Harbour", "viessmann": "(asset B-2 Vi", "ladder": "(says Bring", "okafor": "(contact Mr Ok", "toronto": "(at Toronto)", "bld22": "", "boiler": "", "-harbour lift": ""} {
		s.keys("/", words)
		if why == "" {
			s.seesNot("(site", "(says", "(at ")
		} else {
			s.sees(why)
		}
		s.keys("esc")
	}
	s.seesNot("(site")
}

// TestStatusesKeepTheirNumbers wherever a task stands.
func TestStatusesKeepTheirNumbers(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("s").sees("> 2 en route", "  3 in progress").keys("3")
	s.keys("s").sees("  4 on hold", "> 5 completed", "  6 incomplete").keys("3").sees("Choose a number").keys("4", "1")
	s.keys("s").sees("  2 en route", "> 3 in progress  (go on)", "  6 incomplete").keys("esc")
}

// TestOpenStepsAreSpokenOf before a task is completed and after.
func TestOpenStepsAreSpokenOf(t *testing.T) {
	s := newStory(t)
	s.day()
	s.open(80, 24).online().keys("jj", "c", "p", "j", "2", "enter", "esc")
	s.keys("s").sees("5 completed  (3 steps without an answer)").keys("5").sees("T-10423 is completed. 3 steps stay without an answer. Saved")
}

// TestAConflictWithinAMinute says in seconds who was later, or more exactly still.
func TestAConflictWithinAMinute(t *testing.T) {
	for apart, want := range map[time.Duration]string{12 * time.Second: "dora changed it 08:55:30, you 08:55:18.", 300 * time.Millisecond: "dora changed it 08:55:30.900, you 08:55:30.600.", 3 * time.Minute: "dora changed it 08:55, you 08:52."} {
		s := newStory(t)
		ids := s.day()
		s.must(s.db.EditTask(s.ctx(), ids["T-10426"], op.Fields{"asset": "mine"}))
		s.settle(func(o op.Op) wire.Result {
			r := s.lost(o, op.Fields{"asset": "theirs"})
			r.Lost[0].At += 30_900
			r.Lost[0].MineAt = r.Lost[0].At - apart.Milliseconds()
			return r
		})
		s.open(80, 24).online().keys("X").sees(want)
	}
}

// TestTheWindowIsFilled: where the terminal grows, or the list gets shorter, no
// line stays empty below while there are rows above.
func TestTheWindowIsFilled(t *testing.T) {
	s := newStory(t)
	order := s.many(13)
	s.open(80, 24).keys("G")
	whole := s.frame()
	for _, h := range []int{12, 24} {
		s.send(tea.WindowSizeMsg{Width: 80, Height: h})
	}
	if got := s.frame(); got != whole {
		t.Errorf("after 80x12 and back:\n%s\nwant\n%s", got, whole)
	}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 12})
	s.seesNot(order[0])
	for _, number := range order[4:] {
		id, err := s.db.FindTask(s.ctx(), number)
		s.must(err)
		s.must(s.db.DeleteTask(s.ctx(), id))
	}
	s.changed()
	s.sees(order[:4]...)
}

// Where a step has no room the label gives way: what was read is what counts.
func TestAReadingIsNotCutOff(t *testing.T) {
	s := newStory(t)
	task := "0193aaaa-0000-7000-8000-000000000001"
	s.enrol()
	s.hears(s.record(op.Task, task, op.Fields{"title": "Boiler", "status": "IN_PROGRESS"}),
		s.record(op.Item, "", op.Fields{"task_id": task, "label": "Pressure in the expansion vessel of the southern boiler, cold", "kind": "number", "unit": "bar", "position": 1, "outcome": "pass", "value": 2.41}))
	for _, at := range [][]string{{"enter"}, {"c"}} {
		s.open(40, 14)
		s.keys(at...)
		if frame := ansi.Strip(s.app.View()); !strings.Contains(frame, "[pass] Pressure") || !strings.Contains(frame, ": 2.41 bar") {
			t.Errorf("after %v:\n%s", at, frame)
		}
	}
}
