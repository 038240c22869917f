package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// What is kept of deleted records, and how the server gets rid of it.
const (
	// keepDeleted is how long a deleted record is told of at most. A device that
	// was away for longer begins anew.
	keepDeleted = 180 * 24 * time.Hour
	// tendEvery is how often the server looks what it may forget.
	tendEvery = 6 * time.Hour
	// forgetRows bounds one transaction of forgetting, and forgetGap gives way to
	// whoever wants to write.
	forgetRows = 200
	forgetGap  = 50 * time.Millisecond
)

// Tend does what has to be done now and then: it lets go of deleted records, and
// of such as left, that every active device has heard of, or that are older than
// 180 days; and it reads the records through, to find out whether somebody
// changed them without the server. [Server.Serve] calls it.
func (s *Server) Tend(ctx context.Context) error {
	crews, err := s.store.Crews(ctx)
	if err != nil {
		return fmt.Errorf("tend: %w", err)
	}
	passed, err := s.passed(ctx, crews)
	if err != nil {
		return fmt.Errorf("tend: %w", err)
	}
	var failed error // one crew that cannot be done holds up no other
	if s.tokens.Unused > 0 {
		failed = s.awake(ctx)
	}
	for _, crew := range crews {
		if err := s.forget(ctx, Forget{Crew: crew.Name, Passed: passed[crew.Name], Before: s.ms() - keepDeleted.Milliseconds(), Limit: forgetRows}); err != nil {
			failed = errors.Join(failed, fmt.Errorf("tend %s: forget: %w", crew.Name, err))
		}
		if err := s.recount(ctx, crew.Name); err != nil {
			failed = errors.Join(failed, fmt.Errorf("tend %s: %w", crew.Name, err))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return failed
}

// passed is the version of each crew that every active device has heard of: one
// that may come in, was here in the last 180 days, and holds anything of the crew.
func (s *Server) passed(ctx context.Context, crews []CrewSize) (map[string]int64, error) {
	users, err := s.store.Users(ctx)
	if err != nil {
		return nil, err
	}
	devices, err := s.store.Devices(ctx)
	if err != nil {
		return nil, err
	}
	member := map[string][]string{}
	for _, u := range users {
		if u.Disabled == 0 {
			member[u.Name] = u.Crews
		}
	}
	out := map[string]int64{}
	for _, c := range crews {
		out[c.Name] = c.Version
	}
	for _, d := range devices {
		since, err := parseCursor(d.Cursor)
		if err != nil || d.Revoked != 0 || d.Seen < s.ms()-keepDeleted.Milliseconds() {
			continue
		}
		for crew := range since.at {
			if slices.Contains(member[d.User], crew) {
				out[crew] = min(out[crew], since.holds(crew))
			}
		}
	}
	return out, nil
}

func (s *Server) forget(ctx context.Context, f Forget) error {
	for total := 0; ; {
		n, err := s.store.Forget(ctx, f)
		if err != nil {
			return err
		}
		if total += n; n < f.Limit {
			if total > 0 {
				s.log.Info("forgot deleted records that every device has heard of", keyCrew, f.Crew, "records", total)
			}
			return nil
		}
		if !pause(ctx, forgetGap) {
			return ctx.Err()
		}
	}
}

// tendOn tends until ctx ends. What fails is tried again next time.
func (s *Server) tendOn(ctx context.Context) {
	for {
		if err := s.Tend(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("tend", keyError, err)
		}
		if !pause(ctx, tendEvery) {
			return
		}
	}
}
