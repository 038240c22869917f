package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/punchlist/sync/op"
)

// The audit: one entry for each op that was decided, and for each thing that
// the administration did. Entries are only ever added, each crew's in a chain
// of seals and the server's own in another, in the transaction of what they
// tell of.
//
//	entry 1 ◄─seal─ entry 2 ◄─seal─ entry 3        what cannot be changed unnoticed
//	                   │               │
//	v17 ◄──────────── v18 ◄────────── v19          fingerprints, which devices remember
//
// A fingerprint covers the seal that stood before it. Whoever changes an entry
// and seals all later ones anew changes the fingerprints too, and every device
// that was told one of them finds another history.

// What an entry tells of, beside the outcomes of ops.
const (
	DidAddUser   = "user added"
	DidSetUser   = "user changed"
	DidAddCrew   = "crew added"
	DidInvite    = "invited"
	DidClose     = "invites closed" // for too many wrong codes
	DidEnrol     = "enrolled"
	DidRenew     = "token renewed"
	DidReuse     = "old token used" // its device was revoked for that
	DidRevoke    = "revoked"
	DidRestore   = "restored"
	entryNames   = 20 // of an op's fields, at most
	entriesAtOne = 500
)

// Entry is one line of the audit.
type Entry struct {
	Crew   string // whose chain; "": the server's own
	No     int64  // its place there, from 1 on
	At     int64  // ms
	What   string // an op's outcome, or one of Did…
	User   string // who did it
	Device string // and from where; "": the office's commands
	Op     string // the op's id
	Kind   op.Kind
	Entity string // the record; of other entries the user, crew or device that it is about
	Detail string // JSON
	Seal   string
}

// Follow puts an entry behind another, given by its place and seal; behind none
// these are 0 and "".
func (e Entry) Follow(no int64, seal string) Entry {
	e.No = no + 1
	if e.Detail == "" {
		e.Detail = "{}"
	}
	e.Seal = e.sealed(seal)
	return e
}

func (e Entry) sealed(before string) string {
	return digestOf(before, e.Crew, e.No, e.At, e.What, e.User, e.Device, e.Op, e.Kind, e.Entity, e.Detail)
}

// digestOf is a hash over values, in their order: over the JSON of their list.
func digestOf(values ...any) string {
	var room [1024]byte
	text := append(room[:0], '[')
	for i, v := range values {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendValue(text, v)
	}
	return sealOf(append(text, ']'))
}

func sealOf(text []byte) string {
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return op.AppendText(b, v)
	case op.Kind:
		return op.AppendText(b, string(v))
	case op.Action:
		return op.AppendText(b, string(v))
	case int64:
		return strconv.AppendInt(b, v, 10)
	}
	panic("a hash covers text and whole numbers")
}

// AuditEnd is the setting that says how the server's own chain ends.
const AuditEnd = "audit"

// WriteEnd is the text of [AuditEnd]: the newest entry's place and seal.
func WriteEnd(no int64, seal string) string { return strconv.FormatInt(no, 10) + " " + seal }

// ReadEnd reads it; of nothing it makes the end of an empty chain.
func ReadEnd(text string) (no int64, seal string) {
	number, seal, _ := strings.Cut(text, " ")
	no, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, ""
	}
	return no, seal
}

// opDetail is what an entry of an op holds beside its columns: names, never
// values. Content and links are there so that fingerprints can be computed anew.
type opDetail struct {
	Action  op.Action  `json:"action,omitempty"`
	Fields  []string   `json:"fields,omitempty"`
	Code    op.Code    `json:"code,omitempty"`
	Stamp   int64      `json:"stamp,omitempty"`
	Content string     `json:"content,omitempty"`
	Links   []linkNote `json:"links,omitempty"`
}

// linkNote says from what a fingerprint was made.
type linkNote struct {
	Crew    string `json:"crew"`
	Version int64  `json:"version"`
	After   int64  `json:"after"`            // the entry of that crew whose seal it covers; 0: none
	Before  string `json:"before,omitempty"` // the fingerprint before
}

// text is the detail as JSON, as encoding/json writes it.
func (d opDetail) text() string {
	var room [1024]byte
	b := append(room[:0], '{')
	member := func(name string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), '"', ':')
	}
	words := func(name, word string) {
		if word != "" {
			member(name)
			b = op.AppendText(b, word)
		}
	}
	words("action", string(d.Action))
	for i, name := range d.Fields {
		if i == 0 {
			member("fields")
		}
		b = op.AppendText(append(b, "[,"[min(i, 1)]), name)
	}
	if len(d.Fields) > 0 {
		b = append(b, ']')
	}
	words("code", string(d.Code))
	if d.Stamp != 0 {
		member("stamp")
		b = strconv.AppendInt(b, d.Stamp, 10)
	}
	words("content", d.Content)
	for i, n := range d.Links {
		if i == 0 {
			member("links")
		}
		b = n.append(append(b, "[,"[min(i, 1)]))
	}
	if len(d.Links) > 0 {
		b = append(b, ']')
	}
	return string(append(b, '}'))
}

func (n linkNote) append(b []byte) []byte {
	b = op.AppendText(append(b, `{"crew":`...), n.Crew)
	b = strconv.AppendInt(append(b, `,"version":`...), n.Version, 10)
	b = strconv.AppendInt(append(b, `,"after":`...), n.After, 10)
	if n.Before != "" {
		b = op.AppendText(append(b, `,"before":`...), n.Before)
	}
	return append(b, '}')
}

