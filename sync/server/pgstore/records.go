package pgstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/punchlist/sync/server"
)

// Write does the steps in one transaction, so many of them at a time that each
// portion is one look and one change of the database:
//
//	BEGIN, lock crews, read ──► decide, decide, … ──► write, COMMIT
func (s *Store) Write(ctx context.Context, steps iter.Seq[server.Step]) error {
	do := func() error { return s.transact(ctx, steps) }
	err := s.again(ctx, do)
	if codeOf(err) == codeUnique {
		// The same op came by way of another server while its user changed crews, so
		// that the two locked different ones: now its outcome is known.
		err = s.again(ctx, do)
	}
	if err == nil {
		s.notify()
	}
	return err
}

func (s *Store) transact(ctx context.Context, steps iter.Seq[server.Step]) error {
	next, stop := iter.Pull(steps)
	defer stop()
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	t := &transaction{conn: conn.Conn(), locked: map[string]bool{}}
	t.queue(`BEGIN`)
	for {
		list := server.Portion(next)
		if len(list) == 0 {
			break
		}
		if err := t.do(ctx, list); err != nil {
			t.rollback(ctx)
			return fold(err)
		}
	}
	if err := t.commit(ctx); err != nil {
		t.rollback(ctx)
		return fold(err)
	}
	return nil
}

func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	if s.closing.Err() != nil {
		return nil, fmt.Errorf("%w: the store is closed", server.ErrBusy)
	}
	c, err := s.pool.Acquire(ctx)
	return c, fold(err)
}

// transaction is a write under way. Statements are queued and go out together
// with those that wait for an answer.
type transaction struct {
	conn   *pgx.Conn
	batch  *pgx.Batch
	locked map[string]bool // crews
}

func (t *transaction) queue(sql string, args ...any) *pgx.QueuedQuery {
	if t.batch == nil {
		t.batch = &pgx.Batch{}
	}
	return t.batch.Queue(sql, args...)
}

// send sends what is queued in one round trip. It is not given up because the
// caller went away: what was begun is finished, within the time of a round trip.
func (t *transaction) send(ctx context.Context) error {
	if t.batch == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), roundTime)
	defer cancel()
	b := t.batch
	t.batch = nil
	err := t.conn.SendBatch(ctx, b).Close()
	if err != nil && t.conn.IsClosed() && !transient(err) {
		err = errors.Join(errLost, err)
	}
	return err
}

// commit: only a transaction that the database says it committed is done.
func (t *transaction) commit(ctx context.Context) error {
	done := false
	t.queue(`COMMIT`).Exec(func(tag commandTag) error {
		done = tag.String() == "COMMIT"
		return nil
	})
	if err := t.send(ctx); err != nil {
		return err
	}
	if !done {
		return errLost
	}
	return nil
}

func (t *transaction) rollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if t.conn.PgConn().TxStatus() == 'I' {
		return // it ended already
	}
	if _, err := t.conn.Exec(ctx, `ROLLBACK`); err != nil {
		_ = t.conn.Close(ctx) // the database undoes it then
	}
}

// do decides a portion of steps and queues what they write.
func (t *transaction) do(ctx context.Context, list []server.Step) error {
	seen := server.NewView()
	var all server.Effects
	err := seen.Decide(list, func(asked *server.Asked) error { return t.load(ctx, seen, asked) }, func(e server.Effects) error {
		all.Outcomes, all.Conflicts = append(all.Outcomes, e.Outcomes...), append(all.Conflicts, e.Conflicts...)
		all.Links, all.Entries = append(all.Links, e.Links...), append(all.Entries, e.Entries...)
		return nil
	})
	if err != nil {
		return err
	}
	heads := seen.Heads()
	all.Crews, all.Leaves, all.Rows = heads.Crews, heads.Leaves, seen.Rows()
	t.store(all, seen.Freed(all.Rows))
	return nil
}

// load locks what is not locked yet, and reads what the steps need into the view.
func (t *transaction) load(ctx context.Context, seen *server.View, asked *server.Asked) error {
	for _, crew := range asked.Crews {
		// One row a statement, in the order of names: the one thing that writers
		// wait for, and no order in which two could wait for each other.
		lock := ` FOR UPDATE`
		if t.locked[crew.Name] {
			lock = ``
		}
		t.queue(`SELECT `+crewColumns+` FROM crews WHERE name = $1`+lock, crew.Name).Query(each(crewInto(seen)))
	}
	queueReads(t.queue, asked, seen)
	if err := t.send(ctx); err != nil {
		return err
	}
	for _, crew := range asked.Crews {
		t.locked[crew.Name] = true
	}
	return nil
}

func crewInto(seen *server.View) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		c, err := scanCrew(rows)
		seen.FoundCrew(c)
		return err
	}
}

// Load reads what is needed from one snapshot.
func (s *Store) Load(ctx context.Context, needs server.Needs) (server.Loaded, error) {
	r, seen, asked := newReads(), server.NewView(), server.Ask(needs)
	for _, crew := range asked.Crews {
		r.Queue(`SELECT `+crewColumns+` FROM crews WHERE name = $1`, crew.Name).Query(each(crewInto(seen)))
	}
	queueReads(r.Queue, asked, seen)
	if err := s.read(ctx, r); err != nil {
		return server.Loaded{}, err
	}
	return seen.Loaded(needs), nil
}
