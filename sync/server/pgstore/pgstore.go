// Package pgstore keeps the sync server's rows in PostgreSQL, for teams that
// outgrow one file and one process.
//
// It promises what server.Store asks for and storetest checks, to several
// servers on one database at once. A write locks the rows of its crews, in the
// order of their names, and holds them until it commits: so the order of a
// crew's versions is the order of commits. However many steps and ops a write
// holds, it takes two round trips: one locks and reads for all of them, the
// rules decide in memory, one writes everything and commits. What cannot be done
// now (a deadlock, a serialization failure) is tried again here; where the
// database is away or overloaded the error is server.ErrBusy, and whether the
// write was committed is then not known: whoever repeats its ops gets the answer.
//
// It uses only SQL that distributed databases of PostgreSQL's kind run too; a
// test holds the list. Limits: text that PostgreSQL cannot keep (the NUL
// character) is never a name here; the operator is to keep the clock of the
// servers alike, since the store has none.
package pgstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/punchlist/sync/server"
)

const (
	// roundTime bounds one round trip, and connectTime a new connection: a
	// database that does not answer is busy, not waited for.
	roundTime   = 30 * time.Second
	connectTime = 5 * time.Second
	// connections is how many are open at most, unless the address says
	// pool_max_conns: enough for [Lanes] writes and the reads beside them.
	connections = 12
)

// Lanes is how many writes of one server are worth running at once.
const Lanes = 4

// session are settings of each connection, as far as the database knows them.
// Every query here finds its rows by an index, so plans that read whole tables,
// which look good while tables are small or not analysed yet, are out. A server
// that vanished must not hold its crews for long.
var session = map[string]string{
	"enable_seqscan":                      "off",
	"enable_bitmapscan":                   "off",
	"enable_sort":                         "off",
	"enable_hashjoin":                     "off",
	"enable_mergejoin":                    "off",
	"jit":                                 "off",
	"statement_timeout":                   "25s",
	"lock_timeout":                        "15s",
	"idle_in_transaction_session_timeout": "20s",
	"tcp_keepalives_idle":                 "15",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool

	closing context.Context
	close   context.CancelFunc
	wait    sync.WaitGroup

	mu        sync.Mutex // guards listeners
	listeners map[chan struct{}]bool
}

var _ server.Store = (*Store)(nil)

// Open connects to the database that address names (a postgres:// URL or
// PostgreSQL's key=value form) and brings it to the newest schema. What is wrong
// is an [*OpenError] with a cure; no error holds the password.
func Open(ctx context.Context, address string) (*Store, error) {
	config, err := configure(address)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, openError(config, err)
	}
	s := &Store{pool: pool, listeners: map[chan struct{}]bool{}}
	s.closing, s.close = context.WithCancel(context.Background())
	if err := s.migrate(ctx); err != nil {
		s.Close()
		return nil, openError(config, err)
	}
	return s, nil
}

func configure(address string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil { // its text may hold parts of the password
		return nil, &OpenError{Message: "the database's address cannot be read", Cure: "write it like postgres://USER@HOST:5432/DATABASE, with %-escapes for other signs than letters and digits"}
	}
	if !namesPoolSize(address) {
		config.MaxConns = connections
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTime
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "punchlistd"
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		names, values := make([]string, 0, len(session)), make([]string, 0, len(session))
		for name, value := range session {
			names, values = append(names, name), append(values, value)
		}
		_, err := c.Exec(ctx, `SELECT set_config(s.name, w.value, false) FROM unnest($1::text[], $2::text[]) AS w (name, value)
			JOIN pg_settings AS s ON s.name = w.name`, names, values)
		return err
	}
	return config, nil
}

// Close waits for what runs and closes the connections. Closing twice is harmless.
func (s *Store) Close() error {
	s.close()
	s.wait.Wait()
	s.pool.Close()
	return nil
}

// each runs f for every row of a result.
func each(f func(pgx.Rows) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := f(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// reads are queries for one snapshot: they go out together, in one round trip.
type reads struct{ pgx.Batch }

func newReads() *reads {
	r := &reads{}
	r.Queue(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`)
	return r
}

// read sends the queries and hands their rows to what was queued with them.
func (s *Store) read(ctx context.Context, r *reads) error {
	r.Queue(`COMMIT`)
	return s.try(ctx, func(ctx context.Context, c *pgx.Conn) error { return c.SendBatch(ctx, &r.Batch).Close() })
}

// query is a read of one statement, which is a snapshot by itself.
func (s *Store) query(ctx context.Context, scan func(pgx.Rows) error, sql string, args ...any) error {
	return s.try(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		return each(scan)(rows)
	})
}

// write is a small transaction of its own.
func (s *Store) write(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	err := s.again(ctx, func() error {
		return s.try(ctx, func(ctx context.Context, c *pgx.Conn) error {
			return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return do(ctx, tx) })
		})
	})
	if err == nil {
		s.notify()
	}
	return err
}

// try lends a connection for a short time.
func (s *Store) try(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	c, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	return fold(do(ctx, c.Conn()))
}
