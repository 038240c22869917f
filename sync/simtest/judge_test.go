package simtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
)

// judge holds the end of a history to the truth.
func (w *world) judge() {
	w.once()
	w.storeHolds()
	w.sameView()
	w.digestHolds()
	w.conflictsTold()
	w.nothingSilent()
}

// once: every op that was called saved was settled, once (a second time was
// found when it happened), or a person took it back.
func (w *world) once() {
	for _, f := range w.book.order {
		if f.acked && !f.dropped && !f.squashed && f.outcome == "" {
			w.violated(map[bool]string{true: "I35", false: "I12"}[f.former != ""], "%s was saved and never took effect", w.book.tell(f))
			return
		}
	}
}

// storeHolds: what was committed is what is stored, after all the kills.
func (w *world) storeHolds() {
	s, done := w.office.serving()
	defer done()
	spans := []server.Span{{Crew: crew, Since: 1}, {Crew: other, Since: 1}}
	feed, err := s.store.Changes(context.Background(), server.ChangesQuery{Spans: spans, Rows: 100_000, Conflicts: 100_000})
	if err != nil {
		w.violated("I13", "read the store: %v", err)
		return
	}
	for _, row := range feed.Rows {
		k := rowKey{row.Crew, server.Ref{Kind: row.Kind, ID: row.ID}}
		if w.book.rows[k] != row {
			w.violated("I13", "the store holds %+v, but what was committed is %+v", row, w.book.rows[k])
			return
		}
	}
}

// sight is everything that somebody sees, a line a record.
type sight map[string]string

func line(rec localdb.Record) string {
	f := rec.Fields.Clone()
	delete(f, op.CrewField)
	b, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("v%d %s %s", rec.Version, rec.Crew, b)
}

// truth is what whoever is in these crews must see.
func (w *world) truth(crews []string) sight {
	out := sight{}
	for _, row := range w.book.rows {
		rec, err := row.Record()
		if err != nil {
			w.violated("I13", "%v", err)
			return nil
		}
		if rec.Deleted || row.Gone || !slices.Contains(crews, row.Crew) {
			continue
		}
		f := rec.State()
		for _, name := range []string{"id", "version", op.Deleted} {
			delete(f, name)
		}
		out[string(rec.Kind)+" "+rec.ID] = line(localdb.Record{Version: rec.Version, Crew: rec.Crew, Fields: f})
	}
	return out
}

func (l *laptop) sees(r *run) sight {
	out := sight{}
	for _, kind := range op.Kinds {
		ids, err := r.db.IDs(context.Background(), kind)
		if err != nil {
			l.w.violated("harness", "ids: %v", err)
		}
		recs, err := r.db.Records(context.Background(), kind, ids)
		if err != nil {
			l.w.violated("harness", "records: %v", err)
		}
		for id, rec := range recs {
			out[string(kind)+" "+id] = line(rec)
		}
	}
	return out
}

// sameView: all laptops and the server hold the same, to the version.
func (w *world) sameView() {
	for _, l := range w.laptops {
		want := w.truth(l.crews)
		r, done := l.using()
		got := l.sees(r)
		done()
		var differ []string
		for _, k := range slices.Sorted(maps.Keys(want)) {
			if got[k] != want[k] {
				differ = append(differ, fmt.Sprintf("%s: %q, but the server %q", k, got[k], want[k]))
			}
		}
		for _, k := range slices.Sorted(maps.Keys(got)) {
			if _, known := want[k]; !known {
				differ = append(differ, fmt.Sprintf("%s: %q, which the server does not hold", k, got[k]))
			}
		}
		if len(differ) > 0 {
			w.violated("I15", "%s sees %d records otherwise than the server; the first: %s", l.name, len(differ), differ[0])
			return
		}
		w.count("records seen alike")
	}
}

// digestHolds: the digest that the server keeps up with each change is that of
// the records as they are.
func (w *world) digestHolds() {
	s, done := w.office.serving()
	defer done()
	w.digestOf(s, crew)
	if w.moving {
		w.digestOf(s, other)
	}
}

