package engine

import (
	"context"
	"errors"
	"net/http"

	"example.com/punchlist/sync/wire"
)

// maxTokens is how many of the device's tokens one round tries.
const maxTokens = 3

// renew keeps the token that a page offered; the next round shows it. Where that
// fails the old one stays good, and a later page offers it again.
func (r *round) renew(ctx context.Context, next string) {
	b, ok := r.line.remote.(Bearer)
	if !ok || next == "" {
		return
	}
	switch err := r.o.Local.Renew(ctx, b.Token(), next); {
	case err == nil:
		r.out.renewed = true
	case ctx.Err() == nil:
		r.o.Log.Warn("the renewed token was not kept", "error", err)
	}
}

// stepOver leaves the old token behind once a renewed one was kept: who listens
// with it stops, and a round that shows the new one comes next. Until then nothing of
// this laptop uses either, so that no request with the old one is still on its way,
// or on a laptop that sleeps, long after the new one was seen: that would be an alarm.
func (l *loop) stepOver() {
	if remote, err := l.o.Remote(l.ctx); err != nil || remote == l.line.remote {
		return
	}
	l.hush()
	l.ears.due = max(l.ears.due, l.soon(0, true)+1)
	l.due = min(l.due, l.soon(0, true))
}

// otherToken tells, after a round that failed, whether the server may know this
// laptop by another token than the one that it refused: another program here got
// a newer one meanwhile, or the server was restored to the time of an older one.
func (r *round) otherToken(ctx context.Context, f *fault) bool {
	var refused *wire.ServerError
	if f == nil || !errors.As(f.err, &refused) || refused.Status() != http.StatusUnauthorized {
		return false
	}
	if b, ok := r.line.remote.(Bearer); ok && refused.Problem.Code == wire.CodeUnauthorised && !r.o.Local.Refused(b.Token()) {
		return false
	}
	if refused.Problem.Code == wire.CodeReplaced {
		r.o.Local.Renewed()
	}
	remote, err := r.o.Remote(ctx)
	return err == nil && remote != r.line.remote
}
