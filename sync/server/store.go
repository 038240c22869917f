package server

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"example.com/punchlist/sync/op"
)

// Store keeps rows; it knows no protocol rule. Every write is one transaction.
// The embedded default is package sqlitestore; what any store must do is said,
// test by test, by package storetest.
type Store interface {
	Records
	Accounts
	Devices
	Tokens
	News
	Upkeep
	Journal
}

// Records keeps the crews' records, the outcomes of ops and the conflicts.
type Records interface {
	// Write is the one way in. In one transaction it does the steps, one after
	// the other, each seeing what the ones before it wrote: it locks the rows of
	// the needed crews in the order of their names, loads what is needed, asks
	// decide, and stores the effects. When decide finds that it needs more, the
	// store loads that too (the locks stay) and asks again. An error of decide
	// is returned as it is, and nothing of any step stays. A store may take steps
	// before it decides the ones before them, and go through all again from the
	// first, so decide has no effect of its own.
	Write(ctx context.Context, steps iter.Seq[Step]) error
	// Load reads what is needed from one snapshot, without locks.
	Load(ctx context.Context, needs Needs) (Loaded, error)
	// Changes reads, from one snapshot, what is newer than the spans say.
	Changes(ctx context.Context, q ChangesQuery) (Feed, error)
	// Tasks reads a page of tasks that are not deleted, ordered by crew and id.
	Tasks(ctx context.Context, q TaskQuery) ([]Row, error)
	// Crews lists all crews by name.
	Crews(ctx context.Context) ([]CrewSize, error)
}

// Accounts keeps users, crews and the server's own settings.
type Accounts interface {
	// Setting returns the stored value of a setting. Where there is none it
	// stores and returns initial, unless that is empty.
	Setting(ctx context.Context, name, initial string) (string, error)
	// SetSetting stores a setting. Here and below, log is appended as
	// [Journal].Log does, in the same transaction.
	SetSetting(ctx context.Context, name, value string, log ...Entry) error
	// ChangeSetting asks change for the new value of a setting and what to log,
	// and stores both, in one transaction that no other change of the setting
	// overlaps; where there is none the old value is "". Change's error is returned
	// as it is and nothing is stored. It may be asked again, so it has no effect of
	// its own.
	ChangeSetting(ctx context.Context, name string, change func(old string) (string, []Entry, error)) error
	// PutUser stores a user and makes the crews that are missing; it returns
	// the names of those. With isNew an existing user is [ErrExists].
	PutUser(ctx context.Context, u User, isNew bool, log ...Entry) (made []string, err error)
	// Users lists all users by name, with their crews in their order.
	Users(ctx context.Context) ([]User, error)
	// PutCrew makes a crew unless it is there; it tells whether it made it.
	// Of a crew that was there nothing is logged.
	PutCrew(ctx context.Context, name string, at int64, log ...Entry) (made bool, err error)
}

// Devices keeps invites and devices.
type Devices interface {
	// AddInvite stores an invite.
	AddInvite(ctx context.Context, i Invite, log ...Entry) error
	// CloseInvites makes those that are open expire at a moment, and tells how
	// many there were. Where there is none nothing is logged.
	CloseInvites(ctx context.Context, at int64, log ...Entry) (int, error)
	// Redeem loads an invite and its user by the hash of its code, asks decide,
	// and stores the device, the invite and the log that it returns, all in one
	// transaction. An unknown code is [ErrUnknown]; decide's error is returned
	// as it is and nothing is stored. Two Redeems of one code never overlap.
	Redeem(ctx context.Context, codeHash string, decide func(Invite, User) (Invite, Device, []Entry, error)) error
	// Touch stores what a device reported of itself.
	Touch(ctx context.Context, deviceID string, r Report) error
	// List lists all devices by user and name.
	Devices(ctx context.Context) ([]Device, error)
	// Revoke marks a device as revoked; its first time stays. [ErrUnknown] when there is none.
	// Of a device that was revoked before nothing is logged.
	Revoke(ctx context.Context, deviceID string, at int64, log ...Entry) error
}

