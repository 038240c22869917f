package engine

import (
	"context"
	"errors"
	"strings"

	"example.com/punchlist/sync/wire"
)

const (
	maxPage = 500
	minPage = 10
)

// pager bounds a page of changes: less after a cut, so that a line that breaks
// again and again still gets pages through.
type pager struct{ limit int }

func newPager() pager      { return pager{maxPage} }
func (p *pager) grow()     { p.limit = min(maxPage, p.limit*2) }
func (p *pager) shrink()   { p.limit = max(minPage, p.limit/2) }
func (p *pager) min() bool { return p.limit == minPage }

// pull hears page after page until there is no more. Changes made here
// meanwhile are sent between two pages.
func (r *round) pull(ctx context.Context) *fault {
	for {
		page, f := r.next(ctx)
		if f != nil {
			return f
		}
		if !page.More {
			return r.compare(ctx, page)
		}
		if r.pushed != nil {
			continue // pushing failed in this round; the next one tries again
		}
		if f := r.push(ctx); f != nil {
			if f.line {
				return f
			}
			r.pushed = f
		}
	}
}

// hear hears one page.
func (r *round) hear(ctx context.Context) *fault {
	_, f := r.next(ctx)
	return f
}

// next hears and keeps the next page.
func (r *round) next(ctx context.Context) (wire.Changes, *fault) {
	cursor, err := r.o.Local.Cursor(ctx)
	if err != nil {
		return wire.Changes{}, diagnose(err)
	}
	page, f := r.page(ctx, cursor)
	if f != nil && cursor != "" {
		f = lostCursor(f)
	}
	if f != nil {
		return page, f
	}
	if f := r.apply(ctx, cursor, page); f != nil {
		return page, f
	}
	r.line.deaf = false
	r.renew(ctx, page.Next)
	return page, nil
}

// page fetches one page, halving it while it is larger than a client accepts.
func (r *round) page(ctx context.Context, cursor string) (wire.Changes, *fault) {
	for {
		var page wire.Changes
		self, err := r.o.Local.Self(ctx)
		if err != nil {
			return page, diagnose(err)
		}
		err = r.call(func(s Remote) (err error) { page, err = s.Changes(ctx, self, cursor, r.pages.limit); return err })
		if err == nil {
			r.pages.grow()
			r.online()
			return page, nil
		}
		if errors.Is(err, wire.ErrTooBig) && !r.pages.min() {
			r.pages.shrink()
			continue
		}
		f := diagnose(err)
		if f.cut {
			r.pages.shrink()
		}
		return page, f
	}
}

// apply takes a page over. One that says nothing new is not written: a look
// each few seconds must not cost a disk write.
func (r *round) apply(ctx context.Context, cursor string, page wire.Changes) *fault {
	for _, c := range page.Changes {
		r.line.heard[c.Crew] = c.Version // in rising order; lower again after a reset
	}
	who := page.User + " " + string(page.Role) + " " + strings.Join(page.Crews, " ")
	if len(page.Changes)+len(page.Conflicts) == 0 && page.Cursor == cursor && who == r.line.crews {
		return nil
	}
	if len(page.Changes) > 0 {
		received := r.out.result.Pulled + len(page.Changes)
		r.board.update(func(s *Status) { s.Activity, s.Done, s.Total = Receiving, received, 0 })
	}
	n, err := r.o.Local.ApplyChanges(ctx, page)
	if err != nil {
		return diagnose(err)
	}
	r.line.crews = who
	r.out.result.Pulled += n
	r.out.progress = r.out.progress || n > 0
	r.conflicts(page.Conflicts)
	return nil
}
