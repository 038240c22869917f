package sqlite

import (
	"context"
	"time"
)

// Watch tells of commits: at once of those made through this DB, and within
// every of those made by another process. Signals are coalesced: a slow receiver
// gets one for many. The channel is closed when ctx ends or the DB is closed. All
// watchers of a DB share one look at the file: the first one's every counts.
func (db *DB) Watch(ctx context.Context, every time.Duration) <-chan struct{} {
	ch := make(chan struct{}, 1)
	db.mu.Lock()
	db.listeners[ch] = true
	first := !db.looking
	db.looking = true
	db.mu.Unlock()
	recovered := db.recovered
	if recovered == nil {
		recovered = func() {}
	}
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

// look polls PRAGMA data_version while anybody watches. It costs microseconds and,
// unlike file notifications, misses nothing. The number only means something on
// one and the same connection, so there is one for it alone.
func (db *DB) look(every time.Duration) {
	var c *conn
	defer func() {
		if c != nil {
			c.closeAll()
		}
	}()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for last := int64(-1); ; {
		if c == nil { // at first, and after another process was recovering the file
			c, _ = pin(context.Background(), db.readPool)
		}
		if c != nil {
			var v int64
			t := Tx{ctx: context.Background(), c: c}
			if err := t.Scan([]any{&v}, "PRAGMA data_version"); err == nil {
				if last >= 0 && v != last {
					db.notify()
				}
				last = v
			}
		}
		select {
		case <-db.closing.Done():
			return
		case <-ticker.C:
		}
		if db.unwatched() {
			return
		}
	}
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
