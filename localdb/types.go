package localdb

import (
	"time"

	"example.com/punchlist/sync/op"
)

// Options are what a database takes from outside; the zero value means the real ones.
type Options struct {
	Clock    op.Clock      // the machine's clocks
	NewID    func() string // a fresh UUID, version 7
	ReadOnly bool          // open for looking only
	// Trace, where it is set, hears each statement of an action and its values: for measuring.
	Trace func(query string, args []any)
	// Fault, where it is set, is asked before each statement; an error of its comes in
	// the statement's place: for tests of what a failing disk leaves behind.
	Fault   func(query string) error
	Ballast bool // keep 4 MiB beside the database for the day when the disk is full
}

// Change is one change that a person makes to one record.
type Change struct {
	Kind   op.Kind
	ID     string // "" on INSERT: a fresh one is made
	Action op.Action
	Fields op.Fields
}

// Saved says what an action wrote.
type Saved struct {
	IDs   []string // the records, one a change
	OpIDs []string // the ops, in order
	Group string   // their group; "" when there is one op only
}

// Step takes a task to another status.
type Step struct {
	To         op.Status
	Reason     string // one of op.Reasons(To) where there are any
	ReasonText string
	Recipient  string // who took the delivery
}

// Answer is a checklist item's result.
type Answer struct {
	Outcome string  // one of op.Outcomes; "" takes the answer back
	Value   any     // number or text, where the item's kind asks for one
	Comment *string // nil leaves the comment as it is
}

// Record is one record as this laptop sees it: the server's state with the
// laptop's own unsent changes on top.
type Record struct {
	Kind    op.Kind
	ID      string
	Crew    string
	Version int64 // the server's version it rests on; 0: the server has none yet
	Deleted bool
	Fields  op.Fields
}

// Badge is what became of a record's changes.
type Badge string

// The badges.
const (
	BadgeSent     Badge = "sent"
	BadgePending  Badge = "pending"
	BadgeParked   Badge = "parked"
	BadgeConflict Badge = "conflict"
	BadgeMerged   Badge = "merged" // another's change met mine, both stand, and nobody has looked yet
)

// Section is a part of the list of tasks.
type Section int

// The sections, in the order of the list.
const (
	Overdue Section = iota // not begun, and its time is past
	Now                    // begun
	Next                   // due today or tomorrow
	Later
	Done
)

// TaskRow is one line of the list.
type TaskRow struct {
	ID       string
	Number   string // the server's, or NEW-7F3A until there is one
	Title    string
	Type     string
	Assignee string
	Asset    string
	SiteCode string
	SiteName string
	SiteID   string
	Status   op.Status
	Priority string
	Crew     string

	WindowStart, WindowEnd, DueAt, UpdatedAt int64 // ms; 0: none

	Section   Section
	Steps     int // checklist items
	StepsDone int
	Notes     int
	Sync      Badge
	Waiting   int // unsent changes to the task and what hangs on it

	// Found says where a searched word stands that number, title and site code do
	// not show: "site Harbour Square West"; "" mostly.
	Found string

	dueKey int64 // the column the list is sorted by
}

// Query asks for one page of the list.
type Query struct {
	Filter Filter
	From   *Key // continue behind (or with Back before) this row; nil: from the start (or the end)
	Back   bool
	Limit  int // rows; 0 means 50, at most 500
	Now    time.Time
}

// Page is one page of the list, in list order.
type Page struct {
	Rows []TaskRow
	Keys []Key // the place of each row
	More bool  // whether there is more in the direction asked for
}

// TaskView is one task with all that hangs on it.
type TaskView struct {
	TaskRow
	Version   int64
	Fields    op.Fields
	Site      *Record
	Checklist []Record // by position
	Notes     []Record // by time
	Time      []Record // by start
	Children  []TaskRow
}

// Event is one line of a task's history.
type Event struct {
	At  int64 // ms
	Who string
	// Laptop is the other laptop of this one's person where it was done there.
	Laptop string
	What   string // a sentence: "Set status to completed"
	Kind   op.Kind
	Sync   Badge
}

// Summary is what the truth line needs, in one cheap look.
type Summary struct {
	Pending       int // ops that wait
	Parked        int // ops the server refused
	Conflicts     int // open ones
	PendingTasks  int // tasks with something waiting
	ParkedTasks   int // tasks with something refused
	Merges        int // merges that nobody has looked at
	Tasks         int
	OldestPending int64 // created_at of the oldest waiting op, ms; 0: none
	LastSync      int64 // ms; 0: never
	ClockOff      int64 // server time − wall clock now, ms, by the boot clock; 0 too before this boot met the server
	Device        Device
	Running       []Running // this person's clocks, the newest first; not more than a person reads
	Clocks        int       // all of them
	Left          []Left    // what was typed and never saved, the newest first
}

// QueueRow is one waiting or parked op, for people.
type QueueRow struct {
	Op         op.Op
	State      Badge // BadgePending or BadgeParked
	Attempts   int
	LastError  string
	Code       op.Code
	Field      string
	TaskID     string
	TaskNumber string
	TaskTitle  string
	Sentence   string // "Set T-1042 to completed"
	Behind     string // the parked op that it waits behind; "" mostly
}

// Conflict is one conflict as this laptop keeps it for its person.
type Conflict struct {
	ID         string
	Kind       string // "lost", "overrode", "merged" or "deleted"
	EntityType op.Kind
	EntityID   string
	TaskID     string
	Title      string
	Number     string
	Field      string
	Mine       any
	Theirs     any
	MineAll    op.Fields
	TheirsAll  op.Fields
	Who        string
	Laptop     string // where Who is this laptop's own person: the other laptop
	At         int64  // when the other side wrote, ms
	MineAt     int64
	Why        op.Why
	State      string // "open" or "resolved"
	Resolution string // once resolved: "mine", "theirs", or "newer" when a later change of one's own took its place
	// Stands is the register as it stands on this laptop now; nil when the record is deleted.
	Stands op.Fields
}

// Device is who this laptop is.
type Device struct {
	ID          string // given at enrolment; "" before
	User        string
	Name        string
	Role        op.Role
	Crews       []string
	ServerURL   string
	ServerID    string
	ServerKey   string // Ed25519 public key, base64url
	Token       string // read from the file beside the database, never stored in it
	Unsafe      error  // why it was not read; local work goes on, nothing is sent
	EnrolledAt  int64
	Cursor      string
	ClockOffset int64 // server time − wall clock, ms
	OffsetKnown bool
}
