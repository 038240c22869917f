package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/localdb/exchange"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// The demo's work: apartment buildings of Toronto as inspectors found them.
// testdata/SOURCE.md says whose data it is.
//
//go:embed testdata/toronto-sample.csv
var torontoSample []byte

func newID() string { return uuid.Must(uuid.NewV7()).String() }

var torontoMapping = exchange.Options{
	Map: []string{"title=Inspect {SITE ADDRESS}", "external_ref={RSN}-{YEAR EVALUATED}", "type==inspection", "asset={CONFIRMED STOREYS} storeys, {CONFIRMED UNITS} units",
		"priority=CURRENT BUILDING EVAL SCORE", "x.last_score=CURRENT BUILDING EVAL SCORE", "x.ward=WARDNAME",
		"site.code=RSN", "site.name=SITE ADDRESS", "site.address=SITE ADDRESS", "site.city==Toronto", "site.lat=LATITUDE", "site.lon=LONGITUDE"},
	Values:     []string{"priority:<60=emergency,<85=high,*=normal"},
	Items:      "NUMBERING OF PROPERTY..TENANT SERVICE REQUEST LOG",
	ItemValues: "N/A=skip,*=open",
}

// morning makes the crew, its people and its day.
func (d *demo) morning(ctx context.Context, now time.Time) error {
	for name, role := range map[string]op.Role{demoTechnician: op.Technician, demoDispatcher: op.Dispatcher} {
		if _, err := d.srv.AddUser(ctx, server.User{Name: name, Role: role, Crews: []string{demoCrew}}); err != nil {
			return err
		}
	}
	file, err := exchange.Read(bytes.NewReader(torontoSample), torontoMapping)
	if err != nil {
		return err
	}
	by, err := d.srv.Office(ctx, demoDispatcher, demoCrew)
	if err != nil {
		return err
	}
	day := &dayPlan{srv: d.srv, by: by, now: now}
	plan, err := file.Plan(ctx, day, exchange.PlanOptions{Crew: demoCrew})
	if err != nil {
		return err
	}
	return plan.Write(ctx, day, nil)
}

// dayPlan is an import into a crew that holds nothing yet; it gives each task a
// time of the day and somebody to do it.
type dayPlan struct {
	srv   *server.Server
	by    server.Author
	now   time.Time
	tasks int
}

func (p *dayPlan) Find(context.Context, op.Kind, string, []string) (map[string]string, error) {
	return nil, nil
}

func (p *dayPlan) Records(context.Context, op.Kind, []string) (map[string]exchange.Record, error) {
	return nil, nil
}

func (p *dayPlan) Items(context.Context, []string) (map[string][]exchange.Record, error) {
	return nil, nil
}

func (p *dayPlan) CountTasks(context.Context) (int, error) { return 0, nil }

func (p *dayPlan) Imported(context.Context) iter.Seq2[exchange.Record, error] {
	return func(func(exchange.Record, error) bool) {}
}

func (p *dayPlan) Write(ctx context.Context, changes iter.Seq[exchange.Change]) error {
	var ops []op.Op
	send := func() error {
		results, err := p.srv.Apply(ctx, p.by, ops)
		for _, r := range results {
			if r.Outcome != op.Applied {
				err = errors.Join(err, fmt.Errorf("%s: %s %s", r.Outcome, r.Field, r.Message))
			}
		}
		ops = ops[:0]
		return err
	}
	for c := range changes {
		fields := c.Fields.Clone()
		if c.Kind == op.Task {
			p.schedule(fields)
		}
		fields[op.UpdatedAt] = p.now.UnixMilli()
		ops = append(ops, op.Op{ID: newID(), Kind: c.Kind, Entity: c.ID, Action: c.Action, Fields: fields, CreatedAt: p.now.UnixMilli(), Schema: op.Schema})
		if len(ops) == wire.MaxOps {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}

// schedule spreads the tasks: a few left over from yesterday, today by the
// hour, some tomorrow, the rest this week.
func (p *dayPlan) schedule(f op.Fields) {
	y, m, day := p.now.Date()
	at := func(days, hour int) time.Time { return time.Date(y, m, day+days, hour, 0, 0, 0, p.now.Location()) }
	var from time.Time
	switch n := p.tasks; {
	case n < 2:
		from = at(-1, 14+n)
	case n < 10:
		from = p.now.Truncate(time.Hour).Add(time.Duration(n-1) * time.Hour)
	case n < 16:
		from = at(1, 8+n-10)
	default:
		from = at(2+(n-16)/3, 9+2*((n-16)%3))
	}
	f["window_start"], f["window_end"] = from.UnixMilli(), from.Add(time.Hour).UnixMilli()
	f["due_at"], f["estimate_minutes"], f["assignee"] = from.Add(time.Hour).UnixMilli(), int64(45), demoTechnician
	p.tasks++
}
