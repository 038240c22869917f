package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// TokenRules say how long devices' tokens last.
type TokenRules struct {
	Renew  time.Duration // after so long in use a token is to be replaced; 0: never
	Unused time.Duration // after so long without use its device must enrol again; 0: never
}

// A token is made out of the one before it and the server's key. So the same
// offer can be made again after an answer that was lost, two programs on one
// laptop are offered the same, and the store need not remember what came before
// the token in use: whoever shows an older one is known by what follows on it.
//
//	T0 in use ──30 days──▶ T1 offered ──T1 used──▶ T1 in use, T0 refused
//	                         │  ▲                    │
//	                         └──┘ the answer lost    └─ T0 used later: revoked
const (
	// inFlight is how long, in ms, a request may still be on its way that was sent
	// with the token before: it is refused, but is no alarm.
	inFlight = 2 * 3_600_000
	// maxOlder is how many tokens back one is known as an older one.
	maxOlder = 36
)

// asleep is how long nothing may have come from a server, in ms, before it is
// taken for one that was off, or whose clock leapt. It says that it is there
// every few hours, as often as it tends its crews.
const asleep = 3 * 86_400_000

// awakeSetting remembers since when the server is there without such a gap, and
// when it said so last.
const awakeSetting = "awake"

// awake notes that the server is there. For how long a token was not used is
// counted only while it was: a clock that was wrong for a while, or a winter in
// which the office was closed, must not make everybody enrol again.
func (s *Server) awake(ctx context.Context) error {
	now := s.ms()
	text, err := s.store.Setting(ctx, awakeSetting, "")
	if err != nil {
		return fmt.Errorf("note that the server is there: %w", err)
	}
	var since, last int64
	if _, err := fmt.Sscanf(text, "%d %d", &since, &last); err != nil || now-last > asleep || last-now > asleep {
		since = now
	}
	s.since.Store(since)
	return s.store.SetSetting(ctx, awakeSetting, fmt.Sprintf("%d %d", since, now))
}

// unused tells whether a device's token was not used for too long.
func (s *Server) unused(ctx context.Context, d Device) (bool, error) {
	if !s.long(d) {
		return false, nil
	}
	err := s.awake(ctx) // it may be the clock
	return s.long(d), err
}

func (s *Server) long(d Device) bool {
	return s.tokens.Unused > 0 && s.ms()-max(d.Seen, d.Created, d.Renewed, s.since.Load()) > s.tokens.Unused.Milliseconds()
}

// renewal is what a device may be offered.
type renewal struct {
	device, current, next string // the device's id; a hash; a token
	offered               bool   // the store knows
}

func (s *Server) nextToken(token string) string {
	mac := hmac.New(sha256.New, s.key.Seed())
	fmt.Fprintf(mac, "punchlist next token\n%s\n", token)
	return tokenPrefix + tokenText.EncodeToString(checked(mac.Sum(nil)))
}

// renewal is what to offer a device that came in with a token; nil: nothing yet.
func (s *Server) renewal(d Device, token string) *renewal {
	if s.tokens.Renew <= 0 || s.ms()-max(d.Created, d.Renewed) < s.tokens.Renew.Milliseconds() {
		return nil
	}
	next := s.nextToken(token)
	return &renewal{device: d.ID, current: d.TokenHash, next: next, offered: d.NextHash == hashOf(next)}
}

// offer is the token that an author's device is to use from now on; "": it goes
// on with the one that it has.
func (s *Server) offer(ctx context.Context, by Author) string {
	n := by.renewal
	if n == nil {
		return ""
	}
	if !n.offered {
		if err := s.store.Offer(ctx, n.device, n.current, hashOf(n.next)); err != nil {
			s.log.Warn("offer a token", keyDevice, n.device, keyError, err) // the next answer may
			return ""
		}
	}
	return n.next
}

// renewed notes that a device uses the token that it was offered. From now on
// the one before is worth nothing.
func (s *Server) renewed(ctx context.Context, d Device) error {
	now := s.ms()
	return s.store.Renew(ctx, d.ID, d.NextHash, now, Entry{At: now, What: DidRenew, User: d.User, Device: d.ID, Entity: d.ID})
}

// older says why a token does not let in that is nobody's now. One that was
// replaced some time ago is in the hands of a copy, of one kind or another:
// which of the two is the person's own nobody can tell, so neither comes in.
func (s *Server) older(ctx context.Context, token string) error {
	hashes := make([]string, maxOlder)
	for i := range hashes {
		token = s.nextToken(token)
		hashes[i] = hashOf(token)
	}
	d, err := s.store.ByNewer(ctx, hashes)
	now := s.ms()
	switch {
	case errors.Is(err, ErrUnknown):
		return errNoToken
	case err != nil:
		return err
	case d.Revoked != 0:
		return outOf(d)
	case d.TokenHash == hashes[0] && now-d.Renewed < inFlight:
		return errReplaced
	}
	if err := s.store.Reused(ctx, d.ID, now, Entry{At: now, What: DidReuse, User: d.User, Device: d.ID, Entity: d.ID}); err != nil {
		return err
	}
	s.log.Warn("an older token of a device was used: it was copied or stolen, and the device is revoked", keyDevice, d.ID, keyUser, d.User)
	return errReused
}
