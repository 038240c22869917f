package server

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strings"

	"example.com/punchlist/sync/wire"
)

// ping proves by a signature that it is this server which answers, and tells
// the time. It needs no token; with one it says whether that still works.
func (s *Server) ping(w http.ResponseWriter, r *http.Request) {
	nonce := r.URL.Query().Get("nonce")
	if !validNonce(nonce) {
		s.problem(w, badRequest("a nonce is 1 to %d letters, digits, “-”, “_”, “.” or “~”", wire.MaxNonce))
		return
	}
	now := s.ms()
	p := wire.Ping{Service: "punchlist", Protocol: 1, ServerID: s.id, Time: now, Nonce: nonce, ServerKey: s.keyText()}
	signed := func(w http.ResponseWriter, _ *http.Request) { // once it is let through: to sign costs more than to refuse
		p.Signature = base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.key, wire.PingText(nonce, s.id, now)))
		s.ok(w, p)
	}
	if r.Header.Get("Authorization") == "" {
		s.anyone(signed)(w, r)
		return
	}
	by, err := s.authenticate(r)
	auth, out := outside(err)
	switch {
	case err == nil:
		if _, why, wait := s.devices.enter(by.Device, s.ms(), false); why != "" {
			s.tooMany(w, r, &tooManyError{"device", why, wait}, "this device asks too often")
			return
		}
		p.Auth = wire.AuthOK
	case out != nil:
		p.Auth = auth
	default:
		s.keepOut(w, r, err)
		return
	}
	signed(w, r)
}

// validNonce keeps what is signed free of line breaks and the answer short.
func validNonce(nonce string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
	return nonce != "" && len(nonce) <= wire.MaxNonce && strings.Trim(nonce, letters) == ""
}