// digest is what a fingerprint covers of the op that took its version.
func (d opDetail) digest(e Entry) string {
	return digestOf(e.User, e.Device, e.Op, e.Kind, e.Entity, d.Action, d.Content, e.What, d.Stamp)
}

func (n linkNote) fingerprint(seal, digest string) string {
	return digestOf(n.Before, n.Crew, n.Version, seal, digest)
}

// enter adds the entry of an op that was decided just now.
func (d *decision) enter(in *incoming, code op.Code, outcome op.Outcome, stamp int64, crew string) {
	if crew == "" {
		if len(d.by.Crews) == 0 {
			return
		}
		crew = d.by.Crews[0]
	}
	c, known := d.crews[crew]
	if !known {
		return
	}
	e := Entry{Crew: crew, At: d.now, What: string(outcome), User: d.by.User, Device: d.by.Device, Op: in.ID, Kind: in.Kind, Entity: in.Entity}
	detail := opDetail{Action: in.Action, Code: code, Stamp: stamp, Content: in.content, Links: d.notes[in.ID]}
	if outcome == op.Rejected {
		detail.Links, detail.Stamp = nil, 0
		e.Kind, e.Entity, detail.Action = op.Kind(clip(string(e.Kind))), clip(e.Entity), op.Action(clip(string(detail.Action)))
	}
	for _, name := range slices.Sorted(maps.Keys(in.Fields)) {
		if name != op.UpdatedAt && len(detail.Fields) < entryNames {
			detail.Fields = append(detail.Fields, clip(name))
		}
	}
	e.Detail = detail.text()
	e = e.Follow(c.Entries, c.Seal)
	c.Entries, c.Seal = e.No, e.Seal
	d.crews[crew], d.entries = c, append(d.entries, e)
}

// contentOf is a hash over what an op writes.
func contentOf(f op.Fields) string {
	if len(f) == 0 {
		return ""
	}
	var room [1024]byte
	text, err := f.AppendJSON(append(room[:0], '['))
	if err != nil {
		return "" // cannot be: checked fields are scalars
	}
	return sealOf(append(text, ']'))
}

// did is an entry of the administration, in the server's own chain.
func (s *Server) did(what, about string, detail any) Entry {
	e := Entry{At: s.ms(), What: what, User: OfficeUser, Entity: about}
	if text, err := json.Marshal(detail); err == nil && detail != nil {
		e.Detail = string(text)
	}
	return e
}

// userDetail is what an entry tells of a user.
func userDetail(u User) any {
	return map[string]any{"role": u.Role, "crews": u.Crews, "disabled": u.Disabled != 0}
}

// Revoke keeps a device from syncing, from its next request on.
func (s *Server) Revoke(ctx context.Context, device string) error {
	return s.store.Revoke(ctx, device, s.ms(), s.did(DidRevoke, device, nil))
}

// Restored notes that the database was put back from a backup.
func (s *Server) Restored(ctx context.Context, from string) error {
	return s.store.Log(ctx, s.did(DidRestore, s.id, map[string]any{"from": clip(from)}))
}

// Audit hands out the entries of all chains since a moment (ms) in the order of
// their times, each chain's in its own order. Of each chain a page is held, so
// that their number costs no memory.
func (s *Server) Audit(ctx context.Context, since int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		names, err := s.crewNames(ctx)
		if err != nil {
			yield(Entry{}, fmt.Errorf("read the audit: %w", err))
			return
		}
		var open []*pulledChain
		for _, name := range append([]string{""}, names...) {
			next, stop := iter.Pull2(s.chain(ctx, name, 0))
			defer stop()
			if c := (&pulledChain{next: next}); c.step(since) {
				open = append(open, c)
			}
		}
		for len(open) > 0 {
			first := slices.MinFunc(open, func(a, b *pulledChain) int { return cmp.Compare(a.entry.At, b.entry.At) })
			if !yield(first.entry, first.err) || first.err != nil {
				return
			}
			if !first.step(since) {
				open = slices.DeleteFunc(open, func(c *pulledChain) bool { return c == first })
			}
		}
	}
}

// pulledChain is a chain at one of its entries.
type pulledChain struct {
	next  func() (Entry, error, bool)
	entry Entry
	err   error
}

// step goes to the next entry of that time or later; false: there is none.
func (c *pulledChain) step(since int64) bool {
	for {
		var more bool
		if c.entry, c.err, more = c.next(); !more || c.err != nil || c.entry.At >= since {
			return more
		}
	}
}

func (s *Server) crewNames(ctx context.Context) ([]string, error) {
	crews, err := s.store.Crews(ctx)
	names := make([]string, 0, len(crews))
	for _, c := range crews {
		names = append(names, c.Name)
	}
	return names, err
}

// chain hands out one chain from behind an entry on.
func (s *Server) chain(ctx context.Context, crew string, after int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for {
			page, err := s.store.Entries(ctx, crew, after, entriesAtOne)
			if err != nil {
				yield(Entry{}, fmt.Errorf("read the audit: %w", err))
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				after = e.No
			}
			if len(page) < entriesAtOne {
				return
			}
		}
	}
}
