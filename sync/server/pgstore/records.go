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

// Steps of a write are decided together, so many that their rows fit in memory.
const (
	maxSteps = 256
	maxOps   = 4000
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
		list := portion(next)
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

// portion takes the next steps that are decided together.
func portion(next func() (server.Step, bool)) (list []server.Step) {
	for ops := 0; len(list) < maxSteps && ops < maxOps; {
		step, ok := next()
		if !ok {
			break
		}
		list = append(list, step)
		ops += len(step.Needs.OpIDs) + len(step.Needs.Records)
	}
	return list
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
	seen := newView()
	asks := make([]server.Needs, len(list))
	for i, step := range list {
		asks[i] = step.Needs
	}
	if err := t.load(ctx, seen, asks...); err != nil {
		return err
	}
	for _, step := range list {
		needs := step.Needs
		for {
			effects, more, err := step.Decide(needs, seen.of(needs))
			if err != nil {
				return err
			}
			if more.Empty() {
				seen.apply(effects)
				break
			}
			needs = needs.Add(more)
			if err := t.load(ctx, seen, needs); err != nil {
				return err
			}
		}
	}
	t.store(seen)
	return nil
}

// load locks what is not locked yet, and reads what the steps need into the view.
func (t *transaction) load(ctx context.Context, seen *view, asks ...server.Needs) error {
	q := union(asks)
	for _, crew := range q.crews {
		// One row a statement, in the order of names: the one thing that writers
		// wait for, and no order in which two could wait for each other.
		lock := ` FOR UPDATE`
		if t.locked[crew] {
			lock = ``
		}
		t.queue(`SELECT `+crewColumns+` FROM crews WHERE name = $1`+lock, crew).Query(each(seen.addCrew))
	}
	q.queue(t.queue, seen.loader())
	seen.asked(q)
	if err := t.send(ctx); err != nil {
		return err
	}
	for _, crew := range q.crews {
		t.locked[crew] = true
	}
	return nil
}

// Load reads what is needed from one snapshot.
func (s *Store) Load(ctx context.Context, needs server.Needs) (server.Loaded, error) {
	r, seen := newReads(), newView()
	q := union([]server.Needs{needs})
	for _, crew := range q.crews {
		r.Queue(`SELECT `+crewColumns+` FROM crews WHERE name = $1`, crew).Query(each(seen.addCrew))
	}
	q.queue(r.Queue, seen.loader())
	if err := s.read(ctx, r); err != nil {
		return server.Loaded{}, err
	}
	return seen.of(needs), nil
}
