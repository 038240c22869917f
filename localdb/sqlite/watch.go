package sqlite

import (
	"context"
	"time"
)

// Watch tells of commits: at once of those made through this DB, and within
// every of those made by another process. Signals are coalesced: a slow receiver
// gets one for many. The channel is closed when ctx ends or the DB is closed.
func (db *DB) Watch(ctx context.Context, every time.Duration) <-chan struct{} {
	ch := make(chan struct{}, 1)
	db.mu.Lock()
	db.listeners[ch] = true
	db.mu.Unlock()
	recovered := db.recovered
	if recovered == nil {
		recovered = func() {}
	}
	db.wait.Go(func() {
		defer recovered()
		defer func() {
			db.mu.Lock()
			delete(db.listeners, ch)
			close(ch)
			db.mu.Unlock()
		}()
		db.watch(ctx, ch, every)
	})
	return ch
}

// Recover sets what the goroutines of later watches defer, so that a panic in one
// is dealt with by whoever owns the terminal. It is to be called before them.
func (db *DB) Recover(f func()) { db.recovered = f }

// watch polls PRAGMA data_version, which costs microseconds and, unlike file
// notifications, misses nothing. The number only means something on one and the
// same connection, so the watcher keeps one of its own.
func (db *DB) watch(ctx context.Context, ch chan struct{}, every time.Duration) {
	var c *conn
	defer func() {
		if c != nil {
			c.closeAll()
		}
	}()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last int64 = -1
	for {
		if c == nil { // at first, and after another process was recovering the file
			c, _ = pin(ctx, db.readPool)
		}
		if c != nil {
			var v int64
			t := Tx{ctx: context.Background(), c: c}
			if err := t.Scan([]any{&v}, "PRAGMA data_version"); err == nil {
				if last >= 0 && v != last {
					poke(ch)
				}
				last = v
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-db.closing.Done():
			return
		case <-ticker.C:
		}
	}
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
