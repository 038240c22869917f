package tui

import (
	"context"
	"strings"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/reach"
	"example.com/punchlist/tui/terminal"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// Options are what the screen takes from outside.
type Options struct {
	DB      *localdb.DB
	Now     func() time.Time    // its location is the one that times are shown in
	Sync    func()              // asks the engine for a round now; nil: there is no engine
	Offline func(on bool)       // work offline, or online again; nil: there is no engine
	Paused  bool                // work offline from the start
	ASCII   bool                // the locale cannot show more than ASCII
	NoColor bool                // NO_COLOR is set
	Ground  Ground              // what the colours must be read on
	Keys    map[string][]string // other keys for commands, as [CheckKeys] takes them
	Editor  Editor
	// Export writes all unsent work to a new file and tells how many changes that
	// were; nil: it cannot be done from here.
	Export func(ctx context.Context, file string) (int, error)
	Notice string // what the person must know at the start
	Banner string // stands at the right of the head line: what the demo says of itself
	// Settle is how long the cursor rests on a row before the task beside the
	// list is drawn: over a slow line the pane must not follow each key. 0 means 150 ms.
	Settle time.Duration
	// Slow is how long a save may take before the screen says that it does. 0 means 1.5 s.
	Slow time.Duration
	// Draft is how long after a key the text of a form is kept. 0 means 400 ms.
	Draft time.Duration
	Views []View // on the keys 1 to 9; nil: [StandardViews]
	// Free is the room on the disk that the database is on, in bytes; nil: nobody knows.
	Free func() (int64, error)
}

// The smallest terminal that the screens can be used on, and the width from
// which list and task stand side by side.
const (
	minWidth  = 40
	minHeight = 12
	wideFrom  = 120
)

// maxHeld bounds the keys that wait for a screen's data; more than a person
// types while a database answers is noise.
const maxHeld = 1000

// shape says where a screen stands.
type shape int

const (
	full  shape = iota // the whole width
	pane               // beside the list where the terminal is wide
	sheet              // at the bottom, over the screen below it, which stays in sight; takes all keys
)

// screen is one screen: a plain struct that App owns. update answers messages
// and changes nothing but its own screen and, through App's methods, the stack;
// view draws at most h lines; help lists its keys, the key line's first.
type screen interface {
	update(a *App, msg tea.Msg) tea.Cmd
	view(a *App, w, h int) []string
	help(a *App) []key.Binding
	title(a *App) string
	shape() shape
	typing() bool // letters are text now, not keys
}

// App is the program's model: the stack of screens, and what all of them show.
type App struct {
	o    Options
	ctx  context.Context // bounds what commands read; ends with the program
	jobs *jobs
	st   styles
	keys keyMap
	w, h int

	stack    []screen
	tasks    *tasksScreen       // the one at the bottom of the stack
	dropPage context.CancelFunc // gives up the list's page that is on its way

	sum      localdb.Summary
	sumKnown bool
	status   StatusMsg
	switched bool // the person chose to work offline

	said   string // about the last key; until the next one
	asked  int64  // when the person asked for a round last, ms
	undone bool   // the summary that comes next follows an undo
	final  bool   // what was done last cannot be undone, and nobody was told yet
	undos  int    // how many are under way: others may tell of what they open before they end
	notice string // somebody must see this: until a key is pressed where nothing is typed
	unread bool   // it is one that the database keeps until it was read

	gate    int          // commands that keys wait for
	held    []tea.KeyMsg // the keys that wait
	writes  int          // how many were begun; see slowMsg
	wrote   int          // … when the last one ended
	leaving bool         // quit as soon as what is under way is saved
	cursor  terminal.Cursor

	low      int       // lines of the sheet in the last frame, its rule included
	keySpots []keySpot // what stands in its key line
	spoken   bool      // the frames are read out, not looked at: a fact a line
}

// What the terminal asks of a model.
var (
	_ tea.Model             = (*App)(nil)
	_ terminal.CursorPlacer = (*App)(nil)
	_ terminal.Leaver       = (*App)(nil)
)

// New makes the screen. ctx bounds its reads.
func New(ctx context.Context, o Options) *App {
	if o.Settle == 0 {
		o.Settle = 150 * time.Millisecond
	}
	if o.Slow == 0 {
		o.Slow = 1500 * time.Millisecond
	}
	if o.Draft == 0 {
		o.Draft = 400 * time.Millisecond
	}
	if o.Views == nil {
		o.Views = StandardViews()
	}
	a := &App{o: o, switched: o.Paused, ctx: ctx, jobs: newJobs(), st: newStyles(o), keys: newKeys(), dropPage: func() {}, notice: o.Notice}
	a.keys.rebind(o.Keys)
	a.tasks = newTasksScreen()
	a.stack = []screen{a.tasks}
	return a
}

func (a *App) now() time.Time { return a.o.Now() }

// Init reads what the first frame shows.
func (a *App) Init() tea.Cmd {
	return tea.Batch(a.gated(a.loadSummary()), a.tasks.update(a, openedMsg{}), a.indexSearch())
}

// Update answers one message.
func (a *App) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		return a, a.typed(msg)
	case tea.MouseMsg:
		return a, a.mouse(msg)
	case gatedMsg:
		a.gate--
		cmd := a.handle(msg.inner)
		return a, tea.Batch(cmd, a.release())
	}
	return a, a.handle(msg)
}

