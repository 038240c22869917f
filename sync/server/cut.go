package server

import "example.com/punchlist/sync/op"

// maxConflicts is more than one op can cause: one for each register that its
// record holds or that it names.
const maxConflicts = maxRecordFields + op.MaxFields

// cut is the part of a feed that makes one page.
type cut struct {
	rows      []Row
	conflicts []ConflictRow
	upto      map[string]int64
	more      bool
	bytes     int
}

// place is a version of a crew; the zero value is none.
type place struct {
	crew    string
	version int64
}

func (p place) before(q place) bool {
	return p.crew < q.crew || p.crew == q.crew && p.version < q.version
}

// cutFeed takes as much of a feed as fits one page. A version is never split: a
// device that has heard of a part of one would never hear of the rest.
func cutFeed(q ChangesQuery, feed Feed) cut {
	c := cut{upto: map[string]int64{}}
	end := horizon(q, feed)
	for _, span := range q.Spans {
		at := span.Since
		if !c.more {
			at = c.take(span, &feed, end)
		}
		c.upto[span.Crew] = at
	}
	return c
}

// horizon is the place up to which, exclusively, a feed is known whole: a list
// that came as long as was asked for may go on. The zero place: all is known.
func horizon(q ChangesQuery, feed Feed) place {
	var end place
	if n := len(feed.Rows); n > 0 && n >= q.Rows {
		end = place{feed.Rows[n-1].Crew, feed.Rows[n-1].Version}
	}
	if n := len(feed.Conflicts); n > 0 && n >= q.Conflicts {
		p := place{feed.Conflicts[n-1].Crew, feed.Conflicts[n-1].Version}
		if end.version == 0 || p.before(end) {
			end = p
		}
	}
	return end
}

// take takes one crew's part and returns how far that goes.
func (c *cut) take(span Span, feed *Feed, end place) int64 {
	for {
		next := place{span.Crew, nextVersion(span.Crew, feed)}
		switch {
		case next.version == 0 && end.crew != span.Crew:
			return max(span.Since, feed.Crews[span.Crew].Version)
		case next.version == 0 || end.version != 0 && !next.before(end):
			c.more = true
			return end.version - 1
		case len(c.rows) > 0 && c.bytes >= maxPageBytes:
			c.more = true
			return next.version - 1
		}
		c.version(next, feed)
	}
}

// nextVersion is the lowest version of a crew at the head of a feed; 0: none.
func nextVersion(crew string, feed *Feed) int64 {
	var v int64
	if r := feed.Rows; len(r) > 0 && r[0].Crew == crew {
		v = r[0].Version
	}
	if f := feed.Conflicts; len(f) > 0 && f[0].Crew == crew && (v == 0 || f[0].Version < v) {
		v = f[0].Version
	}
	return v
}

// version takes all that a feed holds of one version.
func (c *cut) version(p place, feed *Feed) {
	for r := feed.Rows; len(r) > 0 && (place{r[0].Crew, r[0].Version} == p); r = feed.Rows {
		c.bytes += len(r[0].Fields)
		c.rows, feed.Rows = append(c.rows, r[0]), r[1:]
	}
	for f := feed.Conflicts; len(f) > 0 && (place{f[0].Crew, f[0].Version} == p); f = feed.Conflicts {
		c.conflicts, feed.Conflicts = append(c.conflicts, f[0]), f[1:]
	}
}
