package engine

import (
	"context"
	"errors"

	"example.com/punchlist/sync/reach"
	"example.com/punchlist/sync/wire"
)

// What the person is told while it happens. Local keeps a notice that lasts.
const (
	tellReset  = "the server was restored from a backup; everything is fetched again, and what this laptop sent is offered again"
	tellForked = "this laptop's data was copied or restored; its changes go on under a new identity"
)

var errForked = errors.New("the server takes no change from this laptop: another copy of its data sends under the same identity")

// reset is what follows when the server says that its history is not the one
// that this device was told of. What is asked for first decides nothing, so that
// a crash anywhere leaves either the old state, in which the next contact begins
// here again, or the new one, which the rounds go on from.
func (r *round) reset(ctx context.Context) *fault {
	r.detail = tellReset
	r.board.reach(reach.Online, r.detail, r.o.Clock().Wall)
	r.o.Log.Warn("the server was restored from a backup; taking its base")
	past, err := r.o.Local.Past(ctx)
	if err != nil {
		return diagnose(err)
	}
	var common wire.Common
	err = r.call(func(s Remote) (err error) { common, err = s.History(ctx, past); return err })
	if err != nil {
		return diagnose(err)
	}
	if err := r.o.Local.Reset(ctx, common); err != nil {
		return diagnose(err)
	}
	r.line.crews = ""
	clear(r.line.heard)
	return nil
}

// forked notes that the queue has a new identity: the same ops are sent again
// under it at once. When that does not help, the next round tries again.
func (r *round) forked() *fault {
	r.detail = tellForked
	r.online()
	r.o.Log.Warn("this device's data was copied or restored; its queue takes a new identity")
	if r.forks++; r.forks > 1 {
		return &fault{err: errForked, state: reach.Online}
	}
	return nil
}
