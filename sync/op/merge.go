package op

import (
	"slices"

	"github.com/google/uuid"
)

// FutureLimit is how far ahead of the server's now a change may say it
// happened, in ms. Beyond it the time is no time at all: see [Merge].
const FutureLimit = 10_000

// Author is who made an op.
type Author struct {
	Device string // the device's UUID; decides equal times
	User   string // the name people see
}

// Register is who last changed one register of a record, and when.
type Register struct {
	Time    int64  `json:"t"` // stamp, ms since 1970 UTC, settled by the server
	Device  string `json:"d"`
	User    string `json:"u"`
	Version int64  `json:"v"` // the version at which it last changed
	// Seq is the op's place in its device's queue; 0: it had none.
	Seq int64 `json:"q,omitempty"`
}

// Record is a record as the server holds it: values, and who set which.
type Record struct {
	Kind      Kind
	ID        string
	Crew      string
	Version   int64 // the newest version of any of its registers; 0: there is none yet
	Deleted   bool
	Fields    Fields
	Registers map[string]Register
}

// Exists tells a record (a deleted one too) from one never heard of.
func (r *Record) Exists() bool { return r != nil && r.Version > 0 }

// UpdatedAt is the newest stamp's time, in ms.
func (r *Record) UpdatedAt() int64 {
	var t int64
	for _, reg := range r.Registers {
		t = max(t, reg.Time)
	}
	return t
}

// State is the record as the server tells it: one flat object.
func (r *Record) State() Fields {
	out := make(Fields, len(r.Fields)+5)
	for name, v := range r.Fields {
		if v != nil {
			out[name] = v
		}
	}
	out["id"] = r.ID
	out["version"] = r.Version
	out[UpdatedAt] = r.UpdatedAt()
	out[Deleted] = r.Deleted
	out[CrewField] = r.Crew
	return out
}

// Clone is an independent copy.
func (r *Record) Clone() *Record {
	c := *r
	c.Fields = r.Fields.Clone()
	c.Registers = make(map[string]Register, len(r.Registers))
	for k, v := range r.Registers {
		c.Registers[k] = v
	}
	return &c
}

// Outcome is the server's word on one op.
type Outcome string

// The outcomes.
const (
	Applied    Outcome = "applied"  // every field took effect
	Merged     Outcome = "merged"   // some fields took effect, others lost to newer ones
	Conflicted Outcome = "conflict" // nothing took effect: the server has newer values
	Rejected   Outcome = "rejected" // refused for good
	Retry      Outcome = "retry"    // not now
)

// Why says what decided a conflict.
type Why string

// The reasons that decide a conflict.
const (
	WhyLater   Why = "later"   // the other change happened later
	WhyTie     Why = "tie"     // both at the same millisecond; the device id decided
	WhyFuture  Why = "future"  // the change claimed a time that has not come yet
	WhyDeleted Why = "deleted" // the record was deleted
)

// Conflict is one register that two authors set to different values, neither
// having seen the other's. The server keeps one for both sides.
type Conflict struct {
	ID       string // the same for both sides: made from the later op's id and the register
	Kind     Kind
	Entity   string
	Register string
	Winner   Side
	Loser    Side
	Why      Why
}

// Side is one author's part in a conflict.
type Side struct {
	Author
	Values Fields // the register's fields; {"deleted": true} for a deletion
	Time   int64  // ms
}

// Verdict is what [Merge] decides.
type Verdict struct {
	Record    *Record // the record afterwards; nil when nothing took effect
	Outcome   Outcome
	Stamp     int64      // the time the server settled on, ms
	Conflicts []Conflict // the op's author is on one side of each
	// Unseen says that the record held registers which the author had not seen:
	// it cannot know the state from its own ops, the answer must carry it.
	Unseen bool
}

// Moment is when and where in the server's order an op is merged.
type Moment struct {
	Now     int64 // the server's clock, ms
	Version int64 // the version that the op gets if it takes effect
}

