package tui

import (
	"strings"

	"example.com/punchlist/sync/engine"
	"example.com/punchlist/sync/reach"
	"github.com/charmbracelet/lipgloss"
)

// The truth line says whether work is safe and whether it was sent. Its numbers
// come from the queue table, never from what anybody remembers to have done;
// words stand first, colour only repeats them. What matters least falls off
// first where the line is short.
func (a *App) truthLine() string {
	state, look := a.stateWords()
	line, used := look.Render(a.cut(state, a.w)), width(state)
	parts := a.truthParts()
	room := a.w - used
	for i, p := range parts {
		s := p.long
		// The short form leaves room for the short forms of all that matter behind it.
		if width(s)+2+needed(parts[i+1:]) > room && p.short != "" {
			s = p.short
		}
		if s == "" || 2+width(s) > room {
			continue
		}
		line += "  " + s
		room -= 2 + width(s)
	}
	return line
}

// shortReason is what of a reason still says something, cells.
const shortReason = 24

// truthPart is one statement of the truth line; one with a short form is never
// left out for others.
type truthPart struct{ long, short string }

// needed is the room that the statements which must not fall off take at least.
func needed(parts []truthPart) int {
	n := 0
	for _, p := range parts {
		if p.short != "" {
			n += 2 + width(p.short)
		}
	}
	return n
}

func (a *App) truthParts() []truthPart {
	var needs, conflicts truthPart
	switch n := a.sum.Parked; {
	case n > 0 && a.sum.ParkedTasks > 0:
		needs = truthPart{plural(a.sum.ParkedTasks, "task needs", "tasks need") + " you (press " + named(a.keys.Queue) + ")", itoa(n) + " refused (" + named(a.keys.Queue) + ")"}
	case n > 0: // of sites
		needs = truthPart{plural(n, "change needs", "changes need") + " you (press " + named(a.keys.Queue) + ")", itoa(n) + " refused (" + named(a.keys.Queue) + ")"}
	}
	if n := a.sum.Conflicts; n > 0 {
		conflicts = truthPart{plural(n, "conflict", "conflicts") + " (press " + named(a.keys.Conflicts) + ")", plural(n, "conflict", "conflicts")}
	}
	waiting := truthPart{long: a.waitingWords()}
	switch {
	case a.sum.Pending > 0:
		waiting.short = itoa(a.sum.Pending) + " waiting"
	case strings.HasPrefix(waiting.long, allSent):
		waiting.short = allSent
	}
	if a.status.Reach == reach.Online && a.status.Activity == engine.Sending && a.sum.Pending > 0 {
		waiting = truthPart{} // the state says it already
	}
	detail := truthPart{long: a.detailWords()}
	switch a.reachNow() {
	case reach.Portal:
		return []truthPart{detail, waiting, needs, conflicts}
	case reach.Offline, reach.ServerDown: // and why
		detail.short = a.cut(detail.long, shortReason)
		return []truthPart{waiting, needs, conflicts, a.clockPart(), a.runningPart(), detail, {long: a.lastSentWords()}, {long: a.nextTryWords()}}
	}
	return []truthPart{waiting, needs, conflicts, a.clockPart(), a.runningPart(), {long: a.lastSentWords()}, {long: a.nextTryWords()}, detail}
}

// allSent is what stands in the line when the queue table is empty, and only then.
const allSent = "all sent"

// wrongClock is from where on the laptop's clock is called wrong, ms.
const wrongClock = 2 * 60_000

// clockPart says how wrong the laptop's clock is.
func (a *App) clockPart() truthPart {
	off := a.sum.ClockOff
	word := "slow"
	if off < 0 {
		off, word = -off, "fast"
	}
	if off <= wrongClock {
		return truthPart{}
	}
	short := "clock " + ago(0, off) + " " + word
	return truthPart{long: "this laptop's " + short + " (changes are dated right)", short: short}
}

// runningPart says at which task this person's clock counts. That there are more
// than one is worth the room: mostly one was forgotten.
func (a *App) runningPart() truthPart {
	switch all := a.sum.Running; a.sum.Clocks {
	case 0:
		return truthPart{}
	case 1:
		short := a.text(all[0].Number) + " " + all[0].Kind
		return truthPart{short + " since " + a.clock(all[0].Since), short}
	case 2:
		return truthPart{"2 clocks run: " + a.text(all[0].Number) + ", " + a.text(all[1].Number), "2 clocks"}
	default:
		return truthPart{itoa(a.sum.Clocks) + " clocks run", itoa(a.sum.Clocks) + " clocks"}
	}
}