// Tokens keeps by what devices are known.
type Tokens interface {
	// ByToken finds a device and its user by the hash of its token, or of its next
	// one; [ErrUnknown] when there is none. Revoked devices are found too.
	ByToken(ctx context.Context, tokenHash string) (Device, User, error)
	// ByNewer finds the device whose token, or next token, has one of these hashes.
	ByNewer(ctx context.Context, tokenHashes []string) (Device, error)
	// Offer stores the next token's hash of a device, while its token still is current.
	Offer(ctx context.Context, deviceID, current, next string) error
	// Renew makes a device's next token its token, unless that was done before: then
	// nothing is logged.
	Renew(ctx context.Context, deviceID, next string, at int64, log ...Entry) error
	// Reused revokes a device because an older token of it was used; of one that
	// was revoked before nothing is logged, and its first time stays.
	Reused(ctx context.Context, deviceID string, at int64, log ...Entry) error
}

// Journal keeps the audit, to which entries are only ever added.
type Journal interface {
	// Log appends entries to the server's own chain, in one transaction: each
	// follows ([Entry.Follow]) on the one before. The chain's end is kept, in the
	// same transaction, as the setting [AuditEnd]: see [ReadEnd].
	Log(ctx context.Context, entries ...Entry) error
	// Entries reads a chain from behind a place on, in order, at most limit.
	Entries(ctx context.Context, crew string, after int64, limit int) ([]Entry, error)
}

// Upkeep keeps what a crew's records come to, and lets go of what nobody needs
// any more.
type Upkeep interface {
	// Leaves reads, from one snapshot, how a crew stands and its leaves as they
	// are kept; [ErrUnknown] when there is none of that name.
	Leaves(ctx context.Context, crew string) (Crew, op.Tally, error)
	// Leaf reads, from one snapshot, how a crew stands and those rows of a leaf
	// that count, by kind and id; at most limit.
	Leaf(ctx context.Context, crew string, leaf uint8, limit int) (Crew, []Row, error)
	// Recount brings the leaves of a crew, and its total, to what its rows come
	// to by [Count], and tells whether that made a difference. Rows are only
	// read, from one snapshot, where it makes none.
	Recount(ctx context.Context, crew string) (bool, error)
	// Forget drops rows of a crew, at most Limit, in one transaction, the lowest
	// versions first: those that left, and those of deleted records, which
	// [Loaded].Forgotten remembers. The crew's Horizon becomes at least the
	// highest version dropped. It returns how many there were.
	Forget(ctx context.Context, f Forget) (int, error)
}

// Errors that a store returns and callers tell apart with errors.Is.
var (
	ErrExists  = errors.New("exists already")
	ErrUnknown = errors.New("not known")
	// ErrBusy says that the transaction could not be made now (a lock, a
	// serialization failure); the same call may succeed later.
	ErrBusy = errors.New("the database is busy")
	// ErrFull is an [ErrBusy] that a person has to end.
	ErrFull = fmt.Errorf("%w: its disk is full", ErrBusy)
)

// Needs names what a decision has to see. Records are looked for in Crews only.
type Needs struct {
	Crews    []string // by name, sorted: the order in which they are locked
	User     string   // whose outcomes
	OpIDs    []string // stored outcomes of these ops of the user
	Device   string   // whose seqs
	Seqs     []int64  // stored outcomes at these places of the device's queue
	Records  []Ref    // these records, in whichever of the crews
	Children []string // every record whose task_id is one of these
	Refs     []string // every task whose external_ref, and every site whose code, is one of these
	Marks    []Mark   // the fingerprints of these versions, of any crew
}

// Ref names a record.
type Ref struct {
	Kind op.Kind
	ID   string
}

// Loaded is what a store found. Rows of records that left a crew are not in it.
type Loaded struct {
	Crews    map[string]Crew
	Outcomes map[string]Outcome // by op id
	Seqs     map[int64]string   // the op id that took this place in the queue
	Rows     []Row              // each at most once
	// Fingerprints are those of the versions asked for that exist.
	Fingerprints map[Mark]string
	// Forgotten are those of the records asked for that were deleted so long ago
	// that no row is left of them in one of the crews.
	Forgotten map[Ref]bool
}

// Step is one decision of a write. Crews are locked in the order of their names
// as far as a store sees the steps together, so steps of one write best need the
// same ones.
type Step struct {
	Needs  Needs
	Decide Decide
}

// Decide turns what was loaded into effects, or asks for more to be loaded: then
// its effects are void. It is pure. Asked is all that was loaded by.
type Decide func(asked Needs, loaded Loaded) (effects Effects, more Needs, err error)

// Effects are what one step writes.
type Effects struct {
	Crews     []Crew
	Rows      []Row // put, by crew, kind and id
	Outcomes  []Outcome
	Conflicts []ConflictRow
	Links     []Link
	Leaves    []Leaf  // each at most once
	Entries   []Entry // of the audit, sealed
}

