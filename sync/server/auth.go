package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Why a device does not come in.
var (
	errNoToken  = errors.New("no token that this server knows")
	errRevoked  = errors.New("the device was revoked")
	errReused   = errors.New("an older token of the device was used again")
	errReplaced = errors.New("the token was replaced just now")
	errUnused   = errors.New("the token was not used for too long")
)

// authenticate finds who sends a request. The store is asked every time, so
// that a revoked device is out at its next request.
func (s *Server) authenticate(r *http.Request) (Author, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || !wellFormed(token) {
		if much := s.stranger(r); much != nil {
			return Author{}, much
		}
		return Author{}, errNoToken
	}
	hash := hashOf(token)
	d, u, err := s.store.ByToken(r.Context(), hash)
	switch {
	case errors.Is(err, ErrUnknown):
		if much := s.stranger(r); much != nil {
			return Author{}, much
		}
		return Author{}, s.older(r.Context(), token)
	case err != nil:
		return Author{}, err
	case d.Revoked != 0 || u.Disabled != 0:
		return Author{}, s.asStranger(r, outOf(d))
	case s.long(d):
		if much := s.stranger(r); much != nil { // looking closer costs a write
			return Author{}, much
		}
		if long, err := s.unused(r.Context(), d); err != nil || long {
			return Author{}, cmp.Or(err, errUnused)
		}
	}
	by := Author{Device: d.ID, User: u.Name, Role: u.Role, Crews: u.Crews}
	if hash == d.NextHash {
		return by, s.renewed(r.Context(), d)
	}
	by.renewal = s.renewal(d, token)
	return by, nil
}

// asStranger is why a device does not come in, or that its address asks too often.
func (s *Server) asStranger(r *http.Request, why error) error {
	if much := s.stranger(r); much != nil {
		return much
	}
	return why
}

func outOf(d Device) error {
	if d.Reused != 0 {
		return errReused
	}
	return errRevoked
}

// kept is what a device hears that does not come in: everything on it stays.
const kept = "nothing on it is lost; ask the office for a new invite"

// outside is how a device hears that it does not come in: in a ping's auth, and
// as the answer to anything else.
func outside(err error) (auth string, p *wire.Problem) {
	p = &wire.Problem{Status: http.StatusUnauthorized, Hint: kept}
	switch {
	case errors.Is(err, errRevoked):
		auth, p.Code, p.Message = wire.AuthRevoked, wire.CodeRevoked, "this device may no longer sync"
	case errors.Is(err, errReused):
		auth, p.Code, p.Message = wire.AuthReused, wire.CodeRevoked, wire.SaidReused
	case errors.Is(err, errReplaced):
		auth, p.Code, p.Message = wire.AuthReplaced, wire.CodeReplaced, wire.SaidReplaced
	case errors.Is(err, errUnused):
		auth, p.Code, p.Message = wire.AuthUnused, wire.CodeUnused, wire.SaidUnused
	case errors.Is(err, errNoToken):
		auth, p.Code, p.Message = wire.AuthExpired, wire.CodeUnauthorised, "this server does not know the device's token"
		p.Hint = "enroll with an invite: punchlist enroll"
	default:
		return "", nil
	}
	return auth, p
}

// device lets enrolled devices through, as often as they may ask, and keeps what
// they report.
func (s *Server) device(handle func(http.ResponseWriter, *http.Request, Author)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := s.authenticate(r)
		if err != nil {
			s.keepOut(w, r, err)
			return
		}
		wait, _ := waitOf(r.URL.Query().Get("wait"))
		waits := r.URL.Path == wire.PathEvents || r.URL.Path == wire.PathChanges && wait > 0
		leave, why, until := s.devices.enter(by.Device, s.ms(), !waits)
		if why != "" {
			s.tooMany(w, r, &tooManyError{"device", why, until}, "this device asks too often")
			return
		}
		defer leave()
		if err := s.report(r, by.Device); err != nil {
			s.log.Warn("device report", keyDevice, by.Device, keyError, err) // must not cost the device its sync
		}
		handle(w, r, by)
	}
}

// keepOut answers whoever does not come in.
func (s *Server) keepOut(w http.ResponseWriter, r *http.Request, err error) {
	var much *tooManyError
	_, out := outside(err)
	switch {
	case out != nil:
		w.Header().Set("WWW-Authenticate", "Bearer")
		s.problem(w, out)
	case errors.As(err, &much):
		s.tooMany(w, r, much, "too many requests from this address")
	default:
		s.fail(w, r, err)
	}
}

// reportEvery is how often a device's report is stored at most, ms.
const reportEvery = 5_000

// seldom remembers when something was done last, for each device or crew.
type seldom struct {
	every int64 // ms

	mu   sync.Mutex // guards last
	last map[string]int64
}

func newSeldom(every int64) *seldom { return &seldom{every: every, last: map[string]int64{}} }

// due tells whether it is time to do it again, and takes it for done then.
func (s *seldom) due(whose string, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[whose]; ok && now-last < s.every && now >= last {
		return false
	}
	s.last[whose] = now
	return true
}

// report keeps what a device says of itself, seldom. That nothing waits any more is
// kept at once where something did: a device that syncs and goes has said its last
// word within the same moment as how much it brought.
func (s *Server) report(r *http.Request, device string) error {
	now, pending := s.ms(), r.Header.Get(wire.HeaderPending)
	emptied := false
	if pending == "0" {
		_, emptied = s.waiting.LoadAndDelete(device)
	}
	if !s.reports.due(device, now) && !emptied {
		return nil
	}
	report := Report{Seen: now, Client: clip(r.Header.Get(wire.HeaderClient))}
	if n, err := strconv.ParseInt(pending, 10, 64); err == nil {
		report.Pending = max(n, 0)
	}
	if ms, err := strconv.ParseInt(r.Header.Get(wire.HeaderOffset), 10, 64); err == nil {
		report.Offset = &ms
	}
	if since, err := parseCursor(r.URL.Query().Get("since")); err == nil && len(since.at) > 0 && r.URL.Path == wire.PathChanges {
		report.Cursor = since.String() // it asks with what it has stored
	}
	if report.Pending > 0 {
		s.waiting.Store(device, struct{}{})
	}
	s.meter.Reported(report)
	return s.store.Touch(context.WithoutCancel(r.Context()), device, report)
}

// roles by name, for those who type them.
func validRole(role op.Role) bool {
	for _, r := range op.Roles {
		if r == role {
			return true
		}
	}
	return false
}
