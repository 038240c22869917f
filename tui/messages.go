package tui

import (
	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/engine"
)

// Messages from outside the screens. [Program] sends them.
type (
	// StatusMsg is what the engine sees.
	StatusMsg engine.Status
	// ChangedMsg says that something in the database is not as it was.
	ChangedMsg struct{}
	// MinuteMsg comes once a minute: clocks on the screen move.
	MinuteMsg struct{}
)

// Messages from App to its screens.
type (
	// openedMsg is the first message of a screen.
	openedMsg struct{}
	// reloadMsg says that what is shown may be old.
	reloadMsg struct {
		gate bool // keys wait for what is read
	}
	// settledMsg says that the cursor has rested on the task of that generation.
	settledMsg struct{ gen int }
)

// Messages with what a command found. err is the reason when there is nothing.
type (
	// gatedMsg wraps the answer that held keys wait for.
	gatedMsg struct{ inner any }

	summaryMsg struct {
		sum localdb.Summary
		// opened are the conflicts that stand open, for the notice; nil when
		// their number did not grow.
		opened []localdb.Conflict
		// merged are the merges that nobody has looked at; nil likewise.
		merged []localdb.Merge
		// notices are what happened to server or laptop and nobody has read yet.
		notices []localdb.Notice
		err     error
	}
	pageMsg struct {
		want pageWant
		page localdb.Page
		err  error
	}
	taskMsg struct {
		id     string
		view   localdb.TaskView
		events []localdb.Event
		merges []localdb.Merge // that nobody has looked at
		err    error
	}
	sitesMsg struct {
		search string
		sites  []localdb.Record
		err    error
	}
	queueMsg struct {
		after int64
		rows  []localdb.QueueRow
		more  bool
		err   error
	}
	// doomedMsg is what goes with a change that is to be discarded.
	doomedMsg struct {
		of  doomed
		err error
	}
	// readyMsg is what a technician wants to know before leaving.
	readyMsg struct {
		days    []int // open tasks of today and the days after it
		overdue int
		free    int64 // bytes on the disk; -1: not known
		err     error
	}
	conflictsMsg struct {
		rows []localdb.Conflict
		err  error
	}
	// writtenMsg ends a write that the screen from asked for.
	writtenMsg struct {
		from  screen
		said  string   // what was done, in words
		quiet bool     // nothing needs to be said
		plain bool     // said is all there is to say
		final bool     // it cannot be undone
		undid bool     // it took something back, or did it again
		on    []string // the tasks that it was done to: their marks go
		id    string   // the record that was made, if one was
		err   error
		sum   summaryMsg // how things stand after it
	}
)
