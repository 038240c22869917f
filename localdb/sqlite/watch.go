package sqlite

import (
	"context"
	"io"
	"time"
)

// Watch tells of commits: at once of those made through this DB, and within
// every of those made by another process, or sooner with [Options].Hear. The first
// look signals, too. Signals are coalesced: a slow receiver gets one for many. The
// channel is closed when ctx ends or the DB is closed. All watchers of a DB share
// one look at the file: the first one's every counts.
func (db *DB) Watch(ctx context.Context, every time.Duration) <-chan struct{} {
	ch := make(chan struct{}, 1)
	db.mu.Lock()
	db.listeners[ch] = true
	first := !db.looking
	db.looking = true
	db.mu.Unlock()
	recovered := db.recovery()
	if first {
		db.wait.Go(func() {
			defer recovered()
			db.look(every)
		})
	}
	db.wait.Go(func() {
		defer recovered()
		select {
		case <-ctx.Done():
		case <-db.closing.Done():
		}
		db.mu.Lock()
		defer db.mu.Unlock()
		delete(db.listeners, ch)
		close(ch)
	})
	return ch
}

// Recover sets what the goroutines of later watches defer, so that a panic in one
// is dealt with by whoever owns the terminal. It is to be called before them.
func (db *DB) Recover(f func()) { db.recovered = f }

func (db *DB) recovery() func() {
	if db.recovered == nil {
		return func() {}
	}
	return db.recovered
}

// The pace of looks where the kernel tells of writes to the log: one soon after a
// write, because several come together, and then ever fewer, because a write is
// heard before its commit can be seen: the log is synced in between, however long
// that takes.
const (
	lookSoon = 100 * time.Millisecond
	lookLate = 30 * time.Second
)

// look asks PRAGMA data_version while anybody watches: after what is heard, and
// every so often where nothing can be heard. It costs microseconds and misses
// nothing. The number only means something on one and the same connection, so
// there is one for it alone.
func (db *DB) look(every time.Duration) {
	var c *conn
	var e *ears
	defer func() {
		e.close()
		if c != nil {
			c.closeAll()
		}
	}()
	pause := time.Duration(0)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for last := int64(-1); ; {
		select {
		case <-db.closing.Done():
			return
		case _, more := <-e.news(pause > lookSoon): // else a look is near as it is
			if pause = lookSoon; !more {
				e.close()
				e = nil
			}
			timer.Reset(pause)
			continue
		case <-timer.C:
		}
		if last >= 0 && db.unwatched() {
			return
		}
		if c == nil { // at first, and after another process was recovering the file
			c, _ = pin(context.Background(), db.readPool)
		}
		if v, err := c.dataVersion(); err == nil {
			if v != last { // at first too: nobody knows what was committed since the watcher asked
				db.notify()
			}
			last = v
			if e == nil && db.hear {
				e = db.listen()
			}
		}
		if pause = min(max(2*pause, lookSoon), lookLate); e == nil {
			pause = every
		}
		timer.Reset(pause)
	}
}

// dataVersion changes with each commit of another connection.
func (c *conn) dataVersion() (v int64, err error) {
	if c == nil {
		return 0, ErrLocked
	}
	t := Tx{ctx: context.Background(), c: c}
	err = t.Scan([]any{&v}, "PRAGMA data_version")
	return v, err
}

// ears hear of writes to the database's log.
type ears struct {
	from io.ReadCloser
	told chan struct{} // closed when nothing is heard any more
	quit chan struct{}
}

// listen is nil where the kernel tells nothing.
func (db *DB) listen() *ears {
	from, err := writesTo(db.path + "-wal")
	if err != nil {
		return nil
	}
	e := &ears{from: from, told: make(chan struct{}), quit: make(chan struct{})}
	recovered := db.recovery()
	db.wait.Go(func() {
		defer recovered()
		defer close(e.told)
		buf := make([]byte, 4096)
		for {
			if _, err := from.Read(buf); err != nil {
				return
			}
			select {
			case e.told <- struct{}{}:
			case <-e.quit:
				return
			}
		}
	})
	return e
}

// news comes after a write. Who does not want it yet gets it later; the kernel
// makes one of many meanwhile.
func (e *ears) news(wanted bool) <-chan struct{} {
	if e == nil || !wanted {
		return nil
	}
	return e.told
}

func (e *ears) close() {
	if e != nil {
		close(e.quit)
		e.from.Close()
	}
}

// Closes tells that a file beside the database, which must be there, was closed by
// any process: many closes may be told once. It ends with ctx or the DB; nil where the
// kernel tells nothing.
func (db *DB) Closes(ctx context.Context, path string) <-chan struct{} {
	from, err := closesOf(path)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(db.closing, cancel)
	context.AfterFunc(ctx, func() { from.Close() })
	ch := make(chan struct{}, 1)
	recovered := db.recovery()
	db.wait.Go(func() {
		defer recovered()
		defer cancel()
		buf := make([]byte, 4096)
		for {
			if _, err := from.Read(buf); err != nil {
				return
			}
			poke(ch)
		}
	})
	return ch
}

// unwatched ends the looking when nobody watches any more.
func (db *DB) unwatched() bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.looking = len(db.listeners) > 0
	return !db.looking
}

func (db *DB) notify() {
	db.mu.Lock()
	defer db.mu.Unlock()
	for ch := range db.listeners {
		poke(ch)
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
