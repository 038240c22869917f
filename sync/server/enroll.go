package server

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// redeemAgain is how long, in ms, the nonce that used an invite may use it
// once more: the answer may have been lost on its way.
const redeemAgain = 120_000

// maxDeviceName bounds a device's name, in characters.
const maxDeviceName = 60

// enroll makes a device out of an invite's code.
func (s *Server) enroll(w http.ResponseWriter, r *http.Request) {
	address := hostOf(r.RemoteAddr)
	if wait := s.tries.wait(address, s.ms()); wait > 0 {
		s.meter.Refused("address codes")
		w.Header().Set("Retry-After", strconv.FormatInt((wait+999)/1000, 10))
		s.problem(w, &wire.Problem{Status: http.StatusTooManyRequests, Code: wire.CodeTooMany, Message: "too many wrong codes from this address", Hint: "wait a minute, then copy the invite again"})
		return
	}
	body, bad := s.readBody(w, r, maxEnrol)
	if bad != nil {
		s.problem(w, bad)
		return
	}
	var ask wire.Enroll
	if err := json.Unmarshal(body, &ask); err != nil {
		s.problem(w, notJSON("an enrolment", err))
		return
	}
	answer, err := s.redeem(r, ask)
	var refused *inviteError
	switch {
	case errors.As(err, &refused):
		s.wrongCode(r, address, refused)
		s.problem(w, &wire.Problem{Status: http.StatusForbidden, Code: wire.CodeBadCode, Message: refused.why, Hint: "ask the office for a new invite: punchlistd invite USER"})
	case err != nil:
		s.fail(w, r, err)
	default:
		s.ok(w, answer)
	}
}

// wrongCode counts a code that was not taken. After many guesses in an hour all
// open invites are closed, whoever's they are: of a code that is not known nobody
// can say to which crew it would have led.
func (s *Server) wrongCode(r *http.Request, address string, refused *inviteError) {
	guesses := s.tries.failed(address, s.ms(), refused.guess)
	if s.limits.WrongCodes <= 0 || guesses < s.limits.WrongCodes {
		return
	}
	n, err := s.store.CloseInvites(context.WithoutCancel(r.Context()), s.ms(), s.did(DidClose, s.id, map[string]any{"wrong_codes": guesses}))
	if err != nil {
		s.log.Error("close the invites", keyError, err)
		return
	}
	s.tries.forgive()
	if n > 0 {
		s.log.Warn("too many wrong codes: all open invites were closed; make new ones", "invites", n, "last_address", address)
	}
}

// inviteError says why a code is not taken.
type inviteError struct {
	why   string
	guess bool // there is no such code
}

var errGuess = &inviteError{"the invite's code is not known here", true}

func (e *inviteError) Error() string { return e.why }

func (s *Server) redeem(r *http.Request, ask wire.Enroll) (wire.Enrolled, error) {
	token, err := s.newToken(ask.Code, ask.Nonce)
	if err != nil {
		return wire.Enrolled{}, err
	}
	fresh, err := s.newID()
	if err != nil {
		return wire.Enrolled{}, err
	}
	var answer wire.Enrolled
	hash := hashOf(wire.NormalCode(ask.Code))
	err = s.store.Redeem(r.Context(), hash, func(i Invite, u User) (Invite, Device, []Entry, error) {
		now := s.ms()
		if err := usable(i, u, hash, ask.Nonce, now); err != nil {
			return Invite{}, Device{}, nil, err
		}
		if i.Used == 0 {
			i.Used, i.Nonce, i.Device = now, hashOf(ask.Nonce), fresh
		}
		answer = wire.Enrolled{DeviceID: i.Device, Token: token, User: u.Name, Role: u.Role, Crews: u.Crews,
			ServerID: s.id, ServerKey: s.keyText(), Time: now}
		did := Entry{At: now, What: DidEnrol, User: u.Name, Device: i.Device, Entity: i.Device}
		return i, Device{ID: i.Device, User: u.Name, Name: deviceName(ask.DeviceName), TokenHash: hashOf(token), Created: now}, []Entry{did}, nil
	})
	if errors.Is(err, ErrUnknown) {
		return wire.Enrolled{}, errGuess
	}
	return answer, err
}

// usable says why an invite cannot be used now, or nil.
func usable(i Invite, u User, hash, nonce string, now int64) error {
	again := i.Used != 0 && nonce != "" && now-i.Used <= redeemAgain &&
		subtle.ConstantTimeCompare([]byte(i.Nonce), []byte(hashOf(nonce))) == 1
	switch {
	case subtle.ConstantTimeCompare([]byte(i.CodeHash), []byte(hash)) != 1:
		return errGuess
	case i.Used != 0 && !again:
		return &inviteError{why: "the invite was used already"}
	case i.Used == 0 && now >= i.Expires:
		return &inviteError{why: "the invite has expired"}
	case u.Disabled != 0:
		return &inviteError{why: "the invite's user " + u.Name + " is disabled"}
	case len(nonce) > wire.MaxNonce:
		return &inviteError{why: "the request's nonce is longer than " + strconv.Itoa(wire.MaxNonce) + " characters"}
	}
	return nil
}

func deviceName(name string) string {
	name = op.Clean(name, false)
	if r := []rune(name); len(r) > maxDeviceName {
		name = string(r[:maxDeviceName])
	}
	if name == "" {
		return "laptop"
	}
	return name
}

// Limits of wrong codes: so many from one address in so many ms. A code holds
// 52 bits, so this is more than enough to keep guessing hopeless.
const (
	maxTries   = 5
	triesSpan  = 60_000
	maxTracked = 10_000 // addresses; beyond them all are forgotten, to keep the memory bounded
	guessSpan  = 3_600_000
)

// tries counts failed enrolments by address.
type tries struct {
	mu   sync.Mutex // guards both
	seen map[string]attempts
	all  attempts // of codes that there never were, from anywhere
}

type attempts struct {
	since int64
	count int
}

func newTries() *tries { return &tries{seen: map[string]attempts{}} }

// wait is how long, in ms, an address has to wait before its next try.
func (t *tries) wait(address string, now int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.seen[address]
	if a.count < maxTries || now-a.since >= triesSpan || now < a.since {
		return 0
	}
	return triesSpan - (now - a.since)
}

// failed counts a wrong code, and tells how many guesses this hour saw.
func (t *tries) failed(address string, now int64, guess bool) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= maxTracked {
		clear(t.seen)
	}
	t.seen[address] = t.seen[address].more(now, triesSpan)
	if guess {
		t.all = t.all.more(now, guessSpan)
	}
	return t.all.count
}

// more counts one more in a span of ms.
func (a attempts) more(now, span int64) attempts {
	if now-a.since >= span || now < a.since {
		a = attempts{since: now}
	}
	a.count++
	return a
}

// forgive begins the count of guesses anew.
func (t *tries) forgive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = attempts{}
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
