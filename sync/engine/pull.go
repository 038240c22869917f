package engine

import (
	"context"
	"errors"
	"strings"

	"example.com/punchlist/sync/wire"
)

const (
	maxPage = wire.MaxPage
	minPage = 10
)

// pager bounds a page of changes: less after a cut, so that a line that breaks
// again and again still gets pages through.
type pager struct{ limit int }

func newPager() pager      { return pager{maxPage} }
func (p *pager) grow()     { p.limit = min(maxPage, p.limit*2) }
func (p *pager) shrink()   { p.limit = max(minPage, p.limit/2) }
func (p *pager) min() bool { return p.limit == minPage }

// pull hears page after page until there is no more. While one is written the
// next one is fetched. Changes made here meanwhile are sent between two pages.
func (r *round) pull(ctx context.Context) *fault {
	for ahead := (*ahead)(nil); ; {
		page, next, f := r.next(ctx, ahead, true)
		if f != nil {
			return f
		}
		if ahead = next; !page.More {
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

// hear hears one page, and asks for no other.
func (r *round) hear(ctx context.Context) *fault {
	_, _, f := r.next(ctx, nil, false)
	return f
}

// ahead is a page that was asked for before its turn.
type ahead struct {
	cursor string // behind which
	page   wire.Changes
	fault  *fault
}

// next hears and keeps the next page: the one that was fetched ahead, if it is the
// next one still. With onward it returns what was fetched ahead meanwhile.
func (r *round) next(ctx context.Context, got *ahead, onward bool) (wire.Changes, *ahead, *fault) {
	cursor, err := r.o.Local.Cursor(ctx)
	if err != nil {
		return wire.Changes{}, nil, diagnose(err)
	}
	if got == nil || got.cursor != cursor {
		got = r.fetch(ctx, cursor)
	}
	page := got.page
	if f := got.fault; f != nil && cursor != "" {
		return page, nil, lostCursor(f)
	} else if f != nil {
		return page, nil, f
	}
	fetching, leave := context.WithCancel(ctx)
	defer leave()
	fetched := make(chan *ahead, 1)
	if page.More && onward {
		go func() { fetched <- r.fetch(fetching, page.Cursor) }()
	} else {
		fetched <- nil
	}
	f := r.apply(ctx, cursor, page)
	if f != nil {
		leave() // what cannot be kept need not be heard
	}
	after := <-fetched
	if f != nil {
		return page, nil, f
	}
	r.line.deaf = false
	r.renew(ctx, page.Next)
	return page, after, nil
}

// fetch asks for the page behind a cursor. It runs beside the writing of another.
func (r *round) fetch(ctx context.Context, cursor string) (out *ahead) {
	out = &ahead{cursor: cursor}
	if err := r.guard("fetch", func() { out.page, out.fault = r.page(ctx, cursor) }); err != nil {
		out.fault = diagnose(err)
	}
	return out
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
