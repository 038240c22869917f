// Package wire is the HTTP protocol, version 1, seen from both ends: the
// messages, the limits, the codes, and the client that a device uses.
//
// It promises that nothing which did not come from the enrolled server is
// believed: an answer without the protocol's headers, with another server's id,
// of another content type, redirected or cut short is a [NotOurServer] or a
// network error, never a result. It decodes; it decides nothing about ops.
// sync/README.md is the description that a stranger could write a client from.
package wire

import (
	"net/http"
	"strconv"
	"time"

	"example.com/punchlist/sync/op"
)

// Protocol is the version of the protocol that this program speaks.
const Protocol = "1"

// Headers of every answer, and those by which a device reports on itself.
const (
	HeaderProtocol = "Punchlist-Protocol" // "1"
	HeaderServer   = "Punchlist-Server"   // the server's UUID
	HeaderTime     = "Punchlist-Time"     // unix ms
	HeaderClient   = "Punchlist-Client"   // the device's program version
	HeaderPending  = "Punchlist-Pending"  // how many ops wait on the device
	HeaderOffset   = "Punchlist-Offset"   // server time − the device's wall clock, ms
)

// Paths of the requests.
const (
	PathHealth  = "/healthz"
	PathReady   = "/readyz"
	PathPing    = "/ping"
	PathEnroll  = "/enroll"
	PathSync    = "/sync"
	PathBatch   = "/sync/batch"
	PathChanges = "/sync/changes"
	PathEvents  = "/sync/events"
)

// Limits of one request. Over them the server answers 413.
const (
	MaxOps      = 500
	MaxBody     = 1 << 20 // bytes on the wire
	MaxExpanded = 8 << 20 // bytes once decompressed
	MaxPage     = 1000    // changes in one answer
	MaxNonce    = 64      // characters
)

// Times of the two ways to wait for news.
const (
	Heartbeat = 20 * time.Second // between two signs of life on a stream that has no news
	MaxWait   = 25 * time.Second // the longest wait of one long poll
)

// EventType is the content type of a stream of pokes.
const EventType = "text/event-stream"

// Poke says that a crew has something newer than was told before. It carries no
// record: what is new is asked for.
type Poke struct {
	Crew    string `json:"crew"`
	Version int64  `json:"version"`
}

// Ping is the answer to GET /ping.
type Ping struct {
	Service   string `json:"service"` // "punchlist"
	Protocol  int    `json:"protocol"`
	ServerID  string `json:"server_id"`
	Time      int64  `json:"time"` // unix ms
	Nonce     string `json:"nonce"`
	Signature string `json:"signature"`            // see PingText
	ServerKey string `json:"server_key,omitempty"` // what it is signed with: known by an invite's fingerprint, or pinned
	Auth      string `json:"auth,omitempty"`       // when a token was sent: one of Auth…
}

// What a ping says of a token. Every word but the first means that the device
// does not come in; one that is new to a program means that too.
const (
	AuthOK       = "ok"
	AuthExpired  = "expired"  // not known here
	AuthRevoked  = "revoked"  // the device was revoked, or its user disabled
	AuthReused   = "reused"   // revoked, because an older token of the device was used again
	AuthReplaced = "replaced" // the next one is in use since a short while
	AuthUnused   = "unused"   // not used for so long that the device must enrol again
)

// Refusal is what a ping's word on the token that was shown means; nil: the
// device may come in, or showed none.
func (p Ping) Refusal() error {
	refused := Problem{Status: http.StatusUnauthorized, Hint: "ask the office for an invite and enroll again; all work stays on this laptop"}
	switch p.Auth {
	case "", AuthOK:
		return nil
	case AuthReused:
		refused.Code, refused.Message = CodeRevoked, SaidReused
	case AuthReplaced:
		refused.Code, refused.Message = CodeReplaced, SaidReplaced
	case AuthUnused:
		refused.Code, refused.Message = CodeUnused, SaidUnused
	case AuthExpired:
		refused.Code, refused.Message = CodeUnauthorised, notTaken(p.Auth)
	default:
		refused.Code, refused.Message = CodeRevoked, notTaken(p.Auth)
	}
	return &ServerError{Problem: refused}
}

