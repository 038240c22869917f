package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// laptop is one device of a load: it makes changes like a technician's and sends
// them, but keeps no database.
type laptop struct {
	*fleet
	no         int
	user, crew string
	clients    []*wire.Client // one for each address
	way        int            // the one in use
	chance     *rand.Rand
	seq        int64
	cursor     string
	others     []string // tasks of the crew, seen in pulls
	made       []string // records that it made and that were taken

	settled   map[string]settled // by op id
	sent      []op.Op
	outcomes  map[string]int
	errors    map[string]int
	times     []time.Duration
	pulled    int
	unsettled int
}

// settled is the server's first word on an op.
type settled struct {
	outcome op.Outcome
	version int64
}

func (l *laptop) client(id, key, token string) (*wire.Client, error) {
	return wire.NewClient(wire.ClientOptions{BaseURL: l.o.urls[l.way], ServerID: id, ServerKey: key, Token: token, Version: "load", Transport: l.ways[l.way]})
}

// work makes changes and sends them, until all are made or working ends. What
// was begun is sent to its end, as long as ctx lasts.
func (l *laptop) work(working, ctx context.Context) {
	l.chance = rand.New(rand.NewPCG(uint64(l.no), 1))
	var queue []op.Op
	for made, pushes := 0, 0; made < l.o.ops && working.Err() == nil; {
		for len(queue) < l.o.batch && made+len(queue) < l.o.ops {
			queue = append(queue, l.visit()...)
		}
		n := l.cut(queue)
		if !l.push(ctx, queue[:n]) {
			return
		}
		made += n
		queue = queue[n:]
		if pushes++; l.o.pulls > 0 && pushes%l.o.pulls == 0 {
			l.pull(ctx)
		}
		if l.o.pause > 0 {
			select {
			case <-working.Done():
			case <-time.After(l.o.pause):
			}
		}
	}
}

// cut is how many ops go into the next batch: groups whole.
func (l *laptop) cut(queue []op.Op) int {
	n := min(l.o.batch, len(queue))
	for n > 0 && n < len(queue) && queue[n].Group != "" && queue[n].Group == queue[n-1].Group {
		n--
	}
	if n == 0 { // a group larger than a batch goes whole
		for n = 1; n < len(queue) && queue[n].Group == queue[0].Group; n++ {
		}
	}
	return n
}

// retryPause is what a laptop of a load waits after a try that failed: less than
// a real one, because what is to be found out is what the server does.
const retryPause = 100 * time.Millisecond

// push sends a batch until it is answered.
func (l *laptop) push(ctx context.Context, ops []op.Op) bool {
	start := time.Now()
	for {
		res, err := l.clients[l.way].Push(ctx, wire.Self{}, ops)
		if err == nil {
			l.times = append(l.times, time.Since(start))
			l.note(ops, res.Results)
			return true
		}
		if ctx.Err() != nil || !l.failed(err) {
			l.unsettled += len(ops)
			return false
		}
		rest(ctx, err)
	}
}

