package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Each crew's history is a chain of hashes: the fingerprint of a version covers
// the op that took it, what became of it, and the fingerprint before.
//
//	v17 ──► v18 ──► v19        as the server was
//	   └──► v18'──► v19'──►    restored at v17, and grown past the old end
//
// So a device that remembers (v19, its fingerprint) finds out that this is
// another history, though v19 is there and though the record that it changed
// may be the same.

// Mark names a version of a crew.
type Mark struct {
	Crew    string
	Version int64
}

// Link is one version of a crew's history.
type Link struct {
	Mark
	Fingerprint string
}

// errReset says that a device was told of a history that is not this one.
var errReset = errors.New("the server was restored from a backup")

// event is the op that takes versions just now, and what became of it.
type event struct {
	op      *incoming
	outcome op.Outcome
	stamp   int64
}

// digest is what a fingerprint covers of the event: what its entry in the audit
// will tell.
func (e event) digest(by Author) string {
	d := opDetail{Action: e.op.Action, Stamp: e.stamp, Content: e.op.content}
	return d.digest(Entry{User: by.User, Device: by.Device, Op: e.op.ID, Kind: e.op.Kind, Entity: e.op.Entity, What: string(e.outcome)})
}

// link is the fingerprint of the version that follows on a crew's newest.
func (d *decision) link(before Crew, version int64) Link {
	n := linkNote{Crew: before.Name, Version: version, After: before.Entries, Before: before.Fingerprint}
	d.notes[d.event.op.ID] = append(d.notes[d.event.op.ID], n)
	return Link{Mark{before.Name, version}, n.fingerprint(before.Seal, d.event.digest(d.by))}
}

// marksOf lists what a device was told, in a fixed order.
func marksOf(seen wire.Seen) []Mark {
	out := make([]Mark, 0, len(seen))
	for _, crew := range slices.Sorted(maps.Keys(seen)) {
		out = append(out, Mark{crew, seen[crew].Version})
	}
	return out
}

// agree is [errReset] unless all that a device was told is a part of this
// history. Crews that its user is not in are looked at too: whoever knows a
// fingerprint was told it, and a wrong one is answered the same whether the crew
// exists or not.
func agree(seen wire.Seen, found map[Mark]string) error {
	for crew, m := range seen {
		if found[Mark{crew, m.Version}] != m.Fingerprint || m.Fingerprint == "" {
			return errReset
		}
	}
	return nil
}

// seenOf is how things stand in the author's crews. A crew in which nothing
// happened has nothing that could be remembered.
func seenOf(by Author, crews map[string]Crew) wire.Seen {
	out := wire.Seen{}
	for _, name := range by.Crews {
		if c := crews[name]; c.Fingerprint != "" {
			out[name] = wire.Mark{Version: c.Version, Fingerprint: c.Fingerprint}
		}
	}
	return out
}

// reset answers a device that was told of another history. Nothing was applied.
func (s *Server) reset(w http.ResponseWriter) {
	s.problem(w, &wire.Problem{Status: http.StatusConflict, Code: wire.CodeReset,
		Message: "the server was restored from a backup that is older than what this device was told",
		Hint:    "ask " + wire.PathHistory + " what is left of it, fetch everything again from the start, and send again what was acknowledged since"})
}

// as is the author under the newest identity of the device's queue: for every
// rule another device than under the older ones. Only the device itself can take
// such an identity, because its own id is a part of it. What no device says of
// itself is refused.
func (a Author) as(seen wire.Seen, queues []string) (Author, *wire.Problem) {
	if len(seen) > wire.MaxSeen {
		return a, badRequest("seen names %d crews; at most %d", len(seen), wire.MaxSeen)
	}
	if len(queues) > wire.MaxQueues {
		return a, badRequest("queues names %d identities; at most %d", len(queues), wire.MaxQueues)
	}
	root, err := uuid.Parse(a.Device)
	if err != nil && len(queues) > 0 {
		return a, badRequest("this device cannot take another identity")
	}
	for _, q := range queues {
		if _, err := uuid.Parse(q); err != nil || len(q) != 36 {
			return a, badRequest("the queue's identity %q is not a UUID", clip(q))
		}
		a.Past = append(a.Past, a.Device)
		a.Device = uuid.NewSHA1(root, []byte("queue/"+q)).String()
	}
	return a, nil
}

// devices are all identities under which the author's device is known.
func (a Author) devices() []string { return append(slices.Clone(a.Past), a.Device) }

// history answers POST /sync/history: how much of a device's past is this
// server's too.
func (s *Server) history(w http.ResponseWriter, r *http.Request, by Author) {
	body, bad := s.readBody(w, r, wire.MaxExpanded)
	if bad != nil {
		s.problem(w, bad)
		return
	}
	var past wire.Past
	if err := json.Unmarshal(body, &past); err != nil {
		s.problem(w, notJSON("a past", err))
		return
	}
	if len(past.Ops) > wire.MaxOps {
		s.problem(w, badRequest("ops names %d changes; at most %d", len(past.Ops), wire.MaxOps))
		return
	}
	marks := []Mark{}
	for crew, list := range past.Seen {
		for _, m := range list {
			marks = append(marks, Mark{crew, m.Version})
		}
		if len(list) > wire.MaxMarks || len(past.Seen) > wire.MaxSeen {
			s.problem(w, badRequest("at most %d versions of each of %d crews are compared", wire.MaxMarks, wire.MaxSeen))
			return
		}
	}
	slices.SortFunc(marks, func(a, b Mark) int { return cmp.Or(cmp.Compare(a.Crew, b.Crew), cmp.Compare(a.Version, b.Version)) })
	loaded, err := s.store.Load(r.Context(), Needs{Marks: slices.Compact(marks), User: by.User, OpIDs: past.Ops})
	if err != nil {
		s.fail(w, r, fmt.Errorf("read history: %w", err))
		return
	}
	s.ok(w, wire.Common{Common: common(past, loaded.Fingerprints), Known: slices.Sorted(maps.Keys(loaded.Outcomes))})
}

// common is the newest version of each crew that both sides know alike.
func common(past wire.Past, found map[Mark]string) map[string]int64 {
	out := make(map[string]int64, len(past.Seen))
	for crew, list := range past.Seen {
		out[crew] = 0
		for _, m := range list {
			if m.Fingerprint != "" && found[Mark{crew, m.Version}] == m.Fingerprint {
				out[crew] = max(out[crew], m.Version)
			}
		}
	}
	return out
}
