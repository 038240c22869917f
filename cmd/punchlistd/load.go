package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// loading is what the flags of load ask for.
type loading struct {
	urls    []string
	devices int
	crews   int
	ops     int           // a device, at most
	batch   int           // ops a request
	lasting time.Duration // 0: until all ops are sent
	pulls   int           // a pull after so many pushes; 0: none
	pause   time.Duration // between two pushes of a device
}

func (a *app) loadCmd() *cobra.Command {
	o := loading{}
	cmd := &cobra.Command{Use: "load", Short: "Work a running server as many laptops would, and check that nothing was lost or doubled",
		Long: `Work a running server as many laptops would: technicians who make tasks, run their
checklists, write notes, and now and then change what a colleague changes too. Each
batch is sent until it is answered, whatever happens to the server meanwhile. At the
end every change is sent once more (the server must know it, with the same answer) and
each crew is read from the start (all records must be there, and its version must be
the number of changes).

A server bounds how often one device and one address may ask; what it can do beyond
that shows one that runs with serve --device-rate 0 --address-rate 0.

The people and crews are made for the run, named load-…, in the database of --db,
and stay there with their tasks: use a database that you can throw away.`,
		Example: "  punchlistd load --devices 100\n  punchlistd load --devices 32 --ops 2000 --batch 50 --json\n  punchlistd load --devices 50 --for 1m --url http://127.0.0.1:8701 --url http://127.0.0.1:8702", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.devices < 1 || o.crews < 0 || o.ops < 1 || o.batch < 1 || o.batch > wire.MaxOps || o.pulls < 0 {
				return cli.Usage(cmd.CommandPath()+" --help", "--devices and --ops are at least 1, --batch is 1 to %d", wire.MaxOps)
			}
			return a.with(cmd, func(ctx context.Context, srv *server.Server, store server.Store) error {
				return a.load(ctx, srv, store, o)
			})
		}}
	f := cmd.Flags()
	f.StringArrayVar(&o.urls, "url", nil, "address of the server; of several the devices take turns, and the next one where one fails (default: what serve remembered)")
	f.IntVar(&o.devices, "devices", 10, "how many laptops")
	f.IntVar(&o.crews, "crews", 0, "how many crews they work in (default: one for ten)")
	f.IntVar(&o.ops, "ops", 1000, "changes of each laptop, about")
	f.IntVar(&o.batch, "batch", 50, "changes in one request, at most")
	f.DurationVar(&o.lasting, "for", 0, "stop after so long, though not all changes are made")
	f.IntVar(&o.pulls, "pull-every", 4, "fetch the crew's news after so many pushes; 0 never")
	f.DurationVar(&o.pause, "pause", 0, "what a laptop waits between two pushes")
	return a.JSONFlag(cmd)
}

// load runs the laptops, checks, and tells.
func (a *app) load(ctx context.Context, srv *server.Server, store server.Store, o loading) error {
	if len(o.urls) == 0 {
		base, err := store.Setting(ctx, urlSetting, "")
		if err != nil {
			return err
		}
		if base == "" {
			return &server.Fault{Message: "no server has served this database yet", Cure: "punchlistd serve" + a.dbFlag() + ", or name one with --url"}
		}
		o.urls = []string{base}
	}
	if o.crews == 0 {
		o.crews = (o.devices + 9) / 10
	}
	f := newFleet(o, srv)
	defer f.hangUp()
	meter := a.Meter(time.Second)
	defer meter.End()
	if err := f.enrol(ctx, srv); err != nil {
		return fmt.Errorf("enrol %d laptops: %w", o.devices, err)
	}
	work := ctx
	if o.lasting > 0 {
		var stop context.CancelFunc
		work, stop = context.WithTimeout(ctx, o.lasting)
		defer stop()
	}
	start := time.Now()
	f.each(func(l *laptop) { l.work(work, ctx) })
	t := f.tally(time.Since(start))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	meter.Say("checking %d changes", t.Ops)
	f.check(ctx, &t)
	meter.End()
	return a.toldLoad(t)
}

// loadTally is what a run came to, as --json prints it.
type loadTally struct {
	Devices   int            `json:"devices"`
	Crews     int            `json:"crews"`
	Seconds   float64        `json:"seconds"`
	Batches   int            `json:"batches"`
	Ops       int            `json:"ops"`
	PerSecond float64        `json:"ops_per_second"`
	Outcomes  map[string]int `json:"outcomes"`
	Pulled    int            `json:"pulled"` // changes
	P50       float64        `json:"p50_ms"` // of a batch, from its first try on
	P99       float64        `json:"p99_ms"`
	Max       float64        `json:"max_ms"`
	Errors    map[string]int `json:"errors"` // tries that were not answered, by what went wrong
	Unsettled int            `json:"unsettled"`
	Lost      int            `json:"lost"`
	Doubled   int            `json:"doubled"`
	Why       []string       `json:"why,omitempty"` // some of what was lost or doubled
}

