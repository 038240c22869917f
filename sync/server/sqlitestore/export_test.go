package sqlitestore

import (
	"context"

	"example.com/punchlist/localdb/sqlite"
)

// OpenFaulty opens a file whose statements fail as fault says.
func OpenFaulty(ctx context.Context, path string, fault func(query string) error) (*Store, error) {
	return openWith(ctx, path, sqlite.Options{Fault: fault})
}