func notTaken(auth string) string {
	return "the server does not take this laptop's sign-in any more (" + line(auth) + ")"
}

// The sentences that go with them, for people.
const (
	SaidReused   = "an older sign-in of this laptop was used again, so its data may have been copied; the server lets neither copy in"
	SaidReplaced = "this laptop's sign-in was renewed, but not on this copy of its data"
	SaidUnused   = "this laptop was away for so long that it has to join again"
)

// Enroll is the body of POST /enroll.
type Enroll struct {
	Code       string `json:"code"`
	DeviceName string `json:"device_name"`
	Nonce      string `json:"nonce"` // the same nonce may repeat a lost request for a short while
}

// Enrolled is its answer.
type Enrolled struct {
	DeviceID  string   `json:"device_id"`
	Token     string   `json:"token"`
	User      string   `json:"user"`
	Role      op.Role  `json:"role"`
	Crews     []string `json:"crews"`
	ServerID  string   `json:"server_id"`
	ServerKey string   `json:"server_key"` // Ed25519 public key, base64url without padding
	Time      int64    `json:"time"`
}

// Batch is the body of POST /sync/batch.
type Batch struct {
	Seen   Seen     `json:"seen,omitempty"`
	Queues []string `json:"queues,omitempty"` // see Self
	Ops    []op.Op  `json:"ops"`
}

// Results is its answer: one result per op, in order.
type Results struct {
	Results []Result `json:"results"`
	Seen    Seen     `json:"seen,omitempty"` // how things stand in the user's crews now
	// Cursor is there when nothing happened in the user's crews but what the
	// results say, so that they need not be heard once more.
	Cursor *Advance `json:"cursor,omitempty"`
	Time   int64    `json:"time"`
}

// Advance says that whoever has heard up to From has, with the results that it
// comes with, heard up to To.
type Advance struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Result is the server's word on one op.
type Result struct {
	OpID      string     `json:"op_id"`
	Outcome   op.Outcome `json:"outcome"`
	Duplicate bool       `json:"duplicate"`
	Version   int64      `json:"version,omitempty"`
	Stamp     int64      `json:"stamp,omitempty"`
	// ServerState is there whenever the device cannot know the record's state
	// from its own ops: after a conflict, a merge, an INSERT, or when somebody
	// else changed another field meanwhile.
	ServerState op.Fields  `json:"server_state,omitempty"`
	By          string     `json:"by,omitempty"`       // with server_state: the user who changed the record last of those that the op's author had not seen
	Lost        []Conflict `json:"lost,omitempty"`     // what this op lost
	Overrode    []Conflict `json:"overrode,omitempty"` // what it won over without having seen it
	Code        op.Code    `json:"code,omitempty"`     // with rejected: see op.Code
	Field       string     `json:"field,omitempty"`
	Message     string     `json:"message,omitempty"`
}

// Conflict is a conflict as told to one of its two sides.
type Conflict struct {
	ID         string    `json:"id"` // the same on both sides
	EntityType op.Kind   `json:"entity_type"`
	EntityID   string    `json:"entity_id"`
	Side       string    `json:"side"`                  // "lost" or "overrode": what happened to the side that is told
	Field      string    `json:"field"`                 // the register's leading field
	Mine       any       `json:"mine"`                  // that field's value as the told side wrote it
	Theirs     any       `json:"theirs"`                // and as the other side wrote it
	MineAll    op.Fields `json:"mine_all,omitempty"`    // the whole register, where it holds more than that field
	TheirsAll  op.Fields `json:"theirs_all,omitempty"`  //
	Who        string    `json:"who"`                   // the other side's user
	Device     string    `json:"device"`                // the other side's device
	DeviceName string    `json:"device_name,omitempty"` // where it is another one of the told user
	At         int64     `json:"at"`                    // when the other side wrote, ms
	MineAt     int64     `json:"mine_at"`
	Why        op.Why    `json:"why"`
}