func (w *world) digestOf(s *shop, crew string) {
	at, kept, err := s.store.Leaves(context.Background(), crew)
	if err != nil {
		w.violated("I15", "read the digest of %s: %v", crew, err)
		return
	}
	var counted op.Tally
	for _, row := range w.book.rows {
		rec, err := row.Record()
		if err != nil {
			w.violated("I13", "%v", err)
			return
		}
		if !rec.Deleted && !row.Gone && row.Crew == crew {
			leaf := op.LeafOf(rec.ID)
			counted[leaf] = counted[leaf].With(op.SumOf(rec.Kind, rec.State()))
		}
	}
	if total := counted.Total(); len(kept.Differing(&counted)) > 0 || at.Digest != total {
		w.violated("I15", "the server's digest is %v, its records come to %v (leaves that differ: %d)", at.Digest, total, len(kept.Differing(&counted)))
	}
}

// list is a laptop's conflicts, by id, resolved ones too.
func (l *laptop) list() map[string]localdb.Conflict {
	r, done := l.using()
	defer done()
	all, err := r.db.Conflicts(context.Background(), true)
	if err != nil {
		l.w.violated("harness", "conflicts: %v", err)
	}
	out := map[string]localdb.Conflict{}
	for _, c := range all {
		out[c.ID] = c
	}
	return out
}

// sameLaptop tells whether the server can know that a device is this laptop. One
// that was revoked and enrolled again is a stranger to it still: conflicts with
// its former self are told to nobody, and may be such with itself.
func (w *world) sameLaptop(device string, n int) bool { return w.laptops[n].device == device }

// conflictsTold: each conflict is on the list of both its sides, with both values.
func (w *world) conflictsTold() {
	lists := make([]map[string]localdb.Conflict, len(w.laptops))
	for i, l := range w.laptops {
		lists[i] = l.list()
	}
	for _, c := range w.book.conflicts {
		for _, side := range []struct {
			who, other op.Side
			lost       bool
		}{{c.Winner, c.Loser, false}, {c.Loser, c.Winner, true}} {
			n, known := w.book.devices[side.who.Device]
			if !known || n < 0 || !w.sameLaptop(side.who.Device, n) {
				continue
			}
			told, ok := lists[n][c.ID]
			if ok && side.who.User == side.other.User && (told.Kind == "overrode") == side.lost {
				// Both sides itself, under an older and a newer identity or with a
				// deletion of its own: it hears of it once, as one of them.
				side.who, side.other, side.lost = side.other, side.who, !side.lost
			}
			mine, theirs := fmt.Sprint(told.MineAll), fmt.Sprint(told.TheirsAll)
			switch {
			case !ok && !slices.Contains(w.laptops[n].crews, c.crew): // the record had left its crews
				continue
			case !ok:
				w.violated("I22", "%s was not told of conflict %s about %s of %s, in which its %v met %v (lost: %t, at %d, its device is another one now: %t)%s", w.laptops[n].name, c.ID,
					c.Register, c.Entity, side.who.Values, side.other.Values, side.lost, c.at-epoch, w.laptops[n].device != side.who.Device, w.book.tale(c.Entity, c.Register))
				return
			case (told.Kind == "overrode") == side.lost:
				w.violated("I22", "%s was told of conflict %s as %s", w.laptops[n].name, c.ID, told.Kind)
				return
			case mine == "map[]" && theirs == "map[]":
				w.violated("I22", "%s was told of conflict %s without its values", w.laptops[n].name, c.ID)
				return
			case tokenOf(c.Kind, c.Register, told.MineAll) != tokenOf(c.Kind, c.Register, side.who.Values) || tokenOf(c.Kind, c.Register, told.TheirsAll) != tokenOf(c.Kind, c.Register, side.other.Values):
				w.violated("I22", "%s was told that in conflict %s %s met %s, but it was %v and %v", w.laptops[n].name, c.ID, mine, theirs, side.who.Values, side.other.Values)
				return
			}
		}
	}
}

