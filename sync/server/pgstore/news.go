package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// watchEvery is how soon a commit of another server is noticed.
const watchEvery = 250 * time.Millisecond

// Watch signals after commits: of this server at once, of others within
// watchEvery. It asks for one small row four times a second, and only while
// somebody watches: NOTIFY in the writes would make all of them wait for one
// lock when they commit.
func (s *Store) Watch(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	s.listeners[ch] = true
	s.mu.Unlock()
	s.wait.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.listeners, ch)
			close(ch)
			s.mu.Unlock()
		}()
		s.watch(ctx, ch)
	})
	return ch
}

func (s *Store) watch(ctx context.Context, ch chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	last, known := "", false
	for {
		var now string
		err := s.query(ctx, func(rows pgx.Rows) error { return rows.Scan(&now) },
			`SELECT (SELECT coalesce(sum(version), 0) FROM crews)::text || ' ' || coalesce((SELECT value FROM settings WHERE name = $1), '')`, accountsSetting)
		if err == nil {
			if known && now != last {
				poke(ch)
			}
			last, known = now, true
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Store) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.listeners {
		poke(ch)
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // one waits already
	}
}

// Heads reads the newest version of each crew.
func (s *Store) Heads(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	err := s.query(ctx, func(rows pgx.Rows) error {
		var name string
		var version int64
		err := rows.Scan(&name, &version)
		out[name] = version
		return err
	}, `SELECT name, version FROM crews`)
	return out, err
}

// Standing reads the crews of those devices that may come in now.
func (s *Store) Standing(ctx context.Context, devices []string) (map[string][]string, error) {
	out := make(map[string][]string, len(devices))
	err := s.query(ctx, func(rows pgx.Rows) error {
		var device string
		crews := []string{}
		err := rows.Scan(&device, &crews)
		out[device] = crews
		return err
	}, `SELECT d.id, `+crewsOfUser+` FROM devices AS d JOIN users AS u ON u.name = d.author
		WHERE d.id = ANY($1::text[]) AND d.revoked_at = 0 AND u.disabled_at = 0`, devices)
	return out, err
}
