package tui

import (
	"context"
	"errors"
	"sync"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	tea "github.com/charmbracelet/bubbletea"
)

// All input and output of the screens is in this file, but for what drafts
// (draft.go) and the person's editor (editor.go) need.

// jobs counts the commands that use the database, so that nobody closes it
// under them: Bubble Tea does not wait for commands at the end.
type jobs struct {
	// lasting is the context of writes: it outlives the program's end by lastWait.
	lasting context.Context
	giveUp  context.CancelFunc

	mu     sync.Mutex // guards closed and the step from 0 to 1 of wg
	wg     sync.WaitGroup
	closed bool
}

// lastWait is how long a write that waits for another program may go on waiting
// when the program ends. One that has begun is not broken off.
const lastWait = 700 * time.Millisecond

func newJobs() *jobs {
	j := &jobs{}
	j.lasting, j.giveUp = context.WithCancel(context.Background())
	return j
}

func (j *jobs) begin() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	j.wg.Add(1)
	return true
}

// hurry gives writes that wait for another program their last moment.
func (j *jobs) hurry() { time.AfterFunc(lastWait, j.giveUp) }

// finish lets no further command begin and waits for those under way; writes that
// another program does not let in are given up, and were never called saved.
func (j *jobs) finish() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.hurry()
	j.wg.Wait()
	j.giveUp()
}

// run makes a command of work on the database.
func (a *App) run(work func(context.Context) tea.Msg) tea.Cmd {
	ctx, j := a.ctx, a.jobs
	return func() tea.Msg {
		if !j.begin() {
			return nil
		}
		defer j.wg.Done()
		return work(ctx)
	}
}

// gated marks a command as one that further keys wait for.
func (a *App) gated(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	a.gate++
	return func() tea.Msg { return gatedMsg{cmd()} }
}

// writing is a write and what to say when it is saved.
type writing struct {
	from  screen
	said  string
	quiet bool
	plain bool     // said is all there is to say
	final bool     // it cannot be undone
	on    []string // tasks whose marks have done their service then
	// more is what can only be said afterwards; "" mostly.
	more func(context.Context, *localdb.DB) string
	work func(context.Context, *localdb.DB) (id string, err error)
}

// slowMsg comes when a write has not ended after a while.
type slowMsg struct{ gen int }

// awaited is a write that keys wait for, with a word for the person where it takes
// long: another program may hold the database.
func (a *App) awaited(cmd tea.Cmd) tea.Cmd {
	a.writes++
	gen := a.writes
	return tea.Batch(a.gated(cmd), tea.Tick(a.o.Slow, func(time.Time) tea.Msg { return slowMsg{gen} }))
}

// slow says why nothing moves, if it is still that write which is waited for.
func (a *App) slow(msg slowMsg) {
	if msg.gen == a.writes && msg.gen != a.wrote {
		a.say(stillSaving)
	}
}

const stillSaving = "Not saved yet: another program holds the database. Keys wait; ctrl+c leaves."

// write saves. It runs to its end even when the program is told to stop
// meanwhile: a transaction takes milliseconds, and what a person typed last
// shall not be lost to a hang-up.
func (a *App) write(w writing) tea.Cmd {
	if !a.canWrite() {
		return nil
	}
	db, summary := a.o.DB, a.summary()
	return a.awaited(a.run(func(ctx context.Context) tea.Msg {
		id, err := w.work(a.jobs.lasting, db)
		said := w.said
		if err == nil && w.more != nil {
			said += w.more(ctx, db)
		}
		return writtenMsg{from: w.from, said: said, quiet: w.quiet, plain: w.plain, final: w.final, on: w.on, id: id, err: err, sum: summary(ctx)}
	}))
}

// summary is the read of what the truth line shows. A write makes it too, and
// brings both in one message: no frame may say "saved" beside counts from before.
func (a *App) summary() func(context.Context) summaryMsg {
	db, before, known := a.o.DB, a.sum, a.sumKnown
	return func(ctx context.Context) summaryMsg {
		sum, err := db.Summary(ctx)
		msg := summaryMsg{sum: sum, err: err}
		if err == nil && known && sum.Conflicts > before.Conflicts {
			msg.opened, msg.err = db.Conflicts(ctx, false)
		}
		if msg.err == nil && known && sum.Merges > before.Merges {
			msg.merged, msg.err = db.Merges(ctx, "", sum.Merges-before.Merges)
		}
		if msg.err == nil {
			msg.notices, msg.err = db.Notices(ctx)
		}
		return msg
	}
}

// markRead notes that a notice of the database was on the screen until a key
// took it away.
func (a *App) markRead() tea.Cmd {
	if !a.unread || a.notice != "" {
		return nil
	}
	a.unread = false
	db := a.o.DB
	return a.run(func(ctx context.Context) tea.Msg {
		if err := db.ReadNotices(a.jobs.lasting); err != nil {
			return summaryMsg{err: err}
		}
		return nil
	})
}

func (a *App) loadSummary() tea.Cmd {
	summary := a.summary()
	return a.run(func(ctx context.Context) tea.Msg { return summary(ctx) })
}

