package main

import (
	"context"
	"errors"
	"time"

	"example.com/punchlist/localdb"
	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

const (
	verifyTries  = 20
	verifyPause  = time.Second
	verifyLeaves = 32 // so many leaves of a crew are looked into
)

// errRestless says that the two sides never stood at the same version.
var errRestless = errors.New("the crew's records change all the time")

// errMoved says that one side moved on while they were compared.
var errMoved = errors.New("moved on")

// compareWithServer holds what this laptop was told against what the server
// holds, at a moment at which the laptop has heard all of it. Nothing is sent,
// and nothing is put right. say is told how far it is.
func compareWithServer(ctx context.Context, db *localdb.DB, say func(format string, args ...any)) (verified, error) {
	say("comparing: counting the records here")
	if err := db.CountAnew(ctx); err != nil {
		return verified{}, err
	}
	remote, err := newRemotes(db, nil).now(ctx)
	if err != nil {
		return verified{}, err
	}
	defer remote.Hangup()
	for range verifyTries {
		v, err := compareOnce(ctx, db, remote, say)
		if !errors.Is(err, errMoved) {
			return v, err
		}
		select {
		case <-ctx.Done():
			return verified{}, ctx.Err()
		case <-time.After(verifyPause):
		}
	}
	return verified{}, errRestless
}

func compareOnce(ctx context.Context, db *localdb.DB, remote *wire.Client, say func(format string, args ...any)) (verified, error) {
	release, alone, err := db.TryLock()
	if err != nil {
		return verified{}, err
	}
	if alone {
		defer release()
	}
	v := verified{crews: map[string]pairOfStands{}}
	say("comparing: fetching what changed")
	if _, err := hear(ctx, db, remote, alone); err != nil { // which crews there are, too
		return v, err
	}
	d, err := db.Device(ctx)
	if err != nil {
		return v, err
	}
	digests := make([]wire.Digest, len(d.Crews))
	for i, crew := range d.Crews { // first, because the server reads its records through for it
		say("comparing: the server counts crew %d of %d", i+1, len(d.Crews))
		if digests[i], err = remote.Digest(ctx, crew, true); err != nil {
			return v, err
		}
	}
	page, err := hear(ctx, db, remote, alone)
	if err != nil {
		return v, err
	}
	if _, done, err := db.Compare(ctx, page, true); err != nil || !done {
		return v, errors.Join(err, map[bool]error{false: errMoved}[done])
	}
	mine, err := db.Digests(ctx)
	if err != nil {
		return v, err
	}
	for i, digest := range digests {
		say("comparing: crew %d of %d", i+1, len(digests))
		if page.Digest[digest.Crew] != digest.Stand {
			return v, errMoved
		}
		v.crews[digest.Crew] = pairOfStands{wire.Stand{Version: digest.Version, Digest: mine[digest.Crew]}, digest.Stand}
		if err := v.explain(ctx, db, remote, digest); err != nil {
			return v, err
		}
	}
	if now, err := db.Cursor(ctx); err != nil || now != page.Cursor {
		return v, errors.Join(err, errMoved)
	}
	return v, nil
}

// hear takes what changed on the server, unless another program on this laptop
// does: then that has to come first. It returns the last page.
func hear(ctx context.Context, db *localdb.DB, remote *wire.Client, alone bool) (wire.Changes, error) {
	for {
		self, err := db.Self(ctx)
		if err != nil {
			return wire.Changes{}, err
		}
		cursor, err := db.Cursor(ctx)
		if err != nil {
			return wire.Changes{}, err
		}
		page, err := remote.Changes(ctx, self, cursor, wire.MaxPage/2)
		if err != nil {
			return page, err
		}
		news := len(page.Changes)+len(page.Conflicts) > 0 || page.Cursor != cursor
		if news && !alone {
			return page, errMoved
		}
		if news {
			if _, err := db.ApplyChanges(ctx, page); err != nil {
				return page, err
			}
		}
		if !page.More {
			return page, nil
		}
	}
}

// explain names what differs in a crew.
func (v *verified) explain(ctx context.Context, db *localdb.DB, remote *wire.Client, d wire.Digest) error {
	leaves, err := db.Differing(ctx, d)
	if err != nil {
		return err
	}
	v.more += max(0, len(leaves)-verifyLeaves)
	for _, name := range leaves[:min(len(leaves), verifyLeaves)] {
		l := wire.Leaf{Crew: d.Crew, Version: d.Version, Leaf: name}
		if op.LeafName(op.LeafOf(name)) == name { // else no server has such records
			if l, err = remote.Leaf(ctx, d.Crew, name); err != nil {
				return err
			}
		}
		if l.Version != d.Version {
			return errMoved
		}
		wrong, err := db.Explain(ctx, l)
		if err != nil {
			return err
		}
		v.wrong = append(v.wrong, wrong...)
	}
	return nil
}
