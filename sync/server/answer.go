package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// Keys of log lines.
const (
	keyMethod = "method"
	keyPath   = "path"
	keyError  = "error"
	keyDevice = "device"
	keyUser   = "user"
	keyCode   = "code"
	keyCrew   = "crew"
)

// send writes an answer as JSON.
func (s *Server) send(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil { // cannot be: answers hold scalars
		s.log.Error("answer", keyError, err)
		status, body = http.StatusInternalServerError, []byte(`{"status":500,"code":"internal","error":"internal error"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever went away meanwhile asks again
}

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// ok answers 200.
func (s *Server) ok(w http.ResponseWriter, v any) { s.send(w, http.StatusOK, jsonType, v) }

// problem answers with what is wrong with the request or the channel.
func (s *Server) problem(w http.ResponseWriter, p *wire.Problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		if w.Header().Get("Retry-After") == "" {
			w.Header().Set("Retry-After", "1")
		}
	}
	s.send(w, p.Status, problemType, p)
}

// fail answers an error of the server's own: the operator reads all of it, the
// device only that it may try again.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil || errors.Is(err, context.Canceled) {
		s.problem(w, &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.CodeBusy, Message: "the request was ended"})
		return
	}
	if errors.Is(err, ErrFull) {
		s.full.Store(true)
		s.log.Error("the database's disk is full: nothing is taken until there is space; free some, or give it more", keyMethod, r.Method, keyPath, r.URL.Path, keyError, err)
		s.problem(w, s.noSpace(w))
		return
	}
	s.log.Error("request", keyMethod, r.Method, keyPath, r.URL.Path, keyError, err)
	if errors.Is(err, ErrBusy) {
		s.problem(w, &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.CodeBusy, Message: "the server is busy", Hint: "try again in a moment"})
		return
	}
	s.problem(w, &wire.Problem{Status: http.StatusInternalServerError, Code: wire.CodeInternal, Message: "internal error", Hint: "the server's log says more"})
}

// retryFull is how many seconds a device waits for space: a person has to make it.
const retryFull = "30"

// noSpace is the answer while there is none.
func (s *Server) noSpace(w http.ResponseWriter) *wire.Problem {
	w.Header().Set("Retry-After", retryFull)
	return &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.CodeBusy, Message: "the server's disk is full", Hint: "nothing is lost: what was not taken stays on the laptop; tell the office"}
}

// identified puts the protocol's headers on an answer, whatever it will be.
func (s *Server) identified(h http.Header) {
	h.Set(wire.HeaderProtocol, wire.Protocol)
	h.Set(wire.HeaderServer, s.id)
	h.Set(wire.HeaderTime, strconv.FormatInt(s.ms(), 10))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// clip makes what a stranger sent short and safe to show.
func clip(text string) string {
	text = op.Clean(text, false)
	if utf8.RuneCountInString(text) > 200 {
		return string([]rune(text)[:199]) + "…"
	}
	return text
}