// loadPage reads a page of the list and gives up the one that is still on its
// way: only the newest keystroke's page is wanted.
func (a *App) loadPage(want pageWant) tea.Cmd {
	db := a.o.DB
	want.query.Now = a.now()
	a.dropPage()
	var ctx context.Context
	ctx, a.dropPage = context.WithCancel(a.ctx)
	return a.run(func(context.Context) tea.Msg {
		page, err := db.Tasks(ctx, want.query)
		return pageMsg{want: want, page: page, err: err}
	})
}

// mergesShown bounds what one task tells of merges.
const mergesShown = 5

// seenMerges notes that the person has a task's merges before the eyes.
func (a *App) seenMerges(id string) tea.Cmd {
	db := a.o.DB
	return a.run(func(ctx context.Context) tea.Msg {
		if err := db.MergesSeen(a.jobs.lasting, id); err != nil && !errors.Is(err, localdb.ErrReadOnly) {
			return keptMsg{err}
		}
		return nil
	})
}

// indexSearch brings the index for searching up to date while the person reads
// or types. It is a help, no condition: without it a search only takes longer.
func (a *App) indexSearch() tea.Cmd {
	db := a.o.DB
	return a.run(func(ctx context.Context) tea.Msg {
		_ = db.IndexSearch(ctx)
		return nil
	})
}

// historyShown bounds the history under a task; older lines are in the file.
const historyShown = 50

func (a *App) loadTask(id string) tea.Cmd {
	db := a.o.DB
	return a.run(func(ctx context.Context) tea.Msg {
		view, err := db.Task(ctx, id)
		if err != nil {
			return taskMsg{id: id, err: err}
		}
		events, err := db.History(ctx, id, historyShown)
		msg := taskMsg{id: id, view: view, events: events, err: err}
		if err == nil && view.Sync == localdb.BadgeMerged {
			msg.merges, msg.err = db.Merges(ctx, id, mergesShown)
		}
		return msg
	})
}

// sitesShown is how many sites a search offers.
const sitesShown = 6

func (a *App) findSites(search string) tea.Cmd {
	db := a.o.DB
	return a.run(func(ctx context.Context) tea.Msg {
		sites, err := db.Sites(ctx, search, sitesShown)
		return sitesMsg{search: search, sites: sites, err: err}
	})
}

// queuePage is how many ops are read at once.
const queuePage = 200

func (a *App) loadQueue(after int64, limit int) tea.Cmd {
	db := a.o.DB
	return a.run(func(ctx context.Context) tea.Msg {
		rows, err := db.Queue(ctx, after, limit)
		return queueMsg{after: after, rows: rows, more: len(rows) == limit, err: err}
	})
}

// loadDoomed looks what hangs on a change.
func (a *App) loadDoomed(row localdb.QueueRow) tea.Cmd {
	db := a.o.DB
	return a.run(func(ctx context.Context) tea.Msg {
		all, err := db.Dependents(ctx, row.Op.ID)
		return doomedMsg{of: doomedBy(row, all), err: err}
	})
}

// readyDays is how many days are looked at before leaving, today being one.
const readyDays = 3

// loadReady counts this person's open tasks of the next days, and looks at the disk.
func (a *App) loadReady() tea.Cmd {
	db, now, user, free := a.o.DB, a.now(), a.sum.Device.User, a.o.Free
	whose := "status:open"
	if a.sum.Device.ID != "" {
		whose += " assignee:me"
	}
	return a.run(func(ctx context.Context) tea.Msg {
		msg := readyMsg{free: -1}
		count := func(filter string) int {
			f, err := localdb.ParseFilter(whose+" "+filter, now, user)
			n := 0
			if err == nil && msg.err == nil {
				n, err = db.CountTasks(ctx, f)
			}
			msg.err = errors.Join(msg.err, err)
			return n
		}
		for day := range readyDays {
			msg.days = append(msg.days, count("due:"+now.AddDate(0, 0, day).Format("2006-01-02")))
		}
		msg.overdue = count("due:<" + now.Format("2006-01-02"))
		if free != nil {
			if n, err := free(); err == nil {
				msg.free = n
			}
		}
		return msg
	})
}

func (a *App) loadConflicts() tea.Cmd {
	db := a.o.DB
	return a.run(func(ctx context.Context) tea.Msg {
		rows, err := db.Conflicts(ctx, false)
		return conflictsMsg{rows: rows, err: err}
	})
}

// syncNow asks the engine for a round.
func (a *App) syncNow() tea.Cmd {
	order := a.o.Sync
	return func() tea.Msg { order(); return nil }
}

// switchOffline tells the engine to stop talking, or to talk again.
func (a *App) switchOffline(on bool) tea.Cmd {
	order := a.o.Offline
	return func() tea.Msg { order(on); return nil }
}

// explain is an error in the words of its cure.
func explain(err error) string {
	var cure *localdb.Error
	var refusal *op.Refusal
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return ""
	case errors.As(err, &cure) && cure.Hint != "":
		return cure.Message + "; " + cure.Hint
	case errors.As(err, &cure):
		return cure.Message
	case errors.As(err, &refusal):
		return refusal.Error()
	case errors.Is(err, localdb.ErrNotFound):
		return "It is not here any more; somebody deleted it or it left your crew."
	case errors.Is(err, localdb.ErrLocked):
		return "Nothing was written: another program holds the database. Press the key again in a moment."
	}
	return err.Error()
}
