package simtest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/wire"
)

// book is the truth: who made which change when and looking at what, and what
// the server has committed. It is written by the persons (through the laptops)
// and by the tap on the server's store.
type book struct {
	w *world

	mu        sync.Mutex // guards all below; never held across a wait
	ops       map[string]*fact
	order     []*fact           // as they were made
	deeds     map[class][]*deed //
	replaced  map[class][]*deed // who wrote with that class before their eyes
	rows      map[rowKey]server.Row
	heads     map[string]int64 // newest version of each crew
	last      map[lane]int64   // newest settled seq of a laptop on a record
	conflicts []told
	unsaid    []told           // conflicts that a restored server does not know any more
	devices   map[string]int   // device id → laptop; the office is -1
	revoked   map[string]int64 // device id → when, true time
	restores  []restored
	dismissed map[string]bool // conflicts that some person settled
	blur      map[int]int64   // laptop → edits made up to then: see blurred
}

// fact is one op and what is known of it.
type fact struct {
	id, group, task string
	lap             int // -1: the office
	seq             int64
	ref             server.Ref
	action          op.Action
	at              int64 // true time of the person's action
	acked           bool  // the person was told "saved"
	dropped         bool  // the person took it back, or sent it anew under another id
	reborn          bool  // it was left out for a newer one, and the laptop's old data put back made it go out
	squashed        bool  // left out: a later op of the same person says all that it said
	uncertain, lies bool
	boot            string // of its laptop
	met             int64  // when that boot's clock was last held against the server's, before; 0: never
	anchored        bool   // and it was after, too
	deeds           []*deed
	touches         map[string]bool   // registers, watched or not, that no later op of the same laptop touched
	saw             map[string]string // a deletion's author's view: register → token

	outcome   op.Outcome // the server's word; "" while there is none
	code      op.Code
	device    string
	settledAt int64
	version   int64 // the record's, then
	restores  bool

	former  op.Outcome // what the server had said of it before it was restored …
	era     int        // … for the so-manieth time
	life    int        // of its laptop's data
	revived bool       // it waited in a copy that was put back
	orphan  bool       // its laptop was put back to before it: only the server has it
	void    bool       // done at the office, and gone with what the restored server lost
}

// class is one value of one register: every value that a person writes is
// written once in the world, so that it names its author.
type class struct{ entity, register, token string }

// deed is one register that an op set.
type deed struct {
	class
	saw string // the token that stood there, before the author's eyes
	op  *fact
}

type rowKey struct {
	crew string
	server.Ref
}

// lane: what a laptop does to a record takes effect in its order. Of a task and
// what hangs on it one may overtake the other, where the server fails on the other.
type lane struct {
	lap, life int
	server.Ref
}

// told is a conflict as the server committed it.
type told struct {
	op.Conflict
	crew string // whose record it was then
	at   int64
}

func newBook(w *world) *book {
	return &book{w: w, ops: map[string]*fact{}, deeds: map[class][]*deed{}, replaced: map[class][]*deed{}, rows: map[rowKey]server.Row{},
		heads: map[string]int64{}, last: map[lane]int64{}, devices: map[string]int{}, revoked: map[string]int64{}, blur: map[int]int64{}, dismissed: map[string]bool{}}
}

// tokens names the field that carries each watched register's token.
var tokens = map[op.Kind]map[string]string{
	op.Task: {"title": "title", "description": "description", "asset": "asset", "contact_name": "contact_name", "contact_phone": "contact_phone",
		"x.a": "x.a", "x.b": "x.b", "status": "reason_text", "window": "window_start"},
	op.Item: {"label": "label", "outcome": "value", "comment": "comment"},
}

// tokenOf is a register's token in some fields; "" when there is none.
func tokenOf(kind op.Kind, register string, f op.Fields) string {
	name := tokens[kind][register]
	if name == "" || f[name] == nil {
		return ""
	}
	return fmt.Sprint(f[name])
}

