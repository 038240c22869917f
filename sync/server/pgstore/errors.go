package pgstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/punchlist/sync/server"
)

// Codes of PostgreSQL's errors that are told apart here.
const (
	codeUnique        = "23505"
	codeTableExists   = "42P07"
	codeTypeExists    = "42710" // each table has a type: two that make one at once meet there too
	codeNoTable       = "42P01"
	codeNoColumn      = "42703"
	codeNoRight       = "42501"
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeNoDatabase    = "3D000"
	codeNoSchema      = "3F000"
	codeNoLogin       = "28000"
	codeWrongPassword = "28P01"
	codeReadOnly      = "25006" // a standby, or one that was one until just now
	codeLockTime      = "55P03"
	codeDiskFull      = "53100"
	codeCanceled      = "57014" // statement_timeout among others
)

// away are the classes of errors by which the database says that it cannot
// now: connection lost, out of resources (disk, memory, connections), shut down.
var away = []string{"08", "53", "57P"}

func codeOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// fold turns the driver's errors into the server's, in this one place.
func fold(err error) error {
	if err == nil || errors.Is(err, server.ErrBusy) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return server.ErrUnknown
	}
	if codeOf(err) == codeDiskFull {
		return fmt.Errorf("%w: %w", server.ErrFull, err)
	}
	if transient(err) || unusable(err) {
		return fmt.Errorf("%w: %w", server.ErrBusy, err)
	}
	return err
}

// unusable tells of a database that a person has to open again to a server that
// runs: no connection is made any more (another password, no right to log in,
// another name), or a right was taken. What a laptop asks is not at fault, and is
// served afterwards without a restart.
func unusable(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || codeOf(err) == codeNoRight
}

// transient tells whether the same may succeed later.
func transient(err error) bool {
	switch code := codeOf(err); code {
	case codeSerialization, codeDeadlock, codeReadOnly, codeLockTime, codeCanceled:
		return true
	case "":
	default:
		for _, class := range away {
			if strings.HasPrefix(code, class) {
				return true
			}
		}
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errLost)
}

// errLost is a connection that was closed under a statement.
var errLost = errors.New("the connection to the database was lost")

// tries is how often a transaction that met another one is made.
const tries = 16

// again makes a transaction anew when it met another one: the database undid it
// whole, and says so. What became of one whose connection was lost nobody knows:
// that is not tried again here.
func (s *Store) again(ctx context.Context, do func() error) error {
	pause := 2 * time.Millisecond
	for n := 1; ; n++ {
		err := do()
		if code := codeOf(err); code != codeSerialization && code != codeDeadlock || n == tries {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// OpenError says why a database cannot be used, and what to do.
type OpenError struct{ Message, Cure string }

// Error is the sentence.
func (e *OpenError) Error() string { return e.Message }

// Hint is the next step.
func (e *OpenError) Hint() string { return e.Cure }

// openError says what is wrong with a database. Neither the driver's text nor
// the address is shown whole: they may hold the password.
func openError(config *pgxpool.Config, err error) error {
	var known *OpenError
	if errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	c := config.ConnConfig
	at := fmt.Sprintf("%s:%d", c.Host, c.Port)
	switch code := codeOf(err); {
	case code == codeWrongPassword:
		return &OpenError{fmt.Sprintf("the database at %s refuses the password of %s", at, c.User), "set $PGPASSWORD, or write it into ~/.pgpass"}
	case code == codeNoLogin:
		return &OpenError{fmt.Sprintf("the database at %s does not let %s in from here", at, c.User), "see pg_hba.conf on that machine, and whether the role may log in"}
	case code == codeNoDatabase:
		return &OpenError{fmt.Sprintf("there is no database %s at %s", c.Database, at), "make it: createdb " + c.Database}
	case code == codeNoRight:
		return &OpenError{fmt.Sprintf("%s may not do what is needed in the database %s: %s", c.User, c.Database, serverText(err)),
			"as its owner: GRANT CREATE, USAGE ON SCHEMA public TO " + c.User + "; where the tables are there already: " + grant("public", c.User)}
	case code == codeReadOnly:
		return readOnlyError(c)
	case strings.HasPrefix(code, "57P"):
		return &OpenError{fmt.Sprintf("the database at %s does not answer now: %s", at, serverText(err)), "try again in a moment; see PostgreSQL's log where that does not end"}
	case code == codeNoSchema:
		return &OpenError{fmt.Sprintf("the database %s has no schema in which %s may make tables", c.Database, c.User),
			"as its owner: GRANT CREATE, USAGE ON SCHEMA public TO " + c.User + "; or name another schema with search_path"}
	case strings.HasPrefix(code, "53"):
		return &OpenError{fmt.Sprintf("the database at %s is full: %s", at, serverText(err)), "raise max_connections or lower pool_max_conns in the address; or free disk space"}
	case code != "":
		return fmt.Errorf("open the database %s at %s: %s (SQLSTATE %s)", c.Database, at, serverText(err), code)
	case refusesTLS(err):
		return &OpenError{fmt.Sprintf("the database at %s does not answer%s", at, reason(err)), "add sslmode=disable to the address where nobody else is on the way, or switch ssl on in postgresql.conf; sslrootcert=FILE names whose certificates are good"}
	case transient(err):
		return &OpenError{fmt.Sprintf("the database at %s does not answer%s", at, reason(err)), "see whether PostgreSQL runs and listens there: pg_isready -h " + c.Host + " -p " + fmt.Sprint(c.Port)}
	}
	return fmt.Errorf("open the database %s at %s: %w", c.Database, at, err)
}

// serverText is what the database itself says.
func serverText(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}

// refusesTLS tells of a machine that answers, and with which no TLS is agreed on.
// The driver has no value for a server that speaks none.
func refusesTLS(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert) || cause(err).Error() == "server refused TLS connection"
}

// cause is the innermost error, of several the first one's: what wraps it names
// the address.
func cause(err error) error {
	for {
		var next error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		case interface{ Unwrap() []error }:
			next = e.Unwrap()[0]
		}
		if next == nil {
			return err
		}
		err = next
	}
}

// reason is the system's word on a connection that was not made.
func reason(err error) string {
	var dns *net.DNSError
	var call *net.OpError
	switch {
	case errors.As(err, &dns):
		return ": " + dns.Error()
	case errors.As(err, &call):
		return ": " + call.Err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return " in time"
	case refusesTLS(err):
		return ": " + cause(err).Error()
	}
	return ""
}

func namesPoolSize(address string) bool { return strings.Contains(address, "pool_max_conns") }