// Merge applies one checked op to a record and decides, register by register,
// who wins. rec is nil or a record without a version when there is none yet. It
// changes neither argument. Rules, in this order, for each register:
//
//  1. The author had seen the current value: the op's base is not older than
//     the register's version, or the same device wrote it from an earlier place
//     of its queue. (From a later one: old data was put back, and sends again what
//     its person replaced since.) It wins, and its
//     stamp is max(time, current stamp + 1): a person's second edit never loses
//     to the first, whatever the clock did between them.
//  2. A time more than [FutureLimit] ahead of now is no time: the op loses every
//     register it had not seen. Where nothing stands against it, it is stamped now.
//  3. The values are equal, or differ in credit only ([Field]: two people gave the
//     same answer, each at a time): no conflict; the later one's stand.
//  4. The later time wins; equal times are decided by the greater device id
//     (arbitrary, but the same everywhere).
//
// Deletion is a register that wins over every edit which had not seen it, and
// over every edit that it had not seen; only an UPDATE that had seen it and says
// deleted=false brings the record back. An INSERT of a record that exists is
// merged as an UPDATE and never revives a deleted one.
//
// A register of several fields changes as one. An op that names only some of
// them leaves the others alone where it had seen the register; where it had not,
// it empties them, unless it leaves out one that no record can do without (the
// status): then it cannot be meant as the whole group. Authors should name all.
//
// An op of [BaseUnknown] (the plain form) is older as a whole when its time is
// older than the record's updated_at: that is the plain last-write-wins which
// its author expects. Otherwise it has seen its own device's changes, no other's.
func Merge(rec *Record, o Op, by Author, at Moment) Verdict {
	m := merger{o: o, by: by, at: at, time: o.Time(), future: o.Time() > at.Now+FutureLimit}
	if m.future {
		m.time = at.Now
	}
	if !rec.Exists() {
		m.rec = &Record{Kind: o.Kind, ID: o.Entity, Crew: recCrew(rec), Fields: Fields{}, Registers: map[string]Register{}}
	} else {
		m.rec = rec.Clone()
	}
	for _, reg := range m.rec.Registers {
		m.unseen = m.unseen || !m.seen(reg)
	}
	switch {
	case o.Base == BaseUnknown && rec.Exists() && m.time < rec.UpdatedAt():
		m.loseAll()
	case o.Action == Delete:
		m.delete()
	default:
		m.edit()
	}
	return m.verdict()
}

func recCrew(rec *Record) string {
	if rec == nil {
		return ""
	}
	return rec.Crew
}

type merger struct {
	o         Op
	by        Author
	at        Moment
	time      int64
	future    bool
	rec       *Record
	unseen    bool
	won, lost int
	stamp     int64
	conflicts []Conflict
}

func (m *merger) verdict() Verdict {
	v := Verdict{Outcome: Applied, Stamp: m.stamp, Conflicts: m.conflicts, Unseen: m.unseen}
	if v.Stamp == 0 {
		v.Stamp = m.time
	}
	if m.lost > 0 {
		v.Outcome = Merged
		if m.won == 0 {
			v.Outcome = Conflicted
		}
	}
	if m.won > 0 {
		m.rec.Version = m.at.Version
		v.Record = m.rec
	}
	return v
}

// seen tells whether the op's author knew the register's current value.
func (m *merger) seen(reg Register) bool {
	nothing := reg.Version == 0 // there to be seen
	own := reg.Device == m.by.Device && (m.o.Seq == 0 || m.o.Seq >= reg.Seq)
	return nothing || m.o.Base >= reg.Version || own
}

// beats decides between an op that has not seen the register and its value.
func (m *merger) beats(reg Register) (bool, Why) {
	switch {
	case m.future:
		return false, WhyFuture
	case m.time != reg.Time:
		return m.time > reg.Time, WhyLater
	}
	return m.by.Device >= reg.Device, WhyTie
}