// made enters an op that a person just made.
func (b *book) made(f *fact, fields, prev op.Fields) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ops[f.id] = f
	b.order = append(b.order, f)
	f.touches = touchedBy(f.ref.Kind, f.action, fields)
	if f.action == op.Delete {
		return
	}
	for register := range tokens[f.ref.Kind] {
		token := tokenOf(f.ref.Kind, register, fields)
		if !f.touches[register] {
			continue
		}
		d := &deed{class: class{f.ref.ID, register, token}, saw: tokenOf(f.ref.Kind, register, prev), op: f}
		if token != "" { // or it empties the register
			f.deeds = append(f.deeds, d)
			b.deeds[d.class] = append(b.deeds[d.class], d)
		}
		if d.saw != "" {
			was := class{f.ref.ID, register, d.saw}
			b.replaced[was] = append(b.replaced[was], d)
		}
	}
	slices.SortFunc(f.deeds, func(x, y *deed) int { return slices.Compare([]string{x.register}, []string{y.register}) })
}

// touchedBy are the registers that an op speaks of.
func touchedBy(kind op.Kind, action op.Action, fields op.Fields) map[string]bool {
	touched := map[string]bool{}
	if action == op.Delete {
		touched[op.Deleted] = true
	}
	for name := range fields {
		if name != op.UpdatedAt {
			touched[op.RegisterOf(kind, name)] = true
		}
	}
	return touched
}

// madeAnew: an edit of a record whose making was refused makes it anew, edited,
// by an op of its own. It is newer than what waits on the record: here is what of
// that is left in the queue.
func (b *book) madeAnew(f *fact, here map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := map[string]string{} // register → what the refused one said
	again := false
	for _, g := range b.order {
		if g != f && g.lap == f.lap && g.ref == f.ref && g.action == op.Insert {
			g.dropped, again = true, true
			clear(before)
			for _, d := range g.deeds {
				before[d.register] = d.token
			}
		}
	}
	for _, g := range b.order {
		if open := g.outcome == "" || g.outcome == op.Rejected; !again || !open || g.lap != f.lap || g.ref != f.ref || g.action == op.Insert {
			continue
		}
		for _, d := range g.deeds {
			for _, e := range f.deeds {
				if e.register == d.register && e.token != before[e.register] {
					b.replaced[d.class] = append(b.replaced[d.class], e)
					delete(g.touches, d.register)
				}
			}
		}
		if !here[g.id] && len(g.touches) == 0 {
			g.dropped = true
		}
	}
}

func (b *book) fact(id string) *fact {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ops[id]
}

// head is the newest version of everybody's crew.
func (b *book) head() int64 { return b.headOf(crew) }

func (b *book) headOf(crew string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heads[crew]
}

// stands is the row of a record in the crew that has it.
func (b *book) stands(ref server.Ref) server.Row {
	for _, name := range []string{crew, other} {
		if row, ok := b.rows[rowKey{name, ref}]; ok && !row.Gone {
			return row
		}
	}
	return server.Row{}
}

