package tui

import (
	"fmt"
	"strings"

	"example.com/punchlist/sync/reach"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// readyScreen answers, before a technician leaves: is all that I need on this
// laptop, and has the office all that I did?
type readyScreen struct {
	data   readyMsg
	loaded bool
	top    int
}

// check is one thing that was looked at.
type check struct {
	name string
	ok   bool
	says string
	next string // what to do about it, a sentence of its own; "" when it is well
}

// From when on something is worth a word before leaving.
const (
	oldData  = 12 * 3_600_000 // ms since the last full round
	lowSpace = 200 << 20      // bytes on the disk
)

func (s *readyScreen) shape() shape      { return full }
func (s *readyScreen) typing() bool      { return false }
func (s *readyScreen) title(*App) string { return "Ready to leave?" }

func (s *readyScreen) help(a *App) []key.Binding {
	k := a.keys
	return []key.Binding{k.Sync, k.Queue, k.Conflicts, k.Copy, helpOf(k.Down, "scroll"), k.Back}
}

func (s *readyScreen) update(a *App, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		return a.gated(a.loadReady())
	case reloadMsg:
		return a.maybeGated(msg.gate, a.loadReady())
	case readyMsg:
		if msg.err != nil {
			a.say(explain(msg.err))
			return nil
		}
		s.data, s.loaded = msg, true
	case tea.KeyMsg:
		return s.key(a, msg)
	}
	return nil
}

func (s *readyScreen) key(a *App, k tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(k, a.keys.Back):
		return a.pop()
	case key.Matches(k, a.keys.Down, a.keys.PageDown, a.keys.Bottom):
		s.top++
	case key.Matches(k, a.keys.Up, a.keys.PageUp, a.keys.Top):
		s.top = max(0, s.top-1)
	default:
		return a.dead(k)
	}
	return nil
}

// checks are all that is looked at, the most needed first.
func (s *readyScreen) checks(a *App) []check {
	out := []check{s.tasks(a), s.age(a), a.unsent()}
	if n := a.sum.Conflicts; n > 0 {
		out = append(out, check{"conflicts", false, plural(n, "change of yours met", "changes of yours met") + " somebody else's", named(a.keys.Conflicts) + " shows both; nothing is blocked by it"})
	}
	out = append(out, a.clockCheck())
	if s.data.free >= 0 {
		out = append(out, s.disk())
	}
	return append(out, a.signIn())
}

// tasks tells whether there is work for the next days on this laptop.
func (s *readyScreen) tasks(a *App) check {
	var parts []string
	all := s.data.overdue
	for i, n := range s.data.days {
		all += n
		parts = append(parts, itoa(n)+" "+a.day(a.now().AddDate(0, 0, i)))
	}
	says := "open: " + strings.Join(parts, ", ")
	if s.data.overdue > 0 {
		says += ", " + itoa(s.data.overdue) + " overdue"
	}
	if all > 0 {
		return check{"tasks", true, says, ""}
	}
	next := named(a.keys.Sync) + " asks the server; when that brings none either, ask the office"
	if a.sum.Device.ID == "" {
		next = named(a.keys.Add) + " in the list adds one"
	}
	return check{"tasks", false, "none of yours is due in the next days", next}
}

// age tells how old what is shown may be.
func (s *readyScreen) age(a *App) check {
	if a.sum.Device.ID == "" {
		return check{"data", true, "all of it is made on this laptop", ""}
	}
	next := named(a.keys.Sync) + " asks the server now"
	if r := a.reachNow(); r == reach.Paused {
		next = named(a.keys.Offline) + " goes online again"
	} else if r != reach.Online {
		next = "It is fetched by itself as soon as there is a connection; wait for ONLINE below"
	}
	last := a.lastSync()
	if last == 0 {
		return check{"data", false, "nothing was heard from the server yet", next}
	}
	says := "last heard from the server " + a.clock(last)
	if old := ago(last, a.now().UnixMilli()); old != "" {
		says += ", " + old + " ago"
	}
	if a.now().UnixMilli()-last > oldData {
		return check{"data", false, says, next}
	}
	return check{"data", true, says, ""}
}

