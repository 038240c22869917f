package simtest_test

import (
	"context"
	"errors"
	"fmt"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
)

// singles are a task's registers of one field that persons and office write.
var singles = []string{"title", "description", "asset", "contact_name", "contact_phone", "x.a", "x.b"}

// live is a person's day: bursts of work, pauses between them.
func (l *laptop) live() {
	for l.w.sleep(l.dice, l.dice.span(3, 75)*second) {
		if l.w.isCalm() {
			return
		}
		for range l.dice.span(1, 6) {
			l.act()
			if !l.w.sleep(l.dice, l.dice.span(200, 14*second)) {
				return
			}
		}
	}
}

// act does one thing. What the person saw is what stood in the database when
// the action's transaction began.
func (l *laptop) act() {
	for l.clock.asleep() { // a person opens the lid, and is slower than the machine
		if !l.w.sleep(l.dice, 5*second) {
			return
		}
	}
	r, done := l.usingOne(l.dice)
	defer done()
	if r == nil {
		return
	}
	what, again, err := l.choose(r)
	if r.isDead() {
		l.scanLater()
		return // nobody was told "saved"
	}
	l.link.nudge(false)
	l.scan(r, err == nil, again)
	if again {
		l.tookBack(r)
	}
	result := "saved"
	if err != nil {
		result = "refused"
		if !expected(err) {
			l.w.violated("harness", "%s cannot %s: %v", l.name, what, err)
		}
	}
	l.w.note(l.name, "%s %s", what, result)
	l.w.count("actions")
	r.poke()
}

// scanLater: the program was killed under the person's hands; what is on the
// disk is found when it starts again.
func (l *laptop) scanLater() { l.w.note(l.name, "killed while acting") }

// expected tells what a person may be told from what must not happen.
func expected(err error) bool {
	var refused *op.Refusal
	var cured *localdb.Error
	return errors.As(err, &refused) || errors.As(err, &cured) || errors.Is(err, localdb.ErrNotFound)
}

func (l *laptop) token() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	return fmt.Sprintf("%s-%d", l.name, l.serial)
}

// choose picks an action and carries it out. again: it moved or removed ops of
// the queue.
func (l *laptop) choose(r *run) (what string, again bool, err error) {
	ctx := context.Background()
	ids, err := r.db.IDs(ctx, op.Task)
	if err != nil {
		return "list", false, err
	}
	if len(ids) == 0 || l.dice.one(25) {
		return "add task", false, l.addTask(r)
	}
	last := int64(len(ids))
	id := ids[min(l.dice.n(last), l.dice.n(last), l.dice.n(last))] // most meet on the same few
	switch n := l.dice.n(100); {
	case n < 30:
		f := op.Fields{pick(l.dice, singles): l.token()}
		if l.dice.one(4) {
			f[pick(l.dice, singles)] = l.token()
		}
		return "edit", false, r.db.EditTask(ctx, id, f)
	case n < 42:
		l.token()
		start := 1_700_000_000_000 + int64(l.n)*1_000_000 + int64(l.serial)
		return "move", false, r.db.EditTask(ctx, id, op.Fields{"window_start": start, "window_end": start + hour})
	case n < 64:
		return "status", false, l.setStatus(r, id)
	case n < 70:
		_, err := r.db.AddNote(ctx, id, l.token(), "")
		return "note", false, err
	case n < 76:
		_, err := r.db.AddItem(ctx, id, op.Fields{"label": l.token(), "kind": "text"})
		return "item", false, err
	case n < 86:
		return "answer", false, l.answer(r, id)
	case n < 89 && len(ids) > 3:
		return "delete", false, l.deleteTask(r, id)
	case n < 95:
		return "conflict", false, l.settleConflict(r)
	case n < 98:
		return l.mendParked(r)
	}
	return "ref", false, r.db.EditTask(ctx, id, op.Fields{"external_ref": l.ref()})
}

// ref is one of few, so that two tasks meet in it and the server must refuse one.
func (l *laptop) ref() string { return fmt.Sprintf("ref-%d", l.dice.n(4)) }

func (l *laptop) addTask(r *run) error {
	f := op.Fields{"title": l.token()}
	if l.dice.one(3) {
		f["external_ref"] = l.ref()
	}
	if l.dice.one(30) {
		f["description"] = l.token() + cursed
	}
	id, err := r.db.AddTask(context.Background(), f)
	if err == nil && l.dice.one(2) {
		_, err = r.db.AddNote(context.Background(), id, l.token(), "")
	}
	return err
}

func (l *laptop) setStatus(r *run, id string) error {
	task, err := r.db.Task(context.Background(), id)
	if err != nil {
		return err
	}
	next := op.NextStatuses(op.Status(task.Fields.Text("status")), op.Dispatcher)
	if len(next) == 0 {
		return nil
	}
	s := localdb.Step{To: pick(l.dice, next), ReasonText: l.token()}
	if reasons := op.Reasons(s.To); reasons != nil {
		s.Reason = reasons[0]
	}
	return r.db.SetStatus(context.Background(), id, s)
}

func (l *laptop) answer(r *run, id string) error {
	items, err := r.db.ItemsOf(context.Background(), id)
	if err != nil || len(items) == 0 {
		return err
	}
	item := items[min(l.dice.n(int64(len(items))), l.dice.n(int64(len(items))))]
	a := localdb.Answer{Outcome: "done", Value: l.token()}
	if l.dice.one(3) {
		comment := l.token()
		a.Comment = &comment
	}
	return r.db.AnswerItem(context.Background(), item.ID, a)
}

// deleteTask remembers what stood before the person's eyes.
func (l *laptop) deleteTask(r *run, id string) error {
	rec, err := r.db.Record(context.Background(), op.Task, id)
	if err != nil {
		return err
	}
	if err := r.db.DeleteTask(context.Background(), id); err != nil {
		return err
	}
	saw := map[string]string{}
	for register := range tokens[op.Task] {
		saw[register] = tokenOf(op.Task, register, rec.Fields)
	}
	if r.isDead() {
		return nil
	}
	l.scan(r, true, false)
	l.w.book.with(func() {
		for _, f := range l.w.book.order {
			if f.lap == l.n && f.action == op.Delete && f.ref.ID == id && f.saw == nil {
				f.saw = saw
			}
		}
	})
	return nil
}

func (l *laptop) settleConflict(r *run) error {
	open, err := r.db.Conflicts(context.Background(), false)
	if err != nil || len(open) == 0 {
		return err
	}
	l.w.count("resolved")
	id := pick(l.dice, open).ID
	l.w.book.with(func() { l.w.book.dismissed[id] = true })
	return r.db.ResolveConflict(context.Background(), id, l.dice.one(2))
}

// mendParked sends a refused change again, after mending it perhaps, or drops it.
func (l *laptop) mendParked(r *run) (string, bool, error) {
	for _, row := range l.waiting(r) {
		if row.State != localdb.BadgeParked {
			continue
		}
		l.kept(r, "I27", "before a refused change is mended")
		l.w.count("mended")
		switch l.dice.n(3) {
		case 0:
			return "discard", true, r.db.DiscardOp(context.Background(), row.Op.ID)
		case 1:
			_, err := r.db.RetryAll(context.Background())
			return "retry all", true, err
		}
		return "retry", true, r.db.RetryOp(context.Background(), row.Op.ID)
	}
	return "look", false, nil
}
