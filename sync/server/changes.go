package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Sizes of a page of changes.
const (
	defaultPage  = 500
	maxPageBytes = 4 << 20 // of records, before compression
)

// changes answers GET /sync/changes: what the device has not heard of yet.
func (s *Server) changes(w http.ResponseWriter, r *http.Request, by Author) {
	q := r.URL.Query()
	limit := defaultPage
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			s.problem(w, badRequest("limit %q is no number from 1 to %d", text, wire.MaxPage))
			return
		}
		limit = min(n, wire.MaxPage)
	}
	since, err := parseCursor(q.Get("since"))
	if err != nil {
		s.problem(w, &wire.Problem{Status: http.StatusBadRequest, Code: wire.CodeBadCursor, Message: "the cursor was not made by this server",
			Hint: "ask again without since, to get everything from the start"})
		return
	}
	wait, bad := waitOf(q.Get("wait"))
	if bad != nil {
		s.problem(w, bad)
		return
	}
	ask, me, bad := asking(q, by)
	if bad != nil {
		s.problem(w, bad)
		return
	}
	ask.since, ask.limit = since, limit
	page, err := s.page(r, me, ask)
	if err == nil && wait > 0 && len(page.Changes)+len(page.Conflicts) == 0 && !page.More {
		if end := s.await(r, by, since.at, wait); end == endOut || end == endNowhere {
			s.device(s.changes)(w, r) // who it is now, or why it may not
			return
		}
		page, err = s.page(r, me, ask)
	}
	switch {
	case errors.Is(err, errReset):
		s.reset(w)
	case errors.Is(err, errBehind):
		s.problem(w, &wire.Problem{Status: http.StatusGone, Code: wire.CodeBehind, Message: "this device was away for so long that what was deleted meanwhile is forgotten",
			Hint: "ask again without since and with all=1, and keep nothing that is not told; what waits to be sent stays"})
	case err != nil:
		s.fail(w, r, err)
	default:
		page.Next = s.offer(r.Context(), by)
		s.ok(w, page)
	}
}

// pageAsk is what a device asks for.
type pageAsk struct {
	seen  wire.Seen
	since cursor
	limit int
	all   bool
}

// asking reads what a device says of itself, and who it is then.
func asking(q url.Values, by Author) (ask pageAsk, me Author, bad *wire.Problem) {
	if text := q.Get("seen"); text != "" {
		if err := json.Unmarshal([]byte(text), &ask.seen); err != nil {
			return ask, by, badRequest("seen cannot be read: %v", err)
		}
	}
	var queues []string
	if text := q.Get("queues"); text != "" {
		queues = strings.Split(text, ",")
	}
	ask.all = q.Get("all") == "1"
	me, bad = by.as(ask.seen, queues)
	return ask, me, bad
}

// waitOf reads how long a device is willing to wait for news, in seconds.
func waitOf(text string) (time.Duration, *wire.Problem) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badRequest("wait %q is no number of seconds", text)
	}
	return min(time.Duration(n)*time.Second, wire.MaxWait), nil
}

// page reads and cuts one page. The user's crews are those of now: what the
// cursor says of others is dropped, and a crew that is new to it begins at the start.
func (s *Server) page(r *http.Request, by Author, ask pageAsk) (wire.Changes, error) {
	q := ChangesQuery{Devices: by.devices(), Rows: ask.limit + 1, Conflicts: ask.limit + maxConflicts + 1, Marks: marksOf(ask.seen), All: ask.all}
	for _, crew := range slices.Sorted(slices.Values(by.Crews)) {
		q.Spans = append(q.Spans, Span{crew, ask.since.at[crew]})
		// One that begins at the start holds nothing, but for what it knows from
		// the answers to what it sent: that may have been deleted or moved since.
		q.All = q.All || ask.since.at[crew] == 0 && ask.seen[crew].Version > 0
	}
	feed, err := s.store.Changes(r.Context(), q)
	if err != nil {
		return wire.Changes{}, fmt.Errorf("read changes: %w", err)
	}
	if err := agree(ask.seen, feed.Fingerprints); err != nil {
		return wire.Changes{}, err
	}
	if err := ask.since.near(feed.Crews); err != nil {
		return wire.Changes{}, err
	}
	c := cutFeed(q, feed)
	page := wire.Changes{Changes: make([]wire.Change, 0, len(c.rows)), Cursor: ask.since.next(c.upto, feed.Crews).String(), More: c.more, Seen: seenOf(by, feed.Crews), Crews: by.Crews, User: by.User, Role: by.Role}
	if !c.more {
		page.Digest = standsOf(by, feed.Crews)
	}
	for _, row := range c.rows {
		change, newest, err := changeOf(row)
		if err != nil {
			return wire.Changes{}, err
		}
		change.ByDevice = s.laptop(r.Context(), by, newest.User, newest.Device)
		page.Changes = append(page.Changes, change)
	}
	for _, row := range c.conflicts {
		told, err := tellConflict(row, q.Devices)
		if err != nil {
			return wire.Changes{}, err
		}
		page.Conflicts = append(page.Conflicts, told...)
	}
	s.nameLaptops(r.Context(), by, page.Conflicts)
	return page, nil
}

// changeOf is a row as devices hear of it, and its newest register.
func changeOf(row Row) (wire.Change, op.Register, error) {
	c := wire.Change{EntityType: row.Kind, EntityID: row.ID, Crew: row.Crew, Version: row.Version, Gone: row.Gone}
	var newest op.Register
	if row.Gone {
		return c, newest, nil
	}
	rec, err := row.Record()
	if err != nil {
		return c, newest, err
	}
	for _, reg := range rec.Registers {
		if reg.Version > newest.Version {
			newest = reg
		}
	}
	c.By, c.ServerState = newest.User, rec.State()
	return c, newest, nil
}

// tellConflict is a conflict as the asking device hears of it. One that is both
// sides, under identities that its queue was given one after the other, hears it
// as the newer of them: that is who it is by now.
func tellConflict(row ConflictRow, devices []string) ([]wire.Conflict, error) {
	lost, won := slices.Index(devices, row.Loser), slices.Index(devices, row.Winner) // oldest first
	if lost < 0 && won < 0 {
		return nil, nil
	}
	var c op.Conflict
	if err := json.Unmarshal([]byte(row.Body), &c); err != nil {
		return nil, fmt.Errorf("conflict %s: %w", row.ID, err)
	}
	return []wire.Conflict{wire.TellConflict(c, lost >= won)}, nil
}
