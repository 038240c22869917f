package sqlitestore

import (
	"fmt"
	"runtime/debug"

	"example.com/punchlist/localdb/sqlite"
	"example.com/punchlist/sync/server"
)

// writer writes what was decided, beside the deciding of what comes next: each
// takes about as long as the other, and so a machine with two cores does both at
// once. Jobs are done in their order. A connection serves one goroutine at a
// time, so whoever wants to read waits until the writer is idle.
//
//	decide 1 ─► decide 2 ─► decide 3 ─► …
//	       └─► write 1 ─► write 2 ─► …
//
// One that was not started writes at once.
type writer struct {
	t    *sqlite.Tx
	jobs chan job
	done chan struct{} // closed: the goroutine ended
	err  error         // the first one; the goroutine's until done
}

// job is what one step writes. With a reply there is nothing to write: it is told
// how it went so far.
type job struct {
	effects server.Effects
	freed   []server.Row
	reply   chan error
}

// ahead is how many steps may be decided and not written yet.
const ahead = 4

func (w *writer) start() {
	w.jobs, w.done = make(chan job, ahead), make(chan struct{})
	go func() {
		defer close(w.done)
		for j := range w.jobs {
			switch {
			case j.reply != nil:
				j.reply <- w.err
			case w.err == nil: // else the transaction is lost
				w.err = survive(func() error { return store(w.t, j.effects, j.freed) })
			}
		}
	}()
}

// survive makes a panic an error: it must not end the server, as it would not in
// the goroutine of a request.
func survive(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("write what was decided: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// put writes a job now or soon; an error may be an earlier one's, or be told by
// idle or wait only.
func (w *writer) put(j job) error {
	if w.jobs == nil {
		return store(w.t, j.effects, j.freed)
	}
	w.jobs <- j
	return nil
}

// idle waits for all jobs so far.
func (w *writer) idle() error {
	if w.jobs == nil {
		return nil
	}
	reply := make(chan error, 1)
	w.jobs <- job{reply: reply}
	return <-reply
}

// wait waits for all jobs and ends the goroutine. Called twice it is harmless.
func (w *writer) wait() error {
	if w.jobs == nil {
		return nil
	}
	close(w.jobs)
	<-w.done
	w.jobs = nil
	return w.err
}
