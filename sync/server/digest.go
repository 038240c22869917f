package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// digest answers GET /sync/digest: what a crew's records come to, or the records
// of one leaf. A crew that the user is not in is answered like one that is none.
func (s *Server) digest(w http.ResponseWriter, r *http.Request, by Author) {
	q := r.URL.Query()
	crew := q.Get("crew")
	if !slices.Contains(by.Crews, crew) {
		s.problem(w, &wire.Problem{Status: http.StatusNotFound, Code: wire.CodeNoCrew, Message: "you are in no crew of that name"})
		return
	}
	var answer any
	var err error
	switch leaf, bad := leafNamed(q.Get("leaf")); {
	case bad != nil:
		s.problem(w, bad)
		return
	case leaf != nil:
		answer, err = s.leaf(r.Context(), crew, *leaf)
	case q.Get("check") == "1":
		err = s.checks.do(crew, s.ms, func() error { return s.recount(r.Context(), crew) })
		fallthrough
	default:
		if err == nil {
			answer, err = s.leaves(r.Context(), crew)
		}
	}
	switch {
	case errors.Is(err, errLeafTooLarge):
		s.problem(w, tooLarge("the leaf holds more than an answer may"))
	case err != nil:
		s.fail(w, r, err)
	default:
		s.ok(w, answer)
	}
}

// checkShare is the share of the time that devices may have a crew's records read
// through: however many ask, and however often, it costs the server one in so many.
const checkShare = 50

// sparing does something for a crew, unless that is under way or took too much of
// the time already.
type sparing struct {
	mu   sync.Mutex // guards last
	last map[string]pass
}

// pass is one time that it was done; ms.
type pass struct{ began, next int64 }

func newSparing() *sparing { return &sparing{last: map[string]pass{}} }

func (s *sparing) do(crew string, now func() int64, f func() error) error {
	began := now()
	s.mu.Lock()
	last := s.last[crew]
	due := began >= last.next || began < last.began // the clock was set back
	if due {
		s.last[crew] = pass{began, math.MaxInt64}
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	err := errors.New("it was broken off")
	defer func() {
		end := now()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.last[crew] = pass{began, end}
		if err == nil { // else nobody was told anything, and whoever asks again is to hear it
			s.last[crew] = pass{began, end + checkShare*max(0, end-began)}
		}
	}()
	err = f()
	return err
}

// leafNamed reads the two digits of a leaf; none: nil.
func leafNamed(text string) (*uint8, *wire.Problem) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 16, 8)
	leaf := uint8(n)
	if err != nil || op.LeafName(leaf) != text {
		return nil, badRequest("leaf %q is not one of 00 to ff", clip(text))
	}
	return &leaf, nil
}

func (s *Server) leaves(ctx context.Context, crew string) (wire.Digest, error) {
	c, tally, err := s.store.Leaves(ctx, crew)
	if err != nil {
		return wire.Digest{}, fmt.Errorf("read digest: %w", err)
	}
	out := wire.Digest{Crew: crew, Stand: wire.Stand{Version: c.Version, Digest: c.Digest}, Leaves: make([]op.Sum, op.Leaves)}
	for i, leaf := range tally {
		out.Leaves[i] = leaf.Sum
	}
	return out, nil
}

var errLeafTooLarge = errors.New("the leaf is too large")

func (s *Server) leaf(ctx context.Context, crew string, leaf uint8) (wire.Leaf, error) {
	c, rows, err := s.store.Leaf(ctx, crew, leaf, wire.MaxLeaf+1)
	if err != nil {
		return wire.Leaf{}, fmt.Errorf("read leaf: %w", err)
	}
	out := wire.Leaf{Crew: crew, Version: c.Version, Leaf: op.LeafName(leaf), Records: make([]wire.Change, len(rows))}
	bytes := 0
	for i, row := range rows {
		if bytes += len(row.Fields); bytes > maxPageBytes || i >= wire.MaxLeaf {
			return out, errLeafTooLarge
		}
		if out.Records[i], _, err = changeOf(row); err != nil {
			return out, err
		}
	}
	return out, nil
}

// standsOf is what the records of the author's crews come to.
func standsOf(by Author, crews map[string]Crew) map[string]wire.Stand {
	out := map[string]wire.Stand{}
	for _, name := range by.Crews {
		if c, ok := crews[name]; ok {
			out[name] = wire.Stand{Version: c.Version, Digest: c.Digest}
		}
	}
	return out
}

// recount reads a crew's records through and puts its digest right where they
// come to something else: they were changed without this server. That takes a
// while, so only one is read at a time.
func (s *Server) recount(ctx context.Context, crew string) error {
	select {
	case <-s.reading:
		defer func() { s.reading <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	changed, err := s.store.Recount(ctx, crew)
	if err != nil {
		return fmt.Errorf("count records: %w", err)
	}
	if changed {
		s.log.Warn("records were changed without the server; its digest was put right", keyCrew, crew)
	}
	return nil
}
