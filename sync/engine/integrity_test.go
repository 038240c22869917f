package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// books are a crew's leaves by name, each a word.
type books map[string]string

func (b books) sum(leaf string) op.Sum {
	if b[leaf] == "" {
		return op.Sum{}
	}
	return op.SumOf(op.Task, op.Fields{"id": b[leaf]})
}

func (b books) digest() (d op.Digest) {
	for leaf := range b {
		d = d.With(b.sum(leaf))
	}
	return d
}

func (l *local) Compare(_ context.Context, page wire.Changes, _ bool) ([]string, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cursor != page.Cursor {
		return nil, false, errors.New("compared with another page than the last one taken")
	}
	if l.books.digest() != page.Digest["north"].Digest {
		return []string{"north"}, true, l.fail
	}
	return nil, true, l.fail
}

func (l *local) Differing(_ context.Context, d wire.Digest) (out []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, sum := range d.Leaves {
		if leaf := op.LeafName(uint8(i)); l.books.sum(leaf) != sum {
			out = append(out, leaf)
		}
	}
	return out, l.fail
}

func (l *local) Mend(_ context.Context, f wire.Leaf) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mended = append(l.mended, f.Leaf)
	if !l.deaf {
		l.books[f.Leaf] = f.Records[0].EntityID
	}
	return 1, l.fail
}

func (l *local) NoteDiffers(_ context.Context, on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.differs = append(l.differs, on)
	return l.fail
}

// noted is what was mended, told and begun anew so far, and the books then.
type noted struct {
	mended  []string
	differs []bool
	anews   []string
	books   books
}

func (l *local) noted() noted {
	l.mu.Lock()
	defer l.mu.Unlock()
	return noted{slices.Clone(l.mended), slices.Clone(l.differs), slices.Clone(l.anews), maps.Clone(l.books)}
}

func (l *local) Anew(_ context.Context, notice string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursor = ""
	l.anews = append(l.anews, notice)
	l.wrote()
	return l.fail
}

func (s *remote) Digest(ctx context.Context, crew string, _ bool) (wire.Digest, error) {
	if err := s.begin(ctx, "digest", nil); err != nil {
		return wire.Digest{}, err
	}
	d := wire.Digest{Crew: crew, Stand: wire.Stand{Version: s.stand[crew].Version, Digest: s.books.digest()}, Leaves: make([]op.Sum, op.Leaves)}
	for i := range d.Leaves {
		d.Leaves[i] = s.books.sum(op.LeafName(uint8(i)))
	}
	return d, nil
}

func (s *remote) Leaf(ctx context.Context, crew, leaf string) (wire.Leaf, error) {
	if err := s.begin(ctx, "leaf", nil); err != nil {
		return wire.Leaf{}, err
	}
	return wire.Leaf{Crew: crew, Version: s.stand[crew].Version, Leaf: leaf, Records: []wire.Change{{EntityID: s.books[leaf]}}}, nil
}

// full is n leaves.
func full(n int) books {
	b := books{}
	for i := range n {
		b[op.LeafName(uint8(i))] = fmt.Sprint("word ", i)
	}
	return b
}

// inBooks begins with a server whose last page says what it comes to, and a
// device that was told the same.
func inBooks(t *testing.T, test func(*bench)) {
	inBench(t, func(b *bench) {
		b.s.books, b.l.books = full(256), full(256)
		b.s.stand = stand(9, "nine")
		b.s.page = func(cursor string, _ int) wire.Changes {
			return wire.Changes{Cursor: "c9", Seen: b.s.stand, Digest: map[string]wire.Stand{"north": {Version: b.s.stand["north"].Version, Digest: b.s.books.digest()}}}
		}
		test(b)
	})
}

// asked lists the requests for digests and leaves.
func (b *bench) asked(since time.Time) string {
	var out []string
	for _, r := range b.s.seen("", since) {
		if r.what == "digest" || r.what == "leaf" {
			out = append(out, r.what)
		}
	}
	return strings.Join(out, " ")
}

func TestEqualIsNotAskedFor(t *testing.T) {
	inBooks(t, func(b *bench) {
		since := time.Now()
		b.start()
		b.pass(10 * time.Minute)
		if got := b.asked(since); got != "" || len(b.l.noted().mended) != 0 || !slices.Equal(b.l.noted().differs, []bool{false}) {
			b.Errorf("asked %q, mended %v, noted %v", got, b.l.noted().mended, b.l.noted().differs)
		}
	})
}

func TestADifferingLeafIsPutRightAlone(t *testing.T) {
	inBooks(t, func(b *bench) {
		since := time.Now()
		b.start()
		b.pass(time.Minute)
		b.l.mu.Lock()
		b.l.books["07"], b.l.books["c0"] = "damaged", ""
		b.l.mu.Unlock()
		b.pass(time.Minute)
		if got := b.asked(since); got != "digest leaf leaf" || !slices.Equal(b.l.noted().mended, []string{"07", "c0"}) || !maps.Equal(b.l.noted().books, b.s.books) {
			b.Errorf("asked %q, mended %v", got, b.l.noted().mended)
		}
		told := false
		for _, s := range b.history() {
			told = told || s.Reach == reach.Online && strings.HasPrefix(s.Detail, "2 records here were not what the server holds")
		}
		if !told || slices.Contains(b.l.noted().differs, true) || len(b.l.noted().anews) != 0 {
			b.Errorf("told %v, noted %v, anew %v", told, b.l.noted().differs, b.l.noted().anews)
		}
	})
}

