package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Deadlines of a connection: whoever is slower is cut off.
const (
	headerTime = 5 * time.Second
	readTime   = 30 * time.Second
	writeTime  = 60 * time.Second
	idleTime   = 2 * time.Minute
	maxHeader  = 16 << 10
	// drainTime is how long requests may finish once the server is to stop.
	drainTime = 3 * time.Second
)

// Serve answers on ln until ctx ends, then lets the requests that run finish
// for a short while and returns nil. It closes ln. Every goroutine it started
// has ended when it returns, but for requests that did not finish in time:
// their connections are cut.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	hs := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime,
		IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.hub.drain(false)
	hs.RegisterOnShutdown(func() { s.hub.drain(true) })
	tending, still := context.WithCancel(ctx)
	tended := make(chan struct{})
	go func() {
		defer close(tended)
		var recurring sync.WaitGroup
		recurring.Go(func() { s.recurOn(tending) })
		s.tendOn(tending)
		recurring.Wait()
	}()
	defer func() { still(); <-tended }()
	stopped := make(chan error, 1)
	go func() { stopped <- hs.Serve(ln) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := hs.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = hs.Close()
	}
	<-stopped
	if err != nil {
		return fmt.Errorf("stop serving %s: %w", ln.Addr(), err)
	}
	return nil
}