// nothingSilent: a value that does not stand was replaced by somebody who saw
// it, or is listed as lost.
func (w *world) nothingSilent() {
	lost := map[class]bool{}
	for _, c := range w.book.conflicts {
		if token := tokenOf(c.Kind, c.Register, c.Loser.Values); token != "" {
			lost[class{c.Entity, c.Register, token}] = true
		}
	}
	final := map[class]bool{}
	deleted := map[string]bool{}
	for _, row := range w.book.rows {
		if row.Gone {
			continue
		}
		f := fieldsOf(row.Fields)
		for register := range tokens[row.Kind] {
			final[class{row.ID, register, tokenOf(row.Kind, register, f)}] = true
		}
		deleted[row.ID] = row.Deleted
	}
	for _, f := range w.book.order {
		if f.outcome == "" || f.outcome == op.Rejected {
			continue
		}
		for _, d := range f.deeds {
			switch {
			case lost[d.class] || w.replacedKnowingly(d):
			case !final[d.class]:
				w.violated("I22", "%s: its %s %q does not stand, nobody who saw it replaced it, and it is on no list%s", w.book.tell(f), d.register, d.token, w.book.tale(d.entity, d.register))
				return
			case deleted[d.entity] && !w.deleterSaw(d):
				w.violated("I21", "%s: its %s %q was deleted by nobody who saw it, and is on no list%s", w.book.tell(f), d.register, d.token, w.book.tale(d.entity, d.register))
				return
			}
		}
	}
}

func (w *world) replacedKnowingly(d *deed) bool {
	for _, e := range w.book.replaced[d.class] {
		if (e.op.squashed || e.op.outcome != "" && e.op.outcome != op.Rejected) && e.token != d.token {
			return true
		}
		// Refused, or of a lost history with nobody left to tell it again: who replaced that had seen both.
		if gone := e.op.void || e.op.dropped && e.op.former != "" || e.op.outcome == op.Rejected; gone && w.replacedKnowingly(e) {
			return true
		}
	}
	return w.heirReplaced(d.class) || (w.book.era() > 0 || w.laptops[max(0, d.op.lap)].life > 0) && w.replacedSince(d)
}

// heirReplaced: what won over a value in a history that a restored server lost
// was replaced by somebody who had not found that out yet, and had heard both.
func (w *world) heirReplaced(c class) bool {
	for _, u := range w.book.unsaid {
		if u.Entity != c.entity || u.Register != c.register || tokenOf(u.Kind, u.Register, u.Loser.Values) != c.token {
			continue
		}
		for _, e := range w.book.replaced[class{c.entity, c.register, tokenOf(u.Kind, u.Register, u.Winner.Values)}] {
			if w.book.blurred(e.op) && e.op.outcome != "" && e.op.outcome != op.Rejected {
				return true
			}
		}
	}
	return false
}

// replacedSince: where a server was restored an author may have replaced the own
// value while looking at what had come of it in the lost history; and whoever puts
// old data back goes on from there.
func (w *world) replacedSince(d *deed) bool {
	for _, f := range w.book.order {
		if f.lap != d.op.lap || f.ref != d.op.ref || f.life == d.op.life && f.seq <= d.op.seq || f.outcome == "" || f.outcome == op.Rejected {
			continue
		}
		for _, e := range f.deeds {
			if e.register == d.register {
				return true
			}
		}
	}
	return false
}

func (w *world) deleterSaw(d *deed) bool {
	for _, f := range w.book.order {
		if f.action == op.Delete && f.ref.ID == d.entity && f.outcome != "" && f.outcome != op.Rejected &&
			(f.saw == nil || w.book.blurred(f) || f.saw[d.register] == d.token || f.lap == d.op.lap && f.seq > d.op.seq) {
			return true
		}
	}
	return false
}

// summary is what a run of seeds reports.
func summary(tally map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(tally)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, tally[k]))
	}
	return strings.Join(parts, ", ")
}