// The two values of Conflict.Side.
const (
	SideLost     = "lost"
	SideOverrode = "overrode"
)

// Changes is the answer to GET /sync/changes.
type Changes struct {
	Changes   []Change   `json:"changes"`
	Conflicts []Conflict `json:"conflicts,omitempty"` // those of this span in which the asking device is a side
	Cursor    string     `json:"cursor"`              // opaque to devices
	More      bool       `json:"more"`
	Seen      Seen       `json:"seen,omitempty"` // how things stand in the user's crews now
	// Digest is there with the last page: what the records of each of the user's
	// crews come to at the version up to which the device has heard then.
	Digest map[string]Stand `json:"digest,omitempty"`
	// Crews, User and Role say what the device's user may see and do now.
	Crews []string `json:"crews"`
	User  string   `json:"user"`
	Role  op.Role  `json:"role"`
	// Next is a token that the device is to keep, and then to use in place of the
	// one with which it asked.
	Next string `json:"next,omitempty"`
}

// Change is a record's newest state, or the news that it left the crew.
type Change struct {
	EntityType  op.Kind   `json:"entity_type"`
	EntityID    string    `json:"entity_id"`
	Crew        string    `json:"crew"`
	Version     int64     `json:"version"`
	Gone        bool      `json:"gone"`
	By          string    `json:"by,omitempty"`        // the user who made the newest change
	ByDevice    string    `json:"by_device,omitempty"` // the name of that device, where it is another one of the asking user
	ServerState op.Fields `json:"server_state,omitempty"`
}

// Problem is an RFC 9457 problem document with the protocol's extra members.
type Problem struct {
	Type    string `json:"type,omitempty"`
	Title   string `json:"title,omitempty"`
	Status  int    `json:"status"`
	Code    string `json:"code"`           // for machines
	Message string `json:"error"`          // one sentence for people
	Hint    string `json:"hint,omitempty"` // the next step, where there is one
}

// Codes of problem documents.
const (
	CodeBadRequest   = "bad_request"
	CodeUnauthorised = "unauthorised"   // no token, or one the server does not know
	CodeRevoked      = "device_revoked" // the device was revoked, or its user disabled
	CodeReplaced     = "token_replaced" // the device's next token is in use
	CodeUnused       = "token_unused"   // not used for too long
	CodeBadCode      = "bad_code"       // an invite's code that is wrong, used or expired
	CodeTooLarge     = "too_large"
	CodeTooMany      = "too_many_requests"
	CodeBadCursor    = "bad_cursor"
	CodeUpgrade      = "upgrade"
	CodeBusy         = "busy"
	CodeInternal     = "internal"
	CodeNoRoute      = "no_such_path"
)

// TellConflict is a conflict as its winner or its loser hears it.
func TellConflict(c op.Conflict, toLoser bool) Conflict {
	mine, theirs, side := c.Winner, c.Loser, SideOverrode
	if toLoser {
		mine, theirs, side = c.Loser, c.Winner, SideLost
	}
	field := op.Members(c.Kind, c.Register)[0]
	out := Conflict{ID: c.ID, EntityType: c.Kind, EntityID: c.Entity, Side: side, Field: field,
		Mine: mine.Values[field], Theirs: theirs.Values[field], Who: theirs.User, Device: theirs.Device,
		At: theirs.Time, MineAt: mine.Time, Why: c.Why}
	if mine.Values[op.Deleted] != nil || theirs.Values[op.Deleted] != nil || len(op.Members(c.Kind, c.Register)) > 1 {
		out.MineAll, out.TheirsAll = mine.Values, theirs.Values
	}
	return out
}

// PingText is what the signature of a ping covers: Ed25519 over these bytes,
// with the key that the device was told at enrolment.
func PingText(nonce, serverID string, ms int64) []byte {
	return []byte("punchlist ping\n" + nonce + "\n" + strconv.FormatInt(ms, 10) + "\n" + serverID + "\n")
}