// stateWords opens the line.
func (a *App) stateWords() (string, lipgloss.Style) {
	since := ago(a.status.Since, a.now().UnixMilli())
	if a.status.Since == 0 {
		since = ""
	}
	for_ := func(s string) string {
		if since == "" {
			return s
		}
		return s + " " + since
	}
	switch a.reachNow() {
	case reach.NotEnrolled:
		return "ON THIS LAPTOP", a.st.warn
	case reach.Paused:
		return for_("WORKING OFFLINE"), a.st.warn
	case reach.Portal:
		return "PORTAL", a.st.bad
	case reach.Unauthorised:
		return "SIGN IN AGAIN", a.st.bad
	case reach.ServerDown:
		return for_("SERVER DOWN"), a.st.bad
	case reach.Outdated:
		return "UPDATE PUNCHLIST", a.st.bad
	case reach.Online:
		if a.status.Activity == engine.Sending && a.sum.Pending > 0 && a.status.Total > 0 {
			return "SENDING " + itoa(a.status.Done) + " of " + itoa(a.status.Total), a.st.good
		}
		if a.status.Activity == engine.Receiving && a.lastSync() == 0 {
			return "RECEIVING", a.st.good
		}
		return "ONLINE", a.st.good
	case reach.Offline:
		return for_("OFFLINE"), a.st.warn
	}
	return "LOOKING FOR THE SERVER", a.st.warn
}

// reachNow is the engine's word; before its first one, what the file knows.
func (a *App) reachNow() reach.State {
	switch {
	case a.switched && a.status.Reach == reach.Online: // the engine has not noticed yet
		return reach.Paused
	case !a.switched && a.status.Reach == reach.Paused:
		return ""
	case a.status.Looking:
		return ""
	case a.status.Reach == "" && a.sumKnown && a.sum.Device.ID == "":
		return reach.NotEnrolled
	}
	return a.status.Reach
}

// waitingWords counts what is unsent, in jobs first.
func (a *App) waitingWords() string {
	sum := a.sum
	if !a.sumKnown {
		return ""
	}
	changes := plural(sum.Pending, "change", "changes")
	switch a.reachNow() {
	case reach.NotEnrolled:
		if sum.Pending == 0 {
			return "no server joined yet"
		}
		return changes + " saved, no server joined yet"
	case reach.Unauthorised, reach.Outdated:
		if sum.Pending+sum.Parked == 0 {
			return "all work is safe, nothing waits"
		}
		return plural(sum.Pending+sum.Parked, "change", "changes") + " safe on this laptop"
	}
	switch {
	case sum.Pending == 0 && sum.Parked > 0:
		return ""
	case sum.Pending == 0:
		if t := a.lastSync(); t != 0 {
			return allSent + " " + a.clock(t)
		}
		return "nothing to send yet"
	case sum.PendingTasks == 0:
		return changes + " waiting"
	}
	return plural(sum.PendingTasks, "task", "tasks") + ", " + changes + " waiting"
}

// stillToSay is what stands behind the news of a portal.
func (a *App) stillToSay() []truthPart {
	if a.sum.Pending == 0 {
		return nil
	}
	return []truthPart{{short: itoa(a.sum.Pending) + " waiting"}}
}

// detailWords is the engine's own sentence where the state alone says too little.
func (a *App) detailWords() string {
	switch a.reachNow() {
	case reach.Portal: // who answers instead is the news
		return a.cut(a.text(a.status.Detail), max(0, a.w-8-needed(a.stillToSay())))
	case reach.NotEnrolled:
		return "punchlist enroll joins one"
	case reach.Online: // work that stands still says why
		if a.sum.Pending > 0 && a.status.Why != "" && a.standsStill() {
			return a.cut("waits: "+a.text(a.status.Why), max(20, a.w/2))
		}
	case reach.ServerDown, reach.Unauthorised, reach.Outdated, reach.Offline:
		return a.cut(a.text(a.status.Detail), max(20, a.w/2))
	}
	return ""
}

// standsStill tells a wait from the blink between an edit and its sending.
func (a *App) standsStill() bool {
	return a.status.NextTry == 0 || a.status.NextTry-a.now().UnixMilli() > 2_000
}

func (a *App) lastSync() int64 { return max(a.status.LastSync, a.sum.LastSync) }

func (a *App) lastSentWords() string {
	t := a.lastSync()
	if t == 0 || a.sum.Pending == 0 || a.reachNow() == reach.Online || a.reachNow() == reach.NotEnrolled {
		return ""
	}
	return "last sent " + a.clock(t)
}

func (a *App) nextTryWords() string {
	if a.reachNow() == reach.NotEnrolled || a.status.Activity != engine.Waiting && a.status.Why == "" || a.status.NextTry == 0 || a.switched || !a.standsStill() {
		return ""
	}
	if a.status.NextTry-a.now().UnixMilli() < 60_000 {
		return "next try within a minute"
	}
	return "next try " + a.clock(a.status.NextTry)
}