func (m *merger) edit() {
	tomb := m.rec.Registers[Deleted]
	restores := m.o.Action == Update && m.o.Fields[Deleted] == false && m.seen(tomb)
	if m.rec.Deleted && !restores {
		m.loseAll()
		return
	}
	for _, register := range m.registers() {
		m.editRegister(register, m.payload(register))
	}
	m.rec.Deleted = m.rec.Fields[Deleted] == true
	delete(m.rec.Fields, Deleted)
	if crew := m.rec.Fields.Text(CrewField); crew != "" {
		m.rec.Crew = crew // the record moved
	}
	delete(m.rec.Fields, CrewField)
}

func (m *merger) editRegister(register string, values Fields) {
	reg := m.rec.Registers[register]
	if m.seen(reg) {
		m.take(register, values, max(m.time, reg.Time+1))
		return
	}
	current := m.values(register)
	wins, why := m.beats(reg)
	if m.agree(register, values, current) {
		if wins { // the later of two equal values is the one that a third must beat
			m.credit(register, values, current)
			m.take(register, values, m.time)
		}
		return
	}
	mine, theirs := Side{m.by, values, m.o.Time()}, Side{Author{reg.Device, reg.User}, current, reg.Time}
	if !wins {
		m.conflict(register, theirs, mine, why)
		m.lost++
		return
	}
	m.conflict(register, mine, theirs, why)
	if m.speaksForAll(register, values) {
		for name := range current {
			if _, named := values[name]; !named {
				delete(m.rec.Fields, name)
			}
		}
	}
	m.take(register, values, m.time)
}

// credit makes way for another's credit, if the op gives any: when one of them did
// it and the other's name would be nobody's.
func (m *merger) credit(register string, values, current Fields) {
	if sameIn(values, current) {
		return
	}
	for name := range current {
		if f, _ := FieldOf(m.rec.Kind, name); f.Credit {
			delete(m.rec.Fields, name)
		}
	}
}

// speaksForAll tells whether an op's part of a register stands for the whole of
// it: it does unless it leaves out a field that no record can do without.
func (m *merger) speaksForAll(register string, values Fields) bool {
	for _, name := range Members(m.rec.Kind, register) {
		f, _ := FieldOf(m.rec.Kind, name)
		if _, named := values[name]; f.Required && !named {
			return false
		}
	}
	return true
}

func (m *merger) take(register string, values Fields, stamp int64) {
	for name, v := range values {
		if v == nil {
			delete(m.rec.Fields, name)
		} else {
			m.rec.Fields[name] = v
		}
	}
	m.rec.Registers[register] = Register{Time: stamp, Device: m.by.Device, User: m.by.User, Version: m.at.Version, Seq: m.o.Seq}
	m.stamp = max(m.stamp, stamp)
	m.won++
}

// delete: neither side of a concurrent edit had seen the other's, so that the
// deletion wins whichever arrives first, and each edit it covers is told.
func (m *merger) delete() {
	if m.rec.Deleted {
		return
	}
	var unseen []string
	stamp := m.time
	for register, reg := range m.rec.Registers {
		stamp = max(stamp, reg.Time+1)
		if !m.seen(reg) { // a restore among them
			unseen = append(unseen, register)
		}
	}
	slices.Sort(unseen)
	mine := Side{m.by, Fields{Deleted: true}, m.o.Time()}
	for _, register := range unseen {
		reg := m.rec.Registers[register]
		theirs := Side{Author{reg.Device, reg.User}, m.values(register), reg.Time}
		if m.future {
			m.conflict(register, theirs, mine, WhyFuture)
			m.lost++
			continue
		}
		if m.o.Base != BaseUnknown { // the plain form has no way of saying what it saw
			m.conflict(register, mine, theirs, WhyDeleted)
		}
	}
	if m.lost > 0 {
		return
	}
	m.take(Deleted, Fields{}, stamp)
	m.rec.Deleted = true
}

