package server

import (
	"net/http"
	"time"

	"example.com/punchlist/sync/wire"
)

// Meter hears what a server does. Its methods return at once and are safe for
// concurrent use.
type Meter interface {
	// Answered is one request to one of the protocol's paths ("other" for what is
	// none), after its answer.
	Answered(path string, status int, took time.Duration)
	// Decided is one batch, with how old each op was when it arrived.
	Decided(results []wire.Result, ages []time.Duration)
	// Gathered is one transaction of so many batches.
	Gathered(batches int)
	// Refused is one request that was more than its device or address may make:
	// "device rate", "device together", "address rate" or "address codes" (of wrong
	// enrolment codes).
	Refused(why string)
	// Reported is what a device told of itself.
	Reported(r Report)
}

// silent is the meter where nobody listens.
type silent struct{}

func (silent) Answered(string, int, time.Duration)    {}
func (silent) Decided([]wire.Result, []time.Duration) {}
func (silent) Gathered(int)                           {}
func (silent) Refused(string)                         {}
func (silent) Reported(Report)                        {}

// decided tells the meter of a batch.
func (s *Server) decided(ops []incoming, results []wire.Result) {
	now, ages := s.ms(), make([]time.Duration, len(ops))
	for i := range ops {
		if made := ops[i].CreatedAt; made > 0 && made < now { // a clock that is ahead says nothing of age
			ages[i] = time.Duration(now-made) * time.Millisecond
		}
	}
	s.meter.Decided(results, ages)
}

// Streams counts the devices that listen for news now.
func (s *Server) Streams() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.hub.n
}

// metered tells the meter of each request. Paths of strangers are one word, so
// that nobody can make up any number of them.
func (s *Server) metered(next http.Handler) http.Handler {
	known := map[string]bool{}
	for _, e := range s.endpoints() {
		known[e.path] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := "other"
		if known[r.URL.Path] {
			path = r.URL.Path
		}
		start, seen := s.now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { s.meter.Answered(path, seen.status, s.now().Sub(start)) }()
		next.ServeHTTP(seen, r)
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader is the writer's own.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