// unsent tells whether the office has all that was done here.
func (a *App) unsent() check {
	n, refused := a.sum.Pending, a.sum.Parked
	them, goOut := "them", "They go out"
	if n == 1 {
		them, goOut = "it", "It goes out"
	}
	switch {
	case refused > 0:
		return check{"sent", false, plural(refused, "change was", "changes were") + " refused by the server", named(a.keys.Queue) + " says why, and what to do"}
	case n > 0 && a.sum.Device.ID == "":
		return check{"sent", true, plural(n, "change", "changes") + " saved on this laptop; no server joined yet", ""}
	case n > 0:
		return check{"sent", false, plural(n, "change waits", "changes wait") + " here; the office does not know of " + them, goOut + " with the next connection; " + named(a.keys.Queue) + " shows " + them}
	}
	return check{"sent", true, "nothing waits to be sent", ""}
}

// clockCheck tells whether the laptop's clock agrees with the server's.
func (a *App) clockCheck() check {
	off := a.sum.ClockOff
	switch {
	case a.sum.Device.ID == "":
		return check{"clock", true, "it is " + a.now().Format("15:04, Monday 2 January 2006"), ""}
	case !a.sum.Device.OffsetKnown:
		return check{"clock", false, "not compared with the server's yet", "That happens by itself with the next connection"}
	case max(off, -off) > wrongClock:
		word := "slow"
		if off < 0 {
			word = "fast"
		}
		return check{"clock", false, ago(0, max(off, -off)) + " " + word + "; changes are dated right all the same", "Set this laptop's clock, for what is due when"}
	}
	return check{"clock", true, "right, by the server's", ""}
}

func (s *readyScreen) disk() check {
	if s.data.free < lowSpace {
		return check{"disk", false, "only " + bytesWords(s.data.free) + " free", "Delete what is not needed: a full disk can save no more work"}
	}
	return check{"disk", true, bytesWords(s.data.free) + " free", ""}
}

// signIn tells whether the server will know this laptop.
func (a *App) signIn() check {
	d := a.sum.Device
	who := a.text(d.User) + ", " + a.text(string(d.Role))
	if len(d.Crews) > 0 {
		who += ", crew " + a.text(strings.Join(d.Crews, " "))
	}
	switch a.reachNow() {
	case reach.NotEnrolled:
		return check{"sign-in", false, "this laptop has joined no server", "Get an invite from the office, then: punchlist enroll"}
	case reach.Unauthorised:
		return check{"sign-in", false, "the server does not accept this laptop any more; all work is safe here", "Get a new invite from the office, then: punchlist enroll"}
	case reach.Outdated:
		return check{"sign-in", false, "this punchlist is too old for the server", "Install the newest; all work is safe here"}
	}
	return check{"sign-in", true, who, ""}
}

// bytesWords is a size as people read it.
func bytesWords(n int64) string {
	const mega, giga = 1 << 20, 1 << 30
	if n >= giga {
		return fmt.Sprintf("%d GB", n/giga)
	}
	return fmt.Sprintf("%d MB", n/mega)
}

func (s *readyScreen) view(a *App, w, h int) []string {
	if !s.loaded {
		return nil
	}
	return scrolled(s.lines(a, w), &s.top, h)
}

func (s *readyScreen) lines(a *App, w int) []string {
	all := s.checks(a)
	bad := 0
	for _, c := range all {
		if !c.ok {
			bad++
		}
	}
	head := a.st.good.Render("READY: all is here, and all is sent.")
	if bad > 0 {
		head = a.st.warn.Render(plural(bad, "thing needs", "things need") + " attention.")
	}
	out := []string{head, ""}
	for _, c := range all {
		mark := a.st.good.Render("ok  ")
		if !c.ok {
			mark = a.st.bad.Render("LOOK")
		}
		says := a.text(c.says)
		if c.next != "" { // read aloud and wrapped, the two must not run into one
			says = sentenceEnd(says)
		}
		for i, l := range wrap(says, max(10, w-19)) {
			lead := strings.Repeat(" ", 18)
			if i == 0 {
				lead = "  " + mark + "  " + a.cell(c.name, 10)
			}
			out = append(out, lead+l)
		}
		if c.next != "" {
			out = append(out, indent(wrap(c.next, max(10, w-23)), strings.Repeat(" ", 18)+"  ")...)
		}
	}
	return out
}

// copied is the whole answer, for whoever asks whether one is ready.
func (s *readyScreen) copied(a *App) (string, string) {
	var out []string
	for _, c := range s.checks(a) {
		mark := "ok  "
		if !c.ok {
			mark = "LOOK"
		}
		out = append(out, mark+"  "+a.cell(c.name, 10)+a.text(c.says))
	}
	return strings.Join(out, "\n") + "\n", "all of this"
}
