package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"example.com/punchlist/sync/wire"
)

const (
	// heartbeat is the time between two comments on a stream that has no news.
	heartbeat = wire.Heartbeat
	// stalled is how long one write to a stream may take.
	stalled = 10 * time.Second
)

// events answers GET /sync/events: a stream that pokes the device whenever a
// crew of its user has something newer. A poke carries no record, so that a
// lost one costs nothing: what is new is asked for with /sync/changes. The
// first pokes come at once, one a crew, so that nothing which was committed
// between the device's last pull and the stream is missed.
func (s *Server) events(w http.ResponseWriter, r *http.Request, by Author) {
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", wire.EventType)
		return
	}
	st, ok := s.hub.join(by)
	if !ok {
		s.problem(w, &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.CodeBusy, Message: "the server is stopping", Hint: "try again in a moment"})
		return
	}
	defer s.hub.leave(st)
	out := newEventWriter(w)
	if err := out.begin(); err != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			if out.comment() != nil {
				return
			}
		case <-st.wake:
			pokes, end := s.hub.take(st)
			if end != "" || out.pokes(pokes) != nil {
				return
			}
		}
	}
}

// eventWriter writes server-sent events. A reader that takes nothing is cut off.
type eventWriter struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func newEventWriter(w http.ResponseWriter) eventWriter {
	return eventWriter{w, http.NewResponseController(w)}
}

// begin sends the headers and a comment at once: a device that does not see it
// soon knows that something on the way holds streams back.
func (e eventWriter) begin() error {
	// The server's deadlines are for requests that end by themselves.
	if err := errors.Join(e.rc.SetReadDeadline(time.Time{}), e.rc.SetWriteDeadline(time.Time{})); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	h := e.w.Header()
	h.Set("Content-Type", wire.EventType)
	h.Set("X-Accel-Buffering", "no") // nginx and those who imitate it
	return e.comment()
}

func (e eventWriter) comment() error { return e.send([]byte(":\n\n")) }

func (e eventWriter) pokes(list []poke) error {
	var b bytes.Buffer
	for _, p := range list {
		data, err := json.Marshal(wire.Poke{Crew: p.crew, Version: p.version})
		if err != nil {
			return err
		}
		b.WriteString("event: poke\ndata: ")
		b.Write(data)
		b.WriteString("\n\n")
	}
	if b.Len() == 0 {
		return nil
	}
	return e.send(b.Bytes())
}

// send writes at once. The deadline is set when it has passed, so that no clock
// is needed but the timer.
func (e eventWriter) send(b []byte) error {
	late := time.AfterFunc(stalled, func() { _ = e.rc.SetWriteDeadline(time.Unix(1, 0)) })
	defer late.Stop()
	if _, err := e.w.Write(b); err != nil {
		return err
	}
	return e.rc.Flush()
}

// await is the long poll, for devices to which no stream comes through: it
// waits until a crew of the author's may have something newer than since, at
// most for so long. It tells why it must not go on waiting, where that is so.
func (s *Server) await(r *http.Request, by Author, since map[string]int64, wait time.Duration) ending {
	st, ok := s.hub.join(by)
	if !ok {
		return endDrain
	}
	defer s.hub.leave(st)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-r.Context().Done():
			return ""
		case <-timer.C:
			return ""
		case <-st.wake:
			pokes, end := s.hub.take(st)
			if end != "" {
				return end
			}
			for _, p := range pokes {
				if p.version > since[p.crew] {
					return ""
				}
			}
		}
	}
}
