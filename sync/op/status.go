package op

import (
	"fmt"
	"slices"
	"strings"
)

// Status is where a task stands.
type Status string

// The statuses, in the order of a task's life.
//
//	PENDING ──► EN_ROUTE ──► IN_PROGRESS ──► COMPLETED ──► CLOSED
//	   ▲  └────────────────────►  │   ▲            │
//	   └──── turned back ─────┘   ▼   └─ reopened ─┘
//	                           ON_HOLD ──► INCOMPLETE ──► CLOSED, or PENDING again
//	any open one ──► CANCELLED (dispatcher)
const (
	Pending    Status = "PENDING"
	EnRoute    Status = "EN_ROUTE"
	InProgress Status = "IN_PROGRESS"
	OnHold     Status = "ON_HOLD"
	Completed  Status = "COMPLETED"
	Incomplete Status = "INCOMPLETE"
	Cancelled  Status = "CANCELLED"
	Closed     Status = "CLOSED"
)

// Statuses lists all of them in that order.
var Statuses = []Status{Pending, EnRoute, InProgress, OnHold, Completed, Incomplete, Cancelled, Closed}

func statusNames() []string {
	out := make([]string, len(Statuses))
	for i, s := range Statuses {
		out[i] = string(s)
	}
	return out
}

// Ended tells whether nobody is expected to work on the task any more.
func (s Status) Ended() bool {
	return s == Completed || s == Incomplete || s == Cancelled || s == Closed
}

// Role is what a user may do.
type Role string

// The roles. A viewer only reads; a dispatcher may also cancel, close and send out again.
const (
	Technician Role = "technician"
	Dispatcher Role = "dispatcher"
	Viewer     Role = "viewer"
)

// Roles lists every role.
var Roles = []Role{Technician, Dispatcher, Viewer}

// HoldReasons, IncompleteReasons and CancelReasons are what may be given when
// a task stops short.
var (
	HoldReasons       = []string{"parts", "access", "permit", "weather", "safety", "customer", "other"}
	IncompleteReasons = []string{"no_access", "recipient_absent", "refused", "wrong_address", "damaged", "missing_parts", "unsafe", "weather", "asset_not_found", "other"}
	CancelReasons     = []string{"customer", "duplicate", "not_needed", "other"}
)

func allReasons() []string {
	all := slices.Concat(HoldReasons, IncompleteReasons, CancelReasons)
	slices.Sort(all)
	return slices.Compact(all)
}

// Reasons lists the reasons to choose from for a status; nil when it needs none.
func Reasons(s Status) []string {
	switch s {
	case OnHold:
		return HoldReasons
	case Incomplete:
		return IncompleteReasons
	case Cancelled:
		return CancelReasons
	}
	return nil
}

var steps = map[Status][]Status{
	Pending:    {EnRoute, InProgress},
	EnRoute:    {InProgress, Pending, Incomplete},
	InProgress: {Completed, OnHold, Incomplete},
	OnHold:     {InProgress, EnRoute, Incomplete},
	Completed:  {InProgress},
}

var dispatcherSteps = map[Status][]Status{
	Pending:    {Cancelled},
	EnRoute:    {Cancelled},
	InProgress: {Cancelled},
	OnHold:     {Cancelled},
	Completed:  {Closed},
	Incomplete: {Pending, Closed},
}

// NextStatuses lists where a person of that role may take a task from a status,
// the likeliest first. The table is checked where a person acts, never where
// edits of several devices meet.
func NextStatuses(from Status, role Role) []Status {
	switch role {
	case Viewer:
		return nil
	case Dispatcher:
		return slices.Concat(steps[from], dispatcherSteps[from])
	}
	return steps[from]
}

// CheckStep says why a person of that role may not take a task from one status
// to another, or nil.
func CheckStep(from, to Status, role Role) *Refusal {
	if !slices.Contains(Statuses, to) {
		return &Refusal{Code: CodeBadValue, Field: "status", Message: fmt.Sprintf("%q is not a status; use one of %s", to, strings.Join(statusNames(), ", "))}
	}
	next := NextStatuses(from, role)
	if slices.Contains(next, to) {
		return nil
	}
	msg := fmt.Sprintf("a task that is %s cannot become %s", from, to)
	whose := " for a " + string(role)
	if role == Dispatcher { // who may do all there is to do, or has no office at all
		whose = ""
	}
	if len(next) == 0 {
		msg += "; nothing follows from there" + whose
	} else {
		names := make([]string, len(next))
		for i, s := range next {
			names[i] = string(s)
		}
		msg += "; from there" + whose + ": " + strings.Join(names, ", ")
	}
	return &Refusal{Code: CodeBadStep, Field: "status", Message: msg}
}
