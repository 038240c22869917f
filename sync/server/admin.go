package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Fault is an administrator's mistake: a sentence, and the next step.
type Fault struct{ Message, Cure string }

// Error is the sentence.
func (f *Fault) Error() string { return f.Message }

// Hint is the next step.
func (f *Fault) Hint() string { return f.Cure }

func fault(cure, format string, args ...any) error {
	return &Fault{Message: fmt.Sprintf(format, args...), Cure: cure}
}

// OfficeUser is who edits for the office when no user is named. No person can
// have the name.
const OfficeUser = "office"

// AddUser makes a user, and the crews that are missing; it returns those.
func (s *Server) AddUser(ctx context.Context, u User) (made []string, err error) {
	if err := checkUser(&u); err != nil {
		return nil, err
	}
	u.Created = s.ms()
	made, err = s.store.PutUser(ctx, u, true, s.did(DidAddUser, u.Name, userDetail(u)))
	if errors.Is(err, ErrExists) {
		return nil, fault("punchlistd user list shows them; punchlistd user set changes one", "there is a user %s already", u.Name)
	}
	return made, err
}

// SetUser changes a user; it makes the crews that are missing and returns those.
func (s *Server) SetUser(ctx context.Context, name string, change func(*User)) (made []string, err error) {
	u, err := s.User(ctx, name)
	if err != nil {
		return nil, err
	}
	change(&u)
	if err := checkUser(&u); err != nil {
		return nil, err
	}
	return s.store.PutUser(ctx, u, false, s.did(DidSetUser, u.Name, userDetail(u)))
}

// DisableUser keeps a user from syncing, or with false lets the user in again.
// Nothing on the user's laptops is lost.
func (s *Server) DisableUser(ctx context.Context, name string, disabled bool) error {
	_, err := s.SetUser(ctx, name, func(u *User) {
		u.Disabled = 0
		if disabled {
			u.Disabled = s.ms()
		}
	})
	return err
}

// User finds a user by name.
func (s *Server) User(ctx context.Context, name string) (User, error) {
	users, err := s.store.Users(ctx)
	if err != nil {
		return User{}, err
	}
	for _, u := range users {
		if u.Name == name {
			return u, nil
		}
	}
	return User{}, fault("punchlistd user list shows all; punchlistd user add "+clip(name)+" --crew CREW makes one", "there is no user %q", clip(name))
}

func checkUser(u *User) error {
	switch {
	case !validName(u.Name) || strings.ContainsFunc(u.Name, unicode.IsSpace):
		return fault("use letters, digits, dots and dashes", "%q is not a user name", clip(u.Name))
	case u.Name == OfficeUser:
		return fault("use the person's own name", "the name %q is kept for the office itself", u.Name)
	case !validRole(u.Role):
		return fault("use technician, dispatcher or viewer", "%q is not a role", clip(string(u.Role)))
	case len(u.Crews) == 0:
		return fault("name one with --crew", "a user needs at least one crew")
	}
	for _, crew := range u.Crews {
		if err := checkCrew(crew); err != nil {
			return err
		}
	}
	slices.Sort(u.Crews[1:]) // the first one stays: it is where new records go
	u.Crews = slices.CompactFunc(u.Crews, func(a, b string) bool { return a == b })
	if i := slices.Index(u.Crews[1:], u.Crews[0]); i >= 0 {
		u.Crews = slices.Delete(u.Crews, i+1, i+2)
	}
	return nil
}

func checkCrew(name string) error {
	if !validName(name) || strings.Contains(name, ",") {
		return fault("use up to 64 letters, digits and dashes", "%q is not a name for a crew", clip(name))
	}
	return nil
}

func validName(name string) bool {
	return name != "" && utf8.RuneCountInString(name) <= 64 && op.Clean(name, false) == name && strings.TrimSpace(name) == name
}

// Invite makes a one-time invite to the server at base for a user.
func (s *Server) Invite(ctx context.Context, user, base string, ttl time.Duration, pins ...wire.Pin) (text string, expires time.Time, err error) {
	u, err := s.User(ctx, user)
	if err != nil {
		return "", time.Time{}, err
	}
	if u.Disabled != 0 {
		return "", time.Time{}, fault("punchlistd user enable "+user, "the user %s is disabled", user)
	}
	if ttl <= 0 {
		return "", time.Time{}, fault("use something like --ttl 24h", "an invite must last some time")
	}
	code, err := s.newCode()
	if err != nil {
		return "", time.Time{}, err
	}
	text, err = wire.FormatInvite(wire.Invite{URL: base, Code: code, Fingerprint: wire.Fingerprint(s.Key()), Pins: pins})
	if err != nil {
		return "", time.Time{}, err
	}
	expires = s.now().Add(ttl)
	return text, expires, s.store.AddInvite(ctx, Invite{CodeHash: hashOf(code), User: user, Expires: expires.UnixMilli()},
		s.did(DidInvite, user, map[string]any{"expires": expires.UnixMilli()}))
}

// Office is the author of the office's edits to a crew: the office itself, or
// one of its users. Each has a device of its own, as if it sat at a desk there.
func (s *Server) Office(ctx context.Context, by, crew string) (Author, error) {
	crews, err := s.store.Crews(ctx)
	if err != nil {
		return Author{}, err
	}
	if !slices.ContainsFunc(crews, func(c CrewSize) bool { return c.Name == crew }) {
		return Author{}, noCrew(crew, crews)
	}
	a := Author{User: OfficeUser, Role: op.Dispatcher, Crews: []string{crew}}
	if by != "" && by != OfficeUser {
		u, err := s.User(ctx, by)
		switch {
		case err != nil:
			return Author{}, err
		case u.Disabled != 0:
			return Author{}, fault("punchlistd user enable "+by, "the user %s is disabled", by)
		case !slices.Contains(u.Crews, crew):
			return Author{}, fault("punchlistd user set "+by+" --crew "+strings.Join(append(u.Crews, crew), " --crew "), "the user %s is not in the crew %s", by, crew)
		}
		a.User, a.Role = u.Name, u.Role
	}
	a.Device = uuid.NewSHA1(uuid.MustParse(s.id), []byte("office/"+a.User)).String()
	return a, nil
}

func noCrew(name string, crews []CrewSize) error {
	if len(crews) == 0 {
		return fault("punchlistd user add NAME --crew "+clip(name)+" makes it", "there is no crew yet")
	}
	var names []string
	for _, c := range crews {
		names = append(names, c.Name)
	}
	return fault("use one of: "+strings.Join(names, ", "), "there is no crew %q", clip(name))
}

// AddCrew makes a crew; it tells whether there was none.
func (s *Server) AddCrew(ctx context.Context, name string) (made bool, err error) {
	if err := checkCrew(name); err != nil {
		return false, err
	}
	return s.store.PutCrew(ctx, name, s.ms(), s.did(DidAddCrew, name, nil))
}
