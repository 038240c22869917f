// Package server holds the rules and the handlers of the sync server, over the
// small [Store] that it declares.
//
// What it promises: an op takes effect once, however often it comes; its effect
// and the answer to it are one transaction; ops of a group stand or fall
// together; within a crew the order of versions is the order of commits, so that
// a cursor steps over nothing; a crew's records are told to its users only, and
// what the others hold changes no answer. Who wins is decided by op.Merge alone.
//
// Limits: those of package wire on every request; a slow caller is cut off by
// the deadlines of [Server.Serve] and delays nobody else; one write of the
// embedded store runs at a time.
package server

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Options are what a server takes from outside.
type Options struct {
	Now  func() time.Time // needed: the server's clock
	Rand io.Reader        // needed: chance for keys, tokens and codes
	Log  *slog.Logger     // nil: silent
	// Lanes is how many writes may run beside each other: more than one only
	// where the store locks by the crew.
	Lanes int
	Meter Meter // nil: nobody listens
	// Tokens says when devices' tokens are renewed; the zero value: never.
	Tokens TokenRules
	Limits Limits
}

// Server is the sync server over one store. It is safe for concurrent use. It
// owns no goroutine except while [Server.Serve] runs or somebody waits for news.
type Server struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
	id    string
	key   ed25519.PrivateKey

	limits    Limits
	devices   *gate    // how often each device asks …
	strangers *gate    // … and each address
	tries     *tries   // failed enrolments
	reports   *seldom  // what a device said of itself was stored
	waiting   sync.Map // device → struct{}: the report of it that was stored speaks of work that waits
	checks    *sparing // a crew was read through because a device asked
	hub       *hub     // who waits for news
	laptops   laptops  // devices' names

	unpacking chan struct{} // held by the request that unpacks a large body
	lanes     *lanes        // what is being written
	meter     Meter
	tokens    TokenRules
	since     atomic.Int64 // ms: since when the server is there
	full      atomic.Bool  // a write found the database's disk full, and none went through since

	reading chan struct{} // holds a token while nobody reads a crew's records through

	mu   sync.Mutex // guards rand
	rand io.Reader
}

// New makes a server over a store, which stays the caller's to close. A store
// that is new is given its identity, which it keeps for ever.
func New(ctx context.Context, store Store, o Options) (*Server, error) {
	if o.Now == nil || o.Rand == nil {
		return nil, errors.New("a server needs a clock and a source of chance")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = silent{}
	}
	s := &Server{store: store, now: o.Now, rand: o.Rand, log: o.Log, tries: newTries(), reports: newSeldom(reportEvery), checks: newSparing(), hub: newHub(store),
		unpacking: make(chan struct{}, 1), lanes: newLanes(store, o.Lanes, o.Meter), meter: o.Meter, tokens: o.Tokens,
		limits: o.Limits, devices: newGate(o.Limits.Device, o.Limits.Together), strangers: newGate(o.Limits.Address, 0),
		reading: make(chan struct{}, 1)}
	s.reading <- struct{}{}
	if err := s.identify(ctx); err != nil {
		return nil, fmt.Errorf("server identity: %w", err)
	}
	if s.tokens.Unused > 0 {
		err := s.awake(ctx)
		if s.full.Store(errors.Is(err, ErrFull)); err != nil && !s.full.Load() { // with a full disk there still is all to be read
			return nil, err
		}
	}
	return s, nil
}

// identity is the setting by which devices know the server.
type identity struct {
	ID   string `json:"server_id"`
	Seed []byte `json:"seed"` // of the Ed25519 key
}

func (s *Server) identify(ctx context.Context) error {
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return err
	}
	fresh := identity{ID: id.String(), Seed: make([]byte, ed25519.SeedSize)}
	if _, err := io.ReadFull(s.rand, fresh.Seed); err != nil {
		return err
	}
	text, err := json.Marshal(fresh)
	if err != nil {
		return err
	}
	stored, err := s.store.Setting(ctx, "identity", string(text))
	if err != nil {
		return err
	}
	var known identity
	if err := json.Unmarshal([]byte(stored), &known); err != nil || len(known.Seed) != ed25519.SeedSize {
		return fmt.Errorf("the stored identity is damaged: %w", err)
	}
	s.id, s.key = known.ID, ed25519.NewKeyFromSeed(known.Seed)
	return nil
}

// ID is the server's UUID.
func (s *Server) ID() string { return s.id }

// Key is the server's public key; devices pin it at enrolment.
func (s *Server) Key() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

func (s *Server) keyText() string { return base64.RawURLEncoding.EncodeToString(s.Key()) }

func (s *Server) ms() int64 { return s.now().UnixMilli() }

// random fills b with chance.
func (s *Server) random(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := io.ReadFull(s.rand, b)
	return err
}

