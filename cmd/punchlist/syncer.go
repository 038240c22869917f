package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// remotes gives the way to the server as the device stands now, and the same
// client for as long as it stands so.
type remotes struct {
	db        *localdb.DB
	given     http.RoundTripper // nil: the real network
	mu        sync.Mutex        // guards all below
	transport http.RoundTripper // as the device stands
	device    localdb.Device
	client    *wire.Client
	pending   int       // as counted last …
	recount   time.Time // … and good until then
}

func newRemotes(db *localdb.DB, transport http.RoundTripper) *remotes {
	return &remotes{db: db, given: transport}
}

func (r *remotes) get(ctx context.Context) (engine.Remote, error) {
	c, err := r.now(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// now is the client as the device stands now.
func (r *remotes) now(ctx context.Context) (*wire.Client, error) {
	d, err := r.db.Device(ctx)
	if err != nil {
		return nil, err
	}
	if d.ID == "" {
		return nil, engine.ErrNotEnrolled
	}
	if d.Unsafe != nil {
		return nil, d.Unsafe
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil && r.device.ID == d.ID && r.device.Token == d.Token && r.device.ServerURL == d.ServerURL {
		return r.client, nil
	}
	if err := r.connect(d); err != nil {
		return nil, err
	}
	r.client, err = wire.NewClient(wire.ClientOptions{BaseURL: d.ServerURL, ServerID: d.ServerID, ServerKey: d.ServerKey, Token: d.Token, Version: version,
		Transport: r.transport, Report: r.report})
	r.device = d
	if err != nil {
		return nil, err
	}
	return r.client, nil
}

// connect makes the way to the device's server, with its trust. The caller
// holds mu.
func (r *remotes) connect(d localdb.Device) error {
	if r.transport = r.given; r.given != nil {
		return nil
	}
	if _, err := r.db.Pins(); err != nil { // said as it is, not as a fault of the server's certificate
		return err
	}
	t, err := trustOf(r.db, wire.TrustIn(d.ServerURL, d.ServerKey))
	r.transport = wire.NewTransport(wire.TransportOptions{Trust: t})
	return err
}

// trustOf adds what this laptop knows to the trust in a server: the authority
// and the pins that it was given, and a time that a dead clock battery does not take back
// behind what the server said last, nor behind this program's making.
func trustOf(db *localdb.DB, t wire.Trust) (wire.Trust, error) {
	pem, err := db.Authority()
	if err != nil {
		return t, fmt.Errorf("read the authority's certificate: %w", err)
	}
	if t.Roots, err = authorities(pem); err != nil {
		return t, err
	}
	t.Pins = db.Pins
	t.Time = func() time.Time { return latest(time.Now(), cli.Built(built), db.Time()) }
	return t, nil
}

// authorities reads certificates (PEM); of nothing it makes nil, the system's.
func authorities(pem []byte) (*x509.CertPool, error) {
	if len(pem) == 0 {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &localdb.Error{Message: "the authority's file holds no certificate (PEM)", Hint: "ask whoever looks after the server for the file: punchlist enroll --ca FILE"}
	}
	return pool, nil
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// report is what the office may see of this laptop.
func (r *remotes) report(ctx context.Context) wire.Report {
	n, err := r.countPending(ctx)
	if err != nil {
		return wire.Report{}
	}
	d, err := r.db.Device(ctx)
	if err != nil {
		return wire.Report{Pending: n}
	}
	return wire.Report{Pending: n, Offset: d.ClockOffset, OffsetKnown: d.OffsetKnown}
}

// countPending counts what waits, but spends no more than a fiftieth of the time
// on that: behind refused work a count of a long queue is dear.
func (r *remotes) countPending(ctx context.Context) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	began := time.Now()
	if began.Before(r.recount) {
		return r.pending, nil
	}
	n, err := r.db.PendingOps(ctx)
	if err != nil {
		return 0, err
	}
	r.pending, r.recount = n, time.Now().Add(50*time.Since(began))
	return n, nil
}

// syncOptions are what differs between the screen, sync and the demo.
type syncOptions struct {
	transport http.RoundTripper // nil: the real network
	onStatus  func(engine.Status)
	log       *slog.Logger
	free      <-chan struct{} // says that the program that sends may have ended; nil: nothing does
	recover   func()          // deferred in each goroutine, so that a panic leaves no raw terminal; nil: none
}

func newEngine(db *localdb.DB, o syncOptions, wake, links <-chan struct{}) (*engine.Engine, error) {
	return engine.New(seams.engine(engine.Options{
		Local: db, Pending: db.PendingOps, Learn: db.LearnOffset, Remote: newRemotes(db, o.transport).get, Lock: db.TryLock, Free: o.free,
		Rand: rand.Float64, Pokes: true, Wake: wake, Links: links, OnStatus: tellOthers(db, o.onStatus), Log: o.log,
	}))
}

// tellOthers notes why work waits where punchlist state finds it, and passes the
// status on.
func tellOthers(db *localdb.DB, on func(engine.Status)) func(engine.Status) {
	var last localdb.SenderNote
	return func(s engine.Status) {
		n := localdb.SenderNote{Reach: string(s.Reach), Detail: s.Detail, Why: s.Why, NextTry: s.NextTry}
		if s.Sender && n != last && db.TellSender(n) == nil {
			last = n
		}
		if on != nil {
			on(s)
		}
	}
}

// syncer is the engine at work beside something else.
type syncer struct {
	*engine.Engine
	stop func()
}

// startSync starts the engine. stop ends it and waits for all that it started;
// the database must stay open until then.
func startSync(ctx context.Context, db *localdb.DB, o syncOptions) (*syncer, error) {
	ctx, cancel := context.WithCancel(ctx)
	if o.recover == nil {
		o.recover = func() {}
	}
	watcher := reach.Watch(reach.Options{Boot: func() int64 { return op.SystemClock().Boot }, Recover: o.recover})
	var wg sync.WaitGroup
	o.free = db.SenderLeft(ctx)
	e, err := newEngine(db, o, db.Changed(ctx), watcher.C())
	if err != nil {
		cancel()
		watcher.Close()
		return nil, err
	}
	wg.Go(func() {
		defer o.recover()
		if err := e.Run(ctx); err != nil && ctx.Err() == nil {
			o.log.Error("sync stopped", "err", err)
		}
	})
	return &syncer{e, sync.OnceFunc(func() { cancel(); wg.Wait(); watcher.Close() })}, nil
}

// ping asks the server once whether it is there and lets this laptop in.
func (r *remotes) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for {
		client, err := r.now(ctx)
		if err != nil {
			return err
		}
		defer client.Hangup()
		pong, err := client.Ping(ctx)
		if err == nil {
			err = pong.Refusal()
		}
		if pong.Auth != wire.AuthExpired || !r.db.Refused(client.Token()) {
			return err
		}
	}
}
