package server

import (
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
		s.problem(w, badRequest("the body is not an enrolment: %v", err))
		return
	}
	answer, err := s.redeem(r, ask)
	var refused *inviteError
	switch {
	case errors.As(err, &refused):
		s.tries.failed(address, s.ms())
		s.problem(w, &wire.Problem{Status: http.StatusForbidden, Code: wire.CodeBadCode, Message: refused.why, Hint: "ask the office for a new invite: punchlistd invite USER"})
	case err != nil:
		s.fail(w, r, err)
	default:
		s.ok(w, answer)
	}
}

// inviteError says why a code is not taken.
type inviteError struct{ why string }

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
		return wire.Enrolled{}, &inviteError{"the invite's code is not known here"}
	}
	return answer, err
}

// usable says why an invite cannot be used now, or nil.
func usable(i Invite, u User, hash, nonce string, now int64) error {
	again := i.Used != 0 && nonce != "" && now-i.Used <= redeemAgain &&
		subtle.ConstantTimeCompare([]byte(i.Nonce), []byte(hashOf(nonce))) == 1
	switch {
	case subtle.ConstantTimeCompare([]byte(i.CodeHash), []byte(hash)) != 1:
		return &inviteError{"the invite's code is not known here"}
	case i.Used != 0 && !again:
		return &inviteError{"the invite was used already"}
	case i.Used == 0 && now >= i.Expires:
		return &inviteError{"the invite has expired"}
	case u.Disabled != 0:
		return &inviteError{"the invite's user " + u.Name + " is disabled"}
	case len(nonce) > wire.MaxNonce:
		return &inviteError{"the request's nonce is longer than " + strconv.Itoa(wire.MaxNonce) + " characters"}
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
)

// tries counts failed enrolments by address.
type tries struct {
	mu   sync.Mutex // guards seen
	seen map[string]attempts
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

func (t *tries) failed(address string, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= maxTracked {
		clear(t.seen)
	}
	a := t.seen[address]
	if now-a.since >= triesSpan || now < a.since {
		a = attempts{since: now}
	}
	a.count++
	t.seen[address] = a
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