func (s *Server) newID() (string, error) {
	var id uuid.UUID
	if err := s.random(id[:]); err != nil {
		return "", err
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4, RFC 9562
	return id.String(), nil
}

// Apply decides ops and writes what follows, in one transaction; one result per
// op, in order. It is the one write path: devices' batches, the plain form and
// the office's edits all come through here.
func (s *Server) Apply(ctx context.Context, by Author, ops []op.Op) ([]wire.Result, error) {
	in := make([]incoming, len(ops))
	for i, o := range ops {
		in[i] = receive(o)
	}
	out, err := s.apply(ctx, by, nil, in)
	return out.Results, err
}

// apply also checks what the author was told of the crews' histories, before
// anything else: [errReset].
func (s *Server) apply(ctx context.Context, by Author, seen wire.Seen, ops []incoming) (wire.Results, error) {
	out := wire.Results{Results: []wire.Result{}}
	step := s.step(by, seen, ops, func(r wire.Results) error {
		out = r
		return nil
	})
	if err := s.lanes.write(ctx, step, len(ops)); err != nil {
		return wire.Results{}, fmt.Errorf("apply %d changes: %w", len(ops), err)
	}
	if s.full.CompareAndSwap(true, false) {
		s.log.Info("the database's disk has space again")
	}
	s.decided(ops, out.Results)
	for i := range out.Results {
		out.Results[i].OpID = ops[i].raw
		s.nameLaptops(ctx, by, out.Results[i].Lost)
		s.nameLaptops(ctx, by, out.Results[i].Overrode)
	}
	out.Time = s.ms()
	return out, nil
}

// step is the decision over one batch; accept may refuse its results.
func (s *Server) step(by Author, seen wire.Seen, ops []incoming, accept func(wire.Results) error) Step {
	needs := plan(by, ops)
	needs.Marks = marksOf(seen)
	return Step{needs, func(asked Needs, loaded Loaded) (Effects, Needs, error) {
		if err := agree(seen, loaded.Fingerprints); err != nil {
			return Effects{}, Needs{}, err
		}
		results, effects, more, err := decide(by, s.ms(), ops, asked, loaded)
		if err == nil && more.Empty() {
			now := maps.Clone(loaded.Crews)
			for _, c := range effects.Crews {
				now[c.Name] = c
			}
			err = accept(wire.Results{Results: results, Seen: seenOf(by, now), Cursor: advance(by, ops, results, effects, loaded.Crews, now)})
		}
		return effects, more, err
	}}
}

// portion is how many ops of a long list are decided at once: few enough to
// hold them, their records and their rows in memory.
const portion = 500

// ApplyAll applies any number of ops in one transaction: all of them, or none
// when a single one does not take full effect. Then the error says which. They
// are made here and now: no outcome is kept for a repeat that cannot come.
func (s *Server) ApplyAll(ctx context.Context, by Author, ops iter.Seq[op.Op]) error {
	accept := func(all wire.Results) error {
		for _, r := range all.Results {
			if r.Outcome != op.Applied {
				return fmt.Errorf("change %s: %s: %w", r.OpID, r.Outcome, &op.Refusal{Code: r.Code, Field: r.Field, Message: r.Message})
			}
		}
		return nil
	}
	return s.store.Write(ctx, func(yield func(Step) bool) {
		batch := make([]incoming, 0, portion)
		for o := range ops {
			in := receive(o)
			in.fresh = true
			if batch = append(batch, in); len(batch) == portion {
				if !yield(s.step(by, nil, batch, accept)) {
					return
				}
				batch = make([]incoming, 0, portion)
			}
		}
		if len(batch) > 0 {
			yield(s.step(by, nil, batch, accept))
		}
	})
}

// receive checks an op by itself, and hashes what it writes: both need nothing
// that is stored, so that no transaction waits for them. What is wrong with an op
// is kept beside it: it becomes a result, never an error.
func receive(o op.Op) incoming {
	in := sound(o)
	in.content = contentOf(in.Fields)
	return in
}

// sound copies an op's values first, because they are brought to their normal form.
func sound(o op.Op) incoming {
	o.Fields = o.Fields.Clone()
	in := incoming{Op: o, raw: o.ID}
	id, err := uuid.Parse(o.ID)
	switch {
	case err != nil || len(o.ID) != 36:
		in.ID, in.refusal = "", refusal(op.CodeBadID, "op_id", "is not a UUID")
		return in
	case len(o.Group) > 64:
		in.refusal = refusal(op.CodeBadID, "group", "is longer than 64 characters")
		return in
	}
	in.ID = id.String()
	in.Base = max(in.Base, op.BaseUnknown)
	in.refusal = op.Check(&in.Op)
	unknown := in.refusal != nil && (in.refusal.Code == op.CodeUnknownField || in.refusal.Code == op.CodeUnknownKind || in.refusal.Code == op.CodeUnknownAction)
	in.later = unknown && o.Schema > op.Schema
	return in
}
