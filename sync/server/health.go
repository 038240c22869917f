package server

import (
	"io"
	"net/http"

	"example.com/punchlist/sync/wire"
)

// health says that the process answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// ready says that the store answers too.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if _, err := s.store.Setting(r.Context(), "identity", ""); err != nil {
		s.log.Error("not ready", keyError, err)
		s.problem(w, &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.CodeBusy, Message: "the database does not answer"})
		return
	}
	s.health(w, r)
}