func (a *App) handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.w, a.h = msg.Width, msg.Height
	case StatusMsg:
		a.status = msg
		// What the person chose is the person's: an engine that has not noticed
		// yet, or a demo whose cable is out, says something else meanwhile.
		a.switched = a.switched || msg.Reach == reach.Paused
		a.sayAnswer()
		return nil
	case ChangedMsg, MinuteMsg:
		return a.reload(false)
	case summaryMsg:
		a.heard(msg)
		return nil
	case writtenMsg:
		return a.written(msg)
	case draftMsg:
		if msg.gen != msg.of.keeper().gen {
			return nil
		}
		return a.saveDraft(msg.of)
	case outsideMsg:
		return a.outsideWent(msg)
	case editMsg:
		return a.edit(msg)
	case insideMsg:
		return a.cameInside(msg)
	case editedMsg:
		return a.edited(msg)
	case slowMsg:
		a.slow(msg)
		return nil
	case goOnMsg:
		return a.goesOn(msg)
	case keptMsg:
		a.say(explain(msg.err))
		return nil
	case terminal.NoJobControlMsg:
		a.say("There is no shell to come back from; ctrl+c quits, what was saved is safe.")
		return nil
	case nil:
		return nil
	}
	return a.broadcast(msg)
}

// broadcast gives a message to all screens: what an answer belongs to may be
// covered by another one meanwhile.
func (a *App) broadcast(msg tea.Msg) tea.Cmd {
	var cmds []tea.Cmd
	for _, s := range append([]screen(nil), a.stack...) {
		cmds = append(cmds, s.update(a, msg))
	}
	return tea.Batch(cmds...)
}

// reload reads again what is shown. With gate, keys wait until it is there:
// what follows a save must act on what was saved.
func (a *App) reload(gate bool) tea.Cmd {
	return tea.Batch(a.maybeGated(gate, a.loadSummary()), a.broadcast(reloadMsg{gate: gate}))
}

func (a *App) maybeGated(gate bool, cmd tea.Cmd) tea.Cmd {
	if gate {
		return a.gated(cmd)
	}
	return cmd
}

// written tells the person that a write is safe, or why it was not made.
func (a *App) written(msg writtenMsg) tea.Cmd {
	a.wrote = a.writes
	if msg.err == nil && !msg.quiet {
		a.say(a.savedWords(msg))
	}
	if msg.err != nil {
		a.say(explain(msg.err))
	}
	if msg.err == nil {
		a.final = msg.final
	}
	if a.undone = msg.undid; msg.undid {
		a.undos--
	}
	if msg.sum.err == nil {
		a.heard(msg.sum)
	}
	cmd := a.broadcast(msg)
	return tea.Batch(cmd, a.broadcast(reloadMsg{gate: true}))
}

// savedWords are what was done and the promise, as far as there is room.
func (a *App) savedWords(msg writtenMsg) string {
	if msg.plain {
		return msg.said
	}
	said := strings.TrimSpace(msg.said + " " + a.saved())
	for _, shorter := range []string{" Saved on this laptop.", " Saved."} {
		if width(said) > a.w {
			said = strings.TrimSpace(msg.said + shorter)
		}
	}
	return said
}