// Leaf is what is to be added to a leaf of a crew's digest, by [op.Digest.Plus].
type Leaf struct {
	Crew string
	No   uint8
	op.Digest
}

// Empty tells whether there is nothing to write.
func (e Effects) Empty() bool {
	return len(e.Rows)+len(e.Outcomes)+len(e.Conflicts)+len(e.Entries) == 0
}

// Crew is a crew's counters, and the fingerprint of its history. Both counters
// only grow, under the crew's lock, so that their order is the order of commits.
type Crew struct {
	Name        string
	Version     int64  // the newest version given
	Number      int64  // the newest task number given
	Fingerprint string // of that version; "" while there is none
	// Entries and Seal are the place and the seal of its newest entry of the audit.
	Entries int64
	Seal    string
	// Digest is that of all leaves together: what counts is neither deleted nor gone.
	Digest op.Digest
	// Horizon is the version up to which deleted records, and such as left, may
	// have been forgotten. Whoever heard less must begin anew. [Upkeep].Forget
	// alone changes it.
	Horizon int64
}

// CrewSize is a crew for the office.
type CrewSize struct {
	Crew
	Records int64 // those that are not deleted and did not leave
	Tasks   int64 // the tasks among them
}

// Outcome is the server's word on one op, kept for ever so that a repeat
// changes nothing. Its key is (User, OpID).
type Outcome struct {
	User    string
	OpID    string
	Device  string
	Seq     int64 // 0: the op had no place in a queue
	Crew    string
	Version int64 // the version that it took; 0: none
	Kind    op.Kind
	Entity  string
	At      int64  // the server's time, ms
	Result  string // the wire's result as JSON, without server_state
	State   bool   // the answer carried server_state
}

// ConflictRow is a conflict under the version at which both sides hear of it.
type ConflictRow struct {
	Crew    string
	Version int64
	ID      string
	Winner  string // device
	Loser   string // device
	Body    string // op.Conflict as JSON
}

// ChangesQuery asks for what is newer than Spans say.
type ChangesQuery struct {
	Spans     []Span   // sorted by crew
	Rows      int      // at most, over all spans together, the first ones by (crew, version)
	Devices   []string // conflicts in which one of these is a side
	Conflicts int      // at most, counted in the same way
	Marks     []Mark   // the fingerprints of these versions, of any crew
	All       bool     // from the start too, rows of deleted records and of such as left
}

// Span is a crew and the version from which on it is asked for. From the start
// (Since 0) rows of deleted records and of such as left the crew are skipped,
// unless all are asked for.
type Span struct {
	Crew  string
	Since int64
}

// Feed is the answer, rows and conflicts each in the order (crew, version).
type Feed struct {
	Crews        map[string]Crew // those asked for
	Rows         []Row
	Conflicts    []ConflictRow
	Fingerprints map[Mark]string // of the versions asked for that exist
}

// Forget says which rows of deleted records, and of such as left, are not needed
// any more: those at versions up to Passed, and those written before Before.
type Forget struct {
	Crew   string
	Passed int64
	Before int64 // ms
	Limit  int
}

// TaskQuery asks for tasks in Crews, behind the row After (nil: from the start).
// With Match only those whose number, external_ref or id is that, or whose id
// begins with it.
type TaskQuery struct {
	Crews []string
	Match string
	After *Row
	Limit int
}

// User is a person. The name is the key: it stands in records.
type User struct {
	Name     string
	Role     op.Role
	Crews    []string // the first is where the user's new records go
	Created  int64    // ms
	Disabled int64    // ms; 0: may work
}

// Invite is an open or used invite. The code itself is not kept.
type Invite struct {
	CodeHash string
	User     string
	Expires  int64
	Used     int64 // ms; 0: not yet
	Nonce    string
	Device   string // the device that it became
}

// Device is an enrolled device. The token itself is not kept.
type Device struct {
	ID        string
	User      string
	Name      string
	TokenHash string
	NextHash  string // of the token that was offered and not used yet; "": none
	Created   int64
	Renewed   int64 // when the token in use took over, ms; 0: it is the first one
	Revoked   int64 // ms; 0: it may come in
	Reused    int64 // when an older token was used, for which it was revoked, ms; 0: never
	Report
}

// Report is what a device said of itself, last time.
type Report struct {
	Seen    int64  // ms; 0: never
	Pending int64  // ops that waited on it
	Offset  *int64 // server time − its wall clock, ms; nil: it did not say
	Client  string // its program's version
	Cursor  string // how far it had heard; "" where it did not say
}