// with runs f while nobody else touches the book.
func (b *book) with(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// writtenAt is when a laptop's person wrote this value, if ever; twice tells that
// it was more than once (the person insisted on it), so that this may be either.
func (b *book) writtenAt(c class, lap int) (at int64, found, twice bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.deeds[c] {
		switch {
		case d.op.lap != lap:
		case !found:
			at, found = d.op.at, true
		default:
			twice = twice || d.op.at != at
		}
	}
	return at, found, twice
}

// squashed takes down that an op was left out for good: each value that it set
// must have been replaced by the same person since, before anybody saw it.
func (b *book) squashed(f *fact) {
	var bare *deed
	b.mu.Lock()
	for _, d := range f.deeds {
		bare = d
		for _, e := range b.replaced[d.class] {
			if e.op.lap == f.lap && e.op.seq > f.seq && !e.op.dropped {
				bare = nil
			}
		}
		if bare != nil {
			break
		}
	}
	f.squashed = true
	b.mu.Unlock()
	b.w.count("squashed")
	if bare != nil {
		b.w.violated("I12", "%s was left out, and nothing says its %s instead", b.tell(f), bare.register)
	}
}

// breach is a violation found while the book was locked.
type breach struct{ invariant, text string }

// committed takes down what one transaction of the server wrote, and judges it.
func (b *book) committed(all []server.Effects) {
	now := b.w.now()
	var found []breach
	b.mu.Lock()
	fail := func(invariant, format string, args ...any) {
		if len(found) == 0 { // the first one counts
			found = append(found, breach{invariant, fmt.Sprintf(format, args...)})
		}
	}
	settled := map[class]bool{}
	for _, e := range all {
		for _, o := range e.Outcomes {
			b.outcome(o, now, settled, fail)
		}
		b.groups(e, fail)
		stood := map[server.Ref]server.Row{} // a record that moves leaves one crew in the step in which it comes to the other
		for _, row := range e.Rows {
			ref := server.Ref{Kind: row.Kind, ID: row.ID}
			stood[ref] = b.stands(ref)
		}
		for _, row := range e.Rows {
			b.row(row, stood[server.Ref{Kind: row.Kind, ID: row.ID}], settled, fail)
		}
		for _, c := range e.Crews {
			b.heads[c.Name] = max(b.heads[c.Name], c.Version)
		}
		for _, c := range e.Conflicts {
			b.conflict(c, now, fail)
		}
	}
	b.mu.Unlock()
	for _, e := range all {
		for _, o := range e.Outcomes {
			f := b.fact(o.OpID)
			if f != nil {
				b.w.note("server", "settled %s v%d %s", f.outcome, o.Version, o.OpID)
				b.w.count("settled " + string(f.outcome))
			}
		}
		for range e.Conflicts {
			b.w.count("conflicts")
		}
	}
	for _, x := range found {
		b.w.violated(x.invariant, "%s", x.text)
	}
}

type failing func(invariant, format string, args ...any)

func (b *book) outcome(o server.Outcome, now int64, settled map[class]bool, fail failing) {
	f := b.ops[o.OpID]
	if f == nil {
		fail("I12", "op %s of device %s was made by nobody", o.OpID, o.Device)
		return
	}
	if f.outcome != "" {
		fail("I12", "%s was settled twice", b.tell(f))
		return
	}
	var r wire.Result
	if err := json.Unmarshal([]byte(o.Result), &r); err != nil {
		fail("I13", "%s: its stored result cannot be read: %v", b.tell(f), err)
		return
	}
	f.outcome, f.code, f.device, f.settledAt, f.version = r.Outcome, r.Code, o.Device, now, o.Version
	if at, ok := b.revoked[o.Device]; ok && now > at+second {
		fail("I37", "%s was settled %d ms after its device was revoked", b.tell(f), now-at)
	}
	if f.outcome == op.Rejected {
		return
	}
	for _, d := range f.deeds {
		settled[d.class] = true
	}
	l := lane{f.lap, f.life, f.ref}
	if f.lap >= 0 {
		late := f.dropped && f.former == op.Rejected // sent anew since, and the restored server knows of no refusal
		if f.seq <= b.last[l] && !f.revived && !late {
			fail("I14", "%s took effect after place %d of the same laptop and record", b.tell(f), b.last[l])
		}
		b.last[l] = f.seq
	}
}

// groups: ops of one action are settled in one transaction or not at all.
func (b *book) groups(e server.Effects, fail failing) {
	here := map[string]int{}
	for _, o := range e.Outcomes {
		if f := b.ops[o.OpID]; f != nil && f.group != "" && !f.dropped { // sent anew, and an old request comes late
			here[f.group]++
		}
	}
	if len(here) == 0 {
		return
	}
	size, whole := map[string]int{}, map[string]int{} // what is taken back may have been on its way
	for _, f := range b.order {
		if f.group == "" {
			continue
		}
		if whole[f.group]++; !f.dropped {
			size[f.group]++
		}
	}
	for group, n := range here {
		if n != size[group] && n != whole[group] {
			fail("I13", "of the %d changes of action %s %d were settled alone", size[group], group, n)
		}
	}
}

// row: versions only grow, and a value changes only with an op that is settled
// in the same transaction.
func (b *book) row(row, stood server.Row, settled map[class]bool, fail failing) {
	k := rowKey{row.Crew, server.Ref{Kind: row.Kind, ID: row.ID}}
	if row.Version <= b.heads[row.Crew] {
		fail("I16", "%s %s was given version %d, which is not newer than %d", row.Kind, row.ID, row.Version, b.heads[row.Crew])
	}
	before, after := fieldsOf(stood.Fields), fieldsOf(row.Fields)
	for register := range tokens[row.Kind] {
		was, is := tokenOf(row.Kind, register, before), tokenOf(row.Kind, register, after)
		if c := (class{row.ID, register, is}); is != "" && is != was && !settled[c] {
			fail("I12", "%s of %s %s became %q, but no op that says so was settled with it", register, row.Kind, row.ID, is)
		}
	}
	b.rows[k] = row
}

func fieldsOf(text string) op.Fields {
	var f op.Fields
	if text != "" {
		_ = json.Unmarshal([]byte(text), &f) // the caller compares: what cannot be read holds nothing
	}
	return f
}

// drift is how far, ms, an op's time may be off, at 200 ppm: since its boot's clock
// was last held against the server's, where that never was again; or until it
// first was.
func (f *fact) drift(now int64) int64 {
	switch {
	case f.lap < 0:
		return 0
	case f.met == 0:
		return (now - f.at) / 5000
	case f.anchored:
		return 0
	}
	return (f.at - f.met) / 5000
}

// anchored notes that a boot's clock was held against the server's, now.
func (b *book) anchored(lap int, boot string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.order {
		if f.lap == lap && f.boot == boot {
			f.anchored = true
		}
	}
}

// conflict judges one conflict: was it one, and did the right side win?
func (b *book) conflict(row server.ConflictRow, now int64, fail failing) {
	c := told{at: now, crew: row.Crew}
	if err := json.Unmarshal([]byte(row.Body), &c.Conflict); err != nil {
		fail("I22", "conflict %s cannot be read: %v", row.ID, err)
		return
	}
	b.conflicts = append(b.conflicts, c)
	w, l := b.sideDeed(c.Conflict, c.Winner), b.sideDeed(c.Conflict, c.Loser)
	if w == nil || l == nil {
		return // a deletion, or a register that carries no token
	}
	if w.op.lap == l.op.lap && w.op.device != l.op.device {
		return // one laptop before and after it was revoked: see sameLaptop
	}
	// What was left out for a newer one, or lost with the server's history when the
	// other's author still saw it, nobody can tell that the author had seen.
	untold := l.op.reborn || l.op.former != "" && l.op.settledAt > w.op.at
	if b.knew(w, l.class) && !w.op.restores && !untold {
		fail("I23", "a conflict that is none: %s replaced %s %q knowingly%s", b.tell(w.op), c.Register, l.token, b.tale(c.Entity, c.Register))
	}
	if l.op.at != w.op.at && !l.op.lies && b.knew(l, w.class) {
		fail("I22", "%s, whose author knew %q, lost to it%s", b.tell(l.op), w.token, b.tale(c.Entity, c.Register))
	}
	if w.op.lies && !l.op.uncertain && l.op.at > w.op.settledAt+second+l.op.drift(now) {
		fail("I25", "%s, which lies about the future, won over %s, made after it had arrived", b.tell(w.op), b.tell(l.op)+b.tale(c.Entity, c.Register))
	}
	if w.op.lies && w.op.settledAt == now && l.op.settledAt < now {
		fail("I25", "%s, which lies about the future, won over what stood: %s", b.tell(w.op), b.tell(l.op)+b.tale(c.Entity, c.Register))
	}
	if w.op.lies || l.op.lies || w.op.uncertain || l.op.uncertain {
		return
	}
	if c.Why == op.WhyFuture && l.op.drift(now) < 8*second {
		fail("I24", "%s was called an edit from the future", b.tell(l.op))
	}
	if l.op.at > w.op.at+10*second+l.op.drift(now)+w.op.drift(now) {
		fail("I24", "%s lost to %s, which is %d ms older%s", b.tell(l.op), b.tell(w.op), l.op.at-w.op.at, b.tale(c.Entity, c.Register))
	}
}

// sideDeed is whose value a side of a conflict is: that of the op which met the
// other's, by whose id the conflict goes, or else the newest settled one.
func (b *book) sideDeed(c op.Conflict, s op.Side) *deed {
	token := tokenOf(c.Kind, c.Register, s.Values)
	var out *deed
	for _, d := range b.deeds[class{c.Entity, c.Register, token}] {
		if d.op.outcome == "" || d.op.outcome == op.Rejected || token == "" {
			continue // it never stood
		}
		if out = d; uuid.NewSHA1(uuid.NameSpaceOID, []byte(d.op.id+"/"+c.Register)).String() == c.ID {
			break
		}
	}
	return out
}

// knew tells whether a deed's author had surely seen a value, or something that
// replaced it knowingly. Values that were written twice (a person insisted on
// the own one) prove nothing: they may have stood before or after; nor do those
// that were seen in what a restored server lost.
func (b *book) knew(d *deed, c class) bool {
	if len(b.deeds[c]) != 1 || b.blurred(d.op) {
		return false
	}
	for d.saw != c.token {
		before := b.deeds[class{d.entity, d.register, d.saw}]
		if len(before) != 1 || before[0].op.void || b.blurred(before[0].op) {
			return false
		}
		d = before[0]
	}
	return true
}

// tell names an op for a failure's text.
func (b *book) tell(f *fact) string {
	var what []string
	for _, d := range f.deeds {
		what = append(what, fmt.Sprintf("%s %q over %q", d.register, d.token, d.saw))
	}
	who := "the office"
	if f.lap >= 0 {
		who = fmt.Sprintf("laptop %d", f.lap)
	}
	return fmt.Sprintf("op %s (%s, place %d, %s of %s %s, made at %d, %v)", f.id, who, f.seq, f.action, f.ref.Kind, f.ref.ID, f.at-epoch, what)
}

// tale is what happened to one register, for a failure's text: what was made,
// in that order, and when the server settled it.
func (b *book) tale(entity, register string) string {
	var out strings.Builder
	for _, f := range b.order {
		if f.ref.ID != entity {
			continue
		}
		for _, d := range f.deeds {
			if d.register == register {
				b.line(&out, f, fmt.Sprintf("%q over %q", d.token, d.saw))
			}
		}
		if f.action == op.Delete || f.restores {
			b.line(&out, f, fmt.Sprintf("%s, restores: %t", f.action, f.restores))
		}
	}
	for _, c := range b.conflicts {
		if c.Entity == entity && c.Register == register {
			fmt.Fprintf(&out, "\n   conflict at %d, %s: %v by %.8s won over %v by %.8s", c.at-epoch, c.Why, c.Winner.Values, c.Winner.Device, c.Loser.Values, c.Loser.Device)
		}
	}
	return out.String()
}

func (b *book) line(out *strings.Builder, f *fact, what string) {
	fmt.Fprintf(out, "\n   %10d laptop %d place %d: %s", f.at-epoch, f.lap, f.seq, what)
	if f.outcome != "" {
		fmt.Fprintf(out, "  → %s v%d at %d by %.8s", f.outcome, f.version, f.settledAt-epoch, f.device)
	}
	if f.uncertain {
		out.WriteString(" (time uncertain)")
	}
}