func (a *app) toldLoad(t loadTally) error {
	if a.JSON {
		if err := a.PrintJSON(t); err != nil {
			return err
		}
	} else {
		a.Printf("%d laptops in %d crews: %d changes in %d batches in %.1f s, %.0f a second\n", t.Devices, t.Crews, t.Ops, t.Batches, t.Seconds, t.PerSecond)
		a.Printf("a batch: p50 %.1f ms, p99 %.1f ms, at most %.1f ms; %d changes pulled\n", t.P50, t.P99, t.Max, t.Pulled)
		a.Printf("outcomes: %s\n", counts(t.Outcomes))
		a.Printf("errors: %s\n", counts(t.Errors))
		a.Printf("lost: %d  doubled: %d  not settled: %d\n", t.Lost, t.Doubled, t.Unsettled)
		for _, why := range t.Why {
			a.Note("  %s", why)
		}
	}
	if t.Lost+t.Doubled+t.Unsettled > 0 {
		return &server.Fault{Message: fmt.Sprintf("%d changes were lost, %d doubled, %d not settled", t.Lost, t.Doubled, t.Unsettled), Cure: "the server's log says more"}
	}
	return nil
}

func counts(m map[string]int) string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	out := ""
	for i, name := range names {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%d %s", m[name], name)
	}
	if out == "" {
		return "none"
	}
	return out
}

// fleet is all laptops of a run.
type fleet struct {
	o       loading
	run     string // begins the names of its people and crews
	ways    []*http.Transport
	laptops []*laptop
}

func newFleet(o loading, srv *server.Server) *fleet {
	f := &fleet{o: o, run: "load-" + strconv.FormatInt(time.Now().UnixMilli(), 36)}
	for _, base := range o.urls {
		t := wire.NewTransport(wire.TransportOptions{Trust: wire.TrustIn(base, base64.RawURLEncoding.EncodeToString(srv.Key()))})
		t.MaxIdleConnsPerHost = o.devices
		f.ways = append(f.ways, t)
	}
	return f
}

func (f *fleet) hangUp() {
	for _, t := range f.ways {
		t.CloseIdleConnections()
	}
}

// each runs f for every laptop, all at once.
func (f *fleet) each(do func(*laptop)) {
	var wait sync.WaitGroup
	for _, l := range f.laptops {
		wait.Go(func() { do(l) })
	}
	wait.Wait()
}

// enrolAtOnce is how many laptops enrol side by side.
const enrolAtOnce = 16

// enrol makes people and crews, and a laptop for each, as a person would.
func (f *fleet) enrol(ctx context.Context, srv *server.Server) error {
	f.laptops = make([]*laptop, f.o.devices)
	errs := make([]error, f.o.devices)
	free := make(chan struct{}, enrolAtOnce)
	var wait sync.WaitGroup
	for i := range f.laptops {
		free <- struct{}{}
		wait.Go(func() {
			f.laptops[i], errs[i] = f.enrolOne(ctx, srv, i)
			<-free
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (f *fleet) enrolOne(ctx context.Context, srv *server.Server, i int) (*laptop, error) {
	user, crew := fmt.Sprintf("%s-%d", f.run, i+1), fmt.Sprintf("%s-crew-%d", f.run, i%f.o.crews+1)
	if _, err := srv.AddUser(ctx, server.User{Name: user, Role: op.Technician, Crews: []string{crew}}); err != nil {
		return nil, err
	}
	text, _, err := srv.Invite(ctx, user, f.o.urls[i%len(f.o.urls)], time.Hour)
	if err != nil {
		return nil, err
	}
	invite, err := wire.ParseInvite(text)
	if err != nil {
		return nil, err
	}
	l := &laptop{fleet: f, no: i, user: user, crew: crew, way: i % len(f.o.urls), errors: map[string]int{}, outcomes: map[string]int{}, settled: map[string]settled{}}
	c, err := l.client("", "", "")
	if err != nil {
		return nil, err
	}
	e, err := c.Enroll(ctx, wire.Enroll{Code: invite.Code, DeviceName: "load"}, invite.Fingerprint)
	for tooMany(err) && ctx.Err() == nil {
		rest(ctx, err)
		e, err = c.Enroll(ctx, wire.Enroll{Code: invite.Code, DeviceName: "load"}, invite.Fingerprint)
	}
	if err != nil {
		return nil, err
	}
	for way := range f.o.urls {
		l.way = way
		if c, err = l.client(e.ServerID, e.ServerKey, e.Token); err != nil {
			return nil, err
		}
		l.clients = append(l.clients, c)
	}
	l.way = i % len(f.o.urls)
	return l, nil
}

// tally gathers what the laptops counted.
func (f *fleet) tally(took time.Duration) loadTally {
	t := loadTally{Devices: f.o.devices, Crews: f.o.crews, Seconds: took.Seconds(), Outcomes: map[string]int{}, Errors: map[string]int{}}
	var times []time.Duration
	for _, l := range f.laptops {
		t.Ops += len(l.settled)
		t.Batches += len(l.times)
		t.Pulled += l.pulled
		t.Unsettled += l.unsettled
		times = append(times, l.times...)
		for name, n := range l.outcomes {
			t.Outcomes[name] += n
		}
		for name, n := range l.errors {
			t.Errors[name] += n
		}
	}
	t.PerSecond = float64(t.Ops) / t.Seconds
	slices.Sort(times)
	at := func(share float64) float64 {
		if len(times) == 0 {
			return 0
		}
		return float64(times[min(int(share*float64(len(times))), len(times)-1)].Microseconds()) / 1000
	}
	t.P50, t.P99, t.Max = at(0.5), at(0.99), at(1)
	return t
}