// rest waits before the next try: as long as the server asks where it bounds how
// often one device may come.
func rest(ctx context.Context, err error) {
	pause := retryPause
	if e := (*wire.ServerError)(nil); errors.As(err, &e) {
		pause = max(pause, e.RetryAfter)
	}
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

// tooMany tells whether the server only asks to come later.
func tooMany(err error) bool {
	var e *wire.ServerError
	return errors.As(err, &e) && e.Status() == http.StatusTooManyRequests
}

// failed counts an error and goes to the next address; false when there is no
// use in trying again.
func (l *laptop) failed(err error) bool {
	what := "no answer"
	var problem *wire.ServerError
	if errors.As(err, &problem) {
		what = fmt.Sprintf("status %d", problem.Status())
	}
	l.errors[what]++
	l.way = (l.way + 1) % len(l.clients)
	return problem == nil || problem.Status() >= 500 || tooMany(err)
}

func (l *laptop) note(ops []op.Op, results []wire.Result) {
	for i, r := range results {
		l.outcomes[string(r.Outcome)]++
		if r.Outcome == op.Retry {
			l.unsettled++
			continue
		}
		l.settled[ops[i].ID] = settled{r.Outcome, r.Version}
		l.sent = append(l.sent, ops[i])
		if ops[i].Action == op.Insert && r.Outcome == op.Applied {
			l.made = append(l.made, ops[i].Entity)
		}
	}
}

// pull fetches what is new, and remembers the crew's tasks.
func (l *laptop) pull(ctx context.Context) {
	for {
		page, err := l.clients[l.way].Changes(ctx, wire.Self{}, l.cursor, wire.MaxPage)
		if err != nil {
			l.failed(err)
			if tooMany(err) && ctx.Err() == nil {
				rest(ctx, err)
				continue
			}
			return
		}
		l.cursor = page.Cursor
		l.pulled += len(page.Changes)
		for _, c := range page.Changes {
			if c.EntityType == op.Task && len(l.others) < 200 {
				l.others = append(l.others, c.EntityID)
			}
		}
		if !page.More {
			return
		}
	}
}

// visit is a task from the first look to the signature, about twenty changes:
// status and time go together in groups, the checklist step by step.
func (l *laptop) visit() (out []op.Op) {
	task, now := l.id(), time.Now().UnixMilli()
	add := func(group string, action op.Action, kind op.Kind, id string, fields op.Fields) {
		l.seq++
		now++
		fields[op.UpdatedAt] = now
		base := int64(0)
		if action == op.Update {
			base = 1 << 40 // it has seen all that it changes: its own
		}
		out = append(out, op.Op{ID: l.id(), Seq: l.seq, Group: group, Kind: kind, Entity: id, Action: action, Fields: fields, Base: base, CreatedAt: now, Schema: op.Schema})
	}
	step := func(to op.Status, more op.Fields, entry op.Fields) {
		group := l.id()
		more["status"], more["reason"], more["reason_text"] = string(to), nil, nil
		add(group, op.Update, op.Task, task, more)
		if entry != nil {
			entry["task_id"], entry["user"], entry["started_at"], entry["source"] = task, l.user, now, "auto"
			add(group, op.Insert, op.TimeEntry, l.id(), entry)
		}
	}
	add("", op.Insert, op.Task, task, op.Fields{"title": fmt.Sprintf("Inspect %d Queen St W", l.chance.IntN(4000)), "status": string(op.Pending), "type": "inspection",
		"priority": op.Priorities[l.chance.IntN(len(op.Priorities))], "assignee": l.user, "contact_name": "Reception", "due_at": now + 86_400_000})
	step(op.EnRoute, op.Fields{}, op.Fields{"kind": "travel"})
	step(op.InProgress, op.Fields{"started_at": now}, op.Fields{"kind": "work"})
	for i := range 4 {
		item := l.id()
		add("", op.Insert, op.Item, item, op.Fields{"task_id": task, "label": fmt.Sprintf("Common areas, step %d", i+1), "position": i, "kind": "pass_fail", "required": true})
		add("", op.Update, op.Item, item, op.Fields{"outcome": "pass", "value": nil, "done_by": l.user, "done_at": now})
	}
	add("", op.Insert, op.Note, l.id(), op.Fields{"task_id": task, "body": fmt.Sprintf("Elevator 2 was out of order, notice %d posted; the superintendent has the key.", l.chance.IntN(1000)), "author": l.user, "at": now, "kind": "note"})
	step(op.Completed, op.Fields{"completed_at": now, "completed_by": l.user}, nil)
	if len(l.others) > 0 { // what a colleague may change at the same time
		l.seq++
		now++
		out = append(out, op.Op{ID: l.id(), Seq: l.seq, Kind: op.Task, Entity: l.others[l.chance.IntN(len(l.others))], Action: op.Update, CreatedAt: now, Schema: op.Schema,
			Fields: op.Fields{"contact_name": fmt.Sprintf("%s, ext. %d", l.user, l.seq), op.UpdatedAt: now}})
	}
	return out
}

func (l *laptop) id() string { return uuid.Must(uuid.NewV7()).String() }
