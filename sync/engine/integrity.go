package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

const (
	// mendEvery is how long a crew that still differs after it was put right is
	// left alone: what this side cannot cure must not be asked for each round.
	mendEvery = 10 * time.Minute
	// maxLeaves is how many leaves are fetched one by one; of more, all is.
	maxLeaves = 64
)

// What the person is told while it happens. Local keeps a notice that lasts.
const (
	tellAway    = "this laptop was away for so long that deletions were forgotten; everything is fetched again"
	tellDiffers = "too much on this laptop is not what the server holds; everything is fetched again"
)

// Notices that Local.Anew keeps.
const (
	noticeAway   = "away"
	noticeMended = "mended"
)

var errDiffers = errors.New("this laptop's records are not what the server holds")

// mend is what became of putting a crew right.
type mend struct {
	next int64 // boot clock, ms: not before then again
	told bool  // that it did not help
}

// compare holds what is here against what the server says after the last page:
// now this device has heard all up to that version, and sent nothing since.
func (r *round) compare(ctx context.Context, page wire.Changes) *fault {
	if len(page.Digest) == 0 {
		return nil
	}
	differ, done, err := r.o.Local.Compare(ctx, page, r.whole)
	if err != nil {
		return diagnose(err)
	}
	if done && len(differ) == 0 && (r.line.mends == nil || len(r.line.mends) > 0) {
		r.line.mends = map[string]mend{}
		if err := r.o.Local.NoteDiffers(ctx, false); err != nil {
			return diagnose(err)
		}
	}
	for _, crew := range differ {
		if m, tried := r.line.mends[crew]; tried && r.o.Clock().Boot < m.next {
			if f := r.stillDiffers(ctx, crew); f != nil {
				return f
			}
			continue
		}
		if f := r.mend(ctx, page, crew); f != nil {
			return f
		}
	}
	return nil
}

// mend puts right the leaves of a crew that differ.
func (r *round) mend(ctx context.Context, page wire.Changes, crew string) *fault {
	r.tried(crew, false)
	var d wire.Digest
	err := r.call(func(s Remote) (err error) { d, err = s.Digest(ctx, crew, false); return err })
	if err != nil {
		return r.notMended(crew, err)
	}
	if d.Version != page.Digest[crew].Version {
		delete(r.line.mends, crew) // the crew moved on: the next round compares again
		return nil
	}
	leaves, err := r.o.Local.Differing(ctx, d)
	if err != nil {
		return diagnose(err)
	}
	r.o.Log.Warn("records differ from the server's", "crew", crew, "leaves", len(leaves))
	if len(leaves) > maxLeaves {
		return differsTooMuch()
	}
	mended := 0
	for _, leaf := range leaves {
		n, current, f := r.mendLeaf(ctx, d, leaf)
		if f != nil || !current {
			return f
		}
		mended += n
	}
	r.out.result.Pulled += mended
	r.out.progress = r.out.progress || mended > 0
	r.o.Log.Warn("put records right", "crew", crew, "records", mended)
	differ, _, err := r.o.Local.Compare(ctx, page, true)
	if err != nil {
		return diagnose(err)
	}
	for _, c := range differ {
		if c == crew {
			return r.stillDiffers(ctx, crew)
		}
	}
	r.detail = fmt.Sprintf("%d records here were not what the server holds; they were put right", mended)
	r.online()
	return nil
}

// mendLeaf fetches one leaf; current is false when the crew moved on meanwhile.
func (r *round) mendLeaf(ctx context.Context, d wire.Digest, leaf string) (n int, current bool, f *fault) {
	l := wire.Leaf{Crew: d.Crew, Version: d.Version, Leaf: leaf}
	if op.LeafName(op.LeafOf(leaf)) == leaf { // else no server has such records
		err := r.call(func(s Remote) (err error) { l, err = s.Leaf(ctx, d.Crew, leaf); return err })
		if tooLarge(err) || errors.Is(err, wire.ErrTooBig) {
			return 0, false, differsTooMuch()
		}
		if err != nil {
			return 0, false, r.notMended(d.Crew, err)
		}
	}
	if l.Version != d.Version {
		delete(r.line.mends, d.Crew)
		return 0, false, nil
	}
	n, err := r.o.Local.Mend(ctx, l)
	if err != nil {
		return 0, false, diagnose(err)
	}
	return n, true, nil
}

// tried notes when a crew may be put right again.
func (r *round) tried(crew string, told bool) {
	if r.line.mends == nil {
		r.line.mends = map[string]mend{}
	}
	r.line.mends[crew] = mend{r.o.Clock().Boot + mendEvery.Milliseconds(), told}
}

// notMended: the way may be gone, which ends the round; a refusal does not stop
// what else there is to do.
func (r *round) notMended(crew string, err error) *fault {
	f := diagnose(err)
	if f.line {
		delete(r.line.mends, crew)
		return f
	}
	r.o.Log.Warn("cannot put records right", "crew", crew, "error", err)
	return nil
}

// stillDiffers tells the person, once, that it did not help.
func (r *round) stillDiffers(ctx context.Context, crew string) *fault {
	m := r.line.mends[crew]
	if m.told {
		return nil
	}
	m.told = true
	r.line.mends[crew] = m
	r.o.Log.Error("records differ from the server's still", "crew", crew)
	if err := r.o.Local.NoteDiffers(ctx, true); err != nil {
		return diagnose(err)
	}
	return nil
}

// differsTooMuch ends a pull so that everything is heard anew.
func differsTooMuch() *fault {
	return &fault{err: errDiffers, line: true, anew: true, tell: tellDiffers, notice: noticeMended}
}

// lostCursor: the server kept too little, or does not know the cursor.
func lostCursor(f *fault) *fault {
	var refused *wire.ServerError
	switch {
	case !errors.As(f.err, &refused):
	case refused.Status() == http.StatusGone:
		f.anew, f.line, f.tell, f.notice = true, true, tellAway, noticeAway
	case refused.Problem.Code == wire.CodeBadCursor:
		f.anew, f.line = true, true
	}
	return f
}

// anew begins again with what the server holds; the queue is not touched.
func (r *round) anew(ctx context.Context, f *fault) *fault {
	r.o.Log.Warn("hearing everything again", "reason", f.err)
	if f.tell != "" {
		r.detail = f.tell
		r.online()
	}
	if err := r.o.Local.Anew(ctx, f.notice); err != nil {
		return diagnose(err)
	}
	r.line.crews = ""
	clear(r.line.heard)
	return nil
}
