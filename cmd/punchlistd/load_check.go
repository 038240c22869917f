package main

import (
	"context"
	"fmt"
	"sync"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// maxWhy is how many of what was lost or doubled are told one by one.
const maxWhy = 20

// verdict is what the check of a run found; it is filled from many goroutines.
type verdict struct {
	mu sync.Mutex // guards t
	t  *loadTally
}

func (v *verdict) add(lost, doubled int, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.t.Lost += lost
	v.t.Doubled += doubled
	if len(v.t.Why) < maxWhy {
		v.t.Why = append(v.t.Why, fmt.Sprintf(format, args...))
	}
}

// check finds out what was lost or took effect twice.
func (f *fleet) check(ctx context.Context, t *loadTally) {
	v := &verdict{t: t}
	f.checkCrews(ctx, v) // first: the repeats below must change nothing
	f.each(func(l *laptop) { l.checkOps(ctx, v) })
	f.checkCrews(ctx, v)
}

// checkOps sends every op once more: the server knows it, and says the same.
func (l *laptop) checkOps(ctx context.Context, v *verdict) {
	for ops := l.sent; len(ops) > 0; {
		n := min(len(ops), wire.MaxOps)
		for n < len(ops) && n > 1 && ops[n].Group != "" && ops[n].Group == ops[n-1].Group {
			n--
		}
		res, err := l.again(ctx, ops[:n])
		if err != nil {
			v.add(0, 0, "%s could not be checked: %v", l.user, err)
			v.mu.Lock()
			v.t.Unsettled += len(ops)
			v.mu.Unlock()
			return
		}
		for i, r := range res.Results {
			first := l.settled[ops[i].ID]
			switch {
			case !r.Duplicate:
				v.add(1, 0, "%s: change %s was acknowledged, and is not known", l.user, ops[i].ID)
			case r.Outcome != first.outcome || r.Version != first.version:
				v.add(0, 1, "%s: change %s was %s at version %d, now %s at version %d", l.user, ops[i].ID, first.outcome, first.version, r.Outcome, r.Version)
			}
		}
		ops = ops[n:]
	}
}

// checkTries is how often a check asks before it gives up.
const checkTries = 50

func (l *laptop) again(ctx context.Context, ops []op.Op) (res wire.Results, err error) {
	for range checkTries {
		if res, err = l.clients[l.way].Push(ctx, wire.Self{}, ops); err == nil || ctx.Err() != nil || !l.failed(err) {
			return res, err
		}
		rest(ctx, err)
	}
	return res, err
}

// checkCrews reads each crew from the start: all records that were made are
// there, and the crew's version is the number of ops that took one.
func (f *fleet) checkCrews(ctx context.Context, v *verdict) {
	byCrew := map[string][]*laptop{}
	for _, l := range f.laptops {
		byCrew[l.crew] = append(byCrew[l.crew], l)
	}
	var wait sync.WaitGroup
	for crew, laptops := range byCrew {
		wait.Go(func() { checkCrew(ctx, crew, laptops, v) })
	}
	wait.Wait()
}

func checkCrew(ctx context.Context, crew string, laptops []*laptop, v *verdict) {
	there, version, err := laptops[0].all(ctx)
	if err != nil {
		v.add(0, 0, "crew %s could not be read: %v", crew, err)
		v.mu.Lock()
		v.t.Unsettled++
		v.mu.Unlock()
		return
	}
	took := int64(0)
	versions := map[int64]string{}
	for _, l := range laptops {
		for _, id := range l.made {
			if !there[id] {
				v.add(1, 0, "%s: record %s is not in crew %s", l.user, id, crew)
			}
		}
		for id, s := range l.settled {
			if s.outcome == op.Rejected {
				continue
			}
			took++
			if s.outcome == op.Conflicted {
				continue // it says the record's version, not the one that it took
			}
			if other := versions[s.version]; other != "" {
				v.add(0, 1, "changes %s and %s have one version of crew %s: %d", id, other, crew, s.version)
			}
			versions[s.version] = id
		}
	}
	switch {
	case version > took:
		v.add(0, int(version-took), "crew %s is at version %d after %d changes", crew, version, took)
	case version < took:
		v.add(int(took-version), 0, "crew %s is at version %d after %d changes", crew, version, took)
	}
}

// all reads the laptop's crew from the start.
func (l *laptop) all(ctx context.Context) (there map[string]bool, version int64, err error) {
	there = map[string]bool{}
	for cursor, tries := "", 0; ; {
		page, err := l.clients[l.way].Changes(ctx, wire.Self{}, cursor, wire.MaxPage)
		if err != nil {
			if tries++; tries > checkTries || ctx.Err() != nil || !l.failed(err) {
				return nil, 0, err
			}
			rest(ctx, err)
			continue
		}
		for _, c := range page.Changes {
			there[c.EntityID] = true
		}
		cursor = page.Cursor
		if !page.More {
			return there, page.Seen[l.crew].Version, nil
		}
	}
}
