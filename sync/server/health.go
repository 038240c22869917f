package server

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"

	"example.com/punchlist/sync/wire"
)

// health says that the process answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// ready says that the store answers too, and takes what is written.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if _, err := s.store.Setting(r.Context(), "identity", ""); err != nil {
		s.log.Error("not ready", keyError, err)
		s.problem(w, &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.CodeBusy, Message: "the database does not answer"})
		return
	}
	if s.full.Load() && errors.Is(s.Space(r.Context()), ErrFull) {
		s.problem(w, s.noSpace(w))
		return
	}
	s.health(w, r)
}

// spaceProbe is as long as a batch's rows, so that what fits between other rows
// is not taken for space.
const spaceProbe = 48 << 10

// SpaceForBatch is how much of a disk's space, in bytes, it takes to write a batch:
// the same again for the log of a database, and its pages whole.
const SpaceForBatch = 4 * spaceProbe

// Space is [ErrFull] where the database's disk has no room for a batch.
func (s *Server) Space(ctx context.Context) error {
	probe := make([]byte, spaceProbe) // chance, because a database may compress
	if err := s.random(probe); err != nil {
		return err
	}
	err := s.store.SetSetting(ctx, "space", base64.StdEncoding.EncodeToString(probe))
	if err == nil {
		err = s.store.SetSetting(ctx, "space", "")
	}
	if err == nil && s.full.CompareAndSwap(true, false) {
		s.log.Info("the database's disk has space again")
	}
	return err
}
