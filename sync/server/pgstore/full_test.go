package pgstore_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/punchlist/sync/server"
	"example.com/punchlist/sync/server/pgstore"
)

// A full disk is told apart from a database that is busy for other reasons, and
// is waited out like these.
func TestF59FullDiskIsTold(t *testing.T) {
	for code, full := range map[string]bool{"53100": true, "53200": false, "53300": false, "57P03": false} {
		err := pgstore.Fold(&pgconn.PgError{Code: code})
		if !errors.Is(err, server.ErrBusy) || errors.Is(err, server.ErrFull) != full {
			t.Errorf("%s is %v", code, err)
		}
	}
}