// saved is the promise after each save: no more than is known. That the server was
// there a moment ago is no word on now; whether it goes out the truth line says.
func (a *App) saved() string {
	if a.sum.Device.ID == "" || a.reachNow() == reach.Online {
		return "Saved on this laptop."
	}
	return "Saved on this laptop. Will go out when there is a connection."
}

// heard takes a summary, and tells of what came in since the last one.
func (a *App) heard(msg summaryMsg) {
	if msg.err != nil {
		a.say(explain(msg.err))
		return
	}
	switch before := a.sum; {
	case !a.sumKnown:
	case a.undone || a.undos > 0: // what stands open again is no news
	case msg.opened != nil && msg.sum.Conflicts > before.Conflicts: // else another answer was quicker, and told of them
		a.notice = a.conflictNotice(msg.opened[:min(len(msg.opened), msg.sum.Conflicts-before.Conflicts)])
	case msg.sum.Parked > before.Parked:
		a.notice = "The server refused " + plural(msg.sum.Parked-before.Parked, "change", "changes") + ": press " + named(a.keys.Queue) + " to see why."
	case len(msg.merged) > 0 && a.notice == "":
		a.notice = a.mergeNotice(msg.merged)
	}
	if a.notice == "" && len(msg.notices) > 0 {
		a.notice, a.unread = a.noticeWords(msg.notices[0]), true
	}
	a.sum, a.sumKnown, a.undone = msg.sum, true, false
}

// noticeWords is a notice in the one line that there is.
func (a *App) noticeWords(n localdb.Notice) string {
	switch n.Code {
	case localdb.NoticeReset:
		return "The server was restored from a backup: what this laptop sent is offered again."
	case localdb.NoticeForked:
		return "This laptop's data was copied or restored from a backup: nothing is lost."
	case localdb.NoticeNewer:
		return "This punchlist is too old for some of the server's news: install the newest."
	case localdb.NoticeAway:
		return "This laptop was away for long: everything was fetched again."
	case localdb.NoticeMended:
		return "Some records here were not what the server holds: they were put right."
	case localdb.NoticeDiffers:
		return "Records here differ from the server's: tell the office (punchlist verify)."
	}
	return a.text(n.Message)
}

// conflictNotice says in one line what happened to this person's changes.
func (a *App) conflictNotice(news []localdb.Conflict) string {
	lost := 0
	for _, c := range news {
		if c.Kind != "overrode" {
			lost++
		}
	}
	if lost == 0 {
		return plural(len(news), "change", "changes") + " of yours replaced one you had not seen: press " + named(a.keys.Conflicts) + "."
	}
	return plural(lost, "change", "changes") + " lost to a newer one: press " + named(a.keys.Conflicts) + "."
}

// say puts a sentence above the key line, until the next key.
func (a *App) say(s string) { a.said = s }

// typed takes a key message apart: several keys in one packet arrive as one.
func (a *App) typed(msg tea.KeyMsg) tea.Cmd {
	var cmds []tea.Cmd
	for _, k := range split(msg) {
		if a.tooSmall() {
			cmds = append(cmds, a.pressBlind(k))
			continue
		}
		if a.gate > 0 && k.Type != tea.KeyCtrlC {
			if len(a.held) < maxHeld {
				a.held = append(a.held, k)
			}
			continue
		}
		cmds = append(cmds, a.press(k), a.markRead())
	}
	return tea.Batch(cmds...)
}

// pressBlind acts on a key that was pressed where no screen can be shown: it leaves,
// or nothing comes of it. Who sees neither task nor text must not change any; what
// a form holds is kept, and stands there when the terminal has grown again.
func (a *App) pressBlind(k tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(k, a.keys.Leave, a.keys.Quit):
		return a.leave()
	case key.Matches(k, a.keys.Suspend):
		return tea.Suspend
	}
	return nil
}

// split makes one message per key of typed letters; a paste stays text. Where
// backspace is ctrl+h, alt with it is alt with backspace.
func split(msg tea.KeyMsg) []tea.KeyMsg {
	if msg.Type == tea.KeyCtrlH && msg.Alt {
		msg.Type = tea.KeyBackspace
	}
	if msg.Type != tea.KeyRunes || msg.Paste || len(msg.Runes) < 2 {
		return []tea.KeyMsg{msg}
	}
	out := make([]tea.KeyMsg, len(msg.Runes))
	for i, r := range msg.Runes {
		out[i] = tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}
		if r == ' ' {
			out[i].Type = tea.KeySpace
		}
	}
	return out
}

