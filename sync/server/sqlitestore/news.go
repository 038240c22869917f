package sqlitestore

import (
	"context"
	"database/sql"
	"time"

	"example.com/punchlist/localdb/sqlite"
)

// watchEvery is how soon a commit of another process is noticed.
const watchEvery = 250 * time.Millisecond

// Watch signals after commits, those of other processes on the file too.
func (s *Store) Watch(ctx context.Context) <-chan struct{} { return s.db.Watch(ctx, watchEvery) }

// Heads reads the newest version of each crew.
func (s *Store) Heads(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	err := s.read(ctx, func(t *sqlite.Tx) error {
		return each(t, func(r *sql.Rows) error {
			var name string
			var version int64
			err := r.Scan(&name, &version)
			out[name] = version
			return err
		}, `SELECT name, version FROM crews`)
	})
	return out, err
}

// Standing reads the crews of those devices that may come in now.
func (s *Store) Standing(ctx context.Context, devices []string) (map[string][]string, error) {
	out := make(map[string][]string, len(devices))
	err := s.read(ctx, func(t *sqlite.Tx) error {
		return each(t, func(r *sql.Rows) error {
			var device string
			var crew *string
			err := r.Scan(&device, &crew)
			if out[device] == nil {
				out[device] = []string{}
			}
			if crew != nil {
				out[device] = append(out[device], *crew)
			}
			return err
		}, `SELECT d.id, m.crew FROM json_each(?) AS w CROSS JOIN devices AS d ON d.id = w.value
			JOIN users AS u ON u.name = d.user LEFT JOIN members AS m ON m.user = u.name
			WHERE d.revoked_at = 0 AND u.disabled_at = 0 ORDER BY d.id, m.place`, list(devices))
	})
	return out, err
}
