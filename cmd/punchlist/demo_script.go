package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
)

// story is the demo without a screen: it acts, waits for what must follow, and
// tells both.
type story struct {
	*demo
	a      *app
	ctx    context.Context
	sync   *syncer
	change <-chan struct{}
	rows   []localdb.TaskRow // the day's tasks
	failed bool
}

// stepTimeout bounds each wait of the story; nothing in it takes a second.
const stepTimeout = 30 * time.Second

// demoScript runs the story in a folder of its own, which is removed afterwards.
func (a *app) demoScript(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "punchlist-demo-")
	if err != nil {
		return demoFault(os.TempDir(), "TMPDIR", err)
	}
	defer os.RemoveAll(dir)
	s := &story{a: a, ctx: ctx}
	begin := time.Now()
	if s.demo, err = newDemo(ctx, dir, begin); err != nil {
		return err
	}
	watch, stopWatch := context.WithCancel(ctx)
	s.change = s.db.Changed(watch)
	err = s.run(begin)
	stopWatch()
	if s.sync != nil {
		s.sync.stop()
	}
	err = errors.Join(err, s.close())
	if err == nil && s.failed {
		return cli.Exit{Code: 1}
	}
	return err
}

func (s *story) run(begin time.Time) error {
	s.tell("server", true, "A sync server on %s with the crew %q, its dispatcher Dora and a day of real building inspections, ready in %s.", s.url, demoCrew, since(begin))
	steps := []func() error{s.firstSync, s.pull, s.work, s.kill, s.look, s.office, s.plugIn, s.merge, s.conflict, s.verify}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// tell prints one step.
func (s *story) tell(step string, ok bool, format string, args ...any) {
	s.failed = s.failed || !ok
	detail := fmt.Sprintf(format, args...)
	if s.a.JSON {
		line, _ := json.Marshal(map[string]any{"step": step, "ok": ok, "detail": detail}) // text and truth: it cannot fail
		fmt.Fprintf(s.a.Out, "%s\n", line)
		return
	}
	mark := "ok  "
	if !ok {
		mark = "FAIL"
	}
	s.a.Printf("%s %-9s %s\n", mark, step, detail)
}

// until waits for the database to be as told.
func (s *story) until(what string, done func(localdb.Summary) bool) error {
	timeout := time.NewTimer(stepTimeout)
	defer timeout.Stop()
	for {
		sum, err := s.db.Summary(s.ctx)
		if err != nil {
			return err
		}
		if done(sum) {
			return nil
		}
		select {
		case <-s.change:
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-timeout.C:
			return fmt.Errorf("waited %s in vain for %s; %s, reach is %s", stepTimeout, what, stillWait(sum.Pending), s.sync.Status().Reach)
		}
	}
}

func (s *story) firstSync() error {
	begin := time.Now()
	log, closeLog := s.a.logger()
	defer closeLog()
	var err error
	if s.sync, err = startSync(s.ctx, s.db, syncOptions{transport: s.cable, log: log}); err != nil {
		return err
	}
	if err := s.until("the first sync", func(sum localdb.Summary) bool { return sum.LastSync > 0 }); err != nil {
		return err
	}
	page, err := s.db.Tasks(s.ctx, localdb.Query{Limit: 100, Now: begin})
	if err != nil {
		return err
	}
	s.rows = page.Rows
	steps := 0
	for _, r := range s.rows {
		steps += r.Steps
	}
	s.tell("sync", len(s.rows) >= 10, "Ann's laptop joined with a one-time invite and holds %d tasks with %d checklist items after %s.", len(s.rows), steps, since(begin))
	if len(s.rows) < 10 {
		return errors.New("the day is too short for the story")
	}
	return nil
}

func (s *story) pull() error {
	s.cable.pull(true)
	s.sync.Kick()
	for s.sync.Status().Reach == "online" { // the engine tells within one failed try
		if err := sleep(s.ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	s.tell("cable", true, "The cable is pulled: %s.", s.sync.Status().Reach)
	return nil
}

// Tasks of the story, by their place in the list.
const (
	done     = 2 // inspected offline from beginning to end
	merged   = 3 // Ann changes the asset, Dora the priority
	contends = 4 // both change the contact
)

func (s *story) work() error {
	var took []time.Duration
	act := func(do func() error) error {
		begin := time.Now()
		err := do()
		took = append(took, time.Since(begin))
		return err
	}
	id := s.rows[done].ID
	if err := act(func() error { return s.db.SetStatus(s.ctx, id, localdb.Step{To: op.InProgress}) }); err != nil {
		return err
	}
	items, err := s.db.ItemsOf(s.ctx, id)
	if err != nil {
		return err
	}
	for i, it := range items {
		outcome := "pass"
		if i%9 == 4 {
			outcome = "fail"
		}
		if err := act(func() error { return s.db.AnswerItem(s.ctx, it.ID, localdb.Answer{Outcome: outcome}) }); err != nil {
			return err
		}
	}
	more := []func() error{
		func() error {
			_, err := s.db.AddNote(s.ctx, id, "Stairwell B: handrail loose on the third floor.", "safety")
			return err
		},
		func() error { return s.db.SetStatus(s.ctx, id, localdb.Step{To: op.Completed}) },
		func() error { return s.db.EditTask(s.ctx, s.rows[merged].ID, op.Fields{"asset": "Boiler room"}) },
		func() error {
			return s.db.EditTask(s.ctx, s.rows[contends].ID, op.Fields{"contact_name": "Mr Bell, caretaker"})
		},
		func() error {
			_, err := s.db.AddTask(s.ctx, op.Fields{"title": "Mend the handrail", "type": "repair", "priority": "high", "parent_id": id})
			return err
		},
	}
	for _, m := range more {
		if err := act(m); err != nil {
			return err
		}
	}
	slices.Sort(took)
	s.tell("offline", true, "Ann works on: %d actions (a whole checklist, a note, edits, a new task), each saved on disk in %s (median), %s at most.",
		len(took), took[len(took)/2].Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond))
	return nil
}

// kill starts a second punchlist on the same database and kills it with -9 in
// the middle of its work: what it called saved must be there.
func (s *story) kill() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(s.ctx, self, "demo", "--writer", s.db.Path())
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var saved []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		saved = append(saved, lines.Text())
		if len(saved) == 20 {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // it was killed: that is its error
	there, err := s.db.Records(s.ctx, op.Task, saved)
	if err != nil {
		return err
	}
	s.tell("kill -9", len(saved) >= 20 && len(there) == len(saved), "A second punchlist on the same file is killed while it writes: it had called %d tasks saved, %d are there.", len(saved), len(there))
	return nil
}

func (s *story) look() error {
	sum, err := s.db.Summary(s.ctx)
	if err != nil {
		return err
	}
	st := s.sync.Status()
	s.tell("queue", sum.Pending > 0 && sum.Parked == 0, "%s of %s %s on this laptop; the engine is %s, reach is %s.", cli.Count(sum.Pending, "change"), cli.Count(sum.PendingTasks, "task"), cli.Verb(sum.Pending, "wait"), st.Activity, st.Reach)
	return nil
}

func (s *story) office() error {
	if err := s.dispatch(s.ctx, s.rows[merged].ID, op.Fields{"priority": "emergency"}); err != nil {
		return err
	}
	if err := s.dispatch(s.ctx, s.rows[contends].ID, op.Fields{"contact_name": "Ms Cole, owner"}); err != nil {
		return err
	}
	s.tell("office", true, "Meanwhile Dora changes the priority of %s and the contact of %s at the office.", s.rows[merged].Number, s.rows[contends].Number)
	return nil
}

func (s *story) plugIn() error {
	sum, err := s.db.Summary(s.ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	s.cable.pull(false)
	s.sync.Kick()
	if err := s.until("the queue to drain", func(sum localdb.Summary) bool {
		return sum.Pending == 0 && s.sync.Status().Activity == engine.Idle
	}); err != nil {
		return err
	}
	after, err := s.db.Summary(s.ctx)
	if err != nil {
		return err
	}
	s.tell("drain", after.Parked == 0, "The cable is in again: %s sent and settled after %s; %d refused.", cli.Count(sum.Pending, "change"), since(begin), after.Parked)
	return nil
}

func (s *story) merge() error {
	v, err := s.db.Task(s.ctx, s.rows[merged].ID)
	if err != nil {
		return err
	}
	asset, priority := v.Fields.Text("asset"), v.Fields.Text("priority")
	s.tell("merge", asset == "Boiler room" && priority == "emergency", "%s has both changes: asset %q from Ann, priority %q from Dora. Nobody had to do anything.", v.Number, asset, priority)
	return nil
}

func (s *story) conflict() error {
	list, err := s.db.Conflicts(s.ctx, false)
	if err != nil {
		return err
	}
	if len(list) != 1 {
		s.tell("conflict", false, "one conflict was to be told, %d are", len(list))
		return nil
	}
	c := list[0]
	s.tell("conflict", c.Mine == "Mr Bell, caretaker" && c.Theirs == "Ms Cole, owner" && c.Who == demoDispatcher,
		"Ann is told: on %s she wrote %q, but %q, which %s wrote later, stands.", c.Number, c.Mine, c.Theirs, c.Who)
	if err := s.db.ResolveConflict(s.ctx, c.ID, true); err != nil {
		return err
	}
	if err := s.until("her answer to be sent", func(sum localdb.Summary) bool { return sum.Pending == 0 && sum.Conflicts == 0 }); err != nil {
		return err
	}
	v, err := s.db.Task(s.ctx, c.EntityID)
	if err != nil {
		return err
	}
	s.tell("resolve", v.Fields.Text("contact_name") == "Mr Bell, caretaker", "She takes hers again; it goes out as an ordinary change, and the office has %q.", v.Fields.Text("contact_name"))
	return nil
}

func (s *story) verify() error {
	s.sync.stop()
	equal, detail, err := s.compare(s.ctx)
	if err != nil {
		return err
	}
	s.tell("verify", equal, "%s", detail)
	return nil
}

func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// demoFault says how to give the demo a folder that it can write to.
func demoFault(dir, variable string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &localdb.Error{Message: fmt.Sprintf("the demo cannot write to its folder %s: %v", dir, err),
		Hint: "set " + variable + " to a folder of your own: " + variable + "=/some/folder punchlist demo", Cause: err}
}

// demoDir is where the demo on the screen keeps its world between two starts.
func (a *app) demoDir() (string, error) {
	dir, err := a.home("XDG_DATA_HOME", ".local/share")
	return filepath.Join(dir, "demo"), err
}