// release presses the keys that waited, as far as none of them opens the gate anew.
func (a *App) release() tea.Cmd {
	var cmds []tea.Cmd
	for a.gate == 0 && len(a.held) > 0 {
		k := a.held[0]
		a.held = a.held[1:]
		cmds = append(cmds, a.press(k), a.markRead())
	}
	if a.gate == 0 && a.leaving {
		cmds = append(cmds, a.quit())
	}
	return tea.Batch(cmds...)
}

func (a *App) top() screen { return a.stack[len(a.stack)-1] }

// press acts on one key.
func (a *App) press(k tea.KeyMsg) tea.Cmd {
	top := a.top()
	if k.Alt && (k.Type == tea.KeyRunes || k.Type == tea.KeyEnter && !top.typing()) {
		return a.escaped(k)
	}
	a.said = ""
	modal := top.typing() || top.shape() == sheet
	if !modal {
		a.notice = ""
	}
	switch {
	case key.Matches(k, a.keys.Leave):
		return a.leave()
	case modal && !aside(k): // a letter is a letter, whatever config.toml makes of it
		return tea.Batch(top.update(a, k), a.keepDraft(top))
	case key.Matches(k, a.keys.Suspend):
		return tea.Suspend
	case key.Matches(k, a.keys.Offline):
		return a.toggleOffline()
	case modal:
		return tea.Batch(top.update(a, k), a.keepDraft(top))
	}
	if cmd, ok := a.globalKey(k); ok {
		return cmd
	}
	return top.update(a, k)
}

// escaped takes esc and another key apart that came in one packet: no screen has a
// key with alt, but for enter where text is typed, and keys typed ahead over a slow
// line arrive like that.
func (a *App) escaped(k tea.KeyMsg) tea.Cmd {
	k.Alt = false
	cmd := a.press(tea.KeyMsg{Type: tea.KeyEsc})
	a.held = append([]tea.KeyMsg{k}, a.held...)
	return tea.Batch(cmd, a.release())
}

// leave quits when all that is under way is written; asked twice, at once.
func (a *App) leave() tea.Cmd {
	if a.gate > 0 && !a.leaving {
		a.leaving = true
		if a.wrote != a.writes {
			a.say("The last change is still being saved; ctrl+c again leaves without it.")
		}
		return nil
	}
	return a.quit()
}

// Leave lets what is being written end before the program does, when it must:
// the terminal is gone, or a signal has come.
func (a *App) Leave(error) tea.Cmd {
	jobs, drafts := a.jobs, a.lastDrafts()
	return func() tea.Msg { jobs.hurry(); drafts(); jobs.finish(); return nil }
}

func (a *App) push(s screen) tea.Cmd {
	a.stack = append(a.stack, s)
	return s.update(a, openedMsg{})
}

// pushOnce opens a screen of which there is one at most: on top of others it
// comes to the front as a fresh one.
func (a *App) pushOnce(s screen) tea.Cmd {
	for i, old := range a.stack {
		if old.title(a) == s.title(a) {
			a.stack = append(a.stack[:i:i], a.stack[i+1:]...)
			break
		}
	}
	return a.push(s)
}

func (a *App) pop() tea.Cmd {
	if len(a.stack) > 1 {
		a.stack = a.stack[:len(a.stack)-1]
	}
	return nil
}

// drop closes a screen wherever it stands, and all above it.
func (a *App) drop(s screen) {
	for i := len(a.stack) - 1; i > 0; i-- {
		if a.stack[i] == s {
			a.stack = a.stack[:i]
			return
		}
	}
}

// dead answers a key that means nothing here.
func (a *App) dead(k tea.KeyMsg) tea.Cmd {
	if k.Paste {
		a.say("Pasted text goes into a note (n), a search (/) or a form (a, e).")
		return nil
	}
	a.say(a.cut(a.text(keyName(k.String())), 12) + " does nothing here; ? shows the keys.")
	return nil
}