// loseAll: the record is deleted, or newer as a whole.
func (m *merger) loseAll() {
	why := WhyLater
	switch {
	case m.rec.Deleted:
		why = WhyDeleted
	case m.future:
		why = WhyFuture
	}
	for _, register := range m.registers() {
		m.lost++
		mine, reg, current := m.payload(register), m.rec.Registers[register], m.values(register)
		switch {
		case m.rec.Deleted && m.o.Action != Delete:
			reg, current = m.rec.Registers[Deleted], Fields{Deleted: true}
		case m.agree(register, mine, current):
			continue // nothing of it is missing: told by the outcome alone
		case reg.Time <= m.time:
			reg = m.newest() // not this register: the record as a whole is newer
		}
		m.conflict(register, Side{Author{reg.Device, reg.User}, current, reg.Time}, Side{m.by, mine, m.o.Time()}, why)
	}
}

// newest is the register that changed last.
func (m *merger) newest() Register {
	var out Register
	for _, reg := range m.rec.Registers {
		if reg.Time > out.Time || reg.Time == out.Time && reg.Version > out.Version {
			out = reg
		}
	}
	return out
}

// conflict takes one down for both sides. Nobody is in conflict with himself:
// what a device's own later word replaced, its person replaced knowingly. But an
// edit that its own device's earlier deletion swallows was meant for a record
// that somebody had brought back, and a restored server no longer knows that.
func (m *merger) conflict(register string, winner, loser Side, why Why) {
	swallowed := why == WhyDeleted && m.o.Action == Update
	if winner.Device == loser.Device && !swallowed {
		return
	}
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(m.o.ID+"/"+register)).String()
	m.conflicts = append(m.conflicts, Conflict{ID: id, Kind: m.rec.Kind, Entity: m.rec.ID, Register: register, Winner: winner, Loser: loser, Why: why})
}

// registers lists those that the op touches, in a fixed order.
func (m *merger) registers() []string {
	if m.o.Action == Delete {
		return []string{Deleted}
	}
	set := map[string]bool{}
	for name := range m.o.Fields {
		if m.counts(name) {
			set[RegisterOf(m.o.Kind, name)] = true
		}
	}
	out := make([]string, 0, len(set))
	for r := range set {
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}

// counts tells whether a payload's field takes part in the merge. An INSERT's
// crew does not: where a new record goes is decided before it is merged.
func (m *merger) counts(name string) bool {
	return name != UpdatedAt && (name != CrewField || m.o.Action == Update)
}

// payload is the op's part of one register.
func (m *merger) payload(register string) Fields {
	if m.o.Action == Delete {
		return Fields{Deleted: true}
	}
	out := Fields{}
	for name, v := range m.o.Fields {
		if m.counts(name) && RegisterOf(m.o.Kind, name) == register {
			out[name] = v
		}
	}
	return out
}

// values is the record's part of one register.
func (m *merger) values(register string) Fields {
	out := Fields{}
	if register == Deleted {
		out[Deleted] = m.rec.Deleted
		return out
	}
	if register == CrewField {
		out[CrewField] = m.rec.Crew
		return out
	}
	for _, name := range Members(m.rec.Kind, register) {
		if v, ok := m.rec.Fields[name]; ok {
			out[name] = v
		}
	}
	return out
}

// agree tells whether an op's part of a register says what stands already. Two
// people who answer alike have nothing to decide, though each did it at a time of
// its own. A part that leaves out what a person said is not known to say the same.
func (m *merger) agree(register string, values, current Fields) bool {
	if sameIn(values, current) {
		return true
	}
	said := false
	for _, name := range Members(m.rec.Kind, register) {
		if f, _ := FieldOf(m.rec.Kind, name); f.Credit {
			continue
		}
		v, named := values[name]
		if !Equal(v, current[name]) {
			return false
		}
		said = said || named
	}
	return said
}

// sameIn tells whether every value of a stands in b too.
func sameIn(a, b Fields) bool {
	for name, v := range a {
		if !Equal(v, b[name]) {
			return false
		}
	}
	return true
}
