package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
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
	page, err := s.page(r, by, since, limit)
	if err == nil && wait > 0 && len(page.Changes)+len(page.Conflicts) == 0 && !page.More {
		if end := s.await(r, by, since, wait); end == endOut || end == endNowhere {
			s.device(s.changes)(w, r) // who it is now, or why it may not
			return
		}
		page, err = s.page(r, by, since, limit)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.ok(w, page)
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
func (s *Server) page(r *http.Request, by Author, since cursor, limit int) (wire.Changes, error) {
	q := ChangesQuery{Device: by.Device, Rows: limit + 1, Conflicts: limit + maxConflicts + 1}
	for _, crew := range slices.Sorted(slices.Values(by.Crews)) {
		q.Spans = append(q.Spans, Span{crew, since[crew]})
	}
	feed, err := s.store.Changes(r.Context(), q)
	if err != nil {
		return wire.Changes{}, fmt.Errorf("read changes: %w", err)
	}
	c := cutFeed(q, feed)
	page := wire.Changes{Changes: make([]wire.Change, 0, len(c.rows)), Cursor: c.upto.String(), More: c.more, Crews: by.Crews, User: by.User, Role: by.Role}
	for _, row := range c.rows {
		change, err := changeOf(row)
		if err != nil {
			return wire.Changes{}, err
		}
		page.Changes = append(page.Changes, change)
	}
	for _, row := range c.conflicts {
		told, err := tellConflict(row, by.Device)
		if err != nil {
			return wire.Changes{}, err
		}
		page.Conflicts = append(page.Conflicts, told...)
	}
	return page, nil
}

// changeOf is a row as devices hear of it.
func changeOf(row Row) (wire.Change, error) {
	c := wire.Change{EntityType: row.Kind, EntityID: row.ID, Crew: row.Crew, Version: row.Version, Gone: row.Gone}
	if row.Gone {
		return c, nil
	}
	rec, err := row.Record()
	if err != nil {
		return c, err
	}
	var newest op.Register
	for _, reg := range rec.Registers {
		if reg.Version > newest.Version {
			newest = reg
		}
	}
	c.By, c.ServerState = newest.User, rec.State()
	return c, nil
}

// tellConflict is a conflict as the asking device hears of it; twice when it is
// both sides.
func tellConflict(row ConflictRow, device string) ([]wire.Conflict, error) {
	var c op.Conflict
	if err := json.Unmarshal([]byte(row.Body), &c); err != nil {
		return nil, fmt.Errorf("conflict %s: %w", row.ID, err)
	}
	var out []wire.Conflict
	if row.Loser == device {
		out = append(out, wire.TellConflict(c, true))
	} else if row.Winner == device {
		out = append(out, wire.TellConflict(c, false))
	}
	return out, nil
}