// TestADifferenceThatStays: it is asked for once in ten minutes, told once, and
// everything else goes on; once it is gone, that is noted too.
func TestADifferenceThatStays(t *testing.T) {
	inBooks(t, func(b *bench) {
		b.l.deaf, b.l.books["07"] = true, "damaged"
		since := time.Now()
		b.start()
		b.pass(9 * time.Minute)
		b.l.add(3)
		b.pass(30 * time.Second)
		if queued, settled, _ := b.l.counts(); b.asked(since) != "digest leaf" || !slices.Equal(b.l.noted().differs, []bool{true}) || queued != 0 || settled != 3 {
			b.Errorf("asked %q, noted %v, %d queued, %d settled", b.asked(since), b.l.noted().differs, queued, settled)
		}
		b.pass(10 * time.Minute)
		if got := b.asked(since); got != "digest leaf digest leaf" {
			b.Errorf("later asked %q", got)
		}
		b.l.mu.Lock()
		b.l.deaf = false
		b.l.mu.Unlock()
		b.pass(11 * time.Minute)
		if differs := b.l.noted().differs; differs[len(differs)-1] || !maps.Equal(b.l.noted().books, b.s.books) {
			b.Errorf("after it was put right: %v", b.l.noted().differs)
		}
	})
}

// TestTooMuchDiffers: then everything is heard anew, at once; if that does not
// help either, once.
func TestTooMuchDiffers(t *testing.T) {
	for _, helps := range []bool{true, false} {
		inBooks(t, func(b *bench) {
			b.l.books = books{}
			page := b.s.page
			b.s.page = func(cursor string, limit int) wire.Changes {
				if cursor == "" && helps {
					b.l.books = maps.Clone(b.s.books)
				}
				return page(cursor, limit)
			}
			since := time.Now()
			b.l.cursor = "c8"
			b.start()
			b.pass(9 * time.Minute)
			if got := b.asked(since); got != "digest" || !slices.Equal(b.l.noted().anews, []string{"mended"}) || slices.Contains(b.l.noted().differs, true) == helps {
				b.Errorf("helps %v: asked %q, anew %v, noted %v", helps, got, b.l.noted().anews, b.l.noted().differs)
			}
		})
	}
}

// TestTheCrewMovesOn: what was asked for at another version is not taken; a later
// round compares again.
func TestTheCrewMovesOn(t *testing.T) {
	for _, when := range []string{"digest", "leaf"} {
		inBooks(t, func(b *bench) {
			b.l.books["07"] = "damaged"
			moved := false
			b.s.during = func(what string, _ []op.Op) {
				if what == when && !moved {
					moved = true
					b.s.set(func(s *remote) { s.stand = stand(10, "ten"); s.books["07"] = "newer" })
				}
			}
			b.start()
			b.pass(time.Minute)
			if !slices.Equal(b.l.noted().mended, []string{"07"}) || b.l.noted().books["07"] != "newer" || slices.Contains(b.l.noted().differs, true) {
				b.Errorf("moved at %s: mended %v to %q, noted %v", when, b.l.noted().mended, b.l.noted().books["07"], b.l.noted().differs)
			}
		})
	}
}

// TestDigestRefused: a server that cannot tell its digest holds up nothing.
func TestDigestRefused(t *testing.T) {
	inBooks(t, func(b *bench) {
		b.l.books["07"] = "damaged"
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "digest" {
				return refusal(500, wire.CodeInternal, 0)
			}
			return nil
		}
		since := time.Now()
		b.start()
		b.l.add(2)
		b.pass(9 * time.Minute)
		if _, settled, _ := b.l.counts(); b.asked(since) != "digest" || settled != 2 || b.e.Status().Reach != reach.Online {
			b.Errorf("asked %q, %d settled, %s", b.asked(since), settled, b.e.Status().Reach)
		}
	})
}

// TestHearingAllAgain: a cursor that the server does not know, or kept too little
// for, costs a pull from the start and no op. The person hears of the second.
func TestHearingAllAgain(t *testing.T) {
	for code, notice := range map[string]string{wire.CodeBadCursor: "", wire.CodeBehind: "away"} {
		inBench(t, func(b *bench) {
			b.l.cursor = "old"
			b.s.page = func(cursor string, _ int) wire.Changes {
				return wire.Changes{Cursor: "new", Changes: make([]wire.Change, 1)}
			}
			first := true
			b.s.fail = func(what string, _ []op.Op) error {
				if what == "changes" && first {
					first = false
					return refusal(map[string]int{"": 400, "away": 410}[notice], code, 0)
				}
				return nil
			}
			b.l.add(2)
			b.make()
			got, err := b.e.Round(b.Context())
			if err != nil || got.Pulled != 1 || got.Pushed != 2 || b.l.cursor != "new" || !slices.Equal(b.l.noted().anews, []string{notice}) {
				b.Errorf("%s: %+v, %v, cursor %q, %q", code, got, err, b.l.cursor, b.l.noted().anews)
			}
		})
	}
}

// TestABadCursorAtTheStart: a server that refuses the start itself is not asked
// without end, and nothing is begun anew for it.
func TestABadCursorAtTheStart(t *testing.T) {
	inBench(t, func(b *bench) {
		b.s.fail = func(what string, _ []op.Op) error {
			if what == "changes" {
				return refusal(400, wire.CodeBadCursor, 0)
			}
			return nil
		}
		b.start()
		b.pass(5 * time.Minute)
		if n := len(b.s.seen("changes", time.Time{})); n > 60 || len(b.l.noted().anews) != 0 {
			b.Errorf("%d requests, anew %q", n, b.l.noted().anews)
		}
	})
}
