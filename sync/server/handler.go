package server

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"

	"github.com/klauspost/compress/gzhttp"

	"example.com/punchlist/sync/wire"
)

// endpoint is one request that the server answers.
type endpoint struct {
	method string
	path   string
	handle http.HandlerFunc
}

func (s *Server) endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, wire.PathHealth, s.health},
		{http.MethodGet, wire.PathReady, s.anyone(s.ready)},
		{http.MethodGet, wire.PathPing, s.ping},
		{http.MethodPost, wire.PathEnroll, s.anyone(s.enroll)},
		{http.MethodPost, wire.PathSync, s.device(s.single)},
		{http.MethodPost, wire.PathBatch, s.device(s.batch)},
		{http.MethodGet, wire.PathChanges, s.device(s.changes)},
		{http.MethodPost, wire.PathHistory, s.device(s.history)},
		{http.MethodGet, wire.PathDigest, s.device(s.digest)},
		{http.MethodGet, wire.PathEvents, s.device(s.events)},
	}
}

// Handler answers the protocol's requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, e := range s.endpoints() {
		mux.HandleFunc(e.path, s.only(e))
	}
	mux.HandleFunc("/", s.anyone(s.noRoute))
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1024))
	if err != nil {
		panic(err) // the options are constants
	}
	packed := compress(mux)
	return s.metered(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.identified(w.Header())
		defer s.survive(w, r)
		if r.URL.Path != path.Clean(r.URL.Path) { // the mux would send elsewhere, in HTML
			s.anyone(s.noRoute)(w, r)
			return
		}
		if r.URL.Path == wire.PathEvents { // a stream is not packed: it would be held back, and need memory
			mux.ServeHTTP(w, r)
			return
		}
		packed.ServeHTTP(w, r)
	}))
}

func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) {
	s.problem(w, &wire.Problem{Status: http.StatusNotFound, Code: wire.CodeNoRoute, Message: fmt.Sprintf("there is nothing at %s", clip(r.URL.Path)),
		Hint: "this is a punchlist sync server; give its address to: punchlist enroll"})
}

// only lets the endpoint's own method through.
func (s *Server) only(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != e.method && (r.Method != http.MethodHead || e.method != http.MethodGet) {
			w.Header().Set("Allow", e.method)
			s.problem(w, &wire.Problem{Status: http.StatusMethodNotAllowed, Code: wire.CodeBadRequest, Message: fmt.Sprintf("%s takes %s only", e.path, e.method)})
			return
		}
		if bad := unreadable(r); bad != nil {
			s.problem(w, bad)
			return
		}
		e.handle(w, r)
	}
}

// unreadable says why a request cannot be understood at all; nil: it can. What
// r.URL.Query leaves out of a query that is not one must not pass for "not given".
func unreadable(r *http.Request) *wire.Problem {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return badRequest("the query is not one: %v", clip(err.Error()))
	}
	switch protocol := r.Header.Get(wire.HeaderProtocol); {
	case protocol == "" || protocol == wire.Protocol: // the plain form need not say
		return nil
	case len(protocol) > len(wire.Protocol) || len(protocol) == len(wire.Protocol) && protocol > wire.Protocol:
		return &wire.Problem{Status: http.StatusUpgradeRequired, Code: wire.CodeUpgrade, Message: "this punchlist is newer than the server, which speaks protocol " + wire.Protocol + " only",
			Hint: "ask the office to install the newest punchlistd; work goes on and waits"}
	}
	return &wire.Problem{Status: http.StatusUpgradeRequired, Code: wire.CodeUpgrade, Message: "this punchlist is too old for the server, which speaks protocol " + wire.Protocol,
		Hint: "install the newest punchlist; work goes on and waits"}
}

// survive turns a panic of one request into a 500 of that request.
func (s *Server) survive(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.log.Error("panic", keyMethod, r.Method, keyPath, r.URL.Path, keyError, fmt.Sprint(p), "stack", string(debug.Stack()))
	s.problem(w, &wire.Problem{Status: http.StatusInternalServerError, Code: wire.CodeInternal, Message: "internal error", Hint: "the server's log says more"})
}
